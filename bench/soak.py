"""Lets a hub, or a researcher, live with real clients and with faults, and counts what was
promised and what is there in the end.

    python bench/soak.py --minutes 30                  # one hub
    python bench/soak.py --minutes 30 --researcher     # one researcher

The hub: curl, git, dulwich, `ah`, the library, readers, a listener, and those who stop reading,
all at once; its disk fills, its clock jumps, keys are revoked, it is killed. The researcher: a
flaky agent, a hub that is cut off and killed, kills, and a machine that sleeps for hours. What
this machine lacks (libfaketime, dulwich, the right to mount) is named. Memory and descriptors are
those of the first and last third of the last stretch without a kill. Prints one line of JSON; exit
code 1 where anything acknowledged is lost, an answer was wrong, or use grew.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from autoresearch.hub.rules import maintenance
from autoresearch.hub.store.database import Database
from soak_clients import Book, list_kinds, running_clients
from soak_faults import FAKETIME, Faults, small_disk, watched
from soak_researcher import soak_researcher
from swarms import Town

KILLS_UNTIL = 0.4  # of the time; from then on memory and descriptors are watched
GROWTH, SLACK_MB, SLACK_FILES = 1.5, 64.0, 64.0
PAUSE_S = 3.0


def soak_hub(seconds: float, seed: int, pause_s: float) -> dict[str, Any]:
    book = Book()
    with tempfile.TemporaryDirectory(prefix="soak-") as place, contextlib.ExitStack() as stack:
        folder = Path(place)
        is_own = stack.enter_context(small_disk(folder / "disk"))
        clock = folder / "clock" if FAKETIME else None
        town = Town(folder / "disk" / "hub")
        stack.callback(town.stack.close)
        faults = Faults(town, book, is_own, clock)
        faults.open()
        live_through(faults, folder, seconds, seed, pause_s)
        used = faults.usage.ends()
        faults.kill()
        lost = find_lost(town, book)
        problems = find_problems(town.data)
        town.stack.close()
    missing = [] if FAKETIME else ["libfaketime: the clock did not jump"]
    missing += [] if "dulwich" in list_kinds() else ["dulwich"]
    missing += [] if is_own else ["mount: a full disk was a limit on files"]
    return {
        "seconds": round(seconds), "posts": len(book.posts), "commits": len(book.commits),
        "lost": lost, "wrong": book.wrong, "problems": problems, **used,
        "counts": dict(sorted(book.counts.items())), "missing": missing,
    }  # fmt: skip


def live_through(faults: Faults, folder: Path, seconds: float, seed: int, pause_s: float) -> None:
    """Clients and faults side by side, for so long."""
    hub = faults.town.hub
    assert hub is not None
    with watched(faults), running_clients(hub.agent, folder, faults.book, seed):
        begun = time.monotonic()
        while (passed := time.monotonic() - begun) < seconds:
            time.sleep(min(pause_s, seconds - passed))
            faults.next(may_kill=passed < KILLS_UNTIL * seconds)


def find_lost(town: Town, book: Book) -> list[str]:
    """What was acknowledged and is not there, or is another."""
    assert town.hub is not None
    agent, lost = town.hub.agent("last"), []
    for number, text in book.posts.items():
        answer = agent.get(f"/api/posts/{number}")
        if answer.status_code != 200 or answer.json()["content"] != text:
            lost.append(f"post {number}")
    for name, who in book.commits.items():
        if agent.get(f"/api/git/commits/{name}").status_code != 200:
            lost.append(f"commit {name} of {who}")
    return lost


def find_problems(data: Path) -> list[str]:
    db = Database(data)
    try:
        with db.read(snapshot=True) as reader:
            return list(maintenance.find_problems(reader))
    finally:
        db.close()


def is_well(told: dict[str, Any]) -> bool:
    """Nothing lost, nothing wrong, and use that stays level."""
    slack = {"memory_mb": SLACK_MB, "files": SLACK_FILES}
    level = [told[name][1] <= told[name][0] * GROWTH + extra for name, extra in slack.items()]
    return not (told["lost"] or told["wrong"] or told["problems"]) and all(level)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--researcher", action="store_true", help="soak a researcher instead")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pause-s", type=float, default=PAUSE_S, help="between two faults")
    asked = parser.parse_args()
    soak = soak_researcher if asked.researcher else soak_hub
    told = soak(asked.minutes * 60, asked.seed, asked.pause_s)
    print(json.dumps(told))
    return 0 if is_well(told) else 1


if __name__ == "__main__":
    sys.exit(main())
