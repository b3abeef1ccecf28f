"""Hashes, atomic writes and the lock of a track's folder."""

import contextlib
import hashlib
import json
import os
import secrets
from pathlib import Path

from fixed.terminal import say

HERE = Path(__file__).resolve().parent.parent  # where prepare.py lies


def sha256_file(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 22):
            digest.update(block)
    return digest.hexdigest()


def fingerprint(value):
    """sha256 of a JSON value, in hex."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def write_atomically(path, text):
    """Whole or not at all, whoever else writes the same file at the same time."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    temporary.write_text(text, "utf-8", "surrogateescape")
    os.replace(temporary, path)


@contextlib.contextmanager
def lock_folder(folder):
    """One prepare at a time in a track's folder. The lock ends with the process, even killed."""
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        say(f"another prepare works in {folder}; waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
