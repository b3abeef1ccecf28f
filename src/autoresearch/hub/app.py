"""Puts the hub together: settings in, one ASGI application out.

Its routes are what the modules of `pages` and `routes` define. Those of `routes` ask for a key
unless they say that they need none (`common.NO_KEY`).
"""

from __future__ import annotations

import asyncio
import pkgutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from importlib import import_module
from types import ModuleType

from litestar import Litestar, Router
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler

from autoresearch.errors import AutoresearchError
from autoresearch.hub import openapi, pages, routes
from autoresearch.hub.middleware import Middleware
from autoresearch.hub.pages import rendering
from autoresearch.hub.pages.error_pages import add_error_page
from autoresearch.hub.routes import common
from autoresearch.hub.services import Services
from autoresearch.hub.settings import JSON_BODY_MAX_BYTES, Settings


def find_handlers(package: ModuleType) -> Iterator[HTTPRouteHandler]:
    """Every route that a module of the package defines: who adds one writes it, and no list."""
    for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        module = import_module(found.name)
        for value in vars(module).values():
            if isinstance(value, HTTPRouteHandler) and value.fn.__module__ == found.name:
                yield value


def make_routers() -> Iterator[Router]:
    """Pages are open; `routes` ask for a key. Only handlers that ask for a platform get one: a
    body's own word of that name would else be taken for a fault of ours.
    """
    platform = {"platform": Provide(common.read_platform)}
    for package, check in ((pages, None), (routes, common.check_key)):
        found = [*find_handlers(package)]
        asking = [handler for handler in found if "platform" in handler.fn.__annotations__]
        others = [handler for handler in found if handler not in asking]
        yield Router("/", route_handlers=asking, before_request=check, dependencies=platform)
        yield Router("/", route_handlers=others, before_request=check)


def create_app(settings: Settings) -> Middleware:
    """The hub on `settings.data`, an ASGI application.

    Its lifespan starts and stops what a worker holds.
    """
    hub = Services(settings)

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        await hub.start()
        # meanwhile the hub answers
        preparing = asyncio.create_task(hub.in_long_lane(rendering.compile_templates))
        yield
        await preparing
        await hub.stop()

    app = Litestar(
        route_handlers=[*make_routers()],
        dependencies={
            "hub": Provide(common.the_hub, sync_to_thread=False),
            "caller": Provide(common.the_caller, sync_to_thread=False),
        },
        exception_handlers={
            AutoresearchError: add_error_page(common.on_our_error),
            HTTPException: add_error_page(common.on_http_error),
            Exception: add_error_page(common.on_any_error),
        },
        lifespan=[lifespan],
        logging_config=None,
        request_class=common.BoundedRequest,
        openapi_config=openapi.config(),
        request_max_body_size=JSON_BODY_MAX_BYTES,
    )
    app.state.hub = hub
    return Middleware(app, hub)
