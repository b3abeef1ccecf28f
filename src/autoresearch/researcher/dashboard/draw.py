"""A view as a picture of the terminal's size: head, the night, the runs in progress, the last
verdicts. Draws values; looks at nothing."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from autoresearch.researcher.dashboard.canvas import LABEL, AxisRange, Canvas, stair_points
from autoresearch.researcher.dashboard.snapshot import MachineLoad, RunView, VerdictView, View
from autoresearch.researcher.display import COLOURS, escape_text, show_duration
from autoresearch.researcher.judging.amounts import show_amount

SIGNS = {"baseline": ("●", "o"), "keep": ("●", "o"), "discard": ("·", "."), "crash": ("×", "x")}
STYLES = {**COLOURS, "baseline": "blue"}
FEWEST_COLUMNS, CHART_ROWS, CHART_ROWS_MAX = 40, 3, 12
VERDICTS_MIN = 2  # lines kept for them
FAR = 3.0  # times the range from baseline to best: what lies further off is drawn at the edge
BEGINNING = 0.1  # of the budget
TROUBLE_MAX = 60
WORKING_MAX = 6  # runs in progress told in a line each


def draw_view(view: View, columns: int, rows: int, braille: bool = True) -> RenderableType:
    """As much of the view as fits: charts only where there is room for them, the newest verdicts
    in what is left."""
    head = draw_heading(view)
    titles, extra = draw_runs(view)
    drawn = next((run for run in view.runs[:WORKING_MAX] if run.points), None)
    lines = len(titles) + len(extra)
    left = rows - 1 - len(head)  # the last row stays free: a full one would scroll
    room = (left - lines - VERDICTS_MIN - 3) // 2 if drawn else left - lines - VERDICTS_MIN - 2
    charts = min(room, CHART_ROWS_MAX)
    if charts < CHART_ROWS or columns < FEWEST_COLUMNS:
        told = [*head, *titles.values(), *extra][: max(1, rows - 1 - VERDICTS_MIN)]
        return Group(*told, *draw_verdicts(view, max(0, rows - 1 - len(told))))
    parts: list[RenderableType] = [
        *head,
        make_panel(draw_night(view, columns - 4, charts, braille), draw_axis(view)),
    ]
    used = len(head) + charts + 2
    if drawn is not None:
        parts.append(
            make_panel(
                draw_curve(drawn, columns - 4, charts, braille),
                titles.pop((drawn.id, drawn.number)),
            )
        )
        used += charts + 1
    parts += [*titles.values(), *extra]
    return Group(*parts, *draw_verdicts(view, max(0, rows - 1 - used - lines)))


def make_panel(chart: Text, title: Text) -> Panel:
    return Panel(chart, title=title, title_align="left")


# ---------------------------------------------------------------- the head


def draw_heading(view: View) -> list[Text]:
    a = view.about
    state = Text("running", "bold green") if a.running else Text("not running", "yellow")
    counts = Text.assemble((f"{a.kept} kept", STYLES["keep"]), "  ",
    (f"{a.discarded} discarded", STYLES["discard"]), "  ",
    (f"{a.crashed} crashed", STYLES["crash"]))  # fmt: skip
    first = [state, counts]
    if view.waiting is not None:
        first.append(
            Text(
                f"{view.waiting} wait for the hub" if view.waiting else "hub is up to date",
                "yellow" if view.waiting else "dim",
            )
        )
    if a.hub is not None and a.hub.trouble:
        first.append(Text(f"hub: {escape_text(a.hub.trouble)[:TROUBLE_MAX]}", "red"))
    lines = [one_line(Text("   ").join([*first, Text(a.folder, "bold")]))]
    if a.baseline is not None:
        noise = f" ± {a.noise:.4g}" if a.noise is not None else ""
        best = a.baseline if a.best is None else a.best
        gain = a.baseline - best if view.direction == "min" else best - a.baseline
        lines.append(Text.assemble(
            (a.metric, "bold"), f" baseline {show_amount(a.baseline)}{noise}   best ",
            (show_amount(best), "bold green"),
            f" (gain {show_amount(gain)})  {a.best_commit[:7]}  {a.best_description}",
            no_wrap=True, overflow="ellipsis",
        ))  # fmt: skip
    return [*lines, draw_machine(view.machine)]


def draw_machine(machine: MachineLoad) -> Text:
    parts = [
        f"processor {machine.processor:.0%} of {machine.cores} cores",
        f"memory {machine.used_gb:.1f} of {machine.total_gb:.0f} GB",
    ]
    for gpu in machine.gpus:
        busy = "" if gpu.busy is None else f" {gpu.busy:.0%}"
        parts.append(f"{gpu.name}{busy}, {gpu.used_gb:.1f} of {gpu.total_gb:.0f} GB")
    return one_line(Text("   ".join(parts), "dim"))


def one_line(text: Text) -> Text:
    """The same, cut off where the terminal ends."""
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def draw_axis(view: View) -> Text:
    better = "lower" if view.direction == "min" else "higher"
    track = f" on {view.about.track}" if view.about.track else ""
    return Text(f"{view.about.metric}{track}, {better} is better: {len(view.verdicts)} experiments")


# ---------------------------------------------------------------- charts


def draw_night(view: View, columns: int, rows: int, braille: bool) -> Text:
    """Every experiment a dot, the running best a staircase, crashes on the worse edge."""
    told = list(enumerate(view.verdicts))
    if not told:
        return Text("no experiment is finished yet", "dim")
    bests = running_best(view)
    limits = night_limits(view, bests)
    canvas = Canvas(columns - LABEL, rows, limits, braille)
    worst = limits.high if view.direction == "min" else limits.low
    canvas.line(stair_points(bests, float(len(told) - 1)), "bold green")
    for i, v in told:
        sign, plain = SIGNS[v.kind]
        at = worst if v.value is None else v.value
        canvas.sign(float(i), at, sign if braille else plain, STYLES[v.kind])
    return canvas.text()


def running_best(view: View) -> list[tuple[float, float]]:
    """(place, value) of each kept experiment that was better than all before."""
    found: list[tuple[float, float]] = []
    for i, v in enumerate(view.verdicts):
        if v.kind not in ("keep", "baseline") or v.value is None:
            continue
        if not found or (
            v.value < found[-1][1] if view.direction == "min" else v.value > found[-1][1]
        ):
            found.append((float(i), v.value))
    return found


def night_limits(view: View, bests: Sequence[tuple[float, float]]) -> AxisRange:
    """Around the running best; a bad idea ten times worse must not flatten the rest."""
    values = [v.value for v in view.verdicts if v.value is not None]
    if bests:
        first, last = bests[0][1], bests[-1][1]
        reach = FAR * (abs(first - last) or 5 * (view.about.noise or 0.0) or abs(first) * 0.05)
        reach = reach or max(abs(value) for value in values)  # a metric that begins at 0
        values = [v for v in values if abs(v - first) <= reach] or [first]
    points = [(0.0, value) for value in values]
    return AxisRange.around(points, 0.0, float(max(1, len(view.verdicts) - 1)))


def draw_runs(view: View) -> tuple[dict[tuple[str, int], Text], list[Text]]:
    """A title for each run in progress, and a line for what has none."""
    titles = {(run.id, run.number): run_title(run) for run in view.runs[:WORKING_MAX]}
    extra = []
    if len(view.runs) > WORKING_MAX:
        extra.append(Text(f"and {len(view.runs) - WORKING_MAX} more runs", "dim"))
    if view.interruption:
        extra.append(one_line(Text(view.interruption, "yellow")))
    if view.edited:
        extra.append(one_line(Text(f"the agent edits {', '.join(view.edited)}", "cyan")))
    return titles, extra


def run_title(run: RunView) -> Text:
    numbers = Text.assemble(
        (run.id, "bold"), (f" run {run.number}  ", "dim"), (run_state(run), "cyan")
    )
    return one_line(numbers.append(f"  {run.commit[:7]} {run.description}"))


def run_state(run: RunView) -> str:
    """How far it is, and how its loss compares with the best's at the same place."""
    if run.progress is None:  # compiling, or a program that tells no curve
        return f"for {show_duration(run.seconds)}"
    both = run.behind()
    done = f"{run.progress:.0%}" if run.progress < 1 else "scoring"
    if both is None:
        return f"{done}, loss {run.points[-1].loss:.4f}"
    ours, theirs = both
    word = "below" if ours < theirs else "above"
    return f"{done}, loss {ours:.4f}, {abs(ours - theirs):.4f} {word} the best's there"


