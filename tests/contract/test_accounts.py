"""Accounts on the wire: registration, keys, who may what."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from autoresearch.hub.rules.accounts import digest
from autoresearch.hub.store import accounts as rows
from autoresearch.hub.store.database import Database


def test_registration_answers_id_and_key_once(hub: Any) -> None:
    """POST /api/register opens an account and hands out its key."""
    answer = hub.http.post("/api/register", json={"id": "Some.Agent_1-" + hub.admin_key[:8]})

    assert answer.status_code == 201
    assert {"id", "api_key"} == set(answer.json())


def test_a_taken_id_is_a_conflict(hub: Any) -> None:
    """The second who asks for an id is told that it is taken."""
    agent = hub.agent()

    answer = hub.http.post("/api/register", json={"id": agent.id})

    assert answer.status_code == 409 and "taken" in answer.json()["error"]


@pytest.mark.parametrize("bad", ["", "-x", ".x", "_x", "a b", "a/b", "ä", "x" * 64, "a\n"])
def test_a_bad_id_is_refused(hub: Any, bad: str) -> None:
    """Ids have 1-63 letters, digits, '.', '_' or '-', and start with a letter or digit."""
    answer = hub.http.post("/api/register", json={"id": bad})

    assert answer.status_code == 400 and "1-63" in answer.json()["error"]


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer nonsense", "Basic !!", "Digest x", "Bearer \xff"]
)
def test_without_a_right_key_the_answer_is_401(hub: Any, header: str) -> None:
    """Every wrong key gets a sentence and is told which scheme is spoken."""
    answer = hub.http.get("/api/whoami", headers={"Authorization": header.encode("latin-1")})

    assert answer.status_code == 401 and answer.json()["error"]
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_the_admin_key_opens_accounts(hub: Any) -> None:
    """POST /api/admin/agents with the admin key answers 201; the new key works."""
    name = hub.agent().id + "-made"
    made = hub.http.post(
        "/api/admin/agents", json={"id": name}, headers={"Authorization": f"Bearer {hub.admin_key}"}
    )

    assert made.status_code == 201
    who = hub.http.get("/api/whoami", headers={"Authorization": f"Bearer {made.json()['api_key']}"})
    assert {"id": name, "is_admin": False} == who.json()


def test_an_agent_is_no_admin(hub: Any) -> None:
    """An agent's key opens no accounts."""
    assert hub.agent().post("/api/admin/agents", {"id": "x"}).status_code == 403


def test_registration_is_limited_per_network(own_hub: Any) -> None:
    """The third account from one address at a limit of two is refused, with the time to wait."""
    hub = own_hub(max_registrations_per_hour=2)
    hub.register("one")
    hub.register("two")

    answer = hub.http.post("/api/register", json={"id": "three"})

    assert answer.status_code == 429 and 0 < int(answer.headers["Retry-After"]) <= 3600


def test_closed_registration_refuses(own_hub: Any) -> None:
    """Where registration is closed only the operator opens accounts."""
    assert (
        own_hub(registration="closed").http.post("/api/register", json={"id": "x"}).status_code
        == 403
    )


@pytest.mark.parametrize(
    "change", [str.upper, str.title, "{}-".format, "{}._-".format, "{}_".format]
)
def test_ids_that_look_alike_are_one_agents(hub: Any, change: Any) -> None:
    """Neither a stranger nor the operator opens an account that passes for another's."""
    agent = hub.agent("alice")
    like = change(agent.id)
    admin = {"Authorization": f"Bearer {hub.admin_key}"}
    answers = [
        hub.http.post("/api/register", json={"id": like}),
        hub.http.post("/api/admin/agents", json={"id": like}, headers=admin),
    ]

    assert [answer.status_code for answer in answers] == [409, 409]
    assert all(f"too much like '{agent.id}'" in answer.json()["error"] for answer in answers)
    assert hub.http.post("/api/register", json={"id": f"{agent.id}-2"}).status_code == 201


def test_the_first_of_two_alike_at_once_wins(hub: Any) -> None:
    """Eight spellings at once open one account."""
    name = hub.agent("bob").id + "x"
    spellings = [f"{name}{end}" for end in ("", "-", "_", ".", "--", "._", "-_", "..")]
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(
                lambda id: httpx.post(f"{hub.url}/api/register", json={"id": id}).status_code,
                spellings,
            )
        )

    assert sorted(answers) == [201] + [409] * 7


def test_accounts_that_looked_alike_before_go_on(hub: Any) -> None:
    """Both keys of a pair from an older hub work, each for its own."""
    db = Database(hub.data, hub.database)
    agent = hub.agent("carol")
    twin, key = agent.id.upper(), "ahk_" + "7" * 63 + "0123456789abcdef"[len(agent.id) % 16]
    with db.write() as tx:
        rows.add_agent(tx, twin, "open")
        rows.replace_key(tx, twin, digest(key))
    db.close()

    who = hub.http.get("/api/whoami", headers={"Authorization": f"Bearer {key}"})
    assert who.json()["id"] == twin and agent.get("/api/whoami").json()["id"] == agent.id


@pytest.mark.parametrize("name", ["admin", "Admin", "ROOT", "root_", "ad-min", "m.o.d", "agenthub"])
def test_names_of_office_are_the_operators_to_give(own_hub: Any, name: str) -> None:
    """Strangers are refused with a sentence; the admin key opens the account."""
    hub = own_hub()
    refused = hub.http.post("/api/register", json={"id": name})
    admin = {"Authorization": f"Bearer {hub.admin_key}"}

    assert refused.status_code == 409 and "reserved for the hub's operator" in refused.text
    assert hub.http.post("/api/admin/agents", json={"id": name}, headers=admin).status_code == 201
    assert hub.http.post("/api/register", json={"id": "admin-of-nothing"}).status_code == 201
