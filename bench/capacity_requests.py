"""What agents ask a hub for, as requests for the load client: one verb at a time, or whole
experiments. Leaves to others: what it costs (capacity_measure)."""

from __future__ import annotations

import json
import random
import secrets
from collections.abc import Callable, Mapping, Sequence

from hub_client import Lists
from hub_data import AGENTS, Pusher
from hub_server import Server
from hub_verbs import LIST

DETAILS = "\n\n- runs: 1.0123, 1.0119, 1.0131\n- seeds: 11, 12, 13\n- machine: 1 x a card of 80 GB"
READERS, WRITERS = 16, 8
MOST = 4000  # requests of a verb that cannot be repeated
POST_AFTER = 3  # reads, as in the mix: what is read again after a write is not known anew

READS: dict[str, Callable[[Server, random.Random], str]] = {
    "fetch": lambda s, r: "/api/git/fetch/{1}?have={0}".format(*_step(s, r)),
    "results": lambda s, r: f"/api/results?platform=gpu{r.randrange(15)}&status=keep&limit=50",
    "leaderboard": lambda s, r: f"/api/leaderboard?platform=gpu{r.randrange(15)}",
    "leaves": lambda s, r: "/api/git/leaves?limit=50",
    "commits": lambda s, r: LIST,
    "posts": lambda s, r: "/api/channels/results/posts?limit=20",
    "claims": lambda s, r: "/api/claims?limit=50",
    "events": lambda s, r: f"/api/events?wait=0&limit=50&after={s.loaded.posts}",
}
WRITES = ("post", "push", "claim", "release")


def _step(server: Server, rng: random.Random) -> tuple[str, str]:
    child = rng.choice(server.loaded.trunk[-500:])
    return server.loaded.parents[child] or child, child


def _read(server: Server, who: int, verb: str, rng: random.Random) -> bytes:
    return server.get(who, READS[verb](server, rng))


def _post(server: Server, who: int, rng: random.Random) -> bytes:
    commit = rng.choice(server.loaded.trunk)[:10]
    where = f"platform:gpu{rng.randrange(15)} val_bpb:{1 + rng.random():.6f} vram_gb:44.0"
    line = f"commit:{commit} {where} track:track-0 | {write_idea(rng.randrange(40))} (DISCARD)"
    body = json.dumps({"content": line + DETAILS}).encode()
    return server.request(who, "POST", "/api/channels/results/posts", body)


def _claim_request(server: Server, who: int, rng: random.Random) -> bytes:
    body = json.dumps({"text": write_idea(rng.randrange(40)), "ttl_s": 3600}).encode()
    return server.request(who, "POST", "/api/claims", body)


def _release(server: Server, who: int, number: int) -> bytes:
    return server.request(who, "DELETE", f"/api/claims/{number}")


def _pusher(server: Server, number: int, rng: random.Random) -> Pusher:
    start = rng.choice(server.loaded.trunk[-500:])
    return Pusher(server.loaded, f"bench-{number}", start, secrets.token_hex(4))


def requests_of(server: Server, verb: str, rng: random.Random, connections: int) -> Lists:
    """Lists of requests of one verb, one for each connection. A claim and its release come in
    pairs, from one connection: the next number is known."""
    if verb in READS:
        return [[_read(server, c, verb, rng) for _ in range(200)] for c in range(connections)]
    if verb == "post":
        each = MOST // connections
        return [[_post(server, c, rng) for _ in range(each)] for c in range(connections)]
    if verb == "push":
        lines = [_pusher(server, c, rng) for c in range(connections)]
        return [[server.push(c, line) for _ in range(200)] for c, line in enumerate(lines)]
    answer = server.http.post(
        "/api/claims",
        json={"text": write_idea(1), "ttl_s": 3600},
        headers={"Authorization": f"Bearer {server.loaded.keys[0]}"},
    )
    last = int(answer.json()["id"])
    pairs: list[bytes] = [_release(server, 0, last)]
    for number in range(last + 1, last + 400):
        pairs += [_claim_request(server, 0, rng), _release(server, 0, number)]
    return [pairs]


def reads_beside_posts(server: Server, verb: str, rng: random.Random, connections: int) -> Lists:
    """As `requests_of`, but after some reads comes a post."""

    def make(who: int) -> list[bytes]:
        return [
            request
            for _ in range(70)
            for request in (
                *(_read(server, who, verb, rng) for _ in range(POST_AFTER)),
                _post(server, who, rng),
            )
        ]

    return [make(who) for who in range(connections)]


def mixed_requests(
    held: Sequence[Sequence[int]], server: Server, verbs: Mapping[str, float]
) -> tuple[Lists, dict[str, int]]:
    """Experiments of sixteen agents without a training between, and how often each verb is in
    them."""
    rng, lists, counted = random.Random(5), [], dict.fromkeys(verbs, 0)
    for who in range(AGENTS):
        line, mine = _pusher(server, who, rng), []
        for number in held[who]:
            for verb, times in verbs.items():
                for _ in range(int(times) + (rng.random() < times % 1)):
                    counted[verb] += 1
                    mine.append(_request(server, who, verb, rng, line, number))
        lists.append(mine)
    return lists, counted


def _request(
    server: Server, who: int, verb: str, rng: random.Random, line: Pusher, held: int
) -> bytes:
    if verb == "post":
        return _post(server, who, rng)
    if verb == "push":
        return server.push(who, line)
    if verb == "claim":
        return _claim_request(server, who, rng)
    if verb == "release":
        return _release(server, who, held)
    return _read(server, who, verb, rng)


def write_idea(number: int) -> str:
    """Words that are like no other's."""
    return f"change parameter {number % 40} by {' '.join(secrets.token_hex(4) for _ in range(5))}"
