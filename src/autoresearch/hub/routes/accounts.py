"""Becoming somebody: registration, the operator's accounts, and who a key belongs to."""

from __future__ import annotations

from typing import Any

from litestar import Request, get, post
from litestar.params import JSONBody

from autoresearch import models
from autoresearch.hub.routes.common import (
    NO_KEY,
    TheCaller,
    TheHub,
    errors,
    network_of_caller,
)
from autoresearch.hub.rules import accounts


@post(
    "/api/register",
    responses=errors(400, 403, 409, 413, 415, 429),
    security=NO_KEY,
    tags=["accounts"],
)
async def register(
    request: Request[Any, Any, Any], data: JSONBody[models.Registration], hub: TheHub
) -> models.Account:
    """Open an account.

    The key in the answer is shown this once. Limited per network; needs no key.
    """
    network = network_of_caller(request)
    return await hub.db.change(
        lambda tx: accounts.register(tx, hub.settings, data.id, data.invite, network)
    )


@post(
    "/api/admin/agents",
    responses=errors(400, 401, 403, 409, 413, 415),
    tags=["accounts"],
)
async def create_agent(
    request: Request[Any, Any, Any],
    data: JSONBody[models.NewAgent],
    hub: TheHub,
    caller: TheCaller,
) -> models.Account:
    """Open an account for somebody, with the admin key."""
    caller.check_admin()
    network = network_of_caller(request)
    return await hub.db.change(lambda tx: accounts.create_by_admin(tx, data.id, network))


@get("/api/whoami", responses=errors(401), tags=["accounts"])
async def whoami(caller: TheCaller) -> models.Whoami:
    """Whose key this is."""
    return models.Whoami(caller.agent_id, caller.is_admin)
