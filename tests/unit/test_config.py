"""Claims about autoresearch.toml: every mistake gets a sentence that says where and what."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoresearch.errors import BadWorkspace
from autoresearch.researcher import config

GOOD = '[experiment]\nfree = ["a.py"]\ncommand = ["python", "a.py"]\n'


def read(folder: Path, text: str) -> config.Config:
    (folder / config.NAME).write_text(text, "utf-8")
    return config.read(folder)


def test_three_lines_are_enough(tmp_path: Path) -> None:
    """Whatever is not said has a stated default."""
    found = read(tmp_path, GOOD)

    assert (
        found.experiment.metric,
        found.experiment.direction,
        found.experiment.timeout_s,
        found.judge.baseline_runs,
    ) == ("val_bpb", "min", 0, 3)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "missing required field `experiment`"),
        ("[experiment]\n", "missing required field `free`"),
        ("[experiment\n", "not valid TOML"),
        (GOOD + "tiemout_s = 3\n", "unknown field `tiemout_s`"),
        (GOOD + 'timeout_s = "long"\n', "experiment.timeout_s"),
        (GOOD + "timeout_s = -1\n", "negative"),
        (GOOD + 'direction = "up"\n', "Invalid enum value 'up'"),
        (GOOD + 'metric = "two words"\n', "is no name"),
        (GOOD.replace('"a.py"]\nc', '"/etc/passwd"]\nc'), "inside the repository"),
        (GOOD.replace('"a.py"]\nc', '"../b"]\nc'), "inside the repository"),
        (GOOD.replace('["a.py"]', "[]"), "free is empty"),
        (GOOD.replace('["python", "a.py"]', "[]"), "command is empty"),
        (GOOD.replace('["a.py"]', '["autoresearch.toml"]'), "cannot be free"),
        (GOOD + "[judge]\nalpha = 0.9\n", "alpha must lie"),
        (GOOD + "[judge]\nbaseline_runs = 0\n", "at least 1"),
        (GOOD + "[limits]\nmemory_gb = -1\n", "cannot be negative"),
        (GOOD + "[environment]\nSEED = 3\n", "environment"),
    ],
)
def test_a_mistake_gets_a_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    """The sentence names the file, the place and what is wrong."""
    with pytest.raises(BadWorkspace) as caught:
        read(tmp_path, text)

    assert sentence in str(caught.value) and config.NAME in str(caught.value)


def test_a_missing_file_names_the_command_that_writes_it(tmp_path: Path) -> None:
    """A folder without configuration is not guessed at."""
    with pytest.raises(BadWorkspace, match="autoresearch init"):
        config.read(tmp_path)


@pytest.mark.parametrize(
    "change", ['metric = "loss"', 'direction = "max"', 'command = ["python", "b.py"]']
)
def test_what_makes_results_incomparable_changes_the_fingerprint(
    tmp_path: Path, change: str
) -> None:
    """Metric, direction and command are part of what a value means; a time limit is not."""
    name = change.split(" ")[0]
    lines = [line for line in GOOD.splitlines() if not line.startswith(name)]

    assert (
        read(tmp_path, GOOD).fingerprint()
        != read(tmp_path, "\n".join([*lines, change])).fingerprint()
    )
    assert (
        read(tmp_path, GOOD).fingerprint() == read(tmp_path, GOOD + "timeout_s = 9\n").fingerprint()
    )


def test_the_templates_are_valid(tmp_path: Path) -> None:
    """What `init` writes can be read."""
    assert (
        read(tmp_path, config.LAB.format(track="pystd-20s", extra="", text="")).track == "pystd-20s"
    )
    own = config.OWN.format(
        free='["s.py"]', command='["python", "s.py"]', metric="seconds", direction="min"
    )
    assert read(tmp_path, own).experiment.metric == "seconds"
