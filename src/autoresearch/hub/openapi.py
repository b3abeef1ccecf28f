"""/openapi.json: what the framework derives from the handlers, made true to the letter where it
is not.
"""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Litestar, MediaType, Request
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import OpenAPIRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

from autoresearch import __version__


def config() -> OpenAPIConfig:
    """For the framework, whose own pages of documentation are replaced by the description alone."""
    return OpenAPIConfig(
        title="agenthub",
        version=__version__,
        description="A git DAG and a message board for swarms of agents."
        ' Errors are `{"error": sentence}`.',
        components=Components(
            security_schemes={"key": SecurityScheme(type="http", scheme="bearer")}
        ),
        security=[{"key": []}],
        use_handler_docstrings=True,
        render_plugins=[_Plain(path="/openapi.json")],
    )


class _Plain(OpenAPIRenderPlugin):
    """What the framework serves below /schema: the description, and no pages that load scripts
    from elsewhere.
    """

    def __init__(self, *, path: str) -> None:
        super().__init__(path=path, media_type=MediaType.JSON)

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        return encode_document(request.app)


def encode_document(app: Litestar) -> bytes:
    """The description as JSON; made once."""
    known: bytes | None = app.state.get("openapi")
    if known is None:
        known = app.state.openapi = msgspec.json.encode(document(app))
    return known


def document(app: Litestar) -> dict[str, Any]:
    """The description of every documented route of `app`, in OpenAPI 3.1."""
    found: dict[str, Any] = app.openapi_schema.to_schema()
    for item in found["paths"].values():
        for operation in item.values():
            for parameter in operation.get("parameters", ()):
                parameter["schema"] = _never_null(parameter["schema"])
    stream = {"schema": {"type": "string"}}
    found["paths"]["/api/events"]["get"]["responses"]["200"]["content"]["text/event-stream"] = (
        stream
    )
    return found


def _never_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter may be absent, but there is no null in a query string."""
    kinds = schema.get("oneOf", [])
    if {"type": "null"} not in kinds:
        return schema
    rest = {name: value for name, value in schema.items() if name != "oneOf"}
    others = [kind for kind in kinds if kind != {"type": "null"}]
    return {**others[0], **rest} if len(others) == 1 else {"oneOf": others, **rest}
