"""The loop, driven in this process with real git and real runs: what is kept, what is dropped,
what a person is told."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from autoresearch.errors import BadWorkspace, Conflict
from autoresearch.researcher.agents.base import AgentFailed, Brief, Edit
from autoresearch.researcher.agents.scripted import ScriptedAgent
from autoresearch.researcher.display import Display
from autoresearch.researcher.loop import Loop, Options
from autoresearch.researcher.workspace import Workspace
from tiny_workspaces import TOML, Writes, kept, make, noisy, research, runner

# prints tokens and seconds as well; the pace is read from a file outside, so that a test can slow
# the "machine"
PACED = """\
import os, pathlib
VALUE = {value}
pace = float(pathlib.Path({pace!r}).read_text().split()[0]) * {own}
print(f"val_bpb: {{VALUE + 0.1 / pace:.6f}}")
print("training_seconds: 10.0")
print(f"total_tokens_M: {{10 * pace}}")
"""


def test_a_night_in_short(tmp_path: Path) -> None:
    """Baseline first; gains advance the branch, losses and crashes do not; every attempt stays
    reachable and in both ledgers."""
    workspace = make(tmp_path, noisy(1.0, 0.001))
    agent = Writes(
        noisy(0.9, 0.001), noisy(1.5, 0.001), "raise SystemExit('broken')\n", noisy(0.8, 0.001)
    )

    summary = research(workspace, agent, experiments=4)

    records = workspace.ledger.records()
    assert [r.status for r in records] == ["keep", "keep", "discard", "crash", "keep"]
    assert records[0].is_baseline and 3 == len(records[0].values) == len(set(records[0].seeds))
    assert [records[1].commit, records[4].commit] == kept(workspace, summary.branch)
    assert [records[1].commit] * 3 == [r.parent for r in records[2:]]
    assert {r.id: r.commit for r in records[1:]} == {
        i: workspace.repo.resolve(f"refs/autoresearch/attempts/{i}")
        for i in workspace.attempt_ids()
    }
    assert len(workspace.ledger.tsv.read_text().splitlines()) == 6
    assert summary.ended == "4 experiments finished"


def test_inside_the_noise_it_runs_again(tmp_path: Path) -> None:
    """A small gain is not judged by one run: the best runs again, and it too, with one seed that
    nothing had yet; all runs stand in the record, the first beside the best's first."""
    workspace = make(tmp_path, noisy(1.0, 0.01), toml=TOML + "[judge]\nalpha = 0.2\n")

    research(workspace, Writes(noisy(0.988, 0.00001)), experiments=1, seed=6)

    base, candidate = workspace.ledger.records()
    assert len(candidate.parent_values) > len(base.values), candidate.reason
    assert len(candidate.values) == len(set(candidate.seeds))
    assert candidate.seeds[0] == base.seeds[0]
    assert candidate.recheck_seeds == candidate.seeds[1:2] or len(candidate.values) == 1
    assert not set(candidate.recheck_seeds) & set(base.seeds)


def test_simpler_and_equal_is_kept(tmp_path: Path) -> None:
    """The same value with fewer lines is an improvement."""
    longer = "# one\n# two\n# three\nprint('val_bpb: 1.0')\n"
    workspace = make(tmp_path, longer)

    research(workspace, Writes("print('val_bpb: 1.0')\n"), experiments=1)

    assert (
        workspace.ledger.records()[-1].status,
        "simpler" in workspace.ledger.records()[-1].reason,
    ) == ("keep", True)


def test_a_refused_edit_never_runs(tmp_path: Path) -> None:
    """An agent that edits the judge gets a verdict without a run; its diff can still be looked
    at."""
    workspace = make(tmp_path, noisy())

    def cheat(worktree: Path) -> None:
        (worktree / "prepare.py").write_text("LIMIT = 9\n")

    research(workspace, Writes(cheat), experiments=1)

    last = workspace.ledger.records()[-1]
    assert (last.status, last.seeds, "changed prepare.py, which is fixed" in last.reason) == (
        "crash",
        (),
        True,
    )
    assert "LIMIT = 9" in workspace.repo.diff(last.parent, last.commit)


