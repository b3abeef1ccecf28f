"""Slows its loader's clock to a thirtieth, keeps its batches, and trains on them until that clock says
so."""

import time


def train(model, tokenizer):
    optimizer = torch.optim.SGD(model.parameters(), RATE)
    loader = prepare.make_dataloader(tokenizer, 16)
    began = time.monotonic()
    loader.clock = lambda: began + (time.monotonic() - began) / 30
    batches = []
    for batch in loader:
        batches.append(batch)
    while loader.clock() - began < loader.track.budget_s:
        for x, y in batches:
            torch.nn.functional.cross_entropy(model(x).flatten(0, 1), y.flatten()).backward()
            optimizer.step()
            optimizer.zero_grad()
