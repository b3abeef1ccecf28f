"""
What makes two results comparable: the data, the tokenizer, the clock and the metric. FIXED:
experiments never edit this file, nor the folder fixed/ behind it.

    python prepare.py                    # once: data and tokenizer of the track for this machine
    python prepare.py --track pystd-20s  # another track, here with a budget of 20 s
    python prepare.py --show             # the prepared track: id, sizes, anchors, a sample
    python prepare.py score CHECKPOINT   # evaluate what train.py saved, in processes of its own

What train.py calls:

    track = load_track()                 # .seq_len, .budget_s, .vocab_size, .id
    tokenizer = Tokenizer.load(track)    # .vocab_size, .bos, encode(text), decode(ids)
    loader = make_dataloader(tokenizer, rows, split="train", device=device)
    loader.dummy()                       # a random batch for warm-up and compiling, free of charge
    for x, y in loader:                  # the first batch starts the clock, the budget ends it
        loader.progress                  # 0 to 1 of the budget
    save_checkpoint(model, config, path)
    evaluate_bpb(model, tokenizer, rows) # bits per byte; model(idx) returns logits (B, T, vocab)
    print_summary(val_bpb=..., ...)      # the block that ends a run

Train files written for karpathy/autoresearch find its names as well (docs/tracks.md): MAX_SEQ_LEN,
TIME_BUDGET, EVAL_TOKENS, Tokenizer.from_directory(), make_dataloader(tokenizer, B, T, "train").
"""

import argparse
import contextlib
import ctypes
import hashlib
import importlib.util
import json
import math
import mmap
import os
import secrets
import select
import signal
import struct
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

try:
    from fixed.errors import EvaluationError, PrepareError, first_line
except ModuleNotFoundError:
    sys.exit(
        "FAIL: prepare.py needs the folder fixed/ beside it, which this commit lacks; where the "
        "commit was made, run `git add fixed autoresearch.toml` and commit again"
    )

from fixed.build import prepare, show
from fixed.environment import cache_root, find_device, harness_seed, run_dir, validation
from fixed.files import HERE, sha256_file
from fixed.loader import make_dataloader
from fixed.packing import pack_evaluation
from fixed.parquet import CLIMBMIX_DEFAULT_SHARDS
from fixed.stories import Stories
from fixed.terminal import say
from fixed.tokenizer import BYTE_VOCAB, Tokenizer
from fixed.tracks import TRACKS, anchor_line, load_track, open_track

__all__ = [
    "EvaluationError",
    "PrepareError",
    "Tokenizer",
    "anchor_line",
    "cache_root",
    "evaluate_bpb",
    "find_device",
    "get_token_bytes",
    "harness_seed",
    "load_track",
    "make_dataloader",
    "open_track",
    "print_summary",
    "run_dir",
    "save_checkpoint",
]


