"""Claims about the morning's part of the report: real edits apart from lucky ones, what pays, which
constants matter, what was in vain; texts of agents are only text."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg

from autoresearch.researcher.judging.values import Record
from autoresearch.researcher.ledger import Ledger
from autoresearch.researcher.report import read_night, summarise, write_summary
from autoresearch.researcher.report.forest import draw_forest
from autoresearch.researcher.report.morning import EditEffect, Morning, read_morning
from autoresearch.researcher.report.morning_lines import describe_morning
from tiny_workspaces import record

HOSTILE = "<script>alert(1)</script> $x$"


def night() -> list[Record]:
    """Forty experiments: RATE decides, DEPTH hardly, WIDTH never; an idea pays, another does
    not."""
    chance, records = random.Random(4), []
    base = record(commit="b" * 40, values=(1.0, 1.002, 0.998), is_baseline=True, branch="b")
    records.append(base)
    best, rate, value = base, 0.1, 1.0
    for number in range(2, 42):
        proposal: dict[str, object] = {}
        gain, words = 0.0, ""
        kind = number % 4
        if kind == 0:
            new = rate + chance.choice([0.1, -0.1, 0.2])
            gain = 0.2 * (abs(rate - 0.8) - abs(new - 0.8))
            proposal, words = {"edit": {"train.py:RATE": [rate, new]}}, f"RATE {rate} → {new}"
        elif kind == 1:
            proposal = {"edit": {"train.py:DEPTH": [2, chance.choice([1, 3])]}}
            gain, words = -0.005, "DEPTH"
        elif kind == 2:
            proposal = {"edit": {"train.py:WIDTH": [64, chance.choice([32, 128])]}}
            gain, words = -0.05, HOSTILE
        else:
            good = number == 7
            proposal = {"idea": f"i{number}", "family": "mlp" if good else "optimiser"}
            gain, words = (0.03 if good else -0.02), "an idea"
        got = value - gain + chance.gauss(0, 0.001)
        keep = got < value - 0.003
        one = record(
            id=f"{number:04d}", commit=f"{number:040d}", parent=best.commit, branch="b",
            status="keep" if keep else "discard", description=words, value=got, values=(got,),
            agent="search" if "edit" in proposal else "catalogue", proposal=proposal,
            started_at=f"2026-01-01T00:{number:02d}:00Z",
            finished_at=f"2026-01-01T00:{number + 1:02d}:00Z",
        )  # fmt: skip
        records.append(one)
        if keep:
            best, value = one, got
            rate = new if kind == 0 else rate
    return records


def morning() -> Morning:
    found = read_morning(Path("nowhere"), night(), "min")
    assert found is not None
    return found


def test_it_tells_what_is_real_and_what_pays() -> None:
    found = morning()

    assert found.effects and all(effect.real for effect in found.effects)
    assert {effect.label.split()[0] for effect in found.effects} == {"RATE", "an"}
    assert found.kinds[0].name == "RATE" and found.kinds[0].kept >= 2
    assert {kind.name: kind.kept for kind in found.kinds}["mlp"] == 1
    assert [agent.name for agent in found.agents] == ["search", "catalogue"]
    assert found.total.tried == 40 and found.total.hours > 0.6
    assert {"DEPTH", "WIDTH", "optimiser"} == {name for name, _ in found.in_vain}
    assert any("distill" in step for step in found.next_steps)


def test_it_ranks_constants() -> None:
    """What decided the score stands first (PED-ANOVA); what was never tried has no rank."""
    importance = morning().importance

    assert importance[0][0] == "RATE" and importance[0][1] > 0.4
    assert {name for name, _ in importance} == {"RATE", "DEPTH", "WIDTH"}


def test_all_words_of_the_forest_lie_within_its_frame() -> None:
    """However long edits and constants are called."""
    labels = ["MATRIX_MOMENTUM_START 0.85 → 0.9, BIGRAM_ROWS 32768 → 262144", "W" * 60, "x"]
    effects = tuple(EditEffect(label, 0.01, -0.03, 0.06, False) for label in labels)
    names = ("MATRIX_MOMENTUM_START", "A_VERY_LONG_NAME_OF_A_CONSTANT", "X")
    long = Morning(effects=effects, ends=effects[:1], importance=tuple((n, 0.2) for n in names))

    for morning in (long, replace(long, importance=())):
        figure = draw_forest(morning, "val_bpb")
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        words = figure.get_tightbbox(canvas.get_renderer())
        frame = figure.get_size_inches()
        assert words.x0 >= 0 and words.y0 >= 0 and words.x1 <= frame[0] and words.y1 <= frame[1]


def test_the_page_shows_it_and_executes_nothing(tmp_path: Path) -> None:
    """The section stands in report.html, with its picture; an agent's words are text there."""
    ledger = Ledger(tmp_path)
    for one in night():
        ledger.append(one)

    files = write_summary(summarise(tmp_path))

    page = files.html.read_text("utf-8")
    assert "The morning after" in page and page.count("<svg") == 2
    assert "What pays" in page and "&lt;script&gt;" in page
    assert "<script" not in page
    assert describe_morning(read_night(summarise(tmp_path)) or Morning())


def test_the_report_and_its_table_name_one_best(tmp_path: Path) -> None:
    """Where the commit kept last measured worse than one before it, both mean the one before."""
    ledger = Ledger(tmp_path)
    for number, value in enumerate((1.0, 0.8, 0.9), start=1):
        one = record(
            id=f"{number:04d}", commit=str(number) * 40, value=value, values=(value,),
            is_baseline=number == 1, branch="b", description=f"idea {number}",
            started_at="2026-01-01T00:00:00Z", finished_at="2026-01-01T00:00:02Z",
        )  # fmt: skip
        ledger.append(one)
    summary = summarise(tmp_path)
    found = read_night(summary) or Morning()

    assert summary.best and summary.best.commit == "2222222"
    assert "the best, 2222222, is not confirmed" in found.verdict
    assert not any("an hour" in line for line in describe_morning(found)), "no rate of two seconds"


def test_a_foreign_ledger_has_no_morning(tmp_path: Path) -> None:
    """A results.tsv of another tool is shown as ever."""
    text = "commit\tval_bpb\tmemory_gb\tstatus\tdescription\nabc1234\t1.0\t1.0\tkeep\tbaseline\n"
    (tmp_path / "results.tsv").write_text(text, "utf-8")

    assert read_night(summarise(tmp_path)) is None
    assert "morning" not in write_summary(summarise(tmp_path)).html.read_text("utf-8")
