"""No program runs outside the sandbox because of what a run or an agent left in its checkout.

The attacks: git enters inner repositories and reads their configuration, which names programs
(filters, fsmonitor); attributes choose filters of the user's own configuration; a linked worktree
writes the configuration of the whole repository. Each canary is a file that such a program would
write.
"""

from __future__ import annotations

import io
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from autoresearch.errors import BadWorkspace
from autoresearch.git.repo import Repo
from autoresearch.researcher.display import Display
from autoresearch.researcher.experiment import Runner
from autoresearch.researcher.judging.values import Measurement
from autoresearch.researcher.run_request import RunRequest
from autoresearch.researcher.sandbox import choose_sandbox
from autoresearch.researcher.workspace import OutsideFree, Workspace
from sandbox_jobs import EVERY_LEVEL
from tiny_workspaces import ENVIRONMENT, TOML, Writes, make, noisy, research

ANYTHING = TOML.replace('"train.py"]\nc', '"*"]\nc')
# leaves an inner repository whose own configuration names a program in every way that git knows
PLANTS = """
import os, pathlib
for top in ("inner", "inner/deeper"):
    git = pathlib.Path(top, ".git")
    for name in ("objects", "refs/heads", "info"):
        os.makedirs(git / name, exist_ok=True)
    (git / "HEAD").write_text("ref: refs/heads/main\\n")
    (git / "config").write_text(
        "[core]\\nrepositoryformatversion = 0\\nfsmonitor = touch CANARY; true\\nsshCommand = touch CANARY\\n"
        "[filter \\"evil\\"]\\nclean = touch CANARY; cat\\nsmudge = touch CANARY; cat\\nprocess = touch CANARY\\n"
    )
    (git / "info/attributes").write_text("* filter=evil\\n")
    pathlib.Path(top, ".gitattributes").write_text("* filter=evil\\n")
    pathlib.Path(top, "file.py").write_text("x = 1\\n")
pathlib.Path(".gitattributes").write_text("* filter=users\\n")
"""


@pytest.fixture
def canary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Also named by a filter in the user's own configuration, which attributes of a stranger could
    choose."""
    config = tmp_path / "gitconfig"
    run = f"touch {tmp_path / 'canary'}; cat"
    config.write_text(f'[filter "users"]\nclean = "{run}"\nsmudge = "{run}"\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    return tmp_path / "canary"


def measure(workspace: Workspace, level: str) -> Measurement:
    """One run of the commit checked out, in a real sandbox."""
    folder = workspace.private / "runs" / "0001" / "1"
    runner = Runner(workspace, choose_sandbox(level), ENVIRONMENT)
    return runner.measure(RunRequest(workspace.repo.head(), 1, "mark", folder, 120))


@EVERY_LEVEL
def test_an_inner_repository_of_a_run_is_named_and_not_entered(
    tmp_path: Path, canary: Path, level: str
) -> None:
    """The run counts, what it left is named and gone, and no program that it named has run."""
    workspace = make(tmp_path / "w", PLANTS.replace("CANARY", str(canary)) + noisy())

    measured = measure(workspace, level)

    assert measured.outcome == "ok"
    assert {"inner/.git", "inner/deeper/.git", ".gitattributes"} <= set(measured.left)
    assert not canary.exists()
    assert not list((workspace.private / "worktrees").iterdir())


@EVERY_LEVEL
def test_a_run_in_a_replaced_checkout_of_git(tmp_path: Path, canary: Path, level: str) -> None:
    """A `.git` of its own in the top folder is nothing to us, and a changed fixed file is still
    found."""
    plants = PLANTS.replace("CANARY", str(canary)).replace('("inner",', '(".", "inner",')
    plants = "import os\nos.unlink('.git')\n" + plants + "open('prepare.py', 'a').write('#')\n"
    workspace = make(tmp_path / "w", plants + noisy())

    measured = measure(workspace, level)

    assert measured.outcome == "changed fixed files" and "prepare.py" in measured.reason
    assert not canary.exists()


def plant(folder: Path, canary: Path) -> None:
    code = PLANTS.replace("CANARY", str(canary))
    subprocess.run(["python3", "-c", code], cwd=folder, check=True)


def leave_repository(canary: Path) -> Callable[[Path], None]:
    return lambda worktree: plant(worktree, canary)


@pytest.mark.parametrize("toml", [TOML, ANYTHING])
def test_an_inner_repository_of_an_agent_is_refused(
    tmp_path: Path, canary: Path, toml: str
) -> None:
    """Also where a free pattern covers everything: the edit is a crash with a sentence, and the
    next one goes on."""
    workspace = make(tmp_path / "w", noisy(), toml)

    research(workspace, Writes(leave_repository(canary), noisy(0.5)), experiments=2)

    records = workspace.ledger.records()
    crash = next(record for record in records if record.status == "crash")
    assert "git repository of its own (inner/.git" in crash.reason
    assert [record.status for record in records][-1] == "keep"
    assert not canary.exists()


@pytest.mark.parametrize(
    "name", [".gitattributes", ".gitmodules", ".lfsconfig", "sub/.gitattributes"]
)
def test_what_git_reads_is_never_free(tmp_path: Path, canary: Path, name: str) -> None:
    """Attributes would choose programs of the user's own configuration at the next checkout."""
    workspace = make(tmp_path / "w", noisy(), ANYTHING)
    with workspace.fresh(workspace.repo.head()) as checkout:
        (checkout.path / name).parent.mkdir(exist_ok=True)
        (checkout.path / name).write_text("* filter=users\n")
        (checkout.path / "train.py").write_text("x = 1\n")
        commit = workspace.commit(checkout, "attributes")

    assert workspace.repo.changed_between(workspace.repo.head(), commit) == ["train.py"]
    assert not canary.exists()


