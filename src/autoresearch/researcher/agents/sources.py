"""The text of free files, whatever their encoding: what an agent does not change is written back
byte for byte. Leaves to others: which files are free (workspace)."""

from __future__ import annotations

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
