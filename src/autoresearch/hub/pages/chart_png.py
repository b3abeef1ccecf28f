"""A board's progress as a PNG of 1200 x 630 pixels, for shared links (Open Graph) and downloads.

Drawn by matplotlib, off the event loop.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Any

from autoresearch.hub.pages.rendering import flatten_text
from autoresearch.hub.values import BoardPoint

INCHES, DPI = (12.0, 6.3), 100
BEST, KEEP, DISCARD, CRASH, REPRODUCED, INK, SOFT = (
    "#0a7f5a",
    "#2563c9",
    "#9aa4b1",
    "#c0392b",
    "#8a3fb8",
    "#1b2430",
    "#5b6776",
)
_turn = threading.Lock()  # matplotlib draws one picture at a time


def draw_png(points: Sequence[BoardPoint], platform: str, track: str, noise: float | None) -> bytes:
    """The picture of a board's results, oldest first."""
    with _turn:
        from matplotlib.backends.backend_agg import (
            FigureCanvasAgg,
        )  # a second to import: only where a picture is asked for
        from matplotlib.figure import Figure

        figure = Figure(figsize=INCHES, dpi=DPI, facecolor="white")
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0.08, 0.12, 0.89, 0.72))
        _draw_axes(axes, points, noise)
        best = min((p.val_bpb for p in points if p.leads and p.val_bpb is not None), default=None)
        title = f"{_escape_math(platform)}  {_escape_math(track)}".strip()
        figure.text(0.03, 0.92, title or "no results yet", fontsize=20, weight="bold", color=INK)
        told = f"{len(points)} experiments" + (
            f", best val_bpb {best:.6f}" if best is not None else ""
        )
        figure.text(0.97, 0.92, told, fontsize=15, color=SOFT, ha="right")
        out = BytesIO()
        figure.savefig(out, format="png")
        return out.getvalue()


def _draw_axes(a: Any, points: Sequence[BoardPoint], noise: float | None) -> None:
    numbered = list(enumerate(points, 1))
    records = [(n, p.val_bpb) for n, p in numbered if p.leads and p.val_bpb is not None]
    known = sorted(p.val_bpb for p in points if p.val_bpb is not None)
    if records and known:
        high = max(known[min(len(known) - 1, int(len(known) * 0.9))], max(v for _, v in records))
        pad = (high - known[0]) * 0.08 or 0.01
        a.set_ylim(known[0] - pad, high + pad)
        if noise:
            a.axhspan(records[-1][1] - noise, records[-1][1] + noise, color=BEST, alpha=0.12, lw=0)
        xs, ys = [n for n, _ in records] + [len(points)], [v for _, v in records] + [records[-1][1]]
        a.step(xs, ys, where="post", color=BEST, lw=2.4)
    kinds: tuple[tuple[str, str, int, Callable[[BoardPoint], bool]], ...] = (
        ("o", DISCARD, 16, lambda p: p.status == "discard"),
        ("s", KEEP, 20, lambda p: p.status == "keep" and not p.leads),
        ("o", BEST, 46, lambda p: p.leads and not p.reproduced),
        ("D", REPRODUCED, 40, lambda p: p.reproduced),
    )
    for marker, colour, size, chosen in kinds:
        found = [(n, p.val_bpb) for n, p in numbered if p.val_bpb is not None and chosen(p)]
        if found:
            a.scatter(
                [n for n, _ in found],
                [v for _, v in found],
                marker=marker,
                s=size,
                c=colour,
                lw=0,
                zorder=3,
            )
    low = a.get_ylim()[0]
    crashed = [n for n, p in numbered if p.val_bpb is None]
    a.scatter(crashed, [low] * len(crashed), marker="x", s=26, c=CRASH, clip_on=False, zorder=4)
    a.set_xlabel("experiment", color=SOFT, fontsize=12)
    a.set_ylabel("val_bpb, lower is better", color=SOFT, fontsize=12)
    a.tick_params(colors=SOFT)
    a.grid(axis="y", color="#dde3ea")
    for side in ("top", "right"):
        a.spines[side].set_visible(False)


def _escape_math(text: str) -> str:
    """A stranger's name as matplotlib may print it: `$` begins mathematics there."""
    return flatten_text(text, 48).replace("$", "\\$")
