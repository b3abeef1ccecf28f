"""Commits over HTTP: pushing and fetching bundles, and reading the DAG."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated, Any, BinaryIO

from litestar import Request, Response, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import OpenAPIMediaType, Operation, RequestBody, Schema
from litestar.openapi.spec.enums import OpenAPIType
from litestar.params import FromPath, QueryParameter
from litestar.response import Stream

from autoresearch import models
from autoresearch.errors import TooLarge
from autoresearch.hub.routes.common import (
    PAGE_DEFAULT,
    Limit,
    Offset,
    TheCaller,
    TheHub,
    errors,
    hold_share,
    page,
)
from autoresearch.hub.rules import commits, diff, fetch, push
from autoresearch.hub.rules.spool import BODY_BYTES, open_spool

CHUNK_BYTES = 256 * 1024
BUNDLE = "application/x-git-bundle"
WHOLE_BYTES = 1024 * 1024  # answers up to here are sent in one piece

Hash = FromPath[str]  # four or more digits of a commit's hash
Before = Annotated[
    str | None,
    QueryParameter(
        name="before",
        required=False,
        description="the `seq` or hash of the last commit of the page before",
    ),
]


async def spool_body(request: Request[Any, Any, Any], most_bytes: int) -> BinaryIO:
    """The body of a request in a file that is in memory while it is small.

    Raises TooLarge as soon as it is too long.
    """
    too_large = TooLarge(
        f"the body is larger than the {most_bytes} bytes this hub takes; push in parts"
    )
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > most_bytes:
        raise too_large
    file = open_spool(BODY_BYTES)
    received = 0
    try:
        async for chunk in request.stream():
            received += len(chunk)
            if received > most_bytes:
                raise too_large
            file.write(chunk)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return file


class _BundleBody(Operation):
    """A request whose body is a bundle."""

    def __post_init__(self) -> None:
        content = {
            "application/octet-stream": OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING))
        }
        self.request_body = RequestBody(content=content, required=True, description="a git bundle")


@post(
    "/api/git/push",
    responses=errors(400, 401, 403, 409, 413, 429, 503),
    request_max_body_size=None,
    operation_class=_BundleBody,
    tags=["git"],
)
async def push_bundle(
    request: Request[Any, Any, Any], hub: TheHub, caller: TheCaller
) -> models.PushedHeads:
    """Push a bundle (`git bundle create FILE HEAD`).

    All its commits are taken in, or none; pushing again changes nothing.
    """
    hold_share(request, hub.arriving, f"agent:{caller.writer()}", "pushes")
    read_body = partial(spool_body, request, hub.settings.max_bundle_bytes)
    heads = await push.receive_bundle(hub.db, hub.settings, caller, read_body, hub.in_push_lane)
    return models.PushedHeads(heads)


def send_file(
    file: BinaryIO, media_type: str, headers: dict[str, str] | None = None
) -> Response[Any]:
    """The rest of an open file as an answer, in pieces where it is large. Closes it."""
    first = file.read(WHOLE_BYTES)
    if len(first) < WHOLE_BYTES:
        file.close()
        return Response(first, media_type=media_type, headers=headers)
    return Stream(_pieces(first, file), media_type=media_type, headers=headers)


async def _pieces(first: bytes, file: BinaryIO) -> AsyncIterator[bytes]:
    try:
        yield first
        while piece := file.read(CHUNK_BYTES):
            yield piece
            await asyncio.sleep(0)
    finally:
        file.close()


_FETCHED = {
    200: ResponseSpec(
        bytes, media_type=BUNDLE, description="A git bundle.", generate_examples=False
    ),
    **errors(400, 401, 404, 409),
}


@get("/api/git/fetch/{commit:str}", responses=_FETCHED, tags=["git"])
async def fetch_bundle(
    commit: Hash,
    hub: TheHub,
    have: Annotated[
        list[str] | None,
        QueryParameter(
            required=False,
            description="commits you have; their history is left out. Repeatable, or with commas",
        ),
    ] = None,
) -> Response[bytes]:
    """The bundle of a commit with its history: `git bundle unbundle FILE`, or `git fetch FILE`."""
    if have:
        file = await hub.off_loop(lambda: fetch.incremental(hub.db.reader, commit, have))
    else:
        file = await hub.in_long_lane(lambda: hub.bundles.open(hub.db.reader, commit))
    return send_file(file, BUNDLE)


@get("/api/git/commits", responses=errors(400, 401, 404, 409), tags=["git"])
async def list_commits(
    hub: TheHub,
    agent: Annotated[
        str | None, QueryParameter(required=False, description="only what this agent pushed")
    ] = None,
    limit: Limit = PAGE_DEFAULT,
    offset: Offset = 0,
    before: Before = None,
) -> list[models.Commit]:
    """Commits, newest first."""
    return commits.latest(hub.db.reader, page(limit), offset, before, agent)


@get("/api/git/leaves", responses=errors(400, 401, 404, 409), tags=["git"])
async def list_leaves(
    hub: TheHub, limit: Limit = PAGE_DEFAULT, offset: Offset = 0, before: Before = None
) -> list[models.Commit]:
    """Commits nobody has built on, newest first."""
    return commits.leaves(hub.db.reader, page(limit), offset, before)


@get("/api/git/root", responses=errors(401, 404), tags=["git"])
async def get_root(hub: TheHub) -> models.Commit:
    """The commit everybody should start from, where this hub has one."""
    return commits.root(hub.db.reader)


@get("/api/git/commits/{commit:str}", responses=errors(400, 401, 404, 409), tags=["git"])
async def get_commit(commit: Hash, hub: TheHub) -> models.Commit:
    """One commit, by four or more digits of its hash."""
    return commits.one(hub.db.reader, commit)


@get("/api/git/commits/{commit:str}/children", responses=errors(400, 401, 404, 409), tags=["git"])
async def list_children(
    commit: Hash,
    hub: TheHub,
    limit: Limit = PAGE_DEFAULT,
    offset: Offset = 0,
    before: Before = None,
) -> list[models.Commit]:
    """Commits that name this one as a parent, newest first."""
    return commits.children(hub.db.reader, commit, page(limit), offset, before)


@get("/api/git/commits/{commit:str}/lineage", responses=errors(400, 401, 404, 409), tags=["git"])
async def list_lineage(
    commit: Hash,
    hub: TheHub,
    limit: Annotated[
        int,
        QueryParameter(
            required=False, ge=1, description=f"how many; at most {commits.LINEAGE_MAX} are given"
        ),
    ] = commits.LINEAGE_MAX,
    before: Before = None,
) -> list[models.Commit]:
    """The commit and its first parents to the root, newest first."""
    most = min(limit, commits.LINEAGE_MAX)
    return await hub.off_loop(lambda: commits.lineage(hub.db.reader, commit, most, before))


_TEXT = ResponseSpec(
    str, media_type="text/plain", description="A unified diff.", generate_examples=False
)


@get(
    "/api/git/diff/{old:str}/{new:str}",
    responses={200: _TEXT, **errors(400, 401, 404, 409, 413)},
    tags=["git"],
)
async def get_diff(old: Hash, new: Hash, hub: TheHub) -> Response[bytes]:
    """What changes from one commit to another, as git shows it."""
    text = await hub.in_long_lane(lambda: diff.between(hub.db.reader, old, new))
    return Response(text, media_type="text/plain; charset=utf-8")
