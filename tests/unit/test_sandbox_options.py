"""Without a working sandbox nothing runs, unless the user says in so many words that they want
none."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from autoresearch.cli.sandbox_options import choose_sandbox
from autoresearch.errors import BadInput
from tiny_workspaces import command, make, noisy


@pytest.mark.parametrize("arguments", [("--unsafe-no-sandbox",), ("--sandbox", "none")])
def test_no_sandbox_is_asked_for_by_name_and_said_aloud(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    """Both ways run without isolation, and both warn."""
    make(tmp_path, noisy())

    ran = command("run", str(tmp_path), "--experiments", "0", *arguments)

    assert ran.returncode == 0 and "sandbox none" in ran.stdout
    assert "with all your rights" in ran.stderr


def test_a_machine_without_sandbox_refuses_and_says_how(tmp_path: Path) -> None:
    """No bwrap on PATH and no Landlock asked for: exit code 8, what to install, and the flag for
    code one trusts."""
    make(tmp_path, noisy())

    ran = command(
        "run", str(tmp_path), "--sandbox", "bwrap", env={"PATH": "/nowhere", "HOME": str(tmp_path)}
    )
    git = command(
        "run",
        str(tmp_path),
        "--sandbox",
        "bwrap",
        env={"PATH": str(only_git(tmp_path)), "HOME": str(tmp_path)},
    )

    assert ran.returncode == 8
    assert (
        git.returncode == 8
        and "bwrap is not installed" in git.stderr
        and "--unsafe-no-sandbox" in git.stderr
    )
    assert not (tmp_path / "results.tsv").exists()


def only_git(folder: Path) -> Path:
    """A PATH on which there is git and nothing else."""

    place = folder / "bin"
    place.mkdir()
    (place / "git").symlink_to(shutil.which("git") or "/usr/bin/git")
    return place


def test_contradicting_options_are_refused() -> None:
    """A level and no level at once is a mistake, not a choice for us to make."""
    with pytest.raises(BadInput, match="contradict"):
        choose_sandbox("bwrap", unsafe_no_sandbox=True)
