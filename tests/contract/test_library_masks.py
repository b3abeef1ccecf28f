"""The hidden texts of `pystd` are part of every Python; no sandbox shows a piece of them."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import labs
import text_search
from autoresearch.git.repo import Repo
from autoresearch.researcher.experiment import MASKS, Runner
from autoresearch.researcher.preparation import prepare
from autoresearch.researcher.run_request import RunRequest
from autoresearch.researcher.sandbox import choose_sandbox
from autoresearch.researcher.workspace import Workspace
from sandbox_jobs import ISOLATED
from tiny_workspaces import ENVIRONMENT

TOML = """\
[experiment]
free = ["train.py"]
prepare = ["python", "prepare.py", "--track", "custom-1s", "--data", {data}, "--vocab-size", "300", "--seq-len", "32", "--rows", "{{input}}", "--masks", "{{masks}}"]
command = ["python", "train.py"]

[score]
command = ["python", "prepare.py", "score", "{{run_dir}}/checkpoint.safetensors"]
model = ["python", "prepare.py", "model", "{{run_dir}}/checkpoint.safetensors"]
hidden = ["*/*/val.*", "*/*/eval.bin", "*/raw"]

[environment]
AUTORESEARCH_TRACK = "custom-1s"
"""
HONEST = Path(__file__).parents[1] / "cheats" / "honest.py"
SEARCH = """
import numpy
import text_search

def look(limit_bytes):
    known = text_search.Known(*(numpy.fromfile(name, numpy.uint64) for name in ("pieces", "keys")))
    found, read = text_search.search(known, limit_bytes)
    return f"{len(found)} files with hidden text, {read >> 20} MB read: {found[:5]}"

def build_model(config):
    if __name__ != "__main__":
        raise ValueError(look(40_000_000))
    print(look(150_000_000))
    return Net(**config)

"""


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    """A prepared workspace with a small text and the masks of pystd; its train.py searches."""
    place = tmp_path_factory.mktemp("library")
    folder = place / "work"
    repo = Repo.init(folder)
    labs.copy_fixed(folder)
    shutil.copy(text_search.__file__, folder)
    pieces, keys = hidden_pieces(labs.load_lab(folder).fixed.pystd.Pystd().splits)
    pieces.tofile(folder / "pieces")
    keys.tofile(folder / "keys")
    body, guard, end = HONEST.read_text("utf-8").partition('if __name__ == "__main__":')
    (folder / "train.py").write_text(body + SEARCH + guard + end, "utf-8")
    (folder / ".gitignore").write_text("/.track\n/.autoresearch/\n", "utf-8")
    data = json.dumps(str(labs.write_texts(place / "texts")))
    (folder / "autoresearch.toml").write_text(TOML.format(data=data), "utf-8")
    repo.add(change.path for change in repo.changes())
    repo.commit("Start")
    (place / "cache").mkdir()
    workspace = Workspace(folder)
    workspace.private.mkdir(exist_ok=True)
    environment = {**ENVIRONMENT, "AUTORESEARCH_CACHE": str(place / "cache")}
    with workspace.lock():
        prepare(workspace, environment, threading.Event())
    labs.name_masks(folder, workspace.private / MASKS)
    return Runner(workspace, choose_sandbox("none"), environment, (place / "cache",))


def hidden_pieces(splits: dict[str, list[str]]) -> tuple[np.ndarray, np.ndarray]:
    """Hashes of each 50th 200 bytes of the hidden texts, and of the beginnings of their lines; none
    that stands in the training text as well."""
    train = [text.encode() for text in splits["train"]]
    hidden = [text.encode() for text in splits["val"] + splits["second"]]
    pieces = np.concatenate([text_search.hashes(text)[::50] for text in hidden])
    keys = np.concatenate([text_search.line_keys(text) for text in hidden])
    for text in train:
        pieces = pieces[~np.isin(pieces, text_search.hashes(text))]
        keys = keys[~np.isin(keys, text_search.line_keys(text))]
    assert len(pieces) > 8000 and len(keys) > 8000
    return pieces, keys


@ISOLATED
def test_no_piece_of_the_hidden_texts_is_readable(runner: Runner, level: str) -> None:
    """Not while it trains, nor by a model that is scored: sources, bytecode, archives, other
    Pythons. The training itself goes on without the parts that are masked."""
    folder = runner.workspace.private / "runs" / level / "1"
    here = dataclasses.replace(runner, sandbox=choose_sandbox(level))
    measured = here.measure(
        RunRequest(runner.workspace.repo.head(), 1, f"search-{level}", folder, 300)
    )
    log = (folder / "run.log").read_text("utf-8")

    assert re.search(r"^0 files with hidden text, \d{3} MB read", log, re.M), (log, measured)
    assert re.search(r"0 files with hidden text, \d+ MB read", measured.reason), measured


def test_without_masks_it_is_found(runner: Runner) -> None:
    """So the search can fail: outside a sandbox sources and bytecode of the library have it."""
    files = (runner.workspace.folder / name for name in ("pieces", "keys"))
    known = text_search.Known(*(np.fromfile(file, np.uint64) for file in files))
    masked = (runner.workspace.private / MASKS).read_text("utf-8").splitlines()
    holding = [path for path in masked if Path(path).is_file() and known.is_in(read(path))]

    assert len([path for path in holding if path.endswith(".py")]) > 10
    assert len([path for path in holding if path.endswith(".pyc")]) > 5


def read(path: str) -> bytes:
    return Path(path).read_bytes()


def test_what_is_masked_is_no_loss(runner: Runner) -> None:
    """Torch with its compiler, numpy, worker processes and the lab import nothing of it."""
    program = (
        "import sys, multiprocessing.pool, concurrent.futures.process, asyncio, logging.handlers\n"
        "import unittest.mock, urllib.request, http.client, email.message, sqlite3, zipfile\n"
        "import torch, torch.utils.data, torch.profiler, torch._inductor, torch._dynamo\n"
        "import torch.distributed, torch.export, safetensors.torch, prepare\n"
        "print(*sorted(set(name.partition('.')[0] for name in sys.modules)))"
    )
    lab = runner.workspace.folder
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=lab, capture_output=True, text=True, check=True
    )
    parts = labs.load_lab(lab).fixed.pystd.PARTS

    assert set(done.stdout.split()) & parts == set()
