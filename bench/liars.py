"""How long boards stand up to liars: the hub's own rule (hub/rules/verification.py) in worlds where
a share of all networks lies together. Needs no server, and decides nothing about real results.

    python bench/liars.py                            # the table of docs/trust.md
    python bench/liars.py --share 0.4 0.5 --seeds 3

A world: every network runs experiments, and some are claimed as better. Honest claims are true.
Liars know each other, know which of them are asked, and see every verdict. Their ways:

- blunt: they claim what is false, confirm each other and dispute honest claims
- sleeping: they behave until they weigh nearly as much as anybody can; then they are blunt until
  they are found out
- careful: they sleep, and judge falsely only where those of them who are asked can pass the bound
  at once; else they tell the truth, also about their own
- split: a third of them claims what is false all the time; the others never do, and judge as the
  careful ones
"""

from __future__ import annotations

import argparse
import platform
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import sqrt

from autoresearch.hub.rules import verification as rule

NETWORKS, DAYS = 60, 200
RUNS_A_DAY = 5  # experiments of one network
CLAIM_SHARE = 0.05  # experiments that are claimed as better
WRONG = 0.005  # honest verdicts that are wrong, each way
SILENT = 0.2  # of those asked never answer
REMEASURED = 0.2  # a day: chance that an honest network runs a verified result to build on it
SLEEP_UNTIL = 2.5  # weight at which a sleeper wakes
OPEN_DAYS = 20  # in which somebody still judges a claim
WAYS = ("blunt", "sleeping", "careful", "split")


@dataclass
class SimulatedClaim:
    """A claim of a world, who judged it and what it was called so far."""

    id: int
    author: str
    is_true: bool
    day: int
    verdicts: dict[str, tuple[bool, float]] = field(default_factory=dict)
    challengers: set[str] = field(default_factory=set)  # each says that a badge is wrong
    silent: set[str] = field(default_factory=set)
    noted: dict[str, bool] = field(default_factory=dict)  # who was right, as it was last counted
    outcome: rule.Outcome = ""
    called: set[str] = field(default_factory=set)

    def total(self) -> float:
        return sum(weight if yes else -weight for yes, weight in self.verdicts.values())


