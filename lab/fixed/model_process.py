"""The harness's side of a model process: questions go out, answers come back as bounded data.

Under the researcher two sandboxes hold the models, and AUTORESEARCH_MODELS names this program's
ends: `reading,writing,memory` descriptors for each, -1 where there is no memory file. By hand
this program starts them itself. What they say is untrusted: fixed sizes, copied before it is
looked at, never unpickled. Leaves to others: the model's side (model_program), losses
(evaluation).

Logits pass once through a memory file that both hold, V x 4 bytes a token, V x 2 in bf16; copying
them out of it takes a second for 5 GB. Without one (containers, macOS) they follow through the
pipe.
"""

import contextlib
import ctypes
import os
import select
import signal
import struct
import subprocess

import torch

from fixed.environment import find_device, validation
from fixed.errors import EvaluationError
from fixed.losses import ANSWER_DTYPES
from fixed.terminal import printable

ORDER = struct.Struct("=4I")  # rows at most, T, V, threads
QUESTION = struct.Struct("=I")  # rows; then rows x T tokens, int32
ANSWER = struct.Struct("=cBH")  # kind, number of the dtype, bytes of words; then these
WORDS_BYTES = 300  # of its own words, when it fails
PATIENCE_S = 120  # without a byte of an answer; the first one may compile
TAKE_S = 30  # for a question to be taken by a model that waits for one
OUT_OF_MEMORY = "out of memory in the model's process"


def connect(command):
    """The two models: those that the researcher connected this program to, else started here."""
    given = os.environ.pop("AUTORESEARCH_MODELS", "").split()
    if given:
        return [ModelProcess(*map(int, ends.split(","))) for ends in given]
    hide_memory()
    return [start(command) for _ in range(2)]


def start(command):
    """A model process of our own, for a score by hand: apart from us, though in no sandbox."""
    memory = os.memfd_create("answers") if hasattr(os, "memfd_create") else -1
    held = [memory] if memory >= 0 else []
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL if validation() == "stdin" else None,
        env={**os.environ, "AUTORESEARCH_MEMORY": str(memory)},
        pass_fds=held,
        start_new_session=bool(held),
    )
    return ModelProcess(process.stdout.fileno(), process.stdin.fileno(), memory, process)


def hide_memory():
    """No process of this user may look into this one's memory or files (PR_SET_DUMPABLE)."""
    with contextlib.suppress(AttributeError, OSError):  # not Linux
        ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)


class ModelProcess:
    """One model, asked by Evaluation. EvaluationError when it fails, is gone, or talks nonsense."""

    def __init__(self, inbox, outbox, memory, process=None):
        self.inbox, self.outbox, self.memory, self.process = inbox, outbox, memory, process
        self.waiting = 0  # rows that were asked and not yet answered

    def load(self, rows, T, V, threads):
        """Say how large questions and answers are, without waiting for the model to be there."""
        self.T, self.V = T, V
        self.answers = torch.empty(rows * T * V, dtype=torch.float32)  # ours alone
        if self.memory >= 0:
            try:
                os.ftruncate(self.memory, self.answers.nbytes)
            except OSError as error:
                raise not_asked() from error
        self.send(ORDER.pack(rows, T, V, threads))

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
            with contextlib.suppress(RuntimeError):
                self.answer()
        self.waiting = len(x)
        self.send(QUESTION.pack(len(x)) + x.to(torch.int32).numpy().tobytes())

    def answer(self):
        """(B, T, V) logits in memory of our own, good until the next answer."""
        rows, self.waiting = self.waiting, 0
        dtype = ANSWER_DTYPES[self.receive()]
        places = rows * self.T * self.V
        size = places * dtype.itemsize
        fill = self.copy_memory if self.memory >= 0 else self.read_into
        fill(memoryview(self.answers.numpy()).cast("B")[:size])
        whole = self.answers if dtype.itemsize == 4 else self.answers.view(torch.int16)
        return whole[:places].view(dtype).view(rows, self.T, self.V).to(self.device)

    def copy_memory(self, view):
        """Once, at once: what the model changes there later changes nothing."""
        at = 0
        while at < len(view):
            size = os.preadv(self.memory, [view[at:]], at)
            if not size:
                raise not_asked()
            at += size

    def read_into(self, view):
        at = 0
        while at < len(view):
            data = self.read(min(len(view) - at, 2**20))
            view[at : at + len(data)] = data
            at += len(data)

    def send(self, data):
        """In pieces that never block: a model can fill the pipe from its own end."""
        with contextlib.suppress(BrokenPipeError):  # receive() will say why
            while data:
                if not select.select([], [self.outbox], [], TAKE_S)[1]:
                    raise EvaluationError(f"the model process took no question for {TAKE_S} s")
                data = data[os.write(self.outbox, data[: select.PIPE_BUF]) :]

    def receive(self):
        """The number its answer begins with. Failures are raised in its words, cut and cleaned."""
        kind, value, size = ANSWER.unpack(self.read(ANSWER.size))
        words = self.read(size).decode("utf-8", "replace") if size <= WORDS_BYTES else ""
        if kind == b"k" and value < len(ANSWER_DTYPES) and not size:
            return value
        if kind == b"m":
            raise RuntimeError(OUT_OF_MEMORY)
        if kind == b"x" and printable(words):
            raise EvaluationError(f"in the model's process: {printable(words)}")
        raise not_asked()

    def read(self, size):
        data = b""
        while len(data) < size:
            if not select.select([self.inbox], [], [], PATIENCE_S)[0]:
                raise EvaluationError(f"the model process gave no answer for {PATIENCE_S} s")
            piece = os.read(self.inbox, size - len(data))
            if not piece:
                raise EvaluationError(
                    "the model process ended by itself; it has to stay and answer until told to go"
                )
            data += piece
        return data

    def kill(self):
        """One that we started, and its group. Done before anything is printed."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError, AttributeError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.kill()
            self.process.wait()


def not_asked():
    return EvaluationError("the model process answered in a way that it was not asked to")


def pin(memory, device):
    """Let a GPU copy from and to this memory directly. Where that fails it only takes longer."""
    if device.type == "cuda":
        torch.cuda.cudart().cudaHostRegister(memory.data_ptr(), memory.nbytes, 0)
