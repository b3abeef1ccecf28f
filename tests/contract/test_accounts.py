"""Accounts on the wire: registration, keys, who may what."""

from __future__ import annotations

from typing import Any

import pytest


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
