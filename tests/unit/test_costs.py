"""What bench/costs.py predicts without a card is what a run on this CPU shows."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "bench"))

import costs

TABLES = {
    "BIGRAM_ROWS": 512, "TRIGRAM_ROWS": 512, "VALUE_BIGRAM_ROWS": 512, "VALUE_TRIGRAM_ROWS": 512,
}  # fmt: skip
SMALL = {"DEPTH": 2, "ASPECT": 32, "HEAD_DIM": 32, "SHORT_WINDOW": 16} | TABLES


def test_memory_is_predicted_without_content() -> None:
    """Tensors without content take the memory that real ones take, to a hundredth, and more rows
    take more."""
    train = costs.load_train("climbmix", SMALL)
    few, real, more = (
        costs.count_costs(train, 256, 64, rows, fake=fake)
        for rows, fake in ((2, True), (2, False), (4, True))
    )

    assert few.peak_bytes == pytest.approx(real.peak_bytes, rel=0.01)
    assert few.resting_bytes == real.resting_bytes
    assert more.peak_bytes > few.peak_bytes > few.resting_bytes


def test_the_flops_of_a_token_are_those_of_the_products() -> None:
    """train.py says 6 for each weight of a matrix, and attention beside it: as many are counted."""
    train = costs.load_train("climbmix", SMALL)
    found = costs.count_costs(train, 256, 64, 2)
    model = train.GPT(train.Config(256, 64))
    keys = sum(sum(min(i, w) + 1 for i in range(64)) / 64 for w in model.c.windows)

    assert found.flops_per_token == found.told_flops_per_token - 12 * model.c.width * keys
