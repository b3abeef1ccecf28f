"""The block of numbers that ends a run."""

import sys

from fixed.terminal import say

SUMMARY = (
    "val_bpb",
    "training_seconds",
    "total_seconds",
    "peak_vram_mb",
    "mfu_percent",
    "total_tokens_M",
    "num_steps",
    "num_params_M",
    "depth",
)


def print_summary(**values):
    """The block that ends a run: `---`, then a line `name: value` each; runners and agents grep
    for it."""
    if set(values) != set(SUMMARY):
        raise TypeError(f"print_summary needs exactly {', '.join(SUMMARY)}")
    sys.stdout.flush()
    digits = {
        "val_bpb": 6,
        "total_tokens_M": 3,
        "num_params_M": 3,
        "mfu_percent": 2,
        "num_steps": 0,
        "depth": 0,
    }
    lines = [f"{name + ':':<18}{float(values[name]):.{digits.get(name, 1)}f}" for name in SUMMARY]
    say("---\n" + "\n".join(lines))
