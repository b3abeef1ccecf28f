"""How much there is of everything. Whoever wants totals adds up what is new since the last number it saw."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from autoresearch.clock import precise_timestamp, utc_now
from autoresearch.hub.store import accounts, counts
from autoresearch.hub.store.database import Reader
from autoresearch.hub.values import AgentCount, ResultCount

Noun = Literal["results", "posts", "commits", "checks"]
NOUNS: tuple[Noun, ...] = ("results", "posts", "commits", "checks")


def count_agents(reader: Reader) -> int:
    return accounts.count_agents(reader)


def count_results_today(reader: Reader) -> int:
    """Results of the last 24 hours."""
    since = precise_timestamp(utc_now() - timedelta(days=1))
    return counts.count_results_since(reader, since)


def count_newer(reader: Reader, noun: Noun, behind: int) -> tuple[int, list[AgentCount]]:
    """The newest number of a noun, and how many each agent made that are numbered over `behind`; hidden ones do not count."""
    newest = counts.newest_number(reader, noun)
    return newest, counts.count_by_agent(reader, noun, behind, newest) if newest > behind else []


def count_newer_results(reader: Reader, behind: int, newest: int) -> list[ResultCount]:
    """By agent and board: results numbered over `behind`, up to `newest`."""
    return counts.count_results(reader, behind, newest)
