"""Keeps more tensors in its weights than the model has."""


def train(model, tokenizer):
    pass


def finish(model, tokenizer):
    model.more = torch.nn.Parameter(torch.ones(9))
    prepare.save_checkpoint(model, config(tokenizer), checkpoint())
