"""/openapi.json is true to the letter: whatever is sent, no answer that it does not document, and
never a 500."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

EXAMPLES = 12  # of each operation and kind of data
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    unsupported_method,
]


@pytest.fixture
def furnished(own_hub: Callable[..., Any]) -> Any:
    """A hub with a little of everything in it, and who may ask it."""
    hub = own_hub()
    agent = hub.agent()
    line = "commit:abcdef1 platform:cpu val_bpb:1.5 vram_gb:0.1 | baseline"
    agent.post("/api/channels/results/posts", {"content": line})
    agent.post("/api/claims", {"text": "wider layers"})
    return hub, agent


def operations(url: str) -> Iterator[Any]:
    for found in schemathesis.openapi.from_url(f"{url}/openapi.json").get_all_operations():
        yield found.ok()


@pytest.mark.parametrize(
    "mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["fitting", "unfitting"]
)
@pytest.mark.slow
def test_every_answer_is_documented(furnished: Any, mode: GenerationMode) -> None:
    """Whatever fits the description, and whatever does not, gets an answer that the description
    foretells."""
    hub, agent = furnished
    for operation in operations(hub.url):
        key = hub.admin_key if "/admin/" in operation.path else agent.key
        try:
            probe(operation, mode, key)
        except hypothesis.errors.Unsatisfiable:
            continue  # nothing unfitting can be made for an operation that takes nothing


def probe(operation: Any, mode: GenerationMode, key: str) -> None:
    """Send an operation whatever hypothesis thinks of."""

    @settings(
        max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def send(case: Any) -> None:
        if case.path == "/api/events":
            case.query = {**(case.query or {}), "wait": 0}  # without `wait` the answer never ends
        case.call_and_validate(
            headers={"Authorization": f"Bearer {key}"}, checks=CHECKS, timeout=30
        )

    send()


def test_every_route_with_a_key_says_401_without(hub: Any) -> None:
    """No documented operation answers strangers, but for the public ones."""
    document = httpx.get(f"{hub.url}/openapi.json").json()
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if operation.get("security") == [{}]:
                continue
            url = re.sub(
                r"\{(\w+)\}",
                lambda m: {"name": "results"}.get(m[1], "1" if "id" in m[1] else "a" * 40),
                path,
            )
            answer = hub.http.request(method.upper(), url, params={"q": "x", "wait": 0})
            assert (path, method, answer.status_code) == (path, method, 401)
            assert "401" in operation["responses"], path


def test_every_route_stands_in_the_docs(hub: Any) -> None:
    """docs/wire.md tells of every route by the path and the verb that /openapi.json has."""
    wire = (Path(__file__).parents[2] / "docs" / "wire.md").read_text("utf-8")
    for path, item in httpx.get(f"{hub.url}/openapi.json").json()["paths"].items():
        for method in item:
            assert f"{method.upper()} `{path}`" in wire, f"{method.upper()} {path}"
