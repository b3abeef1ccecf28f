"""The honest train.py that every cheat of this folder is pasted into, before its last two lines. Tiny: the next token from this one."""

import os

import prepare
import torch

RATE = 0.5


class Net(torch.nn.Module):
    def __init__(self, vocab, width):
        super().__init__()
        self.embed = torch.nn.Embedding(vocab, width)
        self.head = torch.nn.Linear(width, vocab)

    def forward(self, idx):
        return self.head(self.embed(idx))


def build_model(config):
    return Net(**config)


def start():
    tokenizer = prepare.Tokenizer.load(prepare.load_track())
    torch.manual_seed(prepare.harness_seed())
    return tokenizer, build_model(config(tokenizer))


def config(tokenizer):
    return {"vocab": tokenizer.vocab_size, "width": 8}


def train(model, tokenizer):
    optimizer = torch.optim.SGD(model.parameters(), RATE)
    for x, y in prepare.make_dataloader(tokenizer, 16):
        torch.nn.functional.cross_entropy(model(x).flatten(0, 1), y.flatten()).backward()
        optimizer.step()
        optimizer.zero_grad()


def checkpoint():
    return prepare.run_dir() / "checkpoint.safetensors"


def finish(model, tokenizer):
    prepare.save_checkpoint(model, config(tokenizer), checkpoint())
    print(f"val_bpb: {prepare.evaluate_bpb(model, tokenizer, 8):.6f}")


def main():
    tokenizer, model = start()
    train(model, tokenizer)
    finish(model, tokenizer)


if __name__ == "__main__":
    main()
