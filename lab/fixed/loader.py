"""Batches of the training text, and the clock."""

import contextlib
import queue
import sys
import threading
import time

import torch

from fixed.environment import find_device, harness_seed
from fixed.errors import PrepareError
from fixed.packing import packed_batches
from fixed.terminal import say

AHEAD = 4  # batches prepared in advance
# A train.py written for the original keeps the time itself, and leaves out its first eleven steps,
# in which it compiles. It gets so much beside the budget, and no batch after that.
GRACE_S, GRACE_SHARE = 60.0, 0.25


class Loader:
    """Batches of the training split, and the only clock.

    Iterating yields (x, y), int64 (rows, seq_len) on the device: rows of documents after their BOS,
    packed without padding, in an order that derives from the harness's seed. The first batch starts
    the clock; iteration ends when the budget is spent. Every batch has memory of its own and is
    never overwritten. dummy() is free of charge."""

    def __init__(
        self, tokenizer, batch_rows, device, seed, clock=time.monotonic, seq_len=None, grace_s=0.0
    ):
        self.track, self.tokenizer = tokenizer.track, tokenizer
        self.seq_len, self.grace_s = seq_len or self.track.seq_len, grace_s
        self.batch_rows, self.device = batch_rows, torch.device(device)
        self.seed, self.clock = seed, clock
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
        shape = (self.batch_rows, self.seq_len + 1)
        rows = torch.randint(self.tokenizer.vocab_size, shape, generator=self.dummies)
        return self.on_device(rows)

    def on_device(self, rows):
        rows = self.upload(rows) if self.upload else rows.to(self.device)
        return rows[:, :-1].contiguous(), rows[:, 1:].contiguous()

    def __iter__(self):
        if self.started is not None:
            raise RuntimeError("a loader runs once: the budget is spent; make a new run")
        batches = queue.Queue(AHEAD)
        stop = threading.Event()
        work = (batches, stop)
        thread = threading.Thread(target=self.produce, args=work, name="loader", daemon=True)
        thread.start()
        try:
            rows, epoch = self.receive(batches)
            synchronize(self.device)
            self.started = self.clock()
            before = None
            while True:
                self.tokens += self.batch_rows * self.seq_len
                self.epoch = epoch
                yield self.on_device(rows)
                before = self.keep_up(before)
                if self.elapsed_s >= self.track.budget_s + self.grace_s:
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
            if not sys.is_finalizing():  # then a daemon thread stands still and never ends
                thread.join()

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

    def receive(self, batches):
        got = batches.get()
        if isinstance(got, BaseException):
            raise got
        return got

    def produce(self, batches, stop):
        """The background thread: (rows, epoch) into the queue; its failure travels the same way."""
        bos, rows = self.tokenizer.bos, self.batch_rows
        try:
            for got in packed_batches(self.track, bos, rows, self.seed, self.seq_len):
                if not offer(batches, got, stop):
                    return
        except BaseException as error:  # noqa: BLE001 - raised again where batches are used
            offer(batches, error, stop)


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
    grace_s = GRACE_S + GRACE_SHARE * tokenizer.track.budget_s
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
