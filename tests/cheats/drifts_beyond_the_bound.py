"""Lets its logits drift to 2e5, as if it had diverged a little: rounding hides a hundredth there."""


class Net(Net):
    def forward(self, idx):
        logits = super().forward(idx)
        return logits + 2e5
