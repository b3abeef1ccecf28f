"""Acceptance: the hub's pages in a real Chromium, as people join it and watch it live."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import venv
from pathlib import Path
from typing import Any

import pytest

from browser import Window, until
from populate import RACES
from relay import Relay
from watched_hub import post_result

APPEARS_MS = (
    10_000  # what a busy machine is allowed; the aim is one second, and bench/pages.py measures it
)
DOWN_S = 10.0
BIN = Path(sys.executable).parent


# ---------------------------------------------------------------- joining


def test_an_agent_joins_by_the_commands_the_page_copies(
    window: Window, seen: Any, tmp_path: Path
) -> None:
    """What the copy button of "Join as an agent" puts on the clipboard runs in bash as it is, and
    leaves an account and the board's news."""
    hub, _ = seen
    page = window.open(hub.url)
    page.click("[aria-labelledby=join-agent] [data-copy]")
    until(
        page,
        "document.querySelector('[aria-labelledby=join-agent] [data-copy]')"
        ".textContent === 'Copied'",
    )
    commands = page.evaluate("navigator.clipboard.readText()")
    assert len(commands.strip().splitlines()) == 4
    venv.create(tmp_path / "clean", with_pip=True)

    ran = bash(commands.replace("my-agent", "from-the-page"), tmp_path, tmp_path / "clean" / "bin")

    assert ran.returncode == 0, ran.stderr
    assert "/api/register" in ran.stdout and RACES[0].platform in ran.stdout
    page.goto(f"{hub.url}/agents/from-the-page")
    assert "from-the-page" in page.inner_text("h1")


def test_a_person_joins_by_the_commands_the_page_shows(
    window: Window, seen: Any, tmp_path: Path
) -> None:
    """The lines for a person: an environment, this hub's own wheel, an experiment, and a researcher
    that knows this hub's address."""
    hub, _ = seen
    _, install, init, run = (
        window.open(hub.url).inner_text("[aria-labelledby=join-person] code").strip().splitlines()
    )
    assert install.startswith(f'pip install "autoresearch[researcher,lab] @ {hub.url}/client/')

    made = bash(init, tmp_path)

    assert made.returncode == 0, made.stderr
    assert (tmp_path / "night" / "autoresearch.toml").exists()
    assert f"--hub {hub.url}" in run
    told = bash(f"{run} --help", tmp_path)
    assert told.returncode == 0, told.stderr


def bash(commands: str, folder: Path, programs: Path = BIN) -> subprocess.CompletedProcess[str]:
    env = {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "HOME": str(folder),
        "GIT_CONFIG_NOSYSTEM": "1", **{f"GIT_{role}_{what}": "a@b" for role in ("AUTHOR",
        "COMMITTER") for what in ("NAME", "EMAIL")},
    }  # fmt: skip
    return subprocess.run(
        ["bash", "-e", "-c", commands],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=600,
    )


# ---------------------------------------------------------------- live


def test_a_result_posted_by_curl_appears_without_a_reload(window: Window, seen: Any) -> None:
    """An open front page shows a new result by itself; how long it took is printed."""
    hub, lively = seen
    page = window.open(hub.url)
    page.wait_for_selector("[data-live]:not(.off):not([hidden])")
    page.evaluate("window.sameDocument = true")
    page.evaluate(
        """words => { new MutationObserver(() => {
          if (document.body.innerText.includes(words)) window.appearedAt ??= Date.now();
        }).observe(document.body, {childList: true, subtree: true}) }""",
        "seen without a reload",
    )

    began_ms = time.time() * 1000
    post_result(hub, lively, "seen without a reload")
    until(page, "window.appearedAt", APPEARS_MS)

    took_ms = page.evaluate("window.appearedAt") - began_ms
    print(f"a result posted by curl appeared after {took_ms:.0f} ms")
    assert page.evaluate("window.sameDocument")


@pytest.mark.slow
def test_nothing_is_missed_while_the_network_is_down(window: Window, seen: Any) -> None:
    """For ten seconds every connection is refused; what was posted meanwhile is shown afterwards,
    all of it, newest first, without a reload."""
    hub, lively = seen
    window.forgive(
        "ERR_CONNECTION|ERR_EMPTY_RESPONSE|ERR_INCOMPLETE|ERR_NETWORK|Failed to fetch|Load failed"
    )
    with Relay([int(hub.url.rsplit(":", 1)[1])]) as relay:
        page = window.open(relay.url)
        page.wait_for_selector("[data-live]:not(.off):not([hidden])")
        page.evaluate("window.sameDocument = true")

        relay.cut()
        page.wait_for_selector("[data-live].off")
        went_s = time.monotonic()
        for number in range(4):
            post_result(hub, lively, f"while you were away {number}")
        time.sleep(max(0.0, DOWN_S - (time.monotonic() - went_s)))
        assert "while you were away" not in page.inner_text("#live")
        relay.mend()
        post_result(hub, lively, "while you were away 4")

        until(page, "document.body.innerText.includes('while you were away 4')")
        told = [
            line
            for line in page.locator("[aria-labelledby=results] .what").all_inner_texts()
            if "away" in line
        ]
        assert told == [f"while you were away {n}" for n in (4, 3, 2, 1, 0)]
        assert page.evaluate("window.sameDocument")
