"""Claims about the built-in agent: it finds the constants, edits like a person, learns from the
ledger, repeats nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoresearch.researcher.agents.base import AgentFailed, Brief, NothingLeft, Pending
from autoresearch.researcher.agents.constants import find_constants, replace_values, show_value
from autoresearch.researcher.agents.search import SearchAgent
from autoresearch.researcher.agents.search_space import edits_of, from_unit, to_unit
from autoresearch.researcher.judging.values import Record
from tiny_workspaces import record

SOURCE = '''\
"""A docstring that says MATRIX_LR = 0.5 and is no constant."""

import math  # one of the things we need

MATRIX_LR = 0.04  # rate of the matrices, 0.005 to 0.2
DEPTH: int = 2  # layers, 1 to 6
BATCH = 2**14  # tokens, powers of two, 1024 to 65_536
ACT = "relu"  # one of relu, gelu, silu
MOMENTUM = 0.95  # 0.8 to 0.99
FACT = 989.5  # no range: a fact
SEED = 42  # 1 to 100
_PRIVATE = 3  # 1 to 9
lower = 0.5  # 0.1 to 1.0
LIST = [1, 2, 3]  # 1 to 9
TABLES = {
    "LR": 0.3,  # keep this remark, 0.05 to 1.0
    "ROWS": 32768,  # 0 to 262144
    "RANDOM_SEED": 1,  # 1 to 9
}


def model():
    WIDTH = 64  # 1 to 512, but not on module level
    return WIDTH * math.pi
'''
IN_PLAY = {"MATRIX_LR", "DEPTH", "BATCH", "ACT", "MOMENTUM", "TABLES.LR", "TABLES.ROWS"}


def brief(
    number: int = 2, history: tuple[Record, ...] = (), parent: str = "p" * 40, **more: Any
) -> Brief:
    return Brief(number, parent, ("train.py",), "val_bpb", "min", 0, history, **more)


def edited(
    folder: Path, given: Brief, source: str = SOURCE, method: str = "search"
) -> tuple[Any, str]:
    (folder / "train.py").write_text(source, "utf-8")
    return SearchAgent(method).edit(folder, given), (folder / "train.py").read_text("utf-8")


def test_it_finds_what_the_comments_offer() -> None:
    """Names in capitals on module level and entries of a table; no seeds, no facts, no locals,
    nothing in text."""
    assert {c.name for c in find_constants(SOURCE)} == IN_PLAY


def test_ranges_come_from_the_comments() -> None:
    """`lo to hi` bounds, `one of` lists, powers of two are searched as such, shares near one by
    their distance from it."""
    found = {c.name: c for c in find_constants(SOURCE)}

    assert (found["MATRIX_LR"].kind, found["MATRIX_LR"].low, found["MATRIX_LR"].high) == (
        "log",
        0.005,
        0.2,
    )
    assert (found["DEPTH"].kind, found["DEPTH"].low, found["DEPTH"].high) == ("integer", 1, 6)
    assert (found["BATCH"].kind, found["BATCH"].value, found["BATCH"].high) == (
        "power",
        16384,
        65536,
    )
    assert (found["ACT"].kind, found["ACT"].choices) == ("choice", ("relu", "gelu", "silu"))
    assert found["MOMENTUM"].kind == "tail"
    assert found["TABLES.ROWS"].kind == "power"


def test_without_any_range_every_number_counts() -> None:
    """A file that states no ranges is searched around its values; zero says nothing about where to
    look."""
    found = {
        c.name: (c.kind, c.low, c.high)
        for c in find_constants("LR = 0.1\nN = 6\nROWS = 64\nOFF = 0.0\nNEG = -2.0\nON = True\n")
    }

    assert {
        name: (kind, pytest.approx(low), pytest.approx(high))
        for name, (kind, low, high) in found.items()
    } == {
        "LR": ("log", 0.025, 0.4),
        "N": ("integer", 3, 12),
        "ROWS": ("power", 16, 256),
        "NEG": ("linear", -8, -0.5),
        "ON": ("choice", 0, 0),
    }


def test_an_edit_changes_the_value_and_nothing_else() -> None:
    """Comments, spacing, quotes and notation stay; only the value's characters differ."""
    changed = replace_values(
        SOURCE, {"MATRIX_LR": 0.05, "BATCH": 8192, "ACT": "gelu", "TABLES.LR": 0.25}
    )

    expected = (
        SOURCE.replace("0.04  #", "0.05  #").replace("2**14", "2**13").replace('"relu"', '"gelu"')
    )
    assert expected.replace("0.3,  # keep", "0.25,  # keep") == changed


