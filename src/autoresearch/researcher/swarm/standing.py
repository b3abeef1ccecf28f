"""How a workspace stands with its hub, read without disturbing anybody and without asking the hub:
for `autoresearch status`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from autoresearch.researcher.swarm.outbox import WAITING, Outbox
from autoresearch.researcher.swarm.swarm_state import load_facts
from autoresearch.untrusted import to_line

MEMORY, OUTBOX = "swarm.json", "outbox"


@dataclass(frozen=True)
class Standing:
    """`waiting`: experiments with something still to tell. `refused`: the hub's sentence for each
    thing it would not take. `trouble`: why the hub did not answer when it was last asked, empty
    where it did."""

    hub: str
    agent_id: str
    last_contact: str
    trouble: str
    waiting: int
    refused: tuple[str, ...]


def read_standing(private: Path) -> Standing | None:
    """The standing kept in a workspace's private folder; None where it never had a hub."""
    facts = load_facts(private / MEMORY)
    if not facts.hub:
        return None
    outbox = Outbox(private / OUTBOX)
    refused = tuple(
        f"experiment {record_id}: {to_line(said, 300)}" for record_id, said in outbox.refusals()
    )
    waiting = len(outbox.names(WAITING))
    return Standing(
        facts.hub,
        facts.agent_id,
        facts.last_contact,
        to_line(facts.trouble, 300),
        waiting,
        refused,
    )


def describe_standing(standing: Standing) -> list[str]:
    """The standing for a person."""
    name = standing.agent_id or "(not joined yet)"
    contact = (
        f"last answer {standing.last_contact}" if standing.last_contact else "it never answered"
    )
    waiting = (
        f"{standing.waiting} results wait in the outbox" if standing.waiting else "nothing waits"
    )
    said = [f"hub      {standing.hub} as {name}: {contact}, {waiting}"]
    if standing.trouble:
        said.append(f"         trouble: {standing.trouble}")
    return [
        *said,
        *(f"         set aside, the hub refused it: {line}" for line in standing.refused),
    ]
