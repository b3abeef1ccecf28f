"""Measures the hub's pages: `python bench/pages.py` (about five minutes), or `--small` for a try
of half a minute.

Fills a hub (100,000 commits, 10,000 posts, and 20,000 results in posts of their own), serves it
with `agenthub serve --workers 2` on loopback, and prints tables for docs/benchmarks-pages.md: the
time of every page warm and cold, what a first visit transfers, how soon a posted result stands in
an open page of a real Chromium, and how late 500 live viewers hear of an event. Beside them stands
the plain way to a dashboard (`naive_page.py`) on the same rows. Server and clients share this
machine's cores; nothing leaves it.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, median, quantiles

import httpx
import psutil
from playwright.sync_api import Browser, Page, Request, sync_playwright

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from browser import launch
from hub import prepared
from hub_server import Server, serving
from naive_page import RELOADED_S, render

AIM_MS, GRAPH_AIM_MS, AIM_KB, AIM_EVENT_S = 100, 300, 300, 1.0
VIEWERS = Path(__file__).with_name("viewers.py")
SETTLE_S = 0.12  # both workers have read the event log by then: they look every 50 ms


@dataclass
class Measured:
    """One page: milliseconds of single requests on loopback, the server's processor time of a cold
    one, and what a first visit brings."""

    path: str
    cold_ms: list[float] = field(default_factory=list)
    warm_ms: list[float] = field(default_factory=list)
    cpu_ms: float = 0.0
    raw_kb: float = 0.0
    packed_kb: float = 0.0
    requests: int = 0


def paths(server: Server) -> dict[str, str]:
    trunk = server.loaded.trunk
    board = "platform=gpu1&track=track-0"
    return {
        "home": "/", "progress": f"/progress?{board}",
        "progress over time": f"/progress?{board}&x=time", "graph": "/graph",
        "graph, older": f"/graph?before={server.size // 2}",
        "graph around a commit": f"/graph?focus={trunk[len(trunk) // 2]}",
        "commit": f"/commits/{trunk[-1]}", "old commit": f"/commits/{trunk[len(trunk) // 3]}",
        "result": f"/results/{server.loaded.posts // 2}",
        "compare": f"/compare?a={trunk[-1]}&b={trunk[-2]}",
        "results": f"/results?{board}&sort=value",
        "every result": "/results?sort=value", "now": "/now", "ideas": "/ideas",
        "idea": "/ideas?q=parameter", "graph of a board": f"/graph?{board}",
        "board": "/board", "channel": "/board/results",
        "channel, older": f"/board/results?before={server.loaded.posts // 2}",
        "post": f"/posts/{server.loaded.posts // 3}",
        "search, common word": "/search?q=parameter", "search, rare word": "/search?q=999",
        "boards": "/boards", "compared boards": "/compare/boards?a=gpu1|track-0&b=gpu2|track-1",
        "agents": "/agents", "agent": "/agents/bench-3", "leaderboard": "/leaderboard",
        "one board": f"/leaderboard?{board}", "leaderboard.csv": "/leaderboard.csv",
        "leaderboard.json": "/leaderboard.json", "progress.svg": f"/charts/progress.svg?{board}",
        "operator": "/operator",
    }  # fmt: skip


def tell(server: Server, words: str, rng: random.Random) -> int:
    """Post a result, as an agent does; the post's id."""
    commit, digits = rng.choice(server.loaded.trunk)[:7], f"{rng.randrange(10**5):05d}"
    text = f"commit:{commit} platform:gpu1 val_bpb:1.1{digits} vram_gb:44.0 track:track-0 | {words}"
    answer = server.http.post(
        "/api/channels/results/posts",
        json={"content": text},
        headers={"Authorization": f"Bearer {server.loaded.keys[0]}"},
    )
    answer.raise_for_status()
    return int(answer.json()["id"])


def pages(server: Server, cold: int, warm: int) -> dict[str, Measured]:
    """Every page `cold` times, each time after a new result and on a connection to whichever
    worker; then `warm` times with nothing new."""
    rng = random.Random(5)
    found = {name: Measured(path) for name, path in paths(server).items()}
    for page in (
        found.values()
    ):  # each worker has its templates loaded: cold is about rows, not about a start
        for _ in range(6):
            timed(server, page.path)
    for number in range(cold):
        for page in found.values():
            tell(server, f"cold {number}", rng)
            time.sleep(SETTLE_S)
            before_s = server.cpu_s()
            page.cold_ms.append(timed(server, page.path))
            page.cpu_ms += (server.cpu_s() - before_s) * 1000 / cold
    for page in found.values():
        for _ in range(4):
            timed(server, page.path)
        page.warm_ms = [timed(server, page.path) for _ in range(warm)]
    return found


