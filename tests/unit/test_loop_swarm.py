"""The seam between the loop and a hub, with a small swarm in memory: when it is asked, what
becomes of its answers."""

from __future__ import annotations

import io
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console

from autoresearch.errors import Conflict
from autoresearch.git.repo import Repo
from autoresearch.researcher.agents.base import Agent
from autoresearch.researcher.agents.prompt import Note
from autoresearch.researcher.display import Display
from autoresearch.researcher.judging.values import Record
from autoresearch.researcher.loop import Loop, Options, Summary
from autoresearch.researcher.swarm.base import Foreign
from autoresearch.researcher.workspace import Workspace
from tiny_workspaces import Writes, make, noisy, runner

A = 0.001  # noise of one run


class Village:
    """A swarm that lives in this process: offers what it is given, refuses as often as told,
    remembers what it hears."""

    def __init__(
        self, offers: Sequence[Foreign] = (), start: str | None = None, refusals: int = 0
    ) -> None:
        self.offers = list(offers)
        self.first = start
        self.refusals = refusals
        self.heard: list[str] = []

    def open(self) -> None:
        self.heard.append("open")

    def start(self) -> str | None:
        self.heard.append("start")
        return self.first

    def foreign(self, best: Record) -> Foreign | None:
        return self.offers.pop(0) if self.offers else None

    def notes(self) -> Sequence[Note]:
        return ()

    def claim(self, attempt_id: str, idea: str) -> str:
        self.refusals -= 1
        self.heard.append(f"claim {idea}")
        return "someone has it" if self.refusals >= 0 else ""

    def queue_verdict(self, record: Record) -> None:
        self.heard.append(f"{record.status} {record.description}")

    def close(self) -> None:
        self.heard.append("close")


def research(
    workspace: Workspace, agent: Agent, swarm: Village, experiments: int
) -> tuple[Summary, str]:
    """The loop with a swarm, and what it said to a person."""
    stop = threading.Event()
    console = Console(record=True, file=io.StringIO(), width=400)
    loop = Loop(
        workspace,
        agent,
        runner(workspace, stop),
        Options(experiments),
        Display(console),
        stop,
        swarm,
    )
    with workspace.lock():
        return loop.run(), console.export_text()


def elsewhere(workspace: Workspace, train: str, name: str = "train.py") -> str:
    """Another agent's commit beside ours: a child of the first commit, on no branch."""
    with workspace.fresh(workspace.repo.head()) as checkout:
        (checkout.path / name).write_text(train, "utf-8")
        Repo(checkout.path).add([name])
        commit = Repo(checkout.path).commit("theirs")
    workspace.repo.set_ref("refs/autoresearch/foreign/1", commit)
    return commit


def test_a_swarm_hears_of_everything_once_and_in_order(tmp_path: Path) -> None:
    """Joined before anything is decided, asked for a start once, told of every claim and every
    verdict, left at the end."""
    workspace = make(tmp_path / "w", noisy(1.0, A))
    village = Village()

    research(workspace, Writes(noisy(0.9, A), noisy(1.5, A)), village, 2)

    assert village.heard == [
        "open", "start", "keep baseline", "claim idea 1", "keep idea 1", "claim idea 2",
        "discard idea 2", "close",
    ]  # fmt: skip


def test_a_new_branch_starts_where_the_swarm_says(tmp_path: Path) -> None:
    """The baseline is the swarm's commit; a start with other fixed files is refused with a
    sentence and ours is taken."""
    workspace = make(tmp_path / "w", noisy(1.0, A))
    theirs = elsewhere(workspace, noisy(0.7, A))
    research(workspace, Writes(), Village(start=theirs), 0)
    other = make(tmp_path / "o", noisy(1.0, A))
    alien = elsewhere(other, "LIMIT = 2\n", "prepare.py")
    _, said = research(other, Writes(), Village(start=alien), 0)

    assert [r.commit for r in workspace.ledger.records()] == [theirs]
    assert [r.commit for r in other.ledger.records()] == [other.repo.head()]
    assert "prepare.py, which is fixed here" in said


