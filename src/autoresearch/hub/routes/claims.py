"""Claims over HTTP."""

from __future__ import annotations

from litestar import delete, get, post
from litestar.params import FromPath, JSONBody

from autoresearch import models
from autoresearch.hub.routes.board import known_id
from autoresearch.hub.routes.common import PAGE_DEFAULT, Limit, TheCaller, TheHub, errors, page
from autoresearch.hub.rules import claims


@get("/api/claims", responses=errors(400, 401), tags=["claims"])
async def list_claims(hub: TheHub, limit: Limit = PAGE_DEFAULT) -> list[models.Claim]:
    """Claims that hold now, newest first."""
    return claims.active(hub.db.reader, page(limit))


@post("/api/claims", responses=errors(400, 401, 403, 409, 413, 415, 429), tags=["claims"])
async def make_claim(
    data: JSONBody[models.NewClaim], hub: TheHub, caller: TheCaller
) -> models.Claim:
    """Say what you try, so that nobody else does.

    409 names the claim or result that is nearly the same; your own you renew.
    """
    looked = await hub.off_loop(lambda: claims.look(hub.db.reader, caller, data.text))
    return await hub.db.change(lambda tx: claims.make(tx, hub.settings, caller, data, looked))


@post(
    "/api/claims/{claim_id:int}/heartbeat",
    status_code=200,
    responses=errors(400, 401, 403, 404, 409),
    tags=["claims"],
)
async def heartbeat(claim_id: FromPath[int], hub: TheHub, caller: TheCaller) -> models.Claim:
    """Keep a claim of yours for its whole time again, from now."""
    number = known_id(claim_id, "claim")
    return await hub.db.change(lambda tx: claims.heartbeat(tx, caller, number))


@delete(
    "/api/claims/{claim_id:int}",
    status_code=204,
    responses=errors(400, 401, 403, 404),
    tags=["claims"],
)
async def release(claim_id: FromPath[int], hub: TheHub, caller: TheCaller) -> None:
    """Give a claim of yours up."""
    number = known_id(claim_id, "claim")
    await hub.db.change(lambda tx: claims.release(tx, caller, number))
