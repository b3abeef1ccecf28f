"""Traps of the training loop that others fell into, one test each. None of them may come back."""

from __future__ import annotations

import itertools
import json
import mmap
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from lab_module import SCALES, Progress, device, load_train, train


@pytest.mark.parametrize("steps", [50, 5000])
@pytest.mark.parametrize("scale", SCALES)
def test_schedules_end_where_they_should_on_slow_and_fast_machines(scale: str, steps: int) -> None:
    """Momentum that ramps over 300 steps never arrives on a machine that finishes 60. Schedules go
    by progress."""
    train = load_train(scale)
    seen = [train.schedule(step / steps) for step in range(steps + 1)]

    assert seen[0].factor == 1
    assert seen[0].momentum == pytest.approx(train.MATRIX_MOMENTUM_START)
    assert seen[-1].factor == pytest.approx(train.FINAL_RATE)
    assert seen[-1].momentum == pytest.approx(train.MATRIX_MOMENTUM)
    assert seen[-1].decay == 0
    assert all(
        a.factor >= b.factor and a.momentum <= b.momentum for a, b in itertools.pairwise(seen)
    )


@pytest.mark.parametrize("fall, ramp", [(0.0, 0.0), (1.0, 1.0)])
def test_schedules_bear_the_ends_of_their_ranges(fall: float, ramp: float) -> None:
    """An agent may set any fraction to 0 or 1; no division by zero, no rate outside 0 to 1."""
    train = load_train("cpu", FALL=fall, MOMENTUM_RAMP=ramp)
    for p in (-0.1, 0.0, 0.5, 1.0, 1.1):
        now = train.schedule(p)
        assert 0 <= now.factor <= 1


def updated(wrap: object) -> list[torch.Tensor]:
    """Weights in bf16 and float32 after three steps of each optimiser."""
    torch.manual_seed(0)
    one = torch.ones(())
    adam, muon = wrap(train.adam_update), wrap(train.muon_update)  # type: ignore[operator]
    w16, w32, m3 = torch.randn(40, 8).bfloat16(), torch.randn(40, 8), torch.randn(2, 16, 8)
    state = [torch.zeros(40, 8) for _ in range(4)]
    momentum, second = torch.zeros_like(m3), torch.zeros(2, 16, 1)
    for step in range(3):
        g = torch.randn(40, 8)
        adam(
            w16,
            g.bfloat16(),
            state[0],
            state[1],
            (step + 1) * one,
            0.1 * one,
            0.8 * one,
            0.01 * one,
        )
        adam(w32, g, state[2], state[3], (step + 1) * one, 0.1 * one, 0.8 * one, 0.01 * one)
        muon(m3, torch.randn(2, 16, 8), momentum, second, 0.9 * one, 0.05 * one, 0.1 * one)
    return [w16, w32, m3]


def test_the_optimiser_runs_uncompiled_with_bf16_weights() -> None:
    """A bf16 state mixed with a float32 scalar works when compiled and raises in eager mode, so
    that "just switch torch.compile off" did not work. Eager and compiled give the same weights."""
    eager = updated(lambda f: f)
    compiled = updated(lambda f: torch.compile(f, dynamic=False, backend="aot_eager"))

    assert eager[0].dtype == torch.bfloat16
    for a, b in zip(eager, compiled, strict=True):
        torch.testing.assert_close(a, b, atol=2e-2, rtol=2e-2)


class Batches:
    """Given batches with a clock that counts them: what the loop sees of prepare.py's loader."""

    def __init__(self, batches: list[tuple[torch.Tensor, torch.Tensor]]) -> None:
        self.batches, self.served, self.tokens = batches, 0, 0

    progress = property(lambda self: self.served / len(self.batches))
    elapsed_s = property(lambda self: float(self.served))
    remaining_s = property(lambda self: float(len(self.batches) - self.served))

    def __iter__(self):
        for x, y in self.batches:
            self.served += 1
            self.tokens += x.numel()
            yield x, y


def trainer(batches: list[tuple[torch.Tensor, torch.Tensor]], micro_batches: int) -> train.Trainer:
    torch.manual_seed(3)
    small = {"width": 64, "head_dim": 32, "bigram_rows": 64, "trigram_rows": 64}
    model = train.GPT(train.Config(30, 16, **small))
    return train.Trainer(model, train.Optimizer(model), Batches(batches), micro_batches, model)


def run_loop(t: train.Trainer, folder: Path) -> int:
    """The loop on a CPU, with its progress lines and curve in `folder`."""
    cpu = torch.device("cpu")
    with Progress(t.loader, cpu, t.model.flops_per_token(), folder) as progress:
        return train.train(t, cpu, progress)


