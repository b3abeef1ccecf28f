"""What a value is called: `val_bpb`, unless results say another name (docs/wire.md, "Details").

A board takes the name from the newest of its bests that says one, else of its results: who leads a
board is hard to forge (`rules.boards`), so its name is as well. Nothing is stored for it. Posts
never change, so it is read from them by an index: some 0.1 ms for a board of 300 results.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from autoresearch.hub.store import metric_names
from autoresearch.hub.store.statements import Reader
from autoresearch.hub.values import BoardName
from autoresearch.models import Result
from autoresearch.resultdetails import DEFAULT_METRIC, ResultDetails, read_details

LOOKED_AT = 5  # of the bests, and of the results


def of_board(reader: Reader, platform: str, track: str) -> str:
    """What the values of a board are called."""
    for content, place in metric_names.find_posts(reader, platform, track, LOOKED_AT):
        for name in filter(None, _read_names(content)[place : place + 1]):
            return name
    return DEFAULT_METRIC


def of_boards(reader: Reader, results: Iterable[Result]) -> dict[tuple[str, str], str]:
    """The same for every board that these results are on."""
    boards = {BoardName(result.platform, result.track) for result in results}
    return {board: of_board(reader, *board) for board in boards}


def of_result(reader: Reader, result: Result, details: ResultDetails) -> str:
    """What a result calls its own value, else what its board does."""
    return details.metric or of_board(reader, result.platform, result.track)


@lru_cache(maxsize=256)
def _read_names(content: str) -> tuple[str, ...]:
    return tuple(details.metric for details in read_details(content))
