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
from fixed.losses import check_logits, check_range, token_nats
from fixed.plausibility import Limits, judged_bpb
from fixed.probes import Plan, check_gain, check_next, is_too_much
from fixed.terminal import say


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
    """One evaluation: rows and their probes in calls of one shape, then compared.

    Where there are two models they are the same, in processes of their own: the one that scores a
    row never sees its probes, so a model that remembers what it was asked before cannot fit its
    answers to them."""

    def __init__(self, models, tokenizer, rows, batch_size, probes=0):
        self.models, self.rows = models, rows
        self.V, self.T = tokenizer.vocab_size, rows.shape[1] - 1
        self.sizes = tokenizer.token_bytes[rows[:, 1:]]  # (N, T) bytes of each target
        random = np.random.default_rng(int.from_bytes(os.urandom(16), "big"))
        probes = max(min(len(rows) // 8, 512), min(2 * len(rows), probes), 24)
        self.plan = Plan(rows, self.sizes, len(models), batch_size, probes, random)
        self.batch_size = self.plan.block

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
            self.plan.drop_earlier_cuts()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()

    def attempt(self):
        self.slots, self.turns, self.apart, calls = [], [], set(), []
        for side in range(len(self.models)):
            for turn, call in enumerate(self.plan.calls(side, self.batch_size)):
                at = len(self.slots)
                calls.append((turn, side, at))
                self.slots += call
                self.turns += [turn] * len(call)
                if any(slot.cut == 0 for slot in call):
                    self.apart.update(range(at, at + len(call)))
        # (slots, T) nats of the row's own targets
        self.losses = torch.empty(len(self.slots), self.T)
        nats = {}
        for at, logits in self.answers(sorted(calls)):  # the models take turns
            losses = self.cross_entropy(logits, at)
            self.losses[at : at + len(losses)] = losses.float()
            for slot, loss in zip(self.slots[at:], losses, strict=False):
                if self.plan.is_score(slot) and slot.row not in nats:
                    nats[slot.row] = float(loss.double()[self.sizes[slot.row] > 0].sum())
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
        slots = self.slots[at : at + self.batch_size]
        return torch.stack([self.plan.tokens(slot, self.V) for slot in slots])

    def call(self, at, side):
        """(B, T) losses in nats of the call that begins at slot `at`, asked of one model, outside
        of the order."""
        self.models[side].ask(self.inputs(at))
        return self.cross_entropy(self.models[side].answer(), at)

    def cross_entropy(self, logits, at):
        """(B, T) on the CPU, a row at a time, which stays in the processor's cache; 0 where a probe
        has another future."""
        slots = self.slots[at : at + self.batch_size]
        check_logits(logits, (len(slots), self.T, self.V))
        losses = torch.zeros(len(slots), self.T, dtype=torch.float64)
        for own, answers, slot in zip(losses, logits, slots, strict=True):
            if slot.cut < self.T:
                check_range(answers[slot.cut :])
            if slot.cut > 0:
                y = self.rows[slot.row, 1 : slot.cut + 1]
                own[: slot.cut] = token_nats(answers[: slot.cut], y)
        return losses

    def compare(self):
        """Every slot against the first that scored its row: no answer may depend on more than its
        own past."""
        scored = {}
        for i, slot in enumerate(self.slots):
            if self.plan.is_score(slot):
                scored.setdefault(slot.row, i)
        asked = [(i, scored[s.row]) for i, s in enumerate(self.slots) if s.cut > 0]
        pairs = [(i, first) for i, first in asked if i != first]
        again = [pair for pair in pairs if self.slots[pair[0]].cut == self.T]
        ahead = [pair for pair in pairs if self.slots[pair[0]].cut < self.T]
        if again and is_too_much(*self.differences(again)):
            self.explain(*max(again, key=lambda pair: float(self.differences([pair])[0].max())))
        if ahead:
            self.check_ahead(ahead)
        if pairs:
            self.check_memory(pairs)
            self.check_company([pair for pair in pairs if pair[0] in self.apart])

    def check_memory(self, pairs):
        """What a token gains by being asked later, and by being scored."""
        moved, tokens = self.moves(pairs)
        later = np.sign([self.turns[first] - self.turns[i] for i, first in pairs])
        rows = [self.slots[i].row for i, _ in pairs]
        words = "the model remembers earlier calls: a token {} costs {{}} nats less; keep no state"
        for signs, when in ((later, "that is asked later"), (1, "that is scored")):
            gains = np.bincount(rows, moved * signs, len(self.rows))
            check_gain(gains, tokens.sum(), words.format(when))

    def check_company(self, apart):
        """What a token gains in the company of text, beside that of noise."""
        moved, tokens = self.moves(apart)
        check_gain(
            moved,
            tokens.sum(),
            "the model's answers for a row depend on the other rows of the batch: a token costs "
            "{} nats less among text than among noise; a row may use its own past only",
        )

    def moves(self, pairs):
        """(sums, counts): by how many nats all shared tokens of each pair cost more than when
        they were scored."""
        cuts = [self.slots[i].cut for i, _ in pairs]
        both = [
            (self.losses[i, :cut] - self.losses[first, :cut]).double().sum()
            for (i, first), cut in zip(pairs, cuts, strict=True)
        ]
        return np.array(both, float), np.array(cuts)

    def check_ahead(self, ahead):
        """The answers to rows with another future: all that were shared, and the last of each."""
        last = [(i, first, self.slots[i].cut - 1) for i, first in ahead]
        gains = torch.stack([self.losses[i, at] - self.losses[first, at] for i, first, at in last])
        nearest = torch.stack([self.losses[first, at] for _, first, at in last])
        if is_too_much(gains.abs(), nearest) or is_too_much(*self.differences(ahead)):
            raise EvaluationError(
                "the model looks ahead: its answers change when only later tokens do; make "
                "every part of it causal"
            )
        check_next(gains.tolist())

    def differences(self, pairs):
        """(differences, losses) over the places that slots share with their rows as scored."""
        first = [self.losses[b, : self.slots[a].cut] for a, b in pairs]
        then = [self.losses[a, : self.slots[a].cut] for a, _ in pairs]
        return (torch.cat(then) - torch.cat(first)).abs(), torch.cat(first)

    def explain(self, *two):
        """Why does a row score differently in two calls? Each of them once more, to the letter,
        tells memory from company."""
        calls = [i - i % self.batch_size for i in two]  # every side's slots fill whole calls
        for at in calls:
            if self.differs(at, self.slots[at].side):
                raise EvaluationError(
                    "the model remembers earlier calls, or is random: the same call gave "
                    "another answer later; keep no state"
                )
        for at in calls:
            if self.differs(at, (self.slots[at].side + 1) % len(self.models)):
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
        slots = self.slots[at : at + self.batch_size]
        again = self.call(at, side).float()
        now = torch.cat([again[i, : slot.cut] for i, slot in enumerate(slots)])
        then = torch.cat([self.losses[at + i, : slot.cut] for i, slot in enumerate(slots)])
        return is_too_much((now - then).abs(), then)


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
