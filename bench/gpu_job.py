"""One job of bench/gpu.py in a process of its own, started in an experiment's folder.

    python gpu_job.py machine                             # what there is: device, memory, attention
    python gpu_job.py train --attention SDPA --compile 0  # train.py with one part of it forced
    python gpu_job.py replay --steps 50 --compile 1       # the same seed comes to which weights?
    python gpu_job.py replay --steps 50 --evaluate        # and to which val_bpb?
    python gpu_job.py memory --rows 128 --gib 30          # too little memory: how many rows fit?

The last line but for `train`'s is JSON. Leaves to others: which jobs, and their order (gpu)."""

from __future__ import annotations

import argparse
import functools
import importlib.util
import json
import os
import platform
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from by_steps import build_trainer, hash_weights, load_parts, train_steps


def list_backends(device: Any, kind: str) -> list[str]:
    """Names of the attention back ends that this machine has."""
    if kind == "cpu":
        return ["explicit", "SDPA"]
    names = ["SDPA"]
    if kind == "cuda" and importlib.util.find_spec("triton"):
        names.append("FlexAttention")
    if kind == "cuda" and device.flash3()[0] is not None:
        names.append("FlashAttention 3")
    return names


def force_attention(name: str) -> None:
    """Before train.py is imported: it takes the function that it finds in fixed.device."""
    sys.path.insert(0, str(Path.cwd()))
    from fixed import device

    functions = {
        "explicit": device.explicit_attention,
        "SDPA": device.sdpa_attention,
        "FlexAttention": device.flex_attention,
        "FlashAttention 3": device.flash_attention,
    }
    if name != "FlashAttention 3":
        device.flash3 = lambda: (None, "another back end was asked for")
    device.attention_backend = lambda kind: (name, functions[name])


def describe_machine(prepare: Any, device: Any) -> dict[str, Any]:
    import torch

    where = prepare.find_device()
    told: dict[str, Any] = {
        "device": device.device_name(where),
        "kind": where.type,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "backends": list_backends(device, where.type),
        "attention": device.attention_backend(where.type)[0],
    }
    if where.type == "cuda":
        about = torch.cuda.get_device_properties(where)
        told["memory_gib"] = round(about.total_memory / 2**30, 1)
        told["capability"] = f"{about.major}.{about.minor}"
        told["runtime"] = torch.version.hip or torch.version.cuda
    return told


def replay(
    parts: tuple[Any, Any, Any], steps: int, compiling: int, evaluating: bool
) -> dict[str, Any]:
    """The same seed and batches, by steps: what it comes to, down to the bit."""
    trainer = build_trainer(parts, compiling)
    began = time.monotonic()
    losses = train_steps(trainer, steps)
    told = {"losses": losses, "step_s": (time.monotonic() - began) / steps}
    if evaluating:
        told["val_bpb"] = parts[0].evaluate_bpb(trainer.model, trainer.loader.tokenizer, 32)
    return told | {"weights_sha256": hash_weights(trainer.model)}


def run_short_of_memory(parts: tuple[Any, Any, Any], rows: int, gib: float) -> dict[str, Any]:
    """Too many rows for the memory that is left: train.py has to find how many fit."""
    prepare, _, train = parts
    track = prepare.load_track()
    train.MICRO_ROWS, train.TOTAL_BATCH = rows, rows * track.seq_len
    with limited_memory(prepare.find_device(), gib):
        trainer = build_trainer(parts, 0)
    losses = train_steps(trainer, 1)  # what fits was the question, not what fits to the last page
    return {"rows_wanted": rows, "rows_taken": trainer.loader.batch_rows, "losses": losses}


@contextmanager
def limited_memory(device: Any, gib: float) -> Iterator[None]:
    """Of the card, or of this process beyond what it has now: of its addresses. There oneDNN, which
    maps the code that it writes, finds no room once a heap has grown to the limit."""
    import torch

    if device.type == "cuda":
        total = torch.cuda.get_device_properties(device).total_memory
        torch.cuda.set_per_process_memory_fraction(min(1.0, gib * 2**30 / total))
        yield
        torch.cuda.set_per_process_memory_fraction(1.0)
        return
    import resource

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + int(gib * 2**30)
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
    with torch.backends.mkldnn.flags(enabled=False):
        yield
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("job", choices=["machine", "train", "replay", "memory"])
    parser.add_argument("--attention", help="a back end that `machine` names")
    parser.add_argument("--compile", type=int, default=0)
    parser.add_argument("--compiler", default="inductor", help="torch.compile's backend")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--evaluate", action="store_true", help="of a replay")
    parser.add_argument("--rows", type=int, default=128)
    parser.add_argument("--gib", type=float, default=30.0)
    args = parser.parse_args()
    import torch

    torch.compile = functools.partial(torch.compile, backend=args.compiler)
    if args.attention:
        force_attention(args.attention)
    parts = prepare, device, train = load_parts()
    if args.job == "train":
        train.COMPILE = args.compile
        train.main()
        return
    told = {
        "machine": lambda: describe_machine(prepare, device),
        "replay": lambda: replay(parts, args.steps, args.compile, args.evaluate),
        "memory": lambda: run_short_of_memory(parts, args.rows, args.gib),
    }[args.job]()
    print(json.dumps(told))


if __name__ == "__main__":
    main()
