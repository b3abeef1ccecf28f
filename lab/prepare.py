"""
What makes two results comparable: the data, the tokenizer, the clock and the metric. FIXED: experiments never edit it.

    python prepare.py                       # once: data and tokenizer of the track that suits this machine
    python prepare.py --track pystd-20s     # another track, here with a budget of 20 s; docs/tracks.md lists them all
    python prepare.py --show                # the prepared track: id, fingerprints, sizes, anchors, a sample
    python prepare.py score CHECKPOINT      # evaluate what train.py saved, in a process of its own

train.py uses load_track, Tokenizer, make_dataloader (its loader is the clock), evaluate_bpb (the metric), save_checkpoint
and print_summary. The model, the optimiser and the training loop are none of this file's business.

On disk, below AUTORESEARCH_CACHE (default ~/.cache/autoresearch):

    pystd/ready-3f2a….json      names the prepared folder of this prepare.py and these default settings
    pystd/9c1e…/                one prepared folder; its name is a hash of everything it was made from, so it is never stale
        manifest.json           sizes and sha256 of the files below, fingerprints, anchors; written last
        tokenizer.json          pattern and base64 token bytes: nothing in it can run
        train.bin, train.idx    uint16 tokens, every document after its BOS; uint64 starts of documents and the end
        val.bin, val.idx        the same for the validation documents that are scored
        eval.bin                the frozen rows that evaluation scores, uint16 (rows, seq_len + 1)
    climbmix/raw/               downloads, each moved there whole and checked
"""

import argparse
import base64
import contextlib
import ctypes
import hashlib
import importlib.util
import json
import math
import mmap
import os
import platform
import queue
import re
import secrets
import select
import shutil
import signal
import struct
import sys
import sysconfig
import threading
import time
import warnings
from bisect import bisect_right, insort
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

# ---------------------------------------------------------------------------------------------------------------------
# Constants

# Per track: vocabulary (tokens, specials included), sequence length (tokens), budget (seconds of training).
TRACKS = {
    "climbmix": {"vocab_size": 8192, "seq_len": 2048, "budget_s": 300.0},
    "tinystories": {"vocab_size": 2048, "seq_len": 512, "budget_s": 300.0},
    "pystd": {"vocab_size": 1024, "seq_len": 256, "budget_s": 60.0},
    "stories": {"vocab_size": 1024, "seq_len": 256, "budget_s": 60.0},
    "custom": {"vocab_size": 1024, "seq_len": 256, "budget_s": 60.0},
}

SPECIALS = (
    "<|bos|>",
    "<|reserved_1|>",
    "<|reserved_2|>",
    "<|reserved_3|>",
)  # the last four ids of every vocabulary
BYTE_VOCAB = 256 + len(
    SPECIALS
)  # a vocabulary of this size is byte-level: no merges, nothing to train
MAX_VOCAB = 2**16  # ids are stored as uint16
# The GPT-4 pattern with numbers in groups of at most two: a small vocabulary has better uses than 1,000 three-digit numbers.
PATTERN = r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,2}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"
TOKENIZER_BYTES = 300_000_000  # of training text that the tokenizer is trained on; climbmix: of its first shard only

CLIMBMIX_REPO, CLIMBMIX_SHARDS = (
    "karpathy/climbmix-400b-shuffle",
    6543,
)  # the last shard is the validation split
CLIMBMIX_DEFAULT_SHARDS = 10
CLIMBMIX_EVAL_TOKENS = 40 * 524_288
TINYSTORIES_REPO, TINYSTORIES_FILE = (
    "karpathy/tinystories-gpt4-clean",
    "tinystories_gpt4_clean.parquet",
)
TINYSTORIES_VAL_ROWS, TINYSTORIES_TRAIN_FROM = (
    (10_000, 20_000),
    20_000,
)  # rows before 10,000 stay unseen
TINYSTORIES_EVAL_TOKENS = 2_000_000
DOWNLOAD_ATTEMPTS = 5
DOWNLOAD_PAUSE_S = float(
    os.environ.get("AUTORESEARCH_RETRY_S", "1")
)  # before the second attempt; doubles each time

PYSTD_VAL_BYTES = 600_000
PYSTD_FILE_CAP_BYTES = 60_000  # a larger file, or family of near-duplicates, is training text: none dominates the score
STORIES_SEED, STORIES_TRAIN_BYTES, STORIES_VAL_BYTES = 20_260_301, 10_000_000, 400_000
CUSTOM_VAL_SHARE, CUSTOM_VAL_BYTES = 0.05, 400_000  # whichever is less
CUSTOM_DOCUMENT_BYTES = (
    16_384  # a longer .txt file is cut into documents of about this size, at line ends
)

TRIGRAM_TOKENS = 20_000_000  # training tokens that the static trigram anchor is counted on
LOADER_PIECES = 1024  # pieces the packer chooses from
LOADER_BLOCK = 512  # rows shuffled among each other before they are handed out
LOADER_AHEAD = 4  # batches prepared in advance

# Evaluation's probes (docs/tracks.md): how far an honest model's answers may move between calls, in nats.
TOLERANCE_TOKEN = 0.1  # of one token, plus 2 % of its loss: one step of bf16 logits
TOLERANCE_MEAN = 0.01  # of the mean over many
EVAL_CHUNK_BYTES = 128 * 2**20  # of logits turned to full precision at once

# Scoring: train.py's model lives in two processes of its own, see "The model's own processes"
HELD_BACK = (
    "val.bin",
    "val.idx",
    "eval.bin",
)  # what a run under the researcher does not find in the prepared folder
ANSWER_BYTES = 512 * 2**20  # of logits that one of them hands over at once
ANSWER_DTYPES = (torch.float32, torch.bfloat16, torch.float16)
WORDS_BYTES = 300  # of its own words, when it fails
FRESH_BYTES = 60_000  # of new stories, told when a model of that track is scored
FRESH_TOLERANCE = 0.03  # bits per byte, and a tenth, by which a model may be further above their entropy than above the track's
SCORE_PROBES = 1024  # with another future, or as many as rows: one that looks ahead at one token in 300 passes one time in 30

HERE = Path(__file__).resolve().parent
SUMMARY = (
    "val_bpb",
    "training_seconds",
    "total_seconds",
    "peak_vram_mb",
    "mfu_percent",
    "total_tokens_M",
    "num_steps",
    "num_params_M",
    "depth",
)


class PrepareError(Exception):
    """Something a person can mend; the message is a sentence that says how. Ends the program with exit code 1."""


class EvaluationError(PrepareError):
    """The model cannot be scored: wrong shape, NaN, or its answers use what they must not know."""


# ---------------------------------------------------------------------------------------------------------------------
# The environment


def cache_root():
    return (
        Path(os.environ.get("AUTORESEARCH_CACHE") or Path.home() / ".cache" / "autoresearch")
        .expanduser()
        .resolve()
    )


def harness_seed():
    """The seed of this run: model initialisation and the order of the data derive from it."""
    return int(os.environ.get("AUTORESEARCH_SEED") or 42)


def run_dir():
    """Where train.py leaves its checkpoint and curve; made if it is missing."""
    folder = Path(os.environ.get("AUTORESEARCH_RUN_DIR") or "run").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def validation():
    """Where this process finds the validation text, by AUTORESEARCH_VALIDATION: "" in the cache, "hidden" nowhere (a run under
    the researcher, whose checkpoint is scored later), "stdin": its rows come through standard input (that scoring)."""
    return os.environ.get("AUTORESEARCH_VALIDATION", "")


def find_device():
    """CUDA (and ROCm, which answers to the same name), Apple's MPS, or the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def default_track():
    device = find_device()
    if device.type == "cuda" and torch.cuda.get_device_properties(device).total_memory > 30e9:
        return "climbmix"
    return "pystd" if device.type == "cpu" else "tinystories"


def synchronize(device):
    """Wait until the device has done everything it was asked: only then does a clock tell the truth."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def say(text):
    print(text, flush=True)


class Bar:
    """A progress bar on a terminal; elsewhere a plain line for every further fifth, so that a log stays readable."""

    def __init__(self, what, total, unit):
        from tqdm import tqdm

        self.what, self.total, self.done, self.told = what, max(total, 1), 0, 0
        self.bar = (
            tqdm(total=total, desc=what, unit=unit, unit_scale=True)
            if sys.stderr.isatty()
            else None
        )

    def add(self, amount):
        self.done += amount
        if self.bar is not None:
            self.bar.update(amount)
        elif int(5 * self.done / self.total) > self.told:
            self.told = int(5 * self.done / self.total)
            say(f"{self.what}: {min(100, 100 * self.done // self.total)} %")

    def close(self):
        if self.bar is not None:
            self.bar.close()


def sha256_file(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 22):
            digest.update(block)
    return digest.hexdigest()


def fingerprint(value):
    """sha256 of a JSON value, in hex."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def own_sha256():
    """Of this file, with line ends as git stores them: the same on Windows."""
    return hashlib.sha256(Path(__file__).read_bytes().replace(b"\r\n", b"\n")).hexdigest()


def write_atomically(path, text):
    """Whole or not at all, whoever else writes the same file at the same time."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    temporary.write_text(text, "utf-8")
    os.replace(temporary, path)


