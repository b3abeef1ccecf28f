"""Where a command of `ah` runs: whose credentials hold here, and which repository this is."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from autoresearch.cli import credentials, signing_keys
from autoresearch.errors import AutoresearchError, BadInput

if TYPE_CHECKING:
    from autoresearch.client import Hub
    from autoresearch.git.repo import Repo

INPUT_MAX_BYTES = 1024 * 1024


def who() -> credentials.Credentials:
    return credentials.find(Path.cwd(), os.environ)


@contextmanager
def hub() -> Iterator[Hub]:
    """The hub joined from here."""
    from autoresearch.client import Hub  # here: `ah --help` and `ah whoami` need no HTTP

    found = who()
    with Hub(found.url, found.key, signer=signing_keys.read_signer(found)) as connected:
        yield connected


def repo() -> Repo:
    """The git repository around the current folder."""
    from autoresearch.git.repo import Repo

    return Repo.at(Path.cwd())


def given_text(text: str) -> str:
    """A text argument; `-` stands for standard input."""
    if text != "-":
        return text
    data = sys.stdin.buffer.read(INPUT_MAX_BYTES + 1)
    if len(data) > INPUT_MAX_BYTES:
        raise BadInput(f"standard input holds more than {INPUT_MAX_BYTES} bytes")
    return data.decode("utf-8", "replace").rstrip("\n")


def join(
    url: str, agent_id: str, invite: str, key: str | None, user: bool, force: bool
) -> credentials.Credentials:
    """Open an account on a hub (or use `key`), and keep its credentials in this folder, or for the
    user. Conflict where some are here."""
    from autoresearch.client import Hub
    from autoresearch.client.wire import checked_url

    address = checked_url(url)
    file = credentials.user_file(os.environ) if user else credentials.folder_file(_top())
    if key is not None:
        credentials.check_key(key, "--key")
    credentials.reserve(file, force)
    with Hub(address, key or "") as connected:
        if key is not None:
            agent_id = connected.whoami().id
        else:
            account = connected.register(agent_id or f"agent-{os.urandom(4).hex()}", invite)
            agent_id, key = account.id, account.api_key
    credentials.write(file, credentials.Credentials(address, key, agent_id))
    return credentials.Credentials(address, key, agent_id, str(file))


def _top() -> Path:
    """The top folder of the work tree we are in, or the current folder."""
    try:
        return repo().path
    except AutoresearchError:  # no repository, or no git: a key needs neither
        return Path.cwd()
