"""Numbers as people write them in a column: percent signs, thousands, commas, units, error bars.
Which column it is, is decided elsewhere.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from autoresearch.untrusted import strip_escapes

NUMBER = re.compile(
    r"[-+]?(?:\d{1,3}(?:[ '_\u00a0\u202f]\d{3})+(?:[.,]\d+)?|\d[\d.,]*|[.,]\d+)(?:[eE][-+]?\d+)?"
)
REST = re.compile(r"\s?(%|[A-Za-zµμ]{1,8}(?:/[A-Za-z]{1,8})?)?\s*(?:$|[(\[±*†,;]|\+/-|\s)")
ARROW = re.compile("→|->|=>")
HASH = re.compile(r"(?=[0-9a-f]*[a-f])[0-9a-f]{7,40}", re.IGNORECASE)
NO_NUMBERS = {
    *("", "---", "--", "-", "—", "–", "nan", "inf", "+inf", "-inf", "none", "null", "n/a"),
    *("na", "?"),
    *("crash", "crashed", "oom", "timeout", "failed", "error"),
}
MARKS = "*`~≈≃$€£↑↓▲▼✓✔✅<>= "
# What a unit is in the first of its family.
FAMILIES: tuple[dict[str, float], ...] = (
    {"s": 1, "sec": 1, "secs": 1, "seconds": 1, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6}
    | {"ns": 1e-9, "min": 60, "mins": 60, "h": 3600, "hours": 3600},
    {"b": 1, "bytes": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "kib": 2**10, "mib": 2**20, "gib": 2**30},
    {"": 1, "k": 1e3, "M": 1e6, "G": 1e9},
)


def read_column(cells: Sequence[str]) -> list[float | None]:
    """A value for each cell, in the unit of the first one; None where there is no number."""
    point = decimal_mark(cells)
    found = [read_figure(cell, point) for cell in cells]
    units = [figure[1] for figure in found if figure is not None]
    if "%" in units and "" in units:
        bare = [abs(figure[0]) for figure in found if figure is not None and not figure[1]]
        factors = {"": 100.0 if max(bare) <= 1 else 1.0}
    else:
        factors = unit_factors(units)
    return [None if f is None else finite(f[0] * factors.get(f[1], 1.0)) for f in found]


def unit_factors(units: Sequence[str]) -> dict[str, float]:
    """What each unit is multiplied with to be the first one's."""
    if len(set(units)) < 2:
        return {}
    for family in FAMILIES:
        if all(unit in family or not unit for unit in units) and any(u in family for u in units):
            first = next(unit for unit in units if unit in family)
            return {unit: family[unit] / family[first] for unit in units if unit in family}
    return {}


def read_figure(cell: str, point: str = ".") -> tuple[float, str] | None:
    """A number and its unit."""
    text = ARROW.split(strip_escapes(cell))[-1].strip(MARKS).replace("−", "-")  # before → after
    match = NUMBER.match(text)
    rest = REST.match(text, match.end()) if match else None
    if match is None or rest is None or HASH.fullmatch(text):
        return None
    number = re.sub(r"[ '_\u00a0\u202f]", "", match.group()).rstrip(".,")
    number = number.replace("," if point == "." else ".", "").replace(",", ".")
    unit = rest.group(1) or ""
    try:
        value = float(number)
    except ValueError:
        return None  # 1.2.3
    is_count = unit in ("M", "G", "K")
    return (
        (value, unit.replace("K", "k") if is_count else unit.lower())
        if math.isfinite(value)
        else None
    )


def decimal_mark(cells: Sequence[str]) -> str:
    """`,` where the column's cells show that the comma is its point: 0,93 but not 1,234."""
    points = commas = 0
    for cell in cells:
        match = NUMBER.match(cell.strip(MARKS))
        text = match.group().rstrip(".,") if match else ""
        last = max(text.rfind("."), text.rfind(","))
        if last < 0 or text.count(text[last]) > 1:
            continue
        head, digits = text[:last].lstrip("+-"), re.split("[eE]", text[last + 1 :])[0]
        if len(digits) != 3 or len(head) > 3 or head in ("", "0"):
            points, commas = points + (text[last] == "."), commas + (text[last] == ",")
    return "," if commas > points else "."


def is_number(cell: str) -> bool:
    return read_figure(cell) is not None


def is_blank(cell: str) -> bool:
    return cell.strip(MARKS).lower() in NO_NUMBERS


def finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
