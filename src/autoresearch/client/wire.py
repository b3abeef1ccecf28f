"""One request to a hub and its answer: time limits, retries, errors by status, JSON into values.
Knows no verbs.

**What is tried again.** A request that surely did not reach the hub (no connection), or that the
hub refused for now (429 with a `Retry-After` that fits in `patience_s`), is always tried again. A
request that may have been carried out (the connection broke before the answer, 502, 503, 504) is
tried again only where doing it twice is the same as doing it once: reads, pushes of a bundle,
renewals, releases. A post whose answer was lost raises HubUnavailable and says so; it is never
written twice.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
import msgspec
import tenacity

from autoresearch import __version__
from autoresearch.errors import (
    AutoresearchError,
    BadInput,
    Conflict,
    Forbidden,
    HubUnavailable,
    NotFound,
    RateLimited,
    TooLarge,
    Unauthorized,
)
from autoresearch.files import PRIVATE, replacement_of
from autoresearch.untrusted import to_line

T = TypeVar("T")
ANSWER_MAX_BYTES = 64 * 1024 * 1024  # of JSON; a hub that sends more is not believed
BUNDLE_MAX_BYTES = 2 * 1024**3  # of commits; git histories of experiments are a thousandth of it
CHUNK_BYTES = 256 * 1024
TRIES = 4
PAUSE_S, PAUSE_MAX_S = 0.2, 5.0
PATIENCE_S = 30.0
# RecursionError: an answer nested deeper than Python reads
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
BUSY = (502, 503, 504)
NO_CONNECTION = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
BY_STATUS: dict[int, type[AutoresearchError]] = {
    kind.status: kind for kind in (BadInput, Unauthorized, Forbidden, NotFound, Conflict, TooLarge)
}
Query = Sequence[tuple[str, str | int | float]]


@dataclass(frozen=True)
class Request:
    """What is asked. `again` says that doing it twice is the same as doing it once; `extra_s` is
    waited for on top of the time limit."""

    method: str
    path: str
    query: Query = ()
    body: Any = None
    file: Path | None = None
    again: bool = True
    extra_s: float = 0.0


class _Again(Exception):
    """This try failed in a way that another may not. `error` is what the caller gets if none is
    left."""

    def __init__(self, error: AutoresearchError, pause_s: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.pause_s = pause_s


class _Overlong(Exception):
    """An answer larger than any hub gives."""


class Wire:
    """A connection to one hub. Raises errors of `autoresearch.errors` only."""

    def __init__(
        self,
        url: str,
        key: str = "",
        *,
        timeout_s: float = 30.0,
        patience_s: float = PATIENCE_S,
        tries: int = TRIES,
    ) -> None:
        self.url = checked_url(url)
        self._timeout_s = timeout_s
        self._patience_s = patience_s
        self._tries = tries
        headers = {"User-Agent": f"autoresearch/{__version__}", "Accept-Encoding": "gzip"}
        if key:
            headers["Authorization"] = f"Bearer {checked_key(key)}"
        self._http = httpx.Client(
            base_url=self.url,
            headers=headers,
            timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, 10.0)),
            follow_redirects=False,  # a redirect would hand the key to somebody else
            # a proxy knows nothing of this machine's loopback
            trust_env=not _is_loopback(self.url),
            verify=_certificates(self.url),
        )

    def close(self) -> None:
        self._http.close()

    def answer(self, request: Request, kind: type[T]) -> T:
        """The answer's JSON as `kind`."""

        def read(response: httpx.Response) -> T:
            body = _read(response)
            try:
                decoded: T = msgspec.json.decode(body, type=kind)
            except UNREADABLE as error:
                raise self._strange(
                    request, f"its answer does not fit: {str(error)[:200]}"
                ) from error
            return decoded

        return self._send(request, read)

    def text(self, request: Request) -> str:
        return self._send(request, lambda response: _read(response).decode("utf-8", "replace"))

    def nothing(self, request: Request) -> None:
        self._send(request, lambda response: None)

    def download(self, request: Request, target: Path, most: int = 0) -> int:
        """Put the answer's body into `target`, which appears whole or not at all; its size in
        bytes, `most` at most, by default what a bundle may have."""
        most = most or BUNDLE_MAX_BYTES

        def save(response: httpx.Response) -> int:
            with replacement_of(target, mode=PRIVATE, durable=False) as file:
                parts = _bound_parts(response.iter_bytes(CHUNK_BYTES), most, "file")
                return sum(map(file.write, parts))

        return self._send(request, save)

    def _send(self, request: Request, use: Callable[[httpx.Response], T]) -> T:
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_Again),
            stop=tenacity.stop_after_attempt(self._tries),
            wait=_pause,
            reraise=True,
        )
        try:
            used: T = retrying(self._try, request, use)
        except _Again as failure:
            raise failure.error from failure.__cause__
        return used

    def _try(self, request: Request, use: Callable[[httpx.Response], T]) -> T:
        try:
            with self._open(request) as response:
                if response.is_success:
                    return use(response)
                error = self._refusal(request, response)
        except NO_CONNECTION as failure:
            raise _Again(
                HubUnavailable(
                    f"no connection to the hub at {self.url}: "
                    f"{to_line(str(failure)) or 'timed out'}"
                )
            ) from failure
        except httpx.TransportError as failure:
            reason = to_line(str(failure)) or type(failure).__name__
            raise self._broken(request, reason) from failure
        except (httpx.InvalidURL, httpx.DecodingError, _Overlong) as failure:
            raise self._strange(request, str(failure)[:200]) from failure
        raise error

    @contextmanager
    def _open(self, request: Request) -> Iterator[httpx.Response]:
        """The answer with its body still to come."""
        timeout = httpx.Timeout(
            self._timeout_s,
            connect=min(self._timeout_s, 10.0),
            read=self._timeout_s + request.extra_s,
        )
        options: dict[str, Any] = {"params": list(request.query), "timeout": timeout}
        if request.file is not None:
            with request.file.open("rb") as file:
                options["content"] = iter(lambda: file.read(CHUNK_BYTES), b"")
                options["headers"] = {
                    "Content-Type": "application/octet-stream",
                    "Content-Length": str(os.fstat(file.fileno()).st_size),
                }
                with self._http.stream(request.method, request.path, **options) as response:
                    yield response
            return
        if request.body is not None:
            options["content"] = msgspec.json.encode(request.body)
            options["headers"] = {"Content-Type": "application/json"}
        with self._http.stream(request.method, request.path, **options) as response:
            yield response

    def _refusal(self, request: Request, response: httpx.Response) -> AutoresearchError | _Again:
        """What an answer that is no success means."""
        status = response.status_code
        if response.is_redirect:
            to = response.headers.get("location", "")[:200]
            return HubUnavailable(
                f"{self.url} sends elsewhere, to {to!r}; give the hub's own address"
            )
        sentence = _sentence(_read(response))
        if status == 429:
            return self._over_limit(sentence, response.headers.get("retry-after", ""))
        if status in BUSY:
            error = HubUnavailable(
                f"the hub at {self.url} is not ready ({status}): {sentence or 'try again later'}"
            )
            return _Again(error) if request.again else error
        if status >= 500:
            return HubUnavailable(
                f"the hub at {self.url} failed on {request.path} ({status}): "
                f"{sentence or 'no reason given'}"
            )
        if not sentence:
            return self._strange(request, f"status {status} without a reason")
        return BY_STATUS.get(status, BadInput)(sentence)

    def _over_limit(self, sentence: str, retry_after: str) -> AutoresearchError | _Again:
        wait_s = (
            int(retry_after)
            if retry_after.isascii() and retry_after.isdecimal() and len(retry_after) < 8
            else 60
        )
        error = RateLimited(sentence or f"too many requests; try again in {wait_s} s", wait_s)
        return _Again(error, max(float(wait_s), PAUSE_S)) if wait_s <= self._patience_s else error

    def _broken(self, request: Request, reason: str) -> AutoresearchError | _Again:
        """The connection broke after the request was on its way."""
        if request.again:
            return _Again(HubUnavailable(f"the hub at {self.url} broke off: {reason}"))
        return HubUnavailable(
            f"the hub at {self.url} broke off before it answered ({reason}): "
            f"{request.method} {request.path} may or may not be done; look before you "
            "repeat it"
        )

    def _strange(self, request: Request, reason: str) -> HubUnavailable:
        return HubUnavailable(
            f"{self.url}{request.path} does not answer as a hub does "
            f"({to_line(reason)}); is the address right?"
        )


