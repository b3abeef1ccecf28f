"""The lab as a table recorded it: what every train.py scores that agents can make of the unchanged
one by its constants and by ideas of the catalogue.

Constants lie on a surface over the recorded settings; each idea adds what it gained alone. Leaves
to others: the surface, nights (searching).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from autoresearch.researcher.agents.constants import Constant, replace_values
from autoresearch.researcher.agents.edits import ProposedEdit, apply_edit
from autoresearch.researcher.agents.ideas import CatalogueIdea, read_catalogue
from autoresearch.researcher.agents.learnt import NOTHING, Learnt
from autoresearch.researcher.agents.search import read_constants
from autoresearch.researcher.agents.search_space import Key, to_unit
from autoresearch.researcher.simulate.landscape import Landscape, shrink
from autoresearch.researcher.simulate.surface import Surface, fit_surface
from autoresearch.researcher.simulate.table import (
    RecordedVariant,
    RunTable,
    collect_variants,
    gain_error,
    measure_gain,
)

FILE = "train.py"


@dataclass(frozen=True)
class Draft:
    """A train.py of a simulated night. `text` holds its structure, with constants that nobody
    moved; `constants` are as they are now."""

    constants: Mapping[Key, Constant]
    text: str = ""
    ideas: tuple[str, ...] = ()

    @property
    def key(self) -> object:
        """The same for two that are the same file."""
        return self.text, tuple(one.value for one in self.constants.values())

    def write(self) -> str:
        """The whole file."""
        return write_values(
            self.text, tuple((name, one.value) for (_, name), one in self.constants.items())
        )


@lru_cache(maxsize=64)  # one best is asked for again and again
def write_values(text: str, values: tuple[tuple[str, object], ...]) -> str:
    return replace_values(text, dict(values))  # type: ignore[arg-type]


# whatever the night, its structures are the same few


@lru_cache(maxsize=4096)
def read_structure(text: str) -> Mapping[Key, Constant]:
    return read_constants({FILE: text})


@lru_cache(maxsize=4096)
def change_structure(text: str, idea: CatalogueIdea) -> str:
    """The text with an idea whose blocks fit, whatever it says of constants."""
    return apply_edit(ProposedEdit(idea.about, idea.blocks), {FILE: text})[FILE]


@dataclass(frozen=True)
class RecordedLab:
    """`gains`: of each recorded idea alone, over the unchanged code. `learnt`: what agents begin a
    night with, from other runs."""

    source: str
    surface: Surface
    gains: Mapping[str, float] = field(default_factory=dict)
    learnt: Learnt = NOTHING

    def unchanged(self) -> Draft:
        return Draft(read_structure(self.source), self.source)

    def catalogue(self) -> list[CatalogueIdea]:
        """The ideas that it knows."""
        return [idea for idea in read_catalogue() if idea.name in self.gains]

    def apply(self, idea: CatalogueIdea, draft: Draft) -> Draft:
        """The draft with an idea that applies to it."""
        after = change_structure(draft.text, idea)
        found, now = read_structure(after), draft.constants
        constants = {
            key: replace(one, value=now[key].value) if key in now else one
            for key, one in found.items()
        }
        return Draft(constants, after, (*draft.ideas, idea.name))

    def gain(self, draft: Draft) -> float:
        """Over the unchanged code. A constant that an idea took away counts as unchanged, one that
        it brought as without effect."""
        known = self.surface.constants
        values = {key: draft.constants.get(key, known[key]).value for key in known}
        point = [to_unit(known[key], values[key]) for key in self.surface.keys]
        return self.surface.gain(point) + sum(self.gains[name] for name in draft.ideas)


def record_lab(table: RunTable, land: Landscape) -> RecordedLab:
    """Of one track's runs. Ideas are worth their gain, towards none by a standard error; those that
    failed are left out."""
    variants = collect_variants(table, land.name)
    constants = read_constants({FILE: table.head.source})
    surface = fit_surface(variants, constants, land)
    gains = {one.idea: worth(one, variants, land) for one in variants if one.idea}
    return RecordedLab(table.head.source, surface, gains)


def worth(one: RecordedVariant, variants: Sequence[RecordedVariant], land: Landscape) -> float:
    unchanged = variants[0]
    error = gain_error(one, unchanged, land.sigma, land.shared)
    return shrink(measure_gain(one, unchanged), error)


def move(draft: Draft, values: Mapping[Key, object]) -> Draft:
    """The draft with other values of some constants."""
    constants = {
        key: replace(one, value=values[key]) if key in values else one  # type: ignore[arg-type]
        for key, one in draft.constants.items()
    }
    return replace(draft, constants=constants)