def draw_curve(run: RunView, columns: int, rows: int, braille: bool) -> Text:
    """This run's training loss over the budget, before the best's. The scale is that of all but
    the beginning, where every curve falls."""
    ours = [(p.progress, p.loss) for p in run.points]
    theirs = [[(p.progress, p.loss) for p in points] for points in run.against]
    every = [point for points in (ours, *theirs) for point in points]
    limits = AxisRange.around([(x, y) for x, y in every if x >= BEGINNING] or every, 0.0, 1.0)
    canvas = Canvas(columns - LABEL, rows, limits, braille)
    for points in theirs:
        canvas.line([(x, y) for x, y in points if y <= limits.high], "dim")
    canvas.line([(x, y) for x, y in ours if y <= limits.high], "bold cyan")
    return canvas.text()


# ---------------------------------------------------------------- verdicts


def draw_verdicts(view: View, most: int) -> list[RenderableType]:
    """The newest verdicts with their reasons, as many as there is room for, a line each."""
    if not view.verdicts or most < 1:
        return []
    table = Table(box=None, padding=(0, 1, 0, 0), show_header=False, expand=True)
    for width in (4, 8, 10):
        table.add_column(width=width, no_wrap=True)
    table.add_column(ratio=2, no_wrap=True, overflow="ellipsis")
    table.add_column(ratio=3, no_wrap=True, overflow="ellipsis")
    for v in reversed(view.verdicts[-most:]):
        judged = (Text(v.kind, STYLES[v.kind]), Text(show_value(v)))
        table.add_row(Text(v.id), *judged, Text(v.description), Text(v.reason, "dim"))
    return [table]


def show_value(verdict: VerdictView) -> str:
    return show_amount(verdict.value)
