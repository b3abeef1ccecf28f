"""What came of one run, read from its log.

A log is untrusted: only lines `name: value` count, and what is quoted of it is cut to one short
line. Leaves to others: running (experiment), verdicts (judging).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from autoresearch.researcher.judging.values import Measurement, Outcome, Record
from autoresearch.researcher.sandbox import Finished
from autoresearch.untrusted import strip_escapes, to_line

# `name: value` or `name = value`, with a unit of those that programs print
METRIC_LINE = re.compile(
    r"([A-Za-z_][\w.-]*)[ \t]*[:=][ \t]*(\S+)"
    r"(?:[ \t]+(?:%|[mun\u00b5\u03bc]?s|sec|secs|seconds|min|minutes|h|[kKMGT]?i?B|bytes|x|points"
    r"|[\w]+/\w+))?"
    r"[ \t]*"
)
AMOUNT = re.compile(
    r"([-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d*)?(?:[eE][-+]?\d+)?)(?:%|[a-zA-Z/]{1,8})?"
)
JSON_CHARS = 100_000
LOG_BYTES = 64 * 2**20
QUOTE = 200
OUTSIDE_FACTOR, OUTSIDE_MARGIN_S = 2.0, 20.0
FIRST_TIMEOUT_S = 3600.0  # of the baseline, where the limit is to be measured
TIMEOUT_FACTOR, TIMEOUT_MARGIN_S = 2.0, 60.0


def read_log(log: Path) -> str:
    """The log as text, its first and last LOG_BYTES / 2 where it is longer."""
    if not log.exists():
        return ""
    data = log.read_bytes() if log.stat().st_size <= LOG_BYTES else ends(log)
    return data.decode("utf-8", "replace")


def ends(log: Path) -> bytes:
    with log.open("rb") as handle:
        head = handle.read(LOG_BYTES // 2)
        handle.seek(-LOG_BYTES // 2, 2)
        return head + b"\n" + handle.read()


def metric_lines(text: str, pattern: str = "", metric: str = "") -> dict[str, list[str]]:
    """Every value that a log names, by name: lines `name: value` or `name = value`, also coloured
    or with a unit, and objects of JSON. Carriage returns end lines too.

    With a `pattern` the metric's values are what its first group finds, and nothing else."""
    found: dict[str, list[str]] = {}
    for line in re.split(r"[\r\n]+", strip_escapes(text)):
        for name, value in named_values(line.strip()):
            found.setdefault(name, []).append(value)
    if pattern:
        found[metric] = [plain_amount(match) for match in re.findall(pattern, text, re.M)]
    return found


def named_values(line: str) -> Iterator[tuple[str, str]]:
    match = METRIC_LINE.fullmatch(line)
    if match:
        yield match[1], plain_amount(match[2])
    elif line.startswith("{") and line.endswith("}") and len(line) < JSON_CHARS:
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            return
        for name, number in value.items():
            if isinstance(number, (int, float)) and not isinstance(number, bool):
                yield name, repr(number)


def plain_amount(text: str) -> str:
    """A number without its unit and the commas between its thousands; other text as it is."""
    match = AMOUNT.fullmatch(text)
    return match[1].replace(",", "") if match else text


