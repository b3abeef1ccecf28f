"""What honest people change is not refused: the edits that bench/honest.py runs in full."""

from __future__ import annotations

import honest_edits


def test_the_edits_are_many_and_programs() -> None:
    """Forty by hand, more by the search, all different, all Python."""
    by_hand, by_search = list(honest_edits.by_hand()), list(honest_edits.by_search(9))
    texts = [text for _, text in (*by_hand, *by_search, *honest_edits.compiled())]

    assert len(by_hand) >= 40 and len(texts) >= 50
    assert len(set(texts)) >= 0.95 * len(texts)
    for text in texts:
        compile(text, "train.py", "exec")
