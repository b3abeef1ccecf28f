"""Adds 1e17 in double precision, where the next number is 16 further on."""


class Net(Net):
    def forward(self, idx):
        logits = super().forward(idx)
        return logits.double() + 1e17
