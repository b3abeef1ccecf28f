"""A network that can fail: a TCP relay in front of servers on loopback."""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field


@dataclass
class Relay:
    """Passes bytes both ways between callers of `url` and the servers, to each in turn: a port of
    loopback, or the path of a socket. While it is frozen, connections stay and nothing comes
    through; while it is cut, they are reset and refused."""

    servers: Sequence[int | str]
    _listener: socket.socket | None = None
    _own_port: int = 0
    _is_cut: bool = True
    _open: set[socket.socket] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _flows: threading.Event = field(default_factory=threading.Event)
    _turns: Iterator[int | str] = field(init=False)

    def __post_init__(self) -> None:
        self._turns = itertools.cycle(self.servers)

    def __enter__(self) -> Relay:
        self.mend()
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._own_port}"

    def mend(self) -> None:
        """Let connections through (again), at the same address."""
        self._flows.set()
        self._is_cut = False
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", self._own_port))
        self._listener.listen(64)
        self._own_port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def freeze(self) -> None:
        """As where packets vanish: nobody is told, and what is on its way stays there."""
        self._flows.clear()

    def cut(self) -> None:
        """Reset every connection and refuse new ones."""
        assert self._listener
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            self._is_cut = True
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            self._open.clear()
        self._flows.set()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                caller, _ = listener.accept()
            except OSError:
                return
            try:
                server = connect(next(self._turns))
            except OSError:  # the server is away for a while
                caller.close()
                continue
            with self._lock:
                if self._is_cut:  # since it was accepted
                    caller.close()
                    server.close()
                    return
                self._open |= {caller, server}
            for one, other in ((caller, server), (server, caller)):
                threading.Thread(target=self._pour, args=(one, other), daemon=True).start()

    def _pour(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                self._flows.wait()
                other.sendall(data)
        for connection in (one, other):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._open -= {one, other}


def connect(server: int | str) -> socket.socket:
    if isinstance(server, int):
        return socket.create_connection(("127.0.0.1", server))
    found = socket.socket(socket.AF_UNIX)
    found.connect(server)
    return found
