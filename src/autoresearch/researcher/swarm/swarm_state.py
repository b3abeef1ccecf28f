"""What hub mode remembers between runs: whose results were offered, which claims are held, when
the hub last answered.

One small file, replaced as a whole. Holds no key: nothing here is a secret, and nothing here is
believed more than the hub is.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from autoresearch.files import PRIVATE, replace_json


@dataclass(frozen=True)
class Offer:
    """Another agent's claim that was, or is about to be, measured here. `post_id` is where the
    answer belongs."""

    agent: str
    post_id: int
    claimed: float | None
    description: str = ""


@dataclass(frozen=True)
class OwnClaim:
    """A claim of ours on an idea; `renew_at` and `ttl_s` in seconds, the former since 1970."""

    claim_id: int
    ttl_s: int
    renew_at: float


@dataclass(frozen=True)
class SwarmFacts:
    """`trouble` is the sentence that ended the last talk with the hub, empty while it answers."""

    hub: str = ""
    agent_id: str = ""
    offers: dict[str, Offer] = field(default_factory=dict)  # by full hash
    claims: dict[str, OwnClaim] = field(default_factory=dict)  # by attempt id
    last_contact: str = ""
    trouble: str = ""


class SwarmState:
    """The facts in a file, shared by threads."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.lock = threading.RLock()
        self.facts = load_facts(file)

    def save(self, **changes: object) -> SwarmFacts:
        """Replace fields; on disk when this returns."""
        with self.lock:
            facts = replace(self.facts, **changes)  # type: ignore[arg-type]
            if facts != self.facts:
                self.facts = facts
                replace_json(self.file, facts, mode=PRIVATE)
            return facts

    def note_offer(self, commit: str, offer: Offer) -> None:
        with self.lock:
            self.save(offers={**self.facts.offers, commit: offer})

    def note_claim(self, attempt_id: str, held: OwnClaim | None) -> None:
        """Note a claim, or that it is over."""
        with self.lock:
            others = {i: h for i, h in self.facts.claims.items() if i != attempt_id}
            self.save(claims={**others, attempt_id: held} if held else others)


def load_facts(file: Path) -> SwarmFacts:
    """What the file says; nothing where there is none or it is damaged: everything in it can be
    learned again."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=SwarmFacts)
    except (OSError, msgspec.MsgspecError):
        return SwarmFacts()
