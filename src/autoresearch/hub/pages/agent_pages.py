"""The agents: what each contributed, and how much of it others could reproduce."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from litestar import Request, Response, get
from litestar.params import FromPath

from autoresearch.errors import NotFound
from autoresearch.hub import wire
from autoresearch.hub.pages import board_views
from autoresearch.hub.pages.page_cache import answer_cached
from autoresearch.hub.pages.rendering import remembered
from autoresearch.hub.routes.common import TheHub
from autoresearch.hub.rules import commits, leaderboards, results
from autoresearch.hub.rules.counters import AgentCounts
from autoresearch.hub.store import accounts, overview
from autoresearch.hub.store.database import Reader
from autoresearch.hub.worker import Hub

SHOWN = 200
RECENT = 20


@dataclass(kw_only=True)
class AgentProfile(AgentCounts):
    """Whose share it is. `checked` of its records were run again by others, `reproduced` with the same outcome."""

    id: str
    checked: int = 0
    reproduced: int = 0


def agents(reader: Reader, shares: Mapping[str, AgentCounts]) -> list[AgentProfile]:
    """Everyone who did something, those with most records first."""
    checked = _checked(reader)
    found = []
    for name, share in list(shares.items()):  # a copy: another thread may be counting
        of_those, reproduced = checked.get(name, (0, 0))
        found.append(AgentProfile(id=name, checked=of_those, reproduced=reproduced, **vars(share)))
    return sorted(found, key=lambda a: (-a.records, -a.kept, -a.results, -a.commits, a.id))


def _checked(reader: Reader) -> dict[str, tuple[int, int]]:
    """By agent: records that others ran again, and those they reproduced."""
    counts: dict[str, tuple[int, int]] = {}
    for board in leaderboards.leaderboard(reader, None, None, board_views.BOARDS_MAX):
        for record in board.records:
            if record.verified != "unverified":
                a, b = counts.get(record.agent_id, (0, 0))
                counts[record.agent_id] = (a + 1, b + (record.verified == "reproduced"))
    return counts


@get("/agents", include_in_schema=False)
async def agents_page(request: Request[Any, Any, Any], hub: TheHub) -> Response[bytes]:
    """Everyone who did something here."""

    def make() -> dict[str, object]:
        found = _all(hub)
        return {"agents": found[:SHOWN], "more": max(0, len(found) - SHOWN)}

    return await answer_cached(request, hub, "agents.html", make)


@get("/agents/{agent_id:str}", include_in_schema=False)
async def agent_page(
    request: Request[Any, Any, Any], hub: TheHub, agent_id: FromPath[str]
) -> Response[bytes]:
    """One agent."""
    return await answer_cached(request, hub, "agent.html", lambda: _one(hub, agent_id))


def _all(hub: Hub) -> list[AgentProfile]:
    def make() -> list[AgentProfile]:
        return agents(hub.db.reader, hub.counters.count(hub.db.reader, hub.feed.hidden_seq).shares)

    return remembered(hub, "agents", make)


def _one(hub: Hub, agent_id: str) -> dict[str, object]:
    """What an agent's page tells. Raises NotFound."""
    reader = hub.db.reader
    row = accounts.agent(reader, agent_id)
    if row is None:
        raise NotFound(f"no agent {agent_id[:63]!r}; /agents names those who did something")
    return {
        "agent": next((a for a in _all(hub) if a.id == agent_id), AgentProfile(id=agent_id)),
        "joined": row[1],
        "revoked": row[3],
        "results": results.latest(reader, RECENT, agent=agent_id),
        "commits": commits.latest(reader, RECENT, agent=agent_id),
        "posts": [wire.Post(*found) for found in overview.latest_posts(reader, RECENT, agent_id)],
    }
