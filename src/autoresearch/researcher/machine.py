"""Names the machine an experiment runs on, for the ledger and the board: results of different platforms are not compared.

Reads what the kernel tells; no torch, no programs. `--platform NAME` overrides it.
"""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

GPUS = Path("/proc/driver/nvidia/gpus")
CPUS = Path("/proc/cpuinfo")


def name() -> str:
    """One word such as `NVIDIA-H200`, `Apple-M3` or `AMD-EPYC-2c`."""
    return word(gpu() or cpu())


def gpu() -> str:
    """The first NVIDIA GPU's model, or the empty string."""
    for file in sorted(GPUS.glob("*/information")):
        match = re.search(r"^Model:\s*(.+)$", file.read_text("utf-8", "replace"), re.MULTILINE)
        if match:
            return match[1]
    return ""


def cpu() -> str:
    """The processor's model and its number of cores."""
    text = CPUS.read_text("utf-8", "replace") if CPUS.exists() else ""
    match = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    model = match[1] if match else platform.processor() or platform.machine() or "cpu"
    return f"{model} {os.cpu_count() or 1}c"


def word(text: str) -> str:
    """Free text as one word of letters, digits and dashes, at most 40 characters, as the one-line format needs."""
    plain = re.sub(r"\((?:R|TM|r|tm)\)|@.*?(?= \d+c$|$)|\b(?:CPU|Processor|\d+-Core)\b", "", text)
    return re.sub(r"[^A-Za-z0-9.]+", "-", plain).strip("-")[:40] or "unknown"
