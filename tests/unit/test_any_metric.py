"""Claims about metrics that are not the lab's: zero and less, either direction, any name, any
size; in the ledger, the report, the pictures, the verdicts and the status."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoresearch.researcher import report
from autoresearch.researcher.dashboard.canvas import AxisRange
from autoresearch.researcher.judging.amounts import show_amount, show_change
from autoresearch.researcher.judging.noise import Noise
from autoresearch.researcher.judging.policies import Rules, decide
from autoresearch.researcher.judging.values import Sample
from autoresearch.researcher.ledger import HEADER, Ledger
from autoresearch.researcher.report import plots, table
from autoresearch.researcher.report.status import read, sentences
from autoresearch.researcher.workspace import Workspace
from tiny_workspaces import make, noisy, record


def write_ledger(folder: Path, metric: str, direction: str, *values: float | None) -> None:
    """A ledger as the loop writes it: the baseline, kept ones, and one that was stopped early."""
    (folder / "autoresearch.toml").write_text(
        f'[experiment]\nfree = ["a"]\ncommand = ["b"]\nmetric = "{metric}"\n'
        f'direction = "{direction}"\n'
    )
    ledger = Ledger(folder, metric=metric)
    for at, value in enumerate(values):
        ledger.append(
            record(
                id=str(at),
                commit=f"{at + 1:07x}" + "0" * 33,
                status="keep" if value is not None else "discard",
                value=value,
                values=() if value is None else (value,),
                metric=metric,
                is_baseline=at == 0,
            )
        )


@pytest.mark.parametrize(
    "metric", ["score", "seconds", "status", "memory_gb", "commit", "R2.test", "élan", "delta"]
)
def test_the_header_carries_the_metrics_name(tmp_path: Path, metric: str) -> None:
    """Whatever it is called, a name of another column too, the table is read back as written."""
    write_ledger(tmp_path, metric, "min", 2.5, 1.25)
    (tmp_path / "experiments.jsonl").unlink()
    (tmp_path / "autoresearch.toml").unlink()

    lines = (tmp_path / "results.tsv").read_text("utf-8").splitlines()
    summary = report.summarise(tmp_path)

    assert lines[0] == f"commit\t{metric}\tmemory_gb\tstatus\tdescription"
    assert (summary.metric, [row.value for row in summary.experiments]) == (metric, [2.5, 1.25])


def test_a_table_that_began_otherwise_goes_on_as_it_began(tmp_path: Path) -> None:
    """An older table says val_bpb for any metric: no second header, no row twice."""
    old = f"{HEADER}\n0000001\t-0.500000\t0.0\tkeep\tan idea\n"
    (tmp_path / "results.tsv").write_text(old)
    write_ledger(tmp_path, "score", "max", -0.5, None)
    summary = report.summarise(tmp_path)

    first, *rows = (tmp_path / "results.tsv").read_text().splitlines()
    assert first == HEADER and rows[-1].split("\t")[1:4] == ["0.000000", "0.0", "discard"]
    assert [row.value for row in summary.experiments][-1] is None
    assert summary.best is not None and summary.best.value == -0.5


@pytest.mark.parametrize(
    ("direction", "values", "best", "gain"),
    [
        ("max", (-3.0, 0.0, None), 0.0, 3.0),
        ("min", (0.25, 0.0, None), 0.0, 0.25),
        ("min", (0.0, -2.0, -1.0), -2.0, 2.0),
        ("max", (3e-07, 5e-07, None), 5e-07, 2e-07),
        ("min", (4e12, 3e12, None), 3e12, 1e12),
        ("min", (0.0, 0.0), 0.0, 0.0),
    ],
)
def test_values_of_any_sign_and_size(
    tmp_path: Path, direction: str, values: tuple[float | None, ...], best: float, gain: float
) -> None:
    """Best and gain are right from the table alone, what was stopped early has no value, and the
    picture shows every value inside its axis."""
    write_ledger(tmp_path, "score", direction, *values)
    (tmp_path / "experiments.jsonl").unlink()
    summary = report.summarise(tmp_path)

    assert [row.value for row in summary.experiments] == list(values)
    assert [row.status for row in summary.experiments].count("crash") == 0
    assert summary.best is not None and summary.best.value == best
    assert summary.gain == pytest.approx(gain)
    low, high = plots.draw(summary).axes[0].get_ylim()
    assert all(low <= value <= high for value in values if value is not None)


def test_no_percent_of_what_has_no_zero(tmp_path: Path) -> None:
    """A gain is no share of a baseline that is zero or less; of one above it is."""
    for at, (first, last) in enumerate([(-0.5, -0.8), (0.0, -1.0), (0.1, -5.0)]):
        folder = tmp_path / str(at)
        folder.mkdir()
        write_ledger(folder, "nll", "min", first, last)
        summary = report.summarise(folder)
        assert summary.gain_percent is None
        assert not any("%" in line for line in table.closing_lines(summary))
        assert "%" not in plots.subtitle(summary)
    (tmp_path / "results.tsv").unlink(missing_ok=True)
    write_ledger(tmp_path, "seconds", "min", 4.0, 3.0)
    assert report.summarise(tmp_path).gain_percent == 25.0


def test_verdicts_say_better_and_worse_as_the_direction_means() -> None:
    """More is better under `max`; small and negative numbers are written so that they differ."""
    noise, rules = Noise(1e-7, 5), Rules(direction="max")
    low, high = Sample((-3e-05,), seeds=(1,)), Sample((-2e-05,), seeds=(1,))

    up, down = decide(high, low, noise, 0, rules), decide(low, high, noise, 0, rules)

    assert up.action == "keep" and up.reason.startswith("better: -3e-05 to -2e-05 (gain 1e-05")
    assert down.action == "discard" and down.reason.startswith("worse: -2e-05 to -3e-05")


def test_the_best_may_be_zero(tmp_path: Path) -> None:
    """`status` tells a best of 0 as it is, not the baseline."""
    workspace = make(tmp_path, noisy())
    for at, value in enumerate((0.5, 0.0)):
        workspace.ledger.append(
            record(id=str(at), value=value, values=(value,), is_baseline=at == 0)
        )

    told = sentences(read(Workspace(tmp_path)))

    assert "0.000000" in next(line for line in told if line.startswith("best"))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.000000"),
        (0.9979, "0.997900"),
        (-12.5, "-12.500000"),
        (2.5e-07, "2.5e-07"),
        (-1.25e10, "-1.25e+10"),
        (None, "---"),
    ],
)
def test_numbers_as_people_read_them(value: float | None, text: str) -> None:
    """Six decimals where those say something."""
    assert show_amount(value) == text


def test_changes_have_their_sign() -> None:
    """Of improvements and losses alike."""
    assert [show_change(v) for v in (0.5, -0.5, 3e-06)] == ["+0.500000", "-0.500000", "+3e-06"]
    assert AxisRange.around([(0.0, 0.0)]).low < 0 < AxisRange.around([(0.0, 0.0)]).high
