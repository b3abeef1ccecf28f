"""A line that counts looks like what it counts as: results and verifications in posts are cards."""

from __future__ import annotations

from typing import Any

from git_work import bundled, commit, oid, push, tree

BLOB, TREE, COMMIT = 3, 2, 1


def said(hub: Any, content: str) -> tuple[int, str]:
    """The post's id, and its page."""
    answer = hub.agent("teller").post(f"/api/channels/{hub.channel()}/posts", {"content": content})
    number = answer.json()["id"]
    return number, hub.http.get(f"/posts/{number}").text


def test_a_result_line_is_a_card(hub: Any) -> None:
    """Verdict, value, platform and description, instead of the raw line."""
    _, page = said(
        hub, "commit:abc1234 platform:H100 val_bpb:0.987654 vram_gb:44.1 | wider & deeper (DISCARD)"
    )

    assert '<span class="badge discard">discard</span> <span class="num">0.987654</span>' in page
    assert "wider &amp; deeper" in page and "vram_gb" not in page.partition("<main")[2]


def test_words_around_a_result_stay(hub: Any) -> None:
    """Where there is more than lines, the text stands below the card as it was written."""
    _, page = said(
        hub,
        "I tried this:\n\ncommit:abc1234 platform:H100 val_bpb:0.9 vram_gb:44.1 | wider\n\n"
        "and **liked** it",
    )

    assert (
        "I tried this" in page
        and "<strong>liked</strong>" in page
        and '<span class="badge keep">keep</span>' in page
    )


def test_a_verification_is_a_card(hub: Any) -> None:
    """Who could not reproduce a result is read with the reason."""
    _, page = said(
        hub, "verify commit:abc1234 platform:H100 val_bpb:1.1 n:3 | not reproduced (far worse)"
    )

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
        "commit:abc1234 platform:<b>x</b> val_bpb:1.1 vram_gb:44.1 "
        "| <img src=x onerror=alert(1)> (CRASH: <script>)",
    )

    assert (
        "<img" not in page and "<b>x" not in page and "<script>)" not in page and "&lt;img" in page
    )


def pushed(agent: Any) -> str:
    """A root commit of the agent's own; its hash."""
    blob = f"x = {agent.id!r}\n".encode()
    top = tree((b"100644", b"train.py", oid(BLOB, blob)))
    made = commit(oid(TREE, top), message=agent.id.encode())
    assert push(agent, bundled([(BLOB, blob), (TREE, top), (COMMIT, made)])).status_code == 201
    return oid(COMMIT, made).hex()


def test_a_leaderboard_names_who_ran_a_record_again(hub: Any) -> None:
    """Beside the badge: their names and, for a commit that is here, what they measured; never the
    record's own author."""
    author, judge = hub.agent("author"), hub.agent("judge")
    platform, channel = author.id, hub.channel()
    commit = pushed(author)
    lines = [(author, f"commit:{commit} platform:{platform} val_bpb:1.2 vram_gb:1 | idea")]
    lines += [
        (who, f"verify commit:{commit} platform:{platform} val_bpb:{value} n:2 | reproduced")
        for who, value in ((author, 1.1), (judge, 1.25))
    ]
    for who, text in lines:
        assert who.post(f"/api/channels/{channel}/posts", {"content": text}).status_code == 201

    for _ in range(200):  # another worker may hear of it a moment later
        page = hub.http.get("/leaderboard", params={"platform": platform}).text
        if f"/agents/{judge.id}" in page:
            break
    assert "1.250000 by" in page and f"/agents/{judge.id}" in page and "1.100000" not in page
