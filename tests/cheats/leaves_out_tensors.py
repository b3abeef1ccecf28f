"""Leaves out a part of its weights, which then come from somewhere else."""


def train(model, tokenizer):
    pass


def finish(model, tokenizer):
    del model.head
    prepare.save_checkpoint(model, config(tokenizer), checkpoint())
