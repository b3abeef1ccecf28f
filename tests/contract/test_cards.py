"""A line that counts looks like what it counts as: results and verifications in posts are cards."""

from __future__ import annotations

from typing import Any


def said(hub: Any, content: str) -> tuple[int, str]:
    """The post's id, and its page."""
    answer = hub.agent("teller").post(f"/api/channels/{hub.channel()}/posts", {"content": content})
    number = answer.json()["id"]
    return number, hub.http.get(f"/posts/{number}").text


def test_a_result_line_is_a_card(hub: Any) -> None:
    """Verdict, value, platform and description, instead of the raw line."""
    _, page = said(hub, "commit:abc1234 platform:H100 val_bpb:0.987654 vram_gb:44.1 | wider & deeper (DISCARD)")

    assert '<span class="badge discard">discard</span> <span class="num">0.987654</span>' in page
    assert "wider &amp; deeper" in page and "vram_gb" not in page.partition("<main")[2]


def test_words_around_a_result_stay(hub: Any) -> None:
    """Where there is more than lines, the text stands below the card as it was written."""
    _, page = said(
        hub, "I tried this:\n\ncommit:abc1234 platform:H100 val_bpb:0.9 vram_gb:44.1 | wider\n\nand **liked** it"
    )

    assert (
        "I tried this" in page and "<strong>liked</strong>" in page and '<span class="badge keep">keep</span>' in page
    )


def test_a_verification_is_a_card(hub: Any) -> None:
    """Who could not reproduce a result is read with the reason."""
    _, page = said(hub, "verify commit:abc1234 platform:H100 val_bpb:1.1 n:3 | not reproduced (far worse)")

    assert '<span class="badge disputed">disputed</span>' in page and "3 runs: far worse" in page


def test_a_line_that_cannot_count_says_why(hub: Any) -> None:
    """A value that is no number bars the line from every board; its card tells the problem."""
    _, page = said(hub, "commit:abc1234 platform:H100 val_bpb:nan vram_gb:44.1 | magic")

    assert "val_bpb is not finite" in page


def test_a_commit_that_is_not_here_is_no_link(hub: Any) -> None:
    """Most failures are never pushed: nobody is sent to a page that is not there."""
    _, page = said(hub, "commit:abc1234 platform:H100 val_bpb:1.1 vram_gb:44.1 | x (DISCARD)")

    assert "/commits/abc1234" not in page and "not pushed here" in page


def test_a_card_runs_nothing(hub: Any) -> None:
    """Descriptions, platforms and reasons are strangers' text."""
    _, page = said(
        hub,
        "commit:abc1234 platform:<b>x</b> val_bpb:1.1 vram_gb:44.1 | <img src=x onerror=alert(1)> (CRASH: <script>)",
    )

    assert "<img" not in page and "<b>x" not in page and "<script>)" not in page and "&lt;img" in page
