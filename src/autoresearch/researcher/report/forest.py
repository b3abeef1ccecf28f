"""The forest plot of a night: each kept edit's gain with its interval, real ones apart from the
others; beside it how much each constant matters. matplotlib is imported only when it is drawn.
"""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING

from autoresearch.researcher.report.morning import EditEffect, Morning
from autoresearch.researcher.report.plot_marks import BASELINE, DISCARD, INK, KEEP
from autoresearch.untrusted import to_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST = 24  # edits that are drawn, the largest gains
CONSTANTS = 10
ROW_IN, HEAD_IN = 0.34, 1.35
LABEL = 46  # letters


def draw_forest(morning: Morning, metric: str) -> Figure:
    """The figure; its height follows the number of edits."""
    import matplotlib
    from matplotlib.figure import Figure

    effects = sorted(morning.effects, key=lambda effect: -effect.gain)[:MOST]
    constants = morning.importance[:CONSTANTS]
    rows = max(len(effects) + len(morning.ends), len(constants), 4)
    with matplotlib.rc_context({"font.family": "sans-serif", "font.size": 10.5}):
        size = (12, HEAD_IN + ROW_IN * rows)
        figure = Figure(figsize=size, dpi=100, facecolor="white", layout="constrained")
        widths = [1.6, 1] if constants else [1]
        axes = figure.subplots(1, len(widths), squeeze=False, width_ratios=widths)[0]
        draw_effects(axes[0], effects, morning.ends, metric, morning.is_distilled)
        if constants:
            draw_importance(axes[1], constants)
    return figure


def draw_effects(
    axes: Axes,
    effects: list[EditEffect],
    ends: tuple[EditEffect, ...],
    metric: str,
    distilled: bool,
) -> None:
    """`ends`, what remains together, below the edits."""
    axes.axvline(0, color="#999999", linewidth=1)
    if ends:
        axes.axhline(len(effects) - 0.5, color="#CCCCCC", linewidth=1)
    every = [*effects, *ends]
    for place, effect in enumerate(every):
        colour = KEEP if effect.real else DISCARD
        reach = [effect.low, effect.high]
        if all(map(math.isfinite, reach)):
            axes.plot(reach, [place, place], color=colour, linewidth=2, solid_capstyle="butt")
        mark = "D" if effect.real else "o"
        axes.plot(effect.gain, place, marker=mark, color=colour, markersize=6)
    labels = [textwrap.shorten(to_line(e.label), LABEL, placeholder="…") for e in every]
    axes.set_yticks(range(len(every)), labels, parse_math=False)
    axes.set_ylim(len(every) - 0.5, -0.6)
    axes.set_xlabel(f"gain in {metric}, with its 95 % interval", parse_math=False)
    real = sum(effect.real for effect in effects)
    how = "are shown to be real" if distilled else "look better, as they were judged"
    finish(axes, f"{real} of {len(effects)} kept edits {how}")


def draw_importance(axes: Axes, constants: tuple[tuple[str, float], ...]) -> None:
    names = [textwrap.shorten(to_line(name), 24, placeholder="…") for name, _ in constants]
    axes.barh(range(len(constants)), [share for _, share in constants], 0.6, color=BASELINE)
    axes.set_yticks(range(len(constants)), names, parse_math=False)
    axes.set_ylim(len(constants) - 0.4, -0.6)
    axes.set_xlabel("importance, share of all")
    finish(axes, "what matters")


def finish(axes: Axes, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=12, fontweight="bold", color=INK)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color("#999999")
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="#E4E4E4", linewidth=0.8)
    axes.set_axisbelow(True)
