"""Any coding-agent command line as an agent: started fresh for every experiment, in the checkout,
with a time limit and its children.

The brief goes in on standard input, as a file, or as an argument; what the program leaves in the
checkout is the edit. State lives in the ledger and the hub, so the loop never depends on a model's
patience. Leaves to others: starting and ending processes (`sandbox`).

It works in a room of its own (`room`), in a checkout that is a repository of its own.
"""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from autoresearch.clock import local_now
from autoresearch.errors import BadInput, MissingTool
from autoresearch.folders import wipe
from autoresearch.git.own_repository import own_repository
from autoresearch.researcher.agents.base import (
    AgentFailed,
    AgentStopped,
    AgentUnavailable,
    Brief,
    Edit,
)
from autoresearch.researcher.agents.failures import explain_failure, tells_failure
from autoresearch.researcher.agents.ideas import CatalogueIdea, open_ideas
from autoresearch.researcher.agents.output import Output, find_description, read_output
from autoresearch.researcher.agents.presets import PRESETS, preset_line
from autoresearch.researcher.agents.prompt import IN_PLACE, Note, render_brief
from autoresearch.researcher.agents.room import Room
from autoresearch.researcher.agents.sources import read_sources
from autoresearch.researcher.sandbox import Finished, Job, Limits
from autoresearch.untrusted import to_line

FROM_FILE = 'exec "$0" "$@" < "$AUTORESEARCH_BRIEF"'
READY = "Answer with the one word: ready. Change no file and run nothing.\n"
READY_S = 300.0
LOG_TAIL_BYTES = 64 * 1024


@dataclass(frozen=True)
class CommandAgent:
    """`command` is a line as a shell would split it (no shell runs it). `folder` keeps every brief
    and transcript. `stop`, once set, ends the program at once."""

    command: str
    folder: Path
    room: Room
    timeout_s: float = 1800
    template: str = ""
    notes: Callable[[], Sequence[Note]] = tuple
    stop: threading.Event | None = None
    name: str = "command"
    ideas: Sequence[CatalogueIdea] = ()

    def edit(self, worktree: Path, brief: Brief) -> Edit:
        """Run the program once. Raises AgentFailed with its last words where it fails or hangs."""
        self.folder.mkdir(parents=True, exist_ok=True)
        ideas = open_ideas(self.ideas, read_sources(worktree, brief.free), brief)
        notes, words = self.notes(), self.template
        text = render_brief(brief, IN_PLACE, notes=notes, template=words, ideas=ideas)
        file = (self.folder / f"{brief.number:05d}.brief.md").absolute()
        file.write_text(text, "utf-8")
        log = file.with_name(f"{brief.number:05d}.log")
        argv = self.argv(text, file, brief.free)
        with own_repository(worktree, brief.parent):
            finished = self.run(argv, worktree, file, log)
        output = read_output(read_tail(log))
        if self.stop is not None and self.stop.is_set():
            raise AgentStopped(f"`{self.program()}` was stopped")
        repeated = {to_line(line) for line in text.splitlines()}
        if finished.reason:
            raise self.explain(f"came to nothing: {finished.reason}", output, repeated, log)
        return Edit(
            find_description(output.words, repeated)
            or f"{self.program()}: experiment {brief.number}",
            {"seconds": round(finished.seconds, 1), **output.bill.as_notes()},
            unused=self.explain("changed nothing", output, repeated, log),
        )

    def check(self) -> str:
        """Whether the program can be asked at all: it is there, and a known one answers. A
        sentence; BadInput or MissingTool where it cannot, AgentUnavailable where it cannot now."""
        path = self.room.environment.get("PATH", os.defpath)
        if shutil.which(self.program(), path=path) is None and "/" not in self.program():
            raise MissingTool(f"`{self.program()}` is not installed, or not on PATH")
        if self.command not in PRESETS or (self.stop is not None and self.stop.is_set()):
            return f"`{self.program()}` is there; what it answers only its first edit tells"
        place = (self.folder / "check").absolute()
        wipe(place)
        place.mkdir(parents=True)
        file, log = place.with_name("check.md"), place.with_name("check.log")
        file.write_text(READY, "utf-8")
        finished = replace(self, timeout_s=READY_S).run(
            self.argv(READY, file, ()), place, file, log
        )
        output = read_output(read_tail(log))
        wipe(place)
        if finished.reason or (tells_failure(output.words) and "ready" not in output.words):
            trouble = f"came to nothing: {finished.reason or 'it did not answer'}"
            error = self.explain(trouble, output, {READY.strip()}, log)
            raise error if isinstance(error, AgentUnavailable) else BadInput(str(error))
        return f"`{self.program()}` answers: program, login and model are well"

    def run(self, argv: tuple[str, ...], worktree: Path, file: Path, log: Path) -> Finished:
        """The program in its room, to its end."""
        mark = secrets.token_hex(8)
        with self.room.furnish(self.words(), file.with_suffix(".home")) as found:
            job = Job(
                argv,
                worktree,
                {**found.environment, "AUTORESEARCH_BRIEF": str(file), "AUTORESEARCH_RUN": mark},
                Limits(self.timeout_s),
                log,
                readable=(file, *found.readable),
                writable=(worktree, *found.writable),
                hidden=tuple(p for p in self.room.hidden if p not in worktree.parents),
                mark=mark,
                network=True,
            )
            return self.room.sandbox.run(job, self.stop)

    def explain(
        self, trouble: str, output: Output, repeated: Collection[str], log: Path
    ) -> AgentFailed:
        """The failure in words; all that the program said is in `log`."""
        trouble = f"{trouble} (all of it: {log})"
        error = explain_failure(self.program(), trouble, output.words, local_now(), repeated)
        error.cost_usd = output.bill.cost_usd or 0.0
        return error

    def words(self) -> list[str]:
        try:
            words = shlex.split(preset_line(self.command, self.room.sandbox.name != "none"))
        except ValueError as error:
            raise BadInput(
                f"--command {self.command!r} cannot be split into words: {error}"
            ) from error
        if not words:
            raise BadInput(f"--command is empty; name a program, or one of {', '.join(PRESETS)}")
        return words

    def program(self) -> str:
        return self.words()[0]

    def argv(self, text: str, file: Path, free: Sequence[str]) -> tuple[str, ...]:
        """The command's words with their places filled; the brief never passes through a shell."""
        words = self.words()
        filled: list[str] = []
        for word in words:
            filled += (
                free
                if word == "{free}"
                else [word.replace("{brief_file}", str(file)).replace("{brief}", text)]
            )
        handed_over = any("{brief}" in word or "{brief_file}" in word for word in words)
        return tuple(filled) if handed_over else ("sh", "-c", FROM_FILE, *filled)


def read_tail(log: Path) -> str:
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - LOG_TAIL_BYTES))
        return stream.read().decode("utf-8", "replace")
