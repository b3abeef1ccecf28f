"""The text of free files, whatever their encoding: what an agent does not change is written back
byte for byte. Leaves to others: which files are free (workspace)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path


def read_source(file: Path) -> str:
    """The text. Bytes that are no UTF-8 are taken one by one, as latin-1 does: that loses none."""
    data = file.read_bytes()
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def write_source(file: Path, text: str) -> None:
    """Write a new text in the encoding that the file had; in UTF-8 where that cannot hold it."""
    encoding = "utf-8"
    if file.is_file():
        try:
            file.read_bytes().decode("utf-8")
        except UnicodeDecodeError:
            encoding = "latin-1"
    try:
        data = text.encode(encoding)
    except UnicodeEncodeError:
        data = text.encode("utf-8", "backslashreplace")
    file.write_bytes(data)


def read_sources(worktree: Path, free: Sequence[str]) -> dict[str, str]:
    """The free Python files, by path. Bytes are kept as they are, line ends too."""
    files = sorted(
        {p for pattern in free for p in worktree.glob(pattern) if p.suffix == ".py" and p.is_file()}
    )
    return {file.relative_to(worktree).as_posix(): read_source(file) for file in files}


def hash_sources(sources: Mapping[str, str]) -> str:
    return sha256(
        "\0".join(f"{file}\0{text}" for file, text in sorted(sources.items())).encode()
    ).hexdigest()[:16]
