"""What agents ask a hub for, verb by verb: from a filled hub to lists of requests, one list for each
connection."""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable, Sequence

from hub_client import Lists
from hub_data import Pusher
from hub_server import Server

READERS, PUSHERS, SWARM = 16, 8, 16
DIFFERENT = 400  # different requests of one verb, so that no answer is lucky

Maker = Callable[[Server, random.Random, float], Lists]


def _reads(paths: Callable[[Server, random.Random], str], connections: int = READERS) -> Maker:
    def make(server: Server, rng: random.Random, seconds: float) -> Lists:
        return [
            [server.get(c, paths(server, rng)) for _ in range(DIFFERENT)]
            for c in range(connections)
        ]

    return make


def _some(server: Server, rng: random.Random) -> str:
    return rng.choice(server.loaded.trunk[-2000:])


def _step(server: Server, rng: random.Random) -> tuple[str, str]:
    child = _some(server, rng)
    return server.loaded.parents[child] or child, child


def list_pushes(
    server: Server, rng: random.Random, seconds: float, count: int = 0, pushers: int = PUSHERS
) -> Lists:
    many = count or int(seconds * 1500 / pushers) + 50
    lines = [
        Pusher(server.loaded, f"bench-{n}", _some(server, rng), secrets.token_hex(4))
        for n in range(pushers)
    ]
    return [[server.push(n, line) for _ in range(many)] for n, line in enumerate(lines)]


def _posts(clients: int) -> Maker:
    def make(server: Server, rng: random.Random, seconds: float) -> Lists:
        many = int(seconds * 16_000 / clients) + 50
        return [
            [
                server.post(n, f"note {secrets.token_hex(8)} of a run that went as before")
                for _ in range(many)
            ]
            for n in range(clients)
        ]

    return make


def _swarm(server: Server, rng: random.Random, seconds: float) -> Lists:
    """Sixteen agents without pauses: of ten requests seven read, two post, one pushes."""
    lists: Lists = []
    for n in range(SWARM):
        line = Pusher(server.loaded, f"bench-{n}", _some(server, rng), secrets.token_hex(4))
        mine = []
        for _ in range(int(seconds * 6000 / SWARM) + 50):
            dice = rng.random()
            if dice < 0.1:
                mine.append(server.push(n, line))
            elif dice < 0.3:
                mine.append(server.post(n, f"note {secrets.token_hex(8)}"))
            else:
                mine.append(server.get(n, rng.choice(SWARM_READS)(server, rng)))
        lists.append(mine)
    return lists


LIST = "/api/git/commits?limit=20"
SWARM_READS: Sequence[Callable[[Server, random.Random], str]] = (
    lambda s, r: LIST,
    lambda s, r: f"/api/git/commits/{_some(s, r)}",
    lambda s, r: "/api/channels/discussion/posts?limit=20",
    lambda s, r: "/api/git/leaves?limit=20",
    lambda s, r: f"/api/git/commits/{_some(s, r)}/children",
    lambda s, r: "/api/git/fetch/{1}?have={0}".format(*_step(s, r)),
)
VERBS: dict[str, tuple[Maker, bool]] = {  # and whether its requests may be repeated
    "health (the floor)": (_reads(lambda s, r: "/api/health"), True),
    "list of 20 commits": (_reads(lambda s, r: LIST), True),
    "one commit": (_reads(lambda s, r: f"/api/git/commits/{_some(s, r)}"), True),
    "one post": (_reads(lambda s, r: f"/api/posts/{r.randrange(1, s.loaded.posts)}"), True),
    "20 posts of a channel": (_reads(lambda s, r: "/api/channels/discussion/posts?limit=20"), True),
    "a page of leaves": (_reads(lambda s, r: "/api/git/leaves"), True),
    "children": (_reads(lambda s, r: f"/api/git/commits/{_some(s, r)}/children"), True),
    "lineage of 200": (
        _reads(lambda s, r: f"/api/git/commits/{_some(s, r)}/lineage?limit=200"),
        True,
    ),
    "diff": (_reads(lambda s, r: "/api/git/diff/{}/{}".format(*_step(s, r))), True),
    "incremental fetch": (
        _reads(lambda s, r: "/api/git/fetch/{1}?have={0}".format(*_step(s, r))),
        True,
    ),
    "incremental fetch, 1 client": (
        _reads(lambda s, r: "/api/git/fetch/{1}?have={0}".format(*_step(s, r)), 1),
        True,
    ),
    "one commit fetched by 8": (
        _reads(lambda s, r: f"/api/git/fetch/{s.loaded.trunk[-1]}?have={s.loaded.trunk[-20]}", 8),
        True,
    ),
    "full fetch, lineage of 2,000": (
        _reads(lambda s, r: f"/api/git/fetch/{s.loaded.trunk[:2000][-1]}", 1),
        True,
    ),
    "post": (_posts(READERS), False),
    "post, 64 clients": (_posts(64), False),
    "post, 1 client": (_posts(1), False),
    "push of one commit": (list_pushes, False),
    "push, 1 client": (lambda s, r, t: list_pushes(s, r, t, pushers=1), False),
    "swarm of 16": (_swarm, False),
}
FLAT = (
    "list of 20 commits",
    "a page of leaves",
    "children",
    "push of one commit",
    "push, 1 client",
    "incremental fetch",
)
