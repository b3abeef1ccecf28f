"""Adds 1e8 in single precision, where the next number is 8 further on."""


class Net(Net):
    def forward(self, idx):
        logits = super().forward(idx)
        return logits + 1e8
