"""Environments that a manager keeps: uv and poetry are told which one it is, and find it in the
sandbox, without a network; what no run can be shown is a sentence. The managers here are small
programs that do what the real ones do with the variables they document."""

from __future__ import annotations

import base64
import hashlib
import sys
from pathlib import Path

import pytest

from autoresearch.errors import BadWorkspace
from autoresearch.researcher.workspace import Workspace
from own_repositories import PATH, add_environment, make, measure

BENCH = "import theirs\nprint('score:', theirs.SCORE)\n"
UV = """\
#!/bin/sh
test "$1" = run && test "$UV_NO_SYNC$UV_OFFLINE" = 11 || exit 3
shift
PATH="$UV_PROJECT_ENVIRONMENT/bin:$PATH" exec "$@"
"""
POETRY = """\
#!/bin/sh
test "$1" = run && test "$POETRY_VIRTUALENVS_CREATE" = false || exit 3
shift
PATH="$VIRTUAL_ENV/bin:$PATH" exec "$@"
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    """uv and poetry on PATH, in a folder that no run sees by itself."""
    place = tmp_path / "tools" / "bin"
    place.mkdir(parents=True)
    for name, text in (("uv", UV), ("poetry", POETRY)):
        (place / name).write_text(text)
        (place / name).chmod(0o755)
    return f"{place}:{PATH}"


@pytest.mark.parametrize("line", ["uv run python bench.py", "poetry run python bench.py"])
@pytest.mark.parametrize("shell", [False, True])
def test_an_environment_beside_the_project(
    tmp_path: Path, path: str, line: str, shell: bool
) -> None:
    """`.venv`, also of a command that a shell runs."""
    command = ["sh", "-c", f"cd . && X=1 {line}"] if shell else line.split()
    workspace = make(tmp_path / "w", command, BENCH)
    add_environment(tmp_path / "w" / ".venv")

    measured = measure(workspace, path=path)

    assert measured.value == 1.25, measured


def test_an_environment_where_poetry_keeps_it(
    tmp_path: Path, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In its cache, by the hash of the project's path; another project's is none of ours."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    workspace = make(tmp_path / "w", ["poetry", "run", "python", "bench.py"], BENCH)
    (tmp_path / "w" / "pyproject.toml").write_text("")
    digest = hashlib.sha256(str(tmp_path / "w").encode()).digest()
    name = base64.urlsafe_b64encode(digest).decode()[:8]
    cache = tmp_path / "home" / ".cache" / "pypoetry" / "virtualenvs"
    add_environment(cache / "x-AAAAAAAA-py3.11", "SCORE = 9\n")
    with pytest.raises(BadWorkspace, match="poetry install"):
        measure(workspace, path=path)
    add_environment(cache / f"x-{name}-py3.11")

    assert measure(workspace, path=path).value == 1.25


def test_an_environment_above_a_folder_of_a_monorepo(tmp_path: Path, path: str) -> None:
    """As uv keeps one for a whole workspace."""
    whole = make(tmp_path / "w", ["uv", "run", "python", "bench.py"], BENCH)
    sub = tmp_path / "w" / "sub"
    sub.mkdir()
    for name in ("opt.py", "bench.py"):
        (sub / name).write_text((whole.folder / name).read_text())
    whole.repo.add(["sub/opt.py", "sub/bench.py"])
    whole.repo.commit("Add a part")
    (whole.folder / "autoresearch.toml").rename(sub / "autoresearch.toml")
    add_environment(tmp_path / "w" / ".venv")

    assert measure(Workspace(sub), path=path).value == 1.25


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("uv run python bench.py", "uv sync"),
        ("poetry run python bench.py", "poetry install"),
        ("pipenv run python bench.py", "name the environment's own programs"),
        ("hatch -e x run python bench.py", "--reads"),
        ("pdm run bench", "--reads"),
    ],
)
def test_what_no_run_would_find_is_told_first(
    tmp_path: Path, path: str, line: str, words: str
) -> None:
    """With what to do about it."""
    with pytest.raises(BadWorkspace, match=words):
        measure(make(tmp_path / "w", line.split(), BENCH), path=path)


@pytest.mark.parametrize("level", ["auto", "none"])
def test_an_editable_install_is_the_checkouts_own(tmp_path: Path, level: str) -> None:
    """An environment that holds the repository as an editable install would import the user's
    files, and measure those: a run imports its own."""
    command = [".venv/bin/python", "bench.py"]
    workspace = make(tmp_path / "w", command, "import mine\nprint('score:', mine.X)\n")
    source = tmp_path / "w" / "src" / "mine.py"
    source.parent.mkdir()
    source.write_text("X = 4\n")
    workspace.repo.add(["src/mine.py"])
    workspace.repo.commit("Add a package")
    root = tmp_path / "w" / ".venv"
    add_environment(root)
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    (root / "lib" / version / "site-packages" / "mine.pth").write_text(f"{source.parent}\n")
    source.write_text("X = 99  # not committed\n")

    assert measure(workspace, level=level).value == 4
