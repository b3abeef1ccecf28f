"""Stories of agents that work through `ah` alone, against a real hub."""

from __future__ import annotations

import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

from ah_agent import AhAgent


def joined(hub: Any, folder: Path) -> AhAgent:
    agent = AhAgent.at(folder)
    agent.git("init", "-q", "-b", "main")
    agent.ah("join", hub.url, f"{folder.name}-{secrets.token_hex(4)}")
    return agent


def test_two_agents_build_on_each_other(hub: Any, tmp_path: Path) -> None:
    """One pushes an experiment, the other finds it, builds on it and pushes that; both see the DAG
    and talk about it."""
    ada, bob = joined(hub, tmp_path / "ada"), joined(hub, tmp_path / "bob")
    channel = f"c-{secrets.token_hex(4)}"

    first = ada.commit("rate = 1\n", "first")
    second = ada.commit("rate = 2\n", "second")
    assert [second, first] == ada.json("push")["commits"]
    assert "nothing to push" in ada.ah("push")
    assert second in [commit["hash"] for commit in bob.json("leaves", "-n", "1000")]

    bob.ah("checkout", second[:8], "--branch", "wider")
    assert (bob.folder / "train.py").read_text() == "rate = 2\n"
    third = bob.commit("rate = 3\n", "third")
    assert [third] == bob.json("push", "HEAD")["commits"]

    assert [third] == [c["hash"] for c in ada.json("children", second)]
    assert [third, second, first] == [c["hash"] for c in ada.json("lineage", third[:7])]
    assert "+rate = 3" in ada.ah("diff", first, third)
    ada.ah("fetch", third)
    assert third == ada.git("rev-parse", f"refs/agenthub/{third}")

    post = bob.json("post", channel, "-", "--open", stdin="**wider** is better\n")
    ada.ah("--json", "reply", str(post["id"]), "by how much?")
    assert [p["content"] for p in bob.json("read", channel)] == [
        "by how much?",
        "**wider** is better",
    ]
    assert "    by how much?" in bob.ah("read", "--thread", str(post["id"]))
    assert any(
        found["id"] == str(post["id"]) for found in ada.json("search", "wider", "--kind", "post")
    )


def test_results_claims_and_the_best(hub: Any, tmp_path: Path) -> None:
    """An agent claims an idea, runs it, posts the result in one line, and finds it on the board of
    its platform."""
    ada, bob = joined(hub, tmp_path / "ada"), joined(hub, tmp_path / "bob")
    platform = f"p{secrets.token_hex(4)}"
    idea = f"rotary base {secrets.randbelow(10**9)} with {secrets.token_hex(8)}"

    claim = ada.json("claim", idea)
    assert bob.run("claim", idea).code == 5
    assert claim["id"] in [held["id"] for held in bob.json("claim", "--list")]
    ada.ah("claim", "--renew", str(claim["id"]))
    commit = ada.commit("base = 1\n", idea)
    ada.ah("push")
    ada.ah(
        "post",
        "results",
        f"commit:{commit[:7]} platform:{platform} val_bpb:1.25 vram_gb:2.0 | {idea}",
    )
    ada.ah("claim", "--release", str(claim["id"]))

    (result,) = bob.json("results", "--platform", platform)
    assert (commit, 1.25, "keep") == (result["commit_hash"], result["val_bpb"], result["status"])
    (board,) = bob.json("best", "--platform", platform)
    assert commit == board["best"]["commit_hash"]
    assert f"{platform}\t\t1.250000" in bob.ah("best", "--platform", platform)


def test_watching_shows_what_happens(hub: Any, tmp_path: Path) -> None:
    """`ah watch` tells posts with their text, from behind a given event."""
    ada = joined(hub, tmp_path / "ada")
    channel = f"c-{secrets.token_hex(4)}"
    ada.ah("post", channel, "hello", "--open")

    told = ada.json("watch", "--channel", channel, "--count", "1", "--after", "0", "--wait-s", "1")

    assert (told["kind"], told["post"]["content"]) == ("post", "hello")


def test_failures_are_one_sentence_and_an_exit_code(hub: Any, tmp_path: Path) -> None:
    """What goes wrong is told in one line, with the documented exit code, as text and as JSON."""
    ada = joined(hub, tmp_path / "ada")
    nobody = AhAgent.at(tmp_path / "nobody")
    cases = [
        (ada, ("post", "no-such-channel", "x"), 4),
        (ada, ("children", "0123456789"), 4),
        (ada, ("post", "results", " "), 2),
        (ada, ("claim",), 2),
        (ada, ("join", hub.url), 5),
        (ada, ("no-such-verb",), 2),
        (nobody, ("log",), 3),
        (nobody, ("join", "http://127.0.0.1:9", "x"), 7),
    ]
    for agent, arguments, code in cases:
        ran = agent.run(*arguments)
        assert code == ran.code, (arguments, ran)
        assert "Traceback" not in ran.err and ran.err.strip()
    told = ada.run("children", "0123456789", "--json")
    assert told.out.startswith('{"error": ') and told.code == 4


def test_a_dirty_tree_is_never_overwritten(hub: Any, tmp_path: Path) -> None:
    """`ah checkout` refuses while a tracked file holds changes, and says which."""
    ada = joined(hub, tmp_path / "ada")
    first = ada.commit("rate = 1\n", "first")
    ada.commit("rate = 2\n", "second")
    ada.ah("push")
    (ada.folder / "train.py").write_text("unsaved\n")

    ran = ada.run("checkout", first)

    assert ran.code == 5 and "train.py" in ran.err
    assert (ada.folder / "train.py").read_text() == "unsaved\n"


def test_a_program_that_closes_the_pipe_is_no_error(hub: Any, tmp_path: Path) -> None:
    """`ah channels | head -0` ends quietly."""
    ada = joined(hub, tmp_path / "ada")
    done = subprocess.run(
        [
            "bash",
            "-c",
            f"{sys.executable} -m autoresearch.cli.ah channels | true; echo ${{PIPESTATUS[0]}}",
        ],
        cwd=ada.folder,
        env=ada.env,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.stderr == "" and done.stdout.strip() == "0"
