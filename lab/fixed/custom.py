"""The track `custom`: the user's own text."""

import hashlib
import json
from pathlib import Path

from fixed.errors import PrepareError
from fixed.parquet import parquet_texts
from fixed.pystd import path_hash
from fixed.terminal import say

VAL_SHARE, VAL_BYTES = 0.05, 400_000  # whichever is less
DOCUMENT_BYTES = 16_384  # a longer .txt file is cut into documents of about this size, at line ends


class Custom:
    """A folder, .txt, .jsonl (a line: a string, or an object with `text`) or .parquet."""

    eval_tokens = None

    def __init__(self, data):
        self.path = Path(data).expanduser().resolve()
        # a text that occurs twice counts once: it would stand on both sides
        texts = list(dict.fromkeys(t for t in self.read(self.path) if t.strip()))
        size = sum(len(t.encode()) for t in texts)
        if len(texts) < 2 or size < 1000:
            raise PrepareError(
                f"{self.path} holds {len(texts)} documents and {size} bytes of text: "
                "too little to train and to score on"
            )
        self.splits = split_by_hash(texts, min(VAL_BYTES, VAL_SHARE * size))
        self.fingerprint = [hashlib.sha256(text.encode()).hexdigest() for text in texts]

    def read(self, path):
        if path.is_dir():
            files = (p for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))
            for file in sorted(files):
                try:
                    yield from self.read(file)
                except UnicodeDecodeError:
                    say(f"left out, not UTF-8 text: {file}")
        elif path.suffix == ".parquet":
            yield from parquet_texts(path)
        elif path.suffix == ".jsonl":
            yield from jsonl_texts(path)
        else:
            text = path.read_bytes().decode("utf-8").replace("\r\n", "\n")
            yield from cut_at_lines(text, DOCUMENT_BYTES)

    def documents(self, split):
        yield from self.splits[split]


def jsonl_texts(path):
    for number, line in enumerate(path.read_text("utf-8").split("\n"), 1):
        if line.strip():
            try:
                value = json.loads(line)
                text = value if isinstance(value, str) else value["text"]
                text.encode("utf-8")
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise PrepareError(
                    f"{path}, line {number}: neither a JSON string nor an object with `text`"
                ) from error
            yield text


def cut_at_lines(text, size_bytes):
    """The text in order, cut after lines once a piece has size_bytes; a longer line anywhere."""
    piece, length = [], 0
    for line in text.splitlines(keepends=True):
        for part in (line[i : i + size_bytes] for i in range(0, len(line), size_bytes)):
            piece.append(part)
            length += len(part.encode())
            if length >= size_bytes:
                yield "".join(piece)
                piece, length = [], 0
    if piece:
        yield "".join(piece)


def split_by_hash(texts, val_bytes):
    """Validation takes documents by their hash up to val_bytes, at least one and never all."""
    order = sorted(texts, key=path_hash)
    size, val = 0, set()
    for text in order[:-1]:
        if val and size + len(text.encode()) > val_bytes:
            break
        val.add(text)
        size += len(text.encode())
    return {"train": [t for t in texts if t not in val], "val": [t for t in texts if t in val]}