def with_submodule(tmp_path: Path) -> tuple[Workspace, str]:
    """A workspace whose second commit holds a submodule."""
    inner = Repo.init(tmp_path / "inner")
    (inner.path / "a.py").write_text("a = 1\n")
    inner.add(["a.py"])
    inner.commit("inner")
    workspace = make(tmp_path / "w", noisy())
    first = workspace.repo.head()
    workspace.repo.git(
        "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner.path), "sub"
    )
    workspace.repo.commit("with a submodule")
    return workspace, first


def test_a_submodule_is_refused_at_start(tmp_path: Path, canary: Path) -> None:
    """With a sentence, and without entering it: neither at the commit checked out nor at the tip
    of the branch."""
    workspace, first = with_submodule(tmp_path)
    config = workspace.folder / ".git" / "modules" / "sub" / "config"
    config.write_text(
        f"{config.read_text()}\tfsmonitor = touch {canary}; true\n[filter "
        f'"evil"]\n\tclean = touch {canary}\n'
    )
    (workspace.folder / "sub" / ".gitattributes").write_text("* filter=evil\n")
    (workspace.folder / "sub" / "a.py").write_text("a = 2\n")

    workspace.check_clean()
    with pytest.raises(BadWorkspace, match=r"sub in commit .* is a git repository of its own"):
        workspace.check_ready()
    tip = workspace.repo.head()
    workspace.repo.set_ref("refs/heads/autoresearch/w", tip)
    workspace.repo.git("update-ref", "HEAD", first)
    with pytest.raises(BadWorkspace, match="git repository of its own"):
        workspace.start_branch("refs/heads/autoresearch/w")

    assert not canary.exists()


def test_a_submodule_added_by_an_agent_is_refused(tmp_path: Path, canary: Path) -> None:
    """`git submodule add` in the checkout leaves a repository, whatever the agent committed
    itself."""
    inner = Repo.init(tmp_path / "inner")
    (inner.path / "a.py").write_text("a = 1\n")
    inner.add(["a.py"])
    inner.commit("inner")
    workspace = make(tmp_path / "w", noisy(), ANYTHING)
    with workspace.fresh(workspace.repo.head()) as checkout:
        theirs = Repo(checkout.path)
        theirs.git(
            "-c",
            "protocol.file.allow=always",
            "submodule",
            "--quiet",
            "add",
            str(inner.path),
            "sub",
        )
        theirs.commit("mine")
        with pytest.raises(OutsideFree, match=r"git repository of its own \(sub/.git\)"):
            workspace.commit(checkout, "a submodule")


