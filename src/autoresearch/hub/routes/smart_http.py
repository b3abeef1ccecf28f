"""Plain git over HTTP (gitprotocol-http(5)): `git clone URL/git`, `git fetch`, and `git push`
with the key as password.

Reading runs `git upload-pack` on the mirror; a push is read here and goes the way of every push:
same rules, same rows.
"""

from __future__ import annotations

import asyncio
import io
import logging
import zlib
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Annotated, Any, BinaryIO, Literal

import msgspec
from litestar import Request, Response, get, post, route
from litestar.params import QueryParameter
from litestar.response import Stream

from autoresearch.errors import AutoresearchError, BadBundle, BadInput, TooLarge
from autoresearch.git import pktline
from autoresearch.hub.routes.common import (
    DISK_FULL,
    TheCaller,
    TheHub,
    hold_share,
    try_share,
)
from autoresearch.hub.routes.git import spool_body
from autoresearch.hub.rules import commits, refs
from autoresearch.hub.rules.spool import BODY_BYTES, FULL, give_descriptor, open_spool

# what a fetch may ask: a line of 50 bytes for every commit it names
ASK_MAX_BYTES = 4 * 1024 * 1024
HAVE_SHOWN = 50
NO_CACHE = {"Cache-Control": "no-cache, max-age=0, must-revalidate"}
COMMANDS_MAX_BYTES = 1024 * 1024  # read of a push that is too large, to say so for each ref
HEAD_BYTES = 256 * 1024  # of a push that stay in memory, to say so where the disk is full
NO_ROOM = f"507: {FULL}"
GZIP = b"\x1f\x8b"
CAPABILITIES = (
    "report-status report-status-v2 delete-refs side-band-64k quiet atomic ofs-delta"
    " push-options object-format=sha1 agent=agenthub"
)
BLOCK = 256 * 1024
log = logging.getLogger("agenthub")
TURN_S, TURN_POLL_S = 30.0, 0.1  # how long a clone waits for its turn


@get("/git/info/refs", include_in_schema=False)
async def info_refs(
    request: Request[Any, Any, Any],
    hub: TheHub,
    service: Annotated[Literal["git-upload-pack", "git-receive-pack"], QueryParameter()],
) -> Response[Any]:
    """What git asks first: the refs, and what the server can do."""
    media_type = f"application/x-{service}-advertisement"
    if service == "git-receive-pack":
        reader = hub.db.reader
        agent_id = request.scope["caller"].agent_id  # type: ignore[typeddict-item]
        named = [(ref.name, ref.hash) for ref in refs.list_for_push(reader, agent_id)]
        have = commits.newest_leaves(reader, HAVE_SHOWN)
        body = pktline.write_advertisement(named, have, CAPABILITIES)
        return Response(body, media_type=media_type, headers=NO_CACHE)
    protocol = _protocol(request)
    body = await _advertise(hub, protocol)
    if protocol != "version=2":
        body = pktline.write_line("# service=git-upload-pack\n") + pktline.FLUSH + body
    return Response(body, media_type=media_type, headers=NO_CACHE)


def _protocol(request: Request[Any, Any, Any]) -> str:
    asked = request.headers.get("git-protocol", "")
    return asked if asked in ("version=1", "version=2") else ""


@post("/git/git-upload-pack", status_code=200, include_in_schema=False, request_max_body_size=None)
async def upload_pack(
    request: Request[Any, Any, Any], hub: TheHub, caller: TheCaller
) -> Response[Any]:
    """A fetch or clone, or with protocol 2 a list of refs, which waits for no turn."""
    file = await _body(request, ASK_MAX_BYTES)
    media_type = "application/x-git-upload-pack-result"
    protocol = _protocol(request)
    try:
        if answer := await hub.in_long_lane(_answer_at_once, hub, file.read(), protocol):
            file.close()
            return Response(answer, media_type=media_type, headers=NO_CACHE)
        file.seek(0)
        await _await_turn(request, hub, f"agent:{caller.agent_id}")
        bare = await hub.in_long_lane(hub.mirror.refresh)
        file = give_descriptor(file)
    except BaseException:
        file.close()
        raise
    pieces = _uploading(bare.upload_pack(file, protocol), file)
    return Stream(pieces, media_type=media_type, headers=NO_CACHE)


def _answer_at_once(hub: TheHub, body: bytes, protocol: str) -> bytes:
    """Refs by protocol 2, or why what is asked for is not handed out; empty where git shall
    answer.
    """
    asked = pktline.read_ls_refs(body) if protocol == "version=2" else None
    if asked is not None:
        named = refs.list_asked(hub.db.reader, asked.prefixes)
        return pktline.write_ls_refs(named, refs.name_head(named), asked)
    refusal = hub.hidden.refuse(hub.db.reader, pktline.read_wants(body))
    return pktline.write_error(refusal) if refusal else b""


async def _advertise(hub: TheHub, protocol: str) -> bytes:
    """What git answers first: gathered whole, so that no slow reader holds a turn."""
    bare = await hub.in_long_lane(hub.mirror.refresh)
    async with hub.advertisements:
        return b"".join([piece async for piece in bare.upload_pack(None, protocol)])


async def _await_turn(request: Request[Any, Any, Any], hub: TheHub, owner: str) -> None:
    """Wait for one of the owner's turns to upload; it lasts as long as the request.

    Raises HTTPException 503 after a while.
    """
    ends = asyncio.get_running_loop().time() + TURN_S
    while asyncio.get_running_loop().time() < ends and not hub.uploads.has_room(owner):
        await asyncio.sleep(TURN_POLL_S)
    hold_share(request, hub.uploads, owner, "clones and fetches")


async def _uploading(pieces: AsyncIterator[bytes], file: BinaryIO) -> AsyncIterator[bytes]:
    try:
        async for piece in pieces:
            yield piece
    finally:
        file.close()


