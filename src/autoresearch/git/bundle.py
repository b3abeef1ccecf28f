"""The header of a git bundle, read and written as bytes (gitformat-bundle(5)). The pack behind it
is `pack`'s business.

A bundle comes from strangers: its header is limited in size, its names are checked as strictly as
git-check-ref-format(1) does, and what this project does not keep (SHA-256 repositories, partial
clones) is refused with a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO

from autoresearch.errors import BadBundle

HEADER_MAX_BYTES = 1024 * 1024
LINE_MAX_BYTES = 4096
REFS_MAX = 1000
PREREQUISITES_MAX = 10_000
NAME_MAX_BYTES = 250
_OID = re.compile(rb"[0-9a-f]{40}")
_OID_256 = re.compile(rb"[0-9a-f]{64}")
_NEVER_IN_NAMES = re.compile(rb"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|\.$|/$|^/|(^|/)\.|\.lock(/|$)")


@dataclass(frozen=True, slots=True)
class Header:
    """What a bundle says before its pack. Hashes are 40 lower-case hex digits; `pack_start` is the
    pack's offset in the file."""

    prerequisites: tuple[str, ...]
    refs: tuple[tuple[str, str], ...]  # (hash, name)
    pack_start: int

    @property
    def heads(self) -> list[str]:
        """The hashes of the refs, in the bundle's order, each once."""
        return list(dict.fromkeys(oid for oid, _ in self.refs))


def is_ref_name(name: bytes) -> bool:
    """Whether `name` is HEAD or a full ref name as git-check-ref-format(1) wants it, in UTF-8."""
    if name == b"HEAD":
        return True
    if not name.startswith(b"refs/") or len(name) > NAME_MAX_BYTES or name.count(b"/") < 2:
        return False
    try:
        name.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return _NEVER_IN_NAMES.search(name) is None


def read_header(file: BinaryIO) -> Header:
    """Read the header from the beginning of `file`. Raises BadBundle for anything but a bundle
    this project can keep."""
    version = _parse_version(file.readline(LINE_MAX_BYTES))
    prerequisites: dict[str, None] = {}
    refs: list[tuple[str, str]] = []
    names: set[str] = set()
    while (line := _read_line(file)) != b"":
        if line.startswith(b"@"):
            _check_capability(line, version, before_refs=not (refs or prerequisites))
        elif line.startswith(b"-"):
            if refs:
                raise BadBundle("the bundle's header names a prerequisite behind its refs")
            prerequisites[_parse_oid(line[1:].split(b" ", 1)[0])] = None
        else:
            refs.append(_parse_ref(line, names))
        if len(refs) > REFS_MAX or len(prerequisites) > PREREQUISITES_MAX:
            raise BadBundle(
                f"the bundle names over {REFS_MAX} refs or {PREREQUISITES_MAX} "
                "prerequisites; bundle fewer"
            )
    if not refs:
        raise BadBundle("the bundle names no ref; make it with `git bundle create FILE HEAD`")
    return Header(tuple(prerequisites), tuple(refs), file.tell())


def write_header(refs: Iterable[tuple[str, str]], prerequisites: Iterable[str] = ()) -> bytes:
    """The header of a version 2 bundle; `refs` are (hash, name)."""
    lines = [
        "# v2 git bundle",
        *(f"-{oid}" for oid in prerequisites),
        *(f"{oid} {name}" for oid, name in refs),
    ]
    return ("\n".join(lines) + "\n\n").encode()


def _parse_version(line: bytes) -> int:
    if line in (b"# v2 git bundle\n", b"# v3 git bundle\n"):
        return int(line[3:4])
    raise BadBundle("this is no git bundle; make one with `git bundle create FILE HEAD`")


def _read_line(file: BinaryIO) -> bytes:
    line = file.readline(LINE_MAX_BYTES)
    if not line.endswith(b"\n"):
        raise BadBundle("the bundle's header ends too soon, or has a line that is too long")
    if file.tell() > HEADER_MAX_BYTES:
        raise BadBundle(
            f"the bundle's header is larger than {HEADER_MAX_BYTES} bytes; bundle fewer refs"
        )
    return line[:-1]


def _check_capability(line: bytes, version: int, before_refs: bool) -> None:
    if version < 3 or not before_refs:
        raise BadBundle("the bundle's header has a capability where none belongs")
    if line == b"@object-format=sha1":
        return
    if line == b"@object-format=sha256":
        raise BadBundle(
            "this is a SHA-256 repository; this hub keeps SHA-1 ones, so push from "
            "`git init` without --object-format"
        )
    if line.startswith(b"@filter="):
        raise BadBundle(
            "this bundle leaves objects out (a filter); push from a full clone, without --filter"
        )
    raise BadBundle(
        f"the bundle asks for {line[1:60].decode('utf-8', 'replace')!r}, which this hub "
        "does not know"
    )


def _parse_oid(text: bytes) -> str:
    if _OID_256.fullmatch(text):
        raise BadBundle(
            "this is a SHA-256 repository; this hub keeps SHA-1 ones, so push from "
            "`git init` without --object-format"
        )
    if not _OID.fullmatch(text):
        raise BadBundle(
            f"the bundle's header has {text[:60].decode('utf-8', 'replace')!r} where a hash belongs"
        )
    return text.decode()


def _parse_ref(line: bytes, names: set[str]) -> tuple[str, str]:
    text, _, name = line.partition(b" ")
    oid = _parse_oid(text)
    if not is_ref_name(name):
        raise BadBundle(f"{name[:80].decode('utf-8', 'replace')!r} is no name for a ref")
    if name.decode() in names:
        raise BadBundle(f"the bundle names {name.decode()!r} twice")
    names.add(name.decode())
    return oid, name.decode()
