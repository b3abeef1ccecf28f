"""When a program or a server says that it may be asked again: read from its own words.

Durations ("try again in 2 h 13 min", "retry-after: 30"), times of day ("resets 1:42pm
(Europe/Berlin)"), dates ("Dec 1st, 2026 3:05 PM"), ISO times and Unix times are read. Leaves to
others: whether anybody waits (loop).
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

LONGEST_S = 8 * 86400.0  # a longer wait is a misreading, or no wait but an end
JUST_PASSED = timedelta(minutes=10)  # a reset that long ago was today, and not tomorrow's
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
UNITS_S = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}

_CUE = r"(?:retry(?!ing)|again|reset|wait|available|refresh|renew)"
_UNIT = r"(?:ms|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?)"
_AMOUNT = rf"\d{{1,9}}(?:\.\d{{1,9}})?\s?{_UNIT}(?![a-z])"
DURATION = re.compile(
    rf"{_CUE}[^\n]{{0,40}}?(?<![\d.:])({_AMOUNT}(?:[\s,]*(?:and )?{_AMOUNT})*)", re.I
)
PART = re.compile(rf"(\d+(?:\.\d+)?)\s?({_UNIT})(?![a-z])", re.I)
SECONDS = re.compile(r"retry.after\"?[\s:=]{1,3}\"?(\d{1,7}(?:\.\d{1,9})?)(?![\d:.])", re.I)
ISO = re.compile(r"\b(\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?)(?:\.\d+)?(Z|[+-]\d\d:?\d\d)?")
EPOCH = re.compile(
    r"(?:reset|again|limit|retry)[^\n\d]{0,40}(1[6-9]\d{8}|2[0-4]\d{8})(\d{3})?\b", re.I
)
CLOCK = re.compile(
    rf"{_CUE}[^\n]{{0,20}}?"
    r"(?:\b(?P<month>[a-z]{3})[a-z]*\.? (?P<day>\d{1,2})(?:st|nd|rd|th)?,?\s?(?P<year>\d{4})?,?\s)?"
    r"(?:at )?\b(?P<hour>\d{1,2})(?::(?P<minute>\d\d))?\s?(?P<half>[ap]\.?m\b)?"
    r"[\s(]{0,2}(?P<zone>UTC|GMT|[A-Z][A-Za-z_]+/[A-Za-z_/]+)?",
    re.I,
)  # fmt: skip


def find_wait_s(text: str, now: datetime) -> float | None:
    """How long a text says to wait; None where it does not. `now` has a time zone, which is the
    one of a time of day without one."""
    for read in (read_moment, read_clock, read_duration):
        found = read(text, now)
        if found is not None and found <= LONGEST_S:
            return max(0.0, found)
    return None


def read_moment(text: str, now: datetime) -> float | None:
    """A whole date and time, or a Unix time."""
    if epoch := EPOCH.search(text):
        return float(epoch[1]) - now.timestamp()
    iso = ISO.search(text)
    if iso is None:
        return None
    try:
        at = datetime.fromisoformat(iso[1])
    except ValueError:
        return None
    return (at.replace(tzinfo=offset(iso[2], now)) - now).total_seconds()


def offset(text: str | None, now: datetime) -> tzinfo | None:
    if not text:
        return now.tzinfo
    if text == "Z":
        return timezone.utc
    minutes = int(text[1:3]) * 60 + int(text[-2:])
    return timezone(timedelta(minutes=minutes if text[0] == "+" else -minutes))


def read_clock(text: str, now: datetime) -> float | None:
    """A time of day, the next one to come, or one of a day that is named."""
    for found in CLOCK.finditer(text):
        if found["half"] or found["minute"]:
            at = place_clock(found, now)
            if at is not None:
                return (at - now).total_seconds()
    return None


def place_clock(found: re.Match[str], now: datetime) -> datetime | None:
    zone = named_zone(found["zone"])
    here = now.astimezone(zone) if zone else now
    hour = int(found["hour"]) % 12 if found["half"] else int(found["hour"])
    hour += 12 if found["half"] and found["half"][0] in "pP" else 0
    try:
        at = here.replace(hour=hour, minute=int(found["minute"] or 0), second=0, microsecond=0)
        if found["month"]:
            month = MONTHS.index(found["month"].lower()) + 1
            at = at.replace(year=int(found["year"] or at.year), month=month, day=int(found["day"]))
    except ValueError:  # no time of day, or no day of the calendar
        return None
    if not found["month"] and at < here - JUST_PASSED:
        at += timedelta(days=1)
    return at


def named_zone(name: str | None) -> tzinfo | None:
    try:
        return ZoneInfo(name.upper() if name and "/" not in name else name) if name else None
    except (KeyError, ValueError, OSError):  # this machine does not know it
        return None


def read_duration(text: str, now: datetime) -> float | None:
    found = DURATION.search(text)
    if found is None:
        seconds = SECONDS.search(text)
        return float(seconds[1]) if seconds else None
    return sum(float(part[1]) * UNITS_S[unit_of(part[2])] for part in PART.finditer(found[1]))


def unit_of(word: str) -> str:
    word = word.lower()
    return "ms" if word.startswith(("ms", "milli")) else word[0]
