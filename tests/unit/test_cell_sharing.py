"""Cells of waves on a real hub, from the side of who asks: pushed, asked for, told, withdrawn; and
on hubs that are not well."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from autoresearch.git.repo import Repo
from autoresearch.models import Cell
from autoresearch.researcher.swarm import cell_sharing
from autoresearch.researcher.swarm.base import SharedCell
from autoresearch.researcher.swarm.cell_sharing import CellSharing
from autoresearch.researcher.swarm.hub_session import HubSession
from autoresearch.researcher.swarm.membership import Member, Membership
from autoresearch.researcher.swarm.swarm_state import SwarmState
from strange_hub import Asked, Reply, strange_hub, told
from swarms import until
from tiny_workspaces import make, noisy

GPU, TRACK = "a GPU", "a-track"


class Pocket:
    """A keyring that holds one key."""

    def __init__(self, member: Member) -> None:
        self.member = member

    def load(self) -> Member | None:
        return self.member

    def adopt(self, name: str) -> Member | None:
        return None

    def save(self, member: Member) -> None:
        self.member = member


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounds that a test can wait for."""
    monkeypatch.setattr(cell_sharing, "ROUND_S", 0.05)


@contextmanager
def sharing(folder: Path, url: str, member: Member, said: list[str]) -> Iterator[CellSharing]:
    repo = Repo(folder) if folder.exists() else make(folder, noisy()).repo
    membership = Membership(url, member.agent_id, Pocket(member))
    link = HubSession(membership, SwarmState(folder / "swarm.json"), said.append)
    found = CellSharing(link, repo, GPU, TRACK, said.append)
    found.start()
    yield found
    found.close()


def held_by(cell: Any) -> str | None:
    return None if cell is None else str(cell.held_by)


def take(agent: Any) -> Any:
    body = {"platform": GPU, "track": TRACK, "cells": True}
    return agent.post("/api/work", body).json()["lease"]


def test_a_cell_is_asked_for_and_its_value_comes_back(
    own_hub: Callable[..., Any], tmp_path: Path
) -> None:
    """Its commit is pushed with it; who is at it is known, then what they say; what is not wanted
    any more is withdrawn."""
    hub = own_hub()
    asker, helper, said = hub.agent("asker"), hub.agent("helper"), list[str]()
    with sharing(tmp_path / "w", hub.url, Member(asker.id, asker.key), said) as cells:
        head = cells.repo.head()
        one, other = SharedCell(head, 1), SharedCell(head, 2)
        assert cells.find(one) is None
        cells.ask([one, other])
        lease = until(lambda: take(helper), "the first cell is handed out")
        assert lease["cell"]["seed"] == 1
        # it may be handed out before its asker has the answer that it is asked for
        until(lambda: held_by(cells.find(one)) == helper.id, "it is known who is at it")
        helper.post(f"/api/work/{lease['id']}/report", {**lease["cell"], "val_bpb": 0.75})
        until(lambda: has_number(cells.find(one), 0.75), "the value comes back")
        assert cells.find(one).run_by == helper.id
        cells.withdraw(other)
        until(lambda: [c["outcome"] for c in asker.get("/api/cells").json()]
              == ["withdrawn", "done"], "the other one is withdrawn")  # fmt: skip
    assert said == []


def test_what_an_earlier_call_left_is_withdrawn(
    own_hub: Callable[..., Any], tmp_path: Path
) -> None:
    """A researcher that was killed asked for runs that nobody needs any more; one that ends
    withdraws them itself."""
    hub = own_hub()
    asker, said = hub.agent("asker"), list[str]()
    member = Member(asker.id, asker.key)
    with sharing(tmp_path / "w", hub.url, member, said) as cells:
        cells.ask([SharedCell(cells.repo.head(), 1)])
        until(lambda: asker.get("/api/cells").json(), "it is asked for")
    outcomes = [cell["outcome"] for cell in asker.get("/api/cells").json()]
    body = {"commit": cells.repo.head(), "platform": GPU, "track": TRACK, "seed": 5}
    assert asker.post("/api/cells", body).status_code == 201
    with sharing(tmp_path / "w", hub.url, member, said):
        until(lambda: asker.get("/api/cells").json()[0]["outcome"], "the leftover is withdrawn")

    assert outcomes == ["withdrawn"]


def test_an_older_hub_is_told_once(tmp_path: Path) -> None:
    """One without cells: a sentence, and no further questions; the loop finds nothing delivered."""
    said: list[str] = []
    with strange_hub(lambda asked: told(404, {"error": "no such page"})) as hub:
        with sharing(tmp_path / "w", hub.url, Member("ada", "ahk_" + "a" * 32), said) as cells:
            cells.ask([SharedCell(cells.repo.head(), 1)])
            until(lambda: not cells.thread.is_alive(), "the thread ends")
            count = len(hub.asked)
            assert cells.find(SharedCell(cells.repo.head(), 1)) is None
        assert len(hub.asked) == count

    assert [s for s in said if "waves are not shared with this hub" in s] == said and said


def has_number(cell: Cell | None, number: float) -> bool:
    return cell is not None and cell.val_bpb == number


@pytest.mark.parametrize("value", [1e308 * 10, None, "low", {}])
def test_a_hub_that_answers_nonsense_delivers_nothing(tmp_path: Path, value: Any) -> None:
    """An infinite value, none, or another kind of thing is no value."""
    said: list[str] = []

    def answer(asked: Asked) -> Reply:
        cell = {
            "id": 1, "agent_id": "ada", "commit": commit, "platform": GPU, "track": TRACK,
            "seed": 1, "created_at": "", "expires_at": "", "held_by": None,
            "run_by": "x\u001b[2J" * 99, "val_bpb": value, "outcome": "done",
        }  # fmt: skip
        if asked.path.startswith("/api/git/commits/"):
            commit_row = {
                "hash": commit, "parent_hash": "", "parents": [], "agent_id": "",
                "message": "", "created_at": "",
            }  # fmt: skip
            return told(200, commit_row)
        return told(200, cell if asked.method == "POST" else [cell])

    with strange_hub(answer) as hub:
        commit = make(tmp_path / "w", noisy()).repo.head()
        with sharing(tmp_path / "w", hub.url, Member("ada", "ahk_" + "a" * 32), said) as cells:
            cells.ask([SharedCell(commit, 1)])
            until(lambda: len([a for a in hub.asked if "cells" in a.path]) >= 2, "it is asked", 20)
            state = cells.find(SharedCell(commit, 1))

    if state is not None:  # an answer of another form is none
        assert state.val_bpb is None and state.run_by and "\x1b" not in state.run_by
        assert len(state.run_by) <= 63
