"""`autoresearch watch --web`: a page for this machine's browsers, live, beside a real night and
without a hub's libraries."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from autoresearch.cli.watch_page import list_points, negate
from autoresearch.researcher.dashboard.snapshot import VerdictView
from autoresearch.researcher.workspace import Workspace
from browser import NARROW, WIDE, Window
from tiny_workspaces import TOML, Writes, make, noisy, research

MAIN = [sys.executable, "-c", "from autoresearch.cli.autoresearch import main; main()"]
# as in an environment that has no hub: its libraries cannot be imported
NO_HUB = """
import sys
for name in ("litestar", "uvicorn", "sqlalchemy", "markdown_it", "nh3", "pygit2", "pygments"):
    sys.modules[name] = None
from autoresearch.cli.autoresearch import main
main()
"""
WILD = '<script>ranHostileScript()</script> "x" \x1b[31m'


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A night of four experiments, one of which crashed."""
    workspace = make(tmp_path_factory.mktemp("night"), noisy(1.0, 0.001))
    texts = (noisy(0.9, 0.001), noisy(0.95, 0.001), "raise SystemExit('x')\n", noisy(0.7, 0.001))
    research(workspace, Writes(*texts), experiments=4)
    return workspace.folder


@contextmanager
def served(folder: Path, *options: str) -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", NO_HUB, "watch", str(folder), "--web", "--every=0.2", *options],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:\d+/", process.stdout.readline())
        assert found, process.stderr and process.stderr.read()
        yield found.group()
    finally:
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
        assert process.returncode == 0, said


def add_verdict(folder: Path, **fields: str) -> None:
    """One more experiment in the ledger, like the last but for some fields."""
    ledger = Workspace(folder).ledger.jsonl
    lines = ledger.read_text().splitlines()
    last = json.loads(lines[-1])
    lines.append(json.dumps({**last, "id": f"{int(last['id']) + 1:04d}", **fields}))
    ledger.write_text("\n".join(lines) + "\n")


def test_a_night_in_a_browser(night: Path, window: Window) -> None:
    """Verdicts, best and chart are there without a sound from the browser; a mark leads to its
    row; it fits a telephone; with a new verdict the page renews itself."""
    with served(night) as url:
        page = window.open(url)
        text = page.inner_text("main")
        assert page.locator("tbody tr").count() == 5 and "0.7" in text
        assert page.locator("svg.chart .marks a").count() >= 4
        page.locator(".wide .marks a.record").last.click()
        page.wait_for_url(re.compile(r"#(commit|result)-\w+$"))
        for width, height in (WIDE, NARROW):
            page.set_viewport_size({"width": width, "height": height})
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width
        add_verdict(night, description="the newest")
        page.get_by_text("the newest").first.wait_for()
        assert page.locator("tbody tr").count() == 6


def test_nobody_else_is_served(night: Path) -> None:
    """Another name for this machine, another method, a path beside it: refused; nothing that a page
    of elsewhere could embed or call."""
    with served(night) as url:
        assert httpx.get(url, headers={"Host": "evil.example"}).status_code == 403
        assert httpx.post(url).status_code == 501
        for path in ("../etc/passwd", "static/nothing.css", "static/..%2fstyle.css", "results/"):
            assert httpx.get(url + path).status_code == 404
        page = httpx.get(url)
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert "access-control-allow-origin" not in page.headers
        assert httpx.head(url).headers["content-length"] == str(len(page.content))


def test_what_is_no_experiment_is_one_sentence(tmp_path: Path) -> None:
    """Before anything is served."""
    done = subprocess.run([*MAIN, "watch", str(tmp_path), "--web"], capture_output=True, text=True)
    assert done.returncode == 2 and "autoresearch init" in done.stderr


def test_a_metric_that_should_rise_is_drawn_rising(tmp_path: Path) -> None:
    """The best is at the top, numbers stand as they are; hostile descriptions are text."""
    toml = TOML + 'metric = "score"\ndirection = "max"\n'
    code = "print('score: 1.5')\n"
    workspace = make(tmp_path / "up", code, toml)
    research(workspace, Writes("print('score: 2.5')\n"), experiments=1)
    add_verdict(workspace.folder, description=WILD, agent=WILD, reason=WILD)
    with served(workspace.folder) as url:
        text = httpx.get(url).text.partition('class="chart phone"')[0]
    ticks = re.findall(r'y="([\d.]+)" text-anchor="end">([\d.-]+)<', text)
    heights, numbers = [float(y) for y, _ in ticks], [float(n) for _, n in ticks]
    assert len(ticks) > 2 and all(1.4 < number < 2.6 for number in numbers)
    assert [y for _, y in sorted(zip(numbers, heights, strict=True))] == sorted(heights)[::-1]
    assert "score, higher is better" in text and 'data-v="2.500000"' in text
    assert "<script>ran" not in text and "&lt;script&gt;" in text and "\x1b" not in text


def test_points_lead_where_they_were_kept_and_better() -> None:
    """As the judge said, not by value alone: a discard never leads."""
    rows = [("baseline", 1.0), ("discard", 0.5), ("keep", 0.9), ("crash", None), ("keep", 0.95)]
    verdicts = [
        VerdictView(f"{n}", "a" * 40, kind, value, "", "", "", "")  # type: ignore[arg-type]
        for n, (kind, value) in enumerate(rows)
    ]
    assert [p.leads for p in list_points(verdicts, 1.0)] == [True, False, True, False, False]
    assert [negate(text) for text in ("1.5", "-1.5", "0.0")] == ["-1.5", "1.5", "0.0"]
