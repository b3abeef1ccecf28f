"""Deltas we make are deltas to us and to git, and small where little changes."""

from __future__ import annotations

import random
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoresearch.errors import BadBundle
from autoresearch.git import pack_writer
from autoresearch.git.delta import apply_delta, make_delta
from git_work import Work, oid, tree
from long_history import first_text

LINES = st.lists(st.sampled_from([b"x = 1\n", b"\n", b"rate = 0.04  # of it\n", b"\0\xff", b"y"]))
TEXT = "".join(first_text(random.Random(1))).encode()


@given(st.binary(max_size=300), st.binary(max_size=300), st.booleans())
def test_any_object_is_made_of_any_other(base: bytes, data: bytes, is_tree: bool) -> None:
    """Whatever the two hold, what comes out is the second."""
    assert apply_delta(base, make_delta(base, data, is_tree)) == data


@given(LINES, LINES, LINES, LINES)
def test_lines_that_repeat_are_no_trouble(
    a: list[bytes], b: list[bytes], c: list[bytes], d: list[bytes]
) -> None:
    """Texts with the same lines again and again, in other places, come out right."""
    base, data = b"".join(a + b + c), b"".join(c + a + d + b)
    assert apply_delta(base, make_delta(base, data)) == data


def test_a_changed_line_costs_what_it_holds() -> None:
    """One line of 25 KB: a delta of a few dozen bytes. One entry of a tree: its hash."""
    new = TEXT.replace(b"parameter_300 = ", b"parameter_300 = 7")
    assert len(make_delta(TEXT, new)) < 25

    names = [b"%03d.py" % n for n in range(300)]
    before = [(b"100644", name, oid(3, name)) for name in names]
    after = [(mode, name, oid(3, b"new")) if name in names[100:102] else (mode, name, of)
             for mode, name, of in before]  # fmt: skip
    assert len(make_delta(tree(*before), tree(*after), is_tree=True)) < 80


@pytest.mark.parametrize("size", [0, 1, 127, 128, 70_000, 200_000])
def test_git_reads_what_we_write(tmp_path: Path, size: int) -> None:
    """Against a base before it and against one that git holds: git makes the same object."""
    rng = random.Random(size)
    base, data = TEXT + rng.randbytes(size), TEXT[:9000] + rng.randbytes(300) + TEXT[8000:]
    data += (base + data)[-size:]
    deltas = [make_delta(base, data), make_delta(data, base + b"!")]
    work = Work.new(tmp_path / "w")
    entries = [
        pack_writer.Packed(3, len(base), zlib.compress(base), 5),
        pack_writer.Packed(3, len(deltas[0]), zlib.compress(deltas[0]), 6, 5),
        pack_writer.Packed(3, len(deltas[1]), zlib.compress(deltas[1]), 7, oid(3, data)),
    ]

    work.git("unpack-objects", "-q", data=b"".join(pack_writer.write_pack(3, entries)))

    for expected in (base, data, base + b"!"):
        assert work.run("cat-file", "blob", oid(3, expected).hex()).stdout == expected


@pytest.mark.parametrize(
    "delta",
    [b"", b"\x80", b"\5", b"\5\5", b"\5\5\0", b"\5\5\x05abc", b"\5\5\x91", b"\5\5\x90\x06",
     b"\6\5\x90\x05", b"\5\4\x90\x05", b"\5\x7f\x90\x05", b"\xff" * 30],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(delta: bytes) -> None:
    """A delta that is cut off, fits another base, or makes more or less than it says."""
    with pytest.raises(BadBundle):
        apply_delta(b"12345", delta)
