"""The words of a text are the same for both databases, and so are the answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autoresearch.hub.store import migrate, search
from autoresearch.hub.store.database import Database
from autoresearch.hub.store.words import make_query, make_vector, split_words
from postgres import Cluster

TEXTS = (
    "Raised the learning rate to 3e-4; val_bpb: 0.9871",
    "the rate of learning, raised again",
    "RoPE base 10_000 → 50_000, é and e\u0301 and E",
    "旋转位置编码 works, 回転も",
    "kind:post kindpost 'quoted' \\back :name %percent",
    "x" * 3000 + " short",
    "word " * 400 + "last phrase_of all",
)
QUESTIONS = (
    "rate", "learning rate", "LEARNING", "val_bpb", "0.9871", "é", "e", "位置", "回転",
    "kindpost", "kind post", "'quoted'", "x" * 3000, "phrase_of", "of phrase", "___", "*", "a b",
    "learning _ rate", "0:_", "__ ___",
)  # fmt: skip


@pytest.fixture
def both(tmp_path: Path, postgres: Cluster) -> Iterator[list[Database]]:
    """The same texts in a database of each kind."""
    urls = ["", postgres.hub_database()]
    databases = [Database(tmp_path, url) for url in urls if not migrate.prepare(tmp_path, url)]
    yield databases
    for db in databases:
        db.close()


def fill(db: Database, texts: list[str] | tuple[str, ...]) -> None:
    with db.write() as tx:
        search.clear(tx)
        for number, text in enumerate(texts):
            kind = ("post", "result", "commit")[number % 3]
            search.add(tx, kind, str(number), "ada", text, f"2026-01-0{number % 9 + 1}")


def ask(db: Database, question: str, *kinds: str) -> list[str]:
    return [found.id for found in search.find(db.reader, question, kinds, 2**62, 99)]


def test_both_answer_alike(both: list[Database]) -> None:
    """Case, accents, scripts without spaces, phrases, long words, kinds and odd signs."""
    for db in both:
        fill(db, TEXTS)

    for question in QUESTIONS:
        for kinds in ((), ("post",), ("commit", "result")):
            first, second = (ask(db, question, *kinds) for db in both)
            assert first == second, (question, kinds)
    assert ask(both[1], "learning rate") == ["1", "0"]
    assert ask(both[1], "learning _ rate") == ["1", "0"]
    assert ask(both[1], "phrase_of") == ["6"] and ask(both[1], "of_phrase") == []


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.text(max_size=20), min_size=1, max_size=6), st.text(min_size=1, max_size=8))
def test_any_text_and_any_question(both: list[Database], texts: list[str], question: str) -> None:
    """Whatever is written and asked; zero bytes never get this far."""
    texts = [text.replace("\0", " ") for text in texts]
    for db in both:
        fill(db, texts)

    for asked in (question.replace("\0", " "), texts[0]):
        first, second = (ask(db, asked) for db in both)
        assert first == second, asked


def test_words_are_those_of_the_index() -> None:
    """Letters and digits of any script, without case and accents, in their order."""
    assert split_words("Ünder_scored 3e-4, É!") == ["under", "scored", "3e", "4", "e"]
    assert make_vector("b a b") == "'b':1,3 'a':2"
    assert make_query(["val_bpb", "___", "adam"]) == "'val' <-> 'bpb' & 'adam'"
    assert make_vector("y" * 5000).startswith("'") and len(make_vector("y" * 5000)) < 100
    assert len(make_vector(" ".join(f"word{n}" for n in range(200_000)))) < 1_500_000
