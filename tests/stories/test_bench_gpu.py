"""The script for a GPU runs whole where there is none: every job of it, in small, on the CPU."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parent.parent.parent / "bench"


def rehearse(folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, str(BENCH / "gpu.py"), "--rehearse", "--folder", str(folder)],
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(1600)
def test_the_script_for_a_gpu_runs_whole_on_a_cpu(tmp_path: Path) -> None:
    """Every job gives numbers: compiled and not, each back end, both sides of the comparison, the
    same weights twice, fewer rows where memory is short. A second call runs nothing again."""
    rehearse(tmp_path)
    results = json.loads((tmp_path / "results.json").read_text("utf-8"))
    by_name = {result["job"]: result for result in results}
    replays = [r for name, r in by_name.items() if name.startswith("replay")]
    memory = by_name["too little memory"]

    assert not [r["job"] for r in results if r["failed"]]
    for side in ("ours", "best", "baseline"):
        assert 0 < by_name[f"run {side}, seed 42"]["val_bpb"] < 10
    assert {"smoke, ours, compiled", "smoke, ours, uncompiled, SDPA", "smoke, cpu, uncompiled",
            "smoke, tinystories, uncompiled", "ours, long"} <= by_name.keys()  # fmt: skip
    assert len({r["weights_sha256"] for r in replays}) == 1 and len(replays) == 2
    assert 0 < memory["rows_taken"] < memory["rows_wanted"]

    told = rehearse(tmp_path)
    assert json.loads((tmp_path / "results.json").read_text("utf-8")) == results
    assert "ours is lower than best by" in told and "equal to the bit" in told


def test_a_part_of_an_archive_travels(tmp_path: Path) -> None:
    """Sources of a packed tar become lines of JSON within the limit, the same ones each time."""
    import tarfile

    source = tmp_path / "source"
    source.mkdir()
    for number in range(40):
        (source / f"{number}.c").write_text(f"int f{number};\n" * 400, "utf-8")
    with tarfile.open(tmp_path / "source.tar.xz", "w:xz") as tar:
        tar.add(source, "source")
    packed = [tmp_path / name for name in ("a.jsonl.xz", "b.jsonl.xz")]
    for target in packed:
        command = [sys.executable, str(BENCH / "gpu_text.py"), str(tmp_path / "source.tar.xz")]
        subprocess.run([*command, str(target), "--megabytes", "0.1"], check=True, timeout=60)

    assert packed[0].read_bytes() == packed[1].read_bytes()
    assert 0 < packed[0].stat().st_size < 200_000
