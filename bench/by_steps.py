"""An experiment's train.py in this process, trained for a number of steps in place of seconds.

What depends on the machine's speed is out of it: the same seed gives the same batches and the same
schedule anywhere. Run where the experiment is (experiments). Leaves to others: what to compare."""

from __future__ import annotations

import functools
import hashlib
import sys
from pathlib import Path
from typing import Any


def load_parts() -> tuple[Any, Any, Any]:
    """(prepare, fixed.device, train) of the experiment in the working directory."""
    sys.path.insert(0, str(Path.cwd()))
    import prepare
    import train
    from fixed import device

    return prepare, device, train


def build_trainer(parts: tuple[Any, Any, Any], compiling: int) -> Any:
    """A warmed-up trainer, as train.py's main makes it."""
    prepare, device, train = parts
    track = prepare.load_track()
    tokenizer = prepare.Tokenizer.load(track)
    where = prepare.find_device()
    device.set_up(where, prepare.cache_root(), prepare.run_dir())
    ready = functools.partial(train.get_ready, track, tokenizer, where)
    return device.run_with_fallbacks(ready, train.MICRO_ROWS, compiling)


def train_steps(trainer: Any, steps: int) -> list[float]:
    """The mean loss of each step, in nats a token; progress goes by steps."""
    from fixed.loader import packed_batches

    loader, losses = trainer.loader, []
    batches = packed_batches(
        loader.track, loader.tokenizer.bos, loader.batch_rows, loader.seed, loader.seq_len
    )
    for step in range(steps):
        total = 0.0
        for _ in range(trainer.micro_batches):
            rows, _ = next(batches)
            total = total + trainer.micro_step(*loader.on_device(rows))
        trainer.optimizer.step(step / steps)
        losses.append(float(total) / trainer.micro_batches)
    return losses


def hash_weights(model: Any) -> str:
    """Of every bit of every weight."""
    import torch

    digest = hashlib.sha256()
    for name, weight in sorted(model.state_dict().items()):
        raw = weight.detach().cpu().contiguous().view(torch.uint8)
        digest.update(name.encode() + raw.numpy().tobytes())
    return digest.hexdigest()
