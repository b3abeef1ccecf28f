"""An experiment in a folder of a larger repository: its runs find the whole of it, its commits
change that folder only, and its ledger lies there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from autoresearch.git.repo import Repo
from autoresearch.researcher.agents.base import Brief, Edit
from autoresearch.researcher.experiment import Runner
from autoresearch.researcher.init import start_own
from autoresearch.researcher.own_files import find_own_files
from autoresearch.researcher.run_request import RunRequest
from autoresearch.researcher.sandbox import choose_sandbox
from autoresearch.researcher.workspace import Workspace
from git_work import Work
from tiny_workspaces import command, research

# reads a library beside its folder, a file in it and one that git ignores
BENCH = """\
import sys
sys.path.insert(0, "../../libs")
import shared, opt
print("score:", opt.X + shared.ADD + float(open("data/own.txt").read()))
"""
PATH = "/usr/bin:/bin"


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    """Two projects and a library."""
    repo = Repo.init(tmp_path / "mono")
    files = {
        "apps/sort/opt.py": "X = 5  # 1 to 9\n",
        "apps/sort/bench.py": BENCH,
        "apps/rank/opt.py": "X = 3  # 1 to 9\n",
        "apps/rank/bench.py": "import opt\nprint('score:', opt.X)\n",
        "libs/shared.py": "ADD = 10\n",
        ".gitignore": "data/\n__pycache__/\n",
    }
    for name, text in files.items():
        (repo.path / name).parent.mkdir(parents=True, exist_ok=True)
        (repo.path / name).write_text(text)
    repo.add(files)
    repo.commit("Start")
    (repo.path / "apps/sort/data").mkdir()
    (repo.path / "apps/sort/data/own.txt").write_text("0.5")
    return repo


def experiment(repo: Repo, name: str, *reads: str) -> Workspace:
    folder = repo.path / name
    start_own(folder, ["opt.py"], "python bench.py", "score")
    file = folder / "autoresearch.toml"
    text = file.read_text()
    file.write_text(text.replace("timeout_s = 0", f"reads = {json.dumps(reads)}\ntimeout_s = 60"))
    return Workspace(folder)


def sandboxed(workspace: Workspace) -> Runner:
    own = find_own_files(workspace, (), PATH)
    walls = choose_sandbox("auto")
    return Runner(workspace, walls, {"PATH": PATH}, readable=own.paths, links=own.links)


class Writes:
    """Writes texts into files of the checkout, one set an experiment."""

    name = "writes"

    def __init__(self, *edits: dict[str, str]) -> None:
        self.edits = list(edits)

    def edit(self, worktree: Path, brief: Brief) -> Edit:
        for name, text in self.edits.pop(0).items():
            (worktree / name).write_text(text)
        return Edit(f"idea {brief.number}")


@pytest.mark.slow
def test_a_folder_of_a_monorepo_is_researched_whole(repo: Repo) -> None:
    """Kept commits change its free file alone, from the folder's own ledger to the branch of its
    name; a change beside it is refused; git sees nothing new anywhere."""
    workspace = experiment(repo, "apps/sort", "data")
    agent = Writes({"apps/sort/opt.py": "X = 2\n"}, {"libs/shared.py": "ADD = 0\n"})

    summary = research(workspace, agent, using=sandboxed(workspace), experiments=2, baseline_runs=2)

    base, better, refused = workspace.ledger.records()
    assert (base.value, better.value, better.status) == (15.5, 12.5, "keep")
    assert refused.status == "crash" and "libs/shared.py" in refused.reason
    assert summary.branch == "autoresearch/sort"
    assert repo.changed_between(base.commit, summary.branch) == ["apps/sort/opt.py"]
    assert (repo.path / "apps/sort/results.tsv").exists()
    assert not (repo.path / ".autoresearch").exists()
    assert [change.path for change in repo.changes()] == ["apps/sort/autoresearch.toml"]


@pytest.mark.slow
def test_two_experiments_of_one_repository(repo: Repo) -> None:
    """Each with its ledger and branch; neither's attempts take the other's place."""
    sort, rank = experiment(repo, "apps/sort", "data"), experiment(repo, "apps/rank")
    for workspace, at in ((sort, "apps/sort"), (rank, "apps/rank"), (sort, "apps/sort")):
        agent = Writes({f"{at}/opt.py": f"X = {len(workspace.ledger.records()) - 4}\n"})
        research(workspace, agent, using=sandboxed(workspace), experiments=1, baseline_runs=2)

    assert [record.value for record in sort.ledger.records()] == [15.5, 6.5, 8.5]
    assert [record.value for record in rank.ledger.records()] == [3, -4]
    kept = {record.commit for one in (sort, rank) for record in one.ledger.records()}
    anchored = set(repo.refs("refs/autoresearch/attempts/").values())
    assert kept - {repo.head()} <= anchored


@pytest.mark.parametrize("name", ["../../libs/own.txt", "data/own.txt", "."])
def test_what_a_run_in_a_folder_reads(repo: Repo, name: str) -> None:
    """Ignored files of the folder, and of its repository beside it; not the folder as a whole."""
    (repo.path / "libs/own.txt").write_text("7")
    bench = f"print('score:', float(open({name!r}).read()))\n"
    (repo.path / "apps/rank/bench.py").write_text(bench)
    (repo.path / "apps/rank/data").mkdir()
    (repo.path / "apps/rank/data/own.txt").write_text("7")
    repo.add(["apps/rank/bench.py"])
    repo.commit("Read")
    workspace = experiment(repo, "apps/rank", *([] if name == "." else [name]))

    place = workspace.private / "runs" / "1"
    measured = sandboxed(workspace).measure(RunRequest(repo.head(), 1, "monorepo", place, 60))

    assert measured.value == (None if name == "." else 7), measured


@pytest.mark.slow
def test_a_folder_of_a_monorepo_by_the_command_line_and_on_a_hub(
    repo: Repo, two_workers: Any
) -> None:
    """`init`, `run --hub`, `status` and `report` take the folder; what is pushed is a commit of the
    whole repository that differs in the folder's file."""
    agent, folder = two_workers.agent(), repo.path / "apps/rank"
    words = ("--command", "python bench.py", "--free", "opt.py", "--metric", "score")
    made = command("init", str(folder), *words)
    assert made.returncode == 0 and str(folder) in made.stdout, made.stderr
    script = repo.path.parent / "script"
    script.write_text(json.dumps({"message": "less", "files": {"apps/rank/opt.py": "X = 1\n"}}))
    env = {"PATH": PATH, "HOME": str(repo.path.parent)}
    ran = command(
        "run", str(folder), "--experiments", "1", "--baseline-runs", "2", "--unsafe-no-sandbox",
        "--hub", two_workers.url, "--agent-id", f"m{agent.id}", "--platform", "mono",
        "--agent", "scripted", "--script", str(script), env=env,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    told = json.loads(command("status", str(folder), "--json").stdout)
    assert told["folder"] == str(folder)
    assert command("report", str(folder)).returncode == 0

    records = Workspace(folder).ledger.records()
    assert [record.status for record in records] == ["keep", "keep"], records
    found = two_workers.http.get("/api/results", params={"platform": "mono"}, headers=agent.headers)
    pushed = [result["commit_hash"] for result in found.json() if result["status"] == "keep"]
    assert pushed and all(pushed)
    work = Work.new(repo.path.parent / "peer")
    url = two_workers.url.replace("http://", f"http://x:{agent.key}@") + "/git"
    work.git("fetch", "-q", url, pushed[0])
    assert "libs/shared.py" in work.git("ls-tree", "-r", "--name-only", "FETCH_HEAD")
