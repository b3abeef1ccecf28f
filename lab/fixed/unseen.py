"""The test part of a track: text that no run, agent or judge ever saw, scored once, at the end.

`prepare.py draw FILE` writes its rows outside of every sandbox, and `prepare.py test CHECKPOINT`
scores a checkpoint on the rows of its standard input. Where it comes from: `stories` tells new
stories; `pystd` has the second hidden text, whose score nobody is told; `tinystories` has the
stories before the validation's, `climbmix` the documents after them. `custom` has none: all of it
is in use. Validation, training text and track id are the same with and without it. Leaves to
others: what a loss is (losses), comparing two codes (the researcher)."""

import math
import secrets
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from fixed.checkpoint import read_about
from fixed.environment import cache_root
from fixed.errors import EvaluationError, PrepareError
from fixed.evaluation import Evaluation
from fixed.files import HERE
from fixed.model_process import connect
from fixed.packing import pack_texts
from fixed.parquet import CLIMBMIX_SHARDS, TINYSTORIES_FILE, TINYSTORIES_VAL_ROWS, parquet_texts
from fixed.plausibility import bits_per_byte
from fixed.scoring import SCORE_PROBES, fitting_batch
from fixed.second import read_second
from fixed.stories import Stories
from fixed.terminal import say
from fixed.tokenizer import Tokenizer
from fixed.tracks import open_track

UNSEEN_BYTES = 400_000  # of text, where there is more


def draw(args):
    """Write the rows of the test part, uint16 (N, seq_len + 1)."""
    track = open_track(args.track)
    rows = unseen_rows(track, Tokenizer.load(track))
    Path(args.file).write_bytes(rows.tobytes())
    say(f"test part: {len(rows):,} rows of {track.seq_len} tokens")


def unseen_rows(track, tokenizer):
    if track.base == "pystd":
        return read_second(track)
    return pack_texts(list(unseen_texts(track)), tokenizer, track.seq_len)


def unseen_texts(track):
    """Texts that neither training nor validation has, until there are enough."""
    if track.base == "stories":
        return (text for text, _ in Stories().tell(secrets.token_hex(16), UNSEEN_BYTES))
    raw = cache_root() / track.base / "raw"
    if track.base == "tinystories":
        return up_to(
            UNSEEN_BYTES, parquet_texts(raw / TINYSTORIES_FILE, 0, TINYSTORIES_VAL_ROWS[0])
        )
    if track.base == "climbmix":
        texts = parquet_texts(raw / f"shard_{CLIMBMIX_SHARDS - 1:05d}.parquet")
        return up_to(UNSEEN_BYTES, islice(texts, track.manifest["val"]["documents"], None))
    raise PrepareError(f"the track {track.name} has no test part: all of its text is in use")


def up_to(size_bytes, texts):
    for text in texts:
        if size_bytes <= 0:
            return
        size_bytes -= len(text.encode())
        yield text


def test(args):
    """Score a checkpoint on the rows of standard input, as `score` does on the validation's."""
    paths = (Path(args.checkpoint).resolve(), "--model", Path(args.model).resolve())
    models = connect([sys.executable, str(HERE / "prepare.py"), "model", *map(str, paths)])
    sys.path[:] = [place for place in sys.path if place not in ("", str(HERE))]
    try:
        raw = sys.stdin.buffer.read()
        track = open_track(args.track)
        read_about(args, track)
        tokenizer = Tokenizer.load(track)
        rows = rows_of(raw, track)
        batch = fitting_batch(args.batch_size, track.seq_len, tokenizer.vocab_size)
        threads = max(1, torch.get_num_threads() // 2)
        torch.set_num_threads(threads)
        for model in models:
            model.load(batch, track.seq_len, tokenizer.vocab_size, threads)
        for model in models:
            model.ready()
        evaluation = Evaluation(models, tokenizer, rows, batch, SCORE_PROBES)
        nats = evaluation.measure()
    finally:
        for model in models:
            model.kill()
    test_bpb = bits_per_byte(nats, evaluation.sizes, range(len(rows)))
    if not math.isfinite(test_bpb) or test_bpb <= 0:
        raise EvaluationError(f"test_bpb {test_bpb} is no number that a model can have")
    say(f"budget_s: {track.budget_s:g}\n---\ntest_bpb: {test_bpb:.6f}")


def rows_of(raw, track):
    width = 2 * (track.seq_len + 1)
    if not raw or len(raw) % width:
        raise PrepareError(
            "the rows of the test part come through standard input, as `prepare.py draw` wrote "
            f"them; {len(raw):,} bytes are no rows of {track.seq_len} tokens"
        )
    rows = np.frombuffer(raw, np.uint16).reshape(-1, track.seq_len + 1)
    return torch.from_numpy(rows.astype(np.int64))
