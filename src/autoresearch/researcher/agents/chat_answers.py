"""What a chat endpoint answers, in each of the shapes that endpoints have: text, or why there is
none, and whether another try may bring it.

Format: OpenAI API reference, "Create chat completion", and its streamed chunks. Fields that are
null, missing or of another shape are what they say: nothing. Leaves to others: HTTP (endpoint).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from autoresearch.errors import AutoresearchError
from autoresearch.untrusted import to_line

BOM = b"\xef\xbb\xbf"
# words in an error's `code` or `type`: the same request will never be answered
FINAL = (
    "insufficient_quota", "billing", "invalid_api_key", "invalid_request", "authentication",
    "permission", "model_not_found", "not_found", "context_length", "unsupported",
)  # fmt: skip
ENDINGS = {
    "length": "the answer was cut: it is longer than the model may write at once",
    "max_tokens": "the answer was cut: it is longer than the model may write at once",
    "content_filter": "the endpoint's content filter stopped the answer",
    "safety": "the endpoint's content filter stopped the answer",
    "tool_calls": "the model called a tool instead of answering, and it has none",
    "function_call": "the model called a tool instead of answering, and it has none",
    "refusal": "the model refused to answer",
}


class EndpointFailed(AutoresearchError):
    """No usable answer: wrong key, unknown model, or still failing after every try."""


class TryAgain(EndpointFailed):
    """A passing fault: too many requests, a server error, a cut answer."""

    def __init__(self, message: str, after_s: float = 0) -> None:
        super().__init__(message)
        self.after_s = after_s


class Unreachable(TryAgain):
    """No connection: the network is down, or the address is wrong."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model said. Token counts are the endpoint's own; 0 where it names none."""

    text: str
    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class Piece:
    """What one chunk, or a whole answer, brings. `ending`: why the model stopped, if it did."""

    text: str = ""
    refusal: str = ""
    ending: str = ""
    usage: Mapping[str, Any] | None = None


def read_piece(data: bytes) -> Piece:
    """A chunk or an answer in one piece. Raises TryAgain or EndpointFailed for an error, or for
    what is neither."""
    try:
        body = msgspec.json.decode(data.removeprefix(BOM))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise TryAgain(
            f"the endpoint sent something that is no chat completion: {data[:80]!r}"
        ) from error
    choices = body.get("choices") if isinstance(body, dict) else ""
    if not isinstance(choices, (list, type(None))):
        raise TryAgain(f"the endpoint sent something that is no chat completion: {data[:80]!r}")
    if body.get("error"):
        raise explain_error(body["error"])
    choice = choices[0] if choices and isinstance(choices[0], dict) else {}
    message = choice.get("delta") or choice.get("message") or {}
    message = message if isinstance(message, dict) else {}
    usage = body.get("usage")
    return Piece(
        read_content(message.get("content")),
        read_content(message.get("refusal")),
        str(choice.get("finish_reason") or ""),
        usage if isinstance(usage, dict) else None,
    )


def read_content(content: object) -> str:
    """Text as a string, or as a list of parts."""
    if isinstance(content, list):
        return "".join(read_content(part) for part in content[:1000])
    if isinstance(content, dict) and content.get("type", "text") == "text":
        content = content.get("text")
    return content if isinstance(content, str) else ""


def explain_error(error: object) -> EndpointFailed:
    """An error that came instead of an answer, with status 200 or in the middle of a stream."""
    kind = str([error.get("code"), error.get("type")] if isinstance(error, dict) else "").lower()
    sentence = f"the endpoint sent an error instead of an answer: {to_line(str(error), 300)}"
    return EndpointFailed(sentence) if is_final(kind) else TryAgain(sentence)


def is_final(words: str) -> bool:
    return any(word in words for word in FINAL)


def make_answer(text: str, refusal: str, ending: str, usage: Mapping[str, Any] | None) -> Answer:
    """The whole answer; EndpointFailed where it ended as it would end again."""
    if refusal.strip() and not text.strip():
        raise EndpointFailed(f"the model refused to answer: {to_line(refusal, 300)}")
    if why := ENDINGS.get(ending.lower()):
        raise EndpointFailed(f"{why} (finish_reason {to_line(ending, 40)})")
    if not text.strip():
        raise TryAgain("the model's answer is empty")
    return Answer(text, *(count(usage, name) for name in ("prompt_tokens", "completion_tokens")))


def count(usage: Mapping[str, Any] | None, name: str) -> int:
    value = (usage or {}).get(name)
    return int(value) if isinstance(value, (int, float)) and 0 <= value < 1e12 else 0