@pytest.mark.parametrize(
    "line",
    ["N = (\n    16  # things, 2 to 64\n)\n", "N = (  # 2 to 64\n    (16)\n)\n", "N = (-16)\n"],
)
def test_parentheses_stay_with_what_stands_in_them(line: str) -> None:
    """A formatter puts a long comment there: the range of the next edit."""
    assert replace_values(line, {"N": 32}) == line.replace("-16", "32").replace("16", "32")


@given(st.floats(1e-12, 1e12))
def test_a_written_float_stays_a_float(value: float) -> None:
    """Whatever the number, the source holds a float of nearly that value."""
    changed = replace_values("LR = 0.1\n", {"LR": value})

    found = eval(changed.removeprefix("LR = "))
    assert isinstance(found, float) and found == pytest.approx(value, rel=1e-5)


def test_the_message_is_a_persons(tmp_path: Path) -> None:
    """`NAME old → new`, and the file says the same."""
    edit, text = edited(tmp_path, brief())

    name, old, arrow, new = edit.message.split(", ")[0].split(" ")
    assert arrow == "→" and old != new
    assert f"{name}" in text and new in text


def test_values_are_round_and_near(tmp_path: Path) -> None:
    """Two digits are enough for a person, and a factor of three is a large step."""
    for number in range(2, 12):
        edit, _ = edited(tmp_path, brief(number), "LR = 0.04  # 0.0001 to 10.0\n")
        ((_, (old, new)),) = edits_of(record(proposal=edit.proposal)).items()
        assert (
            old / 3.01 <= new <= old * 3.01
            and len(show_value(new).replace(".", "").strip("0")) <= 2
        )


