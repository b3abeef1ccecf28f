"""Which sandboxes there are, which work here, and which one is taken."""

from __future__ import annotations

from autoresearch.errors import BadInput, MissingTool
from autoresearch.researcher.sandbox.job import Level, Sandbox
from autoresearch.researcher.sandbox.plain import Plain


def choose(name: str = "auto") -> Sandbox:
    """A sandbox by name. MissingTool where it does not work here; BadInput for a name that is none."""
    if name in ("none", "auto"):
        return Plain()
    raise MissingTool(f"no sandbox {name!r} yet")


def probe() -> list[Level]:
    return [Level("none", True, "no isolation: only for code you trust")]
