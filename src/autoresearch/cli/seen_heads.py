"""The heads of hubs' logs that were seen before, in a file for each hub, among the user's settings.

A hub that shows a log which does not go through them has rewritten its past, or shows two.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from autoresearch.cli.credentials import user_file
from autoresearch.errors import BadInput
from autoresearch.files import PRIVATE, replace_file

if TYPE_CHECKING:
    from autoresearch.models import TreeHead

KEPT = 50  # of each hub, the newest


def find_file(environ: Mapping[str, str], place: str) -> Path:
    """The file of a hub, by its address."""
    name = hashlib.sha256(place.rstrip("/").encode()).hexdigest()[:24]
    return user_file(environ).parent / "heads" / f"{name}.json"


def read_heads(file: Path) -> list[TreeHead]:
    """Oldest first; one head alone too, as a hub tells it."""
    if not file.exists():
        return []
    import msgspec

    from autoresearch.models import TreeHead

    try:
        found = msgspec.json.decode(file.read_bytes(), type=list[TreeHead] | TreeHead)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"{file} holds no head of a log: {error}") from error
    return found if isinstance(found, list) else [found]


def read_heads_by(environ: Mapping[str, str], public_key: str) -> list[TreeHead]:
    """Every head that was signed by a hub's key, wherever the hub was."""
    files = sorted((user_file(environ).parent / "heads").glob("*.json"))
    return [head for file in files for head in read_heads(file) if head.public_key == public_key]


def keep_head(file: Path, head: TreeHead) -> None:
    """Remember a head."""
    import msgspec

    seen = [old for old in read_heads(file) if (old.size, old.root) != (head.size, head.root)]
    told = msgspec.json.format(msgspec.json.encode([*seen, head][-KEPT:]), indent=1)
    replace_file(file, told + b"\n", mode=PRIVATE)
