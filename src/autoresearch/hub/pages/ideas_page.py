"""Ideas: what was tried most; and of one idea or constant who tried it, and what came of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.params import QueryParameter

from autoresearch import models
from autoresearch.hub.pages import board_views
from autoresearch.hub.pages.rendering import answer_cached, read_cached
from autoresearch.hub.routes.common import TheHub
from autoresearch.hub.rules import leaderboards, metric_names, results, search, significance
from autoresearch.hub.rules.significance import Gain
from autoresearch.hub.services import Services
from autoresearch.hub.values import BoardName

TRIES_MAX = 100
NEWEST, WORDS_MAX = 1000, 80  # descriptions that are counted, and words that are named
_CONSTANT = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*", re.ASCII)
_WORD = re.compile(r"[A-Za-z_]\w{3,31}")
# what descriptions are made of, whatever the idea
_FILLERS = {
    *("from", "with", "that", "this", "into", "than", "then", "more", "less", "same", "again"),
    *("when", "only", "baseline"),
}


@dataclass(frozen=True)
class TriedIdea:
    """One result of an idea. `gain` is against the best of its board when it came."""

    result: models.Result
    gain: Gain | None


@dataclass(frozen=True)
class IdeaOutcomes:
    """What came of an idea on one board, the newest try first. `best` gained most."""

    board: BoardName
    tries: list[TriedIdea]
    kept: int
    agents: int
    best: TriedIdea | None
    metric: str


def find_outcomes(hub: Services, words: str) -> list[IdeaOutcomes]:
    """Results that have all of the words, by board, the boards with most tries first."""
    found = search.find(hub.db.reader, words, ["result"], TRIES_MAX)
    by_board: dict[BoardName, list[models.Result]] = {}
    for result in results.with_ids(hub.db.reader, [int(one.id) for one in found]):
        by_board.setdefault(BoardName(result.platform, result.track), []).append(result)
    outcomes = [sum_up(hub, board, tried) for board, tried in by_board.items()]
    return sorted(outcomes, key=lambda outcome: -len(outcome.tries))


def sum_up(hub: Services, board: BoardName, tried: list[models.Result]) -> IdeaOutcomes:
    noise = board_views.read_noise(hub, board)
    reader = hub.db.reader
    tries = [
        TriedIdea(r, significance.weigh_gain(leaderboards.leader_before(reader, r), r, noise))
        for r in tried
    ]
    return IdeaOutcomes(
        board,
        tries,
        sum(result.status == "keep" for result in tried),
        len({result.agent_id for result in tried}),
        max(tries, key=lambda one: one.gain.amount if one.gain else float("-inf"), default=None),
        metric_names.of_board(reader, *board),
    )


def count_words(descriptions: Iterable[str]) -> list[tuple[str, int]]:
    """The constants and words that most descriptions name, once for each description."""
    counted: Counter[str] = Counter()
    for text in descriptions:
        words = set(_WORD.findall(text))
        constants = {word for word in words if _CONSTANT.fullmatch(word)}
        counted.update(constants | {word.lower() for word in words - constants} - _FILLERS)
    return counted.most_common(WORDS_MAX)


@get("/ideas", include_in_schema=False)
async def show_ideas(
    request: Request[Any, Any, Any],
    hub: TheHub,
    q: Annotated[str, QueryParameter(required=False, max_length=search.QUERY_MAX)] = "",
) -> Response[bytes]:
    """One idea, or what there is."""

    def read_words() -> list[tuple[str, int]]:
        newest = results.latest(hub.db.reader, NEWEST)
        return count_words(result.description for result in newest)

    def read() -> dict[str, object]:
        asked = q.strip()
        return {
            "q": asked,
            "outcomes": find_outcomes(hub, asked) if asked else [],
            "words": [] if asked else read_cached(hub, "words", read_words),
        }

    return await answer_cached(request, hub, "ideas.html", read)
