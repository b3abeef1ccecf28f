"""`python -m fixed.feeder`: hands a run its batches and keeps its clock, outside its sandbox.

run ──1 byte: the next, please──▶ feeder: kind, elapsed time, epoch ──▶ run
      (standard input)              its batch: a memory file, or the same pipe where there is none

The first batch starts the clock and the budget ends the stream, whatever the run does to itself.
A batch is written when it is asked for, never before. With --record FILE it leaves a record of
the run; with --replay FILE it hands out the batches of a record again at the same progress, and
no clock counts. Without torch, so that it is there before the run is.
Leaves to others: the run's end (fed_batches), rows of tokens (packing), the record (feed_record).
"""

import argparse
import contextlib
import os
import struct
import sys
import time
from pathlib import Path

import numpy as np

from fixed.environment import harness_seed
from fixed.errors import PrepareError
from fixed.feed_record import Record, read_record, write_record
from fixed.packing import packed_rows, read_tokens
from fixed.tracks import open_track

# rows, tokens a row, wants grace, threads, kind of device
HELLO = struct.Struct("=II?H8s")
REPLY = struct.Struct("=cQdI")  # kind, elapsed ms, epoch, bytes that follow
BATCH, END, FAILURE = b"b", b"e", b"x"
MOST_BYTES = 2**28  # of one batch
MOST_WORDS = 300  # bytes of a failure
# A train.py written for the original keeps the time itself, and leaves out its first eleven steps,
# in which it compiles. It gets so much beside the budget, and no batch after that.
GRACE_S, GRACE_SHARE = 60.0, 0.25


def grace_seconds(budget_s):
    return GRACE_S + GRACE_SHARE * budget_s


class Feeder:
    """One run's stream. `requests` and `batches` are descriptors, `memory` one or -1."""

    def __init__(self, track, seed, ends, replayed=None, clock=time.monotonic):
        self.track, self.seed, self.replayed, self.clock = track, seed, replayed, clock
        self.requests, self.batches, self.memory = ends
        self.record = None  # from the run's first words on
        self.started = None

    def serve(self):
        """Until the run goes away or the budget is spent."""
        hello = self.read(HELLO.size)
        if len(hello) < HELLO.size:
            return  # it never asked
        self.record = self.begin(*HELLO.unpack(hello))
        tokens, starts = read_tokens(self.track.folder, "train")
        bos = int(tokens[starts[0]])  # every document begins with it
        source = packed_rows(self.track, bos, self.record.rows, self.seed, self.record.seq_len)
        for rows, epoch in source:
            if not self.read(1):
                return
            elapsed_ms = self.read_clock()
            if elapsed_ms is None:
                return self.end()
            self.hand_out(rows, epoch, elapsed_ms)

    def begin(self, rows, seq_len, has_grace, threads, device):
        """The record of a run that introduces itself so; what it says is untrusted."""
        size = rows * (seq_len + 1) * 2
        if not (rows and 1 <= seq_len <= self.track.seq_len and size <= MOST_BYTES):
            raise PrepareError(f"{rows} rows of {seq_len} tokens are no batch of this track")
        kind = device.rstrip(b"\0").decode("ascii", "replace")
        grace = grace_seconds(self.track.budget_s) if has_grace else 0.0
        record = Record.begin(self.track, self.seed, rows, seq_len, grace, threads, kind)
        if self.replayed and (differing := record.differences(self.replayed)):
            raise PrepareError(f"the run asks for another stream than its record: {differing}")
        return record

    def read_clock(self):
        """Whole milliseconds since the first batch, None once the stream is over."""
        if self.started is None:
            self.started = self.clock()
            print(self.first_line(), file=sys.stderr, flush=True)
        if self.replayed:
            at = len(self.record.elapsed_ms)
            return self.replayed.elapsed_ms[at] if at < len(self.replayed.elapsed_ms) else None
        elapsed_s = self.clock() - self.started
        if elapsed_s >= self.track.budget_s + self.record.grace_s:
            return None
        return int(elapsed_s * 1000)

    def first_line(self):
        """What a runner reads in this program's log while the run goes on."""
        budget_s, grace = self.track.budget_s, self.record.grace_s
        return f"first batch at {self.started!r}, budget {budget_s!r}, grace {grace!r}"

    def hand_out(self, rows, epoch, elapsed_ms):
        self.record.add(elapsed_ms)
        data = memoryview(np.ascontiguousarray(rows)).cast("B")
        head = REPLY.pack(BATCH, elapsed_ms, epoch, len(data))
        if self.memory < 0:
            return self.write(head + data)
        at = 0
        while at < len(data):
            at += os.pwrite(self.memory, data[at:], at)
        self.write(head)

    def end(self):
        spent_ms = int((self.clock() - self.started) * 1000)
        self.record.ended_ms = self.replayed.last_ms if self.replayed else spent_ms
        self.write(REPLY.pack(END, self.record.ended_ms, 0.0, 0))

    def fail(self, reason):
        words = reason.encode("utf-8", "replace")[:MOST_WORDS]
        self.write(REPLY.pack(FAILURE, 0, 0.0, len(words)) + words)

    def read(self, size):
        """So many bytes, fewer where the run is gone."""
        data = b""
        while len(data) < size and (piece := os.read(self.requests, size - len(data))):
            data += piece
        return data

    def write(self, data):
        with contextlib.suppress(BrokenPipeError):  # the run is gone; the next read says so
            while data:
                data = data[os.write(self.batches, data) :]


def main(argv):
    parser = argparse.ArgumentParser(prog="python -m fixed.feeder", description="Feed one run.")
    parser.add_argument("--record", type=Path, metavar="FILE", help="leave the run's record there")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="feed a record's run again")
    args = parser.parse_args(argv)
    memory = int(os.environ.get("AUTORESEARCH_MEMORY", "-1"))
    feeder = Feeder(None, harness_seed(), (os.dup(0), os.dup(1), memory))
    os.dup2(2, 1)  # nothing that is printed gets into the stream
    try:
        feeder.track = open_track()
        feeder.replayed = read_record(args.replay) if args.replay else None
        feeder.serve()
    except PrepareError as error:
        feeder.fail(str(error))
        sys.exit(f"FAIL: {error}")
    finally:
        if args.record and feeder.record:
            write_record(args.record, feeder.record)


if __name__ == "__main__":
    main(sys.argv[1:])
