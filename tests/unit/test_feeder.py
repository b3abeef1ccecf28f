"""The feeder: the same batches as in process, a clock that nobody else can read or set, and a
record that makes a second run the same run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

import labs


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> labs.Lab:
    return labs.make_lab(tmp_path_factory.mktemp("feeder"))


@pytest.fixture(scope="module")
def tokenizer(lab: labs.Lab) -> Any:
    data = labs.write_texts(lab.folder / "texts", 200)
    settings = ("--data", str(data), "--vocab-size", "320", "--seq-len", "64")
    return lab.prepare.Tokenizer.load(lab.prepared("--track", "custom-100s", *settings))


class Feeding:
    """A feeder program in a process of its own, and this process as the run that it feeds."""

    def __init__(self, lab: labs.Lab, memory: bool = True, *words: str) -> None:
        self.lab, self.record = lab, lab.folder / "record.json"
        self.memory = os.memfd_create("batch") if memory else -1
        self.batches, its_batches = os.pipe()
        its_requests, self.requests = os.pipe()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "fixed.feeder", "--record", str(self.record), *words],
            cwd=lab.folder,
            env={**lab.env, "AUTORESEARCH_SEED": "5", "AUTORESEARCH_MEMORY": str(self.memory)},
            stdin=its_requests,
            stdout=its_batches,
            stderr=subprocess.PIPE,
            text=True,
            pass_fds=[self.memory] if memory else [],
        )
        os.close(its_batches)
        os.close(its_requests)

    def end(self) -> str:
        """Go away as a run does; what the feeder said."""
        os.close(self.requests)
        said = self.process.communicate(timeout=60)[1]
        os.close(self.batches)
        if self.memory >= 0:
            os.close(self.memory)
        return said

    @property
    def ends(self) -> str:
        return f"{self.batches},{self.requests},{self.memory}"


@contextmanager
def fed(lab: labs.Lab, *words: str, memory: bool = True) -> Iterator[Feeding]:
    feeding = Feeding(lab, memory, *words)
    try:
        with lab.environment(AUTORESEARCH_FEED=feeding.ends, AUTORESEARCH_SEED="5"):
            yield feeding
    finally:
        feeding.process.kill()
        feeding.process.wait()


def take(loader: Any, count: int) -> list[tuple[torch.Tensor, torch.Tensor, float, float]]:
    """So many batches with their epoch and progress."""
    taken = []
    for x, y in loader:
        taken.append((x, y, loader.epoch, loader.progress))
        if len(taken) == count:
            break
    return taken


@pytest.mark.parametrize("memory", [True, False])
def test_fed_batches_are_those_of_the_loader_in_process(
    lab: labs.Lab, tokenizer: Any, memory: bool
) -> None:
    """Bit for bit, epochs included, over more than one block of rows; through the memory file and
    through the pipe."""
    with lab.environment(AUTORESEARCH_SEED="5"):
        ours = take(lab.prepare.make_dataloader(tokenizer, 24), 60)
    with fed(lab, memory=memory) as feeding:
        theirs = take(lab.prepare.make_dataloader(tokenizer, 24), 60)
        feeding.end()

    assert all(
        torch.equal(a[0], b[0]) and torch.equal(a[1], b[1]) and a[2] == b[2]
        for a, b in zip(ours, theirs, strict=True)
    )


def test_the_original_interface_is_fed_too(lab: labs.Lab, tokenizer: Any) -> None:
    """Shorter rows, epochs from one, and its grace beside the budget."""
    with lab.environment(AUTORESEARCH_SEED="5"):
        ours = next(lab.prepare.make_dataloader(tokenizer, 4, 20, "train", device="cpu"))
    with fed(lab) as feeding:
        theirs = next(lab.prepare.make_dataloader(tokenizer, 4, 20, "train", device="cpu"))
        said = feeding.end()

    assert torch.equal(ours[0], theirs[0]) and ours[2] == theirs[2] == 1
    assert "budget 100.0, grace 85.0" in said


def test_a_record_makes_the_same_stream_again(lab: labs.Lab, tokenizer: Any) -> None:
    """Same batches, same progress to the bit, same length: the clock of the second run does not
    count, and a record is small."""
    with fed(lab) as feeding:
        first = take(lab.prepare.make_dataloader(tokenizer, 8), 300)
        feeding.end()
        record = feeding.record.rename(lab.folder / "first.json")
    with fed(lab, "--replay", str(record)) as feeding:
        loader = lab.prepare.make_dataloader(tokenizer, 8)
        second = take(loader, 1000)
        feeding.end()
    about, again = (json.loads(file.read_text("utf-8")) for file in (record, feeding.record))

    assert [(e, p) for _, _, e, p in first] == [(e, p) for _, _, e, p in second]
    assert all(torch.equal(a[0], b[0]) for a, b in zip(first, second, strict=True))
    assert about["elapsed_ms"] == again["elapsed_ms"] and about["batches"] == 300
    assert (about["device"], about["rows"], about["seed"]) == ("cpu", 8, 5)
    assert record.stat().st_size < 3000


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seed": 6}, "seed 5 instead of 6"),
        ({"track": "custom-1s-0"}, "instead of custom-1s-0"),
        ({"rows": 9}, "rows 8 instead of 9"),
        ({"elapsed_ms": "AAAA"}, "is no record of a run"),
        ({"batches": 2}, "is no record of a run"),
        ({"format": "other"}, "is no record of a run"),
    ],
)
def test_another_record_is_refused(
    lab: labs.Lab, tokenizer: Any, change: dict[str, Any], words: str
) -> None:
    """The run gets a sentence and no batch."""
    with fed(lab) as feeding:
        take(lab.prepare.make_dataloader(tokenizer, 8), 3)
        feeding.end()
    about = json.loads(feeding.record.read_text("utf-8"))
    other = lab.folder / "other.json"
    other.write_text(json.dumps(about | change), "utf-8")

    with fed(lab, "--replay", str(other)) as feeding:
        with pytest.raises(lab.prepare.PrepareError, match=words):
            take(lab.prepare.make_dataloader(tokenizer, 8), 3)
        feeding.end()


def test_nothing_lies_in_the_memory_file_before_it_is_asked_for(
    lab: labs.Lab, tokenizer: Any
) -> None:
    """Before the first batch the clock stands and the file is empty; then it holds one batch."""
    with fed(lab) as feeding:
        loader = lab.prepare.make_dataloader(tokenizer, 8)
        loader.dummy()
        assert os.fstat(feeding.memory).st_size == 0
        x, _ = next(iter(loader))
        held = os.pread(feeding.memory, 2**20, 0)
        feeding.end()

    assert len(held) == 8 * 65 * 2 and x.shape == (8, 64)


def test_a_run_has_one_stream(lab: labs.Lab, tokenizer: Any) -> None:
    """A second loader would be a second budget; the text itself is not there."""
    with fed(lab) as feeding:
        take(lab.prepare.make_dataloader(tokenizer, 8), 1)
        with pytest.raises(RuntimeError, match="has its batches already"):
            take(lab.prepare.make_dataloader(tokenizer, 8), 1)
        with pytest.raises(lab.prepare.PrepareError, match="the training text is not here"):
            lab.fixed.packing.read_tokens(tokenizer.track.folder, "train")
        feeding.end()


def test_a_batch_of_nonsense_is_refused(lab: labs.Lab, tokenizer: Any) -> None:
    """What a run says of itself is untrusted."""
    with fed(lab) as feeding:
        loader = lab.fixed.loader.Loader(tokenizer, 2**31, "cpu", 5)
        with pytest.raises(lab.prepare.PrepareError, match="are no batch of this track"):
            take(loader, 1)
        feeding.end()


def test_the_clock_is_the_feeders(lab: labs.Lab, tokenizer: Any) -> None:
    """A run that slows its own clock sees the feeder's time, and its stream ends with the
    budget."""
    read, write = os.pipe()
    clock = labs.Clock()
    feeder = lab.fixed.feeder.Feeder(tokenizer.track, 5, (read, write, -1), clock=clock)
    feeder.record = feeder.begin(4, 64, False, 1, b"cpu")
    seen = []
    for seconds in (0, 30, 69.9994, 0.001, 500):
        clock.now += seconds
        seen.append(feeder.read_clock())
    os.close(read)
    os.close(write)

    assert seen == [0, 30_000, 99_999, None, None]


def test_the_feeder_does_without_torch(lab: labs.Lab) -> None:
    """It is there before the run is, and costs a run no seconds of a core."""
    code = "import sys, fixed.feeder; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=lab.folder, capture_output=True, text=True, check=True
    )

    assert done.stdout == "False\n"


def test_a_track_that_is_not_prepared_is_said_on_both_sides(
    lab: labs.Lab, tokenizer: Any, tmp_path: Path
) -> None:
    """To the run, and in the feeder's own log."""
    done = subprocess.run(
        [sys.executable, "-m", "fixed.feeder"],
        cwd=lab.folder, env=lab.env | {"AUTORESEARCH_CACHE": str(tmp_path)},
        capture_output=True, check=False, timeout=60,
    )  # fmt: skip

    assert done.returncode == 1 and b"is not prepared" in done.stdout
    assert b"FAIL: track custom-100s is not prepared" in done.stderr