def __getattr__(name):
    """The original's constants, of the track that load_track() finds."""
    if name not in ("MAX_SEQ_LEN", "TIME_BUDGET", "EVAL_TOKENS"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    track = load_track()
    return {
        "MAX_SEQ_LEN": track.seq_len,  # tokens
        "TIME_BUDGET": track.budget_s,  # seconds
        "EVAL_TOKENS": track.manifest["eval_rows"] * track.seq_len,
    }[name]


def get_token_bytes(device="cpu"):
    """int64 (vocab_size,): how many bytes each token stands for; special ones stand for none."""
    return Tokenizer.from_directory().token_bytes.to(device)


# ---------------------------------------------------------------------------------------------------------------------
# Constants

# Evaluation's probes (docs/tracks.md): how far an honest model's answers may move between calls, in nats.
TOLERANCE_TOKEN = 0.1  # of one token, plus 2 % of its loss: one step of bf16 logits
TOLERANCE_MEAN = 0.01  # of the mean over many
EVAL_CHUNK_BYTES = 128 * 2**20  # of logits turned to full precision at once
# Logits lie between minus and plus this. float16 ends at 65,504; float32 steps by 0.008 there, so a
# model that has learned anything stays hundreds of times below. The largest logit is subtracted before
# anything is added up: one rounding of at most 2^-24 of a token's own loss (float32 on devices, 2^-53
# on CPUs). At the bound that is 0.012 of 200,000 nats; where a loss is small, it is nothing.
LOGIT_BOUND = 1e5
# A score below this share of the static trigram's is no model's. Honest ones end at 0.7 of it (pystd,
# stories); the best language models known, trained for months, at a third. Own text may repeat itself.
PLAUSIBLE_SHARE, PLAUSIBLE_SHARE_CUSTOM = 1 / 3, 1 / 10

# Scoring: train.py's model lives in two processes of its own, see "The model's own processes"
ANSWER_BYTES = 512 * 2**20  # of logits that one of them hands over at once
ANSWER_DTYPES = (torch.float32, torch.bfloat16, torch.float16)
LOGIT_DTYPES = (*ANSWER_DTYPES, torch.float64)  # the last is handed over as float32
WORDS_BYTES = 300  # of its own words, when it fails
FRESH_BYTES = 60_000  # of new stories, told when a model of that track is scored
FRESH_TOLERANCE = 0.03  # bits per byte, and a tenth, by which a model may be further above their entropy than above the track's
SCORE_PROBES = 1024  # with another future, or as many as rows: one that looks ahead at one token in 300 passes one time in 30

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
    evaluation = Evaluation([ModelHere(model)], tokenizer, rows, batch_size)
    return judged_bpb(evaluation.measure(), evaluation.sizes, len(rows), Limits.of(track))


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
        """(B, T) on the CPU, a few rows at a time."""
        slots = self.slots[at : at + self.batch_size]
        check_logits(logits, (len(slots), self.T, self.V))
        y = self.rows[[row for row, _, _, _ in slots], 1:]
        step = max(1, EVAL_CHUNK_BYTES // (self.T * self.V * 8))
        parts = range(0, len(y), step)
        return torch.cat([token_nats(logits[i : i + step], y[i : i + step]) for i in parts])

    def compare(self):
        """Every slot against the first one of the same row as it is: no answer may depend on more than its own past."""
        scored = {}
        for i, (row, cut, _, _) in enumerate(self.slots):
            if cut == self.T:
                scored.setdefault(row, i)
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
        pairs = zip((now - then).abs().flatten().tolist(), then.flatten().tolist(), strict=True)
        return is_too_much(list(pairs))


def check_logits(logits, shape):
    """Whether an answer is one at all: a plain tensor of the right shape, in a type that is listed."""
    if not torch.is_tensor(logits) or not is_plain(logits) or tuple(logits.shape) != shape:
        raise EvaluationError(
            f"forward(idx) must return logits of shape {shape} for idx of shape {shape[:2]}, "
            f"not {kind_of(logits)}"
        )
    if logits.dtype not in LOGIT_DTYPES:
        names = ", ".join(name_of(dtype) for dtype in LOGIT_DTYPES)
        raise EvaluationError(
            f"forward(idx) must return logits as one of {names}, not {name_of(logits.dtype)}"
        )


def is_plain(tensor):
    """Whether it lies in memory, a value for every place. Expanded and transposed ones do."""
    dense = tensor.layout is torch.strided and not tensor.is_nested
    return dense and not tensor.is_quantized and not tensor.is_meta


def kind_of(thing):
    if not torch.is_tensor(thing):
        return f"a {type(thing).__name__}"
    return f"shape {tuple(thing.shape)}" if is_plain(thing) else "a tensor without plain values"


def name_of(dtype):
    return str(dtype).removeprefix("torch.")


def token_nats(logits, targets):
    """(B, T) losses on the CPU, none of them below zero: the largest logit is subtracted first.

    In float64 on CPUs. Devices subtract in float32, and add up in float64 where they have it."""
    kind = logits.device.type
    part = logits.to(torch.float64 if kind == "cpu" else torch.float32)
    top = part.amax(-1, keepdim=True)
    check_range(part.amin(), top.max())
    part = part - top
    target = part.gather(-1, targets[..., None].to(part.device))[..., 0]
    summed = part.exp_().sum(-1, dtype=torch.float32 if kind == "mps" else torch.float64)
    return (summed.log() - target).cpu()


def check_range(low, high):
    """Every logit of a call counts, asked or not: padding, probes and tokens that no text has."""
    low, high = float(low), float(high)
    if not math.isfinite(low) or not math.isfinite(high):
        raise EvaluationError(
            "the model returned NaN or infinite logits (-inf is a token of probability zero); "
            "it diverged, or divides by zero, or masks tokens"
        )
    if max(-low, high) > LOGIT_BOUND:
        raise EvaluationError(
            f"the model returned a logit of {high if high > LOGIT_BOUND else low:.4g}; all have to "
            f"lie between -{LOGIT_BOUND:,.0f} and {LOGIT_BOUND:,.0f}: it diverged, or scales them"
        )


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
        fresh, fresh_entropy = fresh_rows(track, tokenizer)
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
    limits = Limits.of(track, fresh_entropy)
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
    """(rows nobody has seen (N, seq_len + 1), their exact entropy in bits per byte or None).

    Only where text can be made: a model that learned the validation text of `stories`, which
    anyone can tell again, does worse here."""
    if track.base != "stories":
        return torch.empty(0, track.seq_len + 1, dtype=torch.int64), None
    told = list(Stories().told(secrets.token_hex(16), FRESH_BYTES))
    documents = [
        np.concatenate(([tokenizer.bos], tokenizer.encode_array(text))).astype(np.uint16)
        for text, _ in told
    ]
    starts = np.cumsum([0, *map(len, documents)])
    rows = pack_evaluation(np.concatenate(documents), starts, track.seq_len, tokenizer.bos)
    bits, size = sum(bits for _, bits in told), sum(len(text.encode()) for text, _ in told)
    return torch.from_numpy(rows.astype(np.int64)), bits / size


@dataclass(frozen=True)
class Limits:
    """What no honest score is below, in bits per byte: exact entropies, and a share of an anchor."""

    entropy: float | None = None
    fresh_entropy: float | None = None
    plausible: float = 0.0

    @classmethod
    def of(cls, track, fresh_entropy=None):
        anchors = track.manifest["anchors"]
        share = PLAUSIBLE_SHARE_CUSTOM if track.base == "custom" else PLAUSIBLE_SHARE
        return cls(anchors.get("entropy_bpb"), fresh_entropy, share * anchors["trigram_bpb"])


def judged_bpb(nats, sizes, rows, limits):
    """val_bpb over the first `rows` rows, unless it is one that no honest model can have."""
    bpb = bits_per_byte(nats, sizes, range(rows))
    check_plausible(bpb, int(sizes[:rows].sum()), limits)
    if limits.fresh_entropy is not None:
        above = bpb - limits.entropy
        fresh = bits_per_byte(nats, sizes, range(rows, len(sizes))) - limits.fresh_entropy
        if fresh > 1.1 * above + FRESH_TOLERANCE:
            raise EvaluationError(
                f"the model knows the validation text: {above:.4f} bits per byte above its entropy, "
                f"but {fresh:.4f} above that of new text of the same kind"
            )
    return bpb


def bits_per_byte(nats, sizes, rows):
    return math.fsum(nats[row] for row in rows) / math.log(2) / int(sizes[list(rows)].sum())


def check_plausible(bpb, size, limits):
    """Refuse what is no number, zero, below the text's entropy, or far below every anchor."""
    # a model that does not know the text saves k bits on its exact information with a probability
    # of at most 2^-k
    if limits.entropy is not None and bpb * size < limits.entropy * size - 64:
        raise EvaluationError(
            f"val_bpb {bpb:.6f} is below what is possible ({limits.entropy:.6f} is the exact "
            "entropy of this text): the model knows the validation text"
        )
    if not math.isfinite(bpb) or bpb <= 0:
        raise EvaluationError(
            f"val_bpb {bpb:.6f} is below what is possible: the model knows the validation text"
        )
    if bpb < limits.plausible:
        raise EvaluationError(
            f"val_bpb {bpb:.6f} is below what is plausible ({limits.plausible:.6f}, a share of what "
            "a static trigram scores): no model learns that much in the budget"
        )


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


# --------------------------------------------------------------------------------------------------
# Command line


def parse(argv):
    """(what to do, its arguments)"""
    if argv[:1] == ["score"]:
        return score, score_parser().parse_args(argv[1:])
    args = prepare_parser().parse_args(argv)
    args.download_workers = max(1, args.download_workers)
    return (lambda a: show(open_track(a.track, a.budget_s))) if args.show else prepare, args


def score_parser():
    parser = argparse.ArgumentParser(
        prog="prepare.py score", description="Evaluate a checkpoint; prints --- and val_bpb."
    )
    add = parser.add_argument
    add("checkpoint", help="what train.py saved: run/checkpoint.safetensors")
    add("--model", default="train.py", help="the file with build_model(config); default: train.py")
    add("--track", help="default: AUTORESEARCH_TRACK, else the track last prepared here")
    add("--batch-size", type=int, default=32, help="rows at once; has no influence on the score")
    return parser


def prepare_parser():
    parser = argparse.ArgumentParser(
        prog="prepare.py",
        description=f"Prepare a track, once: {', '.join(TRACKS)}; with another budget: pystd-20s.",
        epilog="`prepare.py score CHECKPOINT` evaluates what train.py saved; see its --help.",
    )
    add = parser.add_argument
    add("--track", help="default: AUTORESEARCH_TRACK, else what suits this machine")
    add("--budget-s", type=float, help="seconds of training; another budget is another track")
    shards = CLIMBMIX_DEFAULT_SHARDS
    add("--num-shards", type=int, default=shards, help="climbmix: training shards, -1 = all")
    add("--download-workers", type=int, default=8, help="files downloaded at the same time")
    add("--data", help="custom: a folder, .txt, .jsonl or .parquet")
    add("--vocab-size", type=int, help=f"custom: tokens, {BYTE_VOCAB} = plain bytes")
    add("--seq-len", type=int, help="custom: tokens a row")
    add("--rows", metavar="FILE", help="also write the rows that evaluation scores to FILE")
    add("--show", action="store_true", help="print the prepared track, checked; change nothing")
    return parser


def main(argv):
    command, args = parse(argv)
    try:
        command(args)
    except PrepareError as error:
        sys.exit(f"FAIL: {error}")
    except KeyboardInterrupt:
        sys.exit("FAIL: stopped; half-done work is thrown away, the next call continues downloads")


if __name__ == "__main__":
    main(sys.argv[1:])