@post("/git/git-receive-pack", status_code=200, include_in_schema=False, request_max_body_size=None)
async def receive_pack(
    request: Request[Any, Any, Any], hub: TheHub, caller: TheCaller
) -> Response[bytes]:
    """A push. What is refused is told ref by ref, as git shows it to whoever pushed; an HTTP
    error would leave them without the reason.
    """
    busy = try_share(request, hub.arriving, f"agent:{caller.agent_id}", "pushes")
    file, problem = await _push_body(request, hub.settings.max_bundle_bytes, busy)
    with file:
        body = await _receive(hub, caller, file, problem)
    return Response(body, media_type="application/x-git-receive-pack-result", headers=NO_CACHE)


async def _receive(hub: TheHub, caller: TheCaller, file: BinaryIO, problem: str) -> bytes:
    asked = await hub.in_long_lane(pktline.read_push, file)
    if not asked.commands and not asked.problem:  # git probes with an empty push whether it may
        return b""
    if not asked.commands:  # and what names no ref is no push of git's
        raise BadBundle(asked.problem)
    try:
        caller.writer()
        if problem or asked.problem:
            raise BadBundle(problem or asked.problem)
        outcomes = await refs.receive(hub.db, hub.settings, caller, asked, file, hub.in_push_lane)
        return pktline.write_report("ok", outcomes, asked.capabilities)
    except refs.AllRefused as refused:
        return pktline.write_report("ok", refused.outcomes, asked.capabilities)
    except AutoresearchError as error:
        return _refuse_all(asked, str(error))
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        log.error("a push was not taken in: %s", error)
        return _refuse_all(asked, NO_ROOM)


def _refuse_all(asked: pktline.PushRequest, why: str) -> bytes:
    told = [(command.name, why) for command in asked.commands]
    return pktline.write_report(why, told, asked.capabilities)


async def _push_body(
    request: Request[Any, Any, Any], most_bytes: int, problem: str
) -> tuple[BinaryIO, str]:
    """The body of a push, and why it is not taken in; empty where it is whole.

    Of one that is too large, that the disk has no room for, or that has a `problem` already, its
    beginning, which names the refs. The server drops the rest.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > most_bytes:
        most_bytes, problem = COMMANDS_MAX_BYTES, _too_large(most_bytes)
    file, head, received = open_spool(BODY_BYTES), b"", 0
    try:
        async for chunk in request.stream():
            room = most_bytes - received
            head += chunk[: max(0, HEAD_BYTES - len(head))]
            received += file.write(chunk[:room])
            if len(chunk) > room and not problem:
                problem = _too_large(most_bytes)
            if problem and received >= min(most_bytes, COMMANDS_MAX_BYTES):
                break
        file.seek(0)
        if request.headers.get("content-encoding", "") not in ("", "identity"):
            file = _inflate(request, file, most_bytes)
    except OSError as error:
        with suppress(OSError):  # closing writes what is left
            file.close()
        if error.errno not in DISK_FULL:
            raise
        log.error("a push was not taken in: %s", error)
        return _inflate_head(head), NO_ROOM
    except BaseException:
        file.close()
        raise
    return file, problem


def _inflate_head(head: bytes) -> BinaryIO:
    """The beginning of a body, which names the refs, inflated where it is compressed."""
    if head.startswith(GZIP):
        head = zlib.decompressobj(31).decompress(head, COMMANDS_MAX_BYTES)
    return io.BytesIO(head)


def _too_large(most_bytes: int) -> str:
    return f"the push is larger than the {most_bytes} bytes this hub takes; push in parts"


async def _body(request: Request[Any, Any, Any], most_bytes: int) -> BinaryIO:
    """The body, inflated where git has compressed it, at most `most_bytes` either way."""
    file = await spool_body(request, most_bytes)
    return _inflate(request, file, most_bytes)


def _inflate(request: Request[Any, Any, Any], file: BinaryIO, most_bytes: int) -> BinaryIO:
    encoding = request.headers.get("content-encoding", "")
    if encoding in ("", "identity"):
        return file
    if encoding not in ("gzip", "x-gzip"):
        file.close()
        raise BadInput(f"the body is encoded as {encoding[:40]!r}; send it plain or with gzip")
    with file:
        return _gunzip(file, most_bytes)


def _gunzip(file: BinaryIO, most_bytes: int) -> BinaryIO:
    out = open_spool(BODY_BYTES)
    inflater, size = zlib.decompressobj(31), 0
    try:
        while chunk := file.read(BLOCK):
            while chunk and not inflater.eof:
                piece = inflater.decompress(chunk, BLOCK)
                size += out.write(piece)
                if size > most_bytes:
                    raise TooLarge(
                        f"the body inflates to more than the {most_bytes} bytes this hub takes;"
                        " push in parts"
                    )
                chunk = inflater.unconsumed_tail
        out.write(inflater.flush())
    except zlib.error:
        out.close()
        raise BadInput("the body is not the gzip it says it is") from None
    except TooLarge:
        out.close()
        raise
    out.seek(0)
    return out


LFS_PATHS = [
    f"/{folder}/info/lfs/{what}"
    for folder in ("git", "git.git")
    for what in ("objects/batch", "locks", "locks/verify")
]


@route(LFS_PATHS, http_method=["GET", "POST"], status_code=501, include_in_schema=False)
async def refuse_lfs() -> Response[bytes]:
    """What Git LFS asks for beside a repository (its Batch and File Locking APIs)."""
    said = "this hub keeps no Git LFS objects: commit the file itself, or keep it elsewhere"
    return Response(
        msgspec.json.encode({"message": said}),
        status_code=501,
        media_type="application/vnd.git-lfs+json",
    )
