"""Any results.tsv is read, whoever wrote it, and what cannot be read is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoresearch.researcher.report.tsv import read_tsv

OURS = (
    "commit\tval_bpb\tmemory_gb\tstatus\tdescription\n"
    "a1b2c3d\t0.997900\t44.0\tkeep\tbaseline\n"
    "b2c3d4e\t0.993200\t44.2\tkeep\tincrease LR to 0.04\n"
    "c3d4e5f\t1.005000\t44.0\tdiscard\tswitch to GeLU activation\n"
    "d4e5f6a\t0.000000\t0.0\tcrash\tdouble model width (OOM)\n"
)


def read(text: str) -> list[tuple[str, float | None, str, str]]:
    return [(r.commit, r.value, r.status, r.description) for r in read_tsv(text.encode()).rows]


WHOLE = [
    ("a1b2c3d", 0.9979, "keep", "baseline"),
    ("b2c3d4e", 0.9932, "keep", "increase LR to 0.04"),
    ("c3d4e5f", 1.005, "discard", "switch to GeLU activation"),
    ("d4e5f6a", None, "crash", "double model width (OOM)"),
]


@pytest.mark.parametrize(
    "data",
    [
        OURS.encode(),
        OURS.encode("utf-8-sig"),
        OURS.encode("utf-16"),
        OURS.encode("utf-16-le"),
        OURS.encode("utf-16-be"),
        OURS.replace("\n", "\r\n").encode(),
        OURS.replace("\t", "    ").encode(),
        OURS.replace("\t", " ").encode(),
        OURS.split("\n", 1)[1].encode(),
        OURS.replace("\t", " \t ").encode(),
        OURS.replace("keep", "Keep ").replace("crash", "CRASHED").encode(),
        OURS.encode().rstrip(b"\n"),
    ],
    ids=[
        "ours",
        "bom",
        "utf16",
        "utf16le",
        "utf16be",
        "crlf",
        "spaces",
        "space",
        "no-header",
        "padded",
        "words",
        "no-newline",
    ],
)
def test_the_same_ledger_in_many_hands(data: bytes) -> None:
    """Encodings, line ends, blanks for tabs, no header, other words for the verdicts: the
    experiments are the same."""
    sheet = read_tsv(data)

    assert [(r.commit, r.value, r.status, r.description) for r in sheet.rows] == WHOLE
    assert not sheet.notes


def test_powershell_adds_utf16_to_a_file_in_utf8() -> None:
    """A shell that appends two bytes a letter to a plain file is understood."""
    head, tail = OURS[: OURS.index("c3d4")], OURS[OURS.index("c3d4") :]

    assert [r.commit for r in read_tsv(head.encode() + tail.encode("utf-16-le")).rows] == [
        row[0] for row in WHOLE
    ]


def test_columns_are_found_by_their_names() -> None:
    """More columns, in another order, are no obstacle, and another metric is found by its name."""
    text = "when\tstatus\taccuracy\tcommit\tgpu\tdescription\n10:00\tkeep\t0.91\tbaseline\tH100\tfirst\n"
    sheet = read_tsv(text.encode())

    assert sheet.metric == "accuracy"
    assert [(r.commit, r.value, r.description) for r in sheet.rows] == [("baseline", 0.91, "first")]


def test_a_tab_in_the_description_is_a_blank() -> None:
    """The last column takes what is left of the line."""
    assert read(OURS + "e5f6a7b\t0.99\t44.0\tkeep\ttwo\twords\n")[-1][3] == "two words"


def test_a_cut_last_line_is_told_and_not_counted() -> None:
    """A power failure in the middle of a line costs that line only."""
    sheet = read_tsv((OURS + "e5f6a7b\t0.98").encode())

    assert len(sheet.rows) == 4
    assert sheet.notes == ["line 6 of results.tsv was cut off: not counted"]


def test_an_unreadable_line_is_told() -> None:
    """What is no experiment is neither guessed nor silently dropped."""
    sheet = read_tsv(OURS.replace("b2c3d4e", "some prose by an agent\nb2c3d4e").encode())

    assert len(sheet.rows) == 4
    assert sheet.notes == ["line 3 of results.tsv is not readable: not counted"]


def test_hashes_that_are_none_are_taken_as_they_stand() -> None:
    """People write `baseline` or a typing mistake where a hash belongs."""
    assert (
        read("baseline\t0.9979\t44.0\tkeep\tbaseline\nd4e5f6g\t0.99\t44\tkeep\tx\n")[1][0]
        == "d4e5f6g"
    )


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "---", "", "n/a", "1e999"])
def test_a_value_that_is_no_number_is_none(value: str) -> None:
    """Nothing that is not finite can ever be compared."""
    assert read(OURS + f"e5f6a7b\t{value}\t44.0\tdiscard\tx\n")[-1][1] is None


def test_control_characters_never_leave_the_reader() -> None:
    """A description cannot command a terminal or turn the direction of writing."""
    description = read(OURS + "e5f6a7b\t0.99\t44.0\tkeep\tred \x1b[31m alert\x07 \u202egnp\n")[-1][
        3
    ]

    assert description == "red [31m alert gnp"


@given(st.binary(max_size=400))
def test_no_bytes_can_break_the_reader(data: bytes) -> None:
    """Whatever the file holds, it is read or told, and every value is a finite number or none."""
    for row in read_tsv(data).rows:
        assert row.value is None or abs(row.value) < float("inf")
