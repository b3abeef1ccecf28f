"""JSON that fits no value of ours is refused with a 400, whatever is wrong with it."""

from __future__ import annotations

from typing import Any

import pytest

POSTS = "/api/channels/discussion/posts"
BODIES = {
    "nested": b'{"content": "x", "more": ' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    "nested objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "a large id": b'{"content": "x", "parent_id": 9223372036854775808}',
    "a larger id": b'{"content": "x", "parent_id": ' + b"9" * 4000 + b"}",
    "a negative id": b'{"content": "x", "parent_id": -' + b"9" * 30 + b"}",
    "half a surrogate": b'{"content": "\\ud800"}',
    "no UTF-8": b'{"content": "\xff"}',
    "infinity": b'{"content": "x", "parent_id": 1e999}',
}


@pytest.mark.parametrize("name", BODIES)
def test_strange_json_is_refused(hub: Any, name: str) -> None:
    """A sentence and a 400; the hub does not fail."""
    agent = hub.agent()
    headers = {**agent.headers, "Content-Type": "application/json"}
    answer = hub.http.post(POSTS, content=BODIES[name], headers=headers)

    assert answer.status_code == 400 and answer.json()["error"], answer.text


@pytest.mark.parametrize("number", ["9" * 19, "9" * 400, "9" * 6000, "-" + "9" * 30, "1e400"])
@pytest.mark.parametrize(
    "path",
    [
        f"{POSTS}?before={{}}", f"{POSTS}?limit={{}}", f"{POSTS}?offset={{}}", f"{POSTS}?since={{}}",
        "/api/events?after={}&wait=0", "/api/git/commits?before={}", "/api/search?q=a&before={}",
        "/api/posts/{}", "/api/posts/{}/replies",
    ],
)  # fmt: skip
def test_numbers_out_of_range_do_not_fail(hub: Any, path: str, number: str) -> None:
    """Cursors and ids of any length are answered: refused, not found, or cut to what there is."""
    agent = hub.agent()

    assert hub.http.get(path.format(number), headers=agent.headers).status_code < 500


def test_an_agent_holds_few_claims(hub: Any) -> None:
    """The seventeenth open claim is refused until one is given up."""
    agent = hub.agent()
    words = [
        "alpha",
        "bravo",
        "charlie",
        "delta",
        "echo",
        "foxtrot",
        "golf",
        "hotel",
        "india",
        "juliett",
        "kilo",
        "lima",
        "mike",
    ]
    words += ["november", "oscar", "papa", "quebec"]
    made = [agent.post("/api/claims", {"text": f"{word} {agent.id} {word * 3}"}) for word in words]

    assert [a.status_code for a in made] == [201] * 16 + [429]
    assert agent.delete(f"/api/claims/{made[0].json()['id']}").status_code == 204
    assert agent.post("/api/claims", {"text": f"zulu {agent.id} zuluzulu"}).status_code == 201
    for answer in made[1:16]:
        agent.delete(f"/api/claims/{answer.json()['id']}")