@contextlib.contextmanager
def locked(folder):
    """One prepare at a time in a track's folder. The lock is the system's: it ends with the process, even by kill -9."""
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        say(f"another prepare works in {folder}; waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


# ---------------------------------------------------------------------------------------------------------------------
# Tracks


@dataclass(frozen=True)
class Track:
    """A prepared track. `id` is what results must share to be compared; `name` is what people type."""

    name: str
    id: str
    base: str
    vocab_size: int
    seq_len: int
    budget_s: float
    folder: Path
    manifest: dict


def parse_name(name, budget_s=None):
    """(base, budget_s, full name) of `pystd`, `pystd-20s`, … A budget of the track's own is not part of the name."""
    match = re.fullmatch(rf"({'|'.join(TRACKS)})(?:-(\d+(?:\.\d+)?)s)?", name)
    if not match:
        raise PrepareError(
            f"{name!r} is no track; choose one of {', '.join(TRACKS)}, with a budget as in pystd-20s"
        )
    base, own = match[1], TRACKS[match[1]]["budget_s"]
    budget_s = float(budget_s if budget_s is not None else match[2] or own)
    if not 0 < budget_s < 1e7:
        raise PrepareError(
            f"a budget of {budget_s:g} seconds makes no sense; give --budget-s a positive number"
        )
    return base, budget_s, base if budget_s == own else f"{base}-{budget_s:g}s"


def selector(base):
    """What the name of a ready file depends on: this prepare.py and, where it is the data, this Python."""
    return fingerprint([base, own_sha256(), platform.python_version() if base == "pystd" else ""])[
        :12
    ]


def read_here():
    """What prepare.py last left beside itself: {"track", "key"}, or nothing."""
    try:
        here = json.loads((HERE / ".track").read_text("utf-8"))
        return here if isinstance(here, dict) and isinstance(here.get("track"), str) else {}
    except (OSError, ValueError):
        return {}


def load_track():
    """The track of this run: AUTORESEARCH_TRACK, else the one last prepared here, else the device's default.

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
    parts = {
        k: manifest[k]
        for k in ("data_fingerprint", "tokenizer_fingerprint", "seq_len", "eval_sha256")
    }
    track_id = f"{name}-{fingerprint([name, budget_s, own_sha256(), parts])[:10]}"
    return Track(
        name,
        track_id,
        base,
        manifest["vocab_size"],
        manifest["seq_len"],
        budget_s,
        folder,
        manifest,
    )


def read_manifest(folder):
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    if manifest["prepare_sha256"] != own_sha256():
        raise ValueError("made by another prepare.py")
    return manifest


def find_damage(folder, manifest, thorough=False):
    """What is wrong with a prepared folder, or an empty string. Sizes always, every byte's hash if thorough."""
    for name, expected in manifest["files"].items():
        path = folder / name
        if (name in HELD_BACK and validation()) or (
            name.startswith("train.") and validation() == "stdin"
        ):
            continue  # not there for this process
        if not path.is_file():
            return f"{name} is missing"
        if path.stat().st_size != expected["size"]:
            return f"{name} has {path.stat().st_size} bytes instead of {expected['size']}"
        # the tokenizer and the evaluation's rows are small and decide the score: hashed every time
        if (thorough or name in ("tokenizer.json", "eval.bin")) and sha256_file(path) != expected[
            "sha256"
        ]:
            return f"{name} has other content than was written"
    return ""


def anchor_line(track):
    """What to compare val_bpb with, in bits per byte of the same validation text."""
    anchors = track.manifest["anchors"]
    line = f"a static token trigram counted on the training text scores {anchors['trigram_bpb']:.4f} bits per byte"
    if "entropy_bpb" in anchors:
        line += f"; the exact entropy of this text, the limit of any model, is {anchors['entropy_bpb']:.4f}"
    return line


# ---------------------------------------------------------------------------------------------------------------------
# Tokenizer


class Tokenizer:
    """Byte-pair encoding, or plain bytes. Ids 0 … vocab_size - 5 stand for bytes, the last four are special."""

    def __init__(self, ranks, pattern, track=None):
        import tiktoken

        self.track = track
        self.ranks, self.pattern = ranks, pattern
        self.vocab_size = len(ranks) + len(SPECIALS)
        specials = {name: len(ranks) + i for i, name in enumerate(SPECIALS)}
        self.bos = specials[SPECIALS[0]]
        self.bytes_of = [piece for piece, _ in sorted(ranks.items(), key=lambda item: item[1])]
        # from the bytes themselves: through decoded text, half a character would count as the three bytes of U+FFFD
        self.token_bytes = torch.tensor(
            [len(piece) for piece in self.bytes_of] + [0] * len(SPECIALS)
        )
        self.encoding = tiktoken.Encoding(
            "lab", pat_str=pattern, mergeable_ranks=ranks, special_tokens=specials
        )

    @classmethod
    def train(cls, texts, vocab_size):
        """From an iterator of texts. The result is smaller than asked when the text offers too few merges."""
        if vocab_size == BYTE_VOCAB:
            return cls({bytes([b]): b for b in range(256)}, PATTERN)
        import rustbpe

        trainer = rustbpe.Tokenizer()
        trainer.train_from_iterator(texts, vocab_size - len(SPECIALS), pattern=PATTERN)
        return cls({bytes(piece): rank for piece, rank in trainer.get_mergeable_ranks()}, PATTERN)

    @classmethod
    def load(cls, track):
        return cls.read(track.folder / "tokenizer.json", track)

    @classmethod
    def read(cls, path, track=None):
        try:
            stored = json.loads(path.read_text("utf-8"))
            ranks = {base64.b64decode(piece): rank for rank, piece in enumerate(stored["tokens"])}
            if stored["format"] != "autoresearch-tokenizer-1" or len(ranks) != len(
                stored["tokens"]
            ):
                raise ValueError("unknown format or a token twice")
            return cls(ranks, stored["pattern"], track)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise PrepareError(
                f"{path} is no tokenizer of ours ({error}); run prepare.py again"
            ) from error

    def stored(self):
        tokens = [base64.b64encode(piece).decode() for piece in self.bytes_of]
        return {
            "format": "autoresearch-tokenizer-1",
            "pattern": self.pattern,
            "specials": SPECIALS,
            "tokens": tokens,
        }

    def encode(self, text):
        """list[int] without BOS; names of special tokens in the text are text."""
        return self.encode_array(text).tolist()

    def encode_array(self, text):
        if self.vocab_size == BYTE_VOCAB:
            return np.frombuffer(text.encode("utf-8"), np.uint8).astype(np.uint16)
        return self.encoding.encode_to_numpy(text, disallowed_special=()).astype(np.uint16)

    def decode_bytes(self, ids):
        return b"".join(self.bytes_of[i] for i in ids if i < len(self.bytes_of))

    def decode(self, ids):
        return self.decode_bytes(ids).decode("utf-8", errors="replace")


# ---------------------------------------------------------------------------------------------------------------------
# Sources. Each is a class with .fingerprint (a JSON value that changes whenever a document would), .eval_tokens (how many
# validation tokens to score, None: all) and .documents(split), an iterator of texts that is the same every time.


class Pystd:
    """The source of the running Python's standard library, tests left out, split by file."""

    eval_tokens = None

    def __init__(self):
        files = dict(self.read(Path(sysconfig.get_path("stdlib"))))
        if sum(map(len, files.values())) < 2_000_000:
            raise PrepareError(
                f"the standard library in {sysconfig.get_path('stdlib')} has hardly any source; use --track stories"
            )
        val = choose_validation(files, PYSTD_VAL_BYTES, PYSTD_FILE_CAP_BYTES)
        order = sorted(files, key=path_hash)
        self.splits = {
            "train": [files[path] for path in order if path not in val],
            "val": [files[path] for path in order if path in val],
        }
        self.fingerprint = {
            split: [hashlib.sha256(text.encode()).hexdigest() for text in texts]
            for split, texts in self.splits.items()
        }

    def read(self, root):
        """(path relative to the library, text) of what is the same wherever this Python is installed."""
        for path in sorted(root.rglob("*.py")):
            relative = path.relative_to(root)
            folders = set(relative.parts[:-1])
            if folders & {
                "test",
                "tests",
                "idle_test",
                "site-packages",
                "dist-packages",
                "__pycache__",
                "_bundled",
            }:
                continue
            if path.name.startswith(("_sysconfigdata", "sitecustomize", "python-config")):
                continue  # of one machine
            try:
                text = path.read_bytes().decode("utf-8").replace("\r\n", "\n")
            except (OSError, UnicodeDecodeError):
                continue
            if text.strip() and not (
                "encodings" in folders and "_table" in text and "charmap" in text
            ):
                yield relative.as_posix(), text

    def documents(self, split):
        yield from self.splits[split]


def path_hash(path):
    return hashlib.sha256(path.encode()).hexdigest()


def choose_validation(files, val_bytes, cap_bytes):
    """Paths of the validation files: whole families of near-duplicates in the order of their hash, none above the cap."""
    families, size = near_duplicates(files), 0
    chosen = set()
    for family in sorted(families, key=lambda family: path_hash(min(family))):
        bytes_ = sum(len(files[path].encode()) for path in family)
        if size < val_bytes and bytes_ <= cap_bytes:
            chosen |= set(family)
            size += bytes_
    return chosen


def near_duplicates(files):
    """Groups of paths, connected where two files share more than half of the smaller one's telling lines."""
    lines = {
        p: {line.strip() for line in text.splitlines() if len(line.strip()) > 20}
        for p, text in files.items()
    }
    holders = {}
    for path in sorted(lines):
        for line in lines[path]:
            holders.setdefault(line, []).append(path)
    shared = Counter()
    for paths in holders.values():
        if len(paths) <= 60:  # what more files share is a licence or an idiom
            shared.update((a, b) for i, a in enumerate(paths) for b in paths[i + 1 :])
    parent, first = {path: path for path in files}, {}

    def root(path):
        while parent[path] != path:
            path = parent[path]
        return path

    for (a, b), count in shared.items():
        if count >= 3 and count > min(len(lines[a]), len(lines[b])) / 2:
            parent[root(a)] = root(b)
    for path, text in files.items():  # the very same text, however short
        parent[root(path)] = root(first.setdefault(text, path))
    families = {}
    for path in files:
        families.setdefault(root(path), []).append(path)
    return list(families.values())


class Parquet:
    """Documents in the column `text` of parquet files; which rows belong to which split."""

    def __init__(self, splits, fingerprint, eval_tokens):
        self.splits = splits  # split -> [(path, first row, end row or None)]
        self.fingerprint, self.eval_tokens = fingerprint, eval_tokens

    def documents(self, split):
        for path, first, end in self.splits[split]:
            yield from parquet_texts(path, first, end)


def parquet_texts(path, first=0, end=None):
    """The texts of rows first … end - 1, read one row group at a time."""
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            at = 0
            for group in range(file.num_row_groups):
                rows = file.metadata.row_group(group).num_rows
                low, high = max(first - at, 0), rows if end is None else min(rows, end - at)
                if low < high:
                    texts = (
                        file.read_row_group(group, columns=["text"])
                        .column("text")
                        .slice(low, high - low)
                    )
                    yield from (text for text in texts.to_pylist() if text)
                at += rows
    except (pyarrow.ArrowException, OSError, KeyError) as error:
        raise PrepareError(
            f"{path} cannot be read as parquet with a column `text` ({error}); remove it"
        ) from error


class Custom:
    """The user's own text: a folder, .txt, .jsonl (a string, or an object with `text`, a line) or .parquet."""

    eval_tokens = None

    def __init__(self, data):
        self.path = Path(data).expanduser().resolve()
        texts = list(
            dict.fromkeys(t for t in self.read(self.path) if t.strip())
        )  # a text twice would be on both sides
        size = sum(len(t.encode()) for t in texts)
        if len(texts) < 2 or size < 1000:
            raise PrepareError(
                f"{self.path} holds {len(texts)} documents and {size} bytes of text: too little to train and to score on"
            )
        self.splits = split_by_hash(texts, min(CUSTOM_VAL_BYTES, CUSTOM_VAL_SHARE * size))
        self.fingerprint = [hashlib.sha256(text.encode()).hexdigest() for text in texts]

    def read(self, path):
        if path.is_dir():
            for file in sorted(
                p for p in path.rglob("*") if p.is_file() and not p.name.startswith(".")
            ):
                try:
                    yield from self.read(file)
                except UnicodeDecodeError:
                    say(f"left out, not UTF-8 text: {file}")
        elif path.suffix == ".parquet":
            yield from parquet_texts(path)
        elif path.suffix == ".jsonl":
            yield from jsonl_texts(path)
        else:
            yield from cut_at_lines(
                path.read_bytes().decode("utf-8").replace("\r\n", "\n"), CUSTOM_DOCUMENT_BYTES
            )

    def documents(self, split):
        yield from self.splits[split]


def jsonl_texts(path):
    for number, line in enumerate(path.read_text("utf-8").split("\n"), 1):
        if line.strip():
            try:
                value = json.loads(line)
                text = value if isinstance(value, str) else value["text"]
                text.encode("utf-8")
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise PrepareError(
                    f"{path}, line {number}: neither a JSON string nor an object with `text`"
                ) from error
            yield text


def cut_at_lines(text, size_bytes):
    """The text in order, cut after lines once a piece has size_bytes; a line longer than that is cut anywhere."""
    piece, length = [], 0
    for line in text.splitlines(keepends=True):
        for part in (line[i : i + size_bytes] for i in range(0, len(line), size_bytes)):
            piece.append(part)
            length += len(part.encode())
            if length >= size_bytes:
                yield "".join(piece)
                piece, length = [], 0
    if piece:
        yield "".join(piece)


def split_by_hash(texts, val_bytes):
    """Validation takes documents in the order of their hash up to val_bytes, at least one and never all."""
    order = sorted(texts, key=path_hash)
    size, val = 0, set()
    for text in order[:-1]:
        if val and size + len(text.encode()) > val_bytes:
            break
        val.add(text)
        size += len(text.encode())
    return {"train": [t for t in texts if t not in val], "val": [t for t in texts if t in val]}


# ---------------------------------------------------------------------------------------------------------------------
# Stories: text whose exact entropy is known. Every random choice can be read off the text, so -log2 of the product of the
# choices' probabilities is the exact information of a story, and no model can do better on average.

WORDS = {
    "name": "Ada Ben Cleo Dora Emil Finn Greta Hugo Ines Jonas Kira Leo Mona Nils Olga Paul Rosa Sven Tara Uma Viktor Wanda Yara Zeno "
    "Alba Boris Celia Denis Edda Fritz Gino Hanna Igor Jutta Karl Lotte Milan Nora Otto Petra Ruth Simon Theo Ulla Vera Willi Ximena Yusuf",
    "animal": "fox badger heron otter hedgehog raven marten weasel toad sparrow lynx beaver stork mole goose hamster newt falcon donkey "
    "goat rabbit squirrel owl bear wolf deer moose swan cricket turtle lizard salmon pony crane magpie ferret seal bison gecko finch",
    "trait": "brave gentle clever lazy proud curious patient hungry noisy honest stubborn cheerful careful clumsy polite sleepy generous "
    "nervous quick silent loyal greedy modest merry grumpy wise timid bold playful serious dreamy restless tidy witty kind humble",
    "place": "forest harbour orchard mill meadow valley castle market lighthouse cave bakery garden river bridge tower village quarry "
    "island workshop library stable cellar attic hill swamp desert canyon shore temple field pond railway station barn ruin glacier",
    "thing": "lantern kettle basket hammer compass mirror blanket ladder violin hat coin map rope candle bucket feather drum key spoon "
    "bell whistle barrel needle scarf kite anchor boot ribbon clock saddle pillow shovel bottle wheel button book ring broom pan sack",
    "adjective": "old golden broken tiny heavy wooden shiny dusty round crooked silver painted hollow narrow enormous borrowed forgotten "
    "rusty striped soft bright cracked empty warm muddy precious plain carved strange cheap smooth torn polished secret purple faded",
    "verb": "carried hid painted repaired dropped washed sold found buried borrowed polished lost measured wrapped kicked guarded studied "
    "tested praised shook cleaned admired traded weighed counted stole lifted emptied opened followed dragged drew bent hung tied sniffed",
    "adverb": "quietly proudly slowly twice carefully gladly secretly badly suddenly often politely bravely loudly calmly eagerly kindly "
    "neatly rarely warmly wisely awkwardly happily sadly firmly gently blindly boldly briskly coldly deeply dimly fairly freely",
    "time": "morning evening winter spring midnight noon Sunday Monday Friday autumn summer dawn dusk weekend holiday harvest",
    "weather": "rain snow fog thunder sunshine hail wind frost drizzle heat mist sleet",
    "feeling": "happy sad angry tired surprised ashamed afraid grateful jealous lonely calm bored excited relieved puzzled hopeful",
    "food": "bread soup honey cheese plums cake porridge apples pie nuts beans stew berries pancakes pears butter radishes noodles",
}
# {word} is drawn; {hero}, {friend}, {home}, {treasure} were drawn once a story and cost nothing again; {who} is hero or friend.
SENTENCES = (
    "{who} {verb} {name}'s {adjective} {thing} {adverb} behind the {place}.",
    "One {time} the {weather} came over {place}, {place2} and {place3}; {who} felt {feeling}.",
    '"Give {name} the {treasure}," said the {trait} {animal}; {who} {verb} it {adverb}.',
    "{who} walked {adverb} from {home} to the {place} with a {adjective} {thing} and {food}.",
    "{name} and {name2} ate {food}, {food2} and {food3} near the {adjective} {place} until {time}.",
    '"Why is {name}\'s {thing} so {adjective}?" asked {who} the {animal} of the {place}.',
    "The {trait} {animal} and a {trait2} {animal2} {verb} the {treasure} {adverb}.",
    "{hero} counted {n} {adjective} {thing}s, {friend} counted {m}, so they had {sum}.",
    "Every {time} {name} {verb} {thing}, {thing2} or {thing3} for {hero} and {friend}.",
    "In {name}'s {place} lived a {trait} {animal} who {adverb} {verb} every {adjective} {thing}.",
    "{who} was {feeling}: {name} the {animal} had {adverb} {verb} the {treasure}.",
    "No {weather} stops {who}: {name}'s {adjective} {thing} is worth more than {food}.",
    "Nobody in {home} had {verb} such {adjective} {thing}s, not even {name} the {trait} {animal}.",
    "Then {who} became {feeling} and {adverb} {verb} {name}'s {adjective} {thing}.",
    "Beyond the {place} they met {name}, a {trait} {animal} with {adjective} {thing}s.",
    "At {time} {hero} gave {friend} {name}'s {adjective} {thing} for {adjective2} {food}.",
)
SENTENCE_WEIGHTS = (9, 7, 7, 6, 6, 5, 5, 5, 4, 4, 4, 4, 3, 3, 3, 3)
ZIPF = [720_720 // (rank + 24) for rank in range(64)]  # the weight of a list's word by its place


class Dice:
    """Random choices from integers alone (splitmix64): the same on every machine and Python. `bits` is their information."""

    MASK = 2**64 - 1

    def __init__(self, seed):
        self.state, self.bits = seed & self.MASK, 0.0

    def below(self, total):
        self.state = (self.state + 0x9E3779B97F4A7C15) & self.MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & self.MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & self.MASK
        return ((z ^ (z >> 31)) * total) >> 64

    def choose(self, options, weights):
        total = sum(weights[: len(options)])
        ticket = self.below(total)
        for option, weight in zip(options, weights, strict=False):  # weights may go on
            ticket -= weight
            if ticket < 0:
                self.bits -= math.log2(weight / total)
                return option


WORDS = {kind: words.split() for kind, words in WORDS.items()}
EVEN = [1] * 64


def tell_story(dice):
    """One story; its information is added to dice.bits. The number of sentences is announced, so that its end is no surprise."""
    sentences = 4 + dice.choose(range(6), EVEN)
    hero = dice.choose(WORDS["name"], EVEN)
    friend = dice.choose([name for name in WORDS["name"] if name != hero], EVEN)
    known = {"hero": hero, "friend": friend}
    for key, kind in (
        ("trait", "trait"),
        ("animal", "animal"),
        ("home", "place"),
        ("adjective", "adjective"),
    ):
        known[key] = dice.choose(WORDS[kind], ZIPF)
    thing = dice.choose(WORDS["thing"], ZIPF)
    known |= {"home": f"the old {known['home']}", "treasure": f"{thing} of {friend}"}
    text = [
        f"{sentences} lines about {hero}, the {known['trait']} {known['animal']} of {known['home']}, "
        f"{friend}, and a {known['adjective']} {thing}."
    ]
    text += [tell_sentence(dice, known, hero, friend) for _ in range(sentences)]
    return "\n".join(text) + "\n"


def tell_sentence(dice, known, hero, friend):
    template = dice.choose(SENTENCES, SENTENCE_WEIGHTS)
    said = {}

    def word(match):
        slot = match[1]
        if slot in ("hero", "friend", "home", "treasure"):
            return known[slot]
        if slot == "who":
            return dice.choose((hero, friend), (3, 2))
        if slot in ("n", "m"):
            said[slot] = dice.choose(range(2, 50), EVEN)
            return str(said[slot])
        if slot == "sum":
            return str(said["n"] + said["m"])
        return dice.choose(WORDS[slot.rstrip("23")], ZIPF)

    return re.sub(r"\{(\w+)\}", word, template)


class Stories:
    eval_tokens = None
    fingerprint = ("stories", STORIES_SEED, STORIES_TRAIN_BYTES, STORIES_VAL_BYTES)

    def documents(self, split):
        for text, _ in self.told(split):
            yield text

    def told(self, split, wanted=None):
        """(text, its information in bits) until the split is full. Every story has dice of its own.

        A split of another name than train and val is one nobody has seen, of `wanted` bytes."""
        size, number, sizes = 0, 0, {"train": STORIES_TRAIN_BYTES, "val": STORIES_VAL_BYTES}
        while size < (wanted or sizes[split]):
            dice = Dice(int(fingerprint(["story", STORIES_SEED, split, number])[:16], 16))
            text = tell_story(dice)
            size, number = size + len(text), number + 1
            yield text, dice.bits

    def entropy_bpb(self):
        bits, size = 0.0, 0
        for text, information in self.told("val"):
            bits, size = bits + information, size + len(text.encode())
        return bits / size


# ---------------------------------------------------------------------------------------------------------------------
# Downloads from Hugging Face (or the mirror that HF_ENDPOINT names)


def download(repo, names, folder, workers):
    """{name: sha256} of files in folder, each whole and checked; raises PrepareError when any of them cannot be had."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [name for name in names if not is_whole(folder / name)]
    if missing:
        say(
            f"downloading {len(missing)} of {len(names)} files of {repo} with {min(workers, len(missing))} workers"
        )
        bar = Bar("download", len(missing), "file")
        failures = []
        with ThreadPoolExecutor(min(workers, len(missing))) as pool:
            for name, problem in pool.map(
                lambda name: (name, try_to_fetch(repo, name, folder)), missing
            ):
                if problem:
                    failures.append((name, problem))
                else:
                    bar.add(1)
        bar.close()
        if failures:
            name, problem = failures[0]
            raise PrepareError(
                f"{len(failures)} of {len(missing)} files of {repo} could not be downloaded, first {name}: {problem}. "
                "What did arrive is kept and the next call continues. Without a network, `--track pystd` needs no download"
            )
    return {name: json.loads(receipt(folder / name).read_text("utf-8"))["sha256"] for name in names}


def receipt(path):
    """Beside every download: its size and sha256, written after it was checked."""
    return path.with_name(path.name + ".json")


def is_whole(path):
    try:
        return json.loads(receipt(path).read_text("utf-8"))["size"] == path.stat().st_size
    except (OSError, ValueError, KeyError, TypeError):
        return False


def try_to_fetch(repo, name, folder):
    """Fetch one file, several times if need be; the reason in words when it cannot be had, else an empty string."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from huggingface_hub import errors

    for attempt in range(DOWNLOAD_ATTEMPTS):
        if attempt:
            time.sleep(DOWNLOAD_PAUSE_S * 2 ** (attempt - 1))
        try:
            fetch(repo, name, folder)
            return ""
        except (errors.EntryNotFoundError, errors.RepositoryNotFoundError) as error:
            return f"the server does not have it ({first_line(error)})"
        except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled) as error:
            problem = f"the server cannot be reached ({first_line(error)})"
        except Exception as error:  # noqa: BLE001 - whatever a network can do wrong; tried again, then told
            problem = f"{type(error).__name__}: {first_line(error)}"
    return f"{problem}, {DOWNLOAD_ATTEMPTS} times"


def first_line(error):
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def fetch(repo, name, folder):
    """One attempt. huggingface_hub continues what an earlier attempt left in .incoming; only a checked file leaves it."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
    from huggingface_hub.utils import disable_progress_bars

    if not sys.stderr.isatty():
        disable_progress_bars()
    said = get_hf_file_metadata(hf_hub_url(repo, name, repo_type="dataset"))
    arrived = Path(hf_hub_download(repo, name, repo_type="dataset", local_dir=folder / ".incoming"))
    try:
        check_download(arrived, said.size, said.etag)
    except PrepareError:
        arrived.unlink()
        raise
    size, sha256 = arrived.stat().st_size, sha256_file(arrived)
    os.replace(arrived, folder / name)
    write_atomically(receipt(folder / name), json.dumps({"size": size, "sha256": sha256}))


def check_download(path, size, etag):
    """Size as the server said, sha256 where its etag is one (large files), and a parquet file from head to footer."""
    import pyarrow
    import pyarrow.parquet

    if size is not None and path.stat().st_size != size:
        raise PrepareError(
            f"{path.name} arrived with {path.stat().st_size} bytes instead of {size}"
        )
    if etag and re.fullmatch(r"[0-9a-f]{64}", etag) and sha256_file(path) != etag:
        raise PrepareError(f"{path.name} arrived with other content than the server names")
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            if "text" not in file.schema_arrow.names:
                raise PrepareError(f"{path.name} has no column `text`")
    except (pyarrow.ArrowException, OSError) as error:
        raise PrepareError(
            f"{path.name} is not a whole parquet file ({first_line(error)})"
        ) from error


def climbmix(root, num_shards, workers):
    shards = CLIMBMIX_SHARDS - 1 if num_shards == -1 else num_shards
    if not 1 <= shards < CLIMBMIX_SHARDS:
        raise PrepareError(
            f"--num-shards {num_shards} leaves no training shard; give 1 to {CLIMBMIX_SHARDS - 1}, or -1 for all"
        )
    names = [f"shard_{i:05d}.parquet" for i in (*range(shards), CLIMBMIX_SHARDS - 1)]
    sums = download(CLIMBMIX_REPO, names, root / "raw", workers)
    paths = [(root / "raw" / name, 0, None) for name in names]
    return Parquet(
        {"train": paths[:-1], "tokenizer": paths[:1], "val": paths[-1:]}, sums, CLIMBMIX_EVAL_TOKENS
    )


def tinystories(root, workers):
    sums = download(TINYSTORIES_REPO, [TINYSTORIES_FILE], root / "raw", workers)
    path = root / "raw" / TINYSTORIES_FILE
    splits = {
        "train": [(path, TINYSTORIES_TRAIN_FROM, None)],
        "val": [(path, *TINYSTORIES_VAL_ROWS)],
    }
    return Parquet(splits, sums, TINYSTORIES_EVAL_TOKENS)


# ---------------------------------------------------------------------------------------------------------------------
# Preparing: source -> tokenizer -> token files -> evaluation rows -> anchors -> manifest, in a temporary folder, renamed last


def prepare(args):
    base, budget_s, name = parse_name(
        args.track or os.environ.get("AUTORESEARCH_TRACK") or default_track(), args.budget_s
    )
    settings = check_settings(base, args)
    root = cache_root() / base
    started = time.monotonic()
    with locked(root):
        source = open_source(base, root, args)
        data_fingerprint = fingerprint(source.fingerprint)
        key = fingerprint([base, data_fingerprint, settings, PATTERN, own_sha256()])[:16]
        remove_leftovers(root)
        if is_prepared(root / key):
            say(f"{name} is prepared already, and whole")
        else:
            build(source, data_fingerprint, settings, root / key)
        write_atomically(root / f"ready-{selector(base)}.json", json.dumps({"key": key}))
    track = make_track(name, base, budget_s, root / key, read_manifest(root / key))
    if args.rows:
        copy_rows(track, Path(args.rows))
    with contextlib.suppress(
        OSError
    ):  # beside a prepare.py in a read-only place, AUTORESEARCH_TRACK does the same
        write_atomically(HERE / ".track", json.dumps({"track": name, "key": key}))
    say(f"track {track.id}: {anchor_line(track)}")
    say(
        f"ready in {time.monotonic() - started:.1f} s; next: `python train.py`, {budget_s:g} s of training"
    )


def copy_rows(track, target):
    """The rows that evaluation scores, for a harness that hides them from a run and hands them to `score` alone."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    shutil.copyfile(track.folder / "eval.bin", temporary)
    os.replace(temporary, target)


def check_settings(base, args):
    """{"vocab_size", "seq_len"}; only `custom` may choose them, elsewhere they are what the track is."""
    own = TRACKS[base]
    if base != "custom" and (args.vocab_size or args.seq_len or args.data):
        raise PrepareError(
            f"--data, --vocab-size and --seq-len belong to `--track custom`; {base} has {own['vocab_size']} and {own['seq_len']}"
        )
    if base == "custom" and not args.data:
        raise PrepareError(
            "--track custom needs --data PATH: a folder, .txt, .jsonl or .parquet with a column `text`"
        )
    vocab_size, seq_len = args.vocab_size or own["vocab_size"], args.seq_len or own["seq_len"]
    if not BYTE_VOCAB <= vocab_size <= MAX_VOCAB:
        raise PrepareError(
            f"--vocab-size {vocab_size} must lie between {BYTE_VOCAB} (plain bytes) and {MAX_VOCAB}"
        )
    if not 8 <= seq_len <= 2**20:
        raise PrepareError(f"--seq-len {seq_len} must lie between 8 and {2**20}")
    return {"vocab_size": vocab_size, "seq_len": seq_len}


def open_source(base, root, args):
    if base == "climbmix":
        return climbmix(root, args.num_shards, args.download_workers)
    if base == "tinystories":
        return tinystories(root, args.download_workers)
    if base == "custom":
        try:
            return Custom(args.data)
        except (OSError, UnicodeDecodeError) as error:
            raise PrepareError(
                f"--data {args.data} cannot be read as UTF-8 text: {error}"
            ) from error
    return Pystd() if base == "pystd" else Stories()


def remove_leftovers(root):
    """Of a prepare that was killed; the lock says that none is at work now."""
    for folder in root.glob(".new-*"):
        shutil.rmtree(folder, ignore_errors=True)
    for file in root.glob(".ready-*.tmp"):
        file.unlink(missing_ok=True)


def is_prepared(folder):
    try:
        damage = find_damage(folder, read_manifest(folder), thorough=True)
    except (OSError, ValueError, KeyError, TypeError):
        damage = "its manifest cannot be read" if folder.exists() else "missing"
    if damage and folder.exists():
        say(f"{folder} is damaged ({damage}); making it anew")
        shutil.rmtree(folder)
    return not damage


def build(source, data_fingerprint, settings, target):
    folder = target.with_name(f".new-{os.getpid()}-{secrets.token_hex(4)}")
    folder.mkdir()
    tokenizer = train_tokenizer(source, settings["vocab_size"])
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer.stored()), "utf-8")
    train = write_tokens(source.documents("train"), tokenizer, folder, "train")
    val = write_tokens(source.documents("val"), tokenizer, folder, "val", source.eval_tokens)
    if not train["tokens"] or not val["bytes"]:
        raise PrepareError(
            "no training or no validation document was found; is the data what the track expects?"
        )
    tokens, starts = read_tokens(folder, "val")
    rows = pack_evaluation(tokens, starts, settings["seq_len"], tokenizer.bos)
    rows.tofile(folder / "eval.bin")
    anchors = {"trigram_bpb": trigram_bpb(read_tokens(folder, "train")[0], rows, tokenizer)}
    if isinstance(source, Stories):
        anchors["entropy_bpb"] = source.entropy_bpb()
    names = ("tokenizer.json", "train.bin", "train.idx", "val.bin", "val.idx", "eval.bin")
    files = {
        n: {"size": (folder / n).stat().st_size, "sha256": sha256_file(folder / n)} for n in names
    }
    manifest = {
        "format": "autoresearch-track-1",
        "prepare_sha256": own_sha256(),
        "data_fingerprint": data_fingerprint,
        "tokenizer_fingerprint": files["tokenizer.json"]["sha256"],
        "eval_sha256": files["eval.bin"]["sha256"],
        "vocab_size": tokenizer.vocab_size,
        "seq_len": settings["seq_len"],
        "train": train,
        "val": val,
        "eval_rows": len(rows),
        "anchors": anchors,
        "files": files,
        "python": platform.python_version(),
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1), "utf-8")
    flush_to_disk(folder)
    os.rename(folder, target)


