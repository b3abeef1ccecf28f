"""The one-line formats: read liberally in spacing, strictly in meaning, and as they are written."""

from __future__ import annotations

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoresearch.models import ResultLine, VerifyLine
from autoresearch.resultline import (
    LINES_MAX,
    may_lead,
    read_lines,
    write_result,
    write_verification,
)

PLAIN = "commit:abcdef1 platform:H100 val_bpb:0.99 vram_gb:44.0 | depth 12"


def one(text: str) -> ResultLine:
    (line,) = read_lines(text)
    assert isinstance(line, ResultLine)
    return line


def test_the_plain_line() -> None:
    """The format of the contract is read field by field."""
    assert ResultLine("abcdef1", "H100", "", 0.99, 44.0, "keep", "depth 12", "", "") == one(PLAIN)


@pytest.mark.parametrize(
    "text",
    [
        "commit: abcdef1  platform: H100   val_bpb: 0.99   vram_gb: 44.0|depth 12",
        "- commit:abcdef1 platform:H100 val_bpb:0.99 vram_gb:44.0 | depth 12  ",
        "  * `commit:ABCDEF1 platform:H100 val_bpb:.99 vram_gb:44 | depth 12`",
        "> Commit:abcdef1, platform:H100, val_bpb:9.9e-1, vram_gb:44.0 | depth 12",
        "1. commit:abcdef1 vram_gb:44.0 val_bpb:0.99 platform:H100 | depth 12",
        "hello\n\ncommit:abcdef1\tplatform:H100\tval_bpb:0.990000\tmemory_gb:44.0 | depth 12\nbye",
    ],
)
def test_spacing_marks_and_order_do_not_matter(text: str) -> None:
    """However it is laid out, it is the same result."""
    assert one(PLAIN) == one(text)


@pytest.mark.parametrize(
    ("ending", "status", "reason"),
    [
        ("", "keep", ""),
        (" (DISCARD)", "discard", ""),
        (" ( discard )", "discard", ""),
        (" (CRASH: out of memory)", "crash", "out of memory"),
        (" (CRASH: OOM (batch 128))", "crash", "OOM (batch 128)"),
        (" (CRASH)", "crash", ""),
    ],
)
def test_the_ending_tells_the_status(ending: str, status: str, reason: str) -> None:
    """(DISCARD) and (CRASH: reason) stand at a line's end; without them it was kept."""
    line = one(PLAIN + ending)

    assert (status, reason, "depth 12") == (line.status, line.reason, line.description)


def test_a_platform_may_have_blanks_and_a_track_is_one_word() -> None:
    """Names end where the next key begins."""
    line = one(
        "commit:abcdef1 platform:RTX  4090 Ti val_bpb:1 vram_gb:--- track:pystd-60s-ab12 | x"
    )

    assert (line.platform, line.track, line.problem) == ("RTX 4090 Ti", "pystd-60s-ab12", "")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("commit:abcdef1 platform:H100 val_bpb:nan vram_gb:1 | x", "not finite"),
        ("commit:abcdef1 platform:H100 val_bpb:-inf vram_gb:1 | x", "not finite"),
        ("commit:abcdef1 platform:H100 val_bpb:1e999 vram_gb:1 | x", "not finite"),
        ("commit:abcdef1 platform:H100 val_bpb:-1 vram_gb:1 | x", "out of range"),
        ("commit:abcdef1 platform:H100 val_bpb:1e7 vram_gb:1 | x", "out of range"),
        ("commit:abcdef1 platform:H100 val_bpb:0.000000 vram_gb:1 | x", "no measurement"),
        ("commit:abcdef1 platform:H100 val_bpb:0,99 vram_gb:1 | x", "no number"),
        ("commit:abcdef1 platform:H100 val_bpb:0.9.9 vram_gb:1 | x", "no number"),
        ("commit:abcdef1 platform:H100 val_bpb:٣ vram_gb:1 | x", "no number"),
        ("commit:abcdef1 platform:H100 val_bpb:0.9 vram_gb:lots | x", "no number"),
        ("commit:abcdef1 platform:H100 val_bpb:--- vram_gb:1 | x", "needs a value"),
        ("commit:abcdef1 val_bpb:0.9 vram_gb:1 | x", "no platform"),
        ("commit:baseline platform:H100 val_bpb:0.9 vram_gb:1 | x", "hex"),
        ("commit:abc platform:H100 val_bpb:0.9 vram_gb:1 | x", "hex"),
        ("commit:d4e5f6g platform:H100 val_bpb:0.9 vram_gb:1 | x", "hex"),
        ("commit:abcdef1 platform:H100 val_bpb:0.9 vram_gb:1 track:a/b | x", "track"),
    ],
)
def test_what_cannot_be_trusted_says_why(text: str, why: str) -> None:
    """A claim with a fault is kept with its problem, and may not lead."""
    line = one(text)

    assert why in line.problem and not may_lead(line)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "commit: see below",
        "the commit:abcdef1 val_bpb:1",
        "commit abcdef1",
        "committed val_bpb: 3",
    ],
)
def test_prose_is_no_result(text: str) -> None:
    """Words about commits are not results."""
    assert read_lines(text) == []


