"""The original's settings on a large GPU, as constants of our train.py.

Facts of its public log of 125 experiments on one H100 (0.9979 bits per byte at the start, 0.9697
at the end); the code that runs them is ours. Leaves to others: running them (lab, gpu)."""

from __future__ import annotations

from typing import Any

# Before any experiment.
BASELINE: dict[str, Any] = {
    "DEPTH": 8, "ASPECT": 64, "HEAD_DIM": 128, "PATTERN": "SSSL", "SHORT_WINDOW": 1024,
    "ROTARY_BASE": 10000, "KEY_SHIFT": 0, "CONV_TAPS": 0, "SMEAR": 0, "BIGRAM_ROWS": 0, "TRIGRAM_ROWS": 0,
    "VALUE_EMBEDS": 1, "VALUE_BIGRAM_ROWS": 0, "VALUE_TRIGRAM_ROWS": 0, "B_START": 0.1, "MATRIX_START": 1.0, "SOFTCAP": 15.0,
    "TOTAL_BATCH": 524288, "MICRO_ROWS": 128, "MATRIX_LR": 0.04, "EMBED_LR": 0.6, "HEAD_LR": 0.004,
    "TABLE_LR": 0.6, "SCALAR_LR": 0.5, "A_RATE": 0.01, "MATRIX_DECAY": 0.2, "HEAD_DECAY": 0.0,
    "EMBED_DECAY": 0.0, "MATRIX_MOMENTUM_START": 0.85, "MATRIX_MOMENTUM": 0.95,
    "MOMENTUM_RAMP": 0.31, "MATRIX_BETA2": 0.95, "ADAM_BETA1": 0.8, "ADAM_BETA2": 0.95,
    "B_BETA1": 0.96, "FALL": 0.5, "FINAL_RATE": 0.0, "COMPILE": 2,
}  # fmt: skip
# The best of the log. Its ramp of 200 steps is a tenth of the steps of such a run.
BEST: dict[str, Any] = BASELINE | {
    "DEPTH": 9, "ASPECT": 57, "PATTERN": "SSSSL", "SHORT_WINDOW": 256, "ROTARY_BASE": 200000,
    "B_START": 0.05, "MATRIX_START": 0.68, "TOTAL_BATCH": 262144, "EMBED_LR": 0.9,
    "HEAD_LR": 0.005, "TABLE_LR": 0.9, "HEAD_DECAY": 0.01, "EMBED_DECAY": 0.001,
    "MOMENTUM_RAMP": 0.1, "FALL": 0.75, "FINAL_RATE": 0.05,
}  # fmt: skip
# The baseline on a small machine, as its users are advised: smaller, and nothing else.
ADVISED = BASELINE | {"DEPTH": 4, "PATTERN": "L", "TOTAL_BATCH": 16384, "MICRO_ROWS": 32}
