"""Claims about the catalogue of ideas: each applies to the lab's train.py on every scale and
trains, whatever the constants are; nothing is tried twice; a user's own file joins it."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from autoresearch.errors import BadInput
from autoresearch.researcher.agents.base import Brief, NothingLeft, Pending
from autoresearch.researcher.agents.constants import find_constants, replace_values
from autoresearch.researcher.agents.idea_agent import IdeaAgent
from autoresearch.researcher.agents.ideas import (
    CatalogueIdea,
    apply_idea,
    open_ideas,
    parse_ideas,
    read_catalogue,
)
from autoresearch.researcher.agents.prompt import IN_PLACE, render_brief
from autoresearch.researcher.judging.values import Record
from lab_module import LAB, SCALES, source_of
from tiny_workspaces import record

CATALOGUE = read_catalogue()
VOCAB, ROWS, TOKENS = 40, 2, 16
# small enough for milliseconds, with every part that a scale has
SMALL = {
    "cpu": {"DEPTH": 2, "ASPECT": 32, "HEAD_DIM": 32, "BIGRAM_ROWS": 64, "TRIGRAM_ROWS": 64},
    "tinystories": {"DEPTH": 2, "ASPECT": 32, "HEAD_DIM": 32},
    "climbmix": {"DEPTH": 2, "ASPECT": 32, "HEAD_DIM": 32, "SHORT_WINDOW": 4},
}
OTHER = {"MATRIX_LR": 0.03, "FALL": 0.5, "SOFTCAP": 20.0, "TOTAL_BATCH": 8192}
MORE = """\
A file of my own.

IDEA: higher-cap
ABOUT: logits may be larger,
  twice as large
SOURCE: nobody
NEEDS: SOFTCAP > 1, DEPTH >= 1
FILE: train.py
<<<<<<< SEARCH
SOFTCAP = 15.0
=======
SOFTCAP = 30.0
>>>>>>> REPLACE
"""


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Models this small only wait for a second thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class Batches:
    """What `train` needs of a loader: batches, and a clock that runs from 0 to 1."""

    def __init__(self, count: int) -> None:
        self.count, self.progress = count, 0.0

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for number in range(self.count):
            self.progress = number / (self.count - 1)
            yield self.dummy()
        self.progress = 1.0

    def dummy(self) -> tuple[torch.Tensor, torch.Tensor]:
        rows = torch.randint(0, VOCAB, (ROWS, TOKENS + 1))
        return rows[:, :-1], rows[:, 1:]


class Losses:
    def __init__(self) -> None:
        self.losses: list[float] = []

    def update(self, step: int, loss: float) -> None:
        self.losses.append(loss)


@cache
def source(scale: str) -> str:
    return source_of(scale, **SMALL[scale])


def load(text: str) -> ModuleType:
    module = ModuleType(f"idea_{abs(hash(text))}")
    sys.modules[module.__name__] = module  # for dataclasses
    exec(compile(text, "train.py", "exec"), module.__dict__)  # noqa: S102 - our own files
    return module


def train_a_little(text: str, steps: int = 3) -> tuple[ModuleType, Any, list[float]]:
    """The file's own warm-up, loop and optimiser on a few random batches, on the CPU."""
    train = load(text.replace("x = g.bfloat16()", "x = g.float()"))  # slow on most CPUs
    torch.manual_seed(1)
    model = train.GPT(train.Config(VOCAB, TOKENS))
    batches, losses = Batches(steps), Losses()
    optimizer = train.Optimizer(model)
    trainer = train.Trainer(model, optimizer, batches, 1, lambda x, y: model(x, y))
    train.warm_up(trainer, batches.dummy)
    train.train(trainer, torch.device("cpu"), losses)
    return train, model, losses.losses


def looks_ahead(model: torch.nn.Module) -> bool:
    """Whether a changed token changes logits before it; the later ones have to change."""
    a = torch.randint(0, VOCAB - 1, (1, TOKENS))
    b = a.clone()
    b[:, 9] = VOCAB - 1
    with torch.no_grad():
        before, after = model(a), model(b)
    assert not torch.equal(before[:, 9:], after[:, 9:])
    return not torch.equal(before[:, :9], after[:, :9])


@pytest.mark.parametrize("scale", SCALES)
def test_every_idea_trains_on_every_scale(scale: str) -> None:
    """Each idea that a scale's constants allow is applied, imported and trained for a few steps:
    loss and weights stay finite, the checkpoint's config builds the same model, and no token sees
    a later one, for which it would be refused when it is scored."""
    tried = 0
    for idea in CATALOGUE:
        texts = apply_idea(idea, {"train.py": source(scale)})
        if texts is None:
            assert idea.needs, f"{idea.name} does not apply to {scale}"
            continue
        tried += 1
        train, model, losses = train_a_little(texts["train.py"])
        assert losses and all(map(torch.isfinite, map(torch.tensor, losses))), idea.name
        assert all(bool(w.isfinite().all()) for w in model.parameters()), idea.name
        again = train.GPT(model.c)
        again.load_state_dict(model.state_dict())
        assert not looks_ahead(again), idea.name

    assert tried >= 40


