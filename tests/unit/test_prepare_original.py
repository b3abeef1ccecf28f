"""The names of the original's prepare.py: train files written for it find them, with its
meanings.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch

import labs

# A train.py in the original's manner: its names, its loop, its clock that leaves ten steps out.
TRAIN = """
import time
import torch
from prepare import MAX_SEQ_LEN, TIME_BUDGET, Tokenizer, make_dataloader, evaluate_bpb

class Table(torch.nn.Module):
    def __init__(self, vocab_size):
        super().__init__()
        self.table = torch.nn.Embedding(vocab_size, vocab_size)

    def forward(self, idx, targets=None, reduction="mean"):
        logits = self.table(idx).float()
        if targets is None:
            return logits
        return torch.nn.functional.cross_entropy(
            logits.view(-1, logits.size(-1)), targets.view(-1), reduction=reduction
        )

tokenizer = Tokenizer.from_directory()
model = Table(tokenizer.get_vocab_size())
optimizer = torch.optim.SGD(model.parameters(), 0.5)
train_loader = make_dataloader(tokenizer, 4, MAX_SEQ_LEN, "train")
x, y, epoch = next(train_loader)
step, counted_s = 0, 0.0
while step <= 10 or counted_s < TIME_BUDGET:
    began = time.time()
    model(x, y).backward()
    optimizer.step()
    optimizer.zero_grad()
    x, y, epoch = next(train_loader)
    counted_s += time.time() - began if step > 10 else 0
    step += 1
print(f"val_bpb: {evaluate_bpb(model, tokenizer, 4):.6f}")
print(f"epoch: {epoch} of {x.device.type}, steps: {step}")
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> labs.Lab:
    return labs.make_lab(tmp_path_factory.mktemp("original"))


@pytest.fixture(scope="module")
def tokenizer(lab: labs.Lab) -> Any:
    data = labs.write_texts(lab.folder / "texts", 200)
    settings = ("--data", str(data), "--vocab-size", "300", "--seq-len", "32")
    return lab.prepare.Tokenizer.load(lab.prepared("--track", "custom-0.5s", *settings))


def test_its_constants_are_those_of_the_track(lab: labs.Lab, tokenizer: Any) -> None:
    """MAX_SEQ_LEN, TIME_BUDGET and EVAL_TOKENS; another name is none."""
    track = tokenizer.track
    with lab.environment():
        assert (lab.prepare.MAX_SEQ_LEN, lab.prepare.TIME_BUDGET) == (32, 0.5)
        assert track.manifest["eval_rows"] * 32 == lab.prepare.EVAL_TOKENS
    with pytest.raises(AttributeError, match="DEVICE_BATCH_SIZE"):
        _ = lab.prepare.DEVICE_BATCH_SIZE


def test_its_tokenizer_encodes_texts_lists_and_beginnings(lab: labs.Lab, tokenizer: Any) -> None:
    """`prepend` is an id or a special token's name; a list of texts gives a list of lists."""
    with lab.environment():
        theirs = lab.prepare.Tokenizer.from_directory()
        sizes = lab.prepare.get_token_bytes(device="cpu")
    bos, plain = theirs.get_bos_token_id(), theirs.encode("süß")

    assert (theirs.get_vocab_size(), bos) == (tokenizer.vocab_size, tokenizer.bos)
    assert theirs.encode("süß", prepend=bos) == [bos, *plain]
    assert theirs.encode("süß", prepend="<|bos|>") == [bos, *plain]
    assert theirs.encode(["süß", "x"], num_threads=2) == [plain, theirs.encode("x")]
    assert theirs.decode(plain) == "süß"
    assert int(sizes[plain].sum()) == 5 and sizes[bos] == 0


def test_its_loader_counts_epochs_from_one_and_takes_shorter_rows(
    lab: labs.Lab, tokenizer: Any
) -> None:
    """(x, y, epoch), on the device at hand, in the order of our loader; rows as long as asked."""
    x, y, epoch = next(lab.prepare.make_dataloader(tokenizer, 4, 32, "train", buffer_size=10))
    ours, _ = next(iter(lab.prepare.make_dataloader(tokenizer, 4)))
    short, _, _ = next(lab.prepare.make_dataloader(tokenizer, 4, 20, "train"))

    assert epoch == 1 and torch.equal(x.cpu(), ours) and torch.equal(x[:, 1:], y[:, :-1])
    assert short.shape == (4, 20)
    with pytest.raises(ValueError, match="MAX_SEQ_LEN = 32"):
        lab.prepare.make_dataloader(tokenizer, 4, 33, "train")
    with pytest.raises(ValueError, match="training split"):
        lab.prepare.make_dataloader(tokenizer, 4, 32, "val")


def test_a_loop_that_never_ends_gets_no_batch_after_its_grace(
    lab: labs.Lab, tokenizer: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """The clock runs along: the end of the budget is said, and the end of the stream a
    sentence."""
    clock = labs.Clock()
    loader = lab.fixed.loader.Loader(tokenizer, 2, "cpu", 1, clock, grace_s=60.0)
    steps = 0
    with pytest.raises(lab.prepare.PrepareError, match=r"budget of 0\.5 s is over"):
        for _ in lab.fixed.loader.stream(loader):
            steps, clock.now = steps + 1, clock.now + 10

    assert steps == 7 and loader.elapsed_s == 70
    assert capsys.readouterr().out.count("clock: the budget is over") == 1


def test_a_train_file_written_for_it_runs_to_its_end(lab: labs.Lab, tokenizer: Any) -> None:
    """Module level, its own clock, its model's forward: it prints a number and ends."""
    (lab.folder / "train.py").write_text(TRAIN, "utf-8")
    done = subprocess.run(
        [sys.executable, "train.py"],
        cwd=lab.folder, env=lab.env, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert 0 < float(done.stdout.split("val_bpb: ")[1].split()[0]) < 20
    assert "epoch: " in done.stdout