def test_a_changed_configuration_of_the_repository_is_put_back(
    tmp_path: Path, canary: Path
) -> None:
    """An agent's checkout shares the repository's configuration; what it wrote there is put back
    before git is asked again."""
    workspace = make(tmp_path / "w", noisy(), files={".gitattributes": "*.py filter=evil\n"})

    def configures(worktree: Path) -> None:
        (worktree / "train.py").write_text(noisy(0.5))
        theirs = Repo(worktree)
        for what in ("clean", "smudge"):
            theirs.git("config", f"filter.evil.{what}", f"touch {canary}; cat")

    before = (workspace.folder / ".git" / "config").read_bytes()
    screen = io.StringIO()
    research(workspace, Writes(configures), display=Display(Console(file=screen)), experiments=1)

    assert "changed while an agent edited, and was put back" in screen.getvalue()
    assert (workspace.folder / ".git" / "config").read_bytes() == before
    assert [record.status for record in workspace.ledger.records()] == ["keep", "keep"]
    assert not canary.exists()
    assert os.path.getsize(workspace.private / "config.changed") > len(before)


DEEP = """
import os
for where in (PLACE,):
    inner = os.open(where, os.O_RDONLY)
    for _ in range(1100):
        os.mkdir("d", dir_fd=inner)
        inner, outer = os.open("d", os.O_RDONLY, dir_fd=inner), inner
        os.close(outer)
"""


@pytest.mark.parametrize(
    "place",
    [
        "'.'",
        "os.environ['AUTORESEARCH_RUN_DIR']",
        "os.environ['HOME']",
        "os.environ['HOME'] + '/cache'",
    ],
)
@pytest.mark.parametrize("level", ["bwrap", "landlock"])
def test_a_thousand_nested_folders_end_one_run_and_no_loop(
    tmp_path: Path, level: str, place: str
) -> None:
    """Wherever a run leaves them it is a crash with a sentence, the next run goes on, and nothing
    stays on disk."""
    workspace = make(tmp_path / "w", noisy())
    deep = DEEP.replace("PLACE", place) + noisy(0.1)

    using = Runner(workspace, choose_sandbox(level), ENVIRONMENT)
    research(workspace, Writes(deep, noisy(0.5)), using=using, experiments=2)

    crash, keep = workspace.ledger.records()[-2:]
    assert crash.status == "crash" and "more than 64 folders inside each other" in crash.reason
    assert keep.status == "keep"
    assert not list((workspace.private / "worktrees").iterdir())
    left = workspace.private / "runs" / crash.id / "1"
    assert not [path.name for path in left.iterdir() if path.is_dir()]


def test_an_agent_that_leaves_a_thousand_nested_folders_ends_no_loop(tmp_path: Path) -> None:
    """The edit is refused with a sentence."""
    workspace = make(tmp_path / "w", noisy())

    def nests(worktree: Path) -> None:
        subprocess.run(["python3", "-c", DEEP.replace("PLACE", "'.'")], cwd=worktree, check=True)

    research(workspace, Writes(nests, noisy(0.5)), experiments=2)

    assert [r.status for r in workspace.ledger.records()][-1] == "keep"
    assert not list((workspace.private / "worktrees").iterdir())


def test_many_files_are_a_crash(tmp_path: Path) -> None:
    """`limits.files` counts what a run leaves besides the commit's own files, empty ones too."""
    code = "import os\nfor n in range(300): open(str(n), 'w').close()\n"
    workspace = make(tmp_path / "w", code + noisy(), TOML + "[limits]\nfiles = 200\n")

    measured = measure(workspace, "bwrap")

    assert measured.value is None and "files and folders" in measured.reason


def test_a_checkout_of_an_agent_on_the_branch_is_not_followed_into(
    tmp_path: Path, canary: Path
) -> None:
    """The branch moves; git is not run in a folder that an agent wrote in, only because the branch
    is checked out there."""
    workspace = make(tmp_path / "w", noisy())
    branch, first = "refs/heads/autoresearch/w", workspace.repo.head()
    with workspace.lock(), workspace.fresh(first) as edited:
        workspace.start_branch(branch)
        (edited.path / "train.py").write_text(noisy(0.5))
        better = workspace.commit(edited, "better")
        with workspace.fresh(first) as other:
            Repo(other.path).git("switch", "-q", "autoresearch/w")
            (other.path / ".git").unlink()
            hostile = Repo.init(other.path)
            hostile.git("config", "core.fsmonitor", f"touch {canary}; true")
            workspace.advance(branch, better, first)

    assert workspace.repo.ref(branch) == better
    assert not canary.exists()
