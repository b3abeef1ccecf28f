"""The track `custom`: the user's own text."""

import hashlib
import os
from pathlib import Path

from fixed.errors import PrepareError
from fixed.pystd import path_hash
from fixed.terminal import say
from fixed.textfiles import file_texts

VAL_SHARE, VAL_BYTES = 0.05, 400_000  # whichever is less
VAL_LEAST = 2_000  # bytes that validation has at least, or a quarter of a very small text
NO_TEXTS = {"node_modules", "__pycache__", "site-packages", "__macosx"}  # folders of tools


class Custom:
    """A folder of files, or one: text, .json, .jsonl, .csv, .tsv or .parquet, packed or not."""

    eval_tokens = None

    def __init__(self, data):
        self.path = Path(data).expanduser().resolve()
        # a text that occurs twice counts once: it would stand on both sides
        texts = list(dict.fromkeys(t for t in self.read(self.path) if t.strip()))
        size = sum(len(t.encode()) for t in texts)
        if size < 1000:
            raise PrepareError(
                f"{self.path} holds {len(texts)} documents and {size} bytes of text: "
                "too little to train and to score on"
            )
        self.splits = split_by_hash(texts, validation_bytes(size))
        self.fingerprint = [hashlib.sha256(text.encode()).hexdigest() for text in texts]

    def read(self, path):
        if not path.is_dir():
            yield from file_texts(path)
            return
        for file in find_files(path):
            try:
                yield from file_texts(file)
            except UnicodeDecodeError:
                say(f"left out, not UTF-8 text: {file}")
            except (PrepareError, OSError) as error:
                say(f"left out: {error}")

    def documents(self, split):
        yield from self.splits[split]


def find_files(folder):
    """Files below the folder, sorted; without hidden ones and those that tools put there."""
    found, left_out = [], set()
    for place, folders, names in os.walk(folder):
        tools = {name for name in folders if is_of_a_tool(Path(place, name))}
        left_out |= tools
        folders[:] = set(folders) - tools
        found += [Path(place, name) for name in names if not name.startswith(".")]
    if left_out:
        say(f"left out, folders of tools: {', '.join(sorted(left_out))}")
    return sorted(file for file in found if file.is_file())


def is_of_a_tool(folder):
    is_hidden = folder.name.startswith(".") or folder.name.lower() in NO_TEXTS
    return is_hidden or (folder / "pyvenv.cfg").exists()


def validation_bytes(size):
    return min(VAL_BYTES, max(VAL_SHARE * size, min(VAL_LEAST, size // 4)))


def split_by_hash(texts, val_bytes):
    """Validation takes documents by their hash, at least half of val_bytes and at most all of them.

    Of a document that is too long for what is left, it takes the beginning."""
    heads, size = {}, 0
    for text in sorted(texts, key=path_hash):
        room = int(val_bytes - size)
        is_long = len(text.encode()) > room
        if is_long and size >= val_bytes / 2:
            break
        heads[text] = beginning(text, room) if is_long else text
        size += len(heads[text].encode())
    val = {head for head in heads.values() if head.strip()}
    rests = (text.removeprefix(heads.get(text, "")) for text in texts)
    return {
        "train": [rest for rest in rests if rest.strip() and rest not in val],
        "val": [heads[text] for text in texts if heads.get(text) in val],
    }


def beginning(text, size_bytes):
    """At most size_bytes of the text, up to the end of a line where one is near."""
    head = text.encode()[:size_bytes].decode("utf-8", "ignore")
    end = head.rfind("\n") + 1
    return head[:end] if end > len(head) // 2 else head