def test_ideas_apply_whatever_the_constants_are() -> None:
    """On every scale as it is delivered, and after the search changed constants."""
    for scale in SCALES:
        delivered = source_of(scale)
        for text in (delivered, replace_values(delivered, OTHER)):
            for idea in CATALOGUE:
                assert idea.needs or apply_idea(idea, {"train.py": text}) is not None, idea.name


def test_ideas_join() -> None:
    """An idea that was kept leaves most others applicable: their anchors are single lines."""
    text = source("cpu")
    for name in ("swiglu", "backout", "head-gate", "cosine-fall", "cautious-muon", "tail-average"):
        idea = next(idea for idea in CATALOGUE if idea.name == name)
        text = (apply_idea(idea, {"train.py": text}) or {})["train.py"]

    assert all(map(torch.isfinite, map(torch.tensor, train_a_little(text)[2])))
    left = [i for i in CATALOGUE if apply_idea(i, {"train.py": text}) is not None]
    assert len(left) >= 25


def test_the_catalogue_is_told_apart() -> None:
    """About forty ideas, each with a name of its own, a sentence and a source; none touches the
    block of constants, whose values differ."""
    assert len(CATALOGUE) >= 40
    assert max(Counter(idea.name for idea in CATALOGUE).values()) == 1
    constants = {c.name for c in find_constants((LAB / "train.py").read_text("utf-8"))}
    for idea in CATALOGUE:
        assert len(idea.about) > 15 and len(idea.source) > 10, idea.name
        heads = {block.search.split(" =")[0] for block in idea.blocks}
        assert not heads & constants, idea.name


def test_a_precondition_is_asked() -> None:
    """What needs two layers is no idea for one."""
    idea = next(idea for idea in CATALOGUE if idea.name == "u-net")

    assert apply_idea(idea, {"train.py": source_of("cpu", DEPTH=1)}) is None
    assert apply_idea(idea, {"train.py": source_of("cpu", DEPTH=2)}) is not None


# ---------------------------------------------------------------- the agent


def brief(number: int = 2, history: tuple[Record, ...] = (), **more: object) -> Brief:
    parent = str(more.pop("parent", "p" * 40))
    return Brief(number, parent, ("train.py",), "val_bpb", "min", 0, history, **more)  # type: ignore[arg-type]


def first(count: int, **fields: object) -> tuple[Record, ...]:
    return tuple(
        record(id=str(n), commit=f"{n:040d}", proposal={"idea": idea.name}, **fields)
        for n, idea in enumerate(CATALOGUE[:count])
    )


def test_the_agent_tries_each_idea_once(tmp_path: Path) -> None:
    """The commit says the name, what changes and the source; what was tried, or is being tried in
    another slot, is not proposed again."""
    (tmp_path / "train.py").write_text(source("cpu"), "utf-8")
    tried = first(30, status="discard", value=None, parent="q" * 40)
    names = set()
    for number in range(20):
        (tmp_path / "train.py").write_text(source("cpu"), "utf-8")
        pending = (Pending("p" * 40, "", {"idea": CATALOGUE[31].name}),)
        edit = IdeaAgent(CATALOGUE).edit(tmp_path, brief(number, tried, pending=pending))
        names.add(edit.proposal["idea"])
        assert (tmp_path / "train.py").read_text("utf-8") != source("cpu")
        assert edit.message.startswith(f"{edit.proposal['idea']}: ") and "Source: " in edit.message

    assert names and not names & {idea.name for idea in CATALOGUE[:32]} - {CATALOGUE[30].name}


