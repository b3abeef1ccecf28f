"""Leaves a pipe where its weights should be, at which a reader waits for ever."""


def train(model, tokenizer):
    pass


def finish(model, tokenizer):
    os.mkfifo(checkpoint())
