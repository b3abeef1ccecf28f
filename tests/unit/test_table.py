"""Claims about tables of recorded runs: what they tell of noise, gains and curves, how well a
surface guesses held-out settings, and that damaged or thin ones are refused with a sentence."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from autoresearch.errors import BadInput
from autoresearch.researcher.agents.search import read_constants
from autoresearch.researcher.config import Config, JudgeTable
from autoresearch.researcher.judging.curves import MARKS
from autoresearch.researcher.simulate.compare import AGENT_ARMS, ARMS, compare
from autoresearch.researcher.simulate.recorded_lab import FILE, record_lab
from autoresearch.researcher.simulate.searching import SearchNight
from autoresearch.researcher.simulate.surface import fit_surface
from autoresearch.researcher.simulate.table import (
    RunTable,
    collect_variants,
    measure_gain,
    read_table,
    table_landscape,
)
from recorded_tables import NAMES, SOURCE, make_lab_table, make_table, true_gain

ROOT = Path(__file__).parents[2]


def read_made(folder: Path, variants: int, **changes: float) -> RunTable:
    return read_table(make_table(folder / "made.jsonl", variants, **changes))  # type: ignore[arg-type]


def test_a_table_tells_noise_times_and_gains(tmp_path: Path) -> None:
    """Noise from what ran twice, times from the runs, gains from pairs of one seed, and curves that
    show at the last mark what the score says."""
    table = read_made(tmp_path, 200)
    land = table_landscape(table, "pystd-3s")
    unchanged, *changed = collect_variants(table, "pystd-3s")

    assert 0.0003 < land.sigma < 0.0008
    assert (land.start_s, land.run_s, land.score_s) == (5.0, 3.0, 4.0)
    off = [measure_gain(one, unchanged) - true_gain(one.settings) for one in changed]  # type: ignore[arg-type]
    assert sum(abs(x) for x in off) / len(off) < 0.001
    assert all(len(lean) == len(MARKS) and abs(lean[-1]) < 1e-6 for _, lean in land.leans)


def test_curves_that_differ_between_seeds_end_no_better_idea(tmp_path: Path) -> None:
    """Other batches move a curve by far more than what an idea is worth, and all curves of a seed
    alike: beside the best's curve of the same seed, better ideas are seen as such."""
    table = read_made(tmp_path, 120, curve=0.3)
    land = table_landscape(table, "pystd-3s")
    curves = [land.luck(random.Random(n), random.Random("seed"))[1] for n in range(3)]
    assert all(0.15 < spread < 0.45 for spread in land.spreads)
    assert curves[0] == curves[1] == curves[2]

    night = compare(land, JudgeTable(), ARMS[-1:], 1.0, 4, 5)[0]
    assert night.stopped_winners.value < 0.02


def test_a_surface_guesses_held_out_settings(tmp_path: Path) -> None:
    """What it says of its error is true of new settings, nothing is gained by no change, and a
    table of luck alone is told as such."""
    table = read_made(tmp_path, 120)
    land = table_landscape(table, "pystd-3s")
    constants = read_constants({FILE: SOURCE})
    surface = fit_surface(collect_variants(table, "pystd-3s"), constants, land)
    chance = random.Random(3)
    points = [[chance.random() for _ in NAMES] for _ in range(200)]
    off = [surface.gain(p) - true_gain(dict(zip(NAMES, p, strict=True))) for p in points]

    assert surface.gain([0.5] * len(NAMES)) == pytest.approx(0)
    assert surface.error < 0.4 * surface.spread
    assert (sum(x * x for x in off) / len(off)) ** 0.5 < 3 * surface.error

    luck = read_made(tmp_path, 120, sigma=0.5)
    land = table_landscape(luck, "pystd-3s")
    blind = fit_surface(collect_variants(luck, "pystd-3s"), constants, land)
    assert "too few settings" in blind.about and "too few" not in surface.about


def test_agents_are_replayed_on_a_table(tmp_path: Path) -> None:
    """The agents' own choices on the recorded surface: each finds the larger C0, and the same seed
    tells the same."""
    table = read_made(tmp_path, 60)
    land = table_landscape(table, "pystd-3s")
    lab = record_lab(table, land)
    arms = [arm for arm in AGENT_ARMS if arm.name in ("random", "search")]
    found = compare(land, JudgeTable(), arms, 0.2, 2, 5, lab=lab)

    assert all(result.improvement_per_hour.value > 0 for result in found)
    assert found == compare(land, JudgeTable(), arms, 0.2, 2, 5, lab=lab)


