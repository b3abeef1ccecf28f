"""A real Chromium for tests that look at the hub as a person does. What a page has to show is
theirs to say; that it is clean is held here.

`window` gives a test browser pages. In the end the test fails where any of them logged an error,
broke its Content-Security-Policy, opened a dialog or asked another origin for anything. One
Chromium serves the whole session, in a thread of its own: Playwright's blocking interface keeps an
event loop running in its thread, and other tests of this process want theirs (`pytest_pyfunc_call`
runs a test that has a window in that thread).
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Dialog,
    Page,
    Playwright,
    sync_playwright,
)

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    # whatever a page tries, nothing leaves this machine
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)
WIDE, NARROW = (1280, 900), (375, 800)
TIMEOUT_MS = 30_000  # machines are shared
CANARY = "ranHostileScript"  # what the hostile contents of tests set on `window`


def executable() -> str:
    """Where the browser is. Raises AssertionError that says what to install."""
    found = next((path for name in PROGRAMS if (path := shutil.which(name))), None)
    assert found, (
        f"none of {', '.join(PROGRAMS)} is installed; pages are tested in a real browser: "
        "apt install chromium"
    )
    return found


def launch(playwright: Playwright) -> Browser:
    unboxed = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium refuses to sandbox root
    return playwright.chromium.launch(executable_path=executable(), args=[*FLAGS, *unboxed])


@dataclass
class Window:
    """Pages of one test, each in a context of its own. `complaints` is what was wrong with any of
    them."""

    browser: Browser
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    _forgiven: list[re.Pattern[str]] = field(default_factory=list)
    _contexts: list[BrowserContext] = field(default_factory=list)

    def open(
        self,
        url: str,
        *,
        size: tuple[int, int] = WIDE,
        dark: bool = False,
        script: bool = True,
        still: bool = False,
    ) -> Page:
        """A page at `url`; `still` prefers reduced motion, without `script` there is no
        JavaScript."""
        page = self.tab(urlsplit(url).netloc, size=size, dark=dark, script=script, still=still)
        page.goto(url, wait_until="load")
        return page

    def tab(
        self,
        host: str,
        *,
        size: tuple[int, int] = WIDE,
        dark: bool = False,
        script: bool = True,
        still: bool = False,
    ) -> Page:
        """An empty page that may ask `host` for things, and nobody else."""
        context = self.browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce" if still else "no-preference",
            java_script_enabled=script,
        )
        context.set_default_timeout(TIMEOUT_MS)
        context.grant_permissions(["clipboard-read", "clipboard-write"], origin=f"http://{host}")
        self._contexts.append(context)
        context.on("request", lambda request: self._note_request(request.url, host))
        context.on("console", self._note_console)
        context.on("weberror", lambda error: self._complain(f"uncaught: {error.error}"))
        context.on("dialog", self._dismiss)
        return context.new_page()

    def _dismiss(self, dialog: Dialog) -> None:
        self._complain(f"dialog: {dialog.message}")
        dialog.dismiss()

    def forgive(self, pattern: str) -> None:
        """Complaints that match are what the test itself brought about."""
        self._forgiven.append(re.compile(pattern))

    def close(self) -> None:
        for context in self._contexts:
            context.close()

    def open_complaints(self) -> list[str]:
        return [
            said
            for said in self.complaints
            if not any(pattern.search(said) for pattern in self._forgiven)
        ]

    def _note_request(self, url: str, host: str) -> None:
        self.requests.append(url)
        parts = urlsplit(url)
        if parts.scheme not in ("data", "blob") and parts.netloc != host:
            self._complain(f"asked another origin: {url}")

    def _note_console(self, message: ConsoleMessage) -> None:
        violation = re.search("content.security.policy|refused to", message.text, re.I)
        if message.type == "error" or violation:
            self._complain(f"console: {message.text} ({message.location.get('url', '')})")

    def _complain(self, what: str) -> None:
        self.complaints.append(what[:500])


def until(page: Page, expression: str, timeout_ms: float = TIMEOUT_MS) -> Any:
    """Wait until JavaScript's `expression` is true; its value. (Playwright's own wait evaluates
    within the page, whose policy forbids it.)"""
    deadline_s = time.monotonic() + timeout_ms / 1000
    while not (found := page.evaluate(expression)):
        assert time.monotonic() < deadline_s, f"waited {timeout_ms:.0f} ms for {expression}"
        page.wait_for_timeout(20)
    return found


def overflow_px(page: Page) -> int:
    """How far the page scrolls sideways; 0 where it fits."""
    return int(
        page.evaluate(
            "document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth"
        )
    )


# ---------------------------------------------------------------- the browser's own thread


@dataclass
class _Thread:
    """Runs what it is given in one thread that lives as long as the session."""

    pool: ThreadPoolExecutor

    def __call__(self, work: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        return self.pool.submit(work, *arguments, **named).result()


_THREAD = pytest.StashKey[_Thread]()


@pytest.fixture(scope="session")
def _chromium(pytestconfig: pytest.Config) -> Iterator[Browser]:
    """The session's Chromium, started when the first test asks for a window."""
    pytestconfig.stash[_THREAD] = in_browser = _Thread(ThreadPoolExecutor(1, "chromium"))
    playwright = in_browser(lambda: sync_playwright().start())
    try:
        browser = in_browser(launch, playwright)
        yield browser
        in_browser(browser.close)
    finally:
        in_browser(playwright.stop)
        in_browser.pool.shutdown()


@pytest.fixture
def window(_chromium: Browser, pytestconfig: pytest.Config) -> Iterator[Window]:
    """Pages in a real browser; see the module's own words for what every test with a window
    asserts."""
    in_browser = pytestconfig.stash[_THREAD]
    made = Window(_chromium)
    yield made
    in_browser(made.close)
    assert made.open_complaints() == []


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """A test that has a window runs in the browser's thread."""
    if "window" not in pyfuncitem.fixturenames:
        return None
    wanted = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    pyfuncitem.config.stash[_THREAD](pyfuncitem.obj, **wanted)
    return True
