"""How many confirmed results are false, in simulated nights of somebody who looks all the time.

    python bench/claims.py                       # 200 nights of 8 h on each landscape
    python bench/claims.py --nights 40 --landscapes even

The judge and the claims are those of real nights. After every re-run of a best all claims are
weighed again; a claim counts as confirmed if it ever was. False: no better than the unchanged code.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

import msgspec

from autoresearch.researcher.config import Config
from autoresearch.researcher.journal import Attempt
from autoresearch.researcher.judging.confirm import weigh_claims
from autoresearch.researcher.judging.judge import Finding
from autoresearch.researcher.judging.values import Record
from autoresearch.researcher.simulate.compare import share
from autoresearch.researcher.simulate.landscape import LANDSCAPES, noise_only
from autoresearch.researcher.simulate.night import Code, Simulation
from nights import read_options


@dataclass
class WatchedNight(Simulation):
    """Notes every commit that was ever confirmed, and each interval that missed the truth."""

    gains: dict[str, float] = field(default_factory=dict)
    confirmed: set[str] = field(default_factory=set)
    missed: set[str] = field(default_factory=set)
    claimed: set[str] = field(default_factory=set)

    def experiment(self, idea: Code, best: Code) -> tuple[Record, bool]:
        self.gains[idea.name] = idea.gain
        return super().experiment(idea, best)

    def settle(self, attempt: Attempt, finding: Finding) -> Record:
        record = super().settle(attempt, finding)
        for claim in weigh_claims(self.history, "min") if record.rechecks else ():
            self.claimed.add(claim.commit)
            if claim.confirmed:
                self.confirmed.add(claim.commit)
            if not claim.low <= self.gains[claim.commit] <= claim.high:
                self.missed.add(claim.commit)
        return record


def one(task: tuple[str, bool, float, int]) -> tuple[int, int, int, int, int]:
    """Of one night: confirmed, false ones, whether any is false, claims, intervals that missed."""
    name, silent, hours, seed = task
    config = msgspec.convert({"experiment": {"free": ["x"], "command": ["x"]}}, Config)
    land = noise_only(LANDSCAPES[name]) if silent else LANDSCAPES[name]
    night = WatchedNight(land, config, "confirm", hours, seed)
    night.run()
    false = sum(night.gains[commit] <= 0 for commit in night.confirmed)
    return len(night.confirmed), false, bool(false), len(night.claimed), len(night.missed)


def show(name: str, found: Iterable[tuple[int, int, int, int, int]]) -> None:
    rows = list(found)
    confirmed, false, nights, claims, missed = (sum(row[i] for row in rows) for i in range(5))
    among, some = share(false, confirmed), share(nights, len(rows))
    held = share(claims - missed, claims)
    print(
        f"{name:22} confirmed a night {confirmed / len(rows):5.1f}  false among them "
        f"{100 * among.value:5.1f} % (to {100 * among.high:.1f})  nights with one "
        f"{100 * some.value:5.1f} % (to {100 * some.high:.1f})  intervals held at every look "
        f"{100 * held.value:.1f} %"
    )


def main() -> None:
    args = read_options(__doc__, 200, landscapes=list(LANDSCAPES))
    with ProcessPoolExecutor(args.processes) as pool:
        for name in args.landscapes:
            for silent in (False, True):
                tasks = [(name, silent, args.hours, args.seed + n) for n in range(args.nights)]
                show(f"{name}{', noise alone' if silent else ''}", pool.map(one, tasks))


if __name__ == "__main__":
    main()
