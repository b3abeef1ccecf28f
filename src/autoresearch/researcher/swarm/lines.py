"""What a researcher tells the hub, as text: the one-line result with its details beneath, and the
line of a verification. Pure.

    commit:<7 hex> platform:<name> val_bpb:<value or ---> vram_gb:<value or ---> track:<id> | description [(DISCARD) or (CRASH: reason)]
    verify commit:<7 hex> platform:<name> val_bpb:<value or ---> n:<runs> track:<id> | reproduced, or: not reproduced (why)

The format is the hub's (docs/wire.md, "Results"). Descriptions and reasons are other people's
words: each is brought to one line that can neither end the line nor pass for the mark at its end.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from autoresearch.researcher.judging.values import Record

DESCRIPTION_CHARS, REASON_CHARS, DETAIL_CHARS, PLATFORM_CHARS = 300, 200, 600, 64
_MARK = re.compile(r"\(\s*(?=(?:CRASH|DISCARD))", re.IGNORECASE)
_HOME = re.compile(r"/(?:home|Users)/[^/\s'\"]+|/root\b")
_TRACK = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", re.ASCII)


@dataclass(frozen=True)
class Reproduction:
    """What came of running a claimed commit here: `value` None where it gave none; `why` is empty
    where it was reproduced."""

    commit: str
    platform: str
    track: str
    value: float | None
    runs: int
    why: str = ""


def result_post(record: Record, track: str = "") -> str:
    """A post for #results: the line, a blank line, and the details in markdown."""
    return f"{result_line(record, track)}\n\n{result_details(record, track)}\n"


def result_line(record: Record, track: str = "") -> str:
    """The one line; a crash has no value, whatever its record says."""
    crashed = record.status == "crash"
    value = show_number(None if crashed else record.value, 6)
    memory = show_number(None if crashed else record.memory_gb, 1)
    head = f"{commit_fields(record.commit, record.platform)} val_bpb:{value} vram_gb:{memory}{track_field(track)}"
    mark = {
        "keep": "",
        "discard": " (DISCARD)",
        "crash": f" (CRASH: {show_reason(record.reason)})",
    }[record.status]
    return f"{head} | {show_description(record.description)}{mark}"


def verification_line(found: Reproduction) -> str:
    """The line of a verification, for a reply in the claim's thread."""
    verdict = f"not reproduced ({show_reason(found.why)})" if found.why else "reproduced"
    head = f"verify {commit_fields(found.commit, found.platform)} val_bpb:{show_number(found.value, 6)} n:{max(1, found.runs)}"
    return f"{head}{track_field(found.track)} | {verdict}"


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
    return "\n".join(f"- {name}: {one_line(text, DETAIL_CHARS)}" for name, text in told if text)


def commit_fields(commit: str, platform: str) -> str:
    name = one_line(platform, PLATFORM_CHARS).replace("|", "/") or "unknown"
    return f"commit:{commit[:7]} platform:{name}"


def track_field(track: str) -> str:
    """The track, where it is one word as the format wants it."""
    return f" track:{track}" if _TRACK.fullmatch(track) else ""


def show_number(value: float | None, digits: int) -> str:
    return "---" if value is None else f"{value:.{digits}f}"


def show_seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.1f} s"


def show_description(text: str) -> str:
    """One line that does not end in a status of its own."""
    return _MARK.sub("[", one_line(text, DESCRIPTION_CHARS)) or "(no description)"


def show_reason(text: str) -> str:
    return _MARK.sub("[", one_line(text, REASON_CHARS)) or "no reason given"


def without_paths(text: str, folder: str) -> str:
    """A text for the public: a crash's last words may name files, and where ours lie is nobody's
    business."""
    return _HOME.sub("~", text.replace(folder, "."))


def one_line(text: str, most: int) -> str:
    """Blanks for control, format and separator characters, then single blanks; cut with an
    ellipsis."""
    plain = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in text[: 4 * most])
    words = " ".join(plain.split())
    return words if len(words) <= most else f"{words[: most - 1]}…"


def first_line(text: str, most: int = DESCRIPTION_CHARS) -> str:
    """The first line of a text that is not blank, as one line."""
    return next(
        (line for raw in text[: 20 * most].splitlines() if (line := one_line(raw, most))), ""
    )


def join_lines(lines: Sequence[str], most: int) -> str:
    """As many whole lines as fit into `most` characters."""
    kept: list[str] = []
    for line in lines:
        most -= len(line) + 1
        if most < 0:
            break
        kept.append(line)
    return "\n".join(kept)
