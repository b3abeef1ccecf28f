"""`prepare.py score`: a checkpoint's number, from two model processes that know nothing else.

The harness never runs foreign code. It starts the models, or finds itself connected to them."""

import sys
from pathlib import Path

import torch

from fixed.checkpoint import read_about
from fixed.device import keep_freed_memory
from fixed.environment import validation
from fixed.evaluation import Evaluation, evaluation_rows
from fixed.files import HERE
from fixed.model_process import connect
from fixed.plausibility import Limits, judged_bpb
from fixed.second import draw_second
from fixed.terminal import say
from fixed.tokenizer import Tokenizer
from fixed.tracks import open_track

ANSWER_BYTES = 512 * 2**20  # of logits that a model hands over at once
# Rows with another future, at most two of each row: 1,650 on pystd. A model that looks ahead at one
# token in 300 passes one time in 500, at one in 3,000 every second time.
SCORE_PROBES = 2048


def score(args):
    """Evaluate a checkpoint, print the last lines that a runner reads.

    The models start first, so that they load while this program reads what they must not know;
    those that it started itself are dead before anything is printed."""
    keep_freed_memory()
    paths = (Path(args.checkpoint).resolve(), "--model", Path(args.model).resolve())
    models = connect([sys.executable, str(HERE / "prepare.py"), "model", *map(str, paths)])
    sys.path[:] = [place for place in sys.path if place not in ("", str(HERE))]
    try:
        given = sys.stdin.buffer.read() if validation() == "stdin" else None
        track = open_track(args.track)
        read_about(args, track)
        validation_rows, second_rows = split_input(track, given)
        rows = evaluation_rows(track, validation_rows)
        tokenizer = Tokenizer.load(track)
        second = draw_second(track, tokenizer, second_rows)
        batch = fitting_batch(args.batch_size, track.seq_len, tokenizer.vocab_size)
        threads = max(1, torch.get_num_threads() // 2)
        torch.set_num_threads(threads)  # three processes share the cores
        for model in models:
            model.load(batch, track.seq_len, tokenizer.vocab_size, threads)
        for model in models:
            model.ready()
        evaluation = Evaluation(
            models, tokenizer, torch.cat([rows, second.rows]), batch, SCORE_PROBES
        )
        nats = evaluation.measure()
    finally:
        for model in models:
            model.kill()
    limits = Limits.of(track, second)
    val_bpb = judged_bpb(nats, evaluation.sizes, len(rows), limits)
    say(f"budget_s: {track.budget_s:g}\n---\nval_bpb: {val_bpb:.6f}")


def fitting_batch(batch_size, T, V):
    return max(1, min(batch_size, ANSWER_BYTES // (T * V * 4)))


def split_input(track, given):
    """(bytes of the validation rows, of the second text's) of what came through standard input;
    None where the prepared folder has them."""
    if given is None:
        return None, None
    size = track.manifest["files"]["eval.bin"]["size"]
    return given[:size], given[size:]
