"""The time of day, in the two forms in which this project writes it. Leaves to others: how long
things take (`time.monotonic`)."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

_SECONDS, _MICROSECONDS = "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S.%fZ"


def utc_now() -> datetime:
    return datetime.now(timezone.utc)


def local_now() -> datetime:
    """In the time zone of this machine, as programs on it name times."""
    return utc_now().astimezone()


def time_of_day(unix_time: float) -> str:
    """`13:42`, in the time zone of this machine."""
    return datetime.fromtimestamp(unix_time).strftime("%H:%M")


def timestamp() -> str:
    """UTC in ISO 8601 with whole seconds: ledger, journal and outbox write it."""
    return utc_now().strftime(_SECONDS)


def precise_timestamp(at: datetime | None = None) -> str:
    """UTC in ISO 8601 with microseconds, fixed width, so that text sorts as time does: the hub
    writes it. `at`: not now, but then."""
    then = (at or utc_now()).astimezone(timezone.utc)
    return then.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def parse_timestamp(text: str) -> datetime:
    """The time that a precise timestamp names."""
    return datetime.strptime(text, _MICROSECONDS).replace(tzinfo=timezone.utc)


def shift_time(at: str, seconds: float) -> str:
    """The precise timestamp so many seconds after another, or before it."""
    return precise_timestamp(parse_timestamp(at) + timedelta(seconds=seconds))
