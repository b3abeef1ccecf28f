"""What a hub says reaches a person's terminal through several doors, and commands it at none.

The attack: `{"error": "\\u001b]0;owned\\u0007"}` set the window's title through `autoresearch
doctor --hub` and `verify --hub`, which printed the sentence as it came.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ah_agent import AhAgent
from autoresearch.untrusted import is_hidden
from strange_hub import Asked, Reply, StrangeHub, strange_hub, told
from tiny_workspaces import command, make, noisy

WILD = "\x1b]0;owned\x07\x9b2Jse\u202ent\u200be\u2028nce\U000e0041 \ud800"
HASH = "a" * 40
WHEN = "2026-01-01T00:00:00.000000Z"
COMMIT = {
    "hash": HASH, "parent_hash": "", "agent_id": WILD, "message": WILD, "created_at": WILD,
    "parents": [], "seq": 1,
}  # fmt: skip
POST = {
    "id": 1, "channel_id": 1, "agent_id": WILD, "parent_id": None, "content": WILD,
    "created_at": WILD,
}  # fmt: skip
RESULT = {
    "id": 1, "post_id": 1, "agent_id": WILD, "commit": WILD, "commit_hash": None, "platform": WILD,
    "track": WILD, "val_bpb": 1.0, "vram_gb": None, "status": "keep", "description": WILD,
    "reason": WILD, "problem": WILD, "created_at": WILD,
}  # fmt: skip
RECORD = {
    "result_id": 1, "post_id": 1, "agent_id": WILD, "commit": WILD, "commit_hash": None,
    "val_bpb": 1.0, "vram_gb": None, "description": WILD, "created_at": WILD,
    "verified": "reproduced", "reproduced_by": [WILD], "disputed_by": [WILD],
}  # fmt: skip
FOUND = {
    "cursor": 1, "kind": "post", "id": WILD, "agent_id": WILD, "excerpt": WILD, "created_at": WILD,
}  # fmt: skip
CHANNEL = {"id": 1, "name": WILD, "description": WILD, "created_at": WILD}
ANSWERS: dict[str, Any] = {
    "/api/register": {"id": "ada", "api_key": secrets.token_hex(16)},
    "/api/whoami": {"id": "ada", "is_admin": False},
    "/api/git/commits": [COMMIT],
    "/api/git/leaves": [COMMIT],
    "/api/git/root": COMMIT,
    f"/api/git/commits/{HASH}": COMMIT,
    f"/api/git/commits/{HASH}/children": [COMMIT],
    f"/api/git/commits/{HASH}/lineage": [COMMIT],
    "/api/channels": [CHANNEL],
    "/api/channels/discussion/posts": [POST],
    "/api/results": [RESULT],
    "/api/leaderboard": [
        {"platform": WILD, "track": WILD, "best": RECORD, "records": [RECORD]},
    ],
    "/api/search": [FOUND],
    "/api/claims": {"error": WILD},
}  # fmt: skip


def answer(asked: Asked) -> Reply:
    path = asked.path.partition("?")[0]
    if path in ANSWERS and path != "/api/claims":
        value = json.dumps(ANSWERS[path]).replace("\\ud800", "")  # no reader takes half of a pair
        return Reply(200, value.encode())
    return Reply(409, json.dumps({"error": WILD}).replace("\\ud800", "").encode())


@pytest.fixture
def hub() -> Iterator[StrangeHub]:
    """A hub every word of which is an attack."""
    with strange_hub(answer) as hub:
        yield hub


def hidden_in(text: str) -> set[str]:
    """Hidden characters of a program's output, beyond its own line feeds and tabs."""
    return {c for c in text if is_hidden(c)} - {"\n", "\t"}


@pytest.fixture
def agent(hub: StrangeHub, tmp_path: Path) -> AhAgent:
    agent = AhAgent.at(tmp_path / "agent")
    assert agent.run("join", hub.url, "ada").code == 0
    return agent


@pytest.mark.parametrize("words", [
    "whoami", "log", "leaves", "root", f"children {HASH}", f"lineage {HASH}", "channels",
    "read discussion", "results", "best", "search x", "claim idea",
    "post discussion hi", "reply 1 hi", "read nowhere", "fetch bbbbbbb", f"checkout {HASH}",
])  # fmt: skip
def test_ah_shows_and_never_obeys(agent: AhAgent, words: str) -> None:
    """Every verb, for people and with --json, what it lists as well as what it refuses."""
    for arguments in (words.split(), [*words.split(), "--json"]):
        ran = agent.run(*arguments)
        assert not hidden_in(ran.out + ran.err), (ran.out, ran.err)
        assert ran.out or ran.err


@pytest.mark.parametrize("status", [401, 409, 503])
def test_a_researchers_programs_show_a_clean_sentence(tmp_path: Path, status: int) -> None:
    """`doctor --hub`, `verify --hub` and `verify COMMIT --hub`, whatever the hub refuses with."""
    workspace = make(tmp_path / "w", noisy(1.0, 0.001))
    folder = str(workspace.folder)
    env = {**os.environ, "HOME": str(tmp_path), "AUTORESEARCH_CACHE": str(tmp_path / "cache")}
    with strange_hub(lambda _: told(status, {"error": WILD.replace("\ud800", "")})) as hub:
        ran = [
            command("doctor", folder, "--hub", hub.url, env=env),
            command("verify", folder, "--hub", hub.url, "--unsafe-no-sandbox", env=env),
            command("verify", "abcdef1", folder, "--hub", hub.url, "--json", env=env),
        ]

    for done in ran:
        assert not hidden_in(done.stdout + done.stderr), (done.stdout, done.stderr)
    assert "owned" in ran[0].stdout, ran[0]  # the sentence is shown
