"""Leaves a folder where its weights should be."""


def train(model, tokenizer):
    pass


def finish(model, tokenizer):
    checkpoint().mkdir()
