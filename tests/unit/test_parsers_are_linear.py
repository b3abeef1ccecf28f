"""Every parser of strangers' text does work in proportion to the text, whatever the text is.

One post of 32 KB stopped a hub for minutes: a pattern was cubic in blanks. So each parser reads
here what `adversarial` makes, and its work is measured beside a plain scan of the same text.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adversarial import Parser, complaint, complaints, crash_with_blanks, repeat, runs, structures
from autoresearch import untrusted
from autoresearch.cli import show
from autoresearch.clock import utc_now
from autoresearch.errors import AutoresearchError, BadInput
from autoresearch.git import bundle, fsck, pktline
from autoresearch.hub.pages import markup, rendering
from autoresearch.hub.rules import claims
from autoresearch.hub.store import search
from autoresearch.researcher import measurement
from autoresearch.researcher.agents import (
    chat_answers,
    edits,
    endpoint,
    failures,
    output,
    quote,
    reset_times,
)
from autoresearch.researcher.agents.chat_answers import EndpointFailed
from autoresearch.researcher.report import tsv
from autoresearch.researcher.swarm import lines as swarm_lines
from autoresearch.researcher.swarm import track
from autoresearch.researcher.verify import board
from autoresearch.resultdetails import read_details
from autoresearch.resultline import read_lines

POST = 32 * 1024
HASH = "a1b2c3d" * 5 + "a1b2c"


def encoded(parse: Callable[[bytes], object]) -> Parser:
    return lambda text: parse(text.encode("utf-8", "surrogatepass"))


def stream(data: bytes) -> list[Any]:
    return list(endpoint.read_events([data[i : i + 100] for i in range(0, len(data), 100)]))


PARSERS: dict[str, Parser] = {
    "result lines": read_lines,
    "details of results": read_details,
    "claims": claims.idea.__wrapped__,
    "search words": lambda text: search._match.__wrapped__(text, ()),
    "one line of a page": rendering.flatten_text,
    "diffs": lambda text: markup.read_diff(text, 20),
    "verify lines": lambda text: board.names_commit(text, HASH),
    "what a researcher posts": lambda text: swarm_lines.without_paths(text, "/x"),
    "first line": untrusted.first_line,
    "prepared track": track._PREPARED.search,
    "edit blocks": edits.parse_answer,
    "prompt quotations": lambda text: quote.quote_text("a post", text),
    "endpoint streams": encoded(stream),
    "endpoint answers": encoded(chat_answers.read_piece),
    "what an agent says": output.read_output,
    "an agent's failures": lambda text: failures.find_kind(failures.said_lines(text)),
    "an agent's commit message": output.find_description,
    "times to come back": lambda text: reset_times.find_wait_s(text, utc_now()),
    "commands to a terminal": untrusted.strip_escapes,
    "results.tsv": encoded(tsv.read_tsv),
    "run logs": lambda text: (measurement.metric_lines(text), measurement.last_line(text)),
    "terminal": lambda text: (show.indent(text), show.line(text), show.as_json(text)),
    "commits": encoded(fsck.check_commit),
    "trees": encoded(fsck.parse_tree),
    "bundles": encoded(lambda data: bundle.read_header(io.BytesIO(data))),
    "pushes": encoded(lambda data: pktline.read_push(io.BytesIO(data))),
}


def tolerant(parse: Parser) -> Parser:
    """A refusal in a sentence of ours is an answer too."""

    def parsed(text: str) -> object:
        try:
            return parse(text)
        except AutoresearchError:
            return None

    return parsed


def test_the_post_that_stopped_a_hub() -> None:
    """16 lines of 1,975 blanks behind `(CRASH` cost minutes, in the writer's transaction."""
    found = complaints(read_lines, lambda chars: iter([crash_with_blanks(chars)]), POST)

    assert not found


