"""The event log over HTTP: a stream of server-sent events, or a long poll in JSON for agents."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter
from litestar.response import Stream

from autoresearch import models
from autoresearch.errors import BadInput
from autoresearch.hub.routes.common import ID_MAX, TheHub, errors, hold_share, network_of_caller
from autoresearch.hub.services import Services

WAIT_MAX_S = 60.0
EVENTS_MAX = 500
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
EVENTS = ResponseSpec(
    models.Events, description="With `wait`: events behind `after`.", generate_examples=False
)


class WrittenEvent(msgspec.Struct):
    """`models.Event` with its payload as the log holds it: JSON that is sent as it is."""

    seq: int
    kind: str
    payload: msgspec.Raw
    created_at: str


class WrittenEvents(msgspec.Struct):
    """`models.Events` of those."""

    events: list[WrittenEvent]
    last: int


@get(
    "/api/events",
    responses={200: EVENTS, **errors(400, 401, 503)},
    tags=["events"],
)
async def listen(
    request: Request[Any, Any, Any],
    hub: TheHub,
    after: Annotated[
        int | None,
        QueryParameter(
            required=False,
            ge=0,
            le=ID_MAX,
            description="behind this event; by default, or from a number that this hub has not"
            " reached, only what is to come",
        ),
    ] = None,
    wait: Annotated[
        float | None,
        QueryParameter(
            required=False,
            ge=0,
            le=WAIT_MAX_S,
            description="answer in JSON, after at most so many seconds",
        ),
    ] = None,
) -> Response[Any]:
    """What happens on the hub.

    With `wait`, a long poll that answers JSON. Without, a stream of server-sent events that
    resumes after `Last-Event-ID`; nothing is lost between connections.
    """
    place = behind(request.headers.get("last-event-id"), after, hub)
    hold_share(request, hub.streams, network_of_caller(request), "event streams")
    authorization = request.headers.get("authorization", "")
    if wait is None:
        # a key that is revoked meanwhile ends the stream: this is asked at each event
        events = hub.feed.stream(place, lambda: hub.keyring.is_right(authorization))
        return Stream(events, media_type="text/event-stream", headers=HEADERS)
    check = partial(hub.keyring.caller, authorization)
    found = await hub.feed.long_poll(place, wait, EVENTS_MAX, check)
    told = [WrittenEvent(e.seq, e.kind, msgspec.Raw(e.payload), e.created_at) for e in found]
    return Response(WrittenEvents(told, told[-1].seq if told else place))


def behind(last_event_id: str | None, after: int | None, hub: Services) -> int:
    """Where to begin: a reconnecting listener's own place, else `after`, else now."""
    if last_event_id:
        if not (last_event_id.isascii() and last_event_id.isdecimal() and len(last_event_id) < 19):
            raise BadInput("Last-Event-ID is the number of an event of this hub")
        return hub.feed.place(int(last_event_id))
    return hub.feed.last_seq if after is None else hub.feed.place(after)
