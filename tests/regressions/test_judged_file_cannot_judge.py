"""The judged file could patch its judge, read its text, fit its answers, and pass with no number
at all.

The whole zoo of cheats is in tests/stories/test_cheats.py; these are the points everything there
rests on.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import labs
from tiny_workspaces import TOML, make, measure


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> labs.Lab:
    lab = labs.make_lab(tmp_path_factory.mktemp("judge"))
    data = labs.write_texts(lab.folder / "texts")
    lab.prepared("--track", "custom", "--data", str(data), "--vocab-size", "300", "--seq-len", "32")
    return lab


class Consistent(nn.Module):
    """Looks ahead, and says again whatever it has said of a beginning: no question asked twice
    tells on it."""

    def __init__(self, vocab: int) -> None:
        super().__init__()
        self.vocab = vocab
        self.said: dict[tuple[int, ...], torch.Tensor] = {}

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        answers = 9.0 * nn.functional.one_hot(idx.roll(-1, 1), self.vocab)
        for row, tokens in enumerate(idx.tolist()):
            for place in range(len(tokens)):
                answers[row, place] = self.said.setdefault(
                    tuple(tokens[: place + 1]), answers[row, place].clone()
                )
        return answers


def test_answers_cannot_be_fitted_to_earlier_ones(lab: labs.Lab) -> None:
    """One process can remember what it gave away and stay consistent; of two, each sees the probes
    of the other's rows."""
    with lab.environment():
        track = lab.prepare.open_track()
        tokenizer = lab.prepare.Tokenizer.load(track)
        rows = lab.fixed.evaluation.evaluation_rows(track)

        def bpb(models: int) -> Any:
            here = [
                lab.fixed.evaluation.ModelHere(Consistent(tokenizer.vocab_size))
                for _ in range(models)
            ]
            evaluation = lab.fixed.evaluation.Evaluation(here, tokenizer, rows, 16, probes=1024)
            nats = evaluation.measure()
            return lab.fixed.plausibility.bits_per_byte(nats, evaluation.sizes, range(len(rows)))

        assert bpb(1) < 2  # passes, far below what it knows
        with pytest.raises(lab.prepare.EvaluationError):
            bpb(2)


def test_the_judges_text_is_not_there_while_a_model_is_trained(lab: labs.Lab) -> None:
    """Under the researcher the validation files are gone, prepare.py says so, and a train.py
    written for them runs to its end."""
    program = (
        "import fixed.packing, prepare, torch\n"
        "track = prepare.load_track()\n"
        "print(prepare.evaluate_bpb(torch.nn.Linear(1, 1), prepare.Tokenizer.load(track), 8))\n"
        "fixed.packing.read_tokens(track.folder, 'val')\n"
    )
    with lab.environment():
        folder = lab.prepare.open_track().folder
    moved = [
        file.rename(file.with_name(f"away-{file.name}"))
        for file in folder.iterdir()
        if file.name in lab.fixed.tracks.HELD_BACK
    ]
    try:
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=lab.folder,
            env={**lab.env, "AUTORESEARCH_VALIDATION": "hidden"},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
    finally:
        for file in moved:
            file.rename(file.with_name(file.name.removeprefix("away-")))

    assert len(moved) == 3
    assert done.stdout.splitlines()[-1] == "nan"
    assert "PrepareError: the validation text is hidden from this run" in done.stderr


@pytest.mark.parametrize("printed", ["nan", "NaN", "inf", "-inf"])
def test_no_number_is_no_success(tmp_path: Path, printed: str) -> None:
    """B4: `val_bpb: nan` was recorded as a result. Where nothing is hidden it is a crash; where
    the score decides, the score's nan is."""
    plain = measure(make(tmp_path / "plain", f"print('val_bpb: {printed}')"))
    scorer = '[score]\ncommand = ["python", "score.py"]\nhidden = ["val.bin"]\n'
    files = {"score.py": f"print('val_bpb: {printed}')\n"}
    scored = measure(make(tmp_path / "scored", "print('val_bpb: nan')", TOML + scorer, files))

    assert [(run.value, run.outcome) for run in (plain, scored)] == [
        (None, "not finite"),
        (None, "score failed"),
    ]
