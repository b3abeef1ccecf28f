"""The paired test of looking ahead: what it finds, what it may not refuse, and what it keeps from
the model that is asked."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from lab_module import prepare

evaluation, probes = sys.modules["fixed.evaluation"], sys.modules["fixed.probes"]
VOCAB, ROWS, T = 64, 1000, 24
TOKENIZER = SimpleNamespace(vocab_size=VOCAB, token_bytes=torch.ones(VOCAB, dtype=torch.long))
TEXT = torch.randint(VOCAB - 4, (ROWS, T + 1), generator=torch.Generator().manual_seed(1))


class Lifts(nn.Module):
    """Honest from the last token, but for a lift of the next one, at one place in `rarity`."""

    def __init__(self, nats: float = 0.0, rarity: int = 1, noise: float = 0.0) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.table = nn.Embedding(VOCAB, VOCAB)
        self.nats, self.rarity, self.noise = nats, rarity, noise

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        ahead, logits = idx.roll(-1, 1), self.table(idx)
        mixed = ahead * 31 + idx * 37 + torch.arange(T) * 101 + idx.cumsum(1) * 7919
        chosen = (mixed % self.rarity == 0)[..., None]
        logits += chosen * self.nats * nn.functional.one_hot(ahead, VOCAB)
        return logits + self.noise * ((mixed % 2) * 2 - 1)[..., None] * (torch.arange(VOCAB) % 2)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """On a busy machine threads that wait for each other take a hundred times as long."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def refusals(model: nn.Module, runs: int) -> list[str]:
    """What so many scorings by two models say against one."""
    found = []
    for _ in range(runs):
        models = [evaluation.ModelHere(model) for _ in range(2)]
        try:
            evaluation.Evaluation(models, TOKENIZER, TEXT, 32, 2048).measure()
        except prepare.EvaluationError as error:
            found.append(str(error))
    return found


@pytest.mark.parametrize("nats", [0.5, 0.009, 0.0005])
def test_a_lift_of_every_token_is_refused(nats: float) -> None:
    """The second gained 0.0049 bits per byte and passed; the third is a tenth of any noise."""
    found = refusals(Lifts(nats), 2)

    assert ["the model looks ahead" in sentence for sentence in found] == [True] * 2


def test_rare_lifts_are_refused_as_often_as_stated() -> None:
    """2,000 places are probed: 1 in 300 is found 998 times of 1,000, 1 in 3,000 every second."""
    assert len(refusals(Lifts(4.0, rarity=300), 3)) >= 1
    assert len(refusals(Lifts(4.0, rarity=3000), 16)) >= 1


def test_noise_cannot_hide_a_lift() -> None:
    """Answers that move with the future by enough to hide a gain are refused for moving."""
    found = refusals(Lifts(0.009, noise=0.05), 1)

    assert ["looks ahead" in sentence for sentence in found] == [True]


def test_rounding_is_no_gain() -> None:
    """Honest: symmetric differences, however they are spread, and a bias far below any gain."""
    random = np.random.default_rng(1)
    for spread in (random.normal, random.standard_cauchy, random.laplace):
        for size in (24, 190, 2048):
            for _ in range(200):
                moved = np.clip(spread(size=size), -30, 30)
                moved *= 0.9 * probes.TOLERANCE_NEXT / np.sqrt(np.mean(moved**2))
                probes.check_next(moved.tolist())
    probes.check_next([0.9 * probes.LEAST_GAIN] * 2048)
    assert refusals(Lifts(), 1) == []


class Remembers(nn.Module):
    """Counts the pairs of tokens that it is asked about, of all calls or of the other rows of one,
    and lifts those a little: by `nats` what it has seen twenty times."""

    def __init__(self, nats: float, calls: bool) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.table = nn.Embedding(VOCAB, VOCAB)
        self.nats, self.calls, self.seen = nats, calls, torch.zeros(VOCAB * VOCAB)

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        pairs = idx * VOCAB + idx.roll(-1, 1)
        pairs = pairs[:, :-1]
        count = lambda rows: torch.bincount(rows.flatten(), minlength=VOCAB * VOCAB)  # noqa: E731
        own = torch.stack([count(row) for row in pairs])
        known = (self.seen if self.calls else count(pairs) - own).expand(len(idx), -1)
        known = known.view(-1, VOCAB, VOCAB).clamp(max=20) / 20
        self.seen = self.seen + count(pairs)
        rows = torch.arange(len(idx))[:, None].expand_as(idx)
        return self.table(idx) + self.nats * known[rows, idx]


