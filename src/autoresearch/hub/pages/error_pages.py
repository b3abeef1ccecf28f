"""Errors as pages for browsers. Programs get the JSON of `routes.common`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from litestar import Request, Response

from autoresearch.hub.pages.rendering import answer_page

AnyRequest = Request[Any, Any, Any]
E = TypeVar("E", bound=Exception)


def add_error_page(
    handle: Callable[[AnyRequest, E], Response[Any]],
) -> Callable[[AnyRequest, E], Response[Any]]:
    """An exception handler that shows what `handle` answers as a page where a browser asked."""

    def handle_for_all(request: AnyRequest, error: E) -> Response[Any]:
        answer = handle(request, error)
        if not wants_page(request):
            return answer
        status, sentence = answer.status_code or 500, answer.content.error
        return answer_page(request, "error.html", status=status, code=status, sentence=sentence)

    return handle_for_all


def wants_page(request: AnyRequest) -> bool:
    """Whether a browser asked, for something that is no part of the JSON interface."""
    path = request.scope["path"]
    accepts_html = "text/html" in request.headers.get("accept", "")
    return accepts_html and not path.startswith(("/api/", "/git"))
