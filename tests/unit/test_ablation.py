"""bench/ablation.py compares each part with the base of the same seed, and what it has measured
counts for the code as it is."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "bench"))

import ablation


def result(part: str, seed: int, val_bpb: float, **other: Any) -> dict[str, Any]:
    numbers = {"budget": "200 steps", "step_s": 0.1, "val_bpb": val_bpb} | other
    return {"part": part, "seed": seed, "code": ablation.hash_source(part)} | numbers


def test_every_part_is_another_program() -> None:
    """Constants and ideas of the catalogue apply to the scale, and each changes what is computed:
    no two parts are one program."""
    hashes = {part: ablation.hash_source(part) for part in ablation.PARTS}

    assert len(set(hashes.values())) == len(hashes) >= 12


def test_the_next_runs_fill_a_seed_before_another() -> None:
    """What has a result is left out; a result by seconds is none by steps."""
    args = argparse.Namespace(only="base,smear", seeds=2, seconds=0, steps=200)
    results = [result("base", 42, 2.0), result("smear", 42, 2.0, budget="30 s")]

    found = list(ablation.next_runs(results, args))

    assert found == [("smear", 42), ("base", 43), ("smear", 43)]


def test_results_of_other_code_are_dropped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table pairs runs of one seed and budget, and leaves out what other code scored."""
    results = [
        result("base", 42, 2.0),
        result("base", 43, 2.1),
        result("smear", 42, 1.9),
        result("smear", 43, 2.08),
        result("smear", 44, 1.0),  # no base of this seed
        result("backout", 42, 1.5, code="0" * 12),
    ]
    (tmp_path / "results.json").write_text(json.dumps(results), "utf-8")
    monkeypatch.setattr(
        sys, "argv", ["ablation.py", "--table", "--json", str(tmp_path / "results.json")]
    )

    ablation.main()

    table = capsys.readouterr().out
    assert "| smear | 2 | +0.0600 (+0.0200 to +0.1000) | 1.00 |" in table
    assert "backout" not in table
