"""The free file's constants, model, optimiser and schedules, apart from data and clock.

tests/stories/test_lab_run.py has the whole run."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterator
from functools import cache
from types import ModuleType

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from autoresearch.researcher.agents.constants import Constant, find_constants
from lab_module import SCALES, device, load_train, source_of, train

SMALL = {
    "depth": 2, "width": 64, "head_dim": 32, "pattern": "SL", "short_window": 8, "bigram_rows": 64,
    "trigram_rows": 128, "value_bigram_rows": 64, "value_trigram_rows": 64,
}  # fmt: skip
scale_module = cache(load_train)


def small_model(scale: str = "cpu", vocab: int = 40, seq_len: int = 32, **changes: object):
    train = scale_module(scale)
    torch.manual_seed(1)
    return train.GPT(train.Config(vocab, seq_len, **SMALL | changes))


def shaken(model: torch.nn.Module) -> torch.nn.Module:
    """The outputs of attention and MLP start at zero; give them something to say."""
    torch.manual_seed(2)
    with torch.no_grad():
        for w in model.parameters():
            w.add_(0.1 * torch.randn_like(w))
    return model


@pytest.mark.parametrize("scale", SCALES)
def test_logits_have_one_row_a_token_and_stay_within_the_cap(scale: str) -> None:
    """forward(idx) returns float32 logits (B, T, V), soft-capped, for every scale and also for
    rows shorter than the track's."""
    model = shaken(small_model(scale))
    for T in (32, 20, 1):
        logits = model(torch.randint(0, 40, (3, T)))

        assert logits.shape == (3, T, 40)
        assert logits.dtype == torch.float32
        assert logits.abs().max() <= train.SOFTCAP


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("changed", [1, 9, 31])
def test_no_token_sees_the_ones_after_it(scale: str, changed: int) -> None:
    """Changing token i changes no logits before i, and does change those at i."""
    model = shaken(small_model(scale))
    a = torch.randint(0, 39, (2, 32))
    b = a.clone()
    b[:, changed] = 39

    with torch.no_grad():
        before, after = model(a), model(b)

    assert torch.equal(before[:, :changed], after[:, :changed])
    assert not torch.equal(before[:, changed], after[:, changed])


@pytest.mark.parametrize("scale", SCALES)
def test_a_row_does_not_see_its_neighbours(scale: str) -> None:
    """The logits of a row are the same whatever else is in the batch."""
    model = shaken(small_model(scale))
    idx = torch.randint(0, 40, (4, 32))

    with torch.no_grad():
        together, alone = model(idx), model(idx[:1])

    torch.testing.assert_close(
        together[:1], alone, atol=0.15, rtol=0
    )  # bf16 products, summed in another order


def test_a_checkpoints_config_builds_the_same_model() -> None:
    """build_model takes the config after it went through JSON and gives a model that the weights
    fit."""
    import json

    model = shaken(small_model())
    again = train.build_model(json.loads(json.dumps(dataclasses.asdict(model.c))))
    again.load_state_dict(model.state_dict())
    idx = torch.randint(0, 40, (2, 32))

    with torch.no_grad():
        assert torch.equal(model(idx), again(idx))


def test_the_fused_loss_is_cross_entropy() -> None:
    """CappedLoss and its gradient are those of torch's cross entropy over the soft-capped
    logits."""
    raw = (40 * torch.randn(64, 100)).requires_grad_()
    targets = torch.randint(0, 100, (64,))

    ours = train.CappedLoss.apply(raw, targets, 15.0)
    (gradient,) = torch.autograd.grad(ours, raw)
    theirs = F.cross_entropy(15 * torch.tanh(raw / 15), targets)
    (expected,) = torch.autograd.grad(theirs, raw)

    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(gradient, expected, atol=1e-6, rtol=1e-3)


def test_the_soft_cap_survives_huge_logits() -> None:
    """Logits far beyond the cap end at plus and minus the cap, without a NaN."""
    assert train.soft_cap(torch.tensor([-1e30, -1e4, 0.0, 1e4, 1e30]), 15.0).tolist() == [
        -15,
        -15,
        0,
        15,
        15,
    ]


