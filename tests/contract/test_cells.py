"""Cells over the wire: runs of waves that a researcher asks volunteers for, and what they say."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Any

import pytest

from autoresearch.cli import agenthub
from git_work import push_new

TRACK = "a-track"


class Asker:
    """A researcher on a platform nobody else uses."""

    def __init__(self, hub: Any) -> None:
        self.hub, self.gpu, self.agent = hub, f"GPU {secrets.token_hex(4)}", hub.agent("asker")

    def ask(self, commit: str, seed: int = 7, agent: Any = None, change: Any = ()) -> Any:
        body = {"commit": commit, "platform": self.gpu, "track": TRACK, "seed": seed}
        body.update(change)
        return (agent or self.agent).post("/api/cells", body)

    def cell(self, seed: int = 7, agent: Any = None) -> dict[str, Any]:
        """A cell that is asked for, of a commit that is pushed now."""
        answer = self.ask(push_new(agent or self.agent), seed, agent)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def own(self) -> list[dict[str, Any]]:
        return list(self.agent.get("/api/cells").json())

    def take(self, agent: Any, **more: Any) -> dict[str, Any] | None:
        """The lease that a volunteer gets, if it gets one."""
        body = {"platform": self.gpu, "track": TRACK, "cells": True, **more}
        answer = agent.post("/api/work", body)
        assert answer.status_code == 200, answer.text
        return answer.json()["lease"]  # type: ignore[no-any-return]


def report(agent: Any, lease: dict[str, Any] | None, value: float | None) -> Any:
    assert lease is not None
    of = lease["cell"] or lease["result"]
    return agent.post(f"/api/work/{lease['id']}/report", {**of, "val_bpb": value})


def test_a_cell_is_run_by_a_volunteer_and_told_to_its_asker(hub: Any) -> None:
    """It goes to one volunteer, who keeps it by heartbeats; what they say is the asker's to read,
    and stands on no board."""
    asker, volunteer, other = Asker(hub), hub.agent("helper"), hub.agent()
    cell = asker.cell()
    assert (cell["outcome"], cell["held_by"], cell["seed"]) == (None, None, 7)

    lease = asker.take(volunteer)
    assert lease is not None and (lease["kind"], lease["result"]) == ("run", None)
    assert {**lease["cell"], "held_by": None} == cell
    assert asker.take(other) is None
    assert asker.own()[0]["held_by"] == volunteer.id
    assert volunteer.post(f"/api/work/{lease['id']}/heartbeat").status_code == 200
    assert report(other, lease, 1.0).status_code == 403
    told = report(volunteer, lease, 0.75)

    assert told.status_code == 200, told.text
    (found,) = asker.own()
    assert (found["val_bpb"], found["run_by"], found["outcome"]) == (0.75, volunteer.id, "done")
    assert other.get("/api/cells").json() == []
    assert other.get("/api/results", platform=asker.gpu).json() == []
    again = report(volunteer, lease, 0.5)
    assert again.status_code == 409 and "(done)" in again.json()["error"]
    assert asker.own()[0]["val_bpb"] == 0.75
    assert asker.ask(cell["commit"]).json() == found, "asked again it is not run again"


def test_who_gets_no_cell(hub: Any) -> None:
    """Nobody their own, nobody on another platform or track, no client that did not ask for
    cells; somebody on the same network does."""
    asker, volunteer = Asker(hub), hub.agent("helper")
    asker.cell()

    assert asker.take(asker.agent) is None
    assert asker.take(volunteer, platform="another GPU") is None
    assert asker.take(volunteer, track="another") is None
    assert asker.take(volunteer, cells=False) is None
    assert asker.take(volunteer) is not None


def test_a_cell_goes_back_and_is_withdrawn(hub: Any) -> None:
    """Given back it goes to another volunteer, and not to the same again; withdrawn it ends under
    whoever is at it, and only its asker can."""
    asker, one, two = Asker(hub), hub.agent(), hub.agent()
    cell = asker.cell()
    first = asker.take(one)
    assert first is not None
    assert one.delete(f"/api/work/{first['id']}").status_code == 204
    assert asker.take(one) is None
    second = asker.take(two)
    assert second is not None and second["cell"]["id"] == cell["id"]

    path = f"/api/cells/{cell['id']}"
    assert two.delete(path).status_code == 403
    assert [asker.agent.delete(path).status_code for _ in range(2)] == [204, 204]
    beat = two.post(f"/api/work/{second['id']}/heartbeat")
    late = report(two, second, 0.5)
    assert (beat.status_code, late.status_code) == (409, 409)
    assert "(withdrawn)" in beat.json()["error"] and "(withdrawn)" in late.json()["error"]
    assert asker.own()[0]["val_bpb"] is None
    assert asker.ask(cell["commit"]).json()["id"] != cell["id"], "and may be asked for anew"
    assert asker.agent.delete("/api/cells/999999999").status_code == 404


def test_the_page_of_work_shows_who_is_at_a_cell(hub: Any) -> None:
    """With the commit, and for whom; hidden, or done, it is not there."""
    asker, volunteer = Asker(hub), hub.agent("helper")
    cell = asker.cell()
    lease = asker.take(volunteer)
    during = read_page(hub, lambda page: f"/commits/{cell['commit']}" in page)
    row = during[during.index(f"/commits/{cell['commit']}") :]
    assert row.index(volunteer.id) < row.index(asker.agent.id) < row.index(asker.gpu)
    report(volunteer, lease, 1.0)
    read_page(hub, lambda page: f"/commits/{cell['commit']}" not in page)


def read_page(hub: Any, is_right: Callable[[str], bool]) -> str:
    """The page of work, once it is right: leases tell no events, so it is made anew now and
    then."""
    deadline = time.monotonic() + 60
    while not is_right(page := str(hub.http.get("/work").text)):
        assert time.monotonic() < deadline, page
        time.sleep(0.5)
    return page


def test_a_run_without_a_number_is_over(hub: Any) -> None:
    """It failed, is handed to nobody else, and its asker runs it itself."""
    asker, one, two = Asker(hub), hub.agent(), hub.agent()
    cell = asker.cell()

    assert report(one, asker.take(one), None).json()["outcome"] == "failed"
    assert asker.take(two) is None
    assert asker.ask(cell["commit"]).json()["outcome"] == "failed"


def test_a_result_is_not_reported_as_a_cell(hub: Any) -> None:
    """A lease on a result ends by a verdict in its thread alone."""
    asker, author, volunteer = Asker(hub), hub.vouched("author"), hub.vouched()
    commit = push_new(author)
    line = f"commit:{commit} platform:{asker.gpu} val_bpb:1.5 vram_gb:1 track:{TRACK} | an idea"
    assert author.post("/api/channels/results/posts", {"content": line}).status_code == 201
    refused = report(volunteer, asker.take(volunteer), 1.5)

    assert refused.status_code == 400 and "thread" in refused.json()["error"]


def test_both_kinds_of_work_come_in_turn(hub: Any) -> None:
    """A volunteer who runs cells runs results again as well, each second time."""
    asker, author, volunteer = Asker(hub), hub.vouched("author"), hub.vouched()
    for value in (1.5, 1.6):
        line = (
            f"commit:{push_new(author)} platform:{asker.gpu} val_bpb:{value} vram_gb:1 "
            f"track:{TRACK} | an idea"
        )
        assert author.post("/api/channels/results/posts", {"content": line}).status_code == 201
    asker.cell(), asker.cell()
    kinds = [(asker.take(volunteer) or {}).get("kind") for _ in range(4)]

    assert kinds == ["run", "verify", "run", "verify"]


def test_askers_take_turns(hub: Any) -> None:
    """Who asked for many cells before another does not have all machines."""
    asker, other = Asker(hub), hub.agent("other")
    for seed in range(3):
        asker.cell(seed)
    asker.cell(9, other)
    taken = [(asker.take(hub.agent()) or {})["cell"]["agent_id"] for _ in range(4)]

    assert taken == [asker.agent.id, other.id, asker.agent.id, asker.agent.id]


def test_nobody_asks_for_many(hub: Any) -> None:
    """Sixteen at once; the next is refused with a time to wait, until one is withdrawn."""
    asker = Asker(hub)
    commit = push_new(asker.agent)
    found = [asker.ask(commit, seed).json()["id"] for seed in range(16)]

    refused = asker.ask(commit, 99)
    assert refused.status_code == 429 and int(refused.headers["Retry-After"]) > 0
    assert asker.ask(commit, 3).json()["id"] == found[3]
    asker.agent.delete(f"/api/cells/{found[0]}")
    assert asker.ask(commit, 99).status_code == 201


def test_cells_count_against_an_allowance(own_hub: Any) -> None:
    """As many an hour as posts, whatever becomes of them; asking again costs nothing."""
    asker = Asker(own_hub(max_posts_per_hour=2))
    commit = push_new(asker.agent)
    for seed in (1, 1, 1, 2):
        assert asker.ask(commit, seed).status_code == 201

    refused = asker.ask(commit, 3)
    assert refused.status_code == 429 and "2 cells an hour" in refused.json()["error"]


def test_what_operators_took_away_is_no_work(own_hub: Any) -> None:
    """A hidden commit and the cells of a closed account go to nobody, a closed account reports
    nothing, and nothing can be asked for on a hidden commit."""
    hub = own_hub()
    asker, other, closed = Asker(hub), hub.agent("other"), hub.agent("closed")
    hidden = asker.cell()
    asker.cell(agent=other)
    lease = asker.take(closed)
    assert lease is not None and lease["cell"]["id"] == hidden["id"]
    for words in (
        ("hide", "commit", hidden["commit"]),
        ("agents", "revoke", other.id),
        ("agents", "revoke", closed.id),
    ):
        agenthub.app([*words, *hub.place], standalone_mode=False)

    deadline = time.monotonic() + 10  # until the worker hears of it
    while closed.get("/api/whoami").status_code != 401 and time.monotonic() < deadline:
        time.sleep(0.05)

    assert report(closed, lease, 0.1).status_code == 401
    assert asker.take(hub.agent()) is None
    assert asker.ask(hidden["commit"], 8).status_code == 404


@pytest.mark.parametrize(
    ("change", "status"),
    [({"commit": "abcdef1"}, 400), ({"commit": "a" * 40}, 404), ({"commit": "A" * 40}, 400),
     ({"seed": -1}, 400), ({"seed": 2**31}, 400), ({"seed": 10**30}, 400), ({"seed": "low"}, 400),
     ({"platform": ""}, 400), ({"platform": "x" * 201}, 400), ({"track": "t\0"}, 400),
     ({"track": None}, 400), ({"more": "x" * 2**21}, 413)],
)  # fmt: skip
def test_a_bad_question_is_refused(hub: Any, change: dict[str, Any], status: int) -> None:
    """A full hash that is here, a seed below 2^31, a platform and track of some 200 characters,
    and a body of bounded size."""
    asker = Asker(hub)
    commit = push_new(asker.agent)

    answer = asker.ask(commit, change=change)
    assert answer.status_code == status, answer.text
    assert asker.own() == []


@pytest.mark.parametrize("body", [b'{CELL, "val_bpb": "low"}', b'{CELL, "val_bpb": 1e999}',
                                  b'{CELL, "val_bpb": NaN}', b'{CELL}', b'{"val_bpb": 1.0}',
                                  b'{"commit": "00", "platform": "x", "track": "", "val_bpb": 1}',
                                  b"[]", b"\xff", b'{CELL, "val_bpb": ' + b" " * 2**21 + b"1}"])  # fmt: skip
def test_garbage_is_no_report(hub: Any, body: bytes) -> None:
    """A report names its cell and a finite number, or null; anything else leaves cell and lease as
    they are."""
    asker, volunteer = Asker(hub), hub.agent()
    asker.cell()
    lease = asker.take(volunteer)
    assert lease is not None
    named = ", ".join(f'"{n}": "{lease["cell"][n]}"' for n in ("commit", "platform", "track"))
    answer = hub.http.post(
        f"/api/work/{lease['id']}/report",
        content=body.replace(b"CELL", named.encode()),
        headers={**volunteer.headers, "Content-Type": "application/json"},
    )

    assert answer.status_code in (400, 413)
    assert asker.own()[0]["outcome"] is None
    assert report(volunteer, lease, 1.0).status_code == 200
