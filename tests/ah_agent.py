"""An agent that speaks to a hub through the `ah` command alone, in a folder of its own. Real
processes, a clean environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TIMEOUT_S = 120


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


@dataclass(frozen=True)
class AhAgent:
    """`folder` is where the agent works; `home` is what it takes for its home."""

    folder: Path
    home: Path

    @classmethod
    def at(cls, folder: Path, home: Path | None = None) -> AhAgent:
        folder.mkdir(parents=True, exist_ok=True)
        home = home or folder.parent / f"{folder.name}-home"
        home.mkdir(exist_ok=True)
        return cls(folder, home)

    @property
    def env(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": self.folder.name,
            "GIT_AUTHOR_EMAIL": "a@swarm",
            "GIT_COMMITTER_NAME": self.folder.name,
            "GIT_COMMITTER_EMAIL": "a@swarm",
        }

    def run(self, *arguments: str, stdin: str = "", env: dict[str, str] | None = None) -> Ran:
        done = subprocess.run(
            [sys.executable, "-m", "autoresearch.cli.ah", *arguments],
            cwd=self.folder,
            env={**self.env, **(env or {})},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def ah(self, *arguments: str, stdin: str = "") -> str:
        """What `ah` prints; it must succeed."""
        ran = self.run(*arguments, stdin=stdin)
        assert ran.code == 0, f"ah {' '.join(arguments)}: {ran.err}{ran.out}"
        return ran.out

    def json(self, *arguments: str, stdin: str = "") -> Any:
        return json.loads(self.ah(*arguments, "--json", stdin=stdin))

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def commit(self, text: str, message: str) -> str:
        """Change train.py and commit it; the hash."""
        (self.folder / "train.py").write_text(text)
        self.git("add", "train.py")
        self.git("commit", "-qm", message)
        return self.git("rev-parse", "HEAD")
