"""Git's pkt-lines (gitprotocol-common(5)), and the two things the hub says in them: refs it
advertises, and what became of a push."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from autoresearch.errors import BadBundle
from autoresearch.git.bundle import is_ref_name

FLUSH = b"0000"
COMMANDS_MAX = 1000
ZERO = "0" * 40
_HEX = frozenset(b"0123456789abcdef")


@dataclass(frozen=True, slots=True)
class Command:
    """A ref to create, move or (with `new` at ZERO) delete."""

    old: str
    new: str
    name: str


def write_line(text: str | bytes) -> bytes:
    data = text.encode() if isinstance(text, str) else text
    return b"%04x" % (len(data) + 4) + data


def write_advertisement(
    refs: Sequence[tuple[str, str]], have: Iterable[str], capabilities: str
) -> bytes:
    """What git-receive-pack says first: refs (name, hash), and hashes of further commits that need
    not be sent."""
    shown = [(oid, name) for name, oid in refs] + [(oid, ".have") for oid in have]
    (oid, name), *rest = shown or [(ZERO, "capabilities^{}")]
    lines = [
        write_line(f"{oid} {name}\0{capabilities}\n"),
        *(write_line(f"{oid} {name}\n") for oid, name in rest),
    ]
    return write_line("# service=git-receive-pack\n") + FLUSH + b"".join(lines) + FLUSH


def read_commands(file: BinaryIO) -> list[Command]:
    """What a push asks for, up to the flush; the pack comes behind it. Raises BadBundle for what
    cannot be read."""
    commands: list[Command] = []
    while (text := _read_line(file)) is not None:
        commands.append(_parse_command(text.split(b"\0", 1)[0].rstrip(b"\n")))
        if len(commands) > COMMANDS_MAX:
            raise BadBundle(f"a push moves up to {COMMANDS_MAX} refs")
    if len({command.name for command in commands}) < len(commands):
        raise BadBundle("the push names a ref twice")
    return commands


def _read_line(file: BinaryIO) -> bytes | None:
    head = file.read(4)
    if head in (FLUSH, b""):
        return None
    try:
        length = int(head, 16)
    except ValueError:
        length = 0
    data = file.read(length - 4) if length > 4 else b""
    if len(head) < 4 or length <= 4 or len(data) != length - 4:
        raise BadBundle("the push is cut off, or is none")
    return data


def _parse_command(text: bytes) -> Command:
    parts = text.split(b" ", 2)
    if len(parts) != 3 or any(len(part) != 40 or set(part) - _HEX for part in parts[:2]):
        raise BadBundle(
            "the push has a command that cannot be read; SHA-1 repositories only, and "
            "no shallow ones"
        )
    if not is_ref_name(parts[2]):
        raise BadBundle(f"{parts[2][:80].decode('utf-8', 'replace')!r} is no name for a ref")
    return Command(parts[0].decode(), parts[1].decode(), parts[2].decode())


def write_report(unpack: str, outcomes: Sequence[tuple[str, str]]) -> bytes:
    """What became of a push: `unpack` is "ok" or a sentence; outcomes are (ref name, "" or a
    sentence)."""
    lines = [write_line(f"unpack {_one_line(unpack)}\n")]
    lines += [
        write_line(f"ng {name} {_one_line(why)}\n" if why else f"ok {name}\n")
        for name, why in outcomes
    ]
    return b"".join(lines) + FLUSH


def _one_line(text: str) -> str:
    return " ".join(text.split())[:1000]