def timed(server: Server, path: str) -> float:
    """Milliseconds of one request whose answer is packed, connection included, from the first byte
    sent to the last received."""
    with httpx.Client(
        base_url=str(server.http.base_url), headers={"Accept-Encoding": "gzip"}, timeout=60
    ) as http:
        http.get("/api/health")
        began = time.perf_counter()
        answer = http.get(path)
        took_ms = (time.perf_counter() - began) * 1000
    if answer.status_code != 200:
        raise RuntimeError(f"{path} answered {answer.status_code}: {answer.text[:200]}")
    return took_ms


def first_visit(server: Server, page: Measured, browser: Browser) -> None:
    """What a browser that never was here transfers for a page with all that it names."""
    context = browser.new_context()
    done: list[Request] = []
    context.on("requestfinished", lambda request: done.append(request))
    visit = context.new_page()
    visit.goto(str(server.http.base_url).rstrip("/") + page.path, wait_until="load")
    visit.wait_for_timeout(100)
    whole = [
        request
        for request in done
        if not request.url.startswith("data:") and "/live" not in request.url
    ]
    for request in whole:
        sizes, response = request.sizes(), request.response()
        page.packed_kb += (sizes["responseBodySize"] + sizes["responseHeadersSize"]) / 1024
        page.raw_kb += len(response.body()) / 1024 if response else 0
    page.requests = len(whole)
    context.close()


def first_download(server: Server, page: Measured) -> None:
    """The same of a file, which a browser would save instead of showing."""
    page.raw_kb = (
        len(server.http.get(page.path, headers={"Accept-Encoding": "identity"}).content) / 1024
    )
    with server.http.stream("GET", page.path, headers={"Accept-Encoding": "gzip"}) as packed:
        page.packed_kb = sum(len(part) for part in packed.iter_raw()) / 1024
    page.requests = 1


APPEARED = """words => { window.appeared = {}; new MutationObserver(() => { const now = Date.now();
  for (const found of document.body.innerText.matchAll(/told-\\d+/g))
    window.appeared[found[0]] ??= now;
}).observe(document.body, {childList: true, subtree: true}) }"""


def appearances(server: Server, page: Page, count: int) -> list[float]:
    """Seconds from before a result is posted until it stands in an open front page."""
    rng, found = random.Random(6), []
    page.goto(str(server.http.base_url), wait_until="load")
    page.wait_for_selector("[data-live]:not(.off):not([hidden])")
    page.evaluate(APPEARED, None)
    for number in range(count):
        began_s = time.time()
        tell(server, f"told-{number}", rng)
        while not (at_ms := page.evaluate(f"window.appeared['told-{number}']")):
            if time.time() - began_s > 30:
                raise RuntimeError("a posted result did not appear within 30 s")
            page.wait_for_timeout(10)
        found.append(at_ms / 1000 - began_s)
        page.wait_for_timeout(rng.randrange(50, 400))
    return found


@dataclass(frozen=True)
class Heard:
    delays_s: list[float]
    missing: int
    lost: int


