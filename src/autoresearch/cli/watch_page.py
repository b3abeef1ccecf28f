"""The page of `autoresearch watch --web`: what a watcher sees as HTML, with the hub's stylesheet,
chart and scripts and without the hub.

Everything on it was written by programs and agents: the template escapes it. Leaves to others:
looking (researcher.dashboard.snapshot), serving (watch_web).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from autoresearch.models import Result
from autoresearch.untrusted import to_line

if TYPE_CHECKING:
    from jinja2 import Environment

    from autoresearch.hub.pages.chart import Chart
    from autoresearch.hub.pages.chart_labels import ChartLabel
    from autoresearch.researcher.dashboard.snapshot import RunView, VerdictView, View
    from autoresearch.researcher.judging.curves import CurvePoint

CURVE_WIDTH, CURVE_HEIGHT, CURVE_PAD = 960, 200, 12
CURVE_POINTS_MAX = 400
BEGINNING = 0.05  # of the budget: the steep fall there would press everything else flat


@dataclass(frozen=True)
class RunRow:
    """A run in progress: its curve and the best's as SVG paths."""

    id: str
    number: int
    commit: str
    title: str
    progress: float | None
    own: str
    best: tuple[str, ...]


def load_page() -> Environment:
    """The templates, from files; the hub's libraries are not needed."""
    from importlib import resources

    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    from autoresearch.hub.pages import assets
    from autoresearch.researcher.judging.amounts import show_amount

    folder = str(resources.files("autoresearch.hub").joinpath("templates"))
    made = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(asset=assets.find_url, base="")
    made.filters.update(
        plain=to_line,
        amount=show_amount,
        score=lambda value: "–" if value is None else show_amount(value),
        short=lambda digits: digits[:7],
    )
    return made


def render_view(page: Environment, view: View, number: int) -> bytes:
    """The page of one look; `number` counts the looks that showed something new."""
    better = "lower" if view.direction == "min" else "higher"
    text = page.get_template("watch.html").render(
        problem="",
        number=number,
        about=view.about,
        interruption=view.interruption,
        machine=view.machine,
        runs=[make_run_row(run) for run in view.runs],
        edited=view.edited,
        verdicts=list(enumerate(view.verdicts, 1))[::-1],
        charts=draw_night(view),
        summary=f"{to_line(view.about.metric, 40)} of {len(view.verdicts)} experiments",
        y_title=f"{to_line(view.about.metric, 40)}, {better} is better",
    )
    return text.encode("utf-8", "replace")


def render_problem(page: Environment, folder: str, problem: str, number: int) -> bytes:
    """The page where there is nothing to look at, with why."""
    text = page.get_template("watch.html").render(
        problem=problem, number=number, about={"folder": folder}
    )
    return text.encode("utf-8", "replace")


def draw_night(view: View) -> tuple[Chart, Chart]:
    """The hub's chart of this night and the newest of it for telephones, with the best at the
    bottom where lower is better, else at the top."""
    from autoresearch.hub.pages.chart import draw_both

    sign = 1.0 if view.direction == "min" else -1.0
    charts = draw_both(list_points(view.verdicts, sign), noise=view.about.noise)
    if sign > 0:
        return charts
    shown = list_points(view.verdicts, sign, shown=1.0)
    return mirror(charts[0], shown), mirror(charts[1], shown)


def mirror(drawn: Chart, points: Sequence[Result]) -> Chart:
    """The chart of negated values turned upside down, with the values as they are. Crashes stay on
    the axis."""
    frame = drawn.frame

    def turn(y: float) -> float:
        return round(frame.top + frame.floor - y, 1)

    def turn_found(found: re.Match[str]) -> str:
        return f"{found[1]}{turn(float(found[2]))}"

    def turn_label(label: ChartLabel) -> ChartLabel:
        x1, y1, x2, y2 = label.leader
        return replace(
            label,
            y=turn(label.y + label.height),
            lines=tuple(line.replace("↑ -", "↓ ") for line in label.lines),
            leader=(x1, turn(y1), x2, turn(y2)),
        )

    marks = [replace(m, point=points[m.number - 1], is_above=False) for m in drawn.marks]
    return replace(
        drawn,
        marks=tuple(m if m.kind == "crash" else replace(m, y=turn(m.y)) for m in marks),
        steps=re.sub(r"(V|^M[\d.]+ )([\d.]+)", turn_found, drawn.steps),
        band=drawn.band and (turn(sum(drawn.band)), drawn.band[1]),
        labels=tuple(turn_label(label) for label in drawn.labels),
        y_ticks=tuple(replace(t, at=turn(t.at), text=negate(t.text)) for t in drawn.y_ticks),
    )


def negate(number: str) -> str:
    return number[1:] if number.startswith("-") else f"-{number}" if float(number) else number


def list_points(
    verdicts: Sequence[VerdictView], sign: float, shown: float | None = None
) -> list[Result]:
    """Verdicts as the chart takes results: what leads is the best so far of what was kept.
    `shown` stands in for the sign of the values."""
    points, best = [], float("inf")
    for number, v in enumerate(verdicts, 1):
        value = None if v.value is None else v.value * sign
        leads = v.kind in ("baseline", "keep") and value is not None and value < best
        best = value if leads and value is not None else best
        points.append(make_point(number, v, v.value, shown or sign, leads))
    return points


def make_point(
    number: int, v: VerdictView, value: float | None, sign: float, leads: bool
) -> Result:
    fields: dict[str, Any] = {
        "commit": v.commit,
        "platform": "",
        "track": "",
        "reason": v.reason,
        "problem": "",
        "val_bpb": None if value is None else value * sign,
        "vram_gb": None,
        "status": "keep" if v.kind == "baseline" else v.kind,
        "description": v.description,
        "id": number,
        "post_id": number,
        "agent_id": v.agent,
        "commit_hash": v.commit,
        "created_at": v.finished_at,
        "leads": leads,
    }
    return Result(**fields)


def make_run_row(run: RunView) -> RunRow:
    curves = [run.points, *run.against]
    losses = [p.loss for curve in curves for p in curve if p.progress >= BEGINNING]
    if not losses or len(run.points) < 2:
        return RunRow(run.id, run.number, run.commit, run.description, run.progress, "", ())
    low, high = min(losses), max(losses)
    own, *best = (draw_curve(curve, low, high) for curve in curves)
    paths = tuple(path for path in best if path)
    return RunRow(run.id, run.number, run.commit, run.description, run.progress, own, paths)


def draw_curve(curve: Sequence[CurvePoint], low: float, high: float) -> str:
    """An SVG path of the loss over the budget; of many points an even sample."""
    points = [p for p in curve if p.progress >= BEGINNING]
    points = points[:: max(1, len(points) // CURVE_POINTS_MAX)]
    height = CURVE_HEIGHT - 2 * CURVE_PAD
    corners = [
        f"{CURVE_WIDTH * min(p.progress, 1.0):.1f} "
        f"{CURVE_PAD + height * (high - p.loss) / ((high - low) or 1.0):.1f}"
        for p in points
    ]
    return f"M{'L'.join(corners)}" if len(corners) > 1 else ""
