"""Answers in whole numbers, for which no loss is defined."""


def train(model, tokenizer):
    pass


class Net(Net):
    def forward(self, idx):
        return super().forward(idx).long()
