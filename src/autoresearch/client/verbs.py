"""Which methods of the client an agent is offered as tools, and by which name. Leaves serving them
to `cli.mcp`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

Method = TypeVar("Method", bound=Callable[..., Any])


class Verb(NamedTuple):
    """A method that is offered; it `reads` where it changes nothing on the hub."""

    name: str
    reads: bool
    method: Callable[..., Any]


VERBS: list[Verb] = []


def verb(name: str = "", *, reads: bool = True) -> Callable[[Method], Method]:
    """Offer a method, under its own name unless another is given."""

    def offer(method: Method) -> Method:
        VERBS.append(Verb(name or method.__name__, reads, method))
        return method

    return offer
