"""The agent that needs no model and no network: tunes the constants of the free file, one or two
at a time.

Optuna's TPE proposes values; it is told the branch's history anew for every proposal (gain over
the parent), so it forgets nothing when killed. A value jumps at most to a
factor of three of the present one, is rounded as a person would, and the same edit is never tried
twice on the same parent. Leaves to others: finding and writing constants (`constants`), scales and
steps (`search_space`), other methods (`controls`), running, judging.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from autoresearch.researcher.agents.base import Brief, Edit, NothingLeft, Pending
from autoresearch.researcher.agents.constants import (
    Constant,
    Value,
    find_constants,
    replace_values,
    show_value,
)
from autoresearch.researcher.agents.controls import choose_by_cmaes, choose_uniformly
from autoresearch.researcher.agents.joint import JointChooser
from autoresearch.researcher.agents.learnt import Learnt, read_learnt
from autoresearch.researcher.agents.search_space import (
    Chooser,
    Key,
    ValueChoice,
    edits_of,
    make_distribution,
    measure_gain,
    round_proposal,
    scale_value,
)
from autoresearch.researcher.agents.sources import hash_sources, read_sources, write_source
from autoresearch.researcher.judging.values import Record

STARTUP_TRIALS = 8  # proposals before TPE trusts what it learned
TRIES = 200
TWO_AT_ONCE = 0.3


class SearchAgent:
    """`name`: the method, one of search (TPE near the best), joint (a model of all
    constants), random and cmaes (the controls)."""

    def __init__(self, name: str = "search") -> None:
        self.name = name

    def edit(self, worktree: Path, brief: Brief) -> Edit:
        """Change constants of the free Python files."""
        sources = read_sources(worktree, brief.free)
        constants = read_constants(sources)
        if not constants:
            raise NothingLeft(
                f"{', '.join(brief.free)} has no constants to tune: names in capitals "
                "with a literal value"
            )
        choose = new_chooser(self.name)
        (chosen, notes), texts = propose_values(choose, constants, sources, brief)
        for file, text in texts.items():
            write_source(worktree / file, text)
        old = {key: constants[key].value for key in chosen}
        message = ", ".join(
            f"{constants[k].label} {show_value(old[k])} → {show_value(v)}"
            for k, v in sorted(chosen.items())
        )
        edit = {":".join(k): [old[k], v] for k, v in sorted(chosen.items())}
        sources_then = {"from": hash_sources(sources), "source": hash_sources(texts)}
        return Edit(message, {"edit": edit, **sources_then, **notes})


def read_constants(sources: Mapping[str, str]) -> dict[Key, Constant]:
    """The constants of all files."""
    return {(file, c.name): c for file, text in sources.items() for c in find_constants(text)}


def propose_values(
    choose: Chooser, constants: Mapping[Key, Constant], sources: Mapping[str, str], brief: Brief
) -> tuple[ValueChoice, dict[str, str]]:
    """New values, and the sources with them, that were not tried before. NothingLeft after many
    tries."""
    chance = random.Random(f"{brief.seed}/{brief.number}/{brief.parent}")
    known: list[Record | Pending] = [*brief.history, *brief.pending]
    tried = edits_on(brief.parent, known)
    seen = {one.proposal.get(which) for one in known for which in ("from", "source")}
    for attempt in range(TRIES):
        values, notes = choose(constants, brief, chance, attempt)
        values = {key: value for key, value in values.items() if value != constants[key].value}
        if not values or frozenset((":".join(k), v) for k, v in values.items()) in tried:
            continue
        texts = {
            file: replace_values(text, {k[1]: v for k, v in values.items() if k[0] == file})
            for file, text in sources.items()
        }
        if hash_sources(texts) not in seen:
            return ValueChoice(values, notes), texts
    raise NothingLeft(
        f"{TRIES} proposals in a row were tried before on commit {brief.parent[:7]}: near it the "
        "constants have nothing new; a model or a coding agent has other ideas "
        "(--agent llm, --agent command)"
    )


def choose_by_tpe(
    constants: Mapping[Key, Constant], brief: Brief, chance: random.Random, attempt: int
) -> ValueChoice:
    """One or two constants near their present values, as Optuna's TPE proposes."""
    study = new_study(chance.randrange(2**31))
    tell_study(study, constants, brief, [*brief.history, *brief.pending])
    return ask_study(study, constants, brief, chance, attempt)


