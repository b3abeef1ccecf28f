"""One conversation turn with any OpenAI-compatible endpoint (vLLM, Ollama, hosted): POST
{base_url}/chat/completions, streamed.

Format: OpenAI API reference, "Create chat completion" and its streaming chunks (`data: {json}`
lines, closed by `data: [DONE]`). Leaves to others: what is asked and what becomes of the answer.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import msgspec
import tenacity

from autoresearch.errors import AutoresearchError
from autoresearch.untrusted import to_line

MAX_ANSWER_CHARS = 400_000
MAX_LINE_BYTES = 4 * 2**20  # of a stream: an escaped character takes up to six bytes
MAX_BODY_BYTES = 16 * 2**20  # of an answer in one piece, or of an error


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
class Message:
    role: str  # "system", "user" or "assistant"
    content: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model said. Token counts are the endpoint's own; 0 where it names none."""

    text: str
    prompt_tokens: int
    completion_tokens: int


class Delta(msgspec.Struct, frozen=True):
    content: str | None = None


class Choice(msgspec.Struct, frozen=True):
    delta: Delta | None = None  # in a stream
    message: Delta | None = None  # in one piece
    finish_reason: str | None = None


class Usage(msgspec.Struct, frozen=True):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class Body(msgspec.Struct, frozen=True):
    """What we read of an answer, or of one chunk of it."""

    choices: list[Choice] = []
    usage: Usage | None = None
    error: Any = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`base_url` ends where `/chat/completions` begins, e.g. `http://127.0.0.1:8000/v1`.
    `timeout_s` bounds one whole answer."""

    base_url: str
    model: str
    api_key: str = ""
    timeout_s: float = 600
    max_tokens: int = 8192
    tries: int = 5
    max_wait_s: float = 60

    def ask(self, messages: Sequence[Message]) -> Answer:
        """One answer, tried again on 429 (honouring Retry-After), 5xx, refused connections and cut
        answers. EndpointFailed at the end."""
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(TryAgain),
            stop=tenacity.stop_after_attempt(self.tries),
            wait=self.wait_s,
            reraise=True,
        )
        return retrying(self.ask_once, messages)

    def wait_s(self, state: tenacity.RetryCallState) -> float:
        """Exponential with jitter, or what the endpoint asked for; never over `max_wait_s`."""
        error = state.outcome.exception() if state.outcome else None
        backoff = tenacity.wait_random_exponential(multiplier=0.5, max=self.max_wait_s)(state)
        return min(self.max_wait_s, max(getattr(error, "after_s", 0.0), backoff))

    def ask_once(self, messages: Sequence[Message]) -> Answer:
        body = {
            "model": self.model,
            "messages": [{"role": m.role, "content": m.content} for m in messages],
            "max_tokens": self.max_tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        headers = {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}
        url = f"{self.base_url.rstrip('/')}/chat/completions"
        try:
            with (
                httpx.Client(timeout=httpx.Timeout(self.timeout_s, connect=15)) as http,
                http.stream("POST", url, json=body, headers=headers) as response,
            ):
                self.check(response)
                if "text/event-stream" in response.headers.get("content-type", ""):
                    return self.read_stream(response)
                return read_whole(read_body(response))
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol) as error:
            raise Unreachable(f"{url} is not reached: {error}; check --base-url") from error
        except httpx.HTTPError as error:
            raise TryAgain(f"{url} broke off: {error or type(error).__name__}") from error

    def check(self, response: httpx.Response) -> None:
        if response.is_success:
            return
        said = read_body(response).decode("utf-8", "replace")
        sentence = f"{response.url} answered {response.status_code}: {to_line(said, 300)}"
        if response.status_code in {408, 409, 429} or response.status_code >= 500:
            raise TryAgain(sentence, retry_after_s(response))
        raise EndpointFailed(f"{sentence}; check --base-url, --model and the key")

    def read_stream(self, response: httpx.Response) -> Answer:
        parts: list[str] = []
        usage, finished, size = Usage(), False, 0
        for chunk in read_chunks(self.timely(response.iter_bytes())):
            usage = chunk.usage or usage
            for choice in chunk.choices:
                parts.append((choice.delta and choice.delta.content) or "")
                size += len(parts[-1])
                finished = finished or bool(choice.finish_reason)
            if size > MAX_ANSWER_CHARS:
                raise EndpointFailed(
                    f"the answer is longer than {MAX_ANSWER_CHARS} characters; is the "
                    "model repeating itself?"
                )
        if not finished:
            raise TryAgain("the answer was cut: the stream ended before the model did")
        return make_answer("".join(parts), usage)

    def timely(self, parts: Iterable[bytes]) -> Iterator[bytes]:
        """The parts of a stream, whatever they hold, until its time is up."""
        deadline = time.monotonic() + self.timeout_s
        for part in parts:
            if time.monotonic() > deadline:
                raise TryAgain(f"no whole answer within {self.timeout_s:g} s")
            yield part


def read_body(response: httpx.Response) -> bytes:
    """An answer in one piece, bounded."""
    body = bytearray()
    for part in response.iter_bytes():
        body += part
        if len(body) > MAX_BODY_BYTES:
            raise EndpointFailed(f"{response.url} sent over {MAX_BODY_BYTES} bytes")
    return bytes(body)


def read_chunks(parts: Iterable[bytes]) -> Iterator[Body]:
    """The objects of a stream's `data:` lines, up to `[DONE]`."""
    for line in stream_lines(parts):
        if not line.startswith(b"data:"):
            continue
        data = line[5:].strip()
        if data == b"[DONE]":
            return
        yield decode_body(data)


def stream_lines(parts: Iterable[bytes]) -> Iterator[bytes]:
    """A stream's lines, however it was cut into parts. Only a line feed ends one: JSON may hold
    the other characters at which Python's `splitlines` would cut it."""
    rest = bytearray()
    for part in parts:
        *whole_lines, last = part.split(b"\n")
        for line in whole_lines:
            yield bytes(rest) + line
            rest.clear()
        rest += last
        if len(rest) > MAX_LINE_BYTES:
            raise EndpointFailed(f"the stream has a line of over {MAX_LINE_BYTES} bytes")
    yield bytes(rest)


def read_whole(data: bytes) -> Answer:
    """An answer that came in one piece, from endpoints that do not stream."""
    body = decode_body(data)
    first = body.choices[0].message if body.choices else None
    return make_answer((first and first.content) or "", body.usage or Usage())


def decode_body(data: bytes) -> Body:
    try:
        body = msgspec.json.decode(data, type=Body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise TryAgain(
            f"the endpoint sent something that is no chat completion: {data[:80]!r}"
        ) from error
    if body.error:
        raise TryAgain(
            f"the endpoint sent an error instead of an answer: {to_line(str(body.error), 300)}"
        )
    return body


def make_answer(text: str, usage: Usage) -> Answer:
    if not text.strip():
        raise TryAgain("the model's answer is empty")
    return Answer(text, max(0, usage.prompt_tokens), max(0, usage.completion_tokens))


def retry_after_s(response: httpx.Response) -> float:
    try:
        return max(0.0, float(response.headers.get("retry-after", "0")))
    except ValueError:  # an HTTP date: the backoff will do
        return 0.0