def read_run(
    text: str,
    finished: Finished,
    metric: str,
    timeout_s: float,
    is_scored_later: bool = False,
    pattern: str = "",
) -> Measurement:
    """What one run's log and its end say. The caller fills in seed, log and times.

    A run that is scored later, on text hidden from it, may print no value, or `nan`."""
    lines = metric_lines(text, pattern, metric)
    values = lines.get(metric, [])
    said = f"; its last words: {last_line(text)}" if last_line(text) else ""

    def crash(outcome: Outcome, reason: str) -> Measurement:
        return Measurement(outcome, reason, seed=0)

    if finished.timed_out:
        return crash("timeout", f"still running after {timeout_s:.0f} s, so it was stopped{said}")
    if finished.exit_code != 0 or finished.reason:
        return crash(
            "failed", f"{finished.reason or f'ended with exit code {finished.exit_code}'}{said}"
        )
    if finished.log_cut and not is_scored_later:
        return crash(
            "log cut",
            f"printed more than {LOG_BYTES / 2**20:g} MB, so its log was cut and no "
            "number in it counts",
        )
    if not values and not is_scored_later:
        return crash("no metric", f"ended without printing a line `{metric}: <number>`{said}")
    if len(values) > 1:
        return crash(
            "printed twice",
            f"printed {metric} {len(values)} times; it has to be printed once, at the end",
        )
    value = number(*values)
    if value is None and not (is_scored_later and values in ([], ["nan"])):
        return crash(
            "not finite", f"printed `{metric}: {values[0][:40]}`, which is no finite number"
        )
    memory_mb = number(*lines.get("peak_vram_mb", [])[-1:])
    return Measurement(
        "ok",
        "",
        seed=0,
        value=value,
        printed=value,
        memory_gb=None if memory_mb is None else memory_mb / 1024,
        training_seconds=number(*lines.get("training_seconds", [])[-1:]),
        total_seconds=number(*lines.get("total_seconds", [])[-1:]),
        tokens_M=number(*lines.get("total_tokens_M", [])[-1:]),
        num_steps=number(*lines.get("num_steps", [])[-1:]),
    )


def compare(measured: Measurement, scored: Measurement, tolerance: float) -> Measurement:
    """The run with its scored value, or the crash that the scorer or a difference makes of it."""
    if scored.value is None:
        words = scored.reason.partition("; its last words: FAIL: ")[2] or scored.reason
        outcome: Outcome = "log cut" if scored.outcome == "log cut" else "score failed"
        return replace(measured, outcome=outcome, value=None, reason=f"scoring failed: {words}")
    if measured.value is not None and abs(measured.value - scored.value) > tolerance:
        reason = (
            f"printed {measured.value} but scores {scored.value}; "
            "only the score of the pristine harness counts"
        )
        return replace(measured, outcome="score differs", value=None, reason=reason)
    return replace(measured, value=scored.value)


def in_time(measured: Measurement, baseline: Record | None, allowed_s: float) -> Measurement:
    """The run, or a crash where it spent too many seconds outside its budget.

    `allowed_s` 0: as measured at the baseline."""
    if measured.value is None:
        return measured
    parts = (
        (
            "the run spent {0:.0f} s outside the clock",
            measured.outside_seconds,
            baseline.outside_seconds if baseline else None,
        ),
        (
            "scoring the run's model took {0:.0f} s",
            measured.score_seconds,
            baseline.score_seconds if baseline else None,
        ),
    )
    for words, seconds, known in parts:
        limit = outside_limit_s(known, allowed_s)
        if seconds is not None and seconds > limit:
            reason = f"{words.format(seconds)}, where {limit:.0f} s are allowed"
            reason += f"; the baseline takes {known:.0f} s" if known else ""
            return replace(measured, outcome="outside the clock", value=None, reason=reason)
    return measured


def outside_limit_s(known_s: float | None, allowed_s: float) -> float:
    """What may be spent outside the clock where the baseline needs `known_s`; `allowed_s` wins."""
    return allowed_s or (OUTSIDE_FACTOR * known_s + OUTSIDE_MARGIN_S if known_s else math.inf)


def measured_timeout_s(slowest_s: float | None) -> float:
    """The limit of a run: twice the slowest baseline run, start-up and evaluation included, and a
    minute."""
    return TIMEOUT_FACTOR * slowest_s + TIMEOUT_MARGIN_S if slowest_s else FIRST_TIMEOUT_S


def number(*texts: str) -> float | None:
    """The first text as a finite number, else None."""
    try:
        value = float(texts[0])
    except (IndexError, ValueError):
        return None
    return value if math.isfinite(value) else None


def last_line(text: str) -> str:
    """The last line that says anything, printable, at most QUOTE characters."""
    lines = [line for line in re.split(r"[\r\n]+", text[-20_000:]) if line.strip()]
    return to_line(lines[-1], QUOTE) if lines else ""
