"""A track's id changes with what can change a number, and with nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import labs


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> labs.Lab:
    return labs.make_lab(tmp_path_factory.mktemp("ids"))


@pytest.fixture(scope="module")
def arguments(lab: labs.Lab) -> list[str]:
    data = labs.write_texts(lab.folder / "texts")
    return ["--track", "custom", "--data", str(data), "--vocab-size", "300", "--seq-len", "16"]


@pytest.fixture(scope="module")
def id(lab: labs.Lab, arguments: list[str]) -> str:
    return str(lab.prepared(*arguments).id)


@pytest.fixture()
def edited(lab: labs.Lab) -> Iterator[object]:
    """A function that changes the lab's code by a pattern and loads it anew; undone afterwards."""
    before: dict[Path, str] = {}

    def edit(name: str, pattern: str, new: str) -> labs.Lab:
        file = lab.folder / name
        before[file] = file.read_text("utf-8")
        text, found = re.subn(pattern, new, before[file])
        assert found, f"{name} has no {pattern}"
        file.write_text(text, "utf-8")
        return labs.load_lab(lab.folder)

    yield edit
    for file, text in before.items():
        file.write_text(text, "utf-8")


@pytest.mark.parametrize(
    ("name", "pattern", "new"),
    [
        ("fixed/loader.py", r"a loader runs once[^\"]*", "one budget, one loader"),
        ("fixed/packing.py", "the validation text is hidden", "the validation text is not here"),
        ("fixed/packing.py", "For ever", "Without end"),
        ("fixed/packing.py", "# pieces the packer chooses from", "# other words"),
        ("fixed/downloads.py", "ATTEMPTS = 5", "ATTEMPTS = 9"),
        ("fixed/build.py", "documents, ", "texts, "),
        ("fixed/losses.py", "the model returned NaN", "the model gave NaN"),
        ("prepare.py", "rows at once; has no", "how many at once; has no"),
        ("fixed/terminal.py", r"def say\(text\):", 'def say(text):\n    text = "said: " + text'),
    ],
)
def test_words_and_downloads_change_nothing(
    edited, arguments: list[str], id: str, name: str, pattern: str, new: str
) -> None:
    """A reworded error, docstring or comment and a mended download: what is prepared stays."""
    lab = edited(name, pattern, new)
    with lab.environment(AUTORESEARCH_TRACK="custom"):
        assert lab.prepare.open_track().id == id


@pytest.mark.parametrize(
    ("name", "pattern", "new"),
    [
        ("fixed/textfiles.py", r"\bpiece\b", "lines"),
        ("fixed/build.py", r"\bwritten\b", "done"),
        ("fixed/anchors.py", "TRIGRAM_TOKENS = 20_000_000", "TRIGRAM_TOKENS = 1000"),
    ],
)
def test_code_that_makes_the_same_text_keeps_the_id(
    edited, arguments: list[str], id: str, name: str, pattern: str, new: str
) -> None:
    """A renamed variable in a source makes the data anew, which comes out the same."""
    lab = edited(name, pattern, new)
    with lab.environment(), pytest.raises(lab.prepare.PrepareError, match="not prepared"):
        lab.prepare.open_track("custom")

    assert lab.prepared(*arguments).id == id


@pytest.mark.parametrize(
    ("name", "pattern", "new"),
    [
        ("fixed/packing.py", "PIECES = 1024", "PIECES = 8"),
        ("fixed/packing.py", r"order\[at\]\[0\] == width - 1", "order[at][0] == width - 2"),
        ("fixed/feeder.py", "GRACE_S, GRACE_SHARE = 60.0", "GRACE_S, GRACE_SHARE = 600.0"),
        ("fixed/loader.py", r"self\.read_clock\(\) >= ", "self.read_clock() / 2 >= "),
        ("fixed/feeder.py", r"elapsed_s >= self", "elapsed_s / 2 >= self"),
        ("fixed/tokenizer.py", r"len\(piece\) for piece in", "1 + len(piece) for piece in"),
        ("fixed/custom.py", r"VAL_SHARE, VAL_BYTES = 0\.05", "VAL_SHARE, VAL_BYTES = 0.10"),
        ("fixed/losses.py", r"summed\.log\(\) - target", "summed.log2() - target"),
        ("fixed/plausibility.py", r"math\.log\(2\)", "math.log(2.1)"),
        ("fixed/probes.py", "TOLERANCE_TOKEN = 0.1", "TOLERANCE_TOKEN = 0.2"),
    ],
)
def test_what_can_change_a_number_changes_the_id(
    edited, arguments: list[str], id: str, name: str, pattern: str, new: str
) -> None:
    """The packing, the clock, the bytes of a token, the split, the loss."""
    assert edited(name, pattern, new).prepared(*arguments).id != id


def test_every_file_says_what_it_can_change(lab: labs.Lab) -> None:
    """A new file behind prepare.py is sorted: it makes numbers, it makes data, or it does
    neither."""
    neither = {"__init__", "device", "downloads", "environment", "errors", "files"}
    neither |= {
        "feed_record",
        "masks",
        "model_process",
        "progress",
        "rules",
        "summary",
        "terminal",
        "tracks",
        "unseen",
    }
    rules = lab.fixed.rules
    files = {f"fixed/{file.name}" for file in (lab.folder / "fixed").glob("*.py")}
    sorted_ones = {*rules.NUMBERS, *rules.DATA, *(f"fixed/{name}.py" for name in neither)}

    assert files - sorted_ones == set()
    assert all((lab.folder / name).exists() for name in {*rules.NUMBERS, *rules.DATA})


def test_the_hash_of_code_is_the_same_on_every_python(lab: labs.Lab) -> None:
    """Later Pythons add fields to a syntax tree; empty ones are left out."""
    import ast

    meaning = lab.fixed.rules.meaning
    tree = ast.parse("def f(x):\n    '''Words.'''\n    return f'{x}.bin', x[1:, 0]\n")
    newer = ast.parse("def f(x):  # a word\n    return f'{x}.bin', x[1:,0]\n")
    function: Any = newer.body[0]
    function._fields = (*function._fields, "later")
    function.later = []

    assert meaning(tree) == meaning(newer)
    assert meaning(tree) != meaning(ast.parse("def f(x):\n    return f'{x}.idx', x[1:, 0]\n"))
