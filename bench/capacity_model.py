"""Queues before a hub that many agents ask: a discrete-event simulation.

An agent makes one experiment after another: its requests one by one, then the training. A request
takes the processor of a node, that of the database, and, where it changes something, the turn that
all writers share; changes that wait at one node share a commit. What each takes is measured
elsewhere (capacity). Times are those of the model, and chance has a seed.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count

GROUP_MAX = 256  # changes that share a commit, as `hub.store.database` has it
Then = Callable[[], None]


@dataclass(frozen=True)
class Cost:
    """Of one request: seconds of a node's processor, of the database's, and of the writers' turn
    beside the commit; 0 for one that changes nothing."""

    node_s: float
    database_s: float = 0.0
    turn_s: float = 0.0


@dataclass(frozen=True)
class Plant:
    """The machines, and how long a commit takes by itself."""

    nodes: int
    cores: int  # of each node
    database_cores: int
    commit_s: float


@dataclass(frozen=True)
class Load:
    """So many agents; in an experiment each verb comes with its chance, or so many times."""

    agents: int
    per_hour: float
    verbs: Mapping[str, float]

    @property
    def experiments_per_s(self) -> float:
        return self.agents * self.per_hour / 3600


@dataclass
class Outcome:
    """What was simulated: how long requests waited beside being served, and how busy all was."""

    seconds: float
    waits_s: list[float] = field(default_factory=list)
    node: float = 0.0  # shares of the time that processors and the turn were busy
    database: float = 0.0
    turn: float = 0.0

    def wait_ms(self, share: float) -> float:
        ordered = sorted(self.waits_s)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000


class Clock:
    """Does what is due, in the order of its time."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, int, Then]] = []
        self._numbers = count()

    def after(self, seconds: float, then: Then) -> None:
        heappush(self._due, (self.now + seconds, next(self._numbers), then))

    def run(self, until_s: float) -> None:
        while self._due and self._due[0][0] <= until_s:
            self.now, _, then = heappop(self._due)
            then()
        self.now = until_s


class Station:
    """Processors with one queue: first come, first served."""

    def __init__(self, clock: Clock, servers: int) -> None:
        self.busy_s = 0.0
        self._clock = clock
        self._free = servers
        self._waiting: deque[tuple[float, Then]] = deque()

    def serve(self, seconds: float, then: Then) -> None:
        if self._free:
            self._free -= 1
            self._begin(seconds, then)
        else:
            self._waiting.append((seconds, then))

    def _begin(self, seconds: float, then: Then) -> None:
        self.busy_s += seconds
        self._clock.after(seconds, lambda: self._end(then))

    def _end(self, then: Then) -> None:
        if self._waiting:
            self._begin(*self._waiting.popleft())
        else:
            self._free += 1
        then()


class Turn:
    """One writer at a time over all nodes. What waits at a node when its turn comes shares a
    commit."""

    def __init__(self, clock: Clock, commit_s: float) -> None:
        self.busy_s = 0.0
        self._clock = clock
        self._commit_s = commit_s
        self._waiting: dict[int, list[tuple[float, Then]]] = {}
        self._order: deque[int] = deque()
        self._is_taken = False

    def change(self, node: int, seconds: float, then: Then) -> None:
        if node not in self._waiting:
            self._waiting[node] = []
            self._order.append(node)
        self._waiting[node].append((seconds, then))
        self._begin()

    def _begin(self) -> None:
        if self._is_taken or not self._order:
            return
        self._is_taken = True
        node = self._order.popleft()
        waiting = self._waiting.pop(node)
        group, left = waiting[:GROUP_MAX], waiting[GROUP_MAX:]
        if left:
            self._waiting[node] = left
            self._order.append(node)
        took_s = self._commit_s + sum(seconds for seconds, _ in group)
        self.busy_s += took_s
        self._clock.after(took_s, lambda: self._end(group))

    def _end(self, group: Sequence[tuple[float, Then]]) -> None:
        self._is_taken = False
        for _, then in group:
            then()
        self._begin()


class Simulation:
    """Agents that go round before the machines of a hub."""

    def __init__(self, plant: Plant, load: Load, costs: Mapping[str, Cost], seed: int) -> None:
        self.clock = Clock()
        self.nodes = [Station(self.clock, plant.cores) for _ in range(plant.nodes)]
        self.database = Station(self.clock, plant.database_cores)
        self.turn = Turn(self.clock, plant.commit_s)
        self.waits_s: list[float] = []
        self._plant, self._load, self._costs = plant, load, costs
        self._random = random.Random(seed)

    def run(self, warm_s: float, seconds: float) -> Outcome:
        """The first `warm_s` seconds count for nothing: queues are empty when all begins."""
        round_s = 3600 / self._load.per_hour
        for _ in range(self._load.agents):
            self.clock.after(self._random.uniform(0, round_s), self._experiment)
        self.clock.run(warm_s)
        self.waits_s.clear()
        before = self._busy_s()
        self.clock.run(warm_s + seconds)
        busy = [(after - was) / seconds for was, after in zip(before, self._busy_s(), strict=True)]
        node, database, turn = busy
        cores = self._plant.nodes * self._plant.cores
        shares = node / cores, database / self._plant.database_cores, turn
        return Outcome(seconds, self.waits_s, *shares)

    def _busy_s(self) -> tuple[float, float, float]:
        return sum(node.busy_s for node in self.nodes), self.database.busy_s, self.turn.busy_s

    def _experiment(self) -> None:
        self._go_on(self._draw_verbs())

    def _draw_verbs(self) -> Iterator[str]:
        for verb, times in self._load.verbs.items():
            whole = int(times)
            for _ in range(whole + (self._random.random() < times - whole)):
                yield verb

    def _go_on(self, verbs: Iterator[str]) -> None:
        verb = next(verbs, None)
        if verb is None:  # the training, nearly of one length
            train_s = self._random.uniform(0.9, 1.1) * 3600 / self._load.per_hour
            self.clock.after(train_s, self._experiment)
        else:
            self._ask(verb, lambda: self._go_on(verbs))

    def _ask(self, verb: str, then: Then) -> None:
        """A request: node, database, turn. How long it takes is drawn; the turn takes what it
        takes."""
        cost, asked_s = self._costs[verb], self.clock.now
        number = self._random.randrange(self._plant.nodes)
        node_s, database_s = self._draw(cost.node_s), self._draw(cost.database_s)
        turn_s = self._plant.commit_s + cost.turn_s if cost.turn_s else 0.0
        served_s = node_s + database_s + turn_s

        def end() -> None:
            self.waits_s.append(self.clock.now - asked_s - served_s)
            then()

        def write() -> None:
            self.turn.change(number, cost.turn_s, end)

        last = write if cost.turn_s else end
        self.nodes[number].serve(node_s, lambda: self.database.serve(database_s, last))

    def _draw(self, mean_s: float) -> float:
        return self._random.expovariate(1 / mean_s) if mean_s else 0.0


def simulate(
    plant: Plant,
    load: Load,
    costs: Mapping[str, Cost],
    warm_s: float,
    seconds: float,
    seed: int = 1,
) -> Outcome:
    return Simulation(plant, load, costs, seed).run(warm_s, seconds)


def demand(load: Load, costs: Mapping[str, Cost]) -> Cost:
    """What one experiment takes, without any waiting; of the turn without commits, which many
    may share."""
    parts = [(times, costs[verb]) for verb, times in load.verbs.items()]
    return Cost(
        sum(times * cost.node_s for times, cost in parts),
        sum(times * cost.database_s for times, cost in parts),
        sum(times * cost.turn_s for times, cost in parts),
    )
