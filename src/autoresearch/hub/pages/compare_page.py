"""Results or commits side by side: what was measured, their curves over each other, their diff."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.params import QueryParameter

from autoresearch.errors import NotFound
from autoresearch.hub.pages import board_views, curve_chart
from autoresearch.hub.pages.commit_page import diff_commits
from autoresearch.hub.pages.rendering import answer_cached, format_score
from autoresearch.hub.routes.common import ID_MAX, TheHub
from autoresearch.hub.rules import commits, metric_names, results, significance
from autoresearch.hub.services import Services
from autoresearch.hub.values import BoardName
from autoresearch.models import Result
from autoresearch.resultdetails import NO_DETAILS, ResultDetails

SIDES_MAX = 6  # as many as there are colours
LOOKED_AT = 40  # of an agent's results, for those that have a curve
Side = Annotated[str, QueryParameter(required=False, max_length=64)]


@dataclass(frozen=True)
class ComparedSide:
    """One column: a result, or a commit that may have none. `name` is short, `path` its page."""

    name: str
    path: str
    result: Result | None
    commit_hash: str | None
    details: ResultDetails
    metric: str = ""  # what its result's value is called


@dataclass(frozen=True)
class ComparedRow:
    """One fact of every side."""

    name: str
    texts: tuple[str, ...]

    @property
    def differs(self) -> bool:
        return len(set(self.texts)) > 1


def compare_sides(hub: Services, sides: list[ComparedSide]) -> dict[str, object]:
    """Everything the page shows, `sides` in the order in which they were asked for. `sentence`
    says what the difference of two is worth."""
    pair = sides if len(sides) == 2 else []
    return {
        "sides": sides,
        "rows": [row for row in list_rows(sides) if any(row.texts)],
        "sentence": weigh_pair(hub, *(side.result for side in pair)) if pair else "",
        "curves": curve_chart.draw_curves([(side.name, side.details.curve) for side in sides]),
        "diff": diff_commits(hub, *(side.commit_hash for side in pair)) if pair else None,
    }


def find_side(hub: Services, asked: str) -> ComparedSide:
    """The result of that number, else the commit that begins so, with its newest result. Raises
    NotFound, BadInput and Conflict."""
    reader = hub.db.reader
    if asked.isascii() and asked.isdecimal() and len(asked) < 19 and 0 < int(asked) <= ID_MAX:
        try:
            return describe_result(hub, results.one(reader, int(asked)))
        except NotFound:
            if len(asked) < commits.DIGITS_MIN:
                raise
    commit = commits.find(reader, asked)
    found = results.of_commit(reader, commit.hash, 1)
    if found:
        return describe_result(hub, found[0])
    name = f"commit {commit.hash[:7]}"
    return ComparedSide(name, f"/commits/{commit.hash}", None, commit.hash, NO_DETAILS)


def describe_result(hub: Services, result: Result) -> ComparedSide:
    details = results.read_its_details(hub.db.reader, result)
    metric = metric_names.of_result(hub.db.reader, result, details)
    name, path = f"result {result.id}", f"/results/{result.id}"
    return ComparedSide(name, path, result, result.commit_hash, details, metric)


def find_agent_sides(hub: Services, agent_id: str) -> list[ComparedSide]:
    """An agent's newest results that have a curve, oldest first."""
    found = results.latest(hub.db.reader, LOOKED_AT, agent=agent_id)
    sides = (describe_result(hub, result) for result in found)
    return [side for side in sides if len(side.details.curve) > 1][:SIDES_MAX][::-1]


def list_rows(sides: Sequence[ComparedSide]) -> Iterator[ComparedRow]:
    """The facts, each as the text of every side; an empty text where a side has none."""
    metrics = {side.metric for side in sides if side.metric}
    if len(metrics) > 1:
        yield ComparedRow("metric", tuple(side.metric for side in sides))
    values = (format_score(side.result.val_bpb) if side.result else "" for side in sides)
    yield ComparedRow(metrics.pop() if len(metrics) == 1 else "value", tuple(values))
    shown = [_show_side(side) for side in sides]
    for name in shown[0] if shown else ():
        yield ComparedRow(name, tuple(texts[name] for texts in shown))


def _show_side(side: ComparedSide) -> dict[str, str]:
    result, details = side.result, side.details

    def show(value: float | None, form: str) -> str:
        return "" if value is None else form % value

    return {
        "±": show(result.sd if result else None, "%.2g"),
        "runs": show(result.runs if result else None, "%d"),
        "verdict": result.status if result else "",
        "verified": result.verified if result else "",
        "description": (result.description if result else ""),
        "agent": result.agent_id if result else "",
        "platform": result.platform if result else "",
        "track": result.track if result else "",
        "commit": (side.commit_hash or (result.commit if result else ""))[:12],
        "seeds": ", ".join(map(str, details.seeds)),
        "training": show(details.training_s, "%.1f s"),
        "in all": show(details.total_s, "%.1f s"),
        "tokens": show(details.tokens_m, "%.1f M"),
        "steps": show(details.steps, "%.0f"),
        "memory": show(result.vram_gb if result else None, "%.1f GB"),
        "MFU": show(details.mfu_percent, "%.1f %%"),
    }


def weigh_pair(hub: Services, one: Result | None, other: Result | None) -> str:
    """What the second gained on the first, in words; empty where there is nothing to say."""
    if one is None or other is None or one.val_bpb is None or other.val_bpb is None:
        return ""
    board = BoardName(one.platform, one.track)
    if board != BoardName(other.platform, other.track):
        return "They are of different boards: their values cannot be compared."
    gain = one.val_bpb - other.val_bpb
    sigma = significance.gain_in_sigma(one, other, board_views.read_noise(hub, board))
    words = f"The second is {abs(gain):.6f} {'better' if gain > 0 else 'worse'}"
    if sigma is None:
        return f"{words}; the noise of this board is not known."
    luck = ", which may be luck" if abs(sigma) < significance.SIGMA_MIN else ""
    return f"{words}, {abs(sigma):.1f} σ of the difference{luck}."


@get("/compare", include_in_schema=False)
async def show_comparison(
    request: Request[Any, Any, Any],
    hub: TheHub,
    a: Side = "",
    b: Side = "",
    agent: Annotated[str, QueryParameter(required=False, max_length=64)] = "",
) -> Response[bytes]:
    """Two results or commits; or an agent's newest runs."""

    def read() -> dict[str, object]:
        asked = [side.strip() for side in (a, b) if side.strip()]
        sides = find_agent_sides(hub, agent) if agent else [find_side(hub, side) for side in asked]
        found = compare_sides(hub, sides)
        return {"found": found, "a": a, "b": b, "agent": agent, "curve": curve_chart}

    return await answer_cached(request, hub, "compare.html", read)
