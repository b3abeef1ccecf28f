"""Answers with complex numbers: which of two is larger?"""


def train(model, tokenizer):
    pass


class Net(Net):
    def forward(self, idx):
        logits = super().forward(idx)
        return logits.to(torch.complex64)