def flush_to_disk(folder):
    """Contents before the name: after a power cut a prepared folder is there whole or not at all."""
    for path in folder.iterdir():
        with open(path, "rb+") as file:
            os.fsync(file.fileno())


def train_tokenizer(source, vocab_size):
    if vocab_size == BYTE_VOCAB:
        return Tokenizer.train((), vocab_size)
    split = "tokenizer" if "tokenizer" in getattr(source, "splits", {}) else "train"
    started, size = time.monotonic(), 0
    say(f"training a tokenizer of {vocab_size} tokens")

    def texts():
        nonlocal size
        for text in source.documents(split):
            yield text
            size += len(text)
            if size >= TOKENIZER_BYTES:
                return

    tokenizer = Tokenizer.train(texts(), vocab_size)
    if tokenizer.vocab_size < vocab_size:
        say(
            f"the text offers merges for {tokenizer.vocab_size} tokens only; the vocabulary is that"
        )
    say(
        f"tokenizer: {tokenizer.vocab_size} tokens from {size / 1e6:.1f} M characters in {time.monotonic() - started:.1f} s"
    )
    return tokenizer


def write_tokens(texts, tokenizer, folder, split, enough_tokens=None):
    """Write split.bin and split.idx; {"documents", "tokens", "bytes"}. Ends with the document that makes it enough."""
    starts, written, size, told = [], 0, 0, time.monotonic()
    lengths = tokenizer.token_bytes.numpy()
    with open(folder / f"{split}.bin", "wb") as file, ThreadPoolExecutor(os.cpu_count()) as pool:
        for batch in in_batches(texts, 8_000_000):
            for ids in pool.map(tokenizer.encode_array, batch):
                if enough_tokens is not None and written - len(starts) >= enough_tokens:
                    break
                starts.append(written)
                np.array([tokenizer.bos], np.uint16).tofile(file)
                ids.tofile(file)
                written += 1 + len(ids)
                size += int(lengths[ids].sum())
            else:
                if time.monotonic() - told > 5:
                    told = time.monotonic()
                    say(f"{split}: {size / 1e6:.0f} MB tokenised")
                continue
            break
    np.array([*starts, written], np.uint64).tofile(folder / f"{split}.idx")
    counts = {"documents": len(starts), "tokens": written - len(starts), "bytes": size}
    say(f"{split}: {counts['documents']:,} documents, {counts['tokens']:,} tokens, {size:,} bytes")
    return counts


