"""How much each constant matters for being among the best, by PED-ANOVA (Watanabe and others 2023,
arXiv 2304.10255), as Optuna has it.

Every experiment's constants are put together from the edits in the ledger. Leaves to others: which
experiments, showing it (morning).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from autoresearch.researcher.agents.constants import Value
from autoresearch.researcher.agents.search_space import edits_of
from autoresearch.researcher.agents.settings import read_codes
from autoresearch.researcher.judging.values import Record

FEWEST = 12  # experiments of constants that have a number
BEST = 0.5  # the better half of the experiments is set against all


def rank_constants(records: Sequence[Record], direction: str) -> tuple[tuple[str, float], ...]:
    """Constants by importance, shares of one, the largest first; empty where too few were tried."""
    base = first_values(records)
    root = next((record.commit for record in records if record.is_baseline), "")
    codes = read_codes(records, root, base)
    rows = [
        (codes[r.commit].settings, r.value if direction == "min" else -r.value)
        for r in records
        if r.value is not None and r.commit in codes
    ]
    moved = [name for name in base if len({settings[name] for settings, _ in rows}) > 2]
    if len(rows) < FEWEST or len(moved) < 2:
        return ()
    found = explain([({n: s[n] for n in moved}, value) for s, value in rows])
    ranked = sorted(found.items(), key=lambda each: -each[1])
    return tuple((name.rpartition(":")[2], share) for name, share in ranked)


def first_values(records: Sequence[Record]) -> dict[str, Value]:
    """The unchanged code's constants, as far as anything changed them."""
    found: dict[str, Value] = {}
    for record in records:
        for name, (old, _) in edits_of(record).items():
            found.setdefault(name, old)
    return found


def explain(rows: Sequence[tuple[Mapping[str, Value], float]]) -> dict[str, float]:
    """Optuna's importance of every constant."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    names = list(rows[0][0])
    ranges = {name: range_of([settings[name] for settings, _ in rows]) for name in names}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study = optuna.create_study()
        for settings, value in rows:
            study.add_trial(
                optuna.trial.create_trial(params=dict(settings), distributions=ranges, value=value)
            )
        evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=BEST)
        return dict(optuna.importance.get_param_importances(study, evaluator=evaluator))


def range_of(values: Sequence[Value]) -> Any:
    """What Optuna calls the range of values that were tried."""
    import optuna

    if all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
        low, high = float(min(values)), float(max(values))
        return optuna.distributions.FloatDistribution(low, high, log=low > 0 and high > 30 * low)
    return optuna.distributions.CategoricalDistribution(sorted(set(values), key=str))
