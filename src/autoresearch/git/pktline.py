"""Git's pkt-lines (gitprotocol-common(5)), and the two things the hub says in them: refs it
advertises, and what became of a push."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from autoresearch.errors import BadBundle, BadInput
from autoresearch.git.bundle import is_ref_name

FLUSH = b"0000"
COMMANDS_MAX = 1000
SHALLOW_MAX = 100_000
OPTIONS_MAX = 100  # push options, which are read and not used
BAND_BYTES = 65_515  # of data in one packet of side-band-64k
ZERO = "0" * 40
PREFIX = "ref-prefix "
_WANT = re.compile(rb"want ([0-9a-fA-F]{40})")
_LENGTH = re.compile(rb"[0-9a-fA-F]{4}")
_HEX = frozenset(b"0123456789abcdef")


@dataclass(frozen=True, slots=True)
class Command:
    """A ref to create, move or (with `new` at ZERO) delete."""

    old: str
    new: str
    name: str


@dataclass(frozen=True, slots=True)
class PushRequest:
    """What a push asks for, and what its sender understands.

    `problem` says why the rest of it cannot be read; empty where all is well.
    """

    commands: list[Command]
    capabilities: frozenset[str]
    problem: str = ""


def read_wants(body: bytes) -> set[str]:
    """The hashes that a fetch asks for, by protocol 0, 1 or 2, read line by line as git reads
    them. Raises BadInput for what is no request of git's.
    """
    return {found[1].decode().lower() for line in _split(body) if (found := _WANT.match(line))}


def _split(body: bytes) -> Iterator[bytes]:
    """The lines of a whole request, without the marks between its parts."""
    at = 0
    while at < len(body):
        head = body[at : at + 4]
        length = int(head, 16) if _LENGTH.fullmatch(head) else 3
        if length == 3 or at + length > len(body):
            raise BadInput("the request is cut off, or is none of git's")
        if length > 4:
            yield body[at + 4 : at + length]
        at += max(length, 4)


@dataclass(frozen=True, slots=True)
class RefsAsked:
    """What `ls-refs` of protocol 2 asks for: names that begin with one of `prefixes`, or all
    where there is none. Of what no ref has (peeled tags) nothing is said.
    """

    prefixes: tuple[str, ...]
    symrefs: bool
    unborn: bool


def read_ls_refs(body: bytes) -> RefsAsked | None:
    """None for another command. Raises BadInput for what is no request of git's."""
    lines = [line.rstrip(b"\n").decode("utf-8", "replace") for line in _split(body)]
    if lines[:1] != ["command=ls-refs"]:
        return None
    prefixes = [line[len(PREFIX) :] for line in lines if line.startswith(PREFIX)]
    return RefsAsked(tuple(prefixes), "symrefs" in lines, "unborn" in lines)


def write_ls_refs(refs: Mapping[str, str], head: str, asked: RefsAsked) -> bytes:
    """The answer: HEAD, which points at the name `head`, and those of `refs` (name to hash) that
    were asked for.
    """
    at = f" symref-target:{head}" if asked.symrefs else ""
    lines = []
    if _is_asked("HEAD", asked) and (head in refs or asked.unborn):
        lines.append(f"{refs.get(head, 'unborn')} HEAD{at}\n")
    lines += [f"{refs[name]} {name}\n" for name in sorted(refs) if _is_asked(name, asked)]
    return b"".join(write_line(line) for line in lines) + FLUSH


def _is_asked(name: str, asked: RefsAsked) -> bool:
    return not asked.prefixes or name.startswith(asked.prefixes)


def write_error(sentence: str) -> bytes:
    """An answer that git shows as `remote error`."""
    return write_line(f"ERR {_one_line(sentence)}\n")


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


def read_push(file: BinaryIO) -> PushRequest:
    """What a push asks for, up to the flush; the pack comes behind it.

    The hub has whole histories: what a shallow clone says of its own ends is of no account.
    """
    commands: list[Command] = []
    capabilities: frozenset[str] = frozenset()
    shallow = 0
    try:
        while (text := _read_line(file)) is not None:
            if text.startswith(b"shallow ") and shallow < SHALLOW_MAX:
                shallow += 1
                continue
            line, _, offered = text.partition(b"\0")
            if not commands:
                capabilities = frozenset(offered.decode("utf-8", "replace").split())
            commands.append(_parse_command(line.rstrip(b"\n")))
            if len(commands) > COMMANDS_MAX:
                raise BadBundle(f"a push moves up to {COMMANDS_MAX} refs")
        if len({command.name for command in commands}) < len(commands):
            raise BadBundle("the push names a ref twice")
        if commands and "push-options" in capabilities:
            _skip_options(file)
    except BadBundle as error:
        return PushRequest(commands, capabilities, str(error))
    return PushRequest(commands, capabilities)


def _skip_options(file: BinaryIO) -> None:
    for _ in range(OPTIONS_MAX):
        if _read_line(file) is None:
            return
    raise BadBundle(f"a push has up to {OPTIONS_MAX} options")


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
            "the push has a command that cannot be read; this hub keeps SHA-1 repositories"
        )
    if not is_ref_name(parts[2]):
        raise BadBundle(f"{parts[2][:80].decode('utf-8', 'replace')!r} is no name for a ref")
    return Command(parts[0].decode(), parts[1].decode(), parts[2].decode())


def write_report(
    unpack: str, outcomes: Sequence[tuple[str, str]], capabilities: Collection[str]
) -> bytes:
    """What became of a push: `unpack` is "ok" or a sentence; outcomes are (ref name, "" or a
    sentence). Written as the sender of `capabilities` reads it."""
    if not {"report-status", "report-status-v2"} & set(capabilities):
        return b""
    lines = [write_line(f"unpack {_one_line(unpack)}\n")]
    lines += [
        write_line(f"ng {name} {_one_line(why)}\n" if why else f"ok {name}\n")
        for name, why in outcomes
    ]
    report = b"".join(lines) + FLUSH
    if "side-band-64k" not in capabilities:
        return report
    pieces = [report[at : at + BAND_BYTES] for at in range(0, len(report), BAND_BYTES)]
    return b"".join(write_line(b"\1" + piece) for piece in pieces) + FLUSH


def _one_line(text: str) -> str:
    return " ".join(text.split())[:1000]
