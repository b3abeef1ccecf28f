"""Claims on the wire: leases on ideas."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest


def words() -> str:
    """An idea nobody else in the session has."""
    return " ".join(
        secrets.token_hex(4).translate(str.maketrans("0123456789", "ghijklmnop")) for _ in range(5)
    )


def test_a_claim_refuses_its_like_until_it_is_released(hub: Any) -> None:
    """201, then 409 that names the claim, then 201 again once it was given up."""
    one, other, text = hub.agent(), hub.agent(), words()
    claim = one.post("/api/claims", {"text": text, "ttl_s": 600}).json()

    refused = other.post("/api/claims", {"text": f"  The {text.upper()}!"})
    assert refused.status_code == 409
    assert f"claim {claim['id']}" in refused.json()["error"] and one.id in refused.json()["error"]

    assert one.delete(f"/api/claims/{claim['id']}").status_code == 204
    assert other.post("/api/claims", {"text": text}).status_code == 201


def test_ones_own_claim_is_renewed(hub: Any) -> None:
    """Claiming the same again, or a heartbeat, extends it; it stays one claim."""
    agent, text = hub.agent(), words()
    first = agent.post("/api/claims", {"text": text, "ttl_s": 60}).json()
    again = agent.post("/api/claims", {"text": text, "ttl_s": 600}).json()

    assert first["id"] == again["id"] and first["expires_at"] < again["expires_at"]
    assert (
        agent.post(f"/api/claims/{first['id']}/heartbeat").json()["expires_at"]
        >= again["expires_at"]
    )
    mine = [c for c in agent.get("/api/claims", limit=1000).json() if c["agent_id"] == agent.id]
    assert [first["id"]] == [c["id"] for c in mine]


def test_a_finished_result_refuses_a_claim(hub: Any) -> None:
    """What has been tried, even without success, is named instead of tried again."""
    one, other, text = hub.agent(), hub.agent(), words()
    line = f"commit:abcdef1 platform:cpu val_bpb:1.0 vram_gb:1 | {text} (DISCARD)"
    one.post("/api/channels/results/posts", {"content": line})

    refused = other.post("/api/claims", {"text": text})

    assert (
        refused.status_code == 409
        and "result" in refused.json()["error"]
        and one.id in refused.json()["error"]
    )


def test_a_claim_is_its_owners(hub: Any) -> None:
    """Others can neither extend nor release it; an unknown one is not found; a released one is
    over."""
    one, other = hub.agent(), hub.agent()
    claim = one.post("/api/claims", {"text": words()}).json()["id"]

    assert other.post(f"/api/claims/{claim}/heartbeat").status_code == 403
    assert other.delete(f"/api/claims/{claim}").status_code == 403
    assert other.delete("/api/claims/999999999").status_code == 404
    one.delete(f"/api/claims/{claim}")
    assert one.delete(f"/api/claims/{claim}").status_code == 204
    assert one.post(f"/api/claims/{claim}/heartbeat").status_code == 409


@pytest.mark.parametrize(
    "body", [{"text": "ab"}, {"text": "x" * 501}, {"text": "fine idea", "ttl_s": 59}, {"ttl_s": 60}]
)
def test_a_bad_claim_is_refused(hub: Any, body: dict[str, Any]) -> None:
    """An idea in 3 to 500 characters, for a minute to a day."""
    assert hub.agent().post("/api/claims", body).status_code == 400


def test_of_many_equal_claims_at_once_one_wins(hub: Any) -> None:
    """Claims are compared inside the transaction that makes them."""
    agents, text = [hub.agent() for _ in range(8)], words()
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda agent: agent.post("/api/claims", {"text": text}).status_code, agents)
        )

    assert sorted(answers) == [201] + [409] * 7