def live(server: Server, viewers: int, posts: int) -> Heard:
    """Seconds from before a post is sent until each of many viewers has heard of it."""
    process = subprocess.Popen(
        [sys.executable, str(VIEWERS), str(server.port), str(viewers)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin and process.stdout
    rng, sent_s = random.Random(8), {}
    try:
        if process.stdout.readline().strip() != "ready":
            raise RuntimeError("the viewers could not listen")
        for number in range(posts):
            began_s = time.time()
            sent_s[tell(server, f"live {number}", rng)] = began_s
            time.sleep(rng.uniform(0.05, 0.3))
        time.sleep(3)
        told, _ = process.communicate("done\n", timeout=60)
    finally:
        process.kill()
        process.wait()
    answer = json.loads(told)
    heard = {int(post): moments for post, moments in answer["heard"].items()}
    delays = [at - began for post, began in sent_s.items() for at in heard.get(post, ())]
    return Heard(delays, viewers * posts - len(delays), answer["lost"])


def naive(server: Server, times: int) -> tuple[list[float], float]:
    """Milliseconds of the plain page, and its KB."""
    took, size = [], 0
    for _ in range(times):
        began = time.perf_counter()
        size = len(render(server.folder / "hub.sqlite3"))
        took.append((time.perf_counter() - began) * 1000)
    return took, size / 1024


# ---------------------------------------------------------------- telling


def percentile(values: Sequence[float], which: int) -> float:
    return quantiles(values, n=100, method="inclusive")[which - 1] if len(values) > 1 else values[0]


def page_table(found: dict[str, Measured]) -> Iterator[str]:
    yield (
        "| page | processor ms | cold p50 ms | cold p95 ms | warm p50 ms | warm p95 ms "
        "| first visit KB | unpacked KB | requests | aims |"
    )
    yield "|---|--:|--:|--:|--:|--:|--:|--:|--:|---|"
    for name, page in found.items():
        aim_ms = GRAPH_AIM_MS if "graph" in name else AIM_MS
        cold, warm = percentile(page.cold_ms, 95), percentile(page.warm_ms, 95)
        missed = [
            what
            for what, over in (
                ("time", max(cold, warm) > aim_ms),
                ("size", page.packed_kb > AIM_KB),
            )
            if over
        ]
        times = f"{median(page.cold_ms):.1f} | {cold:.1f} | {median(page.warm_ms):.1f} | {warm:.1f}"
        sizes = f"{page.packed_kb:.0f} | {page.raw_kb:.0f}"
        aims = f"missed: {', '.join(missed)}" if missed else "reached"
        yield f"| {name} | {page.cpu_ms:.0f} | {times} | {sizes} | {page.requests} | {aims} |"


def text(
    server: Server,
    found: dict[str, Measured],
    appeared: list[float],
    heard: Heard,
    plain: tuple[list[float], float],
    given: argparse.Namespace,
) -> str:
    cold_ms, warm_ms = median(found["home"].cold_ms), median(found["home"].warm_ms)
    plain_ms, late_s, plain_late_s = median(plain[0]), mean(appeared), RELOADED_S / 2
    p50_ms, p99_ms = (percentile(heard.delays_s, which) * 1000 for which in (50, 99))
    lines = [
        f"{platform.machine()}, {psutil.cpu_count()} cores, Python {platform.python_version()}, "
        f"{given.workers} workers; {server.size:,} commits, {server.loaded.posts:,} posts, of them "
        f"{given.results:,} with a result each; {given.cold} cold and {given.warm} warm requests "
        "of each page.",
        f"Aims: {AIM_MS} ms at the 95th percentile ({GRAPH_AIM_MS} ms for the graph), {AIM_KB} KB "
        "for a first visit. Cold: something new was posted just before; processor: the server's, "
        "of one cold request.",
        "",
        *page_table(found),
        "",
        "From sending a result to its appearance in an open page of a real Chromium, "
        f"{len(appeared)} times (aim 1 s): median {median(appeared) * 1000:.0f} ms, "
        f"p95 {percentile(appeared, 95) * 1000:.0f} ms, longest {max(appeared) * 1000:.0f} ms.",
        "",
        f"{given.viewers} live viewers, {given.told} posts, from sending to each viewer's having "
        f"it (aim: p99 below {AIM_EVENT_S:.0f} s): p50 {p50_ms:.0f} ms, p99 {p99_ms:.0f} ms, "
        f"longest {max(heard.delays_s) * 1000:.0f} ms; {heard.missing} of "
        f"{given.viewers * given.told} not delivered, {heard.lost} connections lost.",
        "",
        "| | the pages | the plain page (everything read, reloaded every 30 s) | ratio |",
        "|---|--:|--:|--:|",
        "| making the home page when something is new, ms "
        f"| {cold_ms:.1f} | {plain_ms:.0f} | {plain_ms / cold_ms:.0f} |",
        "| making it when nothing is new, ms "
        f"| {warm_ms:.1f} | {plain_ms:.0f} | {plain_ms / warm_ms:.0f} |",
        "| from a result to its reader, mean s "
        f"| {late_s:.2f} | {plain_late_s:.0f} | {plain_late_s / late_s:.0f} |",
    ]
    return "\n".join(lines)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--commits", type=int, default=100_000)
    parser.add_argument("--posts", type=int, default=10_000)
    parser.add_argument("--results", type=int, default=20_000)
    parser.add_argument("--viewers", type=int, default=500)
    parser.add_argument("--told", type=int, default=100, help="posts that the viewers hear of")
    parser.add_argument("--cold", type=int, default=25, help="cold requests of each page")
    parser.add_argument("--warm", type=int, default=60, help="warm requests of each page")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "--data",
        type=Path,
        help="keep the filled hub here; a second run measures the same rows, and what the "
        "first added",
    )
    parser.add_argument(
        "--small", action="store_true", help="a small hub, few viewers, few requests"
    )
    given = parser.parse_args()
    if given.small:
        (
            given.commits,
            given.posts,
            given.results,
            given.viewers,
            given.told,
            given.cold,
            given.warm,
        ) = (
            1000,
            200,
            400,
            30,
            10,
            2,
            5,
        )
    return given


def main() -> None:
    given = options()
    with tempfile.TemporaryDirectory(prefix="bench-pages-") as temporary:
        root = given.data or Path(temporary)
        root.mkdir(parents=True, exist_ok=True)
        ((folder, loaded),) = prepared(root, [given.commits], given.posts, given.results)
        with serving(folder, loaded, given.workers) as server, sync_playwright() as playwright:
            plain = naive(server, 5)
            found = pages(server, given.cold, given.warm)
            heard = live(server, given.viewers, given.told)
            browser = launch(playwright)
            for page in found.values():
                first_download(
                    server, page
                ) if ".csv" in page.path or ".json" in page.path else first_visit(
                    server, page, browser
                )
            appeared = appearances(server, browser.new_page(), max(5, given.told // 4))
            browser.close()
            print(text(server, found, appeared, heard, plain, given))


if __name__ == "__main__":
    main()
