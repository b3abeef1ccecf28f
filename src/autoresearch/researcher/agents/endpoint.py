"""One conversation turn with any OpenAI-compatible endpoint (vLLM, Ollama, hosted): POST
{base_url}/chat/completions, streamed.

Leaves to others: which fields it takes (dialects), what its answers mean (chat_answers), what is
asked and what becomes of the answer (llm).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import cached_property

import httpx
import tenacity

from autoresearch.clock import utc_now
from autoresearch.researcher.agents.chat_answers import (
    BOM,
    Answer,
    EndpointFailed,
    TryAgain,
    Unreachable,
    is_final,
    make_answer,
    read_piece,
)
from autoresearch.researcher.agents.dialects import CHANGES, Dialect
from autoresearch.untrusted import to_line

MAX_ANSWER_CHARS = 400_000
MAX_LINE_BYTES = 4 * 2**20  # of a stream: an escaped character takes up to six bytes
MAX_BODY_BYTES = 16 * 2**20  # of an answer in one piece, or of an error
DONE = b"[DONE]"


@dataclass(frozen=True, slots=True)
class Message:
    role: str  # "system", "user" or "assistant"
    content: str


class Refused(EndpointFailed):
    """The request has a field that the endpoint does not take. `words`: all it said, lower case."""

    def __init__(self, sentence: str, words: str) -> None:
        super().__init__(sentence)
        self.words = words


@dataclass(frozen=True)
class Endpoint:
    """`base_url` ends where `/chat/completions` begins, e.g. `http://127.0.0.1:8000/v1`.
    `timeout_s` bounds one whole answer. What it refused once is not sent to it again."""

    base_url: str
    model: str
    api_key: str = ""
    timeout_s: float = 600
    max_tokens: int = 8192
    tries: int = 5
    max_wait_s: float = 60
    learned: dict[str, Dialect] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def url(self) -> str:
        return f"{self.base_url.rstrip('/')}/chat/completions"

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
        """One answer, without the fields that the endpoint refuses."""
        dialect = self.learned.setdefault("", Dialect(self.max_tokens))
        for _ in range(CHANGES):
            try:
                return self.send(messages, dialect)
            except Refused as refused:
                if not dialect.learn(refused.words):
                    raise
        return self.send(messages, dialect)

    def send(self, messages: Sequence[Message], dialect: Dialect) -> Answer:
        texts = [{"role": m.role, "content": m.content} for m in messages]
        body = dialect.request(self.model, texts)
        headers = {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}
        try:
            with (
                httpx.Client(timeout=httpx.Timeout(self.timeout_s, connect=15)) as http,
                http.stream("POST", self.url, json=body, headers=headers) as response,
            ):
                check_status(response)
                return self.read(response)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol) as error:
            raise Unreachable(f"{self.url} is not reached: {error}; check --base-url") from error
        except httpx.HTTPError as error:
            raise TryAgain(f"{self.url} broke off: {error or type(error).__name__}") from error

    def read(self, response: httpx.Response) -> Answer:
        """The answer, whether it comes in one piece or as a stream, whatever its type is called."""
        if "text/event-stream" in response.headers.get("content-type", ""):
            return read_stream(self.timely(response.iter_bytes()))
        whole = read_body(response)
        if whole.removeprefix(BOM).lstrip().startswith((b"data:", b"event:", b":")):
            return read_stream([whole])
        piece = read_piece(whole)
        return make_answer(piece.text, piece.refusal, piece.ending, piece.usage)

    def timely(self, parts: Iterable[bytes]) -> Iterator[bytes]:
        """The parts of a stream, whatever they hold, until its time is up."""
        deadline = time.monotonic() + self.timeout_s
        for part in parts:
            if time.monotonic() > deadline:
                raise TryAgain(f"no whole answer within {self.timeout_s:g} s")
            yield part


def check_status(response: httpx.Response) -> None:
    """Raise what a status other than success means."""
    if response.is_success:
        return
    said = read_body(response).decode("utf-8", "replace")
    sentence = f"{response.url} answered {response.status_code}: {to_line(said, 300)}"
    status = response.status_code
    if status in {400, 415, 422}:
        raise Refused(f"{sentence}; check --base-url, --model and the key", said[:8000].lower())
    if "insufficient_quota" in said or status == 402:
        raise EndpointFailed(f"the account has nothing left to spend: {sentence}")
    if status in {408, 409, 425, 429} or (status >= 500 and not is_final(said[:2000].lower())):
        raise TryAgain(sentence, retry_after_s(response))
    raise EndpointFailed(f"{sentence}; check --base-url, --model and the key")


def read_stream(parts: Iterable[bytes]) -> Answer:
    """An answer in pieces; TryAgain where it ends before the model did."""
    texts: list[str] = []
    refusal, ending, usage, size = "", "", None, 0
    for data in read_events(parts):
        if data == DONE:
            ending = ending or "stop"  # some name no reason
            break
        piece = read_piece(data)
        usage, ending = piece.usage or usage, piece.ending or ending
        texts.append(piece.text)
        refusal += piece.refusal
        size += len(piece.text) + len(piece.refusal)
        if size > MAX_ANSWER_CHARS:
            raise EndpointFailed(
                f"the answer is longer than {MAX_ANSWER_CHARS} characters; is the "
                "model repeating itself?"
            )
    if not ending:
        raise TryAgain("the answer was cut: the stream ended before the model did")
    return make_answer("".join(texts), refusal, ending, usage)


def read_body(response: httpx.Response) -> bytes:
    """An answer in one piece, bounded."""
    body = bytearray()
    for part in response.iter_bytes():
        body += part
        if len(body) > MAX_BODY_BYTES:
            raise EndpointFailed(f"{response.url} sent over {MAX_BODY_BYTES} bytes")
    return bytes(body)


def read_events(parts: Iterable[bytes]) -> Iterator[bytes]:
    """What a stream's `data:` lines hold, `[DONE]` included."""
    for line in stream_lines(parts):
        line = line.removeprefix(BOM)
        if line.startswith(b"data:") and line[5:].strip():
            yield line[5:].strip()


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


def retry_after_s(response: httpx.Response) -> float:
    """Seconds, or an HTTP date; 0 where there is neither."""
    told = response.headers.get("retry-after", "0")
    try:
        return max(0.0, float(told))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(told) - utc_now()).total_seconds())
    except (TypeError, ValueError):
        return 0.0
