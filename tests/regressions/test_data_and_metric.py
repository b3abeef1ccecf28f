"""How data, tokenizer and metric of such a lab went wrong elsewhere, and cannot here."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import labs


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> labs.Lab:
    return labs.make_lab(tmp_path_factory.mktemp("traps"))


@pytest.fixture(scope="module")
def arguments(lab: labs.Lab) -> list[str]:
    data = labs.write_texts(lab.folder / "texts")
    return ["--track", "custom", "--data", str(data), "--vocab-size", "320", "--seq-len", "32"]


@pytest.fixture(scope="module")
def tokenizer(lab: labs.Lab, arguments: list[str]) -> Any:
    return lab.prepare.Tokenizer.load(lab.prepared(*arguments))


class Linear(torch.nn.Module):
    def __init__(self, vocab_size: int) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.table = torch.nn.Embedding(vocab_size, vocab_size)

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        return self.table(idx)


@settings(max_examples=100, deadline=None)
@given(text=st.text())
def test_byte_lengths_add_up(tokenizer: Any, text: str) -> None:
    """Lengths taken through decoded text count half a character as the three bytes of U+FFFD,
    which flatters the score."""
    ids = tokenizer.encode(text)

    assert int(tokenizer.token_bytes[ids].sum()) == len(text.encode("utf-8"))
    assert tokenizer.decode(ids) == text
    assert tokenizer.token_bytes[tokenizer.bos] == 0


def test_single_bytes_have_length_one(tokenizer: Any) -> None:
    """All 256 bytes are tokens, each of length one."""
    assert {piece for piece in tokenizer.bytes_of if len(piece) == 1} == {
        bytes([b]) for b in range(256)
    }


def test_a_batch_in_use_is_never_overwritten(lab: labs.Lab, tokenizer: Any) -> None:
    """With one buffer for all batches, a slow consumer saw the next batch in the place of its
    own."""
    loader = lab.prepare.make_dataloader(tokenizer, 2)
    kept = []
    for x, y in loader:
        kept.append((x, y, x.clone(), y.clone()))
        time.sleep(0.005)
        if len(kept) == 12:
            break
    assert len({x.data_ptr() for x, *_ in kept}) == len(kept)
    assert all(torch.equal(x, was_x) and torch.equal(y, was_y) for x, y, was_x, was_y in kept)


def test_a_pinned_buffer_waits_for_its_copy(lab: labs.Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pinned buffer is refilled only after the event recorded behind its last copy; two take
    turns."""
    log: list[str] = []

    class Event:
        def __init__(self) -> None:
            self.name = f"event{sum(line.startswith('made') for line in log)}"
            log.append(f"made {self.name}")

        def synchronize(self) -> None:
            log.append(f"wait {self.name}")

        def record(self) -> None:
            log.append(f"record {self.name}")

    plain = torch.empty_like
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch, "empty_like", lambda rows, pin_memory: plain(rows))
    upload = lab.fixed.loader.PinnedUpload(torch.device("cpu"))
    for number in range(4):
        upload(torch.full((2, 2), number))

    assert [line for line in log if not line.startswith("made")] == [
        f"{what} event{number % 2}" for number in range(4) for what in ("wait", "record")
    ]


@pytest.mark.parametrize("batch_size", [1, 7, 96, 128])
def test_the_score_does_not_depend_on_the_batch_size(
    lab: labs.Lab, tokenizer: Any, batch_size: int
) -> None:
    """The evaluated rows were chosen by the batch size, which agents control; and a large one
    divided by zero."""
    model = Linear(tokenizer.vocab_size)

    assert lab.prepare.evaluate_bpb(model, tokenizer, batch_size) == pytest.approx(
        lab.prepare.evaluate_bpb(model, tokenizer, 4), abs=1e-6
    )


