"""Totals, by agent and by board: counted once, then only what is new is added. One per worker.

Rows get ascending numbers in the order in which they are committed (there is one writer at a
time), so what is new has higher numbers than all that was counted. Hiding or restoring something
starts the count again.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Literal

from autoresearch.clock import precise_timestamp, utc_now
from autoresearch.hub.store import accounts, counts
from autoresearch.hub.store.statements import Reader
from autoresearch.hub.values import BoardName, RecordCount, ResultCount

Noun = Literal["results", "posts", "commits", "checks"]
HOURS = 24
NOTHING = -1  # the number up to which a new count has counted
NO_RECORDS = RecordCount("", 0, 0, 0)
NOUNS: tuple[Noun, ...] = ("results", "posts", "commits", "checks")


@dataclass(frozen=True)
class AgentCounts:
    """What one agent did. `records` were new bests of their board: others settled `checked` of
    them and reproduced `reproduced`. `checks` are reproductions of others' results."""

    results: int = 0
    kept: int = 0
    records: int = 0
    checked: int = 0
    reproduced: int = 0
    last_at: str = ""
    posts: int = 0
    commits: int = 0
    checks: int = 0


@dataclass(frozen=True)
class BoardCounts:
    """What one board holds. `newest` is the id of its newest result; `changed` grows whenever
    anything may have changed that pages show of it."""

    platform: str
    track: str
    results: int = 0
    kept: int = 0
    newest: int = 0
    changed: int = 0

    @property
    def name(self) -> BoardName:
        return BoardName(self.platform, self.track)


@dataclass
class HubCounts:
    """Everything counted up to the numbers in `last`, without what was hidden up to the event
    `hidden_seq`; `hours` are named as `2026-01-31T12`."""

    agents: dict[str, AgentCounts] = field(default_factory=dict)
    boards: dict[tuple[str, str], BoardCounts] = field(default_factory=dict)
    hours: dict[str, int] = field(default_factory=dict)
    last: dict[str, int] = field(default_factory=lambda: dict.fromkeys(NOUNS, NOTHING))
    totals: dict[str, int] = field(default_factory=lambda: dict.fromkeys(NOUNS, 0))
    hidden_seq: int = 0


class Counters:
    """Counts on demand; any thread may ask."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._counts = HubCounts()
        self._change = 0  # so many counts were asked for; never begins again

    def count(self, reader: Reader, hidden_seq: int) -> HubCounts:
        """Everything up to now. `hidden_seq` is the last event that hid or restored something."""
        with self._turn:
            if hidden_seq != self._counts.hidden_seq:
                self._counts = HubCounts(hidden_seq=hidden_seq)
            self._change += 1
            for noun in NOUNS:
                self._add_newer(reader, noun)
            self._count_records(reader)
            return replace(
                self._counts,
                agents=dict(self._counts.agents),  # copies: another thread may go on counting
                boards=dict(self._counts.boards),
                hours=dict(self._counts.hours),
                last=dict(self._counts.last),
                totals=dict(self._counts.totals),
            )

    def _add_newer(self, reader: Reader, noun: Noun) -> None:
        behind = self._counts.last[noun]
        newest = counts.newest_number(reader, noun)
        if newest <= behind:
            return
        if behind != NOTHING:
            self._note_changes(reader, noun, behind, newest)
        for agent_id, count in counts.count_by_agent(reader, noun, behind, newest).items():
            self._counts.totals[noun] += count
            if agent_id:
                self._add_to_agent(agent_id, {noun: count})
        if noun == "results":
            for results in counts.count_results(reader, behind, newest):
                self._add_results(results)
            for hour, count in counts.count_results_by_hour(reader, behind, newest).items():
                self._counts.hours[hour] = self._counts.hours.get(hour, 0) + count
        self._counts.last[noun] = newest

    def _note_changes(self, reader: Reader, noun: Noun, behind: int, newest: int) -> None:
        """Boards change by what is not theirs as well: a push gives results their commit, and a
        verdict says something of every board of its platform."""
        boards: set[tuple[str, str]] = set()
        platforms: set[str] = set()
        if noun == "commits":
            boards.update(counts.boards_of_commits(reader, behind, newest))
            platforms.update(counts.platforms_of_commits(reader, behind, newest))
        elif noun == "checks":
            platforms.update(counts.platforms_of_checks(reader, behind, newest))
        for key, board in self._counts.boards.items():
            if key in boards or board.platform in platforms:
                self._counts.boards[key] = replace(board, changed=self._change)

    def _count_records(self, reader: Reader) -> None:
        """Records are few, and a verdict may change them: they are counted anew."""
        records = {found.agent_id: found for found in counts.count_records(reader)}
        agents = self._counts.agents
        for agent_id, old in agents.items():
            new = records.get(agent_id, NO_RECORDS)
            agents[agent_id] = replace(
                old, records=new.records, checked=new.checked, reproduced=new.reproduced
            )

    def _add_to_agent(self, agent_id: str, more: Mapping[str, int], last_at: str = "") -> None:
        agents = self._counts.agents
        old = agents.get(agent_id, AgentCounts())
        sums = {name: getattr(old, name) + number for name, number in more.items()}
        agents[agent_id] = replace(old, last_at=max(old.last_at, last_at), **sums)

    def _add_results(self, found: ResultCount) -> None:
        self._add_to_agent(found.agent_id, {"kept": found.kept}, found.newest_at)
        key = (found.platform, found.track)
        old = self._counts.boards.get(key, BoardCounts(*key))
        self._counts.boards[key] = replace(
            old,
            results=old.results + found.results,
            kept=old.kept + found.kept,
            newest=max(old.newest, found.newest_id),
            changed=self._change,
        )


def count_agents(reader: Reader) -> int:
    return accounts.count_agents(reader)


def list_hours(counts: HubCounts) -> list[tuple[str, int]]:
    """Results in each of the last 24 hours, the running one last."""
    now = utc_now()
    hours = [precise_timestamp(now - timedelta(hours=n))[:13] for n in range(HOURS - 1, -1, -1)]
    return [(hour, counts.hours.get(hour, 0)) for hour in hours]
