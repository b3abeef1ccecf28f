"""Names the machine an experiment runs on, for the ledger and the board: results of different
platforms are not compared.

Reads files of the kernel; no torch, no programs. `--platform NAME` overrides it.
"""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

from autoresearch.researcher.cpu_quota import limit_by_quota

GPUS = Path("/proc/driver/nvidia/gpus")
CPUS = Path("/proc/cpuinfo")
LONGEST = 40


def machine_name(share: str = "") -> str:
    """One word such as `NVIDIA-H200`, `Apple-M3` or `AMD-EPYC-2c`. `share` is the part of the
    processor that a run has where it is not all of it: results with one core and with two are not
    compared."""
    return (
        one_word(gpu_model())
        if gpu_model()
        else join_words(cpu_model(), share or f"{limit_by_quota(os.cpu_count() or 1)}c")
    )


def gpu_model() -> str:
    """The first NVIDIA GPU's model, or the empty string."""
    for file in sorted(GPUS.glob("*/information")):
        match = re.search(r"^Model:\s*(.+)$", file.read_text("utf-8", "replace"), re.MULTILINE)
        if match:
            return match[1]
    return ""


def cpu_model() -> str:
    """The processor's model."""
    text = CPUS.read_text("utf-8", "replace") if CPUS.exists() else ""
    match = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return match[1] if match else platform.processor() or platform.machine() or "cpu"


def join_words(model: str, share: str) -> str:
    """A model and a share in one word; a long model is cut, never the share."""
    return f"{one_word(model)[: LONGEST - len(share) - 1].strip('-')}-{share}"


def one_word(text: str) -> str:
    """Free text as one word of letters, digits and dashes, at most 40 characters, as the one-line
    format needs."""
    plain = re.sub(r"\((?:R|TM|r|tm)\)|@.*?(?= \d+c$|$)|\b(?:CPU|Processor|\d+-Core)\b", "", text)
    return re.sub(r"[^A-Za-z0-9.]+", "-", plain).strip("-")[:LONGEST] or "unknown"
