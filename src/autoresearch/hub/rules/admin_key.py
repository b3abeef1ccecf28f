"""The hub's admin key: given by the operator, or made once and kept in a file of the data folder.

Nodes that share a PostgreSQL database share the key that the first of them made: its hash is in
the database, the key itself on that node alone. A key that the operator chose is stored nowhere,
for it may be guessed, and is given to every node.

A key is on disk before anybody sees it. A file that a crash left empty or cut short is no key: the
hub does not start with it. Who may do what with a key is decided in `rules.accounts`.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from autoresearch.errors import BadInput
from autoresearch.files import PRIVATE, replace_file
from autoresearch.hub.rules.accounts import SECRET_MIN_CHARS, digest, is_secret
from autoresearch.hub.store import accounts
from autoresearch.hub.store.database import Database
from autoresearch.hub.store.statements import Transaction

FILE_NAME = "admin.key"
PREFIX = "aha_"
OURS = re.compile(PREFIX + "[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True)
class AdminKey:
    """`is_new` where it was made just now; `path` is where it is kept, or would be.

    `digest` is its SHA-256; `text` is empty where another node keeps the key.
    """

    text: str
    path: Path
    digest: bytes
    is_new: bool = False


def find_or_make(data: Path, given: str | None, url: str = "") -> AdminKey:
    """The key to serve with. Raises BadInput for one that is empty, cut short or no text."""
    path = data / FILE_NAME
    if given is not None:
        return _key(check_given(given), path)
    db = Database(data, url)
    try:
        with db.write() as tx:  # two hubs that start at once make one key
            return _find_shared(tx, path) if url else _find_own(path)
    finally:
        db.close()


def _find_own(path: Path) -> AdminKey:
    return _read(path) if path.exists() else _make(path)


def _find_shared(tx: Transaction, path: Path) -> AdminKey:
    stored = accounts.admin_key_hash(tx)
    if stored and not path.exists():
        return AdminKey("", path, stored)
    key = _find_own(path)
    accounts.set_admin_key_hash(tx, key.digest)
    return key


def _key(text: str, path: Path, is_new: bool = False) -> AdminKey:
    return AdminKey(text, path, digest(text), is_new)


def check_given(key: str) -> str:
    """A key that the operator chose. Raises BadInput."""
    if not is_secret(key.strip()):
        raise BadInput(
            "the admin key (--admin-key or AGENTHUB_ADMIN_KEY) is empty or too short: it needs "
            f"{SECRET_MIN_CHARS} or more visible ASCII characters; leave it unset to have one made"
        )
    return key.strip()


def _read(path: Path) -> AdminKey:
    key = path.read_bytes().decode("latin-1").strip()
    is_whole = OURS.fullmatch(key) if key.startswith(PREFIX) else is_secret(key)
    if not is_whole:
        raise BadInput(
            f"{path} holds no whole key: it is empty, cut short or damaged. Put the key back from "
            "where you keep it, or delete the file and start again: a new key is made and printed"
        )
    return _key(key, path)


def _make(path: Path) -> AdminKey:
    key = PREFIX + secrets.token_hex(32)  # 256 bits
    replace_file(path, f"{key}\n".encode("ascii"), mode=PRIVATE)
    return _key(key, path, is_new=True)
