"""Endpoints refuse other fields, end for other reasons and answer in other shapes than the one the
protocol was written for: a real server says what real ones say."""

from __future__ import annotations

import json
from email.utils import format_datetime
from typing import Any

import pytest

from autoresearch.cli.agent_options import choose_key
from autoresearch.clock import utc_now
from autoresearch.errors import BadInput
from autoresearch.researcher.agents.chat_answers import EndpointFailed, TryAgain
from autoresearch.researcher.agents.edits import BadEdit, parse_answer
from autoresearch.researcher.agents.endpoint import Endpoint, Message
from chat_server import ChatServer, Say, chat_server

ASKED = [Message("system", "Be brief."), Message("user", "go")]


def endpoint(server: ChatServer) -> Endpoint:
    return Endpoint(server.url, "m", timeout_s=20, max_wait_s=0.05)


def refusal(message: str, status: int = 400) -> Say:
    return Say(json.dumps({"error": {"message": message}}), status=status)


@pytest.mark.parametrize(
    ("message", "status", "changed"),
    [
        ("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.", 400,
         {"max_tokens": None, "max_completion_tokens": 8192}),
        ("max_tokens: 8192 > 4096, which is the maximum", 400, {"max_tokens": 4096}),
        ("This model supports at most 2048 completion tokens (max)", 400, {"max_tokens": 2048}),
        ("max_tokens is not allowed", 422, {"max_tokens": None}),
        ("body.stream_options: extra fields not permitted", 422,
         {"stream": True, "stream_options": None}),
        ("streaming is not supported: set stream to false", 400,
         {"stream": None, "stream_options": None}),
    ],
)  # fmt: skip
def test_a_refused_field_is_dropped_and_asked_again(
    message: str, status: int, changed: dict[str, Any]
) -> None:
    """One request more, and none the next time: what was learned is kept."""
    with chat_server(refusal(message, status), "well") as server:
        one = endpoint(server)
        assert "well" == one.ask(ASKED).text == one.ask(ASKED).text

    assert len(server.requests) == 3
    for request in server.requests[1:]:
        assert {name: request.get(name) for name in changed} == changed


def test_a_refused_system_message_becomes_the_users() -> None:
    """Some models know users only; several refusals in a row are all learned."""
    refused = refusal("Developer instruction (system role) is not enabled for this model")
    with chat_server(refused, refusal("unknown field stream_options"), "well") as server:
        assert endpoint(server).ask(ASKED).text == "well"

    assert server.requests[-1]["messages"] == [{"role": "user", "content": "Be brief.\n\ngo"}]


@pytest.mark.parametrize("message", ["prompt is too long", "bad request", "model m is unknown"])
def test_another_refusal_is_final(message: str) -> None:
    """What is not about a field of ours is told after one request."""
    with chat_server(refusal(message)) as server:
        with pytest.raises(EndpointFailed, match=message):
            endpoint(server).ask(ASKED)
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"choices": [{"message": {"content": "half"}, "finish_reason": "length"}]}, "was cut"),
        ({"choices": [{"message": {"content": ""}, "finish_reason": "content_filter"}]}, "filter"),
        ({"choices": [{"message": {"tool_calls": []}, "finish_reason": "tool_calls"}]}, "a tool"),
        ({"choices": [{"message": {"refusal": "No, sorry."}, "finish_reason": "stop"}]}, "No, sor"),
        ({"error": {"code": "insufficient_quota", "message": "pay"}}, "insufficient_quota"),
        ({"error": {"type": "invalid_request_error", "message": "no"}}, "invalid_request"),
    ],
)
def test_what_cannot_get_better_is_asked_once(body: dict[str, Any], words: str) -> None:
    """Each ending has its sentence, and no second request is paid for."""
    say = Say(raw=json.dumps(body).encode(), headers={"content-type": "application/json"})
    with chat_server(say) as server:
        with pytest.raises(EndpointFailed, match=words) as caught:
            endpoint(server).ask(ASKED)
        assert len(server.requests) == 1 and not isinstance(caught.value, TryAgain)


def test_an_empty_account_is_no_limit_that_passes() -> None:
    """429 with insufficient_quota, and 402, never get better by waiting."""
    for say in (Say('{"error":{"code":"insufficient_quota"}}', status=429), Say("", status=402)):
        with chat_server(say) as server:
            with pytest.raises(EndpointFailed, match="nothing left to spend"):
                endpoint(server).ask(ASKED)
            assert len(server.requests) == 1