def test_a_better_commit_of_others_is_measured_and_adopted(tmp_path: Path) -> None:
    """It is judged like any candidate; the branch moves to it though it does not descend from our
    best; the record names its agent."""
    workspace = make(tmp_path / "w", noisy(1.0, A))
    theirs = elsewhere(workspace, noisy(0.5, A))
    agent = Writes(noisy(0.9, A), noisy(0.4, A))
    research(workspace, agent, Village(), 1)

    offer = Foreign(theirs, "bob", "halve\nit \x1b[31m", 0.5)
    summary, _ = research(workspace, agent, Village([offer]), 2)

    adopted, after = workspace.ledger.records()[-2:]
    assert (adopted.commit, adopted.agent, adopted.status) == (theirs, "bob", "keep")
    assert adopted.description == f"adopt bob's {theirs[:7]}: halve it [31m"
    assert adopted.proposal == {"adopted": theirs, "from": "bob"}
    assert (after.parent, after.agent) == (theirs, "writes")
    assert workspace.repo.ref(f"refs/heads/{summary.branch}") == after.commit


def test_a_commit_with_other_fixed_files_is_never_run(tmp_path: Path) -> None:
    """A commit that changes the judge is refused with a sentence and costs no experiment."""
    workspace = make(tmp_path / "w", noisy(1.0, A))
    alien = elsewhere(workspace, "LIMIT = 2\n", "prepare.py")

    _, said = research(
        workspace, Writes(noisy(0.9, A)), Village([Foreign(alien, "mallory", "x")]), 1
    )

    assert [r.description for r in workspace.ledger.records()] == ["baseline", "idea 1"]
    assert (
        f"mallory's {alien[:7]} is not tried" in said and "prepare.py, which is fixed here" in said
    )


def test_a_refused_claim_asks_for_the_next_idea(tmp_path: Path) -> None:
    """A refused idea is dropped and leaves no record; the third refusal in a row does not stop
    research."""
    workspace = make(tmp_path / "w", noisy(1.0, A))
    ideas = [noisy(value, A) for value in (0.9, 0.8, 0.7)]

    _, said = research(workspace, Writes(*ideas), Village(refusals=1), 1)
    assert [r.description for r in workspace.ledger.records()] == ["baseline", "idea 2"]
    assert "someone has it" in said

    other = make(tmp_path / "o", noisy(1.0, A))
    research(other, Writes(*ideas), Village(refusals=9), 1)
    assert [r.description for r in other.ledger.records()] == ["baseline", "idea 3"]


def test_a_checked_out_branch_follows_to_a_commit_beside_it(tmp_path: Path) -> None:
    """Where the user has the branch checked out their files become the adopted ones, and their
    untracked files stay."""
    workspace = make(tmp_path / "w", noisy(1.0, A))
    theirs = elsewhere(workspace, noisy(0.5, A))
    summary, _ = research(workspace, Writes(noisy(0.9, A)), Village(), 1)
    workspace.repo.git("checkout", "-q", summary.branch)
    (workspace.folder / "notes.txt").write_text("mine")

    research(workspace, Writes(), Village([Foreign(theirs, "bob", "x")]), 1)

    assert (
        workspace.repo.head() == theirs
        and workspace.repo.branch() == f"refs/heads/{summary.branch}"
    )
    assert (workspace.folder / "train.py").read_text() == noisy(0.5, A)
    assert (workspace.folder / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("work", ["an edit", "an untracked file"])
def test_git_overwrites_no_work_of_the_user(tmp_path: Path, work: str) -> None:
    """Moving a checked-out branch aside stops where a file of the user's is in the way: a
    sentence, and nothing changed."""
    workspace = make(tmp_path / "w", noisy(1.0, A), files={"old.txt": "1"})
    first = workspace.repo.head()
    branch = str(workspace.repo.branch())
    ours = elsewhere(workspace, noisy(0.9, A))
    theirs = elsewhere(workspace, "theirs", "new.txt" if work == "an untracked file" else "old.txt")
    workspace.advance(branch, ours, first)
    mine = workspace.folder / ("new.txt" if work == "an untracked file" else "old.txt")
    mine.write_text("mine")

    with pytest.raises(Conflict, match="could not follow"):
        workspace.advance(branch, theirs, ours)

    assert (mine.read_text(), workspace.repo.head()) == ("mine", ours)
