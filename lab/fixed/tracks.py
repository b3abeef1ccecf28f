"""Tracks: their names, ids and prepared folders. Making the data is build.py's."""

import json
import os
import platform
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from fixed.environment import cache_root, default_track, feed, validation
from fixed.errors import PrepareError
from fixed.files import HERE, fingerprint, sha256_file
from fixed.rules import DATA, NUMBERS, code_sha256

# vocabulary (tokens, specials included), sequence length (tokens), budget (seconds of training)
TRACKS = {
    "climbmix": {"vocab_size": 8192, "seq_len": 2048, "budget_s": 300.0},
    "tinystories": {"vocab_size": 2048, "seq_len": 512, "budget_s": 300.0},
    "pystd": {"vocab_size": 1024, "seq_len": 256, "budget_s": 60.0},
    "stories": {"vocab_size": 1024, "seq_len": 256, "budget_s": 60.0},
    "custom": {"vocab_size": 1024, "seq_len": 256, "budget_s": 60.0},
}
# what a run under the researcher does not find in the prepared folder
SECOND = "val.second.bin"  # rows as in eval.bin, of a second hidden text (second)
HELD_BACK = ("val.bin", "val.idx", "eval.bin", SECOND)


@dataclass(frozen=True)
class Track:
    """A prepared track. Results with the same `id` are comparable; `name` is what people type."""

    name: str
    id: str
    base: str
    vocab_size: int
    seq_len: int
    budget_s: float
    folder: Path
    manifest: dict


def parse_name(name, budget_s=None):
    """(base, budget_s, full name) of `pystd`, `pystd-20s`, … The usual budget has no suffix."""
    match = re.fullmatch(rf"({'|'.join(TRACKS)})(?:-(\d+(?:\.\d+)?)s)?", name)
    if not match:
        raise PrepareError(
            f"{name!r} is no track; choose one of {', '.join(TRACKS)}, "
            "with a budget as in pystd-20s"
        )
    base, own = match[1], TRACKS[match[1]]["budget_s"]
    budget_s = float(budget_s if budget_s is not None else match[2] or own)
    if not 0 < budget_s < 1e7:
        raise PrepareError(
            f"a budget of {budget_s:g} seconds makes no sense; give --budget-s a positive number"
        )
    return base, budget_s, base if budget_s == own else f"{base}-{budget_s:g}s"


def selector(base):
    """What a ready file's name depends on: this code and, where it is the data, this Python."""
    python = platform.python_version() if base == "pystd" else ""
    return fingerprint([base, code_sha256(DATA), python])[:12]


def read_here():
    """What prepare.py last left beside itself: {"track", "key"}, or nothing."""
    try:
        here = json.loads((HERE / ".track").read_text("utf-8"))
        return here if isinstance(here, dict) and isinstance(here.get("track"), str) else {}
    except (OSError, ValueError):
        return {}


def load_track():
    """The track of this run: AUTORESEARCH_TRACK, else the last prepared here, else the default.

    Ends the program with a sentence when it is not prepared or damaged."""
    try:
        return open_track()
    except PrepareError as error:
        sys.exit(f"FAIL: {error}")


def open_track(name=None, budget_s=None):
    here = read_here()
    name = name or os.environ.get("AUTORESEARCH_TRACK") or here.get("track") or default_track()
    base, budget_s, name = parse_name(name, budget_s)
    again = f"`python prepare.py --track {name}{' --data PATH' if base == 'custom' else ''}`"
    root = cache_root() / base
    try:
        key = json.loads((root / f"ready-{selector(base)}.json").read_text("utf-8"))["key"]
        if (
            parse_name(here.get("track", name))[0] == base
            and (root / str(here.get("key")) / "manifest.json").exists()
        ):
            key = here["key"]
        folder = root / key
        manifest = read_manifest(folder)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PrepareError(
            f"track {name} is not prepared in {cache_root()}; run {again}"
        ) from error
    if damage := find_damage(folder, manifest):
        raise PrepareError(
            f"the prepared data of {name} is damaged ({damage}); run {again}: it makes it anew"
        )
    return make_track(name, base, budget_s, folder, manifest)


def make_track(name, base, budget_s, folder, manifest):
    """`id`: the name and a hash of everything that can change a number, and of nothing else."""
    m, contents = manifest, ("tokenizer.json", "train.bin", "train.idx", "eval.bin")
    parts = [m["files"][file]["sha256"] for file in contents] + [m["token_bytes_sha256"]]
    parts += [m["seq_len"], budget_s, code_sha256(NUMBERS)]
    track_id = f"{name}-{fingerprint(parts)[:10]}"
    return Track(name, track_id, base, m["vocab_size"], m["seq_len"], budget_s, folder, m)


def read_manifest(folder):
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    if manifest["code_sha256"] != code_sha256(DATA):
        raise ValueError("made by other code")
    return manifest


def find_damage(folder, manifest, thorough=False):
    """What is wrong with a prepared folder, or "". Every file's size; if thorough, every hash."""
    for name, expected in manifest["files"].items():
        path = folder / name
        if is_hidden(name):
            continue
        if not path.is_file():
            return f"{name} is missing"
        if path.stat().st_size != expected["size"]:
            return f"{name} has {path.stat().st_size} bytes instead of {expected['size']}"
        # the tokenizer and the evaluation's rows are small and decide the score: hashed every time
        is_hashed = thorough or name in ("tokenizer.json", "eval.bin")
        if is_hashed and sha256_file(path) != expected["sha256"]:
            return f"{name} has other content than was written"
    return ""


def is_hidden(name):
    """Whether this process must do without a file of the prepared folder."""
    if name in HELD_BACK:
        return bool(validation())
    return name.startswith("train.") and bool(validation() == "stdin" or feed())


def anchor_line(track):
    """What to compare val_bpb with, in bits per byte of the same validation text."""
    anchors = track.manifest["anchors"]
    trigram, entropy = anchors["trigram_bpb"], anchors.get("entropy_bpb")
    line = "a static token trigram counted on the training text scores "
    line += f"{trigram:.4f} bits per byte"
    if entropy is not None:
        line += f"; the exact entropy of this text, the limit of any model, is {entropy:.4f}"
    return line
