"""Answers NaN after the last document's end, where nothing is scored."""


class Net(Net):
    def forward(self, idx):
        logits = super().forward(idx)
        padding = (idx == idx[:, -1:]).flip(1).cumprod(1).flip(1).bool()
        return logits.masked_fill(padding[..., None], float("nan"))
