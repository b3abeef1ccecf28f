"""The simulation of a hub's queues gives what queueing theory says of those it can calculate."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from math import factorial
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))

from capacity_model import Clock, Cost, Load, Plant, Station, Turn, demand, simulate

ARRIVALS = 60_000


def mean_wait(servers: int, rate: float, draw: Callable[[random.Random], float]) -> float:
    """Of customers that come by chance, `rate` a second, before being served."""
    clock, chance, waits = Clock(), random.Random(3), []
    station = Station(clock, servers)

    def arrive() -> None:
        came_s, seconds = clock.now, draw(chance)
        station.serve(seconds, lambda: waits.append(clock.now - came_s - seconds))
        if len(waits) < ARRIVALS:
            clock.after(chance.expovariate(rate), arrive)

    arrive()
    clock.run(1e9)
    return sum(waits) / len(waits)


def erlang_c(servers: int, offered: float) -> float:
    """The chance of waiting at all, of M/M/c."""
    full = offered**servers / factorial(servers) / (1 - offered / servers)
    return full / (sum(offered**n / factorial(n) for n in range(servers)) + full)


def test_one_server_whose_service_is_chance() -> None:
    """M/M/1 waits rho / (mu - lambda)."""
    assert mean_wait(1, 0.5, lambda chance: chance.expovariate(1)) == pytest.approx(1.0, rel=0.06)


def test_one_server_whose_service_is_fixed() -> None:
    """M/D/1 waits half as long as M/M/1."""
    assert mean_wait(1, 0.5, lambda _: 1.0) == pytest.approx(0.5, rel=0.04)
    assert mean_wait(1, 0.7, lambda _: 1.0) == pytest.approx(0.7 / 0.6, rel=0.06)


def test_several_servers() -> None:
    """M/M/3 waits C / (3 mu - lambda), with Erlang's C."""
    expected = erlang_c(3, 2.1) / (3 - 2.1)
    assert mean_wait(3, 2.1, lambda chance: chance.expovariate(1)) == pytest.approx(
        expected, rel=0.06
    )


def test_changes_share_a_commit_and_nodes_take_turns() -> None:
    """A commit of 10 s, changes of 1 s. The first goes alone; what came to its node meanwhile
    shares the commit after the other node's."""
    clock, done = Clock(), []
    turn = Turn(clock, 10.0)

    def ask(at_s: float, node: int, name: str) -> None:
        def begin() -> None:
            turn.change(node, 1.0, lambda: done.append((clock.now, name)))

        clock.after(at_s, begin)

    for at_s, node, name in ((0, 0, "a"), (1, 1, "b"), (2, 0, "c"), (3, 1, "d"), (4, 0, "e")):
        ask(at_s, node, name)
    clock.run(100)

    assert done == [(11, "a"), (23, "b"), (23, "d"), (35, "c"), (35, "e")]
    assert turn.busy_s == 35


def test_a_community_is_served_as_its_demand_says() -> None:
    """Where nothing is full, processors are as busy as the sum of what is asked says, and the
    fewer they are the longer requests wait."""
    load = Load(2000, 12, {"read": 3, "post": 1, "push": 0.25})
    costs = {
        "read": Cost(0.01, 0.002),
        "post": Cost(0.01, 0.01, 0.004),
        "push": Cost(0.04, 0, 0.004),
    }
    asked = demand(load, costs)
    assert asked == Cost(pytest.approx(0.05), pytest.approx(0.016), pytest.approx(0.005))

    few, many = (simulate(Plant(nodes, 1, 1, 0.001), load, costs, 30, 200) for nodes in (1, 4))

    rate = load.experiments_per_s
    assert few.node == pytest.approx(rate * asked.node_s, rel=0.05)
    assert many.node == pytest.approx(rate * asked.node_s / 4, rel=0.05)
    assert few.database == pytest.approx(rate * asked.database_s, rel=0.05)
    assert rate * 0.005 < few.turn < rate * (0.005 + 1.25 * 0.001) * 1.05
    assert len(few.waits_s) == pytest.approx(rate * 4.25 * 200, rel=0.05)
    assert few.wait_ms(0.9) > many.wait_ms(0.9) >= 0 and few.wait_ms(0.99) > many.wait_ms(0.99)


def test_a_hub_that_is_full_lets_agents_wait() -> None:
    """Twice what one processor can serve: it is always busy, and waits are of seconds."""
    load = Load(2000, 12, {"read": 1})
    found = simulate(Plant(1, 1, 1, 0.0), load, {"read": Cost(0.3)}, 60, 60)

    assert found.node == pytest.approx(1.0, abs=0.02) and found.wait_ms(0.5) > 5000
