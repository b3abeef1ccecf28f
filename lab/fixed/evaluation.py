"""The metric: bits per byte of frozen rows, with probes for what a model must not know.

Leaves to others: losses (losses), what a score may be (plausibility), the model (model_process).
"""

import contextlib
import hashlib
import math
import os

import numpy as np
import torch

from fixed.environment import validation
from fixed.errors import EvaluationError, PrepareError
from fixed.losses import check_logits, token_nats
from fixed.plausibility import Limits, judged_bpb
from fixed.terminal import say

# How far an honest model's answers may move between calls, in nats (docs/tracks.md).
TOLERANCE_TOKEN = 0.1  # of one token, plus 2 % of its loss: one step of bf16 logits
TOLERANCE_MEAN = 0.01  # of the mean over many
EVAL_CHUNK_BYTES = 128 * 2**20  # of logits turned to full precision at once


def evaluate_bpb(model, tokenizer, batch_size):
    """Bits per byte of the track's validation text under `model`, whose forward(idx) returns
    logits (B, T, vocab_size).

    Every byte is scored once, in frozen rows, whatever the batch size. The model is handed tokens
    and nothing else; the loss is taken here. Among the rows to score, in an order nobody can
    foresee, are probes: rows once more in other company, and rows with another future. Raises
    EvaluationError, a sentence, when answers change that must not (docs/tracks.md).

    Where the validation text is hidden from this run it is nan: the researcher scores the
    checkpoint afterwards."""
    track = tokenizer.track
    if validation():
        say(
            "the validation text is hidden from this run, so val_bpb is nan here: the harness "
            "scores the checkpoint"
        )
        return math.nan
    rows = evaluation_rows(track)
    evaluation = Evaluation([ModelHere(model)], tokenizer, rows, batch_size)
    return judged_bpb(evaluation.measure(), evaluation.sizes, len(rows), Limits.of(track))


def evaluation_rows(track, raw=None):
    """(N, seq_len + 1) int64 of eval.bin, or of its bytes; hashed again, so what is scored is
    what the track says."""
    raw = (track.folder / "eval.bin").read_bytes() if raw is None else raw
    if hashlib.sha256(raw).hexdigest() != track.manifest["eval_sha256"]:
        raise PrepareError(
            f"the evaluation rows of {track.name} are damaged; run prepare.py --track {track.name}"
        )
    rows = np.frombuffer(raw, np.uint16).reshape(-1, track.seq_len + 1)
    return torch.from_numpy(rows.astype(np.int64))


class Evaluation:
    """One evaluation: slots (a row, perhaps with another future) shuffled into calls of one
    shape, then compared.

    slot = (row, cut, donor, side): tokens from place `cut` on are the donor row's; cut = T leaves
    the row as it is; `side` says which of the models is asked. They are the same model: where
    there are two, the one that is asked for a row to score is never the one that sees the row's
    probes, so a model that remembers what it was asked before cannot fit its answers to them."""

    def __init__(self, models, tokenizer, rows, batch_size, probes=0):
        self.models, self.rows, self.probes = models, rows, probes
        self.V, self.T = tokenizer.vocab_size, rows.shape[1] - 1
        self.sizes = tokenizer.token_bytes[rows[:, 1:]]  # (N, T) bytes of each target
        self.random = np.random.default_rng(int.from_bytes(os.urandom(16), "big"))
        self.planned = self.plan()
        self.batch_size = max(1, min(int(batch_size), len(self.planned)))

    def plan(self):
        """Every row once as it is, then probes. What is a row to score and what a probe is
        settled by the order alone."""
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
        """(at, logits) of every call; a model of its own process has its next call before its
        last answer is looked at."""
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
        """(B, T) losses in nats of the call that begins at slot `at`, asked of one model, outside
        of the order."""
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
        """Every slot against the first one of the same row as it is: no answer may depend on more
        than its own past."""
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
                "the model looks ahead: its answers change when only later tokens do; make "
                "every part of it causal"
            )

    def difference(self, i, scored):
        """[(difference, loss)] over the places that a slot shares with its row as scored; the
        last is the cut's neighbour."""
        row, cut, _, _ = self.slots[i]
        a, b = self.losses[scored[row], :cut].double(), self.losses[i, :cut].double()
        return list(zip((b - a).abs().tolist(), a.abs().tolist(), strict=True))

    def explain(self, *two):
        """Why does a row score differently in two calls? Each of them once more, to the letter,
        tells memory from company."""
        calls = [i - i % self.batch_size for i in two]  # every side's slots fill whole calls
        for at in calls:
            if self.differs(at, self.slots[at][3]):
                raise EvaluationError(
                    "the model remembers earlier calls, or is random: the same call gave "
                    "another answer later; keep no state"
                )
        for at in calls:
            if self.differs(at, (self.slots[at][3] + 1) % len(self.models)):
                raise EvaluationError(
                    "two processes with the same weights answer the same call differently: the "
                    "model remembers earlier calls, or "
                    "build_model does not make the same model of the same config twice"
                )
        raise EvaluationError(
            "the model's answers for a row depend on the other rows of the batch; a row may "
            "use its own past only"
        )

    def differs(self, at, side):
        """Whether the call that begins at slot `at` gets another answer now, from one of the
        models."""
        now = self.call(at, side).double()
        then = self.losses[at : at + self.batch_size].double()
        pairs = zip((now - then).abs().flatten().tolist(), then.flatten().tolist(), strict=True)
        return is_too_much(list(pairs))


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
