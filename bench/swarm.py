"""A small swarm on the real lab: three researchers of different kinds on one hub, one killed, the
hub down for a while; what came of it.

    python bench/swarm.py                                    # 30 experiments of 5 s on pystd: about 15 minutes on two cores
    python bench/swarm.py --track pystd-2s --each 2          # a quick look

The story of tests/stories/test_swarm.py with train.py and the scorer in the sandbox instead of a
toy. A search agent tunes constants; a model's part is played by a small server that speaks the
chat protocol and reads the file out of the brief it was sent; a coding agent's by a program that
edits its checkout. Ends with the same checks as the test, and prints who found what.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shlex
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from autoresearch.git.repo import Repo
from autoresearch.researcher import init
from swarms import (
    PLATFORM,
    Researcher,
    Town,
    check_no_idea_twice,
    check_one_dag,
    check_told_once,
    pages,
    seed,
    until,
)

CONSTANT = re.compile(
    r"^(SOFTCAP|MATRIX_MOMENTUM|ADAM_BETA1|ADAM_BETA2|A_RATE|B_BETA1|MATRIX_BETA2) = ([0-9.]+)(.*)$",
    re.M,
)
FENCE = re.compile(r"^(----- [0-9a-f]{16} -----)\n(.*)\n\1$", re.M | re.S)


def change(text: str, chance: random.Random) -> tuple[str, str, str]:
    """One constant of the lab's train.py moved a little: (description, the line as it stands, the
    line to put there)."""
    found = chance.choice(list(CONSTANT.finditer(text)))
    name, old = found[1], float(found[2])
    limit = 100.0 if name == "SOFTCAP" else 0.99
    new = min(limit, float(f"{old * chance.choice((0.5, 0.8, 0.9, 1.05, 1.25, 2.0)):.4g}"))
    return (
        f"{name.lower().replace('_', ' ')} {old:g} to {new:g}",
        found[0],
        f"{name} = {new}{found[3]}",
    )


@contextmanager
def model() -> Iterator[str]:
    """A server that plays a language model; its address, up to and with /v1."""
    chance = random.Random(11)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            file = FENCE.search(asked["messages"][1]["content"])
            words, old, new = change(file[2] if file else "", chance)
            blocks = (
                f"DESCRIPTION: {words}\nFILE: train.py\n<<<<<<< "
                f"SEARCH\n{old}\n=======\n{new}\n>>>>>>> REPLACE\n"
            )
            body = json.dumps({"choices": [{"message": {"content": blocks}}], "usage": {}}).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()


def edit_here() -> None:
    """What `--agent command` runs: one change to the train.py of the current folder."""
    file = Path("train.py")
    words, old, new = change(file.read_text("utf-8"), random.Random(time.time_ns()))
    file.write_text(file.read_text("utf-8").replace(old, new), "utf-8")
    print("DESCRIPTION:", words)


def laboratory(folder: Path, track: str) -> Path:
    """The lab as `autoresearch init` makes it, uncompiled: what a compiler does is no part of
    this, and takes a minute."""
    repo = init.start_lab(folder, track, None)
    file = folder / "train.py"
    file.write_text(file.read_text("utf-8").replace("\nCOMPILE = 1", "\nCOMPILE = 0"), "utf-8")
    repo.add(["train.py"])
    repo.commit("Not compiled")
    return folder


def copy(canon: Path, folder: Path) -> Path:
    Repo(canon).git("clone", "-q", str(canon), str(folder))
    return folder


def research(town: Town, swarm: dict[str, Researcher], each: int) -> None:
    """Everybody at once; when there are results the hub is killed, then a researcher; both come
    back."""
    assert town.hub
    reader = town.hub.agent("reader")
    for one in swarm.values():
        one.start(each)
    until(lambda: len(pages(reader, "/api/results")) >= len(swarm) + 1, "first results", 3600)
    town.kill()
    print("the hub is killed")
    victim = swarm["search"]
    before = len(victim.records())
    until(lambda: len(victim.records()) > before or victim.is_over, "research goes on", 3600)
    if not victim.is_over:
        victim.kill()
        print("a researcher is killed, and started again")
        victim.start(each - len(victim.tried()))
    town.open()
    print("the hub is back")
    for one in swarm.values():
        one.finish(4 * 3600)
    for one in swarm.values():
        if (left := each - len(one.tried())) or one.waiting():
            one.start(left).finish(3600)


def report(town: Town, swarm: dict[str, Researcher], root: str, seconds: float) -> None:
    assert town.hub
    reader = town.hub.agent("auditor")
    check_told_once(reader, swarm)
    across = check_one_dag(reader, swarm, root)
    check_no_idea_twice(reader)
    print(
        f"{'agent':10} {'tried':>5} {'kept':>5} {'crash':>5} {'adopted':>7} "
        f"{'first':>9} {'best':>9}"
    )
    for name, one in swarm.items():
        tried, records = one.tried(), one.records()
        adopted = sum("adopted" in record.proposal for record in tried)
        values = [
            record.value
            for record in records
            if record.status == "keep" and record.value is not None
        ]
        kept, crashed = (
            sum(record.status == status for record in tried) for status in ("keep", "crash")
        )
        print(
            f"{name:10} {len(tried):5} {kept:5} {crashed:5} {adopted:7} "
            f"{values[0]:9.6f} {min(values):9.6f}"
        )
    commits = pages(reader, "/api/git/commits")
    print(
        f"hub: {len(pages(reader, '/api/results'))} results, {len(commits)} commits on "
        f"one root, {across} of them on somebody else's"
    )
    for board in pages(reader, "/api/leaderboard"):
        best = board["best"]
        print(
            f"board: {board['platform']} {board['track']}: {best['val_bpb']:.6f} by "
            f"{best['agent_id']}, {best['verified']}, {len(board['records'])} records"
        )
    print(f"everything told once, one DAG, no idea twice, nothing waits: {seconds:.0f} s")


def kill_all(researchers: list[Researcher]) -> None:
    for one in researchers:
        if one.process and not one.is_over:
            one.kill()


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    options.add_argument("--track", default="pystd-5s")
    options.add_argument(
        "--each", type=int, default=10, help="experiments of each of the three researchers"
    )
    options.add_argument("--edit", action="store_true", help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.edit:
        return edit_here()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="swarm-") as name, ExitStack() as stack:
        place = Path(name)
        canon = laboratory(place / "canon", chosen.track)
        town = stack.enter_context(Town(place / "hub"))
        assert town.hub
        root = seed(town.hub, canon)
        common = ("--policy", "greedy", "--baseline-runs", "2", "--sandbox", "auto")
        kinds = {
            "search": ("--agent", "search"),
            "model": (
                "--agent",
                "llm",
                "--model",
                "small",
                "--base-url",
                stack.enter_context(model()),
            ),
            "coder": (
                "--agent",
                "command",
                "--command",
                shlex.join([sys.executable, os.path.abspath(__file__), "--edit"]),
            ),
        }
        swarm = {
            kind: Researcher(copy(canon, place / kind), town.url, (*common, *words), isolated=True)
            for kind, words in kinds.items()
        }
        stack.callback(kill_all, list(swarm.values()))
        print(
            f"{len(swarm)} researchers, {chosen.each} experiments each, track "
            f"{chosen.track}, platform {PLATFORM}"
        )
        research(town, swarm, chosen.each)
        report(town, swarm, root, time.monotonic() - began)


if __name__ == "__main__":
    main()
