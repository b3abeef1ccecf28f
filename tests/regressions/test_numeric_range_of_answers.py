"""A model that answers with numbers in which a loss is rounded away, or which are none, gains
nothing.

Seen: `torch.full(..., 1e30)` scored 0.000000 and became best, because `logsumexp(x) - x[target]`
loses log V where logits are large; every second place at 1e30 gave a plausible number at half the
truth.
"""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import labs

CHEATS = Path(__file__).parents[1] / "cheats"
BEYOND, NO_NUMBER, KIND = "all have to lie between", "NaN or infinite", "as one of float32"
Change = Callable[[torch.Tensor], Any]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> labs.Lab:
    return labs.make_lab(tmp_path_factory.mktemp("range"))


@pytest.fixture(scope="module")
def tokenizer(lab: labs.Lab) -> Any:
    data = labs.write_texts(lab.folder / "texts")
    sizes = ("--vocab-size", "300", "--seq-len", "32")
    return lab.prepare.Tokenizer.load(
        lab.prepared("--track", "custom-1s", "--data", str(data), *sizes)
    )


class Answers(torch.nn.Module):
    """An honest answer from the last token, and what a change makes of it."""

    def __init__(self, tokenizer: Any, change: Change) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.table = torch.nn.Embedding(tokenizer.vocab_size, tokenizer.vocab_size)
        self.change = change

    def forward(self, idx: torch.Tensor) -> Any:
        return self.change(self.table(idx))


def put(where: Any, value: float) -> Change:
    def change(logits: torch.Tensor) -> torch.Tensor:
        logits[where] = value
        return logits

    return change


LAST_ROW, PADDING = (-1, -1, -1), (slice(None), slice(31, None), slice(0, 1))
ATTACKS: dict[str, tuple[Change, str]] = {
    "all 1e30": (lambda x: torch.full_like(x, 1e30), BEYOND),
    "all -1e30": (lambda x: torch.full_like(x, -1e30), BEYOND),
    "every second place": (put((slice(None), slice(None, None, 2)), 1e30), BEYOND),
    "float64 at 1e17": (lambda x: x.double() + 1e17, BEYOND),
    "float32 at 1e8": (lambda x: x + 1e8, BEYOND),
    "bfloat16 at 1e38": (lambda x: x.bfloat16() + 1e38, BEYOND),
    "just beyond": (lambda x: x * 0 + 1.001e5, BEYOND),
    "float64 that float32 cannot hold": (lambda x: x.double() + 1e300, BEYOND),
    "inf in one place": (put(LAST_ROW, math.inf), NO_NUMBER),
    "-inf in one place": (put(LAST_ROW, -math.inf), NO_NUMBER),
    "nan in one place": (put(LAST_ROW, math.nan), NO_NUMBER),
    "inf at padding": (put(PADDING, math.inf), NO_NUMBER),
    "nan at padding": (put(PADDING, math.nan), NO_NUMBER),
    "-inf for a token no text has": (put((..., -1), -math.inf), NO_NUMBER),
    "complex": (lambda x: x.to(torch.complex64), KIND),
    "integers": (lambda x: x.long(), KIND),
    "truth": (lambda x: x > 0, KIND),
    "eight bits": (lambda x: x.to(torch.float8_e4m3fn), KIND),
    "sparse": (lambda x: x.to_sparse(), "a tensor without plain values"),
    "without memory": (lambda x: x.to("meta"), "a tensor without plain values"),
    "nested": (lambda x: torch.nested.nested_tensor(list(x)), "a tensor without plain values"),
    "quantized": (
        lambda x: torch.quantize_per_tensor(x.detach(), 0.1, 0, torch.qint8),
        "a tensor without plain values",
    ),
    "a list": (lambda x: x.tolist(), "not a list"),
    "a place too few": (lambda x: x[:, 1:], "must return logits of shape"),
}


@pytest.mark.filterwarnings("ignore")  # torch's own, about nested and quantized tensors
@pytest.mark.parametrize("attack", sorted(ATTACKS))
def test_numbers_in_which_a_loss_could_hide_are_refused(
    lab: labs.Lab, tokenizer: Any, attack: str
) -> None:
    """Each with a sentence that says what is wrong with it."""
    change, words = ATTACKS[attack]
    with pytest.raises(lab.prepare.EvaluationError, match=words):
        lab.prepare.evaluate_bpb(Answers(tokenizer, change), tokenizer, 8)


