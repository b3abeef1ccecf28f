"""The hub's log over HTTP, and signed posts: what anybody can prove, and what is refused."""

from __future__ import annotations

from typing import Any

from autoresearch import entries, merkle, signing

AT = "2026-01-31T12:00:00.000000Z"


def get(hub: Any, path: str, **asked: Any) -> Any:
    """Without a key."""
    answer = hub.http.get(f"/api/log/{path}", params=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()


def raw(digits: list[str]) -> list[bytes]:
    return [bytes.fromhex(step) for step in digits]


def test_a_post_is_proved_to_be_in_a_log_that_only_grows(hub: Any) -> None:
    """The head is signed; the entry of a post is under it, names its text by its hash, and the
    log begins as it did before."""
    agent = hub.agent()
    before = get(hub, "head")
    post = agent.post("/api/channels/discussion/posts", {"content": "a thought"}).json()
    head = get(hub, "head")
    (entry,) = get(hub, "about", kind="post", ref=post["id"])
    proof = get(hub, "inclusion", number=entry["number"], size=head["size"])
    grown = get(hub, "consistency", old=before["size"], new=head["size"])

    form = signing.head_form(head["size"], head["root"], head["signed_at"])
    assert signing.is_signed(head["public_key"], head["signature"], form)
    assert f'"text":"{entries.hash_text("a thought")}"' in entry["data"]
    leaf = merkle.hash_leaf(entry["data"].encode())
    root = bytes.fromhex(head["root"])
    assert merkle.is_included(leaf, entry["number"], head["size"], raw(proof["path"]), root)
    old = bytes.fromhex(before["root"])
    path = raw(grown["path"])
    assert merkle.is_consistent(before["size"], old, head["size"], root, path)
    (page,) = get(hub, "entries", start=entry["number"], limit=1, texts=True)
    assert (page["data"], page["texts"]) == (entry["data"], {"content": "a thought"})


def test_what_is_not_in_the_log_is_not_proved(hub: Any) -> None:
    """A number that is not there, a size that is not reached and a past that is longer than what
    came after it are refused with a sentence."""
    size = get(hub, "head")["size"] + 1_000_000
    for path, status in (
        (f"inclusion?number={size}", 404),
        (f"inclusion?number=0&size={size}", 404),
        (f"consistency?old=3&new={size}", 404),
        ("consistency?old=2&new=1", 400),
    ):
        answer = hub.http.get(f"/api/log/{path}")
        assert (answer.status_code, bool(answer.json()["error"])) == (status, True)


def test_a_signed_post_says_by_whom(hub: Any) -> None:
    """A signature is checked at the door: a right one is shown with the post and its results, a
    wrong one, one of another post, and the same one again are refused; unsigned posts go on."""
    agent, seed, channel = hub.agent(), signing.make_seed(), "/api/channels/results/posts"
    key = signing.find_public_key(seed)
    signer = signing.AgentSigner(agent.id, seed)
    text = "commit:abcdef12 platform:signed val_bpb:1.5 vram_gb:0.1 | one"
    signed = {"content": text, **signer.sign_post("results", None, text, AT)}

    assert agent.post(channel, signed).status_code == 400  # no key is registered
    assert agent.post("/api/keys", {"public_key": key}).status_code == 201
    assert agent.post("/api/keys", {"public_key": "ab"}).status_code == 400
    written = agent.post(channel, signed).json()
    assert (written["signed_by"], written["signature"]) == (key, signed["signature"])
    (result,) = agent.get("/api/results", agent=agent.id).json()
    assert result["signed_by"] == key
    assert key in hub.http.get(f"/results/{result['id']}").text

    assert agent.post(channel, signed).status_code == 409
    assert agent.post(channel, {**signed, "content": text + "!"}).status_code == 403
    assert agent.post(channel, {**signed, "signature": "00"}).status_code == 400
    assert "signed_by" not in agent.post(channel, {"content": "as ever"}).json()


def test_an_old_key_stays_on_record(hub: Any) -> None:
    """A new key takes the place of the old one, from its time on; nobody signs by the old one."""
    agent, old, new = hub.agent(), signing.make_seed(), signing.make_seed()
    for seed in (old, new):
        agent.post("/api/keys", {"public_key": signing.find_public_key(seed)})
    keys = hub.http.get("/api/keys", params={"agent": agent.id}).json()

    assert [key["public_key"] for key in keys] == list(map(signing.find_public_key, (old, new)))
    fields = signing.AgentSigner(agent.id, old).sign_post("discussion", None, "hello", AT)
    answer = agent.post("/api/channels/discussion/posts", {"content": "hello", **fields})
    assert answer.status_code == 403
    assert agent.post("/api/keys", {"public_key": keys[1]["public_key"]}).status_code == 409
