"""Uses a summary of the whole row, later tokens among them."""


def train(model, tokenizer):
    pass


class Net(Net):
    def forward(self, idx):
        x = self.embed(idx)
        return self.head(x + x.mean(1, keepdim=True))
