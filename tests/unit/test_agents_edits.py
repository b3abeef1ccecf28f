"""Search/replace blocks are applied to the letter or not at all."""

from __future__ import annotations

import pytest

from autoresearch.researcher.agents.edits import BadEdit, apply_edit, parse_answer

FILES = {"train.py": "A = 1\nB = 1\nA_TOO = 1\n", "model.py": "x\n", "twice.py": "A = 1\nA = 1\n"}


def block(search: str, replace: str, file: str = "train.py") -> str:
    return f"FILE: {file}\n<<<<<<< SEARCH\n{search}=======\n{replace}>>>>>>> REPLACE\n"


def answer(*blocks: str, description: str = "DESCRIPTION: why\n") -> str:
    return description + "\n".join(blocks)


def test_blocks_apply_in_order_and_only_changed_files_come_back() -> None:
    """Two blocks of one file build on each other; a file nobody touched is not returned."""
    said = answer(block("B = 1\n", "B = 2\n"), block("B = 2\nA_TOO = 1\n", "B = 3\nA_TOO = 1\n"))

    assert apply_edit(parse_answer(said), FILES) == {"train.py": "A = 1\nB = 3\nA_TOO = 1\n"}


def test_lines_can_be_removed() -> None:
    """An empty REPLACE removes what SEARCH found."""
    assert apply_edit(parse_answer(answer(block("B = 1\n", ""))), FILES) == {
        "train.py": "A = 1\nA_TOO = 1\n"
    }


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("no blocks at all", "no complete block"),
        (
            answer(block("B = 1\n", "B = 2\n"), "FILE: train.py\n<<<<<<< SEARCH\nA = 1\n====="),
            "was the answer cut",
        ),
        (answer(block("B = 1\n", "B = 2\n"), description=""), "`DESCRIPTION: …` is missing"),
        (answer(block("C = 1\n", "C = 2\n")), "occurs 0 times in train.py"),
        (answer(block(" = 1\n", " = 2\n")), "occurs 0 times in train.py"),
        (
            answer(block("A = 1\n", "A = 2\n").replace("train.py", "twice.py")),
            "occurs 2 times in twice.py",
        ),
        (
            answer(block("x\n", "y\n", file="prepare.py")),
            "only these files may change: model.py, train.py, twice.py",
        ),
        (answer(block("x\n", "y\n", file="../train.py")), "only these files may change"),
        (answer(block("\n", "B = 2\n")), "SEARCH is empty"),
        (answer(block("B = 1\n", "B = 1\n")), "change nothing"),
    ],
    ids=[
        "none",
        "cut",
        "no description",
        "not there",
        "part of a line",
        "ambiguous",
        "fixed file",
        "outside",
        "empty",
        "no change",
    ],
)
def test_a_bad_answer_is_refused_with_a_sentence(said: str, sentence: str) -> None:
    """Nothing is guessed: the model is told what to mend."""
    with pytest.raises(BadEdit, match=sentence):
        apply_edit(parse_answer(said), FILES)


def test_one_bad_block_spoils_the_whole_answer() -> None:
    """A good block beside a bad one is not applied either."""
    with pytest.raises(BadEdit, match="block 2"):
        apply_edit(parse_answer(answer(block("B = 1\n", "B = 2\n"), block("nowhere\n", ""))), FILES)
