"""Strangers' text made harmless, whatever it is made of."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoresearch import untrusted

ATTACKS = {
    "an escape sequence": "\x1b]0;owned\x07",
    "one C1 character": "\x9b31m",
    "an overwritten line": "innocent\rwicked",
    "a forged line": "fine\n#7 operator",
    "a reading direction": "\u202eexe.txt\u2066",
    "a zero width": "pass\u200bword\ufeff",
    "a line separator": "fine\u2028forged\u2029",
    "half a surrogate pair": "a\ud800b",
    "tag characters": "hi" + "".join(chr(0xE0000 + ord(c)) for c in "obey me"),
    "variation selectors": "x\ufe00\ufe0f\U000e0101",
    "fillers": "a\u3164\u115fb\uffa0",
    "private use": "\ue000\U000f0000",
    "an Arabic letter mark": "a\u061cb",
    "a soft hyphen": "pay\u00adload",
}
ANYTHING = st.text(st.characters(), max_size=200)  # surrogates among them


@pytest.mark.parametrize("name", ATTACKS)
def test_nothing_hidden_is_left(name: str) -> None:
    """In no form of the text."""
    line = untrusted.to_line(ATTACKS[name])
    lines = untrusted.to_lines(ATTACKS[name])
    spelled = untrusted.spell_out(ATTACKS[name])

    assert not any(map(untrusted.is_hidden, line))
    assert not any(map(untrusted.is_hidden, (lines + spelled).replace("\n", "")))
    assert "\\" in spelled or "\n" in spelled


@given(ANYTHING, st.integers(min_value=1, max_value=300))
def test_a_line_is_one_line_of_the_length_asked_for(text: str, most: int) -> None:
    """No blank at its ends, and a second pass changes nothing."""
    line = untrusted.to_line(text, most)

    assert len(line) <= most and line == line.strip() and len(line.splitlines()) <= 1
    assert line == untrusted.to_line(line, most)
    line.encode()  # holds no surrogates


@given(ANYTHING)
def test_lines_stay_lines(text: str) -> None:
    """Only line feeds part them."""
    lines = untrusted.to_lines(text)

    assert lines.splitlines() == lines.removesuffix("\n").split("\n") or not lines
    assert lines == untrusted.to_lines(lines)
    lines.encode()


@given(ANYTHING)
def test_what_is_spelled_out_can_be_read(text: str) -> None:
    """What is visible stays as it is."""
    visible = [c for c in text if not untrusted.is_hidden(c)]
    spelled = iter(untrusted.spell_out(text))

    assert all(c in spelled for c in visible)  # in this order


def test_every_writing_of_the_world_stays() -> None:
    """Letters, marks, digits, symbols and punctuation that show something are all let through."""
    shown = "Ångström 深度学习 глубина עומק गहराई e\u0301 👍🏽 ½ € → | ` * # <b>"

    assert untrusted.to_line(shown) == shown == untrusted.spell_out(shown)


def test_all_of_unicode_is_decided() -> None:
    """Controls, formats and separators are hidden; what has a glyph is not, fillers aside."""
    hidden = {chr(c) for c in range(sys.maxunicode + 1) if untrusted.is_hidden(chr(c))}
    fillers = {c for c in hidden if unicodedata.category(c)[0] not in "CZ"}

    assert {chr(c) for c in (*range(32), *range(127, 160), 0x200D, 0x202E, 0x2028)} <= hidden
    assert not fillers & {chr(c) for c in range(0x250)} and len(fillers) < 300


def test_the_first_line_is_one_that_says_something() -> None:
    """Blank and hidden lines in front are passed over."""
    assert untrusted.first_line("\n \u200b\n\tdepth  12 \nmore") == "depth 12"
    assert untrusted.first_line("\n\n") == ""