def checked_url(url: str) -> str:
    """The address of a hub without its last slash; BadInput where it is none."""
    if not _is_hub_address(url.strip()):
        raise BadInput(
            f"{url[:200]!r} is no address of a hub; one looks like https://hub.example.org"
        )
    return url.strip().rstrip("/")


def _is_hub_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        is_port = parts.port is None or parts.port > 0
    except ValueError:
        return False
    more = parts.query or parts.fragment or parts.username is not None
    is_web = parts.scheme in ("http", "https") and bool(parts.hostname)
    return is_web and is_port and not more and url.isprintable()


def checked_key(key: str) -> str:
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise BadInput("the key holds characters no key has; copy it anew")
    return key


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _certificates(url: str) -> ssl.SSLContext:
    """The usual certificates for https, or those of SSL_CERT_FILE and SSL_CERT_DIR. For http none:
    loading them takes longer than most answers, and none is ever needed."""
    if url.startswith("https:"):
        return httpx.create_ssl_context()
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _read(response: httpx.Response) -> bytes:
    """The whole body, bounded."""
    return b"".join(_bound_parts(response.iter_bytes(), ANSWER_MAX_BYTES, "answer"))


def _bound_parts(parts: Iterator[bytes], most: int, what: str) -> Iterator[bytes]:
    """The parts, until there are too many: a hub must fill neither memory nor a disk."""
    size = 0
    for part in parts:
        size += len(part)
        if size > most:
            raise _Overlong(f"over {most} bytes of {what}")
        yield part


def _sentence(body: bytes) -> str:
    """The reason in a refusal, or the empty string where it gives none."""
    try:
        told = msgspec.json.decode(body, type=dict[str, Any])
    except UNREADABLE:
        return ""
    reason = told.get("error") or told.get("detail")
    return to_line(reason) if isinstance(reason, str) else ""


def _pause(state: tenacity.RetryCallState) -> float:
    """Seconds before the next try: what the hub asked for, else longer each time."""
    failure = state.outcome.exception() if state.outcome else None
    if isinstance(failure, _Again) and failure.pause_s is not None:
        return failure.pause_s
    return float(
        tenacity.wait_random_exponential(multiplier=PAUSE_S, min=PAUSE_S, max=PAUSE_MAX_S)(state)
    )


def present(query: Mapping[str, str | int | float | None]) -> list[tuple[str, str | int | float]]:
    """The parameters that are given."""
    return [(name, value) for name, value in query.items() if value is not None and value != ""]