def some_rows(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    rows = torch.randint(0, 30, (n, 17), generator=torch.Generator().manual_seed(5))
    return rows[:, :-1], rows[:, 1:]


def test_accumulation_changes_nothing() -> None:
    """Micro-batches that are weighted or reported wrongly. Four of two rows give the gradients and
    the loss of one of eight."""
    x, y = some_rows(8)
    whole, parts = trainer([(x, y)], 1), trainer(list(zip(x.split(2), y.split(2), strict=True)), 4)

    loss = whole.micro_step(x, y)
    losses = [parts.micro_step(a, b) for a, b in parts.loader]

    torch.testing.assert_close(torch.stack(losses).mean(), loss, atol=1e-3, rtol=0)
    for a, b in zip(whole.model.parameters(), parts.model.parameters(), strict=True):
        if a.grad is not None:
            ours, theirs = (g.to_dense() if g.is_sparse else g for g in (a.grad, b.grad))
            torch.testing.assert_close(ours, theirs, atol=3e-3, rtol=3e-2)


@pytest.mark.parametrize("bad", [0, 1, 2, 3])
@pytest.mark.parametrize("value", [float("nan"), 1e4])
def test_a_lost_loss_ends_the_run_whichever_micro_batch_shows_it(
    bad: int, value: float, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only the last micro-batch's loss was looked at, and `val_bpb: nan` passed as a success. Exit
    with a sentence."""
    t = trainer([some_rows(2)] * 4, 4)
    honest, calls = t.loss, iter(range(4))
    t.loss = lambda x, y: honest(x, y) * (value if next(calls) == bad else 1)
    before = [w.detach().clone() for w in t.model.parameters()]

    with pytest.raises(SystemExit, match="FAIL: the loss of step 1"):
        run_loop(t, tmp_path)

    assert all(torch.equal(a, b) for a, b in zip(before, t.model.parameters(), strict=True))
    assert "val_bpb" not in capsys.readouterr().out


def test_the_log_has_plain_lines_and_the_curve_is_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    r"""A progress line of \r makes a log of one line of megabytes. Not on a terminal: a line for every tenth or so."""
    try:
        steps = run_loop(trainer([some_rows(2)] * 100, 1), tmp_path)
    finally:
        import gc

        gc.enable()
        gc.unfreeze()
    out = capsys.readouterr().out
    points = [
        json.loads(line) for line in (tmp_path / "curve.jsonl").read_text("utf-8").splitlines()
    ]

    assert steps == 100
    assert "\r" not in out
    assert 5 <= len(out.splitlines()) <= 12
    assert 30 <= len(points) <= 60
    assert set(points[0]) == {"progress", "step", "loss", "tokens", "elapsed_s"}
    assert points[-1]["loss"] < points[0]["loss"]  # one batch again and again: learned by heart


def test_running_out_of_memory_makes_the_micro_batch_smaller(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Out of memory at the advertised batch was the end. A real refusal of torch's allocator
    halves the rows until it works."""

    def attempt(rows: int, compiling: bool) -> int:
        torch.empty((rows > 3 and 2**60) or 1, dtype=torch.uint8)  # an exabyte
        return rows

    assert device.run_with_fallbacks(attempt, 12, False) == 3
    assert "trying 6" in capsys.readouterr().out
    with pytest.raises(RuntimeError):
        device.run_with_fallbacks(lambda rows, compiling: torch.empty(2**60), 2, False)


@pytest.mark.parametrize(
    "ask", [lambda: bytearray(2**60), lambda: mmap.mmap(-1, 2**60), lambda: primitive()]
)
def test_memory_runs_out_in_many_words(ask: Callable[[], object]) -> None:
    """Near the limit it is Python, the system or oneDNN that gets none: a rehearsal of the script
    for a GPU ended so, one time in twenty."""

    def attempt(rows: int, compiling: bool) -> int:
        if rows > 3:
            ask()
        return rows

    assert device.run_with_fallbacks(attempt, 12, False) == 3


def primitive() -> None:
    raise RuntimeError("could not create a primitive")  # oneDNN's words, when it finds no memory


def test_other_errors_are_not_taken_for_lack_of_memory() -> None:
    """A bug in an edited model is raised at once, not tried again with fewer rows."""
    with pytest.raises(FileNotFoundError):
        device.run_with_fallbacks(lambda rows, compiling: Path("/nowhere/model").stat(), 8, True)
    with pytest.raises(RuntimeError, match="shapes"):
        device.run_with_fallbacks(
            lambda rows, compiling: torch.ones(2, 3) @ torch.ones(2, 3), 8, True
        )


def test_a_machine_without_a_compiler_trains_uncompiled(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No gcc (or, on Windows, no Triton) ended the run. torch.compile is tried; its real failure
    switches it off."""
    import torch._inductor.config as inductor

    monkeypatch.setattr(inductor.cpp, "cxx", (None, "/nowhere/c++"))
    monkeypatch.setattr(inductor, "fx_graph_cache", False)

    def attempt(rows: int, compiling: bool) -> tuple[int, bool]:
        def body(x):
            return (x * 3).sin() + 0.1234

        (torch.compile(body) if compiling else body)(torch.ones(7, 11))
        return rows, compiling

    assert device.run_with_fallbacks(attempt, 8, True) == (8, 0)
    assert "running without it" in capsys.readouterr().out


def test_warming_up_teaches_nothing() -> None:
    """Eleven free steps were half of a slow machine's training. After getting ready every weight
    and state is as at the start."""
    t = trainer([some_rows(2)] * 2, 1)
    before = [w.detach().clone() for w in t.model.parameters()]

    train.warm_up(t, lambda: some_rows(2))

    assert all(torch.equal(a, b) for a, b in zip(before, t.model.parameters(), strict=True))
    assert all(not s.any() for s in t.optimizer.state())
    assert t.optimizer.updates == 0


def test_the_seed_comes_from_the_harness() -> None:
    """Agents "optimised" the seed. No seed stands in the free file."""
    assert "manual_seed(prepare.harness_seed())" in Path(train.__file__).read_text("utf-8")
