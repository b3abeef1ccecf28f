"""Shows how far a run is: a line on the terminal or in the log, and curve.jsonl for comparisons.

FIXED: experiments never edit it.
Leaves to others: the loop (train.py), the block at the end (prepare.py).
"""

import json
import sys

from fixed.device import peak_flops

POINTS = 0.02  # of the budget between two points of the curve
LINES = 0.1  # of the budget between two lines of a log


class Progress:
    """One line that renews itself on a terminal, a plain line now and then elsewhere; curve.jsonl.

    `loader` is the clock; `flops_per_token` and the device give the MFU."""

    def __init__(self, loader, device, flops_per_token, directory):
        self.loader, self.device, self.flops_per_token = loader, device, flops_per_token
        self.live = sys.stdout.isatty()
        self.curve = open(directory / "curve.jsonl", "w", encoding="utf-8")
        self.smooth, self.curve_at, self.line_at = None, 0.0, 0.0
        self.since = []  # losses of the steps since the last point

    def update(self, step, loss):
        self.smooth = loss if self.smooth is None else 0.9 * self.smooth + 0.1 * loss
        self.since.append(loss)
        if self.loader.progress >= self.curve_at:
            self.curve_at = self.loader.progress + POINTS
            self.write_point(step)
        if self.live:
            print("\r" + self.line(step), end="", flush=True)
        elif self.loader.progress >= self.line_at:
            self.line_at = self.loader.progress + LINES
            print(self.line(step), flush=True)

    def write_point(self, step):
        """The mean loss since the last point: one step's loss is luck of its batch."""
        loader = self.loader
        mean = sum(self.since) / len(self.since)
        point = {"progress": round(loader.progress, 4), "step": step, "loss": round(mean, 6)}
        point |= {"tokens": loader.tokens, "elapsed_s": round(loader.elapsed_s, 3)}
        print(json.dumps(point), file=self.curve, flush=True)
        self.since.clear()

    def line(self, step):
        loader = self.loader
        return (
            f"{100 * loader.progress:5.1f}% | step {step} | loss {self.smooth:.4f} | "
            f"{self.tokens_per_s:,.0f} tok/s | MFU {self.mfu_percent:.1f}% | "
            f"{loader.remaining_s:.0f} s left   "
        )

    @property
    def tokens_per_s(self):
        elapsed_s = self.loader.elapsed_s
        return self.loader.tokens / elapsed_s if elapsed_s else 0.0  # 0 at the first batch

    @property
    def mfu_percent(self):
        """Of the device's peak; nan where that is not known."""
        return 100 * self.flops_per_token * self.tokens_per_s / peak_flops(self.device)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.curve.close()
        if self.live:
            print()
