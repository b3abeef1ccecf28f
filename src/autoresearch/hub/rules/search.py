"""Finding posts, results and commits by their words."""

from __future__ import annotations

from autoresearch.errors import BadInput
from autoresearch.hub.store import search
from autoresearch.hub.store.statements import Reader
from autoresearch.models import Found

KINDS = ("post", "result", "commit")
QUERY_MAX = 400
NEWEST = 2**62


def find(
    reader: Reader, words: str, kinds: list[str], most: int, before: int | None = None
) -> list[Found]:
    """Documents that have all of `words`, newest first.

    Whatever else stands in `words` is ignored: there is no query language.
    """
    if not words.strip() or len(words) > QUERY_MAX:
        raise BadInput(f"q holds the words to look for, up to {QUERY_MAX} characters")
    for kind in kinds:
        if kind not in KINDS:
            raise BadInput(f"kind is one of {', '.join(KINDS)}, not {kind[:40]!r}")
    chosen = tuple(sorted(set(kinds))) if kinds else ()
    return search.find(reader, words, chosen, NEWEST if before is None else before, most)
