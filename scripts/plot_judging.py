"""Draws docs/pictures/judging.png from the table in docs/judging-details.md.

    python scripts/plot_judging.py

The table is the truth; bench/judging.py measures it.
"""

from __future__ import annotations

import re
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

DOCS = Path(__file__).parents[1] / "docs"
ROW = re.compile(r"^\| (\w+), 8 \| \*\*([\d.]+) \(([\d.]+) to ([\d.]+)\)\*\*", re.MULTILINE)


def draw() -> Path:
    """One line a landscape: the ratio and its 95 % interval; 1 is greedy itself."""
    rows = [
        (name, float(ratio), float(low), float(high))
        for name, ratio, low, high in ROW.findall((DOCS / "judging-details.md").read_text("utf-8"))
    ]
    rows.sort(key=lambda row: row[1])
    figure, axes = plt.subplots(figsize=(7.2, 3.4), layout="constrained")
    for place, (_, ratio, low, high) in enumerate(rows):
        axes.plot([low, high], [place, place], color="#2a6f97", linewidth=2)
        axes.plot([ratio], [place], "o", color="#2a6f97", markersize=6)
        axes.annotate(
            f"{ratio:.2f}", (high, place), (6, 0), textcoords="offset points", va="center"
        )
    axes.axvline(1, color="#888888", linestyle="--", linewidth=1)
    axes.annotate(
        "greedy", (1, len(rows) - 0.6), (4, 0), textcoords="offset points", color="#666666"
    )
    axes.set_yticks(range(len(rows)), [name for name, *_ in rows])
    axes.set_xlim(0.9, max(row[3] for row in rows) + 0.25)
    axes.set_xlabel("improvement an hour over greedy, 400 simulated nights of 8 h (95 % interval)")
    axes.spines[["top", "right"]].set_visible(False)
    file = DOCS / "pictures" / "judging.png"
    figure.savefig(file, dpi=150)
    return file


if __name__ == "__main__":
    print(draw())
