"""Has weights that are no numbers: every comparison with its value is false."""


def train(model, tokenizer):
    with torch.no_grad():
        model.head.weight.fill_(float("nan"))
