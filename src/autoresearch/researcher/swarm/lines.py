"""What a researcher posts on a hub: the result's one line with its details beneath. Pure.

The line's format is `resultline`'s. Details are other people's words too: each is one line.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from autoresearch.models import ResultLine
from autoresearch.researcher.judging.values import Record
from autoresearch.resultline import write_result
from autoresearch.untrusted import to_line

DETAIL_CHARS = 600
Detail = tuple[str, str]  # its name and its text, in one line
_HOME = re.compile(r"/(?:home|Users)/[^/\s'\"]+|/root\b")


def result_post(
    record: Record, track: str = "", attachment: str = "", measured: Sequence[Detail] = ()
) -> str:
    """A post for #results: the line, a blank line, the details in markdown, what was measured
    along the way, and the record of a run where there is one."""
    details = [f"- {name}: {text}" for name, text in measured]
    parts = [result_line(record, track), "", result_details(record, track), *details, attachment]
    return "\n".join(parts).rstrip("\n") + "\n"


def result_line(record: Record, track: str = "") -> str:
    return write_result(
        ResultLine(
            record.commit,
            record.platform,
            track,
            record.value,
            record.memory_gb,
            record.status,
            record.description,
            record.reason,
            problem="",
        )
    )


def result_details(record: Record, track: str = "") -> str:
    """What stands beneath the line: every run, why it was judged so, and how it was measured."""
    told = [
        ("metric", record.metric),
        ("runs", ", ".join(f"{value:.6f}" for value in record.values)),
        ("verdict", record.reason),
        ("parent", record.parent[:12]),
        ("agent", record.agent),
        ("machine", record.platform),
        ("track", track),
        ("seeds", ", ".join(map(str, record.seeds))),
        ("training", show_seconds(record.training_seconds)),
        ("in all", show_seconds(record.total_seconds)),
        ("tokens", f"{record.tokens_M:.1f} M" if record.tokens_M else ""),
        ("steps", f"{record.num_steps:.0f}" if record.num_steps else ""),
        ("slowed by other work", "yes, some runs were repeated" if record.contended else ""),
        ("finished", record.finished_at),
    ]
    return "\n".join(f"- {name}: {to_line(text, DETAIL_CHARS)}" for name, text in told if text)


def show_seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.1f} s"


def without_paths(text: str, folder: str) -> str:
    """A text for the public: a crash's last words may name files, and where ours lie is nobody's
    business."""
    return _HOME.sub("~", text.replace(folder, "."))


def join_lines(lines: Sequence[str], most: int) -> str:
    """As many whole lines as fit into `most` characters."""
    kept: list[str] = []
    for line in lines:
        most -= len(line) + 1
        if most < 0:
            break
        kept.append(line)
    return "\n".join(kept)
