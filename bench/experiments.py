"""Experiment folders for benchmarks: the lab's files with a scale or settings, and what a run says.

Leaves to others: which experiments, in which order (lab, gpu, ablation)."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from autoresearch.researcher.agents.ideas import apply_idea, read_catalogue
from autoresearch.researcher.scales import read_constants, replace_constants

# In place of the wall's clock: seconds that the process had of a CPU, or tokens at a fixed pace. So
# other work on the machine leaves little or no trace in a run.
TOKEN_CLOCK = "lambda self: lambda: self.tokens / 40_000"

LAB = Path(__file__).resolve().parent.parent / "lab"
sys.path.insert(0, str(LAB))


def make_experiment(
    folder: Path, scale: str, settings: Mapping[str, Any], vocabularies: Mapping[str, int]
) -> Path:
    """A folder with the lab's files on `scale`, some of its constants and its tracks' vocabularies
    changed."""
    folder.mkdir(parents=True)
    shutil.copy(LAB / "prepare.py", folder)
    shutil.copytree(LAB / "fixed", folder / "fixed", ignore=shutil.ignore_patterns("__pycache__"))
    tracks = folder / "fixed" / "tracks.py"
    source = tracks.read_text("utf-8")
    for track, size in vocabularies.items():
        source, found = re.subn(rf'("{track}": {{"vocab_size": )\d+', rf"\g<1>{size}", source)
        assert found == 1, f"the lab has no track {track}"
    tracks.write_text(source, "utf-8")
    (folder / "train.py").write_text(change_constants(scale, settings), "utf-8")
    return folder


def change_constants(scale: str, settings: Mapping[str, Any]) -> str:
    """train.py on a scale, with some constants changed."""
    train = (LAB / "train.py").read_text("utf-8")
    constants = read_constants(LAB, scale)
    train = replace_constants(train, constants) if constants else train
    for name, value in settings.items():
        train, found = re.subn(rf"^{name} = \S+", f"{name} = {value!r}", train, flags=re.M)
        assert found == 1, f"train.py has no constant {name}"
    return train


def apply_ideas(source: str, names: Sequence[str]) -> str:
    """train.py with ideas of the catalogue, as users get them."""
    catalogue = {idea.name: idea for idea in read_catalogue()}
    for name in names:
        changed = apply_idea(catalogue[name], {"train.py": source})
        assert changed, f"the idea {name} does not apply"
        source = changed["train.py"]
    return source


def replace_clock(source: str, clock: str) -> str:
    """train.py with another clock, set after its import of prepare."""
    line = "\nimport prepare\n"
    assert source.count(line) == 1, "the clock goes after `import prepare`"
    other = f"fixed.loader.Loader.clock = property({clock}, lambda self, _: None)"
    return source.replace(line, f"{line}import fixed.loader\n\n{other}\n")


def hash_code(folder: Path) -> str:
    """Of all Python files of an experiment: results of other code are other results."""
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*.py")):
        digest.update(file.relative_to(folder).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()[:12]


def read_block(output: str) -> dict[str, float]:
    """The numbers that end a run, and what follows from them; {} where there is no block."""
    lines = re.findall(r"^(\w+): +(-?[\d.]+|nan)$", output.split("\n---\n")[-1], re.M)
    block = {name: float(value) for name, value in lines}
    if "val_bpb" not in block:
        return {}
    entropy = re.search(r"exact entropy.* is ([\d.]+)", output)
    ready = re.search(r"; ready after ([\d.]+) s", output)
    block["tokens_per_s"] = block["total_tokens_M"] * 1e6 / max(block["training_seconds"], 1e-9)
    block["ready_s"] = float(ready[1]) if ready else 0.0
    spent_s = block["ready_s"] + block["training_seconds"]
    block["evaluation_s"] = block["total_seconds"] - spent_s
    return block | ({"entropy_bpb": float(entropy[1])} if entropy else {})


def read_results(file: Path | None) -> list[dict[str, Any]]:
    """What earlier calls of a benchmark left."""
    if file is None or not file.exists():
        return []
    results: list[dict[str, Any]] = json.loads(file.read_text("utf-8"))
    return results


def write_results(file: Path | None, results: list[dict[str, Any]]) -> None:
    """Whole or not at all: a benchmark that is ended loses the run at hand and nothing else."""
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_name(f".{file.name}.tmp")
        temporary.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
        os.replace(temporary, file)