def test_no_tail_is_lost_in_evaluation(lab: labs.Lab, tokenizer: Any) -> None:
    """Packing cropped documents, so only their heads were scored. Here every token of every one
    stands in the rows once."""
    track = tokenizer.track
    rows = lab.fixed.evaluation.evaluation_rows(track)
    tokens, _ = lab.fixed.packing.read_tokens(track.folder, "val")
    scored = torch.bincount(rows[:, 1:].flatten(), minlength=tokenizer.vocab_size)[: tokenizer.bos]
    there = torch.bincount(
        torch.from_numpy(tokens.astype("int64")), minlength=tokenizer.vocab_size
    )[: tokenizer.bos]

    assert torch.equal(scored, there)
    assert int(tokenizer.token_bytes[rows[:, 1:]].sum()) == track.manifest["val"]["bytes"]
    assert lab.fixed.files.sha256_file(track.folder / "eval.bin") == track.manifest["eval_sha256"]


def test_another_vocabulary_is_another_track(
    lab: labs.Lab, arguments: list[str], tokenizer: Any
) -> None:
    """A tokenizer that existed was used again although the vocabulary or the data had changed."""
    other = lab.prepared(*arguments[:5], "300", *arguments[6:])

    assert lab.prepare.Tokenizer.load(other).vocab_size == 300
    assert other.folder != tokenizer.track.folder and other.id != tokenizer.track.id
    lab.prepared(*arguments)


def test_other_data_is_another_track(lab: labs.Lab, arguments: list[str], tokenizer: Any) -> None:
    """One changed document changes the fingerprint, the tokenizer and the track's id."""
    extra = lab.folder / "texts" / "extra.txt"
    extra.write_text("one more document " * 20, "utf-8")
    try:
        assert lab.prepared(*arguments).id != tokenizer.track.id
    finally:
        extra.unlink()
        lab.prepared(*arguments)


def test_two_prepares_at_once_do_not_mix(tmp_path: Path) -> None:
    """Two processes wrote the same temporary file. One waits for the other here, and both end
    well."""
    lab = labs.make_lab(tmp_path)
    data = labs.write_texts(tmp_path / "texts")
    command = [
        sys.executable,
        "prepare.py",
        "--track",
        "custom",
        "--data",
        str(data),
        "--vocab-size",
        "300",
    ]
    both = [
        subprocess.Popen(command, cwd=tmp_path, env=lab.env, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [process.communicate(timeout=240)[0] for process in both]

    assert [process.returncode for process in both] == [0, 0]
    assert sum("training a tokenizer" in text for text in said) == 1
    with lab.environment():
        assert not lab.fixed.tracks.find_damage(
            (track := lab.prepare.open_track("custom")).folder, track.manifest, True
        )


def test_nothing_that_is_loaded_can_run() -> None:
    """Pickles in a shared cache are programs. The lab has none and asks torch for none."""
    forbidden = r"^\s*(import|from) (pickle|dill|joblib)|torch\.load\(|allow_pickle"
    files = [labs.LAB / "prepare.py", *(labs.LAB / "fixed").glob("*.py")]

    assert len(files) > 10
    assert [f for f in files if re.search(forbidden, f.read_text("utf-8"), re.M)] == []


def test_a_crafted_tokenizer_is_refused(lab: labs.Lab, tmp_path: Path) -> None:
    """A file that is no tokenizer of ours is a sentence, whatever it holds."""
    for content in (
        b"\x80\x04cos\nsystem\n",
        b"[]",
        b'{"format": "x", "tokens": []}',
        json.dumps({"tokens": 3}).encode(),
    ):
        file = tmp_path / "tokenizer.json"
        file.write_bytes(content)
        with pytest.raises(lab.prepare.PrepareError, match="no tokenizer"):
            lab.prepare.Tokenizer.read(file)


def test_the_epoch_is_reported(lab: labs.Lab, tokenizer: Any) -> None:
    """A fast machine silently entered its second epoch. The loader says where it is."""
    loader = lab.prepare.make_dataloader(tokenizer, 8)
    epochs = []
    for _ in loader:
        epochs.append(loader.epoch)
        if loader.epoch > 2:
            break

    assert epochs == sorted(epochs) and 0 < epochs[0] < epochs[-1]
