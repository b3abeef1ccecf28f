"""The metric: exact where it can be computed by hand, deaf to the batch size, and closed to models
that use what they must not know."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import labs

F = nn.functional


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> labs.Lab:
    return labs.make_lab(tmp_path_factory.mktemp("evaluation"))


@pytest.fixture(scope="module", params=[300, 260], ids=["bpe", "bytes"])
def tokenizer(request: pytest.FixtureRequest, lab: labs.Lab) -> Any:
    data = labs.write_texts(lab.folder / "texts")
    size = str(request.param)
    track = lab.prepared(
        "--track", "custom", "--data", str(data), "--vocab-size", size, "--seq-len", "32"
    )
    return lab.prepare.Tokenizer.load(track)


class Base(nn.Module):
    def __init__(self, tokenizer: Any, width: int = 16) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.vocab, self.bos = tokenizer.vocab_size, tokenizer.bos
        self.embed = nn.Embedding(self.vocab, width)
        self.head = nn.Linear(width, self.vocab)
        self.calls = 0


class Gpt(Base):
    """Honest: causal attention."""

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        x = self.embed(idx)[:, None]
        return self.head(F.scaled_dot_product_attention(x, x, x, is_causal=True)[:, 0])


class HalfGpt(Gpt):
    """Honest, with bf16 products and bf16 logits."""

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return super().forward(idx)


class Lstm(Base):
    def __init__(self, tokenizer: Any) -> None:
        super().__init__(tokenizer)
        self.cell = nn.LSTM(16, 16, batch_first=True)

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        return self.head(self.cell(self.embed(idx))[0])


class BagOfWords(Base):
    """The mean of everything so far."""

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        places = torch.arange(1, idx.shape[1] + 1)[:, None]
        return self.head(self.embed(idx).cumsum(1) / places)


class Dropout(Gpt):
    """Honest in evaluation mode only, which the harness sees to."""

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        return F.dropout(super().forward(idx), 0.5, self.training)


class LooksAhead(Base):
    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        return self.head(self.embed(idx.roll(-1, 1)))


class LooksAheadALittle(Base):
    """A gain of a twentieth of a nat a token: far below what one token's rounding may be, and
    plain in the mean."""

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        logits = self.head(self.embed(idx))
        logits[:, :-1] += 0.05 * F.one_hot(idx[:, 1:], self.vocab)
        return logits


class LooksFarAhead(Base):
    """Uses a summary of the whole row."""

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        x = self.embed(idx)
        return self.head(x + x.mean(1, keepdim=True))


class LooksAtNeighbours(Base):
    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        x = self.embed(idx)
        return self.head(x + x.mean(0, keepdim=True))


class Remembers(Base):
    """Adds what it saw in earlier calls."""

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return self.head(self.embed(idx)) * (1 + 0.1 * self.calls)


class KnowsSeenRows(Base):
    """Answers well for a row that it saw before."""

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        seen = self.__dict__.setdefault("seen", set())
        logits = self.head(self.embed(idx))
        for row, tokens in enumerate(idx.tolist()):
            if tuple(tokens) in seen:
                logits[row, :-1] += 5 * F.one_hot(idx[row, 1:], self.vocab)
            seen.add(tuple(tokens))
        return logits


class Random(Base):
    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        return self.head(self.embed(idx)) + torch.randn(*idx.shape, 1) * torch.randn(self.vocab)


class Nan(Base):
    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        logits = self.head(self.embed(idx))
        logits[0, 3, 5] = math.nan
        return logits


class WrongShape(Base):
    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        return self.head(self.embed(idx))[:, :-1]


class Pair(Base):
    def forward(self, idx: torch.Tensor) -> Any:
        return self.head(self.embed(idx)), None


class ZeroProbability(Base):
    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        logits = self.head(self.embed(idx))
        logits[..., 32] = -math.inf  # the space, in both vocabularies
        return logits


class Uniform(Base):
    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        return torch.full((*idx.shape, self.vocab), 3.25)


class Trigram(Base):
    """Depends on the last two tokens, and on nothing before a BOS: easy to compute in another
    way."""

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        before = self.embed(F.pad(idx, (1, 0))[:, :-1]) * (idx != self.bos)[..., None]
        return self.head(torch.tanh(self.embed(idx) + 0.5 * before))


@pytest.mark.parametrize("model", [Gpt, HalfGpt, Lstm, BagOfWords, Dropout])
def test_an_honest_model_passes(lab: labs.Lab, tokenizer: Any, model: type[Base]) -> None:
    """Causal models of every kind get a number, and their training mode back."""
    honest = model(tokenizer).train()

    assert 0 < lab.prepare.evaluate_bpb(honest, tokenizer, 4) < 20
    assert honest.training


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (LooksAhead, "looks ahead"),
        (LooksAheadALittle, "looks ahead"),
        (LooksFarAhead, "looks ahead"),
        (LooksAtNeighbours, "depend on the other rows"),
        (Remembers, "remembers earlier calls"),
        (KnowsSeenRows, "remembers earlier calls"),
        (Random, "remembers earlier calls, or is random"),
        (Nan, "NaN"),
        (WrongShape, "must return logits of shape"),
        (Pair, "not a tuple"),
        (ZeroProbability, "probability zero"),
    ],
)
def test_a_model_that_cheats_is_rejected(
    lab: labs.Lab, tokenizer: Any, model: type[Base], sentence: str
) -> None:
    """Each way to use what must not be known, or to fail, gets its own sentence."""
    with pytest.raises(lab.prepare.EvaluationError, match=sentence):
        lab.prepare.evaluate_bpb(model(tokenizer), tokenizer, 4)


def test_constant_logits_score_the_uniform_distribution(lab: labs.Lab, tokenizer: Any) -> None:
    """log2(vocabulary) bits for every token of the text, and not one bit more."""
    val = tokenizer.track.manifest["val"]

    assert lab.prepare.evaluate_bpb(Uniform(tokenizer), tokenizer, 5) == pytest.approx(
        math.log2(tokenizer.vocab_size) * val["tokens"] / val["bytes"], rel=1e-12
    )


def test_agrees_with_a_slow_computation_in_float64(lab: labs.Lab, tokenizer: Any) -> None:
    """Straight from the validation texts, one token at a time in NumPy: the same number to 1e-6,
    every byte counted."""
    model = Trigram(tokenizer)
    source = lab.fixed.custom.Custom(lab.folder / "texts")
    embed, weight, bias = (
        p.detach().double().numpy()
        for p in (model.embed.weight, model.head.weight, model.head.bias)
    )
    nats, size = 0.0, 0
    for text in source.documents("val"):
        ids = tokenizer.encode(text)
        size += len(text.encode("utf-8"))
        for start in range(0, len(ids), 32):
            row = [tokenizer.bos, *ids[start : start + 32]]
            for i, target in enumerate(row[1:]):
                hidden = np.tanh(embed[row[i]] + (0.5 * embed[row[i - 1]] if i else 0))
                logits = weight @ hidden + bias
                nats += np.log(np.exp(logits - logits.max()).sum()) + logits.max() - logits[target]

    assert lab.prepare.evaluate_bpb(model, tokenizer, 4) == pytest.approx(
        nats / math.log(2) / size, abs=1e-6
    )


def test_memory_that_runs_out_makes_calls_smaller(lab: labs.Lab, tokenizer: Any) -> None:
    """A batch that does not fit is halved until it does; one row that does not fit is a
    sentence."""
    want = lab.prepare.evaluate_bpb(Gpt(tokenizer), tokenizer, 2)

    class Big(Gpt):
        most = 2

        def forward(self, idx: torch.Tensor) -> torch.Tensor:
            if len(idx) > self.most:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return super().forward(idx)

    assert lab.prepare.evaluate_bpb(Big(tokenizer), tokenizer, 16) == pytest.approx(want, abs=1e-6)
    Big.most = 0
    with pytest.raises(lab.prepare.EvaluationError, match="does not fit into memory"):
        lab.prepare.evaluate_bpb(Big(tokenizer), tokenizer, 16)


def test_damaged_rows_are_not_scored(lab: labs.Lab, tokenizer: Any, tmp_path: Path) -> None:
    """The frozen rows are hashed before every evaluation."""
    file = tokenizer.track.folder / "eval.bin"
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    try:
        with pytest.raises(lab.prepare.PrepareError, match="damaged"):
            lab.prepare.evaluate_bpb(Gpt(tokenizer), tokenizer, 4)
    finally:
        file.write_bytes(whole)
