"""What `autoresearch watch` sees and draws: the truth, within the terminal's size, and never a
command to the terminal."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from rich.console import Console

from autoresearch.researcher.dashboard.canvas import AxisRange, Canvas, stair_points
from autoresearch.researcher.dashboard.draw import (
    draw_curve,
    draw_night,
    draw_view,
    run_state,
    running_best,
)
from autoresearch.researcher.dashboard.plain import describe_changes, describe_view
from autoresearch.researcher.dashboard.snapshot import (
    MachineLoad,
    RunView,
    VerdictView,
    View,
    Watcher,
    safe_line,
)
from autoresearch.researcher.gpus import GpuLoad, GpuMonitor
from autoresearch.researcher.judging.curves import CurvePoint
from autoresearch.researcher.report.status import read
from autoresearch.researcher.swarm.standing import Standing
from autoresearch.researcher.workspace import Workspace
from tiny_workspaces import Writes, make, noisy, research

HERE = MachineLoad(0.5, 2, 1.0, 8.0, (GpuLoad("NVIDIA H200", 0.98, 45.0, 140.0),))
WILD = "\x1b[31mred\x1b]0;title\x07 [bold]x[/bold] \u202egnp.exe\r\nnew line\x9b2J"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A night of four experiments."""
    workspace = make(tmp_path_factory.mktemp("night"), noisy(1.0, 0.001))
    texts = (noisy(0.9, 0.001), noisy(0.95, 0.001), "raise SystemExit('x')\n", noisy(0.7, 0.001))
    research(workspace, Writes(*texts), experiments=4)
    return workspace.folder


@pytest.fixture(scope="module")
def view(folder: Path) -> View:
    """The night as its own files tell it."""
    return Watcher(folder, GpuMonitor("no-such-library")).read_snapshot()


def drawn(view: View, columns: int, rows: int) -> list[str]:
    console = Console(width=columns, height=rows, color_system=None, force_terminal=False)
    with console.capture() as caught:
        console.print(draw_view(view, columns, rows))
    return caught.get().splitlines()


def test_a_night_is_seen_as_the_ledger_tells_it(view: View, folder: Path) -> None:
    """Counts, verdicts in order, crashes without a value; no run in progress."""
    assert [v.kind for v in view.verdicts] == ["baseline", "keep", "discard", "crash", "keep"]
    assert view.verdicts[3].value is None and view.runs == () and view.waiting is None
    assert view.about == read(Workspace(folder))
    assert [place for place, _ in running_best(view)] == [0.0, 1.0, 4.0]


@pytest.mark.parametrize("size", [(120, 40), (80, 24), (40, 12), (30, 8), (20, 4)])
def test_the_picture_fits_the_terminal(view: View, size: tuple[int, int]) -> None:
    """No line is longer than the terminal is wide; there are no more lines than it is high."""
    lines = drawn(busy(view), *size)

    assert max(map(len, lines)) <= size[0]
    assert len(lines) <= size[1]


def busy(view: View) -> View:
    """The same with eight runs going on and a hub that is behind."""
    points = tuple(CurvePoint(i / 20, 5 - i / 10) for i in range(1, 10))
    runs = tuple(RunView(f"{n:04d}", 1, "c" * 40, "an idea", points, (points,)) for n in range(8))
    hub = Standing("https://hub.example", "ada", "", "no connection\x1b[2J", 3, ())
    about = replace(view.about, running=True, hub=hub)
    return replace(view, about=about, runs=runs, machine=HERE, edited=("0009",))


def test_the_picture_says_what_a_person_asks(view: View) -> None:
    """Best and gain, verdicts with reasons, the hub, the GPU, the run against the best."""
    text = "\n".join(drawn(busy(view), 160, 50))

    for words in (
        "2 kept",
        "1 discarded",
        "1 crashed",
        "3 wait for the hub",
        "hub: no connection[2J",
        "NVIDIA H200 98%",
        "45.0 of 140 GB",
        "(gain 0.",
    ):
        assert words in text
    assert (
        "0001" in text
        and "better" in text
        and "and 2 more runs" in text
        and "the agent edits 0009" in text
    )


