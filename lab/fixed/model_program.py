"""`prepare.py model`: the model's side, the one program that runs foreign code for a score.

It builds the model of a checkpoint and answers tokens with logits: questions come through standard
input, answers go to standard output and the memory file AUTORESEARCH_MEMORY. It knows no targets.
Leaves to others: judging any of it (model_process, the harness's side)."""

import mmap
import os
from pathlib import Path

import numpy as np
import torch

from fixed.checkpoint import restore
from fixed.device import keep_freed_memory
from fixed.environment import find_device
from fixed.errors import EvaluationError, PrepareError, first_line
from fixed.losses import ANSWER_DTYPES, check_logits
from fixed.model_process import ANSWER, ORDER, QUESTION, WORDS_BYTES, pin


def serve(args):
    """Load, then answer until nobody asks; never returns. What goes wrong is told in a sentence."""
    os.environ["AUTORESEARCH_VALIDATION"] = "stdin"
    inbox, outbox = take_channel()
    keep_freed_memory()
    try:
        device = find_device()
        model = restore(Path(args.model), args.checkpoint).to(device).eval()
        rows, T, V, threads = ORDER.unpack(read_exactly(inbox, ORDER.size))
        torch.set_num_threads(threads)
        answers = shared_answers(rows * T * V, device)
        tell(outbox, b"k")
        while True:
            answer(model, device, (T, V), answers, inbox, outbox)
    except PrepareError as error:
        tell(outbox, b"x", 0, str(error))
    except BaseException as error:  # noqa: BLE001 - foreign code may raise SystemExit, too
        tell(outbox, b"x", 0, f"{type(error).__name__}: {first_line(error)}")
    finally:
        os._exit(1)


def take_channel():
    """Our ends of the two pipes, out of the way of what foreign code reads and prints."""
    inbox, outbox = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    return inbox, outbox


def read_exactly(descriptor, size):
    data = b""
    while len(data) < size:
        piece = os.read(descriptor, size - len(data))
        if not piece:
            os._exit(0)  # nobody asks any more
        data += piece
    return data


def tell(outbox, kind, value=0, words=""):
    data = words.encode()[:WORDS_BYTES]
    os.write(outbox, ANSWER.pack(kind, value, len(data)) + data)


def answer(model, device, sizes, answers, inbox, outbox):
    """One question: its tokens in, its logits out."""
    rows = QUESTION.unpack(read_exactly(inbox, QUESTION.size))[0]
    tokens = np.frombuffer(read_exactly(inbox, rows * sizes[0] * 4), np.int32)
    idx = torch.from_numpy(tokens.reshape(rows, sizes[0]).astype(np.int64)).to(device)
    try:
        with torch.no_grad():
            logits = model(idx)
        check_logits(logits, (rows, *sizes))
        hand_over(logits, answers, outbox)
    except EvaluationError as error:
        tell(outbox, b"x", 0, str(error))
    except RuntimeError as error:
        if "out of memory" not in str(error) and "can't allocate memory" not in str(error):
            raise
        logits = None
        if device.type == "cuda":
            torch.cuda.empty_cache()
        tell(outbox, b"m")


def shared_answers(places, device):
    """The memory file as float32, or None where logits go through the pipe."""
    memory = int(os.environ.get("AUTORESEARCH_MEMORY", "-1"))
    if memory < 0:
        return None
    answers = torch.from_numpy(np.frombuffer(mmap.mmap(memory, 0), np.float32)[:places])
    pin(answers, device)
    return answers


def hand_over(logits, answers, outbox):
    """Copy logits in their own type, or as float32."""
    dtype = logits.dtype if logits.dtype in ANSWER_DTYPES else torch.float32
    number = ANSWER_DTYPES.index(dtype)
    if answers is None:
        plain = logits.to("cpu", dtype).contiguous().view(torch.uint8)
        tell(outbox, b"k", number)
        write_all(outbox, memoryview(plain.numpy()).cast("B"))
        return
    part = answers if dtype.itemsize == 4 else answers.view(torch.int16)
    part[: logits.numel()].view(dtype).view(logits.shape).copy_(logits)
    tell(outbox, b"k", number)


def write_all(descriptor, view):
    while view:
        view = view[os.write(descriptor, view) :]