@pytest.mark.parametrize(
    "raw",
    [
        b'\xef\xbb\xbf{"choices": [{"message": {"content": "well"}, "finish_reason": "stop"}]}',
        b'{"choices": [{"message": {"content": [{"type": "text", "text": "we"}, {"text": "ll"}]}}]}',
        b'{"choices": [{"message": {"content": "well"}}], "usage": null, "error": null}',
        b'{"choices": [{"message": {"content": "well"}}], "usage": {"prompt_tokens": null}}',
        b'data: {"choices": null, "usage": {"prompt_tokens": 1}}\n\n'
        b'data: {"choices": [{"delta": {"content": "well"}, "finish_reason": null}]}\n\n'
        b"data: [DONE]\n\n",
        b'\xef\xbb\xbfdata: {"choices": [{"delta": {"content": "well"}}]}\r\n\r\ndata: [DONE]\r\n',
        b': keep-alive\n\ndata:{"choices": [{"delta": {"content": "well", "role": null}}]}\n\n'
        b'data:{"choices": [{"delta": null, "finish_reason": "stop"}], "usage": null}\n\n',
        b'data: {"choices": [{"delta": {"content": [{"type": "thinking"}, "well"]}}]}\ndata: [DONE]\n',
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["text/event-stream", "application/json"])
def test_every_shape_of_an_answer_is_read(raw: bytes, kind: str) -> None:
    """A byte order mark, parts, nulls, streams without a reason at the end, whatever the type is
    called."""
    if kind == "text/event-stream" and raw.removeprefix(b"\xef\xbb\xbf").startswith(b"{"):
        raw = b"data: " + raw.removeprefix(b"\xef\xbb\xbf") + b"\n\ndata: [DONE]\n\n"
    with chat_server(Say(raw=raw, headers={"content-type": kind})) as server:
        assert endpoint(server).ask(ASKED).text == "well"
    assert len(server.requests) == 1


def test_a_date_is_waited_for_as_well() -> None:
    """Retry-After may be an HTTP date."""
    date = format_datetime(utc_now().replace(microsecond=0, year=utc_now().year + 1), usegmt=True)
    say = Say("slow down", status=429, headers={"retry-after": date})
    with chat_server(say) as server, pytest.raises(TryAgain) as caught:
        endpoint(server).ask_once(ASKED)
    assert caught.value.after_s > 86400 * 300


EDIT = """DESCRIPTION: final
FILE: train.py
<<<<<<< SEARCH
A = 1
=======
A = 2
>>>>>>> REPLACE
"""
DRAFT = EDIT.replace("final", "draft").replace("A = 2", "A = 9")


@pytest.mark.parametrize(
    "answer",
    [
        f"<think>\n{DRAFT}</think>\n{EDIT}",
        f"{DRAFT}</think>\n{EDIT}",
        f"<think>a</think>{DRAFT}<think>b\n</think>\n{EDIT}",
        f"<thinking>\n{DRAFT}\n</thinking>\n\n{EDIT}",
        f"[THINK]{DRAFT}[/THINK]\n{EDIT}",
        f"<think>\n{DRAFT[:-9]}\n</think>\n{EDIT}",
    ],
)
def test_drafts_in_a_models_thoughts_are_no_edits(answer: str) -> None:
    """What stands before the last closing tag is dropped, cut or whole."""
    proposed = parse_answer(answer)
    assert (proposed.description, len(proposed.blocks)) == ("final", 1)


@pytest.mark.parametrize("answer", [f"<think>\n{DRAFT}", f"a</think>\n<think>{DRAFT}"])
def test_thoughts_that_never_end_are_no_answer(answer: str) -> None:
    """A model that ran out of tokens while it thought has proposed nothing."""
    with pytest.raises(BadEdit, match="in the middle of its reasoning"):
        parse_answer(answer)


@pytest.mark.parametrize(
    ("url", "environment", "key"),
    [
        ("https://api.openai.com/v1", {"OPENAI_API_KEY": "o"}, "o"),
        ("https://me.openai.azure.com/v1", {"OPENAI_API_KEY": "o"}, "o"),
        ("http://api.openai.com/v1", {"OPENAI_API_KEY": "o"}, ""),
        ("http://127.0.0.1:8000/v1", {"OPENAI_API_KEY": "o"}, ""),
        ("https://openai.com.evil.example/v1", {"OPENAI_API_KEY": "o"}, ""),
        ("https://evilopenai.com/v1", {"OPENAI_API_KEY": "o"}, ""),
        ("https://x.example/v1", {"OPENAI_API_KEY": "o", "AUTORESEARCH_LLM_KEY": "a"}, "a"),
        ("http://h/v1", {"OPENAI_API_KEY": "o", "OPENAI_BASE_URL": "http://h/v1"}, "o"),
        ("http://i/v1", {"OPENAI_API_KEY": "o", "OPENAI_BASE_URL": "http://h/v1"}, ""),
    ],
)
def test_openais_key_goes_to_openai(url: str, environment: dict[str, str], key: str) -> None:
    """Another address gets it only where the user's environment pairs the two."""
    assert choose_key(url, environment) == key


def test_an_address_that_is_none_is_refused() -> None:
    """With a sentence, and without a key."""
    with pytest.raises(BadInput, match="no address"):
        choose_key("http://[::1", {"OPENAI_API_KEY": "o"})
