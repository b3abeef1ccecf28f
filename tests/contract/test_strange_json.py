"""JSON that fits no value of ours is refused with a 400, whatever is wrong with it."""

from __future__ import annotations

import gzip
import json
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


NOTED = {"Content-Type": "application/json"}
FORM = {"Content-Type": "multipart/form-data; boundary=x"}
PART = b'--x\r\nContent-Disposition: form-data; name="id"\r\n\r\nada\r\n--x--\r\n'
CURL = {"Content-Type": "application/x-www-form-urlencoded"}
BYTES: dict[str, tuple[bytes, dict[str, str], int, str]] = {
    "latin-1": (b'{"id":"caf\xe9"}', CURL, 400, "not UTF-8"),
    "UTF-16 with a mark": ('{"id":"a"}'.encode("utf-16"), NOTED, 400, "UTF-16"),
    "UTF-16 without": ('{"id":"a"}'.encode("utf-16-le"), NOTED, 400, "UTF-16"),
    "UTF-32": ('{"id":"a"}'.encode("utf-32-be"), NOTED, 400, "UTF-16 or UTF-32"),
    "gzip": (gzip.compress(b"{}"), {"Content-Encoding": "gzip"}, 415, "compressed"),
    "gzip unsaid": (gzip.compress(b"{}"), NOTED, 415, "compressed"),
    "brotli": (b"\x0b\x00\x80{}", {"Content-Encoding": "br"}, 415, "compressed"),
    "parts": (PART, FORM, 415, "form in parts"),
    "parts of nothing": (b"", FORM, 400, "no body"),
    "form": (b"id=ada", CURL, 400, "not JSON"),
    "msgpack": (b"\x81\xa2id\xa3ada", {"Content-Type": "application/msgpack"}, 400, "not JSON"),
    "surrogate": (b'{"id":"\\ud800"}', NOTED, 400, "surrogate"),
    "low surrogate": (b'{"id":"\\uDFFF"}', NOTED, 400, "surrogate"),
    "surrogate encoded": (b'{"id":"\xed\xa0\x80"}', NOTED, 400, "not UTF-8"),
    "nothing": (b"", NOTED, 400, "no body"),
    "nothing unsaid": (b"", {}, 400, "no body"),
    "blanks": (b" \n", NOTED, 400, "no body"),
    "a mark alone": (b"\xef\xbb\xbf", NOTED, 400, "no body"),
    "cut": (b'{"id":"a', NOTED, 400, "truncated"),
}


@pytest.mark.parametrize("path", ["/api/register", "/api/channels", POSTS, "/api/claims"])
@pytest.mark.parametrize("name", BYTES)
def test_bytes_that_are_no_json_are_told_as_what_they_are(hub: Any, name: str, path: str) -> None:
    """The sentence names what was sent, on every route that takes JSON, without a trace."""
    body, headers, status, sentence = BYTES[name]
    answer = hub.http.post(path, content=body, headers={**hub.agent().headers, **headers})

    assert answer.status_code == status, answer.text
    assert list(answer.json()) == ["error"] and sentence in answer.json()["error"]


def test_a_byte_order_mark_is_taken(hub: Any) -> None:
    """Some editors and shells write one before everything."""
    body = b"\xef\xbb\xbf" + json.dumps({"content": "caf\u00e9 \U0001f600"}).encode()
    answer = hub.http.post(POSTS, content=body, headers={**hub.agent().headers, **CURL})

    assert answer.status_code == 201 and answer.json()["content"] == "caf\u00e9 \U0001f600"


NUMBERS = ["1.5", "true", "null", "[1]", "{}", "1e400", "-1e400", "NaN", "-Infinity", "9" * 5000,
           str(2**63), str(2**64), str(-(2**63) - 1),
           "-1", '"x"', "01", "+1", "0x1"]  # fmt: skip


@pytest.mark.parametrize("number", NUMBERS)
def test_numbers_in_bodies_are_refused(hub: Any, number: str) -> None:
    """What is no integer in range is 400 wherever a body takes an integer; null is no parent."""
    agent = hub.agent()
    headers = {**agent.headers, **NOTED}
    reply = b'{"content":"x","parent_id":%s}' % number.encode()
    claim = b'{"text":"a numbered idea","ttl_s":%s}' % number.encode()

    parent = hub.http.post(POSTS, content=reply, headers=headers)
    assert (
        parent.status_code == (201 if number == "null" else 400) and "Traceback" not in parent.text
    )
    answer = hub.http.post("/api/claims", content=claim, headers=headers)
    assert answer.status_code == 400 and answer.json()["error"]


ODD = ["1.0", "1e0", "%D9%A3", "%2B5", "1_000", "5%20", "0x10", "-0", "-1", "9" * 5000, "nan",
       "-inf", "", "%00", "%ff", "%ED%A0%80", "true", "null", "[]",
       str(2**63), "1e400"]  # fmt: skip


@pytest.mark.parametrize(
    "path",
    [
        "/api/events?wait=0", "/api/events?after=0", f"{POSTS}?", "/api/git/commits?",
        "/api/git/leaves?", "/api/results?", "/api/leaderboard?", "/api/search?q=a", "/api/claims?",
        "/api/posts/1/replies?", "/api/git/commits/aaaa/lineage?", "/api/git/fetch/aaaa?",
        "/api/git/commits/aaaa/children?", "/",
    ],
)  # fmt: skip
def test_odd_parameters_never_fail(hub: Any, path: str) -> None:
    """Every parameter of every list, with all that is nearly a number: no answer is a 500."""
    agent = hub.agent()
    joint = "" if path.endswith("?") else "&" if "?" in path else "?"
    for name in ("limit", "offset", "before", "since", "have", "commit", "kind", "after", "wait"):
        if path == "/api/events?after=0" and name != "wait":
            continue  # without `wait` the answer has no end
        if "events" in path and name == "wait" and "wait" in path:
            continue
        for value in ODD:
            if name == "wait" and value in ("", "null"):
                continue  # the same as none: an answer without an end
            answer = agent.hub.http.get(f"{path}{joint}{name}={value}", headers=agent.headers)
            assert answer.status_code < 500, (path, name, value, answer.text)
            if answer.status_code >= 400 and path != "/":
                assert answer.json()["error"]


@pytest.mark.parametrize("number", ["9" * 19, "9" * 400, "9" * 6000, "-" + "9" * 30, "1e400"])
@pytest.mark.parametrize(
    "path",
    [
        f"{POSTS}?before={{}}", f"{POSTS}?limit={{}}", f"{POSTS}?offset={{}}",
        f"{POSTS}?since={{}}",
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
