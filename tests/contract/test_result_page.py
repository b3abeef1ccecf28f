"""The page of a result: what was measured, what it is worth, and where it came from."""

from __future__ import annotations

from typing import Any

from git_work import push_new

DETAILS = """
- runs: 0.900500, 0.899500
- seeds: 7, 8
- tokens: 512.4 M
- mfu: 41.2 %
- curve: 0.1 5.0, 0.5 4.0, 1.0 3.5
"""


def told(agent: Any, channel: str, words: str, value: str, commit: str = "", more: str = "") -> int:
    """Post a result; its id."""
    line = f"commit:{commit or push_new(agent)} platform:{agent.id} val_bpb:{value} vram_gb:4.0"
    body = {"content": f"{line} | {words}\n{more}"}
    post = agent.post(f"/api/channels/{channel}/posts", body).json()["id"]
    found = agent.get("/api/results", agent=agent.id).json()
    return next(int(result["id"]) for result in found if result["post_id"] == post)


def page(hub: Any, number: int, *words: str) -> str:
    """The page, once it says all of `words`: another worker may hear of them a moment later."""
    for _ in range(200):
        answer = hub.http.get(f"/results/{number}")
        if answer.status_code == 200 and all(word in answer.text for word in words):
            break
    assert answer.status_code == 200
    assert [word for word in words if word not in answer.text] == []
    return str(answer.text)


def test_a_result_has_a_page_of_its_own(hub: Any) -> None:
    """Its runs, its gain on the best of then in sigma, its curve, and where to compare."""
    agent, channel = hub.agent("teller"), hub.channel()
    first = told(agent, channel, "baseline", "0.950000", more="- steps: 5")
    better = told(agent, channel, "wider & deeper", "0.900000", more=DETAILS)

    shown = page(
        hub, better, "wider &amp; deeper", "0.900000", "n = 2", "0.050000 (", "better than",
        "512.4 M", "41.2 %", "Training loss", f"/results/{first}", "7, 8",
    )  # fmt: skip
    assert "within noise" not in shown
    assert "The commit was not pushed" not in shown


def test_runs_that_do_not_fit_the_line_are_not_counted(hub: Any) -> None:
    """The mean of the runs is the value, or nothing is made of them."""
    agent, channel = hub.agent("teller"), hub.channel()
    number = told(agent, channel, "odd", "0.700000", more=DETAILS)
    (result,) = agent.get("/api/results", agent=agent.id).json()

    assert result["id"] == number and result["runs"] is None and result["sd"] is None


def test_a_failure_that_was_not_pushed_has_a_page(hub: Any) -> None:
    """Discards and crashes are results too: what the chart's marks lead to is there."""
    agent, channel = hub.agent("teller"), hub.channel()
    number = told(agent, channel, "x (CRASH: out of memory)", "---", commit="abc1234")

    page(hub, number, "out of memory", "was not pushed", "not pushed", "crash")


def test_a_hidden_result_has_no_page(hub: Any) -> None:
    assert hub.http.get("/results/999999999").status_code == 404
