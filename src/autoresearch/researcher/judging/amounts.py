"""A metric's numbers as people read them, whatever the metric counts. Leaves to others: reading
them (measurement, report)."""

from __future__ import annotations

SMALLEST, LARGEST = 1e-4, 1e9  # what six decimals show with three digits at least, and at length


def show_amount(value: float | None, sign: str = "-") -> str:
    """Six decimals, as in the ledger; powers of ten where those would show nothing, or too much;
    --- for no value."""
    if value is None:
        return "---"
    is_plain = value == 0 or SMALLEST <= abs(value) < LARGEST
    return format(value, f"{sign}.6f" if is_plain else f"{sign}.6g")


def show_change(value: float) -> str:
    """The same with its sign, `+` too."""
    return show_amount(value, "+")
