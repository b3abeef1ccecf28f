"""What a run left beside its log that others may want to see: its curve, and how busy it kept the
hardware. A run wrote both: they are read under limits.

Leaves to others: the words of a post (lines), how details are written (resultdetails).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from autoresearch.researcher import curve_files
from autoresearch.researcher.measurement import metric_lines
from autoresearch.researcher.swarm.lines import Detail
from autoresearch.resultdetails import write_curve

SUMMARY_BYTES = 16_384  # of a log's end, where a program prints what came out


def read_run_details(folder: Path, logs: Sequence[str]) -> list[Detail]:
    """Details of the first of an experiment's judged runs; `logs` lie below `folder`."""
    return list(_read_details(folder / logs[0])) if logs else []


def _read_details(log: Path) -> Iterator[Detail]:
    for text in metric_lines(_read_end(log)).get("mfu_percent", [])[-1:]:
        try:
            percent = float(text)
        except ValueError:
            continue
        if 0 < percent <= 100:
            yield "mfu", f"{percent:.1f} %"
    curve = curve_files.read(log.with_name(curve_files.NAME))
    if curve:
        yield "curve", write_curve([(point.progress, point.loss) for point in curve])


def _read_end(log: Path) -> str:
    try:
        with log.open("rb") as opened:
            opened.seek(max(0, os.fstat(opened.fileno()).st_size - SUMMARY_BYTES))
            return opened.read(SUMMARY_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
