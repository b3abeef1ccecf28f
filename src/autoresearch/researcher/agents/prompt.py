"""The brief as an agent reads it: the template `brief.md`, filled in. Every text that came from a
run, another agent or a hub is quoted as data.

The template is a file a person can read, and replace by their own (`autoresearch run --brief
FILE`); its `$names` are those below.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from string import Template

from autoresearch.errors import BadInput
from autoresearch.researcher.agents.base import Brief
from autoresearch.researcher.agents.ideas import CatalogueIdea
from autoresearch.researcher.agents.quote import NOTICE, quote_text
from autoresearch.researcher.judging.amounts import show_amount
from autoresearch.researcher.judging.values import Record

SHOWN = 40  # experiments told in full; older ones only count
HISTORY_CHARS = 12_000
IDEAS_SHOWN = 20  # others in each brief, so that all are seen

IN_PLACE = """\
## How to hand over

Edit the files in the current directory, then stop. End your last message with one line for the commit message, like a person would write it:

DESCRIPTION: what you changed and why it should help
"""

AS_BLOCKS = """\
## How to hand over

Answer with one line that becomes the commit message, then one block per place to change. SEARCH has to repeat lines of the file letter
for letter and occur in it exactly once; keep it short. Nothing else in your answer is read.

DESCRIPTION: what you changed and why it should help
FILE: $file
<<<<<<< SEARCH
lines as they stand in the file
=======
lines to put in their place
>>>>>>> REPLACE
"""


@dataclass(frozen=True, slots=True)
class Note:
    """A text from elsewhere that an agent should know of: a post, another agent's result.
    Untrusted."""

    source: str
    text: str


def default_template() -> str:
    return resources.files(__package__).joinpath("brief.md").read_text("utf-8")


def render_brief(
    brief: Brief,
    handover: str,
    *,
    notes: Sequence[Note] = (),
    template: str = "",
    ideas: Sequence[CatalogueIdea] = (),
) -> str:
    """The whole brief. Raises BadInput with a sentence where a person's own template has a `$name`
    we do not know. `ideas`: of the catalogue, those that are open here."""
    words = {
        "number": str(brief.number),
        "metric": brief.metric,
        "better": "lower" if brief.direction == "min" else "higher",
        "free": ", ".join(f"`{name}`" for name in brief.free),
        "standing": describe_standing(brief),
        "history": quote_text(
            "the ledger of this machine", describe_tried(brief), limit=HISTORY_CHARS
        ),
        "ideas": describe_ideas(ideas, brief.number),
        "notes": "\n\n".join(["## What others say", *(quote_text(n.source, n.text) for n in notes)])
        if notes
        else "",
        "notice": NOTICE,
        "handover": Template(handover).safe_substitute(file=brief.free[0]),
    }
    try:
        return Template(template or default_template()).substitute(words)
    except (KeyError, ValueError) as error:
        raise BadInput(
            f"the brief's template is wrong at {error}; it may use ${', $'.join(words)} "
            "and $$ for a dollar"
        ) from error


def describe_standing(brief: Brief) -> str:
    """Baseline, best and how many were tried, in numbers only."""
    baselines = [r.value for r in brief.history if r.is_baseline and r.value is not None]
    kept = [
        r for r in brief.history if r.status == "keep" and not r.is_baseline and r.value is not None
    ]
    tried = sum(not r.is_baseline for r in brief.history)
    lines = [
        f"- {tried} experiments so far, {len(kept)} kept; you start from commit "
        f"{brief.parent[:7]}, the best one."
    ]
    if baselines:
        lines.append(f"- baseline: {show_amount(baselines[0])}")
    if kept:
        lines.append(f"- best: {show_amount(kept[-1].value)}")
    spread = [v for r in brief.history if r.is_baseline for v in r.values]
    if len(spread) > 1:
        lines.append(
            f"- noise: {len(spread)} runs of the baseline lay between {show_amount(min(spread))} "
            f"and {show_amount(max(spread))}"
        )
    return "\n".join(lines)


def describe_ideas(ideas: Sequence[CatalogueIdea], number: int) -> str:
    """Some ideas of the catalogue that nobody tried here; empty where there is none."""
    if not ideas:
        return ""
    shown = random.Random(number).sample(list(ideas), min(IDEAS_SHOWN, len(ideas)))
    lines = [f"- {idea.name}: {idea.about} ({idea.source})" for idea in shown]
    return "\n".join(["## Ideas from papers that nobody tried here", "", *lines])


def describe_tried(brief: Brief) -> str:
    """What was tried and what is being tried at this moment."""
    now = [
        f"(running now, no verdict yet) on {p.parent[:7]}: {p.description}" for p in brief.pending
    ]
    return "\n".join([describe_history(brief.history), *now])


def describe_history(records: Sequence[Record]) -> str:
    """One line an experiment: what was tried, what came of it, and why."""
    tried = [r for r in records if not r.is_baseline]
    lines = [f"({len(tried) - SHOWN} older experiments left out)"] if len(tried) > SHOWN else []
    lines += [describe_record(r) for r in tried[-SHOWN:]]
    return "\n".join(lines) or "nothing yet: you are the first"


def describe_record(record: Record) -> str:
    value = show_amount(record.value)
    return (
        f"{record.commit[:7]} on {record.parent[:7]} {record.status} {value} "
        f"{record.description} ({record.reason})"
    )
