"""The run's end of the feeder: batches and time come from outside its sandbox.

AUTORESEARCH_FEED names it: `batches,requests,memory`, descriptors or paths of named pipes, -1
where there is no memory file and batches follow through the pipe. Leaves to others: the feeder
itself (feeder), what a loop sees of it (loader).
"""

import os

import numpy as np
import torch

from fixed.environment import feed
from fixed.errors import PrepareError
from fixed.feeder import BATCH, END, HELLO, REPLY
from fixed.terminal import printable

TAKEN = "taken"


class FedBatches:
    """One stream; a run gets no second one."""

    def __init__(self, rows, seq_len, has_grace, device):
        if feed() == TAKEN:
            raise RuntimeError(
                "this run has its batches already: one loader, one budget; make one loader only"
            )
        batches, requests, memory = feed().split(",")
        os.environ["AUTORESEARCH_FEED"] = TAKEN
        self.batches = open_end(batches, os.O_RDONLY)
        self.requests, self.memory = open_end(requests, os.O_WRONLY), int(memory)
        self.shape = (rows, seq_len + 1)
        threads, kind = torch.get_num_threads(), device.type.encode()
        self.send(HELLO.pack(rows, seq_len, has_grace, threads, kind))

    def next(self):
        """(int64 rows that nobody else holds, epoch, elapsed seconds); rows None at the end."""
        self.send(b"n")
        kind, elapsed_ms, epoch, size = REPLY.unpack(self.read(REPLY.size))
        if kind == END:
            return None, epoch, elapsed_ms / 1000
        if kind != BATCH:
            words = printable(self.read(size).decode("utf-8", "replace"))
            raise PrepareError(f"in the feeder: {words}")
        data = os.pread(self.memory, size, 0) if self.memory >= 0 else self.read(size)
        rows = np.frombuffer(data, np.uint16).reshape(self.shape).astype(np.int64)
        return torch.from_numpy(rows), epoch, elapsed_ms / 1000

    def send(self, data):
        try:
            os.write(self.requests, data)
        except BrokenPipeError as error:
            raise feeder_is_gone() from error

    def read(self, size):
        data = bytearray()
        while len(data) < size:
            piece = os.read(self.batches, size - len(data))
            if not piece:
                raise feeder_is_gone()
            data += piece
        return bytes(data)

    def close(self, elapsed_s):
        """The feeder's clock needs no telling; the seconds of the last batch it named."""
        return elapsed_s


def open_end(name, flags):
    """A descriptor; of a named pipe without waiting for a feeder that is gone."""
    if name.isdigit():
        return int(name)
    try:
        end = os.open(name, flags | os.O_NONBLOCK)
    except OSError as error:
        raise feeder_is_gone() from error
    os.set_blocking(end, True)
    return end


def feeder_is_gone():
    return PrepareError("the feeder of this run has ended; its log is feed.log beside the run's")