def test_polar_makes_every_singular_value_about_one() -> None:
    """Five bf16 steps bring singular values spread over two decades to within 0.3 of one, for
    tall, wide and square."""
    torch.manual_seed(0)
    for rows, columns in ((64, 64), (256, 64), (64, 256)):
        u, _, v = torch.linalg.svd(torch.randn(rows, columns), full_matrices=False)
        matrix = u @ torch.diag(torch.logspace(-2, 0, 64)) @ v

        values = torch.linalg.svdvals(train.polar(matrix[None])[0].float())

        assert values.min() > 0.7
        assert values.max() < 1.3


def test_polar_throws_no_gate_away() -> None:
    """Gates have a few rows, often nearly alike. With their products rounded to bf16, about one in
    2,000 of these left the polynomials' range and came out a million times too large."""
    torch.manual_seed(0)
    for rows in (1, 2, 3, 8):
        alike = torch.randn(20_000, rows, 1) @ torch.randn(20_000, 1, 32)
        gates = alike + 0.3 * torch.randn(20_000, rows, 32)

        largest = torch.linalg.matrix_norm(train.polar(gates).float(), 2).max()

        assert largest < 1.3, rows


def test_muons_step_has_the_size_of_an_orthogonal_matrix() -> None:
    """The second-moment normalisation evens the rows out and keeps the norm: an update of n
    orthonormal rows has norm sqrt(n)."""
    torch.manual_seed(0)
    w, g = torch.zeros(1, 32, 64), torch.randn(1, 32, 64) * torch.logspace(-2, 2, 32)[None, :, None]
    one = torch.ones(())

    train.muon_update(w, g, torch.zeros_like(g), torch.zeros(1, 1, 64), 0.9 * one, one, 0 * one)

    assert math.sqrt(32) * 0.8 < w.norm() < math.sqrt(32) * 1.2


def test_decay_is_cautious() -> None:
    """Weight decay touches a weight only where the update moves it towards zero."""
    torch.manual_seed(0)
    w, g, one = torch.randn(1, 32, 32), torch.randn(1, 32, 32), torch.ones(())
    results = []
    for decay in (0.0, 0.5):
        x = w.clone()
        train.muon_update(
            x, g, torch.zeros_like(g), torch.zeros(1, 32, 1), 0.9 * one, 0.01 * one, decay * one
        )
        results.append(x)
    plain, decayed = results
    towards_zero = (plain - w) * w <= 0

    torch.testing.assert_close(decayed[~towards_zero], plain[~towards_zero])
    torch.testing.assert_close(decayed[towards_zero], (plain - 0.005 * w)[towards_zero])


def test_a_table_step_writes_only_the_rows_it_saw() -> None:
    """Rows that no token of the batch hashed to keep their value; the others move by the rate on
    their first visit."""
    table = torch.nn.Embedding(50, 8, sparse=True)
    before = table.weight.detach().clone()
    table(torch.tensor([3, 7, 3])).square().sum().backward()

    with torch.no_grad():
        train.table_update(table.weight, table.weight.grad, torch.zeros(50, 1), 0.1)

    moved = (table.weight - before).abs().sum(1) > 0
    assert moved.nonzero().flatten().tolist() == [3, 7]
    torch.testing.assert_close(
        (table.weight - before)[moved].square().mean(1).sqrt(), torch.full((2,), 0.1)
    )


@given(total=st.integers(1, 10**6), rows=st.integers(1, 300), seq_len=st.integers(1, 4096))
def test_every_batch_is_whole(total: int, rows: int, seq_len: int) -> None:
    """Whatever an agent writes, the micro-batches make up the total exactly and none has more rows
    than fit."""
    at_once, micro_batches = train.plan_batch(total, rows, seq_len)

    assert 1 <= at_once <= rows
    assert at_once * micro_batches == max(1, round(total / seq_len))


def test_flops_count_the_keys_a_window_shows() -> None:
    """A short window costs less than a full one, by 12 flops for each channel of each key that is
    not looked at."""
    short, full = (
        small_model(pattern="S", short_window=3),
        small_model(pattern="L"),
    )

    mean_keys_short, mean_keys_full = (1 + 2 + 3 + 4 * 29) / 32, 33 / 2
    assert full.flops_per_token() - short.flops_per_token() == pytest.approx(
        12 * short.c.width * (mean_keys_full - mean_keys_short)
    )


