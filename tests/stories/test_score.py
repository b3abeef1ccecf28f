"""`python prepare.py score`: a second process, from a pristine prepare.py, comes to the number
that the training process printed."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Any

import pytest

import labs

TRAIN = """
import os
import sys
import prepare
import torch

class Net(torch.nn.Module):
    def __init__(self, vocab, width):
        super().__init__()
        self.embed = torch.nn.Embedding(vocab, width)
        self.head = torch.nn.Linear(width, vocab)

    def forward(self, idx):
        return self.head(self.embed(idx).float())

def build_model(config):
    return Net(**config)

def main():
    track = prepare.load_track()
    tokenizer = prepare.Tokenizer.load(track)
    torch.manual_seed(prepare.harness_seed())
    config = {"vocab": tokenizer.vocab_size, "width": 8}
    model = build_model(config)
    model.embed.bfloat16()
    optimizer = torch.optim.SGD(model.parameters(), 0.5)
    loader = prepare.make_dataloader(tokenizer, 4)
    for x, y in loader:
        torch.nn.functional.cross_entropy(model(x).flatten(0, 1), y.flatten()).backward()
        optimizer.step()
        optimizer.zero_grad()
    prepare.save_checkpoint(model, config, prepare.run_dir() / "checkpoint.safetensors")
    print(f"val_bpb: {prepare.evaluate_bpb(model, tokenizer, 8):.6f}")

if __name__ == "__main__":
    main()
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A lab after a run of half a second, and the number it printed."""
    import subprocess
    import sys

    lab = labs.make_lab(tmp_path_factory.mktemp("score"))
    data = labs.write_texts(lab.folder / "texts")
    arguments = ("--data", str(data), "--vocab-size", "300", "--seq-len", "32")
    lab.prepared("--track", "custom-0.5s", *arguments)
    (lab.folder / "train.py").write_text(TRAIN, "utf-8")
    done = subprocess.run(
        [sys.executable, "train.py"],
        cwd=lab.folder,
        env=lab.env,
        capture_output=True,
        text=True,
        check=True,
        timeout=240,
    )
    found = re.search(r"val_bpb: (\d+\.\d{6})", done.stdout)
    assert found
    return lab, float(found[1])


CHECKPOINT = "run/checkpoint.safetensors"


def test_score_agrees_with_the_training_process(trained: Any) -> None:
    """The same number, after `---`, also where a train.py lies that would rather use its own
    prepare."""
    lab, val_bpb = trained
    done = lab.run("score", CHECKPOINT)

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2] == "---"
    assert float(done.stdout.splitlines()[-1].removeprefix("val_bpb: ")) == pytest.approx(
        val_bpb, abs=2e-6
    )


def test_score_uses_the_pristine_prepare(trained: Any, tmp_path: Path) -> None:
    """Changed fixed files beside train.py are not those that `import prepare, fixed` finds."""
    lab, val_bpb = trained
    both = TRAIN.replace("import prepare\n", "import fixed.environment\nimport prepare\n")
    (tmp_path / "train.py").write_text(both, "utf-8")
    (tmp_path / "fixed").mkdir()
    (tmp_path / "fixed" / "environment.py").write_text("raise SystemExit('wrong too')", "utf-8")
    (tmp_path / "prepare.py").write_text("raise SystemExit('the wrong one')", "utf-8")
    done = lab.run("score", CHECKPOINT, "--model", str(tmp_path / "train.py"))

    assert done.returncode == 0, done.stderr
    assert float(done.stdout.splitlines()[-1].removeprefix("val_bpb: ")) == pytest.approx(
        val_bpb, abs=2e-6
    )


def test_score_refuses_another_track(trained: Any) -> None:
    """Results of two budgets are not compared."""
    lab, _ = trained
    done = lab.run("score", CHECKPOINT, AUTORESEARCH_TRACK="custom")

    assert done.returncode == 1
    assert "FAIL: " in done.stderr and "cannot be compared" in done.stderr


@pytest.mark.parametrize(
    "content", [b"", b"\x80\x04.", struct.pack("<Q", 2) + b"{}", struct.pack("<Q", 2**60)]
)
def test_score_refuses_what_is_no_checkpoint(trained: Any, tmp_path: Path, content: bytes) -> None:
    """Empty, a pickle, without metadata, a header larger than the file: a sentence each."""
    lab, _ = trained
    (tmp_path / "bad.safetensors").write_bytes(content)
    with lab.environment(), pytest.raises(SystemExit, match=r"FAIL: .* is no checkpoint"):
        lab.prepare.main(["score", str(tmp_path / "bad.safetensors")])


def test_score_says_when_the_model_does_not_fit(trained: Any, tmp_path: Path) -> None:
    """Another train.py, other shapes, or none at all."""
    lab, _ = trained
    other = tmp_path / "train.py"
    other.write_text(
        TRAIN.replace("return Net(**config)", "return Net(config['vocab'], 9)"), "utf-8"
    )
    done = lab.run("score", CHECKPOINT, "--model", str(other))
    assert done.returncode == 1 and "do not fit" in done.stderr

    done = lab.run("score", CHECKPOINT, "--model", str(tmp_path / "nothing.py"))
    assert done.returncode == 1 and "does not exist" in done.stderr
