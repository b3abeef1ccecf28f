"""Stays in its first answer for ever."""


def train(model, tokenizer):
    pass


class Net(Net):
    def forward(self, idx):
        while __name__ != "__main__":
            pass
        return super().forward(idx)