def test_an_unknown_device_has_no_mfu() -> None:
    """The peak of a device that is not in the table is nan, never a guess."""
    assert math.isnan(device.peak_flops(torch.device("cpu")))


def test_peak_memory_on_a_cpu_is_the_process() -> None:
    """On a CPU the number is the process's peak resident memory, in MiB."""
    assert 50 < device.peak_memory_mb(torch.device("cpu")) < 200_000


# ---------------------------------------------------------------- the constants of a scale


@pytest.mark.parametrize("scale", SCALES)
def test_the_free_file_is_flat(scale: str) -> None:
    """One value a line, each with its range; no constant of another machine, none of evaluation."""
    names = [c.name for c in find_constants(source_of(scale))]

    assert {"DEPTH", "TOTAL_BATCH", "MATRIX_LR", "COMPILE"} <= set(names)
    assert not [name for name in names if "." in name or "EVAL" in name]
    assert ("SHORT_WINDOW" in names) == (scale == "climbmix")


SMALL_STEPS = {  # quick ones
    "DEPTH": 3, "ASPECT": 64, "BIGRAM_ROWS": 256, "TRIGRAM_ROWS": 256,
    "VALUE_BIGRAM_ROWS": 256, "VALUE_TRIGRAM_ROWS": 256,
}  # fmt: skip


def another_value(constant: Constant) -> object:
    """A value inside the range and far from the present one."""
    if constant.name in SMALL_STEPS:
        return SMALL_STEPS[constant.name]
    if constant.choices:
        return next(value for value in constant.choices if value != constant.value)
    away = max((constant.low, constant.high), key=lambda end: abs(end - float(constant.value)))
    return type(constant.value)((float(constant.value) + away) / 2)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """For products of a few rows: waking other threads takes longer than the work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def trace(train: ModuleType, row_len: int) -> list[object]:
    """What a run does: its batches of rows of `row_len`, and each weight after three short
    steps."""
    torch.manual_seed(3)
    model = train.GPT(train.Config(20, 32))
    optimizer = train.Optimizer(model)
    idx = torch.randint(0, 20, (1, 33), generator=torch.Generator().manual_seed(4))
    for progress in (0.0, 0.5, 0.9):
        model(idx[:, :-1], idx[:, 1:]).backward()
        optimizer.step(progress)
    plan = train.plan_batch(train.TOTAL_BATCH, train.MICRO_ROWS, row_len)
    return [plan, dataclasses.asdict(model.c), *(w.detach().clone() for w in model.parameters())]


def differ(a: list[object], b: list[object]) -> bool:
    return len(a) != len(b) or any(
        not torch.equal(x, y) if isinstance(x, torch.Tensor) else x != y
        for x, y in zip(a, b, strict=True)
    )


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("scale", SCALES)
def test_every_constant_has_an_effect(scale: str) -> None:
    """A dial that changes nothing on its machine is noise: each alone changes what three steps
    do."""
    row_len = {"cpu": 256, "tinystories": 512, "climbmix": 2048}[scale]
    small = {"ASPECT": 16, "HEAD_DIM": 32, "DEPTH": {"cpu": 1}.get(scale, 2)}
    small |= {"BIGRAM_ROWS": 64, "TRIGRAM_ROWS": 64} if scale == "cpu" else {}
    if scale == "climbmix":
        small |= {"SHORT_WINDOW": 16, "BIGRAM_ROWS": 64, "TRIGRAM_ROWS": 64}
        small |= {"VALUE_BIGRAM_ROWS": 64, "VALUE_TRIGRAM_ROWS": 64}
    before = trace(load_train(scale, **small), row_len)
    constants = [c for c in find_constants(source_of(scale, **small)) if c.name != "COMPILE"]

    for constant in constants:
        changed = load_train(scale, **small | {constant.name: another_value(constant)})
        assert differ(before, trace(changed, row_len)), constant.name
    assert len(constants) > 25


def test_a_pattern_is_a_constant_where_rows_are_long() -> None:
    """A Config's field takes the scale's constant; on a CPU, with one layer, it is a literal."""
    assert re.search(r"^    pattern: str = \"L\"", source_of("cpu"), re.M)
    assert load_train("climbmix", PATTERN="SL").Config(40, 64, short_window=3).pattern == "SL"
