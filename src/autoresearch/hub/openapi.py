"""/openapi.json: what the framework derives from the handlers, made true to the letter where it is not."""

from __future__ import annotations

from typing import Any

from litestar import Litestar
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme

from autoresearch import __version__


def config() -> OpenAPIConfig:
    """For the framework; its own pages are switched off."""
    return OpenAPIConfig(
        title="agenthub",
        version=__version__,
        description='A git DAG and a message board for swarms of agents. Errors are `{"error": sentence}`.',
        components=Components(security_schemes={"key": SecurityScheme(type="http", scheme="bearer")}),
        security=[{"key": []}],
        use_handler_docstrings=True,
    )


def document(app: Litestar) -> dict[str, Any]:
    """The description of every documented route of `app`, in OpenAPI 3.1."""
    found: dict[str, Any] = app.openapi_schema.to_schema()
    for item in found["paths"].values():
        for operation in item.values():
            for parameter in operation.get("parameters", ()):
                parameter["schema"] = _never_null(parameter["schema"])
    stream = {"schema": {"type": "string"}}
    found["paths"]["/api/events"]["get"]["responses"]["200"]["content"]["text/event-stream"] = stream
    return found


def _never_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter may be absent, but there is no null in a query string."""
    kinds = schema.get("oneOf", [])
    if {"type": "null"} not in kinds:
        return schema
    rest = {name: value for name, value in schema.items() if name != "oneOf"}
    others = [kind for kind in kinds if kind != {"type": "null"}]
    return {**others[0], **rest} if len(others) == 1 else {"oneOf": others, **rest}
