"""
What makes two results comparable: the data, the tokenizer, the clock and the metric. FIXED:
experiments never edit this file, nor the folder fixed/ behind it.

    python prepare.py                    # once: data and tokenizer of the track for this machine
    python prepare.py --track pystd-20s  # another track, here with a budget of 20 s
    python prepare.py --show             # the prepared track: id, sizes, anchors, a sample
    python prepare.py score CHECKPOINT   # evaluate what train.py saved, in processes of its own
    python prepare.py draw FILE          # rows of text that nobody saw: the track's test part
    python prepare.py test CHECKPOINT < FILE   # evaluate on these instead

What train.py calls:

    track = load_track()                 # .seq_len, .budget_s, .vocab_size, .id
    tokenizer = Tokenizer.load(track)    # .vocab_size, .bos, encode(text), decode(ids)
    loader = make_dataloader(tokenizer, rows, split="train", device=device)
    loader.dummy()                       # a random batch for warm-up and compiling, free of charge
    for x, y in loader:                  # the first batch starts the clock, the budget ends it
        loader.progress                  # 0 to 1 of the budget
    save_checkpoint(model, config, path)
    evaluate_bpb(model, tokenizer, rows) # bits per byte; model(idx) returns logits (B, T, vocab)
    print_summary(val_bpb=..., ...)      # the block that ends a run

Train files written for karpathy/autoresearch find its names as well (docs/tracks.md): MAX_SEQ_LEN,
TIME_BUDGET, EVAL_TOKENS, Tokenizer.from_directory(), make_dataloader(tokenizer, B, T, "train").
"""

import argparse
import sys

try:
    from fixed.errors import EvaluationError, PrepareError
except ModuleNotFoundError:
    sys.exit(
        "FAIL: prepare.py needs the folder fixed/ beside it, which this commit lacks; where the "
        "commit was made, run `git add fixed autoresearch.toml` and commit again"
    )

from fixed.build import prepare, show
from fixed.checkpoint import save_checkpoint
from fixed.environment import cache_root, find_device, harness_seed, run_dir
from fixed.evaluation import evaluate_bpb
from fixed.loader import make_dataloader
from fixed.model_program import serve
from fixed.parquet import CLIMBMIX_DEFAULT_SHARDS
from fixed.scoring import score
from fixed.summary import print_summary
from fixed.tokenizer import BYTE_VOCAB, Tokenizer
from fixed.tracks import TRACKS, anchor_line, load_track, open_track
from fixed.unseen import draw, test

__all__ = [
    "EvaluationError",
    "PrepareError",
    "Tokenizer",
    "anchor_line",
    "cache_root",
    "evaluate_bpb",
    "find_device",
    "get_token_bytes",
    "harness_seed",
    "load_track",
    "make_dataloader",
    "open_track",
    "print_summary",
    "run_dir",
    "save_checkpoint",
]


def __getattr__(name):
    """The original's constants, of the track that load_track() finds."""
    if name not in ("MAX_SEQ_LEN", "TIME_BUDGET", "EVAL_TOKENS"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    track = load_track()
    return {
        "MAX_SEQ_LEN": track.seq_len,  # tokens
        "TIME_BUDGET": track.budget_s,  # seconds
        "EVAL_TOKENS": track.manifest["eval_rows"] * track.seq_len,
    }[name]


def get_token_bytes(device="cpu"):
    """int64 (vocab_size,): how many bytes each token stands for; special ones stand for none."""
    return Tokenizer.from_directory().token_bytes.to(device)


def parse(argv):
    """(what to do, its arguments)"""
    if argv[:1] == ["score"]:
        return score, score_parser().parse_args(argv[1:])
    if argv[:1] == ["test"]:
        return test, score_parser("test", "test_bpb").parse_args(argv[1:])
    if argv[:1] == ["draw"]:
        return draw, draw_parser().parse_args(argv[1:])
    if argv[:1] == ["model"]:  # what `score` and the researcher start
        return serve, model_parser("model", "Answer tokens with logits.").parse_args(argv[1:])
    args = prepare_parser().parse_args(argv)
    args.download_workers = max(1, args.download_workers)
    return (lambda a: show(open_track(a.track, a.budget_s))) if args.show else prepare, args


def draw_parser():
    parser = argparse.ArgumentParser(
        prog="prepare.py draw", description="Write rows of text that nobody saw."
    )
    parser.add_argument("file", help="where they go; `prepare.py test` reads them")
    parser.add_argument("--track", help="default: AUTORESEARCH_TRACK, else the one prepared here")
    return parser


def score_parser(name="score", metric="val_bpb"):
    parser = model_parser(name, f"Evaluate a checkpoint; prints --- and {metric}.")
    add = parser.add_argument
    add("--track", help="default: AUTORESEARCH_TRACK, else the track last prepared here")
    add("--batch-size", type=int, default=32, help="rows at once; has no influence on the score")
    return parser


def model_parser(name, description):
    parser = argparse.ArgumentParser(prog=f"prepare.py {name}", description=description)
    add = parser.add_argument
    add("checkpoint", help="what train.py saved: run/checkpoint.safetensors")
    add("--model", default="train.py", help="the file with build_model(config); default: train.py")
    return parser


def prepare_parser():
    parser = argparse.ArgumentParser(
        prog="prepare.py",
        description=f"Prepare a track, once: {', '.join(TRACKS)}; with another budget: pystd-20s.",
        epilog="`prepare.py score CHECKPOINT` evaluates what train.py saved; see its --help.",
    )
    add = parser.add_argument
    add("--track", help="default: AUTORESEARCH_TRACK, else what suits this machine")
    add("--budget-s", type=float, help="seconds of training; another budget is another track")
    shards = CLIMBMIX_DEFAULT_SHARDS
    add("--num-shards", type=int, default=shards, help="climbmix: training shards, -1 = all")
    add("--download-workers", type=int, default=8, help="files downloaded at the same time")
    add("--data", help="custom: a folder, text, .jsonl, .json, .csv or .parquet")
    add("--vocab-size", type=int, help=f"custom: tokens, {BYTE_VOCAB} = plain bytes")
    add("--seq-len", type=int, help="custom: tokens a row")
    add("--rows", metavar="FILE", help="also write the rows that evaluation scores to FILE")
    add("--masks", metavar="FILE", help="also name in FILE the paths that no run may read")
    add("--show", action="store_true", help="print the prepared track, checked; change nothing")
    return parser


def main(argv):
    command, args = parse(argv)
    try:
        command(args)
    except PrepareError as error:
        sys.exit(f"FAIL: {error}")
    except KeyboardInterrupt:
        sys.exit("FAIL: stopped; half-done work is thrown away, the next call continues downloads")


if __name__ == "__main__":
    sys.modules["prepare"] = sys.modules["__main__"]  # what a train.py imports is this very file
    main(sys.argv[1:])
