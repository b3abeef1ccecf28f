"""Claims about machines and repositories as some people have them: a locale that is not UTF-8, a
free file in another encoding, a home that nobody can write in, a full disk, hashes of 64 digits,
and an agent that turns the repository bare."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from autoresearch.git.repo import Repo
from autoresearch.researcher.agents.llm import free_files
from autoresearch.researcher.agents.sources import read_source, read_sources, write_source
from autoresearch.researcher.workspace import Workspace
from tiny_workspaces import TOML, make, noisy

PROGRAM = [sys.executable, "-c", "from autoresearch.cli.autoresearch import main; main()"]


def call(*words: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*PROGRAM, *words], env={**os.environ, **environment}, capture_output=True, timeout=60
    )


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "koi8-r", "utf-8"])
def test_a_free_file_keeps_its_bytes(tmp_path: Path, encoding: str) -> None:
    """What an edit does not touch is written back as it was, in any encoding."""
    text = "X = 5  # Größe\n" if encoding != "koi8-r" else "X = 5  # шаг\n"
    data = f"# coding: {encoding}\r\n{text}".encode(encoding)
    (tmp_path / "opt.py").write_bytes(data)

    for read in (read_sources(tmp_path, ["opt.py"]), free_files(tmp_path, ["opt.py"])):
        write_source(tmp_path / "opt.py", read["opt.py"].replace("X = 5", "X = 6"))
        assert (tmp_path / "opt.py").read_bytes() == data.replace(b"X = 5", b"X = 6")
        (tmp_path / "opt.py").write_bytes(data)


def test_what_the_old_encoding_cannot_hold_is_written_in_utf8(tmp_path: Path) -> None:
    """A model's arrow in a file of latin-1; a new file is UTF-8."""
    (tmp_path / "a.py").write_bytes(b"# \xe9\n")
    write_source(tmp_path / "a.py", "# é →\n")
    write_source(tmp_path / "new.py", "# é\n")

    assert read_source(tmp_path / "a.py") == "# é →\n"
    assert (tmp_path / "new.py").read_bytes() == b"# \xc3\xa9\n"


@pytest.mark.parametrize("locale", ["C", "POSIX", "no_SUCH.ISO-8859-1"])
def test_a_locale_that_is_not_utf8(tmp_path: Path, locale: str) -> None:
    """Names that it cannot hold are shown as escapes; the work is done."""
    made = call(
        "init", str(tmp_path / "é →"), LC_ALL=locale, PYTHONUTF8="0", PYTHONCOERCECLOCALE="0",
        PYTHONIOENCODING="latin-1:strict",
    )  # fmt: skip

    assert made.returncode == 0 and b"Traceback" not in made.stderr
    assert b"is an experiment on track pystd" in made.stdout
    assert Repo(tmp_path / "é →").head()


@pytest.mark.parametrize("home", ["/proc/nohome", "/dev/null/home"])
@pytest.mark.parametrize("command", ["run", "verify"])
def test_a_home_that_nobody_can_write_in(tmp_path: Path, home: str, command: str) -> None:
    """A sentence with the way out; where the cache has another place, all is well."""
    make(tmp_path, noisy())
    words = ("run", str(tmp_path), "--experiments", "0", "--baseline-runs", "1")
    if command == "verify":
        words = ("verify", "HEAD", str(tmp_path), "--claimed", "1")
    refused = call(*words, HOME=home, AUTORESEARCH_CACHE="")

    assert refused.returncode == 2 and b"Traceback" not in refused.stderr
    assert b"set AUTORESEARCH_CACHE to a folder that you may write in" in refused.stderr
    if command == "run":
        cache = str(tmp_path.parent / "cache")
        assert call(*words, HOME=home, AUTORESEARCH_CACHE=cache).returncode == 0


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    """As it is at the door: one sentence, exit code 2, and nothing half made. A file may not grow
    here beyond 2 kB."""
    bounded = ["sh", "-c", 'ulimit -f 2; trap "" XFSZ; exec "$@"', "sh"]
    made = subprocess.run(
        [*bounded, *PROGRAM, "init", str(tmp_path / "new")], capture_output=True, timeout=60
    )

    assert made.returncode == 2 and b"Traceback" not in made.stderr
    assert made.stderr.count(b"\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_repository_of_long_hashes(tmp_path: Path) -> None:
    """Edits, removals and the branch work where git hashes with sha256."""
    subprocess.run(["git", "init", "-q", "--object-format=sha256", str(tmp_path)], check=True)
    repo = Repo(tmp_path)
    for name, text in {
        "train.py": noisy(),
        "more.py": "x = 1\n",
        "autoresearch.toml": TOML,
    }.items():
        (tmp_path / name).write_text(text.replace('["train.py"]', '["train.py", "more.py"]'))
    repo.add(["train.py", "more.py", "autoresearch.toml"])
    repo.commit("Start")
    workspace = Workspace(tmp_path)
    tip = workspace.start_branch("refs/heads/x")

    with workspace.fresh(tip) as checkout:
        (checkout.path / "more.py").unlink()
        (checkout.path / "train.py").write_text("x = 2\n")
        commit = workspace.commit(checkout, "less")
    workspace.advance("refs/heads/x", commit, tip)

    assert len(commit) == 64 and repo.ref("refs/heads/x") == commit
    assert sorted(repo.changed_between(tip, commit)) == ["more.py", "train.py"]


@pytest.mark.parametrize(
    "setting", [("core.bare", "true"), ("core.worktree", "/nowhere"), ("core.fsmonitor", "evil")]
)
def test_an_agent_that_changes_the_repository_is_told(
    tmp_path: Path, setting: tuple[str, str]
) -> None:
    """The user's repository works afterwards as before, and a sentence says what was put back."""
    workspace = make(tmp_path / "w", noisy())
    with (
        workspace.guard_configuration() as said,
        workspace.fresh(workspace.repo.head()) as checkout,
    ):
        subprocess.run(["git", "config", *setting], cwd=checkout.path, check=True)

    assert len(said) == 1 and "was put back" in said[0]
    assert [c for c in workspace.repo.changes() if c.kind != "?"] == []
    assert workspace.repo.git("rev-parse", "--is-bare-repository").strip() == "false"
