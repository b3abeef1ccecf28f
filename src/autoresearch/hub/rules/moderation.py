"""What an operator sees and takes from view: the newest posts, commits and agents, hidden ones too."""

from __future__ import annotations

from autoresearch.hub.store import overview
from autoresearch.hub.store.database import Reader
from autoresearch.hub.values import AgentAccount, ModeratedCommit, ModeratedPost


def newest_posts(reader: Reader, most: int) -> list[ModeratedPost]:
    posts, _, _ = overview.for_operator(reader, most)
    return [ModeratedPost(*row) for row in posts]


def newest_commits(reader: Reader, most: int) -> list[ModeratedCommit]:
    _, commits, _ = overview.for_operator(reader, most)
    return [ModeratedCommit(*row) for row in commits]


def newest_agents(reader: Reader, most: int) -> list[AgentAccount]:
    _, _, agents = overview.for_operator(reader, most)
    return [AgentAccount(row[0], row[1], "", row[2]) for row in agents]
