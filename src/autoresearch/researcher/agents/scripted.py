"""The agent that does as it was told: a file of edits, one JSON object a line. For tests,
demonstrations and replays.

{"message": "halve the step", "files": {"train.py": "STEP = 0.5\\n"}} a file's whole new text; null
removes it
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from autoresearch.errors import BadInput
from autoresearch.researcher.agents.base import Brief, Edit, NothingLeft, Pending
from autoresearch.researcher.judging.values import Record


class ScriptedAgent:
    """Takes the lines in turn; which are done, or being tried now, is read off the ledger and the
    open experiments, so that a restart goes on where it was."""

    name = "scripted"

    def __init__(self, steps: Sequence[dict[str, object]]) -> None:
        self.steps = steps

    @classmethod
    def load(cls, file: Path) -> ScriptedAgent:
        try:
            return cls(
                [json.loads(line) for line in file.read_text("utf-8").splitlines() if line.strip()]
            )
        except (OSError, ValueError) as error:
            raise BadInput(
                f"the script {file} cannot be read: {error}; one JSON object a line is expected"
            ) from error

    def edit(self, worktree: Path, brief: Brief) -> Edit:
        tried: list[Record | Pending] = [*brief.history, *brief.pending]
        done = len({step for one in tried if (step := one.proposal.get("step")) is not None})
        if done >= len(self.steps):
            raise NothingLeft(f"the script's {len(self.steps)} edits are done")
        step = self.steps[done]
        files = step.get("files")
        if not isinstance(files, dict):
            raise BadInput(f"edit {done + 1} of the script has no `files`")
        for name, text in files.items():
            write_file(worktree / name, text)
        return Edit(str(step.get("message", f"edit {done + 1}")), {"step": done})


def write_file(file: Path, text: str | None) -> None:
    if text is None:
        file.unlink(missing_ok=True)
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, "utf-8")
