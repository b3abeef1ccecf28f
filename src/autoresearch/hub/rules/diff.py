"""The difference between two commits as text, the way git writes it.

Lines are compared by libgit2; which files differ, the trees tell.
"""

from __future__ import annotations

from pygit2 import Patch

from autoresearch.errors import TooLarge
from autoresearch.git.fsck import Entry
from autoresearch.hub.rules import commits
from autoresearch.hub.rules.trees import Trees
from autoresearch.hub.store.object_reader import ObjectReader
from autoresearch.hub.store.objects import size_of
from autoresearch.hub.store.statements import Reader

FILES_MAX = 1000
FILE_MAX_BYTES = 1024 * 1024  # larger files are named, not shown
COMPARED_MAX_BYTES = 32 * 1024 * 1024
TEXT_MAX_BYTES = 8 * 1024 * 1024
NOTHING = b"0000000"


def between(reader: Reader, old_digits: str, new_digits: str) -> bytes:
    """The unified diff from one commit to another; empty where they are alike.

    Raises TooLarge for one that nobody would read.
    """
    old, new = (commits.find(reader, digits).tree for digits in (old_digits, new_digits))
    parts: list[bytes] = []
    compared = written = 0
    contents = ObjectReader(reader)
    for path, before, after in Trees(reader, contents).changes(old, new, FILES_MAX):
        old_data, new_data = _read(contents, before), _read(contents, after)
        compared += len(old_data or b"") + len(new_data or b"")
        if compared > COMPARED_MAX_BYTES or written > TEXT_MAX_BYTES:
            raise TooLarge(
                "the difference is too large to show; fetch both commits and compare them with git"
            )
        parts.append(_header(path, before, after) + _lines(path, before, after, old_data, new_data))
        written += len(parts[-1])
    return b"".join(parts)


def _read(contents: ObjectReader, entry: Entry | None) -> bytes | None:
    """A file's content; None where there is no file, or too large a one."""
    row = None if entry is None else contents.row(entry.oid)
    if row is None or size_of(row) > FILE_MAX_BYTES:
        return None
    return contents.content(row).data


def _header(path: bytes, before: Entry | None, after: Entry | None) -> bytes:
    lines = [b"diff --git %b %b" % (_quote(b"a/" + path), _quote(b"b/" + path))]
    mode = b""
    if before is None and after is not None:
        lines.append(b"new file mode " + after.mode)
    elif after is None and before is not None:
        lines.append(b"deleted file mode " + before.mode)
    elif before is not None and after is not None:
        if before.mode != after.mode:
            lines += [b"old mode " + before.mode, b"new mode " + after.mode]
        else:
            mode = b" " + after.mode
    old, new = _short(before), _short(after)
    if old != new:
        lines.append(b"index %b..%b%b" % (old, new, mode))
    return b"\n".join(lines) + b"\n"


def _lines(
    path: bytes, before: Entry | None, after: Entry | None, old: bytes | None, new: bytes | None
) -> bytes:
    """Everything of a file's part behind its header."""
    if (before is None) != (old is None) or (after is None) != (new is None):
        return b"Binary files %b and %b differ\n" % (
            _side(b"a/", path, before),
            _side(b"b/", path, after),
        )
    name = path.decode("utf-8", "surrogateescape")
    patch: bytes = Patch.create_from(old, new, old_as_path=name, new_as_path=name).data
    starts = [at for mark in (b"\n--- ", b"\nBinary files ") if (at := patch.find(mark)) >= 0]
    return patch[min(starts) + 1 :] if starts else b""


def _side(prefix: bytes, path: bytes, entry: Entry | None) -> bytes:
    return b"/dev/null" if entry is None else _quote(prefix + path)


def _short(entry: Entry | None) -> bytes:
    return NOTHING if entry is None else entry.oid.hex()[:7].encode()


def _quote(path: bytes) -> bytes:
    """A path as git writes it: between quotes, with octal escapes, where it has anything but
    plain ASCII.
    """
    if all(0x20 <= byte < 0x7F and byte not in b'"\\' for byte in path):
        return path
    inner = b"".join(
        bytes([b]) if 0x20 <= b < 0x7F and b not in b'"\\' else b"\\%03o" % b for b in path
    )
    return b'"' + inner.replace(b"\\042", b'\\"') + b'"'