def test_a_run_is_compared_with_the_best_at_the_same_place() -> None:
    """Not with where the best ended: at 40 % it was no better than this."""
    best = tuple(CurvePoint(i / 10, 5 - i / 4) for i in range(1, 11))
    ours = tuple(CurvePoint(p.progress, p.loss - 0.5) for p in best[:4])

    assert (
        run_state(RunView("0002", 1, "a", "x", ours, (best,)))
        == "40%, loss 3.5000, 0.5000 below the best's there"
    )
    assert run_state(RunView("0002", 1, "a", "x", ours)) == "40%, loss 3.5000"
    assert run_state(RunView("0002", 1, "a", "x", seconds=95)) == "for 1 min 35 s"


def test_strangers_text_commands_no_terminal(view: View) -> None:
    """Escapes, markup, direction marks and line breaks of a description come out as harmless
    words."""
    assert safe_line(WILD) == "[31mred]0;title [bold]x[/bold] gnp.exe new line2J"
    wild = VerdictView(
        "0009", "f" * 40, "discard", 1.0, safe_line(WILD), safe_line(WILD), safe_line(WILD), ""
    )
    shown = replace(view, verdicts=(*view.verdicts, wild))
    lines = [*drawn(shown, 200, 40), *describe_view(shown), *describe_changes(view, shown)]

    assert any("[bold]x[/bold]" in line for line in lines)
    assert not re.search("[\x00-\x1f\x7f-\x9f\u202a-\u202e]", "".join(lines))


def test_only_changes_are_told(view: View) -> None:
    """A new verdict is one line; nothing new is no line; a run is told as it begins and at each
    quarter."""
    runs = [RunView("0006", 1, "d" * 40, "an idea", (CurvePoint(p, 3.0),)) for p in (0.1, 0.2, 0.3)]
    steps = [view, *(replace(view, runs=(run,)) for run in runs)]

    told = [list(describe_changes(a, b)) for a, b in pairwise(steps)]

    assert [len(lines) for lines in told] == [1, 0, 1]
    before = replace(view, verdicts=view.verdicts[:-1])
    assert [line.split()[:2] for line in describe_changes(before, view)] == [["0005", "keep"]]


def test_a_hostile_curve_is_no_curve() -> None:
    """Whatever a run writes as its curve, the picture stays a picture."""
    points = (CurvePoint(0.5, 1e300), CurvePoint(0.6, -1e300), CurvePoint(0.7, 0.0))

    text = draw_curve(RunView("0001", 1, "a", "x", points), 60, 5, braille=True).plain

    assert len(text.splitlines()) == 5 and max(map(len, text.splitlines())) <= 70


def test_dots_land_where_they_belong() -> None:
    """Corners of a 2 x 1 canvas, a line between them, and a staircase that goes on to the right."""
    canvas = Canvas(2, 1, AxisRange(0, 1, 0, 1))
    canvas.line([(0, 0)], "")
    canvas.line([(1, 1), (float("nan"), 1)], "")

    assert canvas.text().plain.endswith("⡀⠈")
    canvas.sign(1, 0, "×", "")
    assert canvas.text().plain.endswith("⡀×")
    assert stair_points([(0, 3), (2, 1)], 4) == [(0, 3), (2, 3), (2, 1), (4, 1)]
    plain = Canvas(2, 1, AxisRange(0, 1, 0, 1), braille=False)
    plain.line([(0, 0), (1, 1)], "")
    assert plain.text().plain.endswith("**")


def test_one_bad_idea_does_not_flatten_the_night(view: View) -> None:
    """A result a hundred times worse is drawn at the edge; the numbers at the left stay near the
    best."""
    awful = VerdictView("0009", "f" * 40, "discard", 100.0, "x", "y", "", "")
    shown = replace(view, verdicts=(*view.verdicts, awful))

    assert float(draw_night(shown, 60, 6, braille=True).plain.split()[0]) < 2


def test_the_json_is_for_scripts(view: View) -> None:
    """One object with the numbers; curves as where they are now."""
    told = json.loads(json.dumps(busy(view).as_json()))

    assert told["about"]["kept"] == 2 and told["runs"][0]["progress"] == 0.45
    assert told["runs"][0]["loss"] == 4.1 and "points" not in told["runs"][0]
