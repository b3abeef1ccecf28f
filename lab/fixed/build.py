"""Preparing a track: text, tokenizer, token files, evaluation rows, anchors, manifest."""

import contextlib
import json
import os
import platform
import secrets
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from fixed.anchors import trigram_bits, trigram_bpb
from fixed.custom import Custom
from fixed.environment import cache_root, default_track
from fixed.errors import PrepareError
from fixed.files import HERE, fingerprint, lock_folder, sha256_file, write_atomically
from fixed.masks import masked_paths
from fixed.packing import pack_evaluation, pack_texts, read_tokens
from fixed.parquet import open_climbmix, open_tinystories
from fixed.pystd import Pystd
from fixed.rules import DATA, NUMBERS, code_sha256
from fixed.stories import Stories
from fixed.terminal import say
from fixed.tokenizer import BYTE_VOCAB, MAX_VOCAB, Tokenizer
from fixed.tracks import (
    SECOND,
    TRACKS,
    anchor_line,
    find_damage,
    make_track,
    parse_name,
    read_manifest,
    selector,
)

TOKENIZER_BYTES = 300_000_000  # of training text for the tokenizer; climbmix: of its first shard


def prepare(args):
    base, budget_s, name = parse_name(
        args.track or os.environ.get("AUTORESEARCH_TRACK") or default_track(), args.budget_s
    )
    settings = check_settings(base, args)
    root = cache_root() / base
    started = time.monotonic()
    with lock_folder(root):
        source = open_source(base, root, args)
        data_fingerprint = fingerprint(source.fingerprint)
        key = fingerprint([base, data_fingerprint, settings, code_sha256(DATA)])[:16]
        remove_leftovers(root)
        if is_prepared(root / key):
            say(f"{name} is prepared already, and whole")
        else:
            build(source, data_fingerprint, settings, root / key)
        write_atomically(root / f"ready-{selector(base)}.json", json.dumps({"key": key}))
    track = make_track(name, base, budget_s, root / key, read_manifest(root / key))
    if args.rows:
        copy_rows(track, Path(args.rows))
    if args.masks:
        lines = "".join(f"{path}\n" for path in masked_paths(base))
        write_atomically(Path(args.masks), lines)
    with contextlib.suppress(OSError):  # in a read-only place, AUTORESEARCH_TRACK does the same
        write_atomically(HERE / ".track", json.dumps({"track": name, "key": key}))
    say(f"track {track.id}: {anchor_line(track)}")
    took_s = time.monotonic() - started
    say(f"ready in {took_s:.1f} s; next: `python train.py`, {budget_s:g} s of training")


