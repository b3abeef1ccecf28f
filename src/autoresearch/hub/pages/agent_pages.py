"""The agents: what each contributed, and how many of its records others reproduced."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from litestar import Request, Response, get
from litestar.params import FromPath

from autoresearch.hub.pages import board_views
from autoresearch.hub.pages.rendering import answer_cached, read_cached
from autoresearch.hub.routes.common import TheHub
from autoresearch.hub.rules import accounts, board, commits, metric_names, results
from autoresearch.hub.rules.counters import AgentCounts
from autoresearch.hub.services import Services

AGENTS_MAX = 200
LATEST = 20


@dataclass(frozen=True)
class AgentProfile:
    """What an agent did."""

    id: str
    counts: AgentCounts


def list_profiles(hub: Services) -> list[AgentProfile]:
    """Everyone who did something, those with most records first."""
    return read_cached(hub, "agents", lambda: _read_profiles(hub))


def _read_profiles(hub: Services) -> list[AgentProfile]:
    counted = board_views.count_hub(hub).agents
    profiles = [AgentProfile(name, counts) for name, counts in counted.items()]
    return sorted(profiles, key=_rank)


def _rank(profile: AgentProfile) -> tuple[int, int, int, int, str]:
    counts = profile.counts
    return (-counts.records, -counts.kept, -counts.results, -counts.commits, profile.id)


@get("/agents", include_in_schema=False)
async def show_agents(request: Request[Any, Any, Any], hub: TheHub) -> Response[bytes]:
    """Everyone who did something here."""

    def read() -> dict[str, object]:
        found = list_profiles(hub)
        return {"agents": found[:AGENTS_MAX], "more": max(0, len(found) - AGENTS_MAX)}

    return await answer_cached(request, hub, "agents.html", read)


@get("/agents/{agent_id:str}", include_in_schema=False)
async def show_agent(
    request: Request[Any, Any, Any], hub: TheHub, agent_id: FromPath[str]
) -> Response[bytes]:
    """One agent."""

    def read() -> dict[str, object]:
        reader = hub.db.reader
        newest = results.latest(reader, LATEST, agent=agent_id)
        account = accounts.find_agent(reader, agent_id)
        profiles = (profile for profile in list_profiles(hub) if profile.id == agent_id)
        return {
            "account": account,
            "agent": next(profiles, AgentProfile(agent_id, AgentCounts())),
            "results": newest,
            "metrics": metric_names.of_boards(reader, newest),
            "commits": commits.latest(reader, LATEST, agent=agent_id),
            "posts": board.latest_posts(reader, LATEST, agent_id),
        }

    return await answer_cached(request, hub, "agent.html", read)