class World:
    """Networks, their claims, and what the hub makes of the verdicts."""

    def __init__(self, way: str, share: float, seed: int) -> None:
        self.rng = random.Random(f"{way} {share} {seed}")
        names = [f"net{i}" for i in range(NETWORKS)]
        self.liars = set(names[: round(share * NETWORKS)])
        self.claimants = set(names[: round(share * NETWORKS / 3)])
        self.way = way
        self.key = f"key {seed}".encode()
        self.networks = {name: rule.NetworkStanding() for name in names}
        self.claims: list[SimulatedClaim] = []
        self.runs = self.extra = 0

    def live(self, days: int) -> None:
        for day in range(days):
            for name, standing in self.networks.items():
                runs = standing.runs + RUNS_A_DAY
                self.networks[name] = replace(standing, days=day + 1, runs=runs)
                self.runs += RUNS_A_DAY
                for _ in range(RUNS_A_DAY):
                    if self.rng.random() < CLAIM_SHARE:
                        self.claim(name, day)
            self.challenge(day)
            for claim in self.find_recent(day):
                self.judge(claim, day)

    def claim(self, name: str, day: int) -> None:
        lies = name in self.claimants if self.way == "split" else self.is_awake(name)
        self.claims.append(SimulatedClaim(len(self.claims), name, not lies, day))

    def is_awake(self, name: str) -> bool:
        """Whether a network lies now."""
        if name not in self.liars or self.way in ("blunt", "split"):
            return name in self.liars
        return rule.weigh(self.networks[name]) >= SLEEP_UNTIL

    def find_recent(self, day: int) -> list[SimulatedClaim]:
        newest = self.claims[-NETWORKS * RUNS_A_DAY * OPEN_DAYS :]
        return [claim for claim in newest if day - claim.day < OPEN_DAYS]

    def challenge(self, day: int) -> None:
        """Honest networks run what they build on; liars challenge what is true, where they dare."""
        for claim in self.find_recent(day):
            if claim.outcome != "reproduced" or self.rng.random() >= REMEASURED:
                continue
            those = [n for n in self.networks if (n in self.liars) == claim.is_true]
            if claim.is_true:
                those = [n for n in those if self.way not in ("careful", "split")]
                those = [n for n in those if self.is_awake(n)]
            free = [n for n in those if n not in claim.verdicts and n != claim.author]
            if free and len(claim.challengers) < rule.CHALLENGES_MAX:
                name = self.rng.choice(free)
                if rule.weigh(self.networks[name]) >= rule.CHALLENGE_WEIGHT:
                    claim.challengers.add(name)

    def judge(self, claim: SimulatedClaim, day: int) -> None:
        """Ask until the bound is passed, or nobody is left who answers today."""
        while rule.is_checked(self.key, claim.id, self.networks[claim.author]):
            author, open_days = self.networks[claim.author], day - claim.day
            challenges = len(claim.challengers)
            places = rule.count_places(claim.total(), author, challenges, open_days)
            if not places:
                break
            weights = {n: rule.weigh(s) for n, s in self.networks.items() if n != claim.author}
            drawn = rule.draw_judges(self.key, claim.id, weights)
            asked = [n for n in drawn if n not in claim.verdicts][:places]
            asked = [n for n in asked if n not in claim.silent]
            if not asked:
                break
            self.answer(claim, asked, weights)
        self.settle(claim)

    def answer(self, claim: SimulatedClaim, asked: list[str], weights: dict[str, float]) -> None:
        """One more verdict; liars are the first to answer."""
        lying = [n for n in asked if self.is_awake(n)]
        if lying and (self.way in ("blunt", "sleeping") or self.can_win(claim, lying, weights)):
            for name in lying:
                claim.verdicts[name] = (not claim.is_true, weights[name])
            return
        name, says = asked[0], claim.is_true
        if name not in self.liars:
            if self.rng.random() < SILENT:
                claim.silent.add(name)
                return
            self.extra += 1
            says = says != (self.rng.random() < WRONG)
        claim.verdicts[name] = (says, weights[name])

    def can_win(self, claim: SimulatedClaim, lying: list[str], weights: dict[str, float]) -> bool:
        """Whether false verdicts of these pass the bound at once."""
        disputed, reproduced = rule.find_bounds(self.networks[claim.author])
        power = sum(weights[name] for name in lying)
        if claim.is_true:
            return claim.total() - power <= disputed
        return claim.total() + power >= reproduced

    def settle(self, claim: SimulatedClaim) -> None:
        """What the hub calls the claim now, and who was right and wrong by that."""
        for name, right in claim.noted.items():
            self.note(name, right, -1)
        claim.outcome = rule.settle(claim.total(), self.networks[claim.author])
        claim.called.add(claim.outcome)
        claim.noted = {}
        if claim.outcome:
            words = {name: yes for name, (yes, _) in claim.verdicts.items()}
            words |= {**dict.fromkeys(claim.challengers, False), claim.author: True}
            good = claim.outcome == "reproduced"
            claim.noted = {name: yes == good for name, yes in words.items()}
        for name, right in claim.noted.items():
            self.note(name, right, 1)

    def note(self, name: str, right: bool, by: int) -> None:
        old = self.networks[name]
        changed = replace(old, right=old.right + by * right, wrong=old.wrong + by * (not right))
        self.networks[name] = changed


def count_world(way: str, share: float, seed: int, days: int) -> dict[str, tuple[int, int]]:
    """By name: so many of so many."""
    world = World(way, share, seed)
    world.live(days)
    honest = [c for c in world.claims if c.author not in world.liars]
    badges = [c for c in world.claims if "reproduced" in c.called]
    lasting = [c for c in world.claims if c.outcome == "reproduced"]
    return {
        "false claims": (sum(not c.is_true for c in world.claims), len(world.claims)),
        "wrong badges": (sum(not c.is_true for c in badges), len(badges)),
        "of them lasting": (sum(not c.is_true for c in lasting), len(lasting)),
        "honest disputed": (sum("disputed" in c.called for c in honest), len(honest)),
        "honest verified": (sum("reproduced" in c.called for c in honest), len(honest)),
        "extra runs": (world.extra, world.runs),
    }


def show_share(some: int, of: int) -> str:
    """A share in per cent, and the upper end of its 95 % interval (Wilson)."""
    z, n = 1.96, max(1, of)
    share = some / n
    middle = share + z * z / (2 * n)
    half = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return f"{100 * share:6.2f} (<{100 * (middle + half) / (1 + z * z / n):.2f})"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--share", type=float, nargs="*", default=[0.3, 0.4, 0.5])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--days", type=int, default=DAYS)
    options = parser.parse_args(arguments)
    print(f"{NETWORKS} networks, {options.days} days, {options.seeds} worlds each; per cent,")
    print(f"in brackets the upper end of the 95 % interval; Python {platform.python_version()}")
    for share in options.share:
        for way in WAYS:
            worlds = [count_world(way, share, s, options.days) for s in range(options.seeds)]
            cells = [
                f"{name} {show_share(*map(sum, zip(*(w[name] for w in worlds), strict=True)))}"
                for name in worlds[0]
            ]
            print(f"{share:.0%} {way:<9}", " | ".join(cells), flush=True)


if __name__ == "__main__":
    main()
