"""`autoresearch watch --web`: serves the night to browsers of this machine, live.

Loopback only, reading only, one page. A request that names another host is refused: a page of
elsewhere could point its own name at this machine. Leaves to others: what the page shows
(watch_page).
"""

from __future__ import annotations

import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from autoresearch.cli import watch_page
from autoresearch.errors import AutoresearchError, BadInput, Conflict, NotFound

if TYPE_CHECKING:
    from autoresearch.researcher.dashboard.snapshot import View, Watcher

HOSTS = ("127.0.0.1", "localhost")
PING_S = 15.0
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class NightPage:
    """The newest page and its number, which grows with everything new."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._page = watch_page.load_page()
        self._news = threading.Condition()
        self._seen: object = None
        self.number, self.body, self.is_over = 0, b"", False

    def look(self) -> None:
        """Make the page anew where there is something new to see."""
        try:
            view = self._watcher.read_snapshot()
        except AutoresearchError as error:
            self._show(str(error), None)
            return
        self._show(describe_news(view), view)

    def _show(self, seen: object, view: View | None) -> None:
        if seen == self._seen:
            return
        number = self.number + 1
        if view is None:
            folder = str(self._watcher.folder)
            body = watch_page.render_problem(self._page, folder, str(seen), number)
        else:
            body = watch_page.render_view(self._page, view, number)
        with self._news:
            self.number, self.body, self._seen = number, body, seen
            self._news.notify_all()

    def wait(self, behind: int) -> int:
        """The newest number, as soon as it is beyond `behind`; at most PING_S later."""
        with self._news:
            self._news.wait_for(lambda: self.is_over or self.number > behind, PING_S)
            return self.number

    def end(self) -> None:
        with self._news:
            self.is_over = True
            self._news.notify_all()


def describe_news(view: View) -> object:
    """What makes a page worth making anew: everything but the load of the machine and clocks."""
    runs = [(run.id, run.number, len(run.points), run.progress) for run in view.runs]
    return view.about, len(view.verdicts), runs, view.edited, view.interruption


def make_handler(night: NightPage) -> type[BaseHTTPRequestHandler]:
    """The handler of requests for one night."""

    class PageHandler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if (urlsplit(f"//{self.headers.get('Host', '')}").hostname or "") not in HOSTS:
                self.answer(HTTPStatus.FORBIDDEN, b"this page is for this machine alone")
                return
            path = urlsplit(self.path).path
            kind, _, name = path[1:].partition("/")
            if path == "/":
                self.answer(HTTPStatus.OK, night.body, "text/html; charset=utf-8")
            elif path == "/live":
                self.tell_news()
            elif kind == "static":
                self.send_asset(name)
            elif kind in ("results", "commits") and name.isalnum():  # marks lead to their rows
                self.answer(HTTPStatus.SEE_OTHER, b"", place=f"/#{kind[:-1]}-{name}")
            else:
                self.answer(HTTPStatus.NOT_FOUND, b"there is one page here: /")

        do_HEAD = do_GET

        def answer(
            self, status: HTTPStatus, body: bytes, kind: str = "text/plain", place: str = ""
        ) -> None:
            self.send_response(status)
            for name, value in (
                ("Content-Type", kind),
                ("Content-Length", str(len(body))),
                ("Content-Security-Policy", POLICY),
                ("X-Content-Type-Options", "nosniff"),
                ("Referrer-Policy", "no-referrer"),
                ("Cache-Control", "no-store"),
                ("Location", place),
            ):
                if value:
                    self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def send_asset(self, name: str) -> None:
            from autoresearch.hub.pages.assets import find_asset

            try:
                asset = find_asset(name)
                self.answer(HTTPStatus.OK, asset.data, asset.media_type)
            except NotFound:
                self.answer(HTTPStatus.NOT_FOUND, b"no such file")

        def tell_news(self) -> None:
            """Server-sent events, for as long as the browser listens."""
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Cache-Control", "no-store")
            self.send_header("Connection", "close")
            self.end_headers()
            self.close_connection = True
            if self.command == "HEAD":
                return
            after = urlsplit(self.path).query.rpartition("after=")[2]
            known = int(after) if after.isdecimal() and len(after) < 10 else night.number
            while not night.is_over:
                number = night.wait(known)
                text = (
                    f"id: {number}\nevent: post\ndata: {{}}\n\n" if number > known else ": ping\n\n"
                )
                known = number
                try:
                    self.wfile.write(text.encode())
                except OSError:  # the browser is gone
                    return

        def log_message(self, *_: object) -> None:
            pass

    return PageHandler


class NightServer(ThreadingHTTPServer):
    """A thread for each connection; none of them holds up the end."""

    daemon_threads = True


def serve_night(directory: Path, port: int, every_s: float, stop: threading.Event) -> None:
    """Serve until `stop` is set, and look every so many seconds."""
    from autoresearch.researcher.dashboard.snapshot import Watcher

    watcher = Watcher(directory)
    watcher.read_snapshot()  # where there is no experiment, that is said here
    night = NightPage(watcher)
    night.look()
    try:
        server = NightServer(("127.0.0.1", port), make_handler(night))
    except OSError as error:
        raise Conflict(
            f"cannot listen on port {port}: {error.strerror}; give another --port"
        ) from None
    except OverflowError:
        raise BadInput(f"--port {port} is no port") from None
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"watch on http://127.0.0.1:{server.server_address[1]}/ (Ctrl-C ends it)", flush=True)
    while not stop.wait(every_s):
        night.look()
    night.end()
    server.shutdown()
    server.server_close()