def test_what_was_better_than_its_parent_is_not_lost(tmp_path: Path) -> None:
    """While an idea ran another experiment was kept, or it was kept and another beside it after it:
    it comes again on that one, before any other, and once."""
    text, (name, family) = source("cpu"), (CATALOGUE[7].name, CATALOGUE[7].family)
    base = record(commit="b" * 40, is_baseline=True)
    proposal = {"idea": name, "family": family}
    idea = record(id="2", commit="i" * 40, parent="b" * 40, proposal=proposal)
    beside = record(id="3", commit="p" * 40, parent="b" * 40)
    reason = "better than its parent, but not than 3, kept meanwhile: inside the noise"
    passed = replace(idea, status="discard", reason=reason)
    worse = replace(idea, status="discard", reason="no better")
    again = replace(idea, id="4", commit="j" * 40, parent="p" * 40, status="discard")
    on_top = replace(beside, parent="i" * 40)

    def proposed(*history: Record) -> set[object]:
        found = set()
        for number in range(6):
            (tmp_path / "train.py").write_text(text, "utf-8")
            edit = IdeaAgent(CATALOGUE).edit(tmp_path, brief(number, history))
            found.add(edit.proposal["idea"])
        return found

    for first_look in (idea, passed):
        assert proposed(base, first_look, beside) == {name}
        assert name not in proposed(base, first_look, beside, again)
    assert name not in proposed(base, worse, beside)
    assert name not in proposed(base, idea, on_top)


def test_a_second_look_needs_a_number_and_another_parent(tmp_path: Path) -> None:
    """Once all were tried: an idea inside the noise comes again on another commit; one that
    crashed or was stopped early does not, and then nothing is left."""
    (tmp_path / "train.py").write_text(source("cpu"), "utf-8")
    lost = first(99, status="discard", value=None, parent="q" * 40)
    near = record(
        id="99", commit="n" * 40, status="discard", parent="q" * 40, proposal=lost[3].proposal
    )
    agent = IdeaAgent(CATALOGUE)

    with pytest.raises(NothingLeft, match="--ideas"):
        agent.edit(tmp_path, brief(history=lost))
    others = tuple(r for r in lost if r is not lost[3])
    found = agent.edit(tmp_path, brief(history=(*others, near)))
    assert found.proposal["idea"] == near.proposal["idea"]
    with pytest.raises(NothingLeft):
        agent.edit(tmp_path, brief(history=(*others, near), parent="q" * 40))


def test_families_that_paid_come_first(tmp_path: Path) -> None:
    """Where every kept idea was of one family, most further ones are."""
    history = tuple(
        record(
            id=f"{family}{n}",
            commit=f"{family[0]}{n:039d}",
            status="keep" if family == "optimiser" else "discard",
            proposal={"idea": f"{family}-{n}", "family": family},
        )
        for family in ("mlp", "attention", "embedding", "optimiser")
        for n in range(6)
    )
    families = Counter()
    for number in range(40):
        (tmp_path / "train.py").write_text(source("cpu"), "utf-8")
        edit = IdeaAgent(CATALOGUE).edit(tmp_path, brief(number, history))
        families[edit.proposal["family"]] += 1

    assert families["optimiser"] > 30


# ---------------------------------------------------------------- a user's own


def test_a_file_of_ones_own_joins_the_catalogue(tmp_path: Path) -> None:
    """`--ideas FILE` adds ideas; one with a name of the catalogue's replaces that."""
    (tmp_path / "mine.edits").write_text(MORE + MORE.replace("higher-cap", "gelu"), "utf-8")

    ideas = read_catalogue([tmp_path / "mine.edits"])

    assert len(ideas) == len(CATALOGUE) + 1
    own = next(idea for idea in ideas if idea.name == "higher-cap")
    assert own.about == "logits may be larger, twice as large" and own.family == "mine"
    assert next(idea for idea in ideas if idea.name == "gelu").family == "mine"
    assert apply_idea(own, {"train.py": "DEPTH = 1\nSOFTCAP = 15.0\n"}) == {
        "train.py": "DEPTH = 1\nSOFTCAP = 30.0\n"
    }
    assert apply_idea(own, {"train.py": "SOFTCAP = 15.0\n"}) is None


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ("nothing", "holds no line `IDEA"),
        (MORE.replace("SOURCE: nobody\n", ""), "SOURCE"),
        (MORE.replace("DEPTH >= 1", "DEPTH is 1"), "no comparison"),
        (MORE.replace("higher-cap", "a b"), "no name"),
        (MORE.replace(">>>>>>> REPLACE", ""), "no complete block"),
    ],
)
def test_a_wrong_file_is_refused_with_a_sentence(wrong: str, sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        parse_ideas(wrong, "mine")


def test_models_are_told_the_open_ideas() -> None:
    """The brief of a model names ideas that apply and that nobody tried, with their sources."""
    files = {"train.py": source("cpu")}
    tried = first(40, status="discard", value=None)
    ideas: list[CatalogueIdea] = open_ideas(CATALOGUE, files, brief(history=tried))

    text = render_brief(brief(history=tried), IN_PLACE, ideas=ideas)

    assert ideas and all(f"- {idea.name}: " in text for idea in ideas)
    assert not [idea for idea in CATALOGUE[:40] if f"- {idea.name}: " in text]
    assert "Ideas from papers" not in render_brief(brief(), IN_PLACE)
