"""Batches of the training text, and the clock.

By hand both are in this process. Under the researcher both come from the feeder, on the other side
of the sandbox's wall; a loop sees the same loader. Leaves to others: that other side (feeder,
fed_batches), rows of tokens (packing).
"""

import contextlib
import queue
import sys
import threading
import time

import numpy as np
import torch

from fixed.environment import feed, find_device, harness_seed
from fixed.errors import PrepareError
from fixed.fed_batches import FedBatches
from fixed.feeder import grace_seconds
from fixed.packing import packed_rows
from fixed.terminal import say

AHEAD = 4  # batches prepared in advance


class Loader:
    """Batches of the training split, and the only clock.

    Iterating yields (x, y), int64 (rows, seq_len) on the device: rows of documents after their BOS,
    packed without padding, in an order that derives from the harness's seed. The first batch starts
    the clock; iteration ends when the budget is spent. `elapsed_s` and what follows from it stand
    as they were when the last batch was handed out. Every batch has memory of its own and is never
    overwritten. dummy() is free of charge."""

    def __init__(
        self, tokenizer, batch_rows, device, seed, clock=time.monotonic, seq_len=None, grace_s=0.0
    ):
        self.track, self.tokenizer = tokenizer.track, tokenizer
        self.seq_len, self.grace_s = seq_len or self.track.seq_len, grace_s
        self.batch_rows, self.device = batch_rows, torch.device(device)
        self.seed, self.clock = seed, clock
        self.tokens, self.epoch, self.elapsed_s, self.is_used = 0, 0.0, 0.0, False
        self.dummies = torch.Generator().manual_seed(seed)
        self.upload = PinnedUpload(self.device) if self.device.type == "cuda" else None

    @property
    def remaining_s(self):
        return max(0.0, self.track.budget_s - self.elapsed_s)

    @property
    def progress(self):
        """0 to 1 of the budget."""
        return min(1.0, self.elapsed_s / self.track.budget_s)

    def dummy(self):
        """A batch of random tokens for warm-up and compilation, before the first real one."""
        shape = (self.batch_rows, self.seq_len + 1)
        rows = torch.randint(self.tokenizer.vocab_size, shape, generator=self.dummies)
        return self.on_device(rows)

    def on_device(self, rows):
        rows = self.upload(rows) if self.upload else rows.to(self.device)
        return rows[:, :-1].contiguous(), rows[:, 1:].contiguous()

    def __iter__(self):
        if self.is_used:
            raise RuntimeError("a loader runs once: the budget is spent; make a new run")
        self.is_used = True
        source = self.open_source()
        lagging = None
        try:
            synchronize(self.device)
            while True:
                rows, epoch, self.elapsed_s = source.next()
                if rows is None:
                    break
                self.tokens += self.batch_rows * self.seq_len
                self.epoch = epoch
                yield self.on_device(rows)
                lagging = self.keep_up(lagging)
        finally:
            synchronize(self.device)
            self.elapsed_s = source.close(self.elapsed_s)

    def open_source(self):
        if feed():
            return FedBatches(self.batch_rows, self.seq_len, self.grace_s > 0, self.device)
        return OwnBatches(self)

    def keep_up(self, before):
        """Let the device lag by one batch at most: it stays busy, and ends with the budget."""
        if self.device.type != "cuda":
            synchronize(self.device)
            return None
        event = torch.cuda.Event()
        event.record()
        if before is not None:
            before.synchronize()
        return event


class OwnBatches:
    """Packed in a thread of this process, on a clock of this process."""

    def __init__(self, loader):
        self.clock, self.started = loader.clock, None
        self.limit_s = loader.track.budget_s + loader.grace_s
        self.batches, self.stop = queue.Queue(AHEAD), threading.Event()
        bos, rows = loader.tokenizer.bos, loader.batch_rows
        stream = (loader.track, bos, rows, loader.seed, loader.seq_len)
        self.thread = threading.Thread(target=self.produce, args=stream, name="loader", daemon=True)
        self.thread.start()

    def next(self):
        """(int64 rows that nobody else holds, epoch, elapsed seconds); rows None at the end."""
        if self.started is not None and self.read_clock() >= self.limit_s:
            return None, 0.0, self.read_clock()
        got = self.batches.get()
        if isinstance(got, BaseException):
            raise got
        if self.started is None:
            self.started = self.clock()
        return *got, self.read_clock()

    def read_clock(self):
        return self.clock() - self.started

    def produce(self, *stream):
        """The background thread: (rows, epoch) into the queue; its failure travels the same way."""
        try:
            for got in packed_batches(*stream):
                if not offer(self.batches, got, self.stop):
                    return
        except BaseException as error:  # noqa: BLE001 - raised again where batches are used
            offer(self.batches, error, self.stop)

    def close(self, elapsed_s):
        """End the thread; the seconds that were spent in all."""
        spent_s = elapsed_s if self.started is None else self.read_clock()
        self.stop.set()
        with contextlib.suppress(queue.Empty):
            while True:
                self.batches.get_nowait()
        if not sys.is_finalizing():  # then a daemon thread stands still and never ends
            self.thread.join()
        return spent_s


def packed_batches(track, bos, batch_rows, seed, seq_len=None):
    """For ever: (int64 (batch_rows, seq_len + 1) that nobody else holds, epoch as a float)."""
    for rows, epoch in packed_rows(track, bos, batch_rows, seed, seq_len):
        yield torch.from_numpy(rows.astype(np.int64)), epoch


def offer(batches, item, stop):
    """Put item into the queue unless told to stop; whether it was put."""
    while not stop.is_set():
        with contextlib.suppress(queue.Full):
            batches.put(item, timeout=0.1)
            return True
    return False


def synchronize(device):
    """Wait until the device has done what it was asked: only then does a clock tell the truth."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


class PinnedUpload:
    """Copies to the GPU without waiting.

    Two pinned buffers take turns. Each is refilled only after the event behind its last copy: if it
    were refilled once the copy is queued, the device could read the next batch in its place."""

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


def make_dataloader(tokenizer, B, T=None, split="train", buffer_size=1000, device=None):
    """A Loader of B rows on `device`; with T, as in the original, (x, y, epoch) without end.

    Rows of the latter are T tokens long and lie on the device that find_device() names. What of
    the text is shuffled together is not for `buffer_size` to say here."""
    if split != "train":
        raise ValueError(
            "the loader serves the training split; validation text is read by evaluate_bpb alone"
        )
    if T is None:
        return Loader(tokenizer, B, device or "cpu", harness_seed())
    if not 1 <= T <= tokenizer.track.seq_len:
        raise ValueError(f"T = {T} must lie between 1 and MAX_SEQ_LEN = {tokenizer.track.seq_len}")
    grace_s = grace_seconds(tokenizer.track.budget_s)
    device = device or find_device()
    return stream(Loader(tokenizer, B, device, harness_seed(), seq_len=T, grace_s=grace_s))


def stream(loader):
    """(x, y, epoch) of a loader, epochs from 1, for a loop that ends by a clock of its own."""
    is_told = False
    for x, y in loader:
        if loader.progress == 1 and not is_told:
            is_told = True
            say(f"clock: the budget is over; this loop has {loader.grace_s:g} s more at most")
        yield x, y, 1 + int(loader.epoch)
    raise PrepareError(
        f"the budget of {loader.track.budget_s:g} s is over, and so are {loader.grace_s:g} s "
        "beside it for compiling; end the loop when your own clock reaches TIME_BUDGET"
    )