@pytest.mark.parametrize("name", PARSERS)
def test_a_parser_is_linear(name: str) -> None:
    """Runs, pairs and nested forms of everything that has a meaning somewhere."""
    parse = tolerant(PARSERS[name])

    assert not complaints(parse, structures, POST) + complaints(parse, runs, POST // 8)


def render(text: str) -> object:
    return markup._render(text)


def test_markdown_is_linear() -> None:
    """Emphasis, links, lists, quotations, tables, entities and code in each other."""
    heads = ("", "> ", "a | b\n- | -\n", "```python\n")

    found = complaints(render, structures, POST)
    found += complaints(render, lambda chars: runs(chars, heads), POST // 16)

    assert not found


def test_a_page_is_not_much_larger_than_its_text() -> None:
    """32 KB of markdown cannot become megabytes of page: neither by tables nor by references."""
    for text in [*structures(POST), *runs(POST // 8, ("", "```python\n"))]:
        assert len(markup._render(text)) <= 2 * markup.EXPANSION_MAX * (len(text) + 100)


def test_edits_are_applied_in_linear_time() -> None:
    """A search that nearly stands at every line of a file."""

    def apply(text: str) -> object:
        block = edits.EditBlock("train.py", f"{text[: len(text) // 2]}b\n", "")
        with pytest.raises(edits.BadEdit):
            edits.apply_edit(edits.ProposedEdit("", (block,)), {"train.py": text})
        return None

    assert not complaints(apply, lambda chars: iter([repeat("a\n", chars)]), POST)


TOKENS = st.sampled_from([*"\n\t ()[]*_`~|<>&#+-.:;,/\\=!'\"{}0aZé\x1b\u2028", "commit:", "verify ",
    "(CRASH", "(DISCARD)", "val_bpb:1", "n:1", "FILE: a", "SEARCH", "=======", "http://a", "```",
    "    ", "data: ", "not reproduced", "| ", "diff --git "])  # fmt: skip


@settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.text(max_size=40), st.lists(TOKENS, min_size=1, max_size=6), st.text(max_size=5))
def test_no_other_run_is_slow(head: str, tokens: list[str], tail: str) -> None:
    """Any few tokens, again and again, between any two texts."""
    unit = "".join(tokens)
    for name, parse in [*PARSERS.items(), ("markdown", render)]:
        chars = POST // 16 if name == "markdown" else POST // 8
        why = complaint(
            tolerant(parse),
            repeat(unit, chars, head, tail),
            lambda chars=chars: repeat(unit, chars // 2, head, tail),
        )
        assert not why, f"{name} {why}"


def test_a_claim_of_all_words_refuses_nobody() -> None:
    """Containment counts between texts of like length only."""
    everything = claims.idea(
        "learning rate batch size depth width heads warmup decay optimizer schedule dropout "
        "momentum epsilon weight init embedding activation norm rotary window softcap"
    )

    for text in ("learning rate schedule with longer warmup", "smaller batch size"):
        assert claims.find_alike(claims.idea(text), [everything]) is None


def test_a_line_that_only_begins_like_a_verification_is_prose() -> None:
    """It has no keys at all, and breaks nothing."""
    assert read_lines("verify this, please\ncommit: abc") == []


def test_an_endpoint_streams_no_endless_line() -> None:
    """Neither a line nor an answer in one piece fills the memory."""
    endless = (b"x" * 2**20 for _ in range(100))
    with pytest.raises(EndpointFailed, match="line"):
        list(endpoint.stream_lines(endless))
    big = httpx.Response(
        200,
        content=(b"x" * 2**20 for _ in range(100)),
        request=httpx.Request("POST", "http://127.0.0.1/v1"),
    )
    with pytest.raises(EndpointFailed, match="bytes"):
        endpoint.read_body(big)


def test_a_streams_lines_end_at_line_feeds_alone() -> None:
    """JSON may hold the line separator U+2028 as it stands, and a line may come in pieces."""
    text = 'data: {"choices":[{"delta":{"content":"a\u2028b"}}]}\n\ndata: [DONE]\n'.encode()

    answer = endpoint.read_stream([text[i : i + 1] for i in range(len(text))])

    assert answer.text == "a\u2028b"


@pytest.mark.parametrize("depth", [100, 100_000])
def test_nested_json_is_a_refusal(depth: int) -> None:
    """JSON nested deeper than Python reads ends in a sentence, not in a crash."""
    with pytest.raises((EndpointFailed, BadInput)):
        endpoint.read_stream([b'data: {"choices":' + b"[" * depth + b"]" * depth + b"}\n"])