def ask_study(
    study: Any,
    constants: Mapping[Key, Constant],
    brief: Brief,
    chance: random.Random,
    attempt: int,
) -> ValueChoice:
    """What a study proposes that was told the history. It may be asked again."""
    import optuna

    count = 2 if len(constants) > 1 and chance.random() < TWO_AT_ONCE else 1
    names = pick_constants(weigh_constants(constants, brief.history), count, chance)
    trial = study.ask({":".join(key): make_distribution(constants[key]) for key in names})
    study.tell(trial, state=optuna.trial.TrialState.FAIL)  # nothing is known of it yet
    return ValueChoice(
        {key: round_proposal(constants[key], trial.params[":".join(key)], attempt) for key in names}
    )


def edits_on(parent: str, history: Iterable[Record | Pending]) -> set[frozenset[tuple[str, Value]]]:
    return {
        frozenset((name, new) for name, (_, new) in edits_of(record).items())
        for record in history
        if record.parent == parent
    }


def weigh_constants(
    constants: Mapping[Key, Constant], history: Sequence[Record]
) -> dict[Key, float]:
    """How likely each constant is to be picked: what was tried often and never helped becomes
    rare."""
    tries: dict[str, int] = {}
    kept: dict[str, int] = {}
    for record in history:
        for name in edits_of(record):
            tries[name] = tries.get(name, 0) + 1
            kept[name] = kept.get(name, 0) + (record.status == "keep")
    return {
        key: (2.0 if constant.stated else 1.0)
        * (1 + 2 * kept.get(":".join(key), 0))
        / (1 + tries.get(":".join(key), 0))
        for key, constant in constants.items()
    }


def pick_constants(weights: Mapping[Key, float], count: int, chance: random.Random) -> list[Key]:
    left = dict(weights)
    picked = []
    for _ in range(count):
        key = chance.choices(list(left), list(left.values()))[0]
        picked.append(key)
        del left[key]
    return picked


# ---------------------------------------------------------------- Optuna


def new_study(seed: int) -> Any:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.create_study(sampler=new_sampler(seed))


def new_sampler(seed: int) -> Any:
    import optuna

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        # what others are trying now counts as a bad value until it has one, so that slots spread
        # out
        return optuna.samplers.TPESampler(
            seed=seed, n_startup_trials=STARTUP_TRIALS, constant_liar=True
        )


def tell_study(
    study: Any,
    constants: Mapping[Key, Constant],
    brief: Brief,
    known: Sequence[Record | Pending],
) -> None:
    """Tell the study of experiments of the brief's that changed constants of ours. Only the order
    of gains counts for it."""
    import optuna

    named = {":".join(key): constant for key, constant in constants.items()}
    values = {record.commit: record.value for record in brief.history}
    for one in known:
        edit = {name: new for name, (_, new) in edits_of(one).items() if name in named}
        if not edit:
            continue
        won = None if isinstance(one, Pending) else measure_gain(one, values, brief.direction)
        try:
            trial = optuna.trial.create_trial(
                params={name: scale_value(named[name], new) for name, new in edit.items()},
                distributions={name: make_distribution(named[name]) for name in edit},
                value=None if won is None else -won,
                state=choose_state(one, won),
                intermediate_values=stopped_loss(one),
            )
        except ValueError:  # the range in the comment has changed since
            continue
        study.add_trial(trial)


def choose_state(one: Record | Pending, won: float | None) -> Any:
    """How Optuna is told: what has no value was pruned, which its sampler avoids as the worst. It
    would ignore a failure."""
    import optuna

    states = optuna.trial.TrialState
    if isinstance(one, Pending):
        return states.RUNNING
    return states.PRUNED if won is None else states.COMPLETE


def stopped_loss(one: Record | Pending) -> dict[int, float]:
    """Of a run that was stopped early: its loss above the best's, by the percent of the budget."""
    if isinstance(one, Pending) or one.stopped_at is None or one.stopped_behind is None:
        return {}
    return {round(100 * one.stopped_at): one.stopped_behind}


def new_chooser(name: str, learnt: Learnt | None = None) -> Chooser:
    """A method by its name, for one proposal. joint begins with what comes with the program, or
    with `learnt`."""
    if name == "joint":
        return JointChooser(read_learnt() if learnt is None else learnt)
    return METHODS[name]


METHODS: dict[str, Chooser] = {
    "search": choose_by_tpe,
    "random": choose_uniformly,
    "cmaes": choose_by_cmaes,
}
