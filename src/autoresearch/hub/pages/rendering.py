"""Values and a template become an answer: escaped, packed, with a policy against foreign files."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Hashable, Mapping
from functools import lru_cache
from typing import Any, TypeVar

from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import Request, Response
from markupsafe import Markup, escape

from autoresearch import untrusted
from autoresearch.hub.pages import assets, markup
from autoresearch.hub.routes.public import address_of
from autoresearch.hub.services import Services
from autoresearch.hub.settings import NO_SITE, Site
from autoresearch.resultdetails import DEFAULT_METRIC

T = TypeVar("T")
HTML = "text/html; charset=utf-8"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
ANYWHERE = {"Cross-Origin-Resource-Policy": "cross-origin"}  # other sites may show it
SMALL_BYTES = 1000  # smaller bodies are not compressed


@lru_cache(maxsize=8)
def load_templates(base: str = "", site: Site = NO_SITE) -> Environment:
    """Every template, for a hub that stands below the path `base` and says this about itself."""
    made = Environment(
        loader=PackageLoader("autoresearch.hub", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals.update(asset=assets.find_url, base=base, site=site)
    made.filters.update(
        plain=flatten_text,
        subject=first_line,
        score=format_score,
        named=name_score,
        when=format_time,
        short=lambda digits: digits[:7],
        markdown=markup.render_markdown,
        prose=drop_curve,
        words=markup.strip_marks,
        contact=link_contact,
    )
    return made


def compile_templates() -> None:
    """Compile every template and read every file before the first viewer waits for them."""
    assets.load_assets()
    for name in load_templates().list_templates():
        load_templates().get_template(name)


def flatten_text(text: str, most: int = 200) -> str:
    """One visible line of a stranger's text, without control and direction characters."""
    return untrusted.to_line(text, most)


def first_line(message: str, most: int) -> str:
    """The first line of a commit's message."""
    return flatten_text(message.strip().partition("\n")[0], most)


def link_contact(contact: str) -> Markup:
    """An operator's address as a link, other words as they are."""
    if re.fullmatch(r"[^\s@/:]+@[^\s@/:]+", contact):
        return Markup('<a href="mailto:{0}">{0}</a>').format(contact)
    if contact.startswith(("https://", "http://")):
        return Markup('<a href="{0}" rel="nofollow">{0}</a>').format(contact)
    return escape(contact)


def drop_curve(text: str) -> str:
    """A post without the points of its curves, which the page of a result draws."""
    return "\n".join(line for line in text.split("\n") if not line.startswith("- curve: "))


def format_score(value: float | None) -> str:
    return "–" if value is None else f"{value:.6f}" if abs(value) < 1000 else f"{value:.4g}"


def name_score(value: float | None, metric: str) -> str:
    """A value that stands alone: with the name of its metric, unless that is the usual one."""
    is_usual = value is None or metric == DEFAULT_METRIC
    return format_score(value) if is_usual else f"{format_score(value)} {metric}"


def format_time(moment: str) -> Markup:
    """A time in UTC for people and programs; page.js makes it relative."""
    day, minute = moment[:10], moment[11:16]
    return Markup('<time datetime="{}">{} {} UTC</time>').format(moment, day, minute)


def render(template: str, base: str = "", site: Site = NO_SITE, **values: object) -> bytes:
    """A template filled with the `values` that it names, with links below the path `base`."""
    made = load_templates(base, site).get_template(template)
    return made.render(**values).encode("utf-8", "replace")


def answer_page(
    request: Request[Any, Any, Any], template: str, *, status: int = 200, **values: object
) -> Response[bytes]:
    """A page for this request alone."""
    site = request.app.state.hub.settings.site
    body = render(template, base_path(request), site, path=request.scope["path"], **values)
    return answer(request, body, HTML, status)


async def answer_cached(
    request: Request[Any, Any, Any],
    hub: Services,
    template: str,
    read: Callable[[], Mapping[str, object]],
    policy: str = POLICY,
    moment: int = 0,
) -> Response[bytes]:
    """A page for everybody: `read`, called in a thread, returns what the template names.

    Templates also get `url`, the hub's address, and `path`. Only for pages that the address alone
    decides: no cookie, and no header but the host, may change what they show. A page that the
    clock changes names the `moment` until which it may be kept.
    """
    path, url, base = request.scope["path"], address_of(request, hub), base_path(request)
    site = hub.settings.site
    key = (template, path, request.scope["query_string"], url, base, moment, hub.changes)

    def make() -> bytes:
        return render(template, base, site, path=path, url=url, **read())

    return await answer_kept(request, hub, key, make, HTML, policy)


async def answer_kept(
    request: Request[Any, Any, Any],
    hub: Services,
    key: Hashable,
    make: Callable[[], bytes],
    media_type: str,
    policy: str = POLICY,
    more: Mapping[str, str] | None = None,
) -> Response[bytes]:
    """What `make` returns, called in a thread, for everybody until the next event."""

    def pack() -> bytes:
        return gzip.compress(make(), 5, mtime=0)

    # the number before reading: what arrives meanwhile makes the page anew
    body = await hub.page_cache.get(key, hub.feed.last_seq, pack)
    packed = accepts_gzip(request)
    headers = {**_headers(policy, packed=packed), **(more or {})}
    return Response(
        body if packed else gzip.decompress(body), media_type=media_type, headers=headers
    )


def read_cached(hub: Services, key: object, read: Callable[[], T]) -> T:
    """What `read` returns, until the next event: for reads that pages share. In a thread only."""
    return hub.page_cache.get_in_thread(key, hub.feed.last_seq, read)


def answer(
    request: Request[Any, Any, Any],
    body: bytes,
    media_type: str,
    status: int = 200,
    policy: str = POLICY,
    more: Mapping[str, str] | None = None,
) -> Response[bytes]:
    packed = len(body) > SMALL_BYTES and accepts_gzip(request)
    if packed:
        body = gzip.compress(body, 5, mtime=0)
    headers = {**_headers(policy, packed=packed), **(more or {})}
    return Response(body, media_type=media_type, status_code=status, headers=headers)


def base_path(request: Request[Any, Any, Any]) -> str:
    """Where the hub stands for this caller; empty at the top of its host."""
    return str(request.scope.get("base_path", ""))


def accepts_gzip(request: Request[Any, Any, Any]) -> bool:
    return "gzip" in request.headers.get("accept-encoding", "")


def _headers(policy: str, *, packed: bool = False) -> dict[str, str]:
    return {
        "Content-Security-Policy": policy,
        "Cache-Control": "no-cache",
        "Vary": "Accept-Encoding",
        **({"Content-Encoding": "gzip"} if packed else {}),
    }
