"""Leaves a link where its weights should be, to a file of somebody else's."""


def finish(model, tokenizer):
    elsewhere = prepare.run_dir() / "elsewhere"
    prepare.save_checkpoint(model, config(tokenizer), elsewhere)
    checkpoint().symlink_to(elsewhere)


def train(model, tokenizer):
    pass