def copy_rows(track, target):
    """The rows that evaluation scores, and those of a second text if there is one, for a harness
    that hands them to `score` alone."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    files = [track.folder / name for name in ("eval.bin", SECOND)]
    temporary.write_bytes(b"".join(file.read_bytes() for file in files if file.exists()))
    os.replace(temporary, target)


def check_settings(base, args):
    """{"vocab_size", "seq_len"}; only `custom` may choose them."""
    own = TRACKS[base]
    if base != "custom" and (args.vocab_size or args.seq_len or args.data):
        raise PrepareError(
            "--data, --vocab-size and --seq-len belong to `--track custom`; "
            f"{base} has {own['vocab_size']} and {own['seq_len']}"
        )
    if base == "custom" and not args.data:
        raise PrepareError(
            "--track custom needs --data PATH: a folder, text, .jsonl, .json, or .csv or .parquet "
            "with a column `text`"
        )
    vocab_size, seq_len = args.vocab_size or own["vocab_size"], args.seq_len or own["seq_len"]
    if not BYTE_VOCAB <= vocab_size <= MAX_VOCAB:
        raise PrepareError(
            f"--vocab-size {vocab_size} must lie between {BYTE_VOCAB} (plain bytes) and {MAX_VOCAB}"
        )
    if not 8 <= seq_len <= 2**20:
        raise PrepareError(f"--seq-len {seq_len} must lie between 8 and {2**20}")
    return {"vocab_size": vocab_size, "seq_len": seq_len}


def open_source(base, root, args):
    if base == "climbmix":
        return open_climbmix(root, args.num_shards, args.download_workers)
    if base == "tinystories":
        return open_tinystories(root, args.download_workers)
    if base == "custom":
        try:
            return Custom(args.data)
        except (OSError, UnicodeDecodeError) as error:
            sentence = f"--data {args.data} cannot be read as UTF-8 text: {error}"
            raise PrepareError(sentence) from error
    return Pystd() if base == "pystd" else Stories()


def remove_leftovers(root):
    """Of a prepare that was killed; the lock says that none is at work now."""
    for folder in root.glob(".new-*"):
        shutil.rmtree(folder, ignore_errors=True)
    for file in root.glob(".ready-*.tmp"):
        file.unlink(missing_ok=True)


def is_prepared(folder):
    try:
        damage = find_damage(folder, read_manifest(folder), thorough=True)
    except (OSError, ValueError, KeyError, TypeError):
        damage = "its manifest cannot be read" if folder.exists() else "missing"
    if damage and folder.exists():
        say(f"{folder} is damaged ({damage}); making it anew")
        shutil.rmtree(folder)
    return not damage


def build(source, data_fingerprint, settings, target):
    """Make the prepared folder under another name, and give it its name when it is whole."""
    folder = target.with_name(f".new-{os.getpid()}-{secrets.token_hex(4)}")
    folder.mkdir()
    tokenizer = train_tokenizer(source, settings["vocab_size"])
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer.to_json()), "utf-8")
    train = write_tokens(source.documents("train"), tokenizer, folder, "train")
    val = write_tokens(source.documents("val"), tokenizer, folder, "val", source.eval_tokens)
    if not train["tokens"] or not val["bytes"]:
        raise PrepareError(
            "no training or no validation document was found; is the data what the track expects?"
        )
    rows = pack_evaluation(*read_tokens(folder, "val"), settings["seq_len"], tokenizer.bos)
    rows.tofile(folder / "eval.bin")
    counted = read_tokens(folder, "train")[0]
    anchors = {"trigram_bpb": trigram_bpb(counted, rows, tokenizer)}
    if isinstance(source, Stories):
        anchors["entropy_bpb"] = source.entropy_bpb()
    about = {
        "data_fingerprint": data_fingerprint,
        "seq_len": settings["seq_len"],
        "train": train,
        "val": val,
        "eval_rows": len(rows),
        "anchors": anchors,
    }
    if "second" in getattr(source, "splits", {}):
        texts = source.documents("second")
        about["second"] = write_second(texts, tokenizer, folder, settings["seq_len"], counted)
    write_manifest(folder, tokenizer, about)
    flush_to_disk(folder)
    os.rename(folder, target)


def write_second(texts, tokenizer, folder, seq_len, train):
    """Write the rows of a second hidden text; what the trigram scores on each of them."""
    rows = pack_texts(texts, tokenizer, seq_len)
    rows.tofile(folder / SECOND)
    bits, _ = trigram_bits(train, rows, tokenizer)
    return {"trigram_bits": [round(float(each), 3) for each in bits]}


def write_manifest(folder, tokenizer, about):
    """What the folder holds, was made of and was made by; written last."""
    names = ["tokenizer.json", "train.bin", "train.idx", "val.bin", "val.idx", "eval.bin"]
    names += [SECOND] if "second" in about else []
    files = {
        n: {"size": (folder / n).stat().st_size, "sha256": sha256_file(folder / n)} for n in names
    }
    manifest = {
        "format": "autoresearch-track-1",
        "code_sha256": code_sha256(DATA),
        "tokenizer_fingerprint": files["tokenizer.json"]["sha256"],
        "token_bytes_sha256": fingerprint(tokenizer.token_bytes.tolist()),
        "eval_sha256": files["eval.bin"]["sha256"],
        "vocab_size": tokenizer.vocab_size,
        "files": files,
        "python": platform.python_version(),
    }
    (folder / "manifest.json").write_text(json.dumps(manifest | about, indent=1), "utf-8")


def flush_to_disk(folder):
    """Contents before the name: after a power cut a folder is there whole or not at all."""
    for path in folder.iterdir():
        with open(path, "rb+") as file:
            os.fsync(file.fileno())


def train_tokenizer(source, vocab_size):
    if vocab_size == BYTE_VOCAB:
        return Tokenizer.train((), vocab_size)
    split = "tokenizer" if "tokenizer" in getattr(source, "splits", {}) else "train"
    started, size = time.monotonic(), 0
    say(f"training a tokenizer of {vocab_size} tokens")

    def texts():
        nonlocal size
        for text in source.documents(split):
            yield text
            size += len(text)
            if size >= TOKENIZER_BYTES:
                return

    tokenizer = Tokenizer.train(texts(), vocab_size)
    if tokenizer.vocab_size < vocab_size:
        say(f"the text offers merges for {tokenizer.vocab_size} tokens only: a smaller vocabulary")
    took_s, millions = time.monotonic() - started, size / 1e6
    vocab_size = tokenizer.vocab_size
    say(f"tokenizer: {vocab_size} tokens from {millions:.1f} M characters in {took_s:.1f} s")
    return tokenizer


def write_tokens(texts, tokenizer, folder, split, enough_tokens=None):
    """Write split.bin and split.idx, up to the document that makes it enough; the counts."""
    starts, written, size, told = [], 0, 0, time.monotonic()
    lengths = tokenizer.token_bytes.numpy()
    with open(folder / f"{split}.bin", "wb") as file, ThreadPoolExecutor(os.cpu_count()) as pool:
        for batch in in_batches(texts, 8_000_000):
            for ids in pool.map(tokenizer.encode_array, batch):
                if enough_tokens is not None and written - len(starts) >= enough_tokens:
                    break
                starts.append(written)
                np.array([tokenizer.bos], np.uint16).tofile(file)
                ids.tofile(file)
                written += 1 + len(ids)
                size += int(lengths[ids].sum())
            else:
                if time.monotonic() - told > 5:
                    told = time.monotonic()
                    say(f"{split}: {size / 1e6:.0f} MB tokenised")
                continue
            break
    np.array([*starts, written], np.uint64).tofile(folder / f"{split}.idx")
    counts = {"documents": len(starts), "tokens": written - len(starts), "bytes": size}
    say(f"{split}: {counts['documents']:,} documents, {counts['tokens']:,} tokens, {size:,} bytes")
    return counts


def in_batches(texts, size):
    """Lists of texts of about `size` characters: work for all cores that fits any memory."""
    batch, length = [], 0
    for text in texts:
        batch.append(text)
        length += len(text)
        if length >= size:
            yield batch
            batch, length = [], 0
    yield batch


def show(track, thorough=True):
    """Everything about a prepared track, checked byte for byte."""
    if thorough and (damage := find_damage(track.folder, track.manifest, thorough=True)):
        raise PrepareError(
            f"the prepared data is damaged ({damage}); run prepare.py --track {track.name} again"
        )
    m, tokenizer = track.manifest, Tokenizer.load(track)
    tokens, starts = read_tokens(track.folder, "val")
    sample = tokenizer.decode(tokens[starts[0] : min(starts[1], starts[0] + 120)].tolist())
    say(f"track: {track.name}\nid: {track.id}\nfolder: {track.folder}")
    say(f"budget_s: {track.budget_s:g}\nseq_len: {track.seq_len}\nvocab_size: {track.vocab_size}")
    for split in ("train", "val"):
        say(f"{split}: {', '.join(f'{count:,} {what}' for what, count in m[split].items())}")
    rows = f"{m['eval_rows']:,} rows of {track.seq_len} tokens"
    say(f"evaluation: {rows}, sha256 {m['eval_sha256'][:16]}")
    say(f"data: {m['data_fingerprint'][:16]}\ntokenizer: {m['tokenizer_fingerprint'][:16]}")
    say(
        f"prepare.py: {code_sha256(NUMBERS)[:16]}\nanchors: {anchor_line(track)}\nsample:\n{sample}"
    )