def in_batches(texts, size):
    """Lists of texts of about `size` characters: enough to keep all cores busy, little enough for any memory."""
    batch, length = [], 0
    for text in texts:
        batch.append(text)
        length += len(text)
        if length >= size:
            yield batch
            batch, length = [], 0
    yield batch


def read_tokens(folder, split):
    """(tokens uint16 memory-mapped, starts int64 of the documents' BOS and the end)"""
    if split != "train" and validation():
        raise PrepareError(
            "the validation text is hidden from this run; only the harness reads it, when it scores"
        )
    starts = np.fromfile(folder / f"{split}.idx", np.uint64).astype(np.int64)
    tokens = np.asarray(
        np.memmap(folder / f"{split}.bin", np.uint16, "r")
    )  # a plain view: slicing it is much faster
    if starts[-1] != len(tokens):
        raise PrepareError(f"{folder / split}.bin and .idx disagree; run prepare.py again")
    return tokens, starts


def pieces_of(starts, seq_len):
    """(first, length) int64 arrays: every document cut into pieces of seq_len tokens and a rest; no token is lost."""
    first, end = starts[:-1] + 1, starts[1:]  # without the BOS
    counts = -(-(end - first) // seq_len)
    which = np.repeat(np.arange(len(first)), counts)
    number = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    begin = first[which] + number * seq_len
    return begin, np.minimum(end[which] - begin, seq_len)


def pack_evaluation(tokens, starts, seq_len, bos):
    """Frozen rows (N, seq_len + 1) uint16: BOS + piece, several where they fit (best fit, longest first), then BOS to the end.

    Inputs are row[:-1], targets row[1:]. Every piece follows a BOS, so each of its tokens is a target exactly once."""
    begin, length = pieces_of(starts, seq_len)
    rows, free = [], [[] for _ in range(seq_len + 2)]  # free[k]: rows with k places left
    rooms = []  # the k with a row, sorted
    for piece in np.argsort(-length, kind="stable"):
        need = int(length[piece]) + 1
        at = bisect_right(rooms, need - 1)
        if at == len(rooms):
            row, room = len(rows), seq_len + 1
            rows.append([])
        else:
            room = rooms[at]
            row = free[room].pop()
            if not free[room]:
                rooms.pop(at)
        rows[row].append(int(piece))
        left = room - need
        if left > 1:
            if not free[left]:
                insort(rooms, left)
            free[left].append(row)
    packed = np.full((len(rows), seq_len + 1), bos, np.uint16)
    for row, pieces in zip(packed, rows, strict=True):
        at = 1
        for piece in pieces:
            n = int(length[piece])
            row[at : at + n] = tokens[begin[piece] : begin[piece] + n]
            at += n + 1
    return packed


def trigram_bpb(train, rows, tokenizer):
    """Bits per byte of a static token trigram, counted once on the first TRIGRAM_TOKENS training tokens.

    Interpolated with Witten-Bell weights and normalised: with n(h) occurrences of a history h and d(h) different tokens
    after it, p(c|h) = (n(hc) + d(h) p(c|h')) / (n(h) + d(h)), h' one token shorter, down to p(c) = (n(c) + 1) / (N + V).
    A history never reaches behind a BOS."""
    V, bos = tokenizer.vocab_size, tokenizer.bos
    stream = train[:TRIGRAM_TOKENS].astype(np.int64)
    a, b, c = stream[:-2], stream[1:-1], stream[2:]
    a = np.where(b == bos, bos, a)
    grid = rows.astype(np.int64)
    before = np.full_like(grid[:, :-1], bos)
    before[:, 1:] = np.where(grid[:, 1:-1] == bos, bos, grid[:, :-2])
    x, y, z = before.ravel(), grid[:, :-1].ravel(), grid[:, 1:].ravel()
    singles = np.bincount(stream, minlength=V)
    p = (singles[z] + 1) / (len(stream) + V)
    for history, asked in ((b, y), (a * V + b, x * V + y)):
        followed, count = np.unique(history * V + c, return_counts=True)
        contexts, first, times = np.unique(followed // V, return_index=True, return_counts=True)
        totals = np.add.reduceat(count, first)
        n, d = look_up(contexts, totals, asked), look_up(contexts, times, asked)
        seen = look_up(followed, count, asked * V + z)
        p = np.where(n > 0, (seen + d * p) / np.maximum(n + d, 1), p)
    size = tokenizer.token_bytes.numpy()[z]
    return float(-(np.log2(p) * (size > 0)).sum() / size.sum())


def look_up(keys, values, asked):
    """values where asked is among the sorted keys, else 0."""
    at = np.minimum(np.searchsorted(keys, asked), len(keys) - 1)
    return np.where(keys[at] == asked, values[at], 0)


def show(track, thorough=True):
    """Everything about a prepared track, checked byte for byte."""
    if thorough and (damage := find_damage(track.folder, track.manifest, thorough=True)):
        raise PrepareError(
            f"the prepared data is damaged ({damage}); run prepare.py --track {track.name} again"
        )
    m, tokenizer = track.manifest, Tokenizer.load(track)
    tokens, starts = read_tokens(track.folder, "val")
    sample = tokenizer.decode(tokens[starts[0] : min(starts[1], starts[0] + 120)].tolist())
    say(f"track: {track.name}\nid: {track.id}\nfolder: {track.folder}")
    say(f"budget_s: {track.budget_s:g}\nseq_len: {track.seq_len}\nvocab_size: {track.vocab_size}")
    for split in ("train", "val"):
        say(f"{split}: {', '.join(f'{count:,} {what}' for what, count in m[split].items())}")
    say(
        f"evaluation: {m['eval_rows']:,} rows of {track.seq_len} tokens, sha256 {m['eval_sha256'][:16]}"
    )
    say(f"data: {m['data_fingerprint'][:16]}\ntokenizer: {m['tokenizer_fingerprint'][:16]}")
    say(f"prepare.py: {m['prepare_sha256'][:16]}\nanchors: {anchor_line(track)}\nsample:\n{sample}")


# ---------------------------------------------------------------------------------------------------------------------
# Loader and clock


class Loader:
    """Batches of the training split, and the only clock.

    Iterating yields (x, y), int64 (rows, seq_len) on the device: rows of documents after their BOS, packed without
    padding, in an order that derives from the harness's seed. The first batch starts the clock; iteration ends when the
    budget is spent. Every batch has memory of its own: it is never overwritten. dummy() is free of charge."""

    def __init__(self, tokenizer, batch_rows, device, seed, clock=time.monotonic):
        self.track, self.tokenizer = tokenizer.track, tokenizer
        self.batch_rows, self.device, self.seed, self.clock = (
            batch_rows,
            torch.device(device),
            seed,
            clock,
        )
        self.tokens, self.epoch, self.started, self.ended = 0, 0.0, None, None
        self.dummies = torch.Generator().manual_seed(seed)
        self.upload = PinnedUpload(self.device) if self.device.type == "cuda" else None

    @property
    def elapsed_s(self):
        """Seconds since the first batch was handed out; stands still once iteration has ended."""
        if self.started is None:
            return 0.0
        return (self.clock() if self.ended is None else self.ended) - self.started

    @property
    def remaining_s(self):
        return max(0.0, self.track.budget_s - self.elapsed_s)

    @property
    def progress(self):
        """0 to 1 of the budget."""
        return min(1.0, self.elapsed_s / self.track.budget_s)

    def dummy(self):
        """A batch of random tokens for warm-up and compilation, before the first real one."""
        shape = (self.batch_rows, self.track.seq_len + 1)
        return self.on_device(
            torch.randint(self.tokenizer.vocab_size, shape, generator=self.dummies)
        )

    def on_device(self, rows):
        rows = self.upload(rows) if self.upload else rows.to(self.device)
        return rows[:, :-1].contiguous(), rows[:, 1:].contiguous()

    def __iter__(self):
        if self.started is not None:
            raise RuntimeError("a loader runs once: the budget is spent; make a new run")
        batches = queue.Queue(LOADER_AHEAD)
        stop = threading.Event()
        thread = threading.Thread(
            target=self.produce, args=(batches, stop), name="loader", daemon=True
        )
        thread.start()
        try:
            rows, epoch = self.receive(batches)
            synchronize(self.device)
            self.started = self.clock()
            before = None
            while True:
                self.tokens += self.batch_rows * self.track.seq_len
                self.epoch = epoch
                yield self.on_device(rows)
                before = self.keep_up(before)
                if self.elapsed_s >= self.track.budget_s:
                    break
                rows, epoch = self.receive(batches)
        finally:
            synchronize(self.device)
            if self.started is not None:
                self.ended = self.clock()
            stop.set()
            with contextlib.suppress(queue.Empty):
                while True:
                    batches.get_nowait()
            thread.join()

    def keep_up(self, before):
        """Let the device lag by one batch at most: far enough to stay busy, not far enough to work beyond the budget."""
        if self.device.type != "cuda":
            synchronize(self.device)
            return None
        event = torch.cuda.Event()
        event.record()
        if before is not None:
            before.synchronize()
        return event

    def receive(self, batches):
        got = batches.get()
        if isinstance(got, BaseException):
            raise got
        return got

    def produce(self, batches, stop):
        """The background thread: (rows, epoch) into the queue; its failure travels the same way."""
        try:
            for got in packed_batches(self.track, self.tokenizer.bos, self.batch_rows, self.seed):
                if not offer(batches, got, stop):
                    return
        except BaseException as error:  # noqa: BLE001 - raised again where the batches are used
            offer(batches, error, stop)


def offer(batches, item, stop):
    """Put item into the queue unless told to stop; whether it was put."""
    while not stop.is_set():
        with contextlib.suppress(queue.Full):
            batches.put(item, timeout=0.1)
            return True
    return False


class PinnedUpload:
    """Copies to the GPU without waiting. Two pinned buffers in turn, each refilled only after the event that its last copy
    recorded: refilling right after the copy was queued would let the device read the next batch in its place."""

    def __init__(self, device):
        self.device, self.slots, self.turn = device, [None, None], 0

    def __call__(self, rows):
        self.turn = 1 - self.turn
        if self.slots[self.turn] is None:
            self.slots[self.turn] = (torch.empty_like(rows, pin_memory=True), torch.cuda.Event())
        buffer, copied = self.slots[self.turn]
        copied.synchronize()
        buffer.copy_(rows)
        there = buffer.to(self.device, non_blocking=True)
        copied.record()
        return there


def make_dataloader(tokenizer, batch_rows, split="train", device="cpu"):
    if split != "train":
        raise ValueError(
            "the loader serves the training split; validation text is read by evaluate_bpb alone"
        )
    return Loader(tokenizer, batch_rows, device, harness_seed())


def packed_batches(track, bos, batch_rows, seed):
    """For ever: (int64 tensor (batch_rows, seq_len + 1) that nobody else holds, epochs begun so far as a float)"""
    waiting = []
    for rows, epoch in packed_blocks(track, bos, seed):
        waiting.append(rows)
        if sum(map(len, waiting)) < batch_rows:
            continue
        joined = waiting[0] if len(waiting) == 1 else np.concatenate(waiting)
        for at in range(0, len(joined) - batch_rows + 1, batch_rows):
            yield torch.from_numpy(joined[at : at + batch_rows].astype(np.int64)), epoch
        rest = len(joined) % batch_rows
        waiting = [joined[len(joined) - rest :]] if rest else []


def packed_blocks(track, bos, seed):
    """For ever: (uint16 array (LOADER_BLOCK, seq_len + 1) of packed rows in random order, epoch).

    Documents are cut into pieces that fill a row and a rest, and the pieces of an epoch shuffled. A row takes the longest
    piece that fits, found by bisection in a sorted window of LOADER_PIECES pieces, until nothing fits; then the longest is cut
    and its rest goes back, to continue in a later row after a BOS of its own."""
    tokens, starts = read_tokens(track.folder, "train")
    begin, length = pieces_of(starts, track.seq_len)
    window, width = [], track.seq_len + 1  # window: (tokens, first) in order
    epoch, order, at = 0, [], 0
    while True:
        rows = np.empty((LOADER_BLOCK, width), np.uint16)
        for row in rows:
            column = 0
            while column < width:
                while len(window) < LOADER_PIECES:
                    if at == len(order):
                        order = np.random.default_rng([seed, epoch]).permutation(len(begin))
                        order = list(
                            zip(length[order].tolist(), begin[order].tolist(), strict=True)
                        )
                        epoch, at = epoch + 1, 0
                    if (
                        order[at][0] == width - 1 and not column
                    ):  # fills a row by itself: no need to look for a place
                        break
                    insort(window, order[at])
                    at += 1
                row[column] = bos
                room = width - column - 1
                if not column and at < len(order) and order[at][0] == room:
                    n, first = order[at]
                    at += 1
                elif room:
                    fitting = bisect_right(window, (room, len(tokens)))
                    n, first = window.pop(fitting - 1)
                    if n > room:
                        insort(window, (n - room, first + room))
                        n = room
                else:
                    break  # a last place: the BOS alone says that a document ended
                row[column + 1 : column + 1 + n] = tokens[first : first + n]
                column += n + 1
        np.random.default_rng([seed, epoch, at]).shuffle(rows)
        yield rows, epoch - 1 + at / max(len(order), 1)


# ---------------------------------------------------------------------------------------------------------------------
# Evaluation


def evaluate_bpb(model, tokenizer, batch_size):
    """Bits per byte of the track's validation text under `model`, whose forward(idx) returns logits (B, T, vocab_size).

    Every byte is scored once, in frozen rows, whatever the batch size. The model is handed tokens and nothing else; the
    loss is taken here. Among the rows to score, in an order nobody can foresee, are probes: rows once more in other company, and
    rows with another future. Raises EvaluationError, a sentence, when answers change that must not (docs/tracks.md).

    Where the validation text is hidden from this run it is nan: the researcher scores the checkpoint afterwards."""
    track = tokenizer.track
    if validation():
        say(
            "the validation text is hidden from this run, so val_bpb is nan here: the harness scores the checkpoint"
        )
        return math.nan
    rows = evaluation_rows(track)
    return Evaluation([ModelHere(model)], tokenizer, rows, batch_size).bpb()


def evaluation_rows(track, raw=None):
    """(N, seq_len + 1) int64 of eval.bin, or of its bytes; hashed again, so what is scored is what the track says."""
    raw = (track.folder / "eval.bin").read_bytes() if raw is None else raw
    if hashlib.sha256(raw).hexdigest() != track.manifest["eval_sha256"]:
        raise PrepareError(
            f"the evaluation rows of {track.name} are damaged; run prepare.py --track {track.name}"
        )
    rows = np.frombuffer(raw, np.uint16).reshape(-1, track.seq_len + 1)
    return torch.from_numpy(rows.astype(np.int64))


class Evaluation:
    """One evaluation: slots (a row, perhaps with another future) shuffled into calls of one shape, then compared.

    slot = (row, cut, donor, side): tokens from place `cut` on are the donor row's; cut = T leaves the row as it is; `side` says
    which of the models is asked. They are the same model: where there are two, the one that is asked for a row to score is never the one
    that sees the row's probes, so a model that remembers what it was asked before cannot fit its answers to them."""

    def __init__(self, models, tokenizer, rows, batch_size, probes=0):
        self.models, self.rows, self.probes = models, rows, probes
        self.V, self.T = tokenizer.vocab_size, rows.shape[1] - 1
        self.sizes = tokenizer.token_bytes[rows[:, 1:]]  # (N, T) bytes of each target
        self.random = np.random.default_rng(int.from_bytes(os.urandom(16), "big"))
        self.planned = self.plan()
        self.batch_size = max(1, min(int(batch_size), len(self.planned)))

    def plan(self):
        """Every row once as it is, then probes. What is a row to score and what a probe is settled by the order alone."""
        N, T, draw, sides = len(self.rows), self.T, self.random.integers, len(self.models)
        home = draw(sides, size=N).tolist()
        slots = [(row, T, row, home[row]) for row in range(N)]
        again = draw(N, size=min(max(N // 32, 8), 64)).tolist()
        slots += [(row, T, row, (home[row] + 1) % sides) for row in again]
        for row in draw(N, size=max(min(max(N // 8, 24), 512), min(N, self.probes))).tolist():
            used = int(torch.nonzero(self.sizes[row])[-1]) + 1  # places that are more than padding
            cut = int(draw(1, used)) if used > 1 else T
            slots.append((row, cut, int(draw(N)), (home[row] + 1) % sides))
        return [slots[i] for i in self.random.permutation(len(slots))]

    def bpb(self):
        """Bits per byte of all rows, every probe passed."""
        nats = self.measure()
        return math.fsum(nats.values()) / math.log(2) / int(self.sizes.sum())

    def measure(self):
        """{row: nats of its scored bytes}, every probe passed."""
        with contextlib.ExitStack() as stack, torch.no_grad():
            for model in self.models:
                stack.enter_context(model.evaluating())
            nats = self.run()
            self.compare()
        return nats

    def run(self):
        """Nats of all scored bytes. Slots that fill up the last call are probes as well."""
        while True:
            try:
                return self.attempt()
            except RuntimeError as error:
                if "out of memory" not in str(error) and "can't allocate memory" not in str(error):
                    raise
            if self.batch_size == 1:
                raise EvaluationError(
                    "one row of logits does not fit into memory; use a smaller model or vocabulary"
                )
            self.batch_size //= 2
            if torch.cuda.is_available():
                torch.cuda.empty_cache()

    def attempt(self):
        self.slots, calls = [], []
        for side in range(len(self.models)):
            own = [slot for slot in self.planned if slot[3] == side]
            lacking = -len(own) % self.batch_size if own else 0
            own += [own[i] for i in self.random.integers(max(len(own), 1), size=lacking)]
            calls += [
                (i, side, len(self.slots) + at)
                for i, at in enumerate(range(0, len(own), self.batch_size))
            ]
            self.slots += own
        self.losses = torch.empty(
            len(self.slots), self.T
        )  # (slots, T) nats of the row's own targets
        nats = {}
        for at, logits in self.answers(sorted(calls)):  # the models take turns
            losses = self.cross_entropy(logits, at)
            self.losses[at : at + len(losses)] = losses.float()
            for (row, cut, _, _), loss in zip(self.slots[at:], losses, strict=False):
                if cut == self.T and row not in nats:
                    nats[row] = float(loss.double()[self.sizes[row] > 0].sum())
        return nats

    def answers(self, calls):
        """(at, logits) of every call; a model of its own process has its next call before its last answer is looked at."""
        asked = {}
        for _, side, at in calls:
            model = self.models[side]
            answer = (asked[side], model.answer()) if side in asked else None
            model.ask(self.inputs(at))
            asked[side] = at
            if answer:
                yield answer
        for side, at in asked.items():
            yield at, self.models[side].answer()

    def inputs(self, at):
        return torch.stack([self.tokens(slot) for slot in self.slots[at : at + self.batch_size]])

    def call(self, at, side):
        """(B, T) losses in nats of the call that begins at slot `at`, asked of one model, outside of the order."""
        self.models[side].ask(self.inputs(at))
        return self.cross_entropy(self.models[side].answer(), at)

    def tokens(self, slot):
        row, cut, donor, _ = slot
        x = self.rows[row, : self.T].clone()
        if cut < self.T:
            future = self.rows[donor, cut : self.T]
            if donor == row or bool(future[0] == x[cut]):  # the very next token has to change
                future = x[cut:].flip(0)
                future[0] = (x[cut] + 1 + (donor + cut) % (self.V - 5)) % (
                    self.V - 4
                )  # the same when called again
            x[cut:] = future
        return x

    def cross_entropy(self, logits, at):
        """(B, T) on the CPU, a few rows at a time; float64 on CPUs, float32 on devices."""
        slots = self.slots[at : at + self.batch_size]
        check_logits(logits, (len(slots), self.T, self.V))
        y = self.rows[[row for row, _, _, _ in slots], 1:]
        precise = torch.float64 if logits.device.type == "cpu" else torch.float32
        step = max(1, EVAL_CHUNK_BYTES // (self.T * self.V * 8))
        losses = []
        for first in range(0, len(y), step):
            part = logits[first : first + step].to(precise)
            whole = torch.logsumexp(part, -1)
            target = part.gather(-1, y[first : first + step, :, None].to(part.device))[..., 0]
            losses.append((whole - target).cpu())
            if not bool(torch.isfinite(whole).all()):
                raise EvaluationError(
                    "the model returned NaN or infinite logits; it diverged, or divides by zero"
                )
        return torch.cat(losses)

    def compare(self):
        """Every slot against the first one of the same row as it is: no answer may depend on more than its own past."""
        scored = {}
        for i, (row, cut, _, _) in enumerate(self.slots):
            if cut == self.T:
                scored.setdefault(row, i)
        finite = torch.isfinite(self.losses)
        if not bool((finite | (self.sizes[[row for row, _, _, _ in self.slots]] == 0)).all()):
            raise EvaluationError(
                "the model gives a token of the text probability zero, an infinite loss"
            )
        self.losses[~finite] = 0
        again = [
            i for i, (row, cut, _, _) in enumerate(self.slots) if cut == self.T and scored[row] != i
        ]
        ahead = [i for i, (_, cut, _, _) in enumerate(self.slots) if cut < self.T]
        moved = {i: self.difference(i, scored) for i in again + ahead}
        if is_too_much([d for i in again for d in moved[i]]):
            worst = max(again, key=lambda i: max(moved[i]))
            self.explain(worst, scored[self.slots[worst][0]])
        if is_too_much([d for i in ahead for d in moved[i]]) or is_too_much(
            [moved[i][-1] for i in ahead]
        ):
            raise EvaluationError(
                "the model looks ahead: its answers change when only later tokens do; make every part of it causal"
            )

    def difference(self, i, scored):
        """[(difference, loss)] over the places that a slot shares with its row as scored; the last is the cut's neighbour."""
        row, cut, _, _ = self.slots[i]
        a, b = self.losses[scored[row], :cut].double(), self.losses[i, :cut].double()
        return list(zip((b - a).abs().tolist(), a.abs().tolist(), strict=True))

    def explain(self, *two):
        """Why does a row score differently in two calls? Each of them once more, to the letter, tells memory from company."""
        calls = [i - i % self.batch_size for i in two]  # every side's slots fill whole calls
        for at in calls:
            if self.differs(at, self.slots[at][3]):
                raise EvaluationError(
                    "the model remembers earlier calls, or is random: the same call gave another answer later; keep no state"
                )
        for at in calls:
            if self.differs(at, (self.slots[at][3] + 1) % len(self.models)):
                raise EvaluationError(
                    "two processes with the same weights answer the same call differently: the model remembers earlier calls, or "
                    "build_model does not make the same model of the same config twice"
                )
        raise EvaluationError(
            "the model's answers for a row depend on the other rows of the batch; a row may use its own past only"
        )

    def differs(self, at, side):
        """Whether the call that begins at slot `at` gets another answer now, from one of the models."""
        now = self.call(at, side).double()
        then = self.losses[at : at + self.batch_size].double()
        finite = torch.isfinite(now)
        return is_too_much(
            list(zip((now - then)[finite].abs().tolist(), then[finite].abs().tolist(), strict=True))
        )


def check_logits(logits, shape):
    if not torch.is_tensor(logits) or tuple(logits.shape) != shape:
        got = (
            f"shape {tuple(logits.shape)}"
            if torch.is_tensor(logits)
            else f"a {type(logits).__name__}"
        )
        raise EvaluationError(
            f"forward(idx) must return logits of shape {shape} for idx of shape {shape[:2]}, not {got}"
        )
    if not logits.is_floating_point():
        raise EvaluationError(f"forward(idx) must return floating-point logits, not {logits.dtype}")


class ModelHere:
    """A model of this process, asked by Evaluation."""

    def __init__(self, model):
        self.model = model
        held = [*model.parameters(), *model.buffers()]
        self.device = held[0].device if held else torch.device("cpu")

    @contextlib.contextmanager
    def evaluating(self):
        was_training = self.model.training
        self.model.eval()
        try:
            yield
        finally:
            self.model.train(was_training)

    def ask(self, x):
        self.x = x

    def answer(self):
        return self.model(
            self.x.to(self.device, copy=True)
        )  # memory of its own: nothing behind it to look at


def is_too_much(differences):
    """More than rounding in bf16 explains? For one token, or in the mean."""
    if not differences:
        return False
    if any(d > TOLERANCE_TOKEN + 0.02 * loss for d, loss in differences):
        return True
    return math.fsum(d for d, _ in differences) / len(differences) > TOLERANCE_MEAN


# ---------------------------------------------------------------------------------------------------------------------
# The model's own processes. train.py may be anyone's, so `score` never imports it beside the targets: two forked processes
# do, before anything of the validation text has been read, and answer tokens with logits through memory that this process made.
# What they say is data: fixed sizes, copied before it is looked at, never unpickled. docs/trust.md tells what that stops.
#
# Its price: logits pass through shared memory once, V x 4 bytes a token. On a CPU that is little beside the model's own work, and the
# two overlap with the loss. On a GPU they travel device -> memory -> device: 2 x 33 KB a token at V = 8192, half of that in bf16, which is
# why that memory is pinned: climbmix's 21 M tokens are 344 GB each way in bf16, a quarter of a minute at 25 GB/s.


class ModelProcess:
    """One of them, asked by Evaluation. Raises EvaluationError when it fails, is gone, or says what makes no sense."""

    def __init__(self):
        self.memory = os.memfd_create("answers", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        its_inbox, self.outbox = os.pipe()
        self.inbox, its_outbox = os.pipe()
        with warnings.catch_warnings():  # no thread of torch's runs before its first operation
            warnings.simplefilter("ignore", DeprecationWarning)
            self.pid = os.fork()
        if self.pid == 0:
            become_model(its_inbox, its_outbox, self.memory)
        os.close(its_inbox)
        os.close(its_outbox)
        self.ended, self.waiting, self.device = None, 0, torch.device("cpu")

    def load(self, model, checkpoint, rows, T, V, threads):
        """Let it begin: import train.py, build the model, load the weights. From here on it runs foreign code."""
        import fcntl

        self.rows, self.T, self.V = rows, T, V
        order = {
            "model": str(model),
            "checkpoint": str(checkpoint),
            "rows": rows,
            "T": T,
            "V": V,
            "threads": threads,
        }
        os.ftruncate(self.memory, rows * T * (1 + V) * 4)
        fcntl.fcntl(
            self.memory,
            fcntl.F_ADD_SEALS,
            fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL,
        )
        self.inputs, self.answers = shared_arrays(self.memory, rows, T, V)
        data = json.dumps(order).encode()
        self.send(struct.pack("=I", len(data)) + data)
        self.waiting = 1

    def ready(self):
        """Wait until the model is there."""
        self.receive()
        self.device = find_device()
        pin(self.answers, self.device)

    @contextlib.contextmanager
    def evaluating(self):
        yield

    def ask(self, x):
        if self.waiting:  # of an attempt that was given up
            self.receive()
        self.inputs[: len(x)] = x.numpy()
        self.send(struct.pack("=I", len(x)))
        self.waiting = len(x)

    def answer(self):
        """(B, T, V) logits in memory of our own: what is shared may change between two looks."""
        rows, dtype = self.waiting, ANSWER_DTYPES[self.receive()]
        part = self.answers if dtype.itemsize == 4 else self.answers.view(torch.int16)
        there = part.flatten()[: rows * self.T * self.V].view(dtype).view(rows, self.T, self.V)
        return there.to(self.device, copy=True)

    def send(self, data):
        with contextlib.suppress(BrokenPipeError):  # receive() will say why
            os.write(self.outbox, data)

    def receive(self):
        """The number that its answer begins with. Its failures are raised, in its words, cut and cleaned."""
        self.waiting = 0
        kind, value, size = struct.unpack("=cBH", self.read(4))
        words = printable(self.read(size).decode("utf-8", "replace")) if size <= WORDS_BYTES else ""
        if kind == b"k" and value < len(ANSWER_DTYPES):
            return value
        if kind == b"m":
            raise RuntimeError("out of memory in the model's process")
        raise EvaluationError(
            f"in the model's process: {words}"
            if words
            else "the model process answered in a way that it was not asked to"
        )

    def read(self, size):
        data = b""
        while len(data) < size:
            gone = self.is_gone()  # asked first: what it said before it went is in the pipe
            if select.select([self.inbox], [], [], 0 if gone else 0.5)[0]:
                piece = os.read(self.inbox, size - len(data))
                data += piece
                gone = gone or not piece
                if piece:
                    continue
            if gone:
                self.kill()
                code = os.waitstatus_to_exitcode(self.ended)
                how = f"exit code {code}" if code >= 0 else f"signal {-code}"
                raise EvaluationError(
                    f"the model process ended by itself ({how}); it has to stay and answer until it is told to go"
                )
        return data

    def is_gone(self):
        if self.ended is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.ended = status if pid else None
        return self.ended is not None

    def kill(self):
        """It and its group. Done before anything is printed: nothing that it does later can matter."""
        for _ in range(20):  # one that is just ending may say with what
            if self.is_gone() or not select.select([self.inbox], [], [], 0)[0]:
                break
            time.sleep(0.01)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        if not self.is_gone():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)  # before it has a group of its own
            self.ended = os.waitpid(self.pid, 0)[1]


def shared_arrays(memory, rows, T, V):
    """((rows, T) int32 inputs, (rows * T * V,) float32 answers) of one shared memory."""
    block = np.frombuffer(mmap.mmap(memory, 0), np.float32)
    return block[: rows * T].view(np.int32).reshape(rows, T), torch.from_numpy(block[rows * T :])


def pin(memory, device):
    """Let a GPU copy from and to this memory directly. Where that fails it only takes longer."""
    if device.type == "cuda":
        torch.cuda.cudart().cudaHostRegister(memory.data_ptr(), memory.nbytes, 0)


def printable(text):
    """On one line."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def hide_memory():
    """No process of this user may look into this one's memory or open its files through /proc (PR_SET_DUMPABLE)."""
    ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)


def become_model(inbox, outbox, memory):
    """The life of a forked process; never returns. Everything but its three descriptors is closed before foreign code runs."""
    try:
        os.setsid()
        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
        under_harness = validation()
        os.environ["AUTORESEARCH_VALIDATION"] = "stdin"
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, 0)
        if under_harness:  # what it prints is nobody's business: its number is not asked
            os.dup2(nothing, 2)
        os.dup2(2, 1)
        close_all_but({0, 1, 2, inbox, outbox, memory})
        order = json.loads(read_exactly(inbox, struct.unpack("=I", read_exactly(inbox, 4))[0]))
        serve_model(order, inbox, outbox, memory)
    except BaseException as error:  # noqa: BLE001 - whatever foreign code raises is told, SystemExit included
        tell(outbox, b"x", 0, f"{type(error).__name__}: {first_line(error)}")
    finally:
        os._exit(1)


def close_all_but(keep):
    low = 0
    for descriptor in sorted(keep):
        if low < descriptor:  # an empty range that starts at 0 would close everything
            os.closerange(low, descriptor)
        low = descriptor + 1
    os.closerange(low, min(os.sysconf("SC_OPEN_MAX"), 2**20))


def read_exactly(descriptor, size):
    data = b""
    while len(data) < size:
        piece = os.read(descriptor, size - len(data))
        if not piece:
            os._exit(0)  # told to go
        data += piece
    return data


def tell(outbox, kind, value, words=""):
    data = words.encode()[:WORDS_BYTES]
    os.write(outbox, struct.pack("=cBH", kind, value, len(data)) + data)


def serve_model(order, inbox, outbox, memory):
    torch.set_num_threads(order["threads"])
    T, V = order["T"], order["V"]
    inputs, answers = shared_arrays(memory, order["rows"], T, V)
    try:
        device = find_device()
        model = restore(Path(order["model"]), order["checkpoint"]).to(device).eval()
        pin(answers, device)
    except PrepareError as error:
        return tell(outbox, b"x", 0, str(error))
    tell(outbox, b"k", 0)
    while True:
        rows = struct.unpack("=I", read_exactly(inbox, 4))[0]
        idx = torch.from_numpy(inputs[:rows].astype(np.int64)).to(device)
        try:
            with torch.no_grad():
                logits = model(idx)
            check_logits(logits, (rows, T, V))
            tell(outbox, b"k", hand_over(logits, answers))
        except EvaluationError as error:
            tell(outbox, b"x", 0, str(error))
        except RuntimeError as error:
            if "out of memory" not in str(error) and "can't allocate memory" not in str(error):
                raise
            logits = None
            if device.type == "cuda":
                torch.cuda.empty_cache()
            tell(outbox, b"m", 0)


def hand_over(logits, answers):
    """Copy logits into the shared memory in their own type; its number."""
    dtype = logits.dtype if logits.dtype in ANSWER_DTYPES else torch.float32
    part = answers if dtype.itemsize == 4 else answers.view(torch.int16)
    part[: logits.numel()].view(dtype).view(logits.shape).copy_(logits)
    return ANSWER_DTYPES.index(dtype)


# ---------------------------------------------------------------------------------------------------------------------
# Checkpoints, the score, the summary


def save_checkpoint(model, config, path):
    """Weights as safetensors (nothing in it can run), beside them what is needed to score them: config, track, train.py, run."""
    from safetensors.torch import save_model

    train = train_file(getattr(model, "_orig_mod", model))
    about = {
        "format": "autoresearch-checkpoint-1",
        "config": json.dumps(config),
        "track": open_track().id,
        "train_sha256": sha256_file(train) if train.is_file() else "",
        "run": os.environ.get("AUTORESEARCH_RUN", ""),
        "seed": str(harness_seed()),
    }
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    save_model(getattr(model, "_orig_mod", model), str(temporary), metadata=about)
    os.replace(temporary, path)


def train_file(model):
    """The file that offers build_model: the running program, else where the model's class stands."""
    main = sys.modules["__main__"]
    own = main if hasattr(main, "build_model") else sys.modules[type(model).__module__]
    return Path(getattr(own, "__file__", None) or "train.py")


def score(args):
    """Rebuild a checkpoint's model with train.py's build_model, evaluate it, print the last lines that a runner reads.

    The order is the point: the model's processes come to be before anything is read that they must not know, wait until it is read,
    and are dead before anything is printed."""
    apart = sys.platform == "linux"
    if apart:
        hide_memory()
    models = [ModelProcess() for _ in range(2)] if apart else []
    sys.path[:] = [
        place for place in sys.path if place not in ("", str(HERE))
    ]  # nothing is imported from beside train.py
    try:
        given = sys.stdin.buffer.read() if validation() == "stdin" else None
        track = open_track(args.track)
        read_about(args, track)
        rows = evaluation_rows(track, given)
        tokenizer = Tokenizer.load(track)
        fresh, limits = fresh_rows(track, tokenizer)
        batch = fitting_batch(args.batch_size, track.seq_len, tokenizer.vocab_size)
        if apart:
            threads = max(1, torch.get_num_threads() // 2)
            torch.set_num_threads(threads)  # three processes share the cores
            for model in models:
                model.load(
                    Path(args.model).resolve(),
                    Path(args.checkpoint).resolve(),
                    batch,
                    track.seq_len,
                    tokenizer.vocab_size,
                    threads,
                )
            for model in models:
                model.ready()
        else:
            models = [ModelHere(restore(Path(args.model), args.checkpoint).to(find_device()))]
        evaluation = Evaluation(models, tokenizer, torch.cat([rows, fresh]), batch, SCORE_PROBES)
        nats = evaluation.measure()
    finally:
        for model in models if apart else []:
            model.kill()
    val_bpb = judged_bpb(nats, evaluation.sizes, len(rows), limits)
    say(f"budget_s: {track.budget_s:g}\n---\nval_bpb: {val_bpb:.6f}")


def fitting_batch(batch_size, T, V):
    return max(1, min(batch_size, ANSWER_BYTES // (T * V * 4)))


def read_about(args, track):
    """Check what a checkpoint says of itself, without building anything; its metadata."""
    from safetensors import SafetensorError, safe_open

    if os.path.islink(args.checkpoint):
        raise PrepareError(
            f"{args.checkpoint} is a link, not a checkpoint; save_checkpoint writes a file of the run's own"
        )
    if not os.path.exists(args.checkpoint):
        raise PrepareError(
            f"the run left no checkpoint at {args.checkpoint}; it has to call save_checkpoint before it ends"
        )
    try:
        with safe_open(args.checkpoint, framework="pt") as file:
            about = file.metadata() or {}
        made_on = about["track"]
        json.loads(about["config"])
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise PrepareError(
            f"{args.checkpoint} is no checkpoint of save_checkpoint ({first_line(error)})"
        ) from error
    if made_on != track.id:
        raise PrepareError(
            f"{args.checkpoint} was trained on {made_on}, which cannot be compared with {track.id}"
        )
    check_owner(about, args)


def check_owner(about, args):
    """Under the researcher a checkpoint has to be of this very run: this train.py, this run's mark, the seed it was given."""
    model = Path(args.model)
    other_file = model.is_file() and about.get("train_sha256") not in ("", sha256_file(model))
    if validation() != "stdin":
        if other_file:
            print(f"note: {model} is not the file that trained {args.checkpoint}", file=sys.stderr)
        return
    if other_file or about.get("run") != os.environ.get("AUTORESEARCH_RUN", ""):
        raise PrepareError(
            "the run claims another's checkpoint: it was not saved by this train.py in this run"
        )
    if about.get("seed") != str(harness_seed()):
        raise PrepareError(
            f"the run used seed {printable(about.get('seed', ''))[:20]}, but the harness gave it {harness_seed()}"
        )


def fresh_rows(track, tokenizer):
    """(rows nobody has seen (N, seq_len + 1), (exact entropy in bits per byte of the track's text, of these rows)).

    Only where text can be made: a model that learned the validation text of `stories`, which anyone can tell again, does worse here."""
    entropy = track.manifest["anchors"].get("entropy_bpb")
    if track.base != "stories" or entropy is None:
        return torch.empty(0, track.seq_len + 1, dtype=torch.int64), (entropy, None)
    told = list(Stories().told(secrets.token_hex(16), FRESH_BYTES))
    documents = [
        np.concatenate(([tokenizer.bos], tokenizer.encode_array(text))).astype(np.uint16)
        for text, _ in told
    ]
    starts = np.cumsum([0, *map(len, documents)])
    rows = pack_evaluation(np.concatenate(documents), starts, track.seq_len, tokenizer.bos)
    bits, size = sum(bits for _, bits in told), sum(len(text.encode()) for text, _ in told)
    return torch.from_numpy(rows.astype(np.int64)), (entropy, bits / size)


def judged_bpb(nats, sizes, rows, limits):
    """val_bpb over the first `rows` rows, unless it is one that no honest model can have."""
    size = int(sizes[:rows].sum())
    bits = math.fsum(nats[row] for row in range(rows)) / math.log(2)
    entropy, fresh_entropy = limits
    # a model that does not know the text saves k bits on its exact information with a probability of at most 2^-k
    if not math.isfinite(bits) or bits < 0 or (entropy is not None and bits < entropy * size - 64):
        raise EvaluationError(
            f"val_bpb {bits / size:.6f} is below what is possible{f' ({entropy:.6f} is the exact entropy of this text)' if entropy else ''}: "
            "the model knows the validation text"
        )
    if fresh_entropy is not None:
        fresh = (
            math.fsum(nats[row] for row in range(rows, len(sizes)))
            / math.log(2)
            / int(sizes[rows:].sum())
        )
        if fresh - fresh_entropy > 1.1 * (bits / size - entropy) + FRESH_TOLERANCE:
            raise EvaluationError(
                f"the model knows the validation text: {bits / size - entropy:.4f} bits per byte above its entropy, but "
                f"{fresh - fresh_entropy:.4f} above that of new text of the same kind"
            )
    return bits / size


def restore(path, checkpoint):
    """The model of a checkpoint, as train.py at `path` builds it; foreign code."""
    from safetensors import safe_open
    from safetensors.torch import load_model

    with safe_open(checkpoint, framework="pt") as file:
        config = json.loads(file.metadata()["config"])
        dtypes = {name: file.get_tensor(name).dtype for name in file.keys()}
    model = load_train(path).build_model(config)
    for name, weight in model.named_parameters():
        weight.data = weight.data.to(dtypes.get(name, weight.dtype))  # as it was trained
    try:
        load_model(model, checkpoint)
    except (RuntimeError, ValueError) as error:
        raise PrepareError(
            f"the weights do not fit the model of {path}: {first_line(error)}"
        ) from error
    return model


def load_train(path):
    """The module train.py. What it imports as `prepare` is this very file, whatever lies beside it."""
    if not path.is_file():
        raise PrepareError(
            f"{path} does not exist; call this where train.py is, or name it with --model"
        )
    sys.modules["prepare"] = sys.modules[__name__]
    sys.path.insert(0, str(path.resolve().parent))
    spec = importlib.util.spec_from_file_location("train", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["train"] = module
    spec.loader.exec_module(module)
    if not hasattr(module, "build_model"):
        raise PrepareError(
            f"{path} has no build_model(config); it must offer one that returns the model"
        )
    return module


def print_summary(**values):
    """The block that ends a run: `---`, then a line `name: value` each; runners and agents grep for it."""
    if set(values) != set(SUMMARY):
        raise TypeError(f"print_summary needs exactly {', '.join(SUMMARY)}")
    sys.stdout.flush()
    digits = {
        "val_bpb": 6,
        "total_tokens_M": 3,
        "num_params_M": 3,
        "mfu_percent": 2,
        "num_steps": 0,
        "depth": 0,
    }
    lines = [f"{name + ':':<18}{float(values[name]):.{digits.get(name, 1)}f}" for name in SUMMARY]
    say("---\n" + "\n".join(lines))


# ---------------------------------------------------------------------------------------------------------------------
# Command line


def parse(argv):
    if argv[:1] == ["score"]:
        parser = argparse.ArgumentParser(
            prog="prepare.py score", description="Evaluate a checkpoint; prints --- and val_bpb."
        )
        parser.add_argument("checkpoint", help="what train.py saved: run/checkpoint.safetensors")
        parser.add_argument(
            "--model",
            default="train.py",
            help="the file with build_model(config); default: train.py here",
        )
        parser.add_argument(
            "--track", help="default: AUTORESEARCH_TRACK, else the track last prepared here"
        )
        parser.add_argument(
            "--batch-size", type=int, default=32, help="rows at once; has no influence on the score"
        )
        return score, parser.parse_args(argv[1:])
    parser = argparse.ArgumentParser(
        prog="prepare.py",
        description=f"Prepare a track, once: {', '.join(TRACKS)}; with another budget: pystd-20s.",
        epilog="`prepare.py score CHECKPOINT` evaluates what train.py saved; see `prepare.py score --help`.",
    )
    parser.add_argument("--track", help="default: AUTORESEARCH_TRACK, else what suits this machine")
    parser.add_argument(
        "--budget-s", type=float, help="seconds of training; another budget is another track"
    )
    parser.add_argument(
        "--num-shards",
        type=int,
        default=CLIMBMIX_DEFAULT_SHARDS,
        help="climbmix: training shards, -1 = all",
    )
    parser.add_argument(
        "--download-workers", type=int, default=8, help="files downloaded at the same time"
    )
    parser.add_argument("--data", help="custom: a folder, .txt, .jsonl or .parquet")
    parser.add_argument(
        "--vocab-size", type=int, help=f"custom: tokens, {BYTE_VOCAB} = plain bytes"
    )
    parser.add_argument("--seq-len", type=int, help="custom: tokens a row")
    parser.add_argument(
        "--rows", metavar="FILE", help="also write the rows that evaluation scores to FILE"
    )
    parser.add_argument(
        "--show", action="store_true", help="print the prepared track, checked, and change nothing"
    )
    args = parser.parse_args(argv)
    args.download_workers = max(1, args.download_workers)
    return (lambda a: show(open_track(a.track, a.budget_s))) if args.show else prepare, args


def main(argv):
    command, args = parse(argv)
    try:
        command(args)
    except PrepareError as error:
        sys.exit(f"FAIL: {error}")
    except KeyboardInterrupt:
        sys.exit(
            "FAIL: stopped; what is half done is thrown away, downloads continue with the next call"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
