"""Whose key `autoresearch` uses at a hub: the folder's own, found again or made at the first call (trap D12: never two agents' one)."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from autoresearch.cli import credentials
from autoresearch.cli.credentials import Credentials
from autoresearch.errors import Unauthorized

WORDS = re.compile(r"[^A-Za-z0-9_.-]+")


def known(folder: Path, url: str, environ: Mapping[str, str]) -> Credentials | None:
    """The credentials that hold in the folder for this hub, or None. A key of the environment goes to the hub it was given for."""
    if environ.get("AGENTHUB_URL", url).rstrip("/") != url.rstrip("/"):
        environ = {name: value for name, value in environ.items() if name != "AGENTHUB_KEY"}
    try:
        return credentials.find(folder, {**environ, "AGENTHUB_URL": url})
    except Unauthorized:
        return None


def joined(folder: Path, url: str, environ: Mapping[str, str], role: str = "") -> Credentials:
    """The folder's account at a hub, opened where it has none: its key is kept in `.agenthub/` there, for its owner's eyes only.

    Raises what registering raises (Forbidden where the hub asks for an invitation: `ah join` takes one)."""
    from autoresearch.client import Hub
    from autoresearch.client.wire import checked_url

    address = checked_url(url)
    folder = folder.resolve()
    found = known(folder, address, environ)
    if found is not None:
        return found
    file = credentials.folder_file(folder)
    credentials.reserve(file, force=False)
    with Hub(address) as hub:
        account = hub.register(agent_name(folder, role))
    made = Credentials(address, account.api_key, account.id, str(file))
    credentials.write(file, made)
    return made


def agent_name(folder: Path, role: str) -> str:
    """An id that nobody else has: what it does, the folder's name, and chance."""
    words = [word for word in (role, WORDS.sub("-", folder.name)[:30].strip("-._")) if word]
    return "-".join([*words, os.urandom(3).hex()])
