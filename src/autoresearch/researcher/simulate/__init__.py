"""Nights of research that never happened: the judge's own code on ideas whose true worth is known.
Decides nothing about real ones."""

from autoresearch.researcher.simulate.compare import (
    AGENT_ARMS,
    ARMS,
    WAVE_ARMS,
    Arm,
    PolicyResult,
    compare,
)
from autoresearch.researcher.simulate.landscape import (
    LANDSCAPES,
    Landscape,
    from_ledger,
    noise_only,
)

__all__ = [
    "AGENT_ARMS",
    "ARMS",
    "LANDSCAPES",
    "WAVE_ARMS",
    "Arm",
    "Landscape",
    "PolicyResult",
    "compare",
    "from_ledger",
    "noise_only",
]
