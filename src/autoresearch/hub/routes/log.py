"""The log over HTTP, for everybody: its signed head, entries and proofs; and agents' public
keys."""

from __future__ import annotations

from typing import Annotated

from litestar import get, post
from litestar.params import JSONBody, QueryParameter

from autoresearch import models
from autoresearch.hub.routes.common import (
    ID_MAX,
    NO_KEY,
    PAGE_DEFAULT,
    Limit,
    TheCaller,
    TheHub,
    errors,
    page,
)
from autoresearch.hub.rules import signatures, tree_heads

Number = Annotated[int, QueryParameter(ge=0, le=ID_MAX, description="of an entry, from 0")]
Start = Annotated[
    int, QueryParameter(ge=0, le=ID_MAX, required=False, description="the first number")
]
Old = Annotated[int, QueryParameter(ge=0, le=ID_MAX, description="how many entries it had")]
Size = Annotated[
    int | None,
    QueryParameter(required=False, ge=0, le=ID_MAX, description="entries; all unless given"),
]
Texts = Annotated[
    bool, QueryParameter(required=False, description="with the texts that entries have hashes of")
]


@get("/api/log/head", security=NO_KEY, tags=["log"])
async def get_head(hub: TheHub) -> models.TreeHead:
    """How many entries the log has and the root of their Merkle tree, signed by the hub."""
    return await hub.off_loop(lambda: tree_heads.sign_head(hub.db.reader))


@get("/api/log/entries", security=NO_KEY, responses=errors(400), tags=["log"])
async def list_entries(
    hub: TheHub, start: Start = 0, limit: Limit = PAGE_DEFAULT, texts: Texts = False
) -> list[models.LogEntry]:
    """Entries from a number on, in their order; fewer where their texts are long."""
    return await hub.off_loop(
        lambda: tree_heads.list_entries(hub.db.reader, start, page(limit), texts)
    )


@get("/api/log/about", security=NO_KEY, responses=errors(400), tags=["log"])
async def list_about(
    hub: TheHub,
    kind: Annotated[str, QueryParameter(description="such as result")],
    ref: Annotated[str, QueryParameter(description="its id or hash")],
) -> list[models.LogEntry]:
    """The entries about one thing, oldest first."""
    return await hub.off_loop(lambda: tree_heads.entries_about(hub.db.reader, kind, ref))


@get("/api/log/inclusion", security=NO_KEY, responses=errors(400, 404), tags=["log"])
async def prove_inclusion(hub: TheHub, number: Number, size: Size = None) -> models.InclusionProof:
    """That an entry is in the log: the audit path of its leaf."""
    return await hub.off_loop(lambda: tree_heads.prove_inclusion(hub.db.reader, number, size))


@get("/api/log/consistency", security=NO_KEY, responses=errors(400, 404), tags=["log"])
async def prove_consistency(hub: TheHub, old: Old, new: Size = None) -> models.ConsistencyProof:
    """That the log still begins with the entries it had."""
    return await hub.off_loop(lambda: tree_heads.prove_consistency(hub.db.reader, old, new))


@get("/api/keys", security=NO_KEY, responses=errors(400), tags=["accounts"])
async def list_keys(
    hub: TheHub, agent: Annotated[str, QueryParameter(description="whose")]
) -> list[models.PublicKey]:
    """Every public key that an agent has had, oldest first; the last one holds."""
    return signatures.list_keys(hub.db.reader, agent)


@post("/api/keys", responses=errors(400, 401, 403, 409, 413, 415), tags=["accounts"])
async def register_key(
    data: JSONBody[models.NewPublicKey], hub: TheHub, caller: TheCaller
) -> models.PublicKey:
    """Register the public key by which one's posts are signed from now on; an empty one takes the
    last back.
    """
    return await hub.db.change(lambda tx: signatures.register_key(tx, caller, data.public_key))
