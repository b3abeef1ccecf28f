"""SQL that finds the post which may say what the values of a board are called."""

from __future__ import annotations

from collections.abc import Iterator

from autoresearch.hub.store.statements import Reader

# of some newest results, however many there are, the first whose post holds the word
_POST = """
    SELECT posts.content, (
        SELECT count(*) FROM results AS other
        WHERE other.post_id = newest.post_id AND other.id < newest.id
    ) AS place
    FROM (
        SELECT id, post_id FROM results
        WHERE platform = :platform AND track = :track AND hidden = 0{leading}
        ORDER BY id DESC LIMIT :each
    ) AS newest JOIN posts ON posts.id = newest.post_id
    WHERE posts.content LIKE :words ORDER BY newest.id DESC LIMIT 1
"""
_OF_BESTS, _OF_ANY = _POST.format(leading=" AND leads = 1"), _POST.format(leading="")


def find_posts(reader: Reader, platform: str, track: str, each: int) -> Iterator[tuple[str, int]]:
    """Texts that hold `metric:`, of a best and then of any result, and which result of its post
    each is."""
    told = {"platform": platform, "track": track, "each": each, "words": "%metric: %"}
    for sql in (_OF_BESTS, _OF_ANY):
        yield from reader.pairs(sql, **told)