def test_files_of_an_agents_own_are_named_where_they_may_be_the_cause(tmp_path: Path) -> None:
    """Beside a good edit they stand in the record and cost nothing; where the edit needed one, the
    crash says that it was left out."""
    workspace = make(tmp_path, noisy(1.0, 0.001))

    def leaves(text: str) -> Callable[[Path], None]:
        def edit(worktree: Path) -> None:
            (worktree / "train.py").write_text(text)
            (worktree / "helper.py").write_text("x = 1\n")

        return edit

    good, bad = noisy(0.9, 0.001), f"import helper\n{noisy(0.5, 0.001)}"
    research(workspace, Writes(leaves(good), leaves(bad)), experiments=2)

    kept, crashed = workspace.ledger.records()[-2:]
    assert (kept.status, kept.proposal["left_out"]) == ("keep", ["helper.py"])
    assert crashed.status == "crash" and "left out of the edit, for it is not free: helper.py" in (
        crashed.reason
    )


def test_a_baseline_that_does_not_run_ends_it(tmp_path: Path) -> None:
    """Nothing can be compared with code that does not run: a sentence, no record, and the fix is
    picked up."""
    workspace = make(tmp_path, "print('no number')\n")

    with pytest.raises(BadWorkspace, match=r"unchanged code does not run.*without printing"):
        research(workspace, Writes(), experiments=1)
    assert workspace.ledger.records() == []


def test_the_second_call_goes_on(tmp_path: Path) -> None:
    """`--experiments N` are N further ones; the baseline is not measured again, ids and branch go
    on."""
    workspace = make(tmp_path, noisy(1.0, 0.001))
    research(workspace, Writes(noisy(0.9, 0.001)), experiments=1)
    summary = research(workspace, Writes(noisy(0.8, 0.001), noisy(0.7, 0.001)), experiments=2)

    assert [r.id for r in workspace.ledger.records()] == ["0001", "0002", "0003", "0004"]
    assert len(kept(workspace, summary.branch)) == 3 and len(summary.finished) == 2


def test_an_agent_that_fails_is_asked_again_and_then_no_more(tmp_path: Path) -> None:
    """One failed edit costs nothing; three in a row end the loop with a sentence instead of
    spinning."""

    class Fails:
        name = "fails"

        def __init__(self, times: int) -> None:
            self.left = times

        def edit(self, worktree: Path, brief: Brief) -> Edit:
            self.left -= 1
            if self.left >= 0:
                raise AgentFailed("no idea")
            (worktree / "train.py").write_text(noisy(0.5, 0.001))
            return Edit("at last")

    workspace = make(tmp_path, noisy(1.0, 0.001))

    assert len(research(workspace, Fails(2), experiments=1).finished) == 1
    ended = research(workspace, Fails(9), experiments=5)
    assert (len(ended.finished), "failed 3 times in a row" in ended.ended) == (0, True)


def test_a_changed_experiment_is_not_mixed_in(tmp_path: Path) -> None:
    """Another metric on the same branch is refused; on another branch it gets its own baseline."""
    train = "print('val_bpb: 1.0')\nprint('loss: 2.0')\n"
    workspace = make(tmp_path, train)
    research(workspace, Writes(), experiments=0)
    (tmp_path / "autoresearch.toml").write_text(TOML + 'metric = "loss"\n')

    with pytest.raises(BadWorkspace, match="--branch"):
        research(Workspace(tmp_path), Writes(), experiments=0)
    research(Workspace(tmp_path), Writes(), experiments=0, branch="by-loss")

    assert [("autoresearch/" + tmp_path.name, 1.0), ("by-loss", 2.0)] == [
        (r.branch, r.value) for r in workspace.ledger.records()
    ]


def test_a_branch_moved_by_hand_is_noticed(tmp_path: Path) -> None:
    """Experiments do not start from a commit that was never judged; the sentence says how to go
    on."""
    workspace = make(tmp_path, noisy())
    summary = research(workspace, Writes(), experiments=0)
    (tmp_path / "train.py").write_text("pass\n")
    workspace.repo.add(["train.py"])
    workspace.repo.set_ref(f"refs/heads/{summary.branch}", workspace.repo.commit("by hand"))

    with pytest.raises(Conflict, match=r"update-ref.*--branch NAME"):
        research(workspace, Writes(noisy()), experiments=1)


def paced(folder: Path, value: float, own: float = 1.0) -> str:
    return PACED.format(value=value, pace=str(folder / "pace"), own=own)


