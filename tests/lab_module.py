"""The lab's two files as modules: they stand alone in `lab/`, which is no package."""

from __future__ import annotations

import sys
from pathlib import Path

LAB = Path(__file__).parent.parent / "lab"
if str(LAB) not in sys.path:
    sys.path.insert(0, str(LAB))

import prepare  # noqa: E402
import train  # noqa: E402

__all__ = ["LAB", "prepare", "train"]
