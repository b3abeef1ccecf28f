"""Claims about the ledger: it only grows, holds every experiment once, and survives a cut."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoresearch.errors import BadWorkspace
from autoresearch.researcher.ledger import HEADER, Ledger, best, row
from tiny_workspaces import record


def test_a_row_has_the_five_columns_people_grep() -> None:
    """Short hash, six decimals, gigabytes with one; whatever the description holds, the row stays
    one line of five."""
    line = row(
        record(
            commit="abcdef0123",
            value=0.99790012,
            memory_gb=44.04,
            description="two\tlines\nof text",
        )
    )

    assert line == "abcdef0\t0.997900\t44.0\tkeep\ttwo lines of text"
    assert HEADER.count("\t") == line.count("\t") == 4


def test_a_crash_is_zeros_in_the_table_and_nothing_in_the_truth() -> None:
    """results.tsv says 0.000000 and 0.0, as its readers expect; experiments.jsonl says null."""
    crash = record(status="crash", value=None, values=(), memory_gb=3.0)

    assert "0.000000\t0.0\tcrash" in row(crash)
    assert crash.value is None


def test_appending_twice_adds_once(tmp_path: Path) -> None:
    """A loop that was killed after writing writes again; the ledger holds the experiment once, in
    both files."""
    ledger = Ledger(tmp_path)
    ledger.append(record(id="0001"))
    ledger.append(record(id="0001"))

    assert [r.id for r in ledger.records()] == ["0001"]
    assert [HEADER, row(record())] == ledger.tsv.read_text().splitlines()


def test_each_line_is_parsed_once(tmp_path: Path) -> None:
    """Reading again parses only what was added, by this process or another one; a file that was
    rewritten is read anew."""
    ledger, another = Ledger(tmp_path), Ledger(tmp_path)
    ledger.append(record(id="0001"))
    (first,) = ledger.records()
    another.append(record(id="0002"))

    assert [r.id for r in ledger.records()] == ["0001", "0002"]
    assert ledger.records()[0] is first
    ledger.jsonl.write_text(ledger.jsonl.read_text().replace('"0001"', '"0003"'))
    assert [r.id for r in ledger.records()] == ["0003", "0002"]
    ledger.jsonl.unlink()
    assert ledger.records() == []


def test_two_equal_rows_of_two_experiments_both_stand(tmp_path: Path) -> None:
    """Two experiments may read the same in the short form; none of them is taken for the other."""
    ledger = Ledger(tmp_path)
    ledger.append(record(id="0001"))
    ledger.append(record(id="0002"))

    assert ledger.tsv.read_text().splitlines().count(row(record())) == 2


@pytest.mark.parametrize("cut", [1, 7, 40, 200])
def test_a_cut_last_line_is_set_aside_and_named(tmp_path: Path, cut: int) -> None:
    """A ledger cut in the middle of a line keeps its whole lines; the piece is kept aside and a
    sentence says so."""
    ledger = Ledger(tmp_path, aside=tmp_path / "aside")
    ledger.append(record(id="0001"))
    whole = ledger.jsonl.read_bytes()
    ledger.append(record(id="0002", description="the one that is cut"))
    second = ledger.jsonl.read_bytes()[len(whole) :]
    ledger.jsonl.write_bytes(whole + second[:cut])

    said = ledger.repair()
    ledger.append(record(id="0002"))

    assert [r.id for r in ledger.records()] == ["0001", "0002"]
    assert any("middle of a line" in sentence for sentence in said)
    assert (tmp_path / "aside" / "cut-lines.txt").read_bytes() == second[:cut] + b"\n"


def test_a_cut_table_is_completed_from_the_truth(tmp_path: Path) -> None:
    """results.tsv cut anywhere is whole again after the next start, and rows that other tools
    wrote stay."""
    ledger = Ledger(tmp_path)
    ledger.append(record(id="0001"))
    with ledger.tsv.open("a") as handle:
        handle.write("by-hand\t1.5\t2.0\tdiscard\ta row of another tool\n")
    ledger.append(record(id="0002", commit="b" * 40))
    whole = ledger.tsv.read_text()
    ledger.tsv.write_text(whole[:-20])

    ledger.repair()

    assert sorted(whole.splitlines()) == sorted(ledger.tsv.read_text().splitlines())


def test_only_the_newline_missing_is_mended(tmp_path: Path) -> None:
    """A record that lacks nothing but its newline is not thrown away."""
    ledger = Ledger(tmp_path)
    ledger.append(record(id="0001"))
    ledger.jsonl.write_bytes(ledger.jsonl.read_bytes()[:-1])

    assert ledger.repair() == []
    assert [r.id for r in ledger.records()] == ["0001"]


def test_a_damaged_line_in_the_middle_is_named(tmp_path: Path) -> None:
    """What no crash of ours can do is not guessed at: the sentence names file and line."""
    ledger = Ledger(tmp_path)
    ledger.append(record(id="0001"))
    ledger.jsonl.write_text("nonsense\n" + ledger.jsonl.read_text())

    with pytest.raises(BadWorkspace, match="line 1 is no record"):
        ledger.records()


def test_records_of_a_newer_version_are_read(tmp_path: Path) -> None:
    """Fields may be added to a record without breaking older readers."""
    ledger = Ledger(tmp_path)
    ledger.append(record())
    ledger.jsonl.write_text(ledger.jsonl.read_text().replace('{"id"', '{"new_field":[1],"id"'))

    assert [r.id for r in ledger.records()] == ["0001"]


@pytest.mark.parametrize(("direction", "expected"), [("min", "0002"), ("max", "0003")])
def test_best_is_a_kept_one_with_a_value(direction: str, expected: str) -> None:
    """Discards and crashes are never best, whichever way is better."""
    records = [
        record(id="0001", value=None, status="crash"),
        record(id="0002", value=1.0),
        record(id="0003", value=2.0),
        record(id="0004", value=0.1, status="discard"),
    ]

    found = best(records, direction)

    assert found is not None and expected == found.id
