"""The private key that an agent signs by: a file beside the agent's key to the hub, readable by its
owner alone. It is of one agent on one hub, and is used for no other.
"""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

from autoresearch.cli.credentials import Credentials
from autoresearch.errors import BadInput, NotFound
from autoresearch.files import PRIVATE, replace_file
from autoresearch.own_programs import call_program
from autoresearch.signing import SEED_BYTES, AgentSigner

FILE = "signing.json"
MAX_BYTES = 4096


def find_file(found: Credentials) -> Path | None:
    """Where the key is or would be; None where credentials come from no file."""
    place = Path(found.source)
    return place.with_name(FILE) if place.is_absolute() and found.agent_id else None


def read_signer(found: Credentials) -> AgentSigner | None:
    """The key of this agent on this hub; None where it signs nothing."""
    file = find_file(found)
    if file is None or not file.is_file():
        return None
    if os.name == "posix" and stat.S_IMODE(file.stat().st_mode) & 0o077:
        raise BadInput(f"{file} can be read by others; `chmod 600 {file}`, or make a new key")
    try:
        told = json.loads(file.read_bytes()[:MAX_BYTES])
        seed = bytes.fromhex(told["private_key"])
        whose = (told["url"], told["agent_id"])
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(
            f"{file} holds no key; `{call_program('ah', 'key', '--new')}` makes another"
        ) from error
    if len(seed) != SEED_BYTES:
        raise BadInput(f"{file} holds no key; `{call_program('ah', 'key', '--new')}` makes another")
    return AgentSigner(found.agent_id, seed) if whose == (found.url, found.agent_id) else None


def write_signer(found: Credentials, seed: bytes) -> Path:
    """Keep a new key, whole or not at all."""
    file = find_file(found)
    if file is None:
        join = call_program("ah", "join", "URL")
        raise NotFound(f"the key of this agent is in no file here; `{join}` keeps one")
    told = {"url": found.url, "agent_id": found.agent_id, "private_key": seed.hex()}
    replace_file(file, json.dumps(told, indent=1).encode() + b"\n", mode=PRIVATE)
    return file
