"""What a scale costs on a card: parameters, FLOPs and memory, without a card and in seconds.

    python bench/costs.py                            # climbmix and tinystories, 24 and 80 GB
    python bench/costs.py --scale climbmix --set DEPTH=12 --cards 141
    python bench/costs.py --scale climbmix --idea backout   # with an idea of the catalogue

One training step runs with tensors that have shapes and no content. Counted are the FLOPs of its
products and the bytes that are alive at once, of an uncompiled model with SDPA. A compiled one
needs about half: an H100 measured 60.2 and 44.0 GiB where 123 and 101 are counted (original.py).
Leaves to others: the real thing (gpu)."""

from __future__ import annotations

import argparse
import ast
import contextlib
import importlib.util
import sys
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from experiments import apply_ideas, change_constants

TOKENS = {"climbmix": (8192, 2048), "tinystories": (2048, 512), "cpu": (1024, 256)}
MICRO_ROWS = (128, 64, 32, 16, 8, 4, 2, 1)
ROOM = 0.92  # of a card's memory: the rest is the driver's, and holes between blocks


class LiveBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up the memory of all tensors that are made while it is on, and notes the peak."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.peak = 0
        self.known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, torch.Tensor):
                self.add(tensor)
        return out

    def add(self, tensor: torch.Tensor) -> None:
        if tensor.layout is not torch.strided:
            self.add(tensor._indices())
            self.add(tensor._values())
            return
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key not in self.known:
            self.known.add(key)
            self.now += size
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self.forget, key, size)

    def forget(self, key: int, size: int) -> None:
        self.known.discard(key)
        self.now -= size


@dataclass(frozen=True)
class Costs:
    """Of one step of training with `rows` at once."""

    rows: int
    params: int
    sparse_params: int
    flops_per_token: float  # counted, forward and backward; attention is not among them
    told_flops_per_token: float  # by train.py, attention included
    resting_bytes: int  # weights and optimiser
    peak_bytes: int


def load_train(scale: str, changes: Mapping[str, Any], ideas: Sequence[str] = ()) -> ModuleType:
    """train.py on a scale, as a module."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "train_of_costs.py"
        file.write_text(apply_ideas(change_constants(scale, changes), ideas), "utf-8")
        spec = importlib.util.spec_from_file_location(file.stem, file)
        assert spec and spec.loader
        module = sys.modules[file.stem] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return module


def count_costs(
    train: ModuleType, vocab_size: int, seq_len: int, rows: int, fake: bool = True, low: bool = True
) -> Costs:
    """Of one step: forward, backward, optimiser. `low`: tables and products in bf16, as on a GPU;
    with `fake` off, with real tensors on this CPU."""
    with FakeTensorMode() if fake else contextlib.nullcontext():
        live, flops = LiveBytes(), FlopCounterMode(display=False)
        with live:
            model = train.GPT(train.Config(vocab_size, seq_len))
            if low:
                train.norm = norm_widely  # type: ignore[attr-defined]
                for part in model.modules():
                    if isinstance(part, torch.nn.Embedding):
                        part.weight = torch.nn.Parameter(part.weight.detach().bfloat16())
            optimizer = train.Optimizer(model)
            resting = live.now
            idx = torch.zeros(rows, seq_len, dtype=torch.int64)
            with flops:
                run_model(model, idx, low)
            optimizer.step(0.0)
    sparse = sum(table.weight.numel() for table in model.tables())
    return Costs(
        rows=rows,
        params=sum(w.numel() for w in model.parameters()),
        sparse_params=sparse,
        flops_per_token=flops.get_total_flops() / idx.numel(),
        told_flops_per_token=model.flops_per_token(),
        resting_bytes=resting,
        peak_bytes=live.peak,
    )


def norm_widely(x: torch.Tensor) -> torch.Tensor:
    """As autocast does it on CUDA, and not on a CPU."""
    return torch.nn.functional.rms_norm(x.float(), (x.size(-1),))


def run_model(model: Any, idx: torch.Tensor, low: bool) -> None:
    from fixed.device import sdpa_attention

    model.attend = sdpa_attention
    with torch.autocast("cpu", torch.bfloat16, enabled=low):
        loss = model.body(idx, model.lookup(idx), idx)
    loss.backward()


def print_costs(scale: str, train: ModuleType, cards_gb: list[float]) -> None:
    all_costs = []
    for rows in (n for n in MICRO_ROWS if n <= train.MICRO_ROWS):
        all_costs.append(count_costs(train, *TOKENS[scale], rows))
        if all_costs[-1].peak_bytes < ROOM * min(cards_gb) * 1e9:
            break
    one = all_costs[0]
    print(f"{scale}: {one.params / 1e6:.1f} M parameters, {one.sparse_params / 1e6:.1f} M of them")
    print(f"  in hashed tables; {one.told_flops_per_token / 1e6:.0f} MFLOP a token by train.py,")
    print(f"  {one.flops_per_token / 1e6:.0f} counted without attention;", end=" ")
    print(f"{one.resting_bytes / 1e9:.2f} GB of weights and optimiser")
    for costs in all_costs:
        print(f"  {costs.rows:4d} rows at once: {costs.peak_bytes / 1e9:6.1f} GB at most")
    for card in cards_gb:
        fit = [c.rows for c in all_costs if c.peak_bytes < ROOM * card * 1e9]
        print(f"  a card of {card:g} GB takes {fit[0] if fit else 'less than 1'} rows")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scale", action="append", choices=sorted(TOKENS))
    parser.add_argument("--cards", type=float, nargs="*", default=[24, 80], help="GB")
    parser.add_argument("--set", action="append", default=[], help="a constant, as in DEPTH=12")
    parser.add_argument("--idea", action="append", default=[], help="of the catalogue")
    args = parser.parse_args()
    pairs = (pair.partition("=") for pair in args.set)
    changes = {name: ast.literal_eval(value) for name, _, value in pairs}
    for scale in args.scale or ["climbmix", "tinystories"]:
        print_costs(scale, load_train(scale, changes, args.idea), args.cards)


if __name__ == "__main__":
    main()
