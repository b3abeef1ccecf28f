"""Where an agent's key is kept: one file per directory or per user, readable by its owner alone
(never shared by accident).

Looked for in this order: the environment (AGENTHUB_URL, AGENTHUB_KEY);
`.agenthub/credentials.json` here or in a folder above; `credentials.json` in AGENTHUB_CONFIG_DIR
or else the user's configuration folder; `~/.agenthub_creds`, which others' programs write. Nothing
here speaks to a hub.
"""

from __future__ import annotations

import json
import os
import re
import stat
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from autoresearch.errors import BadInput, Conflict, Unauthorized
from autoresearch.files import PRIVATE, replace_file
from autoresearch.own_programs import call_program

FOLDER, FILE = ".agenthub", "credentials.json"
MAX_BYTES = 64 * 1024
HUB_KEY = re.compile(r"ahk_[0-9a-f]{64}", re.ASCII)  # what hubs hand out
# what others call these things, in JSON or as NAME=value lines
URL_NAMES = (
    *("url", "hub_url", "agenthub_url", "hub", "server_url", "server", "base_url"),
    *("agenthub_hub", "agenthub_server"),
)
KEY_NAMES = (
    *("key", "api_key", "agenthub_key", "agenthub_api_key", "hub_key", "hub_api_key", "token"),
    *("agenthub_token",),
)
ID_NAMES = (
    *("agent_id", "id", "agent", "agenthub_id", "agenthub_agent_id", "agenthub_agent"),
    *("hub_agent_id", "name"),
)


@dataclass(frozen=True)
class Credentials:
    """`agent_id` is empty where only the hub knows it; `source` says where they were found."""

    url: str
    key: str
    agent_id: str = ""
    source: str = ""


def find(start: Path, environ: Mapping[str, str]) -> Credentials:
    """The credentials that hold in the folder `start`. Unauthorized where there are none."""
    url, key = (environ.get(name, "").strip() for name in ("AGENTHUB_URL", "AGENTHUB_KEY"))
    if key:
        check_key(key, "AGENTHUB_KEY")
    if url and key:
        return Credentials(url, key, environ.get("AGENTHUB_ID", ""), "the environment")
    for file in _places(start, environ):
        found = read(file)
        if found is None or (url and found.url.rstrip("/") != url.rstrip("/")):
            continue  # a key goes to the hub it is for, and to no other
        return Credentials(found.url, key, "", "the environment") if key else found
    raise Unauthorized(
        f"no hub is joined from here; `{call_program('ah', 'join', 'URL')}` does it, or set "
        "AGENTHUB_URL and AGENTHUB_KEY"
    )


def _places(start: Path, environ: Mapping[str, str]) -> Iterator[Path]:
    for folder in (start, *start.parents):
        yield folder / FOLDER / FILE
    yield from user_files(environ)


def user_files(environ: Mapping[str, str]) -> tuple[Path, Path]:
    """Where the user's own key may be, whatever the folder."""
    home = Path(environ.get("HOME") or "~").expanduser()
    return user_file(environ), home / ".agenthub_creds"


def user_file(environ: Mapping[str, str]) -> Path:
    """The file of the user, where no folder has its own."""
    if chosen := environ.get("AGENTHUB_CONFIG_DIR"):
        return Path(chosen) / FILE
    import click

    return Path(click.get_app_dir("agenthub")) / FILE


def folder_file(folder: Path) -> Path:
    return folder / FOLDER / FILE


def _is_own_file(about: os.stat_result) -> bool:
    is_ours = not hasattr(os, "geteuid") or about.st_uid == os.geteuid()
    return is_ours and stat.S_ISREG(about.st_mode)


def read(file: Path) -> Credentials | None:
    """What a file holds; None where there is none of ours, or it belongs to somebody else."""
    try:
        descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return None
    with os.fdopen(descriptor, "rb") as opened:
        about = os.fstat(opened.fileno())
        if not _is_own_file(about):
            return None  # a file somebody else put above us must not choose our hub
        if file.name == FILE and os.name == "posix" and about.st_mode & 0o077:
            raise BadInput(
                f"{file} can be read by others; `chmod 600 {file}` (and ask the "
                "operator for a new key if it was)"
            )
        values = _values(opened.read(MAX_BYTES).decode("utf-8", "replace"))
    url, key, agent_id = (_first(values, names) for names in (URL_NAMES, KEY_NAMES, ID_NAMES))
    if not url or not key:
        anew = call_program("ah", "join", "URL", "--force")
        raise BadInput(f"{file} holds no hub's URL and key; `{anew}` writes it anew")
    return Credentials(url, check_key(key, str(file)), agent_id, str(file))


def check_key(key: str, source: str) -> str:
    """`key`, where it can be one. BadInput for an empty key, or a hub's key that was cut short."""
    if not key or (key.startswith("ahk_") and not HUB_KEY.fullmatch(key)):
        raise BadInput(
            f"the key in {source} is empty or cut short; put the whole key there, or"
            f" `{call_program('ah', 'join', 'URL', '--force')}` opens a new account"
        )
    return key


def _values(text: str) -> dict[str, str]:
    """JSON, or lines of NAME=value or name: value, `export` and quotes allowed."""
    try:
        told: Any = json.loads(text)
    except ValueError:
        told = dict(pair for line in text.splitlines() if (pair := _pair(line)))
    pairs = told.items() if isinstance(told, dict) else ()
    return {
        str(name).lower().replace("-", "_"): value.strip()
        for name, value in pairs
        if isinstance(value, str)
    }


def _pair(line: str) -> tuple[str, str] | None:
    line = line.strip().removeprefix("export ").strip()
    for sign in ("=", ": "):
        name, found, value = line.partition(sign)
        if found and name.strip().replace("_", "").replace("-", "").isalnum():
            return name.strip(), value.strip().strip("'\"")
    return None


def _first(values: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((values[name] for name in names if values.get(name)), "")


def reserve(file: Path, force: bool) -> None:
    """Make sure that `file` may be written, before an account is opened whose key is shown only
    once."""
    if file.exists() and not force:
        raise Conflict(
            f"{file} holds credentials already; `{call_program('ah', 'whoami')}` shows whose, "
            "`--force` replaces them"
        )
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, probe = tempfile.mkstemp(dir=file.parent)
    os.close(descriptor)
    os.unlink(probe)


def write(file: Path, credentials: Credentials) -> None:
    """Put credentials into a file of mode 0600, whole or not at all."""
    told = {name: value for name, value in asdict(credentials).items() if name != "source"}
    if file.parent.name == FOLDER:  # no `git add` may ever publish a key: the folder ignores itself
        replace_file(file.parent / ".gitignore", b"*\n")
    replace_file(file, json.dumps(told, indent=1).encode() + b"\n", mode=PRIVATE)
