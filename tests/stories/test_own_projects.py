"""Projects as people have them, researched by two commands in the real sandbox: an environment of
their own, data outside, a submodule, files in Git LFS, a step that builds. (A folder of a monorepo:
test_monorepo.)"""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import pytest

from autoresearch.git.lfs import VERSION
from autoresearch.git.repo import Repo
from own_repositories import add_environment
from tiny_workspaces import command

FREE = "X = 5  # 1 to 9\n"
CONTENT = b"0.25\n"


def project(folder: Path, **files: str) -> Repo:
    """A repository of these files; a name's double underscore is a dot."""
    repo = Repo.init(folder)
    named = {"opt.py": FREE, **{name.replace("__", "."): text for name, text in files.items()}}
    for name, text in named.items():
        (folder / name).write_text(text)
    repo.add(named)
    repo.commit("Start")
    return repo


def start(repo: Repo, line: str) -> None:
    words = ("--command", line, "--free", "opt.py", "--metric", "loss")
    told = command("init", str(repo.path), *words)
    assert told.returncode == 0, told.stderr


def research(repo: Repo, added: float, *options: str) -> None:
    """Two ideas of the search are measured; what each scored is its constant and what the project
    adds to it."""
    ran = command("run", str(repo.path), "--experiments", "2", "--json", *options)
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)["experiments"]
    scores = [(e["status"], e["value"]) for e in told]
    assert len(told) == 2 and all(status in ("keep", "discard") for status, _ in scores), told
    for experiment in told:
        text = repo.git("show", f"{experiment['commit']}:opt.py")
        constant = float(text.split("=")[1].split("#")[0])
        assert experiment["value"] == pytest.approx(constant + added), text


@pytest.mark.slow
def test_an_environment_of_its_own(tmp_path: Path) -> None:
    """A package that only the project's environment has; the command names its Python."""
    bench = "import theirs, opt\nprint('loss:', opt.X + theirs.SCORE)\n"
    repo = project(tmp_path / "p", bench__py=bench, __gitignore=".venv/\n")
    add_environment(repo.path / ".venv")
    start(repo, ".venv/bin/python bench.py")

    research(repo, 1.25)


@pytest.mark.slow
def test_data_outside(tmp_path: Path) -> None:
    """An absolute path that nothing opens is told with the option; with it the project runs."""
    data = tmp_path / "elsewhere" / "data.txt"
    data.parent.mkdir()
    data.write_text("2.5\n")
    bench = f"import opt\nprint('loss:', opt.X + float(open({str(data)!r}).read()))\n"
    repo = project(tmp_path / "p", bench__py=bench)
    start(repo, "python bench.py")

    refused = command("run", str(repo.path), "--experiments", "1")
    assert refused.returncode != 0 and "--reads" in refused.stderr + refused.stdout
    research(repo, 2.5, "--reads", str(data.parent))


@pytest.mark.slow
def test_a_submodule(tmp_path: Path) -> None:
    """Refused before anything runs, since a run would find an empty folder; with the commands that
    the sentence names it is a part of the project."""
    inner = project(tmp_path / "inner", lib__py="ADD = 10\n")
    bench = "import opt, sub.lib\nprint('loss:', opt.X + sub.lib.ADD)\n"
    repo = project(tmp_path / "p", bench__py=bench)
    repo.git("-c", "protocol.file.allow=always", "submodule", "-q", "add", str(inner.path), "sub")
    repo.commit("Add a library")
    start(repo, "python bench.py")

    refused = command("run", str(repo.path), "--experiments", "1")
    said = refused.stderr + refused.stdout
    assert refused.returncode != 0 and "sub in commit" in said and "rm --cached sub" in said
    repo.git("rm", "-q", "--cached", "sub")
    (repo.path / "sub" / ".git").unlink()
    repo.git("add", "sub")
    repo.commit("Commit the library's files")
    research(repo, 10)


@pytest.mark.slow
def test_files_in_git_lfs(tmp_path: Path) -> None:
    """A pointer is no data: refused with the command that fetches it; with the content in the
    repository's store each checkout has it."""
    oid = hashlib.sha256(CONTENT).hexdigest()
    pointer = f"{VERSION}\noid sha256:{oid}\nsize {len(CONTENT)}\n"
    bench = "import opt\nprint('loss:', opt.X + float(open('data.bin').read()))\n"
    attributes = "*.bin filter=lfs -text\n"
    repo = project(tmp_path / "p", bench__py=bench, data__bin=pointer, __gitattributes=attributes)
    start(repo, "python bench.py")

    refused = command("run", str(repo.path), "--experiments", "1")
    assert refused.returncode != 0 and "git lfs pull" in refused.stderr + refused.stdout
    stored = repo.path / ".git" / "lfs" / "objects" / oid[:2] / oid[2:4] / oid
    stored.parent.mkdir(parents=True)
    stored.write_bytes(CONTENT)
    research(repo, 0.25)


@pytest.mark.slow
def test_a_step_that_builds(tmp_path: Path) -> None:
    """`make` builds from the candidate's file in the run's own checkout: what the user built
    before, and what other runs built, is not there."""
    makefile = (
        "bench: table.txt\n\t@echo loss: $$(cat table.txt)\n"
        "table.txt: opt.py\n\tsed -n 's/^X = \\([0-9]*\\).*/\\1/p' opt.py > table.txt\n"
    )
    repo = project(tmp_path / "p", Makefile=makefile, __gitignore="table.txt\n")
    subprocess.run(["make", "-s", "table.txt"], cwd=repo.path, check=True)
    start(repo, "make -s bench")

    research(repo, 0)
    assert (repo.path / "table.txt").read_text() == "5\n"
