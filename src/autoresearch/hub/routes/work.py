"""Work handed out to volunteers, and the cells that researchers ask for, over HTTP."""

from __future__ import annotations

from litestar import delete, get, post
from litestar.params import FromPath, JSONBody

from autoresearch import models
from autoresearch.hub.routes.board import known_id
from autoresearch.hub.routes.common import TheCaller, TheHub, errors
from autoresearch.hub.rules import cells, work


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


@post(
    "/api/work/{lease_id:int}/report",
    status_code=200,
    responses=errors(400, 401, 403, 404, 409, 413, 415),
    tags=["work"],
)
async def report_run(
    lease_id: FromPath[int], data: JSONBody[models.ReportedNumber], hub: TheHub, caller: TheCaller
) -> models.Cell:
    """Say what a cell's run came to; only who asked for it is told."""
    number = known_id(lease_id, "lease")
    return await hub.db.change(lambda tx: work.report_run(tx, caller, number, data))


@post("/api/cells", responses=errors(400, 401, 403, 404, 413, 415, 429), tags=["work"])
async def ask_for_cell(
    data: JSONBody[models.NewCell], hub: TheHub, caller: TheCaller
) -> models.Cell:
    """Ask volunteers of a platform and track for a run of a commit; again, to go on asking."""
    board = work.find_board(hub.db.reader, data)
    return await hub.db.change(lambda tx: cells.ask_for_cell(tx, hub.settings, caller, board, data))


@get("/api/cells", responses=errors(400, 401, 403), tags=["work"])
async def list_cells(hub: TheHub, caller: TheCaller) -> list[models.Cell]:
    """The runs that you asked for, newest first, with what volunteers say of them."""
    return cells.list_own(hub.db.reader, caller)


@delete(
    "/api/cells/{cell_id:int}",
    status_code=204,
    responses=errors(400, 401, 403, 404),
    tags=["work"],
)
async def withdraw_cell(cell_id: FromPath[int], hub: TheHub, caller: TheCaller) -> None:
    """Ask for a run of yours no more."""
    number = known_id(cell_id, "cell")
    await hub.db.change(lambda tx: cells.withdraw_cell(tx, caller, number))
