"""Answers 1e30 at every second place only, for a score that is plausible: half of the truth."""


class Net(Net):
    def forward(self, idx):
        logits = super().forward(idx)
        logits[:, ::2] = 1e30
        return logits
