"""What a person sees while data is prepared: plain lines and progress bars."""

import sys


def say(text):
    print(text, flush=True)


class Bar:
    """A progress bar on a terminal; elsewhere a plain line for every fifth, for a readable log."""

    def __init__(self, what, total, unit):
        from tqdm import tqdm

        self.what, self.total, self.done, self.told = what, max(total, 1), 0, 0
        self.bar = (
            tqdm(total=total, desc=what, unit=unit, unit_scale=True)
            if sys.stderr.isatty()
            else None
        )

    def add(self, amount):
        self.done += amount
        if self.bar is not None:
            self.bar.update(amount)
        elif int(5 * self.done / self.total) > self.told:
            self.told = int(5 * self.done / self.total)
            say(f"{self.what}: {min(100, 100 * self.done // self.total)} %")

    def close(self):
        if self.bar is not None:
            self.bar.close()


def printable(text):
    """On one line."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
