"""Probes: rows asked once more, with another future or in other company, and what they may change.

A model that looks ahead gains where the true future follows. So each probe pairs two losses of one
token: before its true future, as scored, and before another. One that remembers gains with every
call, one that looks at its neighbours in the company of text: their losses are paired as well.
Leaves to others: asking (evaluation), losses (losses).
"""

import math
from typing import NamedTuple

import numpy as np
import torch

from fixed.errors import EvaluationError

# How far an honest model's answers may move between calls, in nats (docs/tracks.md).
TOLERANCE_TOKEN = 0.1  # of one token, plus 2 % of its loss: one step of bf16 logits
TOLERANCE_MEAN = 0.01  # of the mean over many
# Of the token before a changed future, over all probes: root of the mean square. Both answers come
# from the same place of calls of one shape, so an honest model's are equal, or nearly.
TOLERANCE_NEXT = 0.005
SURE = 5.5  # symmetric differences: P(sum >= SURE * root of the sum of squares) < 3e-7, any n
LEAST_GAIN = 2e-4  # nats a token: a tenth of the noise of a run or less; below it is rounding
AGAIN = 32, 8, 64  # one row in so many comes again as it is, at least, at most
APART = 64  # rows that come again among rows of noise


class Slot(NamedTuple):
    """A row of a call: from place `cut` on it has the tokens of `donor`; cut = T: as it is;
    cut = 0: noise."""

    row: int
    cut: int
    donor: int
    side: int  # which of the models is asked


class Plan:
    """Which row is asked of which model, when, and where in a call.

    One model scores a row, its home; the other gets the row's probes. It never saw the row's own
    future: donors are rows that it scores itself, and later cuts come after earlier ones. A probe
    stands in the same column of its call as the row when it was scored."""

    def __init__(self, rows, sizes, sides, batch_size, probes, random):
        self.rows, self.sizes, self.random = rows, sizes, random
        self.N, self.T, self.sides = len(rows), rows.shape[1] - 1, sides
        self.block = max(1, min(int(batch_size), -(-self.N // sides)))
        order = random.permutation(self.N)
        self.place = np.argsort(order).tolist()
        self.home = [place // self.block % sides for place in self.place]
        self.at_home = [[r for r in range(self.N) if self.home[r] == s] for s in range(sides)]
        share, least, most = AGAIN
        again = order[: min(max(self.N // share, least), most)].tolist()
        self.apart = order[: min(self.N // 4, APART)].tolist()
        whole = max(len(again), len(self.apart))  # asked for as they are, future and all
        ahead = order[whole:] if self.N > 2 * whole else order
        slots = [Slot(row, self.T, row, self.home[row]) for row in range(self.N)]
        slots += [Slot(row, self.T, row, self.other(row)) for row in again]
        times = random.random(len(slots)).tolist()
        for row, count in zip(
            *np.unique(np.resize(ahead, probes), return_counts=True), strict=True
        ):
            found = self.probes_of(int(row), int(count))
            slots += found
            times += sorted(random.random(len(found)).tolist())
        self.slots = [slots[i] for i in np.argsort(times)]
        self.salt = int(random.integers(2**32))

    def other(self, row):
        return (self.home[row] + 1) % self.sides

    def probes_of(self, row, count):
        """Its changed futures, each after a token that is scored; earlier cuts first."""
        cuts = torch.nonzero(self.sizes[row, : self.T - 1])[:, 0].numpy() + 1
        if not len(cuts):
            return []
        side = self.other(row)
        donors = self.at_home[side] or [row]
        chosen = sorted(self.random.choice(cuts, count).tolist())
        others = self.random.integers(len(donors), size=count).tolist()
        return [Slot(row, cut, donors[i], side) for cut, i in zip(chosen, others, strict=True)]

    def drop_earlier_cuts(self):
        """Before everything is asked once more: of each row's probes only the last can tell."""
        last = {slot.row: slot.cut for slot in self.slots if slot.cut < self.T}
        self.slots = [s for s in self.slots if s.cut in (self.T, last.get(s.row))]

    def is_score(self, slot):
        return slot.cut == self.T and slot.side == self.home[slot.row]

    def calls(self, side, batch_size):
        """The calls of one model: lists of `batch_size` slots; what is lacking is scored again."""
        own = [slot for slot in self.slots if slot.side == side]
        columns = [[] for _ in range(batch_size)]
        for slot in own:
            columns[self.column(slot.row, batch_size)].append(slot)
        most = max(map(len, columns))
        for column in columns:
            again = [s for s in column if self.is_score(s)] or column or own
            fill = self.random.integers(len(again), size=most - len(column)) if own else ()
            column += [again[i] for i in fill]
        calls = [list(call) for call in zip(*columns, strict=True)]
        for call in self.calls_apart(side, batch_size):
            calls.insert(int(self.random.integers(len(calls) + 1)), call)
        return calls

    def calls_apart(self, side, batch_size):
        """Calls half of text and half of noise, from which no row can learn about another."""
        calls = []
        for row in self.apart if batch_size > 1 else ():
            if self.other(row) == side:
                at = self.column(row, batch_size)
                free = (c for c in calls if at not in c and 2 * len(c) < batch_size)
                call = next(free, None)
                if call is None:
                    calls.append(call := {})
                call[at] = Slot(row, self.T, row, side)
        return [[call.get(at, Slot(at, 0, at, side)) for at in range(batch_size)] for call in calls]

    def column(self, row, batch_size):
        return self.place[row] % self.block % batch_size

    def tokens(self, slot, vocab_size):
        """(T,) what the model sees of a slot; the same whenever it is asked."""
        row, cut, donor, _ = slot
        if not cut:
            noise = np.random.default_rng([self.salt, row]).integers(vocab_size - 4, size=self.T)
            return torch.from_numpy(noise)
        x = self.rows[row, : self.T].clone()
        if cut < self.T:
            future = self.rows[donor, cut : self.T].clone()
            future = future.flip(0) if donor == row else future
            if future[0] == x[cut]:  # the very next token has to change
                step = 1 + (donor + cut) % (vocab_size - 5)
                future[0] = (x[cut] + step) % (vocab_size - 4)
            x[cut:] = future
        return x


def check_next(gains):
    """The tokens before a changed future: what each loses with the true future gone, in nats."""
    squares = math.fsum(gain * gain for gain in gains)
    if squares > TOLERANCE_NEXT**2 * len(gains):
        raise EvaluationError(
            "the model looks ahead, or its answers move too much to tell: those for a token "
            f"changed by {math.sqrt(squares / len(gains)):.4f} nats when only later tokens did; "
            "make every part of it causal, or compute in float32"
        )
    check_gain(
        gains,
        len(gains),
        "the model looks ahead: a token before its true future costs {} nats less than before "
        "another; make every part of it causal",
    )


def check_gain(gains, tokens, sentence):
    """Whether sums of signed differences, each of another row, are more than luck and rounding.
    `sentence` takes the nats that a token gains."""
    total, squares = math.fsum(gains), math.fsum(gain * gain for gain in gains)
    if total > max(SURE * math.sqrt(squares), LEAST_GAIN * tokens):
        raise EvaluationError(sentence.format(f"{total / tokens:.5f}"))


def is_too_much(differences, losses):
    """More than rounding in bf16 explains? For one token, or in the mean."""
    if bool((differences > TOLERANCE_TOKEN + 0.02 * losses.abs()).any()):
        return True
    return float(differences.double().mean()) > TOLERANCE_MEAN