def test_ideas_are_replayed_beside_constants(tmp_path: Path) -> None:
    """An agent of the catalogue tries each recorded idea on the real train.py and keeps the one
    that is worth it; where two agents share the night, both are asked and told of all."""
    table = make_lab_table(tmp_path / "lab.jsonl", {"swiglu": 0.05, "lion": -0.05})
    land = replace(table_landscape(table, "pystd-3s"), run_s=3.0)
    lab = record_lab(table, land)
    config = msgspec.convert({"experiment": {"free": ["x"], "command": ["x"]}}, Config)

    def night(*agents: str) -> SearchNight:
        return SearchNight(land, config, "confirm", 0.2, 7, agents=agents, ground=lab)

    alone, shared = night("catalogue"), night("joint", "catalogue")
    assert alone.run().improvement == pytest.approx(lab.gains["swiglu"])
    assert {record.proposal["idea"] for record in alone.told[1:3]} == {"swiglu", "lion"}
    assert shared.run().improvement >= 0.9 * lab.gains["swiglu"]
    assert {record.agent for record in shared.told[1:]} == {"joint", "catalogue"}


def test_damaged_and_thin_tables_are_refused(tmp_path: Path) -> None:
    """A sentence with the line's number; a last line without an end is no line yet."""
    file = make_table(tmp_path / "made.jsonl", 20)
    whole = file.read_bytes()
    file.write_bytes(whole[:-20])
    assert len(read_table(file).runs) == 39

    file.write_bytes(whole + b'{"variant": "none"}\n')
    with pytest.raises(BadInput, match="line 42"):
        read_table(file)
    with pytest.raises(BadInput, match="fewest"):
        table_landscape(read_made(tmp_path, 4), "pystd-3s")


def test_the_command_replays_a_table(tmp_path: Path) -> None:
    """Judges on recorded gains without a model; what makes no sense together is refused."""
    file = make_table(tmp_path / "made.jsonl", 20)
    command = [sys.executable, "-m", "autoresearch.cli.autoresearch", "simulate", "--table", file]
    few = ["--hours", "0.5", "--nights", "2"]
    told = subprocess.run([*command, *few, "--json"], capture_output=True, text=True, check=True)
    found = json.loads(told.stdout)

    assert [one["arm"] for one in found["policies"]][:2] == ["greedy", "greedy + early"]
    assert found["landscape"]["name"] == "pystd-3s"
    wrong = subprocess.run([*command, "--agents", "--waves"], capture_output=True, text=True)
    assert wrong.returncode == 2 and "compares agents alone" in wrong.stderr


def test_short_runs_are_weighed_against_early_stopping(tmp_path: Path) -> None:
    """bench/screening.py: where short runs rank as long ones do, a wider margin loses fewer of the
    better ones."""
    file = make_table(tmp_path / "made.jsonl", 12)
    command = [sys.executable, str(ROOT / "bench" / "screening.py"), str(file)]
    other = make_table(tmp_path / "long.jsonl", 12, track="pystd-12s").read_bytes()
    with file.open("ab") as table:
        table.write(other.partition(b"\n")[2])
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rows = [line.split("|") for line in told.splitlines() if line.startswith("| ")][1:]
    lost = [float(row[4].split("%")[0]) for row in rows]

    assert [row[1].split(",")[0].strip() for row in rows] == ["short run"] * 4 + [
        "early stopping"
    ] * 2
    assert lost[:4] == sorted(lost[:4], reverse=True) and lost[3] < 10
    assert all(0 < float(row[2]) < 2 for row in rows)


def test_a_longer_plan_holds_the_shorter_one() -> None:
    """What a variant's number means never changes with how many are recorded, no two are the same,
    and each is a train.py that parses, with the clock behind its imports."""
    code = (
        "import sys, ast; sys.path.insert(0, 'bench'); import record_table as r, table_runs;"
        "s = (r.LAB / r.FILE).read_text('utf-8');"
        "few, many = list(r.choose_variants(s, 9)), list(r.choose_variants(s, 40));"
        "assert many[:9] == few and sum(v.idea is not None for v in many) == 9;"
        "texts = [r.write_source(s, v) for v in many[:14]]; assert len(set(texts)) == 14;"
        "[ast.parse(t) for t in texts];"
        "clocked = [table_runs.replace_clock(t, 'a.clock') for t in texts];"
        "assert all(t.index('a.clock') < t.index('DEPTH =') for t in clocked);"
        "assert [v.work == r.USUAL_WORK for v in many[:9]] == [x == 'y' for x in 'yynnnynnn']"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_a_recording_that_is_cut_short_has_repeats_and_many_settings() -> None:
    """Every tenth variant runs with both seeds at once, the others with the first on both budgets
    before any has a second. The whole plan has each run once."""
    code = (
        "import sys; sys.path.insert(0, 'bench'); import record_table as r;"
        "source = (r.LAB / r.FILE).read_text('utf-8');"
        "runs = [(job.track, job.variant.number, seed)"
        "        for job in r.plan_jobs(source, 25, [1, 2], [12, 3]) for seed in job.seeds];"
        "assert len(set(runs)) == len(runs) == 100;"
        "parts = runs[:28], runs[28:56];"
        "assert [{track for track, *_ in p} for p in parts] == [{'pystd-12s'}, {'pystd-3s'}];"
        "assert all({number for _, number, _ in p} == set(range(25)) for p in parts);"
        "assert all({n for _, n, seed in p if seed == 2} == {0, 10, 20} for p in parts);"
        "assert {seed for *_, seed in runs[56:]} == {2}"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
