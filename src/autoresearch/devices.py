"""Which names mean one device: `H100`, `h100` and `NVIDIA_H100` beside `nvidia h100`. Pure.

Two results are compared where their platforms are one device, however each agent spells it. What
is shown is the first spelling; the hub keeps it (`hub/rules/devices.py`).
"""

from __future__ import annotations

import re
import unicodedata

_BETWEEN_DIGITS = re.compile(r"(?<=\d)[\s_\-]+(?=\d)")
_SEPARATORS = re.compile(r"[\s_]+|(?<!\d)-+|-+(?!\d)")
# a dash of any kind is a dash; blanks are met by \s
_DASHES = dict.fromkeys(map(ord, "‐‑‒–—−"), "-")


def fold_device(name: str) -> str:
    """The form that all spellings of one device share: no case, width, blank, underscore or dash.
    One dash stays between two digits, for `x-7-12c` and `x-71-2c` are two machines."""
    plain = unicodedata.normalize("NFKC", name).casefold().translate(_DASHES)
    return _SEPARATORS.sub("", _BETWEEN_DIGITS.sub("-", plain)) or name


def is_same_device(one: str, other: str) -> bool:
    """Whether two names of platforms mean one device."""
    return one == other or fold_device(one) == fold_device(other)
