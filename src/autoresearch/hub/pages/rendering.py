"""A view and a template become an answer: escaped, compressed, with a policy under which only our own files run."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import Request, Response
from markupsafe import Markup

from autoresearch.hub.pages import assets, markup
from autoresearch.hub.worker import Hub

T = TypeVar("T")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
SMALL = 1000  # bytes below which compressing is not worth it
_INVISIBLE = re.compile(
    "[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
)


@lru_cache(maxsize=1)
def environment() -> Environment:
    made = Environment(
        loader=PackageLoader("autoresearch.hub", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals.update(asset=assets.address)
    made.filters.update(
        plain=plain,
        subject=subject,
        score=score,
        when=when,
        short=lambda text: text[:7],
        markdown=markup.rendered,
        words=markup.words,
    )
    return made


def prepare() -> None:
    """Compile every template and read every file before somebody waits for them: a tenth of a second each, once per worker."""
    assets.assets()
    for name in environment().list_templates():
        environment().get_template(name)


def plain(text: str, most: int = 200) -> str:
    """One visible line of a stranger's text: no control characters, nothing that turns the direction of what follows."""
    line = " ".join(_INVISIBLE.sub(" ", text[: most * 4]).split())
    return line if len(line) <= most else line[: most - 1] + "…"


def subject(message: str, most: int) -> str:
    """The first line of a commit's message, as `plain` shows it."""
    return plain(message.strip().partition("\n")[0], most)


def score(value: float | None) -> str:
    return "–" if value is None else f"{value:.6f}" if abs(value) < 1000 else f"{value:.4g}"


def when(moment: str) -> Markup:
    """A time as people and programs read it, in UTC; live.js makes it relative."""
    return Markup('<time datetime="{}">{} {} UTC</time>').format(moment, moment[:10], moment[11:16])


def answer_page(
    request: Request[Any, Any, Any], template: str, *, status: int = 200, **values: object
) -> Response[bytes]:
    """The HTML of a template. `values` are what it names."""
    text = environment().get_template(template).render(path=request.scope["path"], **values)
    return answer(request, text.encode("utf-8", "replace"), "text/html; charset=utf-8", status)


def answer(
    request: Request[Any, Any, Any],
    body: bytes,
    media_type: str,
    status: int = 200,
    policy: str = POLICY,
) -> Response[bytes]:
    headers = {
        "Content-Security-Policy": policy,
        "Cache-Control": "no-cache",
        "Vary": "Accept-Encoding",
    }
    if len(body) > SMALL and "gzip" in request.headers.get("accept-encoding", ""):
        body = gzip.compress(body, 5, mtime=0)
        headers["Content-Encoding"] = "gzip"
    return Response(body, media_type=media_type, status_code=status, headers=headers)


def remembered(hub: Hub, key: object, make: Callable[[], T]) -> T:
    """What `make` returns, made anew once something has happened on the hub. For what costs more than a few indexed reads."""
    seq = hub.feed.last_seq
    known = hub.shown.get(key)
    if known is None or known[0] != seq:
        if len(hub.shown) > 500:
            hub.shown.clear()
        known = hub.shown[key] = (seq, make())
    return known[1]
