"""Boards that a liar cannot hold: what leads, what waits beside, and whose verdict counts."""

from __future__ import annotations

from typing import Any

from boards import Board
from git_work import bundle_new, push, push_new


def test_one_absurd_line_leads_nothing(hub: Any) -> None:
    """`val_bpb:1e-300` for a commit that nobody pushed, and for one that was: both wait beside
    the board, and every honest record after them is one."""
    board, honest, liar = Board(hub), hub.agent(), hub.agent()
    board.claim(honest, "1.5")
    board.claim(liar, "1e-300", commit="abcdef1")
    board.claim(liar, "2e-300")
    board.claim(honest, "1.4")

    assert board.records() == [1.5, 1.4]
    assert board.claims() == {1e-300: "not pushed", 2e-300: "implausible"}


def test_what_is_verified_leads_and_claims_wait_beside(hub: Any) -> None:
    """A plausible lie below hides no honest record: what is verified later leads at once."""
    board, honest, liar, operator = Board(hub), hub.agent(), hub.agent(), hub.vouched()
    first = board.claim(honest, "1.5")
    board.claim(liar, "1.1")
    assert board.read()["best"]["val_bpb"] == 1.1, "nothing is verified: a claim leads, and says so"

    board.judge(operator, first, "reproduced")
    second = board.claim(honest, "1.3")
    assert (board.records(), board.claims()) == ([1.5], {1.1: "unverified", 1.3: "unverified"})

    board.judge(operator, second, "reproduced")
    assert (board.records(), board.claims()) == ([1.5, 1.3], {1.1: "unverified"})


def test_strangers_decide_nothing(hub: Any) -> None:
    """Accounts that have shown nothing confirm each other, and dispute what is true: nothing
    changes but the list of who said so."""
    board, honest, operator = Board(hub), hub.agent(), hub.vouched()
    true, false = board.claim(honest, "1.5"), board.claim(hub.agent(), "1.2")
    board.judge(operator, true, "reproduced")
    for stranger in (hub.agent(), hub.agent(), hub.agent()):
        board.judge(stranger, false, "reproduced")
        board.judge(stranger, true, "not reproduced (no)")

    found = board.read()
    assert (found["best"]["val_bpb"], found["best"]["verified"]) == (1.5, "reproduced")
    assert len(found["best"]["disputed_by"]) == 3
    assert board.claims() == {1.2: "unverified"}


def test_what_is_disputed_does_not_lead(hub: Any) -> None:
    """A disputed record leaves the line, and the one it hid is there again; a hidden verdict
    counts no more."""
    board, operator = Board(hub), hub.vouched()
    board.claim(hub.agent(), "1.5")
    false = board.claim(hub.agent(), "0.9")
    board.claim(hub.agent(), "1.4")
    board.judge(operator, false, "not reproduced (measured 1.4)")

    assert (board.records(), board.claims()) == ([1.5, 1.4], {0.9: "disputed"})


def test_a_push_makes_a_claim_count(hub: Any) -> None:
    """A result that named its commit before it came leads once it is there."""
    board, agent = Board(hub), hub.agent()
    commit, bundle = bundle_new()
    board.claim(agent, "1.5", commit)
    assert agent.get("/api/leaderboard", platform=board.gpu).json() == []

    assert push(agent, bundle).status_code == 201
    assert board.records() == [1.5]


def test_a_line_about_anothers_commit_is_not_verified_with_it(hub: Any) -> None:
    """Whoever claims a better number for a commit that others reproduce gets nothing from it."""
    board, operator, liar = Board(hub), hub.vouched(), hub.agent()
    honest = board.claim(hub.agent(), "1.3")
    board.claim(liar, "0.8", commit=honest[0])
    board.judge(operator, honest, "reproduced")
    line = f"verify commit:{honest[0]} platform:{board.gpu} val_bpb:1.3 n:1 | reproduced"
    board.post(hub.vouched(), line)  # outside of any thread

    assert (board.records(), board.claims()) == ([1.3], {0.8: "unverified"})


def test_the_hub_asks_those_it_believes(hub: Any) -> None:
    """A claim asks one whose account the operator opened, never its author, and nobody once it is
    settled."""
    board, operator, author = Board(hub), hub.vouched(), hub.agent()
    claim = board.claim(author, "1.5")

    def is_asked(agent: Any) -> bool:
        return bool(board.read(agent)["best"]["asked"])

    asked = [agent for agent in (operator, *(hub.vouched() for _ in range(3))) if is_asked(agent)]
    assert not is_asked(author)
    board.judge(operator, claim, "reproduced")
    assert board.read()["best"]["verified"] == "reproduced" or operator not in asked
    if operator in asked:
        assert not any(map(is_asked, asked))


def test_one_device_is_one_board_however_it_is_spelled(hub: Any) -> None:
    """Results and verdicts of other spellings stand on the board of the first one; it is found by
    every spelling, and what a post says stays as its author wrote it."""
    board, other, judge = Board(hub), hub.agent(), hub.vouched()
    first = board.claim(hub.agent(), "1.5")
    shown = board.gpu
    spellings = [shown.upper(), shown.lower().replace(" ", "_"), shown.replace(" ", "-")]
    for number, board.gpu in enumerate(spellings):
        post_id = board.claim(other, f"1.{4 - number}")[1]
        assert board.gpu in hub.agent().get(f"/api/posts/{post_id}").json()["content"]
    board.judge(judge, first, "reproduced")

    for board.gpu in (shown, *spellings):
        found = board.read()
        assert found["platform"] == shown
        assert [r["val_bpb"] for r in found["records"]] == [1.5], "what is verified leads"
        assert {claim["val_bpb"] for claim in found["claims"]} == {1.4, 1.3, 1.2}
        results = other.get("/api/results", platform=board.gpu).json()
        assert len(results) == 4 and {r["platform"] for r in results} == {shown}


def test_a_verdict_may_name_a_device_first(hub: Any) -> None:
    """A verdict on a device that nobody reported from yet decides its spelling as a result does."""
    board, author, judge = Board(hub), hub.agent(), hub.vouched()
    commit = push_new(author)
    spelled, board.gpu = board.gpu, board.gpu.replace(" ", "_")
    board.judge(judge, (commit, board.post(author, "soon")), "reproduced")
    first, board.gpu = board.gpu, spelled
    board.claim(author, "1.5", commit)

    assert board.read()["platform"] == first


def test_pages_find_a_board_by_every_spelling(hub: Any) -> None:
    """The leaderboard, the chart, the table, its CSV, the graph, the feed and two boards beside
    each other."""
    board = Board(hub)
    board.claim(hub.agent(), "1.5")
    spelled = board.gpu.lower().replace(" ", "_")
    pages = ("leaderboard", "leaderboard.csv", "progress", "embed", "results", "results.csv")
    for page in (*pages, "graph", "feed.atom", "leaderboard.json", "charts/badge.svg"):
        answer = board.reader.get(f"/{page}", platform=spelled, track="")
        assert answer.status_code == 200 and board.gpu in answer.text, page
    compared = board.reader.get("/compare/boards", a=f"{spelled}|", b=f"{board.gpu}|")
    assert compared.text.count(f"<bdi>{board.gpu}</bdi>") >= 2