def test_a_contended_run_is_repeated_not_judged(tmp_path: Path) -> None:
    """While something else slows the machine a run is not judged; once it is over, the good run
    alone counts."""
    (tmp_path / "pace").write_text("1.0")
    workspace = make(tmp_path / "w", paced(tmp_path, 1.0))
    research(workspace, Writes(), experiments=0)

    (tmp_path / "pace").write_text("0.3")
    seen: list[str] = []
    stop = threading.Event()

    class Watches(Display):
        def verdict(self, number: str, word: str, text: str) -> None:
            seen.append(word)
            (tmp_path / "pace").write_text("1.0")  # the neighbour leaves after the first run

    display = Watches(Console(quiet=True))
    with workspace.lock():
        Loop(
            workspace,
            Writes(paced(tmp_path, 0.9)),
            runner(workspace, stop),
            Options(experiments=1),
            display,
            stop,
        ).run()

    last = workspace.ledger.records()[-1]
    assert "repeat" in seen and last.status == "keep" and last.contended
    assert (
        all(value == pytest.approx(1.0) for value in last.values)
        and "slowed by other work" in last.reason
    )


def test_a_machine_that_became_faster_is_not_an_improvement(tmp_path: Path) -> None:
    """An unchanged candidate that runs on a machine grown faster looks better; running the parent
    again shows it is not."""
    (tmp_path / "pace").write_text("1.0")
    workspace = make(tmp_path / "w", paced(tmp_path, 1.0))
    research(workspace, Writes(), experiments=0)
    (tmp_path / "pace").write_text("2.0")

    research(workspace, Writes(paced(tmp_path, 1.0) + "# nothing new\n"), experiments=1)
    last = workspace.ledger.records()[-1]
    assert (last.status, "speed has changed" in last.reason) == ("discard", True), last
    assert last.parent_values == (1.05,)

    research(workspace, Writes(paced(tmp_path, 0.9)), experiments=1)
    assert (
        workspace.ledger.records()[-1].status,
        workspace.ledger.records()[-1].parent_values,
    ) == ("keep", ())


def test_slower_code_is_judged_as_it_is(tmp_path: Path) -> None:
    """A model twice as slow that still wins is kept: two slow runs that agree are the code's own
    speed."""
    (tmp_path / "pace").write_text("1.0")
    workspace = make(tmp_path / "w", paced(tmp_path, 1.0))

    research(workspace, Writes(paced(tmp_path, 0.5, own=0.5)), experiments=1)

    last = workspace.ledger.records()[-1]
    assert (last.status, len(last.values), "slower code" in last.reason) == ("keep", 2, True)


def test_every_record_is_complete_json(tmp_path: Path) -> None:
    """Each line of experiments.jsonl stands alone, with all the fields readers were promised, and
    no NaN."""
    workspace = make(tmp_path, noisy(), TOML + "[environment]\nAUTORESEARCH_TRACK = 'pystd-20s'\n")
    research(workspace, Writes("print('val_bpb: nan')\n"), experiments=1, platform="test-machine")
    promised = [
        "id",
        "commit",
        "parent",
        "status",
        "metric",
        "value",
        "values",
        "memory_gb",
        "description",
        "reason",
        "track",
        "platform",
        "seed",
        "training_seconds",
        "total_seconds",
        "tokens_M",
        "num_steps",
        "throughput",
        "contended",
        "agent",
        "started_at",
        "finished_at",
        "log",
        "is_baseline",
    ]

    lines = [
        json.loads(line, parse_constant=pytest.fail)
        for line in workspace.ledger.jsonl.read_text().splitlines()
    ]

    assert all(set(promised) <= set(line) for line in lines)
    assert (lines[1]["track"], lines[1]["platform"], lines[1]["value"]) == (
        "pystd-20s",
        "test-machine",
        None,
    )
    assert all((tmp_path / line["log"]).is_file() for line in lines)


def test_a_script_can_be_replayed(tmp_path: Path) -> None:
    """Edits from a file are taken in turn, over several calls, and then the loop says that they
    are done."""
    workspace = make(tmp_path, noisy(1.0, 0.001))
    steps = [{"message": f"to {v}", "files": {"train.py": noisy(v, 0.001)}} for v in (0.9, 0.8)]

    research(workspace, ScriptedAgent(steps), experiments=1)
    summary = research(workspace, ScriptedAgent(steps))

    assert [r.description for r in workspace.ledger.records()] == ["baseline", "to 0.9", "to 0.8"]
    assert "2 edits are done" in summary.ended


def test_losing_the_journal_loses_no_result(tmp_path: Path) -> None:
    """Without state.json the ledger and the branch still tell where research stands."""
    workspace = make(tmp_path, noisy(1.0, 0.001))
    research(workspace, Writes(noisy(0.9, 0.001)), experiments=1)
    (workspace.private / "state.json").unlink()

    research(workspace, Writes(noisy(0.8, 0.001)), experiments=1)

    assert [(r.id, r.is_baseline) for r in workspace.ledger.records()] == [
        ("0001", True),
        ("0002", False),
        ("0003", False),
    ]
