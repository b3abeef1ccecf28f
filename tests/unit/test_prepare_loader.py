"""The loader and its clock: what rows look like, that nothing is lost, and that no time is free
once the first batch is out.
"""

from __future__ import annotations

import itertools
import time
from typing import Any

import pytest
import torch

import labs


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> labs.Lab:
    return labs.make_lab(tmp_path_factory.mktemp("loader"))


@pytest.fixture(scope="module")
def tokenizer(lab: labs.Lab) -> Any:
    data = labs.write_texts(lab.folder / "texts", 200)
    arguments = (
        "--track",
        "custom",
        "--data",
        str(data),
        "--vocab-size",
        "320",
        "--seq-len",
        "64",
        "--budget-s",
        "100",
    )
    return lab.prepare.Tokenizer.load(lab.prepared(*arguments))


def rows_of(lab: labs.Lab, tokenizer: Any, seed: int, count: int) -> torch.Tensor:
    batches = lab.fixed.loader.packed_batches(tokenizer.track, tokenizer.bos, 8, seed)
    return torch.cat([rows for rows, _ in itertools.islice(batches, count)])


def test_rows_start_with_bos_and_targets_are_the_next_tokens(lab: labs.Lab, tokenizer: Any) -> None:
    """x and y are the same rows, one token apart, full to the last place."""
    x, y = next(iter(lab.prepare.make_dataloader(tokenizer, 4)))

    assert x.shape == y.shape == (4, 64) and x.dtype == y.dtype == torch.int64
    assert (x[:, 0] == tokenizer.bos).all()
    assert torch.equal(x[:, 1:], y[:, :-1])


def test_an_epoch_loses_nothing(lab: labs.Lab, tokenizer: Any) -> None:
    """Long documents continue in later rows: after a few epochs every token was handed out
    about that often."""
    train, _ = lab.fixed.packing.read_tokens(tokenizer.track.folder, "train")
    rows = rows_of(lab, tokenizer, 1, 3 * len(train) // (64 * 8))
    there = torch.bincount(torch.from_numpy(train.astype("int64")), minlength=tokenizer.vocab_size)
    seen = torch.bincount(rows.flatten(), minlength=tokenizer.vocab_size)
    common = (there > 200) & (torch.arange(tokenizer.vocab_size) != tokenizer.bos)

    assert common.sum() > 10
    assert ((seen[common] / there[common] - 3).abs() < 0.6).all()
    assert ((there > 0) <= (seen > 0)).all()


def test_rows_hold_whole_pieces_of_documents(lab: labs.Lab, tokenizer: Any) -> None:
    """Between two BOS stands an unbroken stretch of one document."""
    train, _ = lab.fixed.packing.read_tokens(tokenizer.track.folder, "train")
    stream = train.astype(">u2").tobytes()
    for row in rows_of(lab, tokenizer, 2, 2).tolist():
        for is_bos, piece in itertools.groupby(row, key=lambda token: token == tokenizer.bos):
            if not is_bos:
                assert b"".join(t.to_bytes(2, "big") for t in piece) in stream


def test_the_seed_is_the_order(lab: labs.Lab, tokenizer: Any) -> None:
    """The same seed gives the same batches, another seed others: two runs with two seeds differ
    in their data too."""
    assert torch.equal(rows_of(lab, tokenizer, 1, 5), rows_of(lab, tokenizer, 1, 5))
    assert not torch.equal(rows_of(lab, tokenizer, 1, 5), rows_of(lab, tokenizer, 2, 5))


def test_the_harness_gives_the_seed(lab: labs.Lab, tokenizer: Any) -> None:
    """AUTORESEARCH_SEED reaches the loader; 42 without it."""
    with lab.environment(AUTORESEARCH_SEED="7"):
        assert lab.prepare.make_dataloader(tokenizer, 1).seed == 7
    with lab.environment():
        assert lab.prepare.make_dataloader(tokenizer, 1).seed == 42


def test_dummies_are_free_and_the_first_batch_starts_the_clock(
    lab: labs.Lab, tokenizer: Any
) -> None:
    """Warm-up costs nothing; from the first real batch on everything does, also a sleep in one
    step."""
    clock = labs.Clock()
    loader = lab.fixed.loader.Loader(tokenizer, 4, "cpu", 1, clock)
    x, y = loader.dummy()
    clock.now += 1000
    assert x.shape == y.shape == (4, 64) and loader.progress == 0 and loader.elapsed_s == 0

    seen = []
    for steps, _ in enumerate(loader, 1):
        seen.append(loader.progress)
        clock.now += 60 if steps == 3 else 10
    clock.now += 500

    assert seen == pytest.approx([0, 0.1, 0.2, 0.8, 0.9])
    assert loader.elapsed_s == 100 and loader.progress == 1 and loader.remaining_s == 0
    assert loader.tokens == 5 * 4 * 64


def test_a_loader_runs_once(lab: labs.Lab, tokenizer: Any) -> None:
    """A second iteration would be a second budget."""
    loader = lab.prepare.make_dataloader(tokenizer, 2)
    next(iter(loader))

    with pytest.raises(RuntimeError, match="runs once"):
        next(iter(loader))


def test_validation_text_is_not_for_training(lab: labs.Lab, tokenizer: Any) -> None:
    """Only evaluate_bpb reads it."""
    with pytest.raises(ValueError, match="training split"):
        lab.prepare.make_dataloader(tokenizer, 2, split="val")


def test_the_background_thread_ends_with_the_iteration(lab: labs.Lab, tokenizer: Any) -> None:
    """Neither a finished nor a broken-off iteration leaves a thread."""
    import threading

    iteration = iter(lab.prepare.make_dataloader(tokenizer, 2))
    next(iteration)
    iteration.close()
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and any(t.name == "loader" for t in threading.enumerate()):
        time.sleep(0.05)

    assert not any(t.name == "loader" for t in threading.enumerate())


def test_a_failure_in_the_background_reaches_the_loop(
    lab: labs.Lab, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error while reading raises where the batch is asked for instead of stopping for ever."""

    def fail(*_: object) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(lab.fixed.loader, "packed_batches", fail)
    with pytest.raises(OSError, match="disk is gone"):
        next(iter(lab.prepare.make_dataloader(tokenizer, 2)))
