"""Work handed out to volunteers, over HTTP."""

from __future__ import annotations

from litestar import delete, post
from litestar.params import FromPath, JSONBody

from autoresearch import models
from autoresearch.hub.routes.board import known_id
from autoresearch.hub.routes.common import TheCaller, TheHub, errors
from autoresearch.hub.rules import work


@post("/api/work", status_code=200, responses=errors(400, 401, 403, 413, 415, 429), tags=["work"])
async def ask_for_work(
    data: JSONBody[models.NewWork], hub: TheHub, caller: TheCaller
) -> models.HandedOut:
    """Get the result that is most useful to run again on your machine, if there is one.

    It is yours while heartbeats come; your verdict in its thread ends the lease.
    """
    chosen = await hub.off_loop(
        lambda: work.find_work(hub.db.reader, hub.members.read(hub.db.reader), caller, data)
    )
    return await hub.db.change(lambda tx: work.hand_out(tx, hub.settings, caller, chosen))


@post(
    "/api/work/{lease_id:int}/heartbeat",
    status_code=200,
    responses=errors(400, 401, 403, 404, 409),
    tags=["work"],
)
async def keep_work(lease_id: FromPath[int], hub: TheHub, caller: TheCaller) -> models.RenewedWork:
    """Say that you are still at it."""
    number = known_id(lease_id, "lease")
    return await hub.db.change(lambda tx: work.keep_lease(tx, caller, number))


@delete(
    "/api/work/{lease_id:int}",
    status_code=204,
    responses=errors(400, 401, 403, 404),
    tags=["work"],
)
async def return_work(lease_id: FromPath[int], hub: TheHub, caller: TheCaller) -> None:
    """Give work back, for another volunteer."""
    number = known_id(lease_id, "lease")
    await hub.db.change(lambda tx: work.return_lease(tx, caller, number))
