"""Ideas as data: named edits with a source and a precondition, as search/replace blocks in files of
text. The catalogue lies in `catalogue/`; `--ideas FILE` adds a user's own.

    IDEA: swiglu
    ABOUT: a gated MLP with SiLU
    SOURCE: Shazeer 2020, arXiv 2002.05202
    NEEDS: DEPTH >= 2
    FILE: train.py
    <<<<<<< SEARCH
    ...

A block is anchored by the lines it replaces, which hold no constants: so an idea applies whatever
the constants are, and beside other ideas that left those lines alone. Leaves to others: the blocks
(edits), which idea is tried (idea_agent), the judgement.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path

from autoresearch.errors import BadInput
from autoresearch.researcher.agents.base import AgentFailed, Brief, Pending
from autoresearch.researcher.agents.constants import (
    Value,
    find_literals,
    literal_value,
    parse_module,
)
from autoresearch.researcher.agents.edits import (
    BadEdit,
    EditBlock,
    ProposedEdit,
    apply_edit,
    parse_blocks,
)
from autoresearch.researcher.judging.values import Record

FIELDS = ("IDEA", "ABOUT", "SOURCE", "NEEDS")
FIELD = re.compile(rf"({'|'.join(FIELDS)}):[ \t]*(.*)")
NEED = re.compile(r"([A-Z]\w*(?:\.\w+)?)\s*(==|!=|>=|<=|>|<)\s*(-?[\d.]+)")
COMPARE: dict[str, Callable[[float, float], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
FILE_BYTES = 1_000_000
Known = Record | Pending


@dataclass(frozen=True, slots=True)
class Need:
    """What a constant has to be, so that an idea makes sense."""

    name: str
    comparison: str
    number: float

    def holds(self, constants: Mapping[str, Value]) -> bool:
        value = constants.get(self.name)
        is_number = isinstance(value, int | float)
        return is_number and COMPARE[self.comparison](float(value), self.number)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class CatalogueIdea:
    """One edit that somebody described. `family`: the file it stands in."""

    name: str
    family: str
    about: str
    source: str
    needs: tuple[Need, ...]
    blocks: tuple[EditBlock, ...]

    @property
    def message(self) -> str:
        return f"{self.name}: {self.about}\n\nSource: {self.source}\n"


def read_catalogue(more: Sequence[Path] = ()) -> tuple[CatalogueIdea, ...]:
    """The built-in ideas and those of a user's files. A user's idea replaces one of its name."""
    folder = resources.files(__package__).joinpath("catalogue")
    names = sorted(file.name for file in folder.iterdir() if file.name.endswith(".edits"))
    found = [
        idea
        for name in names
        for idea in parse_ideas(folder.joinpath(name).read_text("utf-8"), Path(name).stem)
    ]
    for file in more:
        found += parse_ideas(read_file(file), file.stem)
    return tuple({idea.name: idea for idea in found}.values())


def read_file(file: Path) -> str:
    try:
        data = file.read_bytes()
        if len(data) > FILE_BYTES:
            raise BadInput(f"--ideas {file} is larger than a file of ideas: {len(data):,} bytes")
        return data.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"--ideas {file} cannot be read: {error}") from error


def parse_ideas(text: str, family: str) -> list[CatalogueIdea]:
    """The ideas of a file. BadInput names the one that is wrong."""
    lines = text.replace("\r\n", "\n").split("\n")
    starts = [at for at, line in enumerate(lines) if line.startswith("IDEA:")]
    ends = [*starts[1:], len(lines)]
    if not starts:
        raise BadInput(f"the file {family} holds no line `IDEA: name`; docs/ideas.md has examples")
    return [parse_idea(lines[a:b], family) for a, b in zip(starts, ends, strict=True)]


def parse_idea(lines: Sequence[str], family: str) -> CatalogueIdea:
    fields = read_fields(lines)
    name = fields.get("IDEA", "")
    try:
        if not re.fullmatch(r"[\w.-]{1,60}", name):
            raise BadEdit(f"{name[:60]!r} is no name of letters, digits, dots and hyphens")
        if missing := [field for field in ("ABOUT", "SOURCE") if not fields.get(field)]:
            raise BadEdit(f"the line `{missing[0]}: …` is missing")
        needs = parse_needs(fields.get("NEEDS", ""))
        blocks = parse_blocks(lines)
    except BadEdit as error:
        raise BadInput(f"idea {name!r} of the file {family}: {error}") from error
    return CatalogueIdea(name, family, fields["ABOUT"], fields["SOURCE"], needs, blocks)


def read_fields(lines: Sequence[str]) -> dict[str, str]:
    """The lines above the first block; one that is indented goes on with the field before it."""
    fields: dict[str, str] = {}
    last = ""
    for line in lines:
        if line.startswith("FILE:"):
            break
        if found := FIELD.fullmatch(line):
            last = found[1]
            fields[last] = found[2].strip()
        elif last and line.startswith("  "):
            fields[last] += " " + line.strip()
    return fields


def parse_needs(text: str) -> tuple[Need, ...]:
    needs = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        found = NEED.fullmatch(part)
        if found is None:
            raise BadEdit(f"NEEDS {part!r} is no comparison such as DEPTH >= 2")
        needs.append(Need(found[1], found[2], float(found[3])))
    return tuple(needs)


# ---------------------------------------------------------------- on the code as it is


def apply_idea(idea: CatalogueIdea, sources: Mapping[str, str]) -> dict[str, str] | None:
    """The files that an idea changes; None where it does not apply to these."""
    if idea.needs:
        constants = read_all_constants(sources.values())
        if not all(need.holds(constants) for need in idea.needs):
            return None
    try:
        return apply_edit(ProposedEdit(idea.about, idea.blocks), sources)
    except BadEdit:
        return None


def read_all_constants(texts: Iterable[str]) -> dict[str, Value]:
    """Every literal constant, whether its comment states a range or not."""
    return {name: value for text in texts for name, value in read_literals(text).items()}


@lru_cache(maxsize=8)  # each idea with a need asks for the same files
def read_literals(text: str) -> dict[str, Value]:
    try:
        literals = dict(find_literals(parse_module(text)))
    except AgentFailed:
        return {}
    values = {name: literal_value(node) for name, node in literals.items()}
    return {name: value for name, value in values.items() if value is not None}


def ideas_tried(known: Iterable[Known]) -> dict[str, list[Known]]:
    """The experiments of each idea, by its name."""
    tried: dict[str, list[Known]] = {}
    for one in known:
        if isinstance(name := one.proposal.get("idea"), str):
            tried.setdefault(name, []).append(one)
    return tried


def open_ideas(
    ideas: Sequence[CatalogueIdea], sources: Mapping[str, str], brief: Brief
) -> list[CatalogueIdea]:
    """Those that apply here and that nobody tried, here or in another slot."""
    tried = ideas_tried([*brief.history, *brief.pending])
    return [
        idea for idea in ideas if idea.name not in tried and apply_idea(idea, sources) is not None
    ]