HARMLESS: dict[str, tuple[Change, float]] = {
    "all drift to 65,536": (lambda x: x.mul(64).round().div(64) + 65536.0, 1e-9),
    "all drift to -65,536": (lambda x: x.mul(64).round().div(64) - 65536.0, 1e-9),
    "float64": (lambda x: x.mul(64).round().div(64).double(), 1e-12),
    "transposed": (lambda x: x.mul(64).round().div(64).mT.contiguous().mT, 1e-12),
}


@pytest.mark.parametrize("name", sorted(HARMLESS))
def test_a_drift_gains_nothing(lab: labs.Lab, tokenizer: Any, name: str) -> None:
    """The same distributions in other clothes score the same, also where float32 steps by 1/128."""
    change, error = HARMLESS[name]
    plain = Answers(tokenizer, lambda x: x.mul(64).round().div(64))

    want = lab.prepare.evaluate_bpb(plain, tokenizer, 8)

    got = lab.prepare.evaluate_bpb(Answers(tokenizer, change), tokenizer, 8)
    assert got == pytest.approx(want, abs=error)


@pytest.mark.parametrize("value", [0.0, -0.0, 1e-40, -1e-45, 9.9e4, -9.9e4])
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_equal_logits_are_the_uniform_distribution(
    lab: labs.Lab, tokenizer: Any, value: float, dtype: str
) -> None:
    """Zeros of both signs, numbers too small for their type, and ones near the bound: log V
    each."""
    val = tokenizer.track.manifest["val"]
    model = Answers(tokenizer, lambda x: torch.full_like(x, value, dtype=getattr(torch, dtype)))

    assert lab.prepare.evaluate_bpb(model, tokenizer, 8) == pytest.approx(
        math.log2(tokenizer.vocab_size) * val["tokens"] / val["bytes"], rel=1e-12
    )


def test_no_loss_is_below_zero(lab: labs.Lab) -> None:
    """Whatever finite logits come, in every type, within the bound: a distribution has at most
    all."""
    bound = lab.fixed.losses.LOGIT_BOUND
    draw = torch.Generator().manual_seed(3)
    for dtype in lab.fixed.losses.LOGIT_DTYPES:
        scale = 10 ** torch.empty(64, 8, 1).uniform_(-45, math.log10(bound), generator=draw)
        logits = (scale * torch.empty(64, 8, 50).uniform_(-1, 1, generator=draw)).to(dtype)
        nats = [
            lab.fixed.losses.token_nats(logits, torch.full((64, 8), token, dtype=torch.int64))
            for token in range(50)
        ]

        chances = torch.stack(nats).neg().exp().sum(0)
        assert float(torch.stack(nats).min()) >= 0
        assert torch.allclose(chances, torch.ones_like(chances), rtol=0, atol=1e-12)


def test_the_score_of_a_checkpoint_refuses_them_too(lab: labs.Lab, tokenizer: Any) -> None:
    """Through `prepare.py score`: a sentence, exit code 1 and no number."""
    honest = (CHEATS / "honest.py").read_text("utf-8")
    (lab.folder / "train.py").write_text(honest, "utf-8")
    subprocess.run(
        [sys.executable, "train.py"], cwd=lab.folder, env=lab.env, check=True, timeout=240
    )
    for answer, words in (
        ("torch.full((*idx.shape, self.head.out_features), 1e30)", "a logit of 1e+30"),
        ("self.head(self.embed(idx)).double() + 1e17", "a logit of 1e+17"),
        ("self.head(self.embed(idx)) + float('inf')", NO_NUMBER),
        ("self.head(self.embed(idx)).to(torch.complex64)", "not complex64"),
    ):
        other = lab.folder / "other.py"
        other.write_text(honest.replace("self.head(self.embed(idx))", answer), "utf-8")
        done = lab.run("score", "run/checkpoint.safetensors", "--model", str(other))

        assert (done.returncode, words in done.stderr) == (1, True), done.stderr
        assert "val_bpb:" not in done.stdout
