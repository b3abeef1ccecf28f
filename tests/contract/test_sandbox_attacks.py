"""Every attack of the package fails in every sandbox, and succeeds where there is none.

bubblewrap and Landlock have to work where the tests run; a machine without them fails here with
what to install.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from autoresearch.researcher.sandbox import choose_sandbox, probe_backends
from autoresearch.researcher.sandbox.attacks import ATTACKS, GROUPS
from autoresearch.researcher.sandbox.conformance import (
    AttackResult,
    InRoom,
    attacks_on_room,
    judge_attack,
    quick_attacks,
    run_attacks,
)
from autoresearch.researcher.sandbox.job import Finished
from sandbox_jobs import ISOLATED, ROOT, Unprotected

DOC = Path(__file__).parents[2] / "docs" / "sandbox.md"


def names(results: Sequence[AttackResult], *, blocked: bool) -> list[str]:
    return [f"{r.attack.name}: {r.detail}" for r in results if r.blocked is blocked]


@ISOLATED
def test_every_attack_fails(level: str) -> None:
    """In the sandbox none comes through, and none could not be tried."""
    results = run_attacks(choose_sandbox(level))

    assert len(results) >= 30
    assert names(results, blocked=False) == []


def test_every_attack_can_succeed() -> None:
    """Without a sandbox each one escapes, but for those that say what they lack here. So the test
    above can fail."""
    needs = {"kernel"} if ROOT else {"kernel", "root"}
    results = run_attacks(Unprotected(), [a for a in ATTACKS if a.needs not in needs])

    assert len(results) >= 30
    assert names(results, blocked=True) == []


def test_without_isolation_the_environment_and_the_end_are_still_clean() -> None:
    """`none` keeps our environment and descriptors back, and ends daemons; it promises no more."""
    promised = [
        a
        for a in ATTACKS
        if a.name in ("environment", "inherited-descriptors", "daemon", "stubborn-daemon")
    ]

    assert names(run_attacks(choose_sandbox("none"), promised), blocked=False) == []


@ISOLATED
def test_a_coding_agents_room_holds(level: str) -> None:
    """With the network open what is the user's stays out of reach: keys, data, processes, sockets
    of services."""
    results = run_attacks(InRoom(choose_sandbox(level)), attacks_on_room())

    assert len(results) >= 20
    assert names(results, blocked=False) == []


def test_silence_is_not_safety() -> None:
    """An attack that could not run proves nothing and counts as failed."""
    attack = ATTACKS[0]

    assert not judge_attack(
        attack, Finished(1, False, 0.1, "ended with exit code 1"), "Traceback", []
    ).blocked
    assert judge_attack(attack, Finished(0, False, 0.1, ""), "BLOCKED OSError", []).blocked
    assert not judge_attack(
        attack, Finished(0, False, 0.1, ""), "BLOCKED x\nESCAPED read the canary", []
    ).blocked


def test_the_best_level_that_works_is_taken() -> None:
    """auto is the first that probe finds working; each says something of itself."""
    levels = probe_backends()

    assert choose_sandbox("auto").name == next(level.name for level in levels if level.works)
    assert all(level.detail for level in levels)


def test_names_are_unique_and_documented() -> None:
    """docs/sandbox.md has each attack in the table of its kind, in the words that `doctor` says,
    and how many there are; the short round is short."""
    text = DOC.read_text("utf-8")
    needs = {"": "nothing", "root": "being root", "kernel": "a kernel that has it"}

    assert len({a.name for a in ATTACKS}) == len(ATTACKS) >= 94
    assert f"{len(ATTACKS)} small programs" in text
    for title, group in GROUPS.items():
        table = text.partition(f"### {title}\n")[2].partition("\n\n#")[0]
        rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
        assert rows == [f"| {a.name} | {a.tries} | {needs[a.needs]} |" for a in group]
    assert 5 <= len(quick_attacks()) <= 12