@pytest.mark.parametrize(
    ("tail", "expected"),
    [
        ("reproduced", (True, "")),
        ("not reproduced (0.01 higher)", (False, "0.01 higher")),
        ("NOT REPRODUCED: crashed", (False, "crashed")),
        ("not reproduced", (False, "")),
    ],
)
def test_verifications(tail: str, expected: tuple[bool, str]) -> None:
    """A reply that verifies says of which commit, how often it ran, and what came out."""
    (line,) = read_lines(f"verify commit:ABCDEF1 platform:H100 val_bpb:0.991 n:3 | {tail}")

    assert isinstance(line, VerifyLine)
    assert ("abcdef1", "H100", 0.991, 3, *expected) == (
        line.commit, line.platform, line.val_bpb, line.runs, line.reproduced, line.reason,
    )  # fmt: skip


@pytest.mark.parametrize("tail", ["| maybe", "", "| reproduced? n:99999"])
def test_an_unclear_verification_is_none(tail: str) -> None:
    """What says neither yes nor no does not count."""
    assert read_lines(f"verify commit:abcdef1 platform:H100 val_bpb:0.9 n:99999999 {tail}") == []


def test_a_post_holds_so_many_results() -> None:
    """A flood of lines is cut."""
    assert len(read_lines("\n".join([PLAIN] * 1000))) == LINES_MAX


@given(st.text() | st.from_regex(r"(verify )?commit:.{0,30}val_bpb:.{0,20}\|.{0,20}"))
def test_reading_never_fails(text: str) -> None:
    """Any text is read without an error, and never with a value that may lead and is not a
    number."""
    for line in read_lines(text):
        if isinstance(line, ResultLine) and may_lead(line):
            assert line.val_bpb is not None and 0 < line.val_bpb <= 1e6


WORDS = st.text(st.characters(), max_size=400) | st.lists(
    st.sampled_from(
        ["(CRASH", "(DISCARD)", "( crash: ", ")", "|", "`", "*", "commit:", "val_bpb:0.1", "n:9",
         "track:x", "\n", "\r", "\u2028", "(", ":", " ", "depth 12", "verify", "\x1b[2J", ","]
    )
).map("".join)  # fmt: skip
HASHES = st.text("0123456789abcdef", min_size=7, max_size=40)
TRACKS = st.sampled_from(["", "pystd-60s-ab12", "t"])
VALUES = st.floats(min_value=1e-5, max_value=1e6)


@given(
    HASHES, WORDS, TRACKS, VALUES, st.none() | VALUES,
    st.sampled_from(["keep", "discard", "crash"]), WORDS, WORDS,
)  # fmt: skip
def test_a_written_result_is_read_as_it_was_meant(
    commit: str, platform: str, track: str, value: float, vram_gb: float | None,
    status: Literal["keep", "discard", "crash"], description: str, reason: str,
) -> None:  # fmt: skip
    """Whatever its words are: no description changes a verdict, no platform a value."""
    written = write_result(
        ResultLine(commit, platform, track, value, vram_gb, status, description, reason, "")
    )
    line = one(f"{written}\n\n- details")

    assert (line.commit, line.track, line.status) == (commit[:7], track, status)
    if status != "crash":
        assert line.val_bpb == float(f"{value:.6f}")
        assert line.vram_gb == (None if vram_gb is None else float(f"{vram_gb:.1f}"))
    assert line.problem == "" or "platform" in line.problem  # it may hold unassigned characters
    assert one(write_result(line)) == line  # reading and writing settle at once


@given(
    HASHES, WORDS, TRACKS, VALUES, st.integers(1, 9999), st.booleans(), WORDS, st.booleans()
)  # fmt: skip
def test_a_written_verification_is_read_as_it_was_meant(
    commit: str,
    platform: str,
    track: str,
    value: float,
    runs: int,
    yes: bool,
    reason: str,
    replayed: bool,
) -> None:
    """Reproduced or not, and why, by runs or by a replay."""
    platform = platform if platform.isprintable() else "H100"
    why = "" if yes else reason
    given = VerifyLine(commit, platform, track, value, runs, yes, why, replayed)
    (line,) = read_lines(write_verification(given))

    assert isinstance(line, VerifyLine)
    assert (line.commit, line.track, line.val_bpb, line.runs, line.reproduced) == (
        commit[:7], track, float(f"{value:.6f}"), runs, yes,
    )  # fmt: skip
    assert yes or line.reason
    assert line.replayed == replayed


def test_a_reader_that_does_not_know_the_method_passes_over_it() -> None:
    """A key of a later version stands before the keys, and changes none of them."""
    plain = "commit:abcdef1 platform:H100 val_bpb:0.991 n:3 track:t | reproduced"

    assert read_lines(f"verify {plain}") == read_lines(f"verify how:else {plain}")
    (line,) = read_lines(f"verify method:replay {plain}")
    assert isinstance(line, VerifyLine) and line.replayed
    assert write_verification(line).startswith("verify method:replay commit:abcdef1 ")
