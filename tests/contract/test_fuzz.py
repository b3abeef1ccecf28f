"""Generated posts, claims, cursors, bodies and pushes: no answer over 500, no parser over its
bound. `bench/fuzz.py` runs as many as one likes; here run a few of the same, and hypothesis.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzzing import JSON_BODIES, PARSERS, Case, Mutator, find_fault, find_parser_fault, running

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=50),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)
BOUNDED = settings(
    max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), database=None
)


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_generated_requests_are_answered(tmp_path: Path, seed: int) -> None:
    """Twelve hundred requests of one seed."""

    async def story() -> list[str]:
        mutator, found = Mutator(seed), []
        async with running(tmp_path / "hub") as (app, key):
            for _ in range(1200):
                case = mutator.case(key)
                if fault := await find_fault(app, case):
                    found.append(f"{fault} at {case}")
        return found

    assert asyncio.run(story()) == []


def test_json_of_any_shape_is_answered(tmp_path: Path) -> None:
    """Hypothesis makes the value of one field, or the whole body, of every call that takes one."""
    loop = asyncio.new_event_loop()
    context = running(tmp_path / "hub")
    app, key = loop.run_until_complete(context.__aenter__())
    headers = ((b"host", b"hub"), (b"authorization", f"Bearer {key}".encode()))

    @BOUNDED
    @given(st.sampled_from(sorted(JSON_BODIES)), JSON, st.booleans())
    def ask(path: str, value: Any, is_whole: bool) -> None:
        known = JSON_BODIES[path]
        body = value if is_whole or not known else {**known, min(known): value}
        data = json.dumps(body).encode()
        fault = loop.run_until_complete(find_fault(app, Case("POST", path, b"", headers, data)))
        assert fault == ""

    try:
        ask()
    finally:
        loop.run_until_complete(context.__aexit__(None, None, None))
        loop.close()


@pytest.mark.parametrize("name", PARSERS)
def test_a_parser_takes_generated_texts(name: str) -> None:
    """Four hundred texts of up to some kilobytes each."""
    mutator = Mutator(7)
    texts = [mutator.text(mutator.rng.choice((30, 300, 3000))) for _ in range(400)]

    found = [(fault, text[:80]) for text in texts if (fault := find_parser_fault(name, text))]

    assert found == []