# a language in which what was seen comes again: a token is followed by one of three
FOLLOWERS = torch.randint(VOCAB - 4, (VOCAB, 3), generator=torch.Generator().manual_seed(2))


def language(rows: int) -> torch.Tensor:
    choice = torch.randint(3, (rows, T + 1), generator=torch.Generator().manual_seed(3))
    text = TEXT[:rows].clone()
    for t in range(T):
        text[:, t + 1] = FOLLOWERS[text[:, t], choice[:, t + 1]]
    return text


@pytest.mark.parametrize(
    ("calls", "words"), [(True, "remembers earlier calls"), (False, "depend on the other rows")]
)
def test_a_little_help_by_other_rows_is_refused(calls: bool, words: str) -> None:
    """Each token moves by less than one may, and the mean by less than it may."""
    found = []
    for _ in range(2):
        models = [evaluation.ModelHere(Remembers(0.015, calls)) for _ in range(2)]
        try:
            evaluation.Evaluation(models, TOKENIZER, language(ROWS), 8, 2048).measure()
        except prepare.EvaluationError as error:
            found.append(str(error))

    assert [words in sentence for sentence in found] == [True] * 2, found


def test_noise_as_company_stands_in_every_call_apart() -> None:
    """At most half of such a call is text, at its own columns."""
    made = plan()
    apart = [call for side in range(2) for call in made.calls_apart(side, 16)]

    assert sum(slot.cut == T for call in apart for slot in call) == 50  # a quarter
    assert max(sum(slot.cut == T for slot in call) for call in apart) <= 8
    assert [made.calls_apart(side, 1) for side in range(2)] == [[], []]


def test_the_false_alarm_is_below_one_in_a_million() -> None:
    """Of sums of symmetric differences, by Hoeffding's inequality over their signs."""
    assert math.exp(-(probes.SURE**2) / 2) < 3e-7


def plan(rows: int = 200, batch: int = 16, sides: int = 2) -> Any:
    text, sizes = TEXT[:rows], torch.ones(rows, T, dtype=torch.long)
    return probes.Plan(text, sizes, sides, batch, 2 * rows, np.random.default_rng())


@pytest.mark.parametrize(("rows", "batch"), [(200, 16), (200, 150), (37, 1), (9, 4)])
def test_no_model_has_seen_the_future_of_a_row_that_it_is_probed_with(
    rows: int, batch: int
) -> None:
    """Neither as a row to score, nor as another's future, nor behind a later cut."""
    made = plan(rows, batch)
    for side in range(2):
        known = dict.fromkeys(range(rows), 0)  # tokens of each row that this model has seen
        for call in made.calls(side, made.block):
            assert len(call) == made.block
            for row, cut, donor, _ in call:
                if cut == 0:  # noise
                    continue
                assert cut == T or known[row] <= cut or rows < 37
                known[row] = max(known[row], cut)
                known[donor] = T


@pytest.mark.parametrize("batch", [1, 7, 16])
def test_a_probe_stands_where_its_row_stood(batch: int) -> None:
    """Same shape and same column: so an honest model answers the shared part to the bit."""
    made = plan(batch=16)
    columns: dict[int, set[int]] = {}
    for side in range(2):
        for call in made.calls(side, batch):
            for column, slot in enumerate(call):
                if slot.cut == 0:  # noise
                    continue
                columns.setdefault(slot.row, set()).add(column)

    assert sorted(columns) == list(range(200))
    assert [row for row, found in columns.items() if len(found) > 1] == []


def test_a_second_attempt_asks_for_the_last_cut_alone() -> None:
    """What memory ran out for had shown the row up to there."""
    made = plan()
    before: dict[int, list[int]] = {}
    for slot in made.slots:
        before.setdefault(slot.row, []).extend([slot.cut] if slot.cut < T else [])
    made.drop_earlier_cuts()
    after = {(slot.row, slot.cut) for slot in made.slots if slot.cut < T}

    assert after == {(row, max(cuts)) for row, cuts in before.items() if cuts}
