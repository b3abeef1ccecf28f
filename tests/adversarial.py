"""Texts of a chosen size that make careless parsers slow, and the measure of a parser's work.

The measure is CPU time beside that of a plain scan in the same process, so it means the same on a
slow or a busy machine. A parser passes at once where it takes little more than the scan; where it
takes more, it has to take about twice as long for twice the text, and never thousands of scans.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from itertools import islice

Parser = Callable[[str], object]

LITTLE = 40.0  # plain scans: below this nothing is compared
MUCH = 2000.0  # plain scans: above this a parser is too slow however it grows
GROWTH = 3.2  # for twice the text: 2 is linear, 4 quadratic
TRIES = 3

RESULT = "commit:abcdef1 platform:H100 val_bpb:0.99 vram_gb:44.0 | depth "
VERIFY = "verify commit:abcdef1 platform:H100 val_bpb:0.99 n:1 | "
HEADS = (
    "", f"{RESULT}(CRASH ", f"{RESULT}(DISCARD", f"{VERIFY}not reproduced", "verify commit",
    "FILE: a\n<<<<<<< SEARCH\n", "FILE: ", "DESCRIPTION:", "a | b\n- | -\n", "> ",
    "[a]: http://b", "[a](",
    "```python\n", "diff --git a/x.py b/x.py\n@@ -1 +1 @@\n+", "commit\tval_bpb\tstatus\n",
    "data: ",
)  # fmt: skip
UNITS = (
    *" \t\n\r\x0b\x85\xa0\u2028\u3000", *"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
    *("a", "0", "ß", "İ", "\u0301", "\u200b", "\u202e", "\0", "\x1b", "😀"),
    "*_", "*_*_ ", "**a ", "__*", "[](/)", "[a](", "![", "[a][", "](", "<a", "<!--", "<![CDATA[",
    "<http://a>", "&#x", "&amp;", "> ", "- ", "-\n", "1. ", "  - ", "```\n", "`a``", "|-|\n", "|-",
    "a|b\n", "~~a", "a\n=\n", "  \n", "\t\n", "(CRASH", "(CRASH: ", "( CRASH", "(DISCARD) ",
    "(DISCARD", "commit:", "commit : ", "commit:a ", "n :", "verify commit:", "> - * ", "not_",
    "1.", "1e", "1e1", "1,1", "a  ", "FILE: a\n", "FILE: `a", "<<<<<<< SEARCH\n", "=======\n",
    "FILE: a\n<<<<<<< SEARCH\na\n=======\n", ">>>>>>> REPLACE\n", "DESCRIPTION: \n", "data: {}\n",
    "[", "{\"a\":", "diff --git a b\n", "@@\n", "/home/", "keep\t", "a\tkeep\n", "track a:",
)  # fmt: skip


def repeat(unit: str, chars: int, head: str = "", tail: str = "") -> str:
    """`head`, then `unit` again and again, then `tail`: `chars` characters."""
    room = max(0, chars - len(head) - len(tail))
    return head + (unit * (room // len(unit) + 1))[:room] + tail


def crash_with_blanks(chars: int) -> str:
    """The attack that stopped a hub for minutes: lines with 1,975 blanks behind `(CRASH`."""
    return repeat(f"{RESULT[:-6]}(CRASH {' ' * 1975}\n", chars)


def nested(chars: int) -> Iterator[str]:
    """Structures that open much and close it again, or never."""
    for opening, closing in ("[]", "()", "{}", "<>", ("> ", "\n"), ("*", "_"), ("~~", "~~")):
        half = chars // (len(opening) + len(closing))
        yield opening * half + closing * half
    yield "".join(" " * (n % 60) + "- a\n" for n in range(chars // 34))
    yield "".join("`" * n + " " for n in range(1, int((2 * chars) ** 0.5)))


def amplified(chars: int) -> Iterator[str]:
    """Markdown of which a little makes a large page."""
    yield repeat("[a] ", chars, f"[a]: http://{'a' * (chars // 2)}\n\n")  # a long address
    yield repeat("a\n", chars, "|a" * 60 + "\n" + "|-" * 60 + "\n")  # rows are filled up
    yield repeat("a\n", chars, "|" * (chars // 4) + "\n" + "|-" * (chars // 8) + "|\n")


def structures(chars: int) -> Iterator[str]:
    """Texts made for one weakness each."""
    yield crash_with_blanks(chars)
    yield from nested(chars)
    yield from amplified(chars)


def runs(chars: int, heads: Sequence[str] = HEADS) -> Iterator[str]:
    """Every unit again and again, behind every head."""
    return (repeat(unit, chars, head) for head in heads for unit in UNITS)


Make = Callable[[int], Iterator[str]]


def seconds(parse: Parser, text: str, depth: int = 0) -> float:
    """CPU time of this thread, without the collector's: that depends on what else this process
    holds, as other threads do.

    `depth` more frames lie beneath the call. CPython 3.11 maps its stack of frames in pieces of 16
    KB; a loop that calls across the end of one maps and unmaps it each time, eight times as slow.
    """
    if depth:
        return seconds(parse, text, depth - 1)
    gc.disable()
    try:
        started = time.thread_time()
        parse(text)
        return time.thread_time() - started
    finally:
        gc.enable()


def scan(text: str) -> int:
    return sum(c.isspace() for c in text * 2)


@lru_cache
def scan_seconds(chars: int) -> float:
    """What reading every character of twice a text of `chars` costs here."""
    return min(seconds(scan, repeat("a", chars)) for _ in range(5))


def complaint(parse: Parser, text: str, half: Callable[[], str]) -> str:
    """What is wrong with the work of `parse` on `text`; empty where nothing is.

    `half` makes the same text at half its size.
    """
    scan_s = scan_seconds(len(text))
    first = seconds(parse, text) / scan_s
    if first <= LITTLE:
        return ""
    if first > MUCH:
        return f"takes {first:.0f} plain scans"
    small, growth = half(), 0.0
    for _ in range(TRIES):  # a neighbour on the machine may disturb one comparison, not all
        whole_s = min(seconds(parse, text) for _ in range(TRIES))
        half_s = min(seconds(parse, small) for _ in range(TRIES))
        growth = whole_s / half_s
        if whole_s <= LITTLE * scan_s or growth <= GROWTH:
            return ""
    return f"takes {growth:.1f} times as long for twice the text"


def complaints(parse: Parser, make: Make, chars: int) -> list[str]:
    """What is wrong with the work of `parse` on each of `make(chars)`, with the text's
    beginning."""

    def half(number: int) -> str:
        return next(islice(make(chars // 2), number, None))

    found = []
    for number, text in enumerate(make(chars)):
        if why := complaint(parse, text, partial(half, number)):
            found.append(f"{text[:90]!r} {why}")
    return found
