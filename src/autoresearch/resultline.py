"""The one-line formats agents post: read out of any text, and written. Pure: nothing is looked up.

    commit:<7+ hex> platform:<name> val_bpb:<value or ---> vram_gb:<value or ---> [track:<id>]
        | description [(DISCARD) or (CRASH: reason)]
    verify [method:replay] commit:<7+ hex> platform:<name> val_bpb:<value or ---> n:<runs>
        [track:<id>] | reproduced, or: not reproduced (why)

Each stands on one line (docs/wire.md, "Results"). Reading is liberal in spacing, order and list
marks, and strict in meaning: a value that cannot be trusted is kept with the `problem` that bars it
from every board, for NaN passes every comparison. Writing takes other people's words, and brings
them to a form that can neither end the line nor pass for a key or the mark at its end.
"""

from __future__ import annotations

import math
import re
from typing import Literal

from autoresearch.models import ResultLine, Status, VerifyLine
from autoresearch.untrusted import to_line

LINES_MAX = 50  # of one post
LINE_MAX = 2000
TEXT_MAX = 500  # of a description or a reason that is read
DESCRIPTION_MAX, REASON_MAX, PLATFORM_MAX = 300, 200, 64  # of what is written
VALUE_MAX = 1e6

_MARKS = re.compile(r"^[\s>*`\-+•]*(?:\d+[.)]\s+)?[\s`*]*")
_KEYS = re.compile(
    r"(?:^|(?<=[\s,;]))(commit|platform|val_bpb|vram_gb|memory_gb|track|n|method)\s*:\s*",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_NOTHING = re.compile(r"[-–—]+")
_HEX = re.compile(r"[0-9a-f]{7,64}", re.ASCII)
_TRACK = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", re.ASCII)
# No pattern looks for a line's end: behind a run of blanks that would take time cubic in the
# blanks.
_DISCARD = re.compile(r"\(\s*DISCARD(?:ED)?\s*\)", re.IGNORECASE)
_CRASH = re.compile(r"\(\s*CRASH(?:ED)?\b\s*:?", re.IGNORECASE)
_MARK = re.compile(r"\(\s*(?=(?:CRASH|DISCARD))", re.IGNORECASE)
_NOT = re.compile(r"(?:not[\s_-]*reproduced|disputed)\b\s*[:(]?", re.IGNORECASE)
_YES = re.compile(r"^reproduced\b", re.IGNORECASE)


Line = ResultLine | VerifyLine


def may_lead(line: ResultLine) -> bool:
    """Whether a result may lead a board, as far as its own line tells."""
    return line.status == "keep" and not line.problem


def read_lines(content: str) -> list[Line]:
    """Every result and verification in `content`, at most LINES_MAX of them."""
    return [line for _, line in find_lines(content)]


def find_lines(content: str) -> list[tuple[int, Line]]:
    """The same, each with the number of its line, from 0."""
    if ":" not in content or "commit" not in content.lower():
        return []
    found: list[tuple[int, Line]] = []
    for number, raw in enumerate(content.splitlines()):
        line = _read_line(raw)
        if line is not None:
            found.append((number, line))
            if len(found) == LINES_MAX:
                break
    return found


def _read_line(raw: str) -> Line | None:
    text = _MARKS.sub("", raw[:LINE_MAX], count=1).rstrip(" `*\t")
    head = text[:12].lower()
    if head.startswith("commit"):
        return _result(text)
    return _verification(text[len("verify") :].strip()) if head.startswith("verify") else None


def write_result(line: ResultLine) -> str:
    """The line that says this; a crash has no value, whatever `line` holds. `problem` is the
    reader's, and not written."""
    crashed = line.status == "crash"
    val_bpb = _write_number(None if crashed else line.val_bpb, 6)
    vram_gb = _write_number(None if crashed else line.vram_gb, 1)
    mark = f" (CRASH: {_write_reason(line.reason)})" if crashed else ""
    mark = " (DISCARD)" if line.status == "discard" else mark
    head = f"{_write_name(line)} val_bpb:{val_bpb} vram_gb:{vram_gb}{_write_track(line.track)}"
    words = _unmark(to_line(line.description, DESCRIPTION_MAX)).rstrip(" `*")  # as a reader does
    return f"{head} | {words or '(no description)'}{mark}"


def write_verification(line: VerifyLine) -> str:
    """The line that says what came of running another's commit again."""
    verdict = "reproduced" if line.reproduced else f"not reproduced ({_write_reason(line.reason)})"
    # first, where readers that do not know the key pass over it
    method = "method:replay " if line.replayed else ""
    head = f"verify {method}{_write_name(line)} val_bpb:{_write_number(line.val_bpb, 6)}"
    return f"{head} n:{max(1, line.runs)}{_write_track(line.track)} | {verdict}"


def _write_name(line: Line) -> str:
    """Commit and platform. A platform holds no bar and no key, for a reader takes the first."""
    platform = _unmark(to_line(line.platform, PLATFORM_MAX)).replace("|", "/").strip(" ,;`")
    platform = _KEYS.sub(lambda key: key[0].replace(":", "="), platform)
    return f"commit:{line.commit[:7]} platform:{platform or 'unknown'}"


def _write_track(track: str) -> str:
    """The track, where it is one word as the format wants it."""
    return f" track:{track}" if _TRACK.fullmatch(track) else ""


def _write_number(value: float | None, digits: int) -> str:
    return "---" if value is None else f"{value:.{digits}f}"


def _write_reason(text: str) -> str:
    return _unmark(to_line(text, REASON_MAX)) or "no reason given"


def _unmark(text: str) -> str:
    return _MARK.sub("[", text)


def _result(text: str) -> ResultLine | None:
    head, status, reason, description = _ending(text)
    values = _values(head)
    if "commit" not in values or "val_bpb" not in values:
        return None  # prose that starts with the word
    problems: list[str] = []
    commit = _commit(values["commit"], problems)
    platform = _platform(values.get("platform", ""), problems)
    track = _track(values.get("track", ""), problems)
    val_bpb = _score(values["val_bpb"], problems)
    vram_gb = _number("vram_gb", values.get("vram_gb", values.get("memory_gb", "---")), problems)
    if status == "keep" and val_bpb is None and not problems:
        problems.append("a kept result needs a value")
    return ResultLine(
        commit,
        platform,
        track,
        val_bpb,
        vram_gb,
        status,
        description[:TEXT_MAX],
        reason[:TEXT_MAX],
        "; ".join(problems),
    )


def _verification(text: str) -> VerifyLine | None:
    head, bar, tail = text.partition("|")
    values = _values(head)
    problems: list[str] = []
    commit = _commit(values.get("commit", ""), problems)
    platform = _platform(values.get("platform", ""), problems)
    track = _track(values.get("track", ""), problems)
    val_bpb = _number("val_bpb", values.get("val_bpb", "---"), problems)
    runs = values.get("n", "1")
    if not bar or problems or not (runs.isascii() and runs.isdecimal() and 0 < len(runs) < 5):
        return None
    verdict = tail.strip()
    replayed = values.get("method", "").lower() == "replay"
    measured = (commit, platform, track, val_bpb, int(runs))
    if refusal := _NOT.match(verdict):
        reason = verdict[refusal.end() :].removesuffix(")").strip()[:TEXT_MAX]
        return VerifyLine(*measured, False, reason, replayed)
    if _YES.match(verdict) and val_bpb is not None:
        return VerifyLine(*measured, True, "", replayed)
    return None


def _ending(text: str) -> tuple[str, Status, str, str]:
    """(head, status, reason, description): the mark at a line's end tells the status, with or
    without a bar."""
    status: Status = "keep"
    reason = ""
    text = text.rstrip()
    if text.endswith(")"):
        if crash := _CRASH.search(text):
            status, reason, text = "crash", text[crash.end() : -1].strip(), text[: crash.start()]
        elif (discard := _last(_DISCARD, text)) and discard.end() == len(text):
            status, text = "discard", text[: discard.start()]
    head, _, description = text.partition("|")
    return head, status, reason, description.strip()


def _last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    return next(reversed([*pattern.finditer(text)]), None)


def _values(head: str) -> dict[str, str]:
    """`key: value` pairs; a value ends where the next known key begins. The first of two counts."""
    values: dict[str, str] = {}
    marks = list(_KEYS.finditer(head))
    ends = [*(mark.start() for mark in marks[1:]), len(head)]
    for mark, end in zip(marks, ends, strict=False):  # where there is no mark, there is one end
        values.setdefault(mark[1].lower(), " ".join(head[mark.end() : end].split()).strip(" ,;`"))
    return values


def _commit(value: str, problems: list[str]) -> str:
    lower = value.lower()
    if not _HEX.fullmatch(lower):
        problems.append(f"commit {value[:64]!r} is not 7 or more hex digits")
    return lower[:64]


def _platform(value: str, problems: list[str]) -> str:
    if not value:
        problems.append("no platform is named")
    elif len(value) > 64 or not value.isprintable():
        problems.append("the platform's name is over 64 characters or not printable")
    return value[:64]


def _track(value: str, problems: list[str]) -> str:
    if value and not _TRACK.fullmatch(value):
        problems.append(f"track {value[:64]!r} is not one word of letters, digits, '.', '_', '-'")
    return value[:128]


def _score(value: str, problems: list[str]) -> float | None:
    number = _number("val_bpb", value, problems)
    if number is not None and not 0 <= number <= VALUE_MAX:
        problems.append(f"val_bpb {value[:32]} is out of range")
    elif number == 0:
        problems.append("val_bpb 0 is no measurement")
    return number


def _number(name: Literal["val_bpb", "vram_gb"], value: str, problems: list[str]) -> float | None:
    if _NOTHING.fullmatch(value):
        return None
    if value.lower().lstrip("+-") in ("nan", "inf", "infinity"):
        problems.append(f"{name} is not finite")
        return None
    if not _NUMBER.fullmatch(value):
        problems.append(f"{name} {value[:32]!r} is no number")
        return None
    number = float(value)
    if not math.isfinite(number):
        problems.append(f"{name} is not finite")
        return None
    return number
