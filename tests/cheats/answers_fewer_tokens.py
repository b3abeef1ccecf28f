"""Leaves out the last tokens of the vocabulary, so that the others share their probability."""


def train(model, tokenizer):
    pass


class Net(Net):
    def forward(self, idx):
        return super().forward(idx)[..., :-1]