def test_the_same_question_has_the_same_answer(tmp_path: Path) -> None:
    """Killed and started again, it proposes what it was about to propose."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()

    assert edited(tmp_path / "a", brief(5)) == edited(tmp_path / "b", brief(5))
    assert len({edited(tmp_path / "a", brief(n))[1] for n in range(2, 8)}) > 1


def test_no_edit_is_tried_twice(tmp_path: Path) -> None:
    """On one parent every proposal is new, until nothing is left; then it says so."""
    source = "KIND = 'a'  # one of a, b, c\nON = True\n"
    history: tuple[Record, ...] = ()
    seen = set()
    with pytest.raises(NothingLeft, match="tried before"):
        for number in range(2, 12):
            edit, text = edited(
                tmp_path,
                brief(number, history),
                source.replace("ON = True", "ON = True  # one of True, False"),
            )
            assert text not in seen
            seen.add(text)
            history += (
                record(
                    id=f"{number:04d}",
                    parent="p" * 40,
                    status="discard",
                    value=2.0,
                    proposal=edit.proposal,
                ),
            )

    assert len(seen) == 5  # 3 x 2 combinations less the parent itself


def test_what_is_being_tried_is_not_proposed_again(tmp_path: Path) -> None:
    """Asked again and again before any verdict falls, it fills every slot with another edit, and
    then has nothing left."""
    open_now: list[Pending] = []
    for number in range(2, 5):
        edit, _ = edited(
            tmp_path, brief(number, pending=tuple(open_now)), "KIND = 'a'  # one of a, b, c, d\n"
        )
        open_now.append(Pending("p" * 40, edit.message, edit.proposal))

    assert {p.description for p in open_now} == {f"KIND a → {kind}" for kind in "bcd"}
    with pytest.raises(NothingLeft):
        edited(tmp_path, brief(5, pending=tuple(open_now)), "KIND = 'a'  # one of a, b, c, d\n")


def test_going_back_to_what_was_measured_is_not_a_proposal(tmp_path: Path) -> None:
    """After b was kept over a, changing b back into a would measure a again."""
    source = "KIND = '{}'  # one of a, b\n"
    first, _ = edited(tmp_path, brief(), source.format("a"))
    kept = record(id="0002", parent="p" * 40, commit="b" * 40, proposal=first.proposal)

    with pytest.raises(NothingLeft):
        edited(tmp_path, brief(3, (kept,), "b" * 40), source.format("b"))


def test_it_learns_from_the_ledger(tmp_path: Path) -> None:
    """Told that larger was better and smaller worse again and again, it proposes larger more often
    than not."""
    source = "LR = 0.1  # 0.01 to 1.0\n"
    base = record(commit="p" * 40, is_baseline=True, value=1.0)
    tried = [0.04 + 0.01 * i for i in range(6)] + [0.11 + 0.02 * i for i in range(9)]
    history = (
        base,
        *tuple(
            record(
                id=f"{i:04d}",
                commit=f"{i:040d}",
                parent="p" * 40,
                status="discard",
                value=1.1 - new,
                proposal={"edit": {"train.py:LR": [0.1, new]}},
            )
            for i, new in enumerate(tried)
        ),
    )
    larger = 0
    for number in range(20, 40):
        edit, _ = edited(tmp_path, brief(number, history), source)
        larger += edits_of(record(proposal=edit.proposal))["train.py:LR"][1] > 0.1

    assert larger >= 14


@pytest.mark.parametrize("ended", [{"stopped_at": 0.35, "stopped_behind": 0.2}, {}])
def test_it_learns_from_runs_that_have_no_value(tmp_path: Path, ended: dict[str, float]) -> None:
    """Where larger rates were stopped early or crashed again and again, it turns to smaller
    ones."""
    base = record(commit="p" * 40, is_baseline=True, value=1.0)
    tried = [0.041 + 0.001 * i for i in range(9)] + [0.11 + 0.02 * i for i in range(30)]
    history = [base]
    for i, new in enumerate(tried):
        told: dict[str, Any] = {"value": 1.0 - new / 10} if new < 0.1 else {"value": None, **ended}
        notes = {"edit": {"train.py:LR": [0.1, new]}}
        history.append(
            record(id=f"{i:04d}", parent="p" * 40, status="discard", proposal=notes, **told)
        )
    source, smaller = "LR = 0.1  # 0.01 to 1.0\n", 0
    for number in range(40, 60):
        edit, _ = edited(tmp_path, brief(number, tuple(history)), source)
        smaller += edits_of(record(proposal=edit.proposal))["train.py:LR"][1] < 0.1

    assert smaller >= 17


def test_a_crash_is_not_repeated(tmp_path: Path) -> None:
    """A value that crashed counts as tried; history of other agents and of vanished constants is
    no obstacle."""
    history = (
        record(id="0001", is_baseline=True),
        record(
            id="0002",
            status="crash",
            value=None,
            parent="p" * 40,
            proposal={"edit": {"train.py:KIND": ["a", "b"]}},
        ),
        record(
            id="0003",
            status="discard",
            parent="p" * 40,
            proposal={"edit": {"train.py:GONE": [1, 2]}},
        ),
        record(id="0004", status="discard", parent="p" * 40, proposal={"anything": [1]}),
    )

    _, text = edited(tmp_path, brief(5, history), "KIND = 'a'  # one of a, b, c\n")

    assert "'c'" in text


# ---------------------------------------------------------------- the controls

BOWL = "".join(f"{name} = 0.9  # 0.0 to 1.0\n" for name in "ABCDE") + "KIND = 'a'  # one of a, b\n"


def climb(folder: Path, method: str, count: int) -> list[Record]:
    """So many experiments with one method: A to E have their best value at 0.3; a value above
    0.8 of A crashes, one of B is stopped early."""
    history = [record(commit="p" * 40, is_baseline=True, value=1.8)]
    best, source = "p" * 40, BOWL
    for number in range(2, count + 2):
        edit, text = edited(folder, brief(number, tuple(history), best), source, method)
        at = {c.name: float(c.value) for c in find_constants(text) if c.name != "KIND"}
        value: float | None = sum((x - 0.3) ** 2 for x in at.values())
        early: dict[str, Any] = {}
        if at["A"] > 0.8 or at["B"] > 0.8:
            value, early = None, {"stopped_at": 0.25, "stopped_behind": 0.1}
        if at["A"] > 0.8:
            early = {}
        held = min(r.value for r in history if r.value is not None)
        won = value is not None and value < held
        commit = f"{number:040d}"
        history.append(
            record(
                id=f"{number:04d}",
                commit=commit,
                parent=best,
                status="keep" if won else "discard" if value or early else "crash",
                value=value,
                proposal=edit.proposal,
                **early,
            )
        )
        best, source = (commit, text) if won else (best, source)
    return history


def lowest(history: list[Record]) -> float:
    return min(r.value for r in history if r.value is not None)


def test_random_draws_every_constant_from_its_whole_range(tmp_path: Path) -> None:
    """Each edit moves all constants, over all of the range, whatever the history."""
    drawn = [
        {name: new for name, (_, new) in edits_of(one).items()}
        for one in climb(tmp_path, "random", 30)[1:]
    ]

    assert all(len(values) >= 4 for values in drawn)
    letters = [new for values in drawn for name, new in values.items() if "KIND" not in name]
    assert min(letters) < 0.1 and max(letters) > 0.9
    assert "b" in {values.get("train.py:KIND") for values in drawn}


def test_cmaes_walks_down(tmp_path: Path) -> None:
    """After a few generations it is far nearer to the best values than where it began, past crashes
    and early stops; choices stay."""
    history = climb(tmp_path, "cmaes", 60)

    assert lowest(history) < 0.2 < 1.8
    assert not any("train.py:KIND" in edits_of(one) for one in history)


def test_cmaes_goes_on_after_a_restart_and_fills_slots(tmp_path: Path) -> None:
    """The same history has the same next point; what another slot is trying is not drawn again."""
    history = tuple(climb(tmp_path, "cmaes", 11))
    now = brief(20, history, history[0].commit)
    first, text = edited(tmp_path, now, BOWL, "cmaes")
    again, _ = edited(tmp_path, now, BOWL, "cmaes")
    beside = brief(
        21, history, history[0].commit, pending=(Pending("p" * 40, "x", first.proposal),)
    )

    assert first == again
    assert edited(tmp_path, beside, BOWL, "cmaes")[1] != text


def test_cmaes_needs_two_numbers(tmp_path: Path) -> None:
    """With one it says which agent to take."""
    with pytest.raises(NothingLeft, match="--agent search"):
        edited(tmp_path, brief(), "LR = 0.1  # 0.01 to 1.0\n", "cmaes")


@pytest.mark.parametrize("source", [SOURCE, BOWL])
def test_a_place_in_a_range_and_back(source: str) -> None:
    """Every constant's value has its place, and the place has the value, rounded."""
    for constant in find_constants(source):
        for value in (constant.value, *constant.choices):
            share = to_unit(constant, value)
            back = from_unit(constant, share, 6)
            assert 0 <= share <= 1
            assert back == value if isinstance(value, str) else back == pytest.approx(value)


def test_a_file_without_constants_or_without_sense_is_named(tmp_path: Path) -> None:
    """Nothing to tune ends the loop with a sentence; a file that is no Python fails this edit
    only."""
    with pytest.raises(NothingLeft, match="no constants to tune"):
        edited(tmp_path, brief(), "print('hello')\n")
    with pytest.raises(AgentFailed, match="not valid Python"):
        edited(tmp_path, brief(), "LR = = 3\n")


def test_line_ends_of_windows_stay(tmp_path: Path) -> None:
    """An edit does not turn the whole file over because of its line ends."""
    (tmp_path / "train.py").write_bytes(b"LR = 0.1\r\nX = 'y'\r\n")
    SearchAgent().edit(tmp_path, brief())

    assert (tmp_path / "train.py").read_bytes().count(b"\r\n") == 2
