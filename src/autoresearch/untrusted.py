"""Strangers' text made harmless: for a terminal, a log, a page, a report, a prompt.

A hub, a run, an agent or a repository may send any character. HIDDEN are those that show nothing
and do something, chosen once for every door:

- controls, C0 and C1 (Cc): they command a terminal, overwrite a line or forge the next one
- formats (Cf): direction overrides, zero widths, tag characters: they hide text or turn it around
- surrogates (Cs), private use (Co): they cannot be encoded, or mean what a font wants
- line and paragraph separators (Zl, Zp): a new line in some programs and not in others
- what Unicode says to ignore by default (fillers, variation selectors): bytes for a model to read
  that no person sees

Categories rather than a list of known attacks, because such a list ages. Unassigned characters
stay but for those to be ignored: a newer Unicode has names for them. Lone blanks of any width
become one.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable
from typing import TypeAlias

Table: TypeAlias = dict[int, str | None]

HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
# Default_Ignorable_Code_Point (Unicode, DerivedCoreProperties.txt) beyond those categories.
IGNORABLE = (
    (0x034F, 0x034F), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F), (0x2065, 0x2065),
    (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8), (0xE0000, 0xE0FFF),
)  # fmt: skip


def is_hidden(character: str) -> bool:
    """Whether a character shows nothing and may do something. Line feed and tab are hidden too."""
    code = ord(character)
    if unicodedata.category(character) in HIDDEN_CATEGORIES:
        return True
    return any(first <= code <= last for first, last in IGNORABLE)


class _Removed(Table):
    """For `str.translate`: a blank for a hidden character that parts words or lines, else nothing.

    Each character is looked up once and then remembered, so a long text costs a pass in C."""

    def __missing__(self, code: int) -> str | None:
        character = chr(code)
        blank = " " if character.isspace() else None
        self[code] = blank if is_hidden(character) else character
        return self[code]


class _Spelled(Table):
    """For `str.translate`: hidden characters as `spell` writes them."""

    def __init__(self, spell: Callable[[str], str]) -> None:
        super().__init__({ord("\n"): "\n", ord("\t"): "\t"})
        self.spell = spell

    def __missing__(self, code: int) -> str | None:
        character = chr(code)
        self[code] = self.spell(character) if is_hidden(character) else character
        return self[code]


_REMOVED = _Removed()
_REMOVED_IN_LINES = _Removed({ord("\n"): "\n", ord("\t"): "    "})
_ESCAPED = _Spelled(lambda character: ascii(character)[1:-1])
_ESCAPED_IN_JSON = _Spelled(lambda character: json.dumps(character)[1:-1])
_NUMBERED = _Spelled(lambda character: f"[U+{ord(character):04X}]")


# Commands to a terminal, whole: colours, cursor and window titles (ECMA-48: CSI, OSC, DCS, ...).
ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]P^_X]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]"
)


def strip_escapes(text: str) -> str:
    """A program's output without commands to a terminal; taken out character by character, their
    letters would stay (`[31m`)."""
    return ESCAPES.sub("", text)


def to_line(text: str, most: int = 2000) -> str:
    """One harmless line of at most `most` characters: single blanks, cut with an ellipsis."""
    line = " ".join(text[: 4 * most].translate(_REMOVED).split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def first_line(text: str, most: int = 300) -> str:
    """The first line that says anything, as `to_line` makes it."""
    lines = (to_line(line, most) for line in text[: 20 * most].splitlines())
    return next((line for line in lines if line), "")


def to_lines(text: str, most: int = 100_000) -> str:
    """Harmless text of several lines: line feeds and indentation stay."""
    return text[:most].replace("\r\n", "\n").translate(_REMOVED_IN_LINES)


def spell_out(text: str) -> str:
    """Harmless text that hides nothing: what is hidden is written as an escape. Nothing is cut."""
    return text.translate(_ESCAPED)


def spell_out_json(text: str) -> str:
    """The same for JSON, in its own escapes: it is read back as it was."""
    return text.translate(_ESCAPED_IN_JSON)


def number_hidden(text: str) -> str:
    """The same for code that people read: escapes of the code's own stay apart."""
    return text.translate(_NUMBERED)
