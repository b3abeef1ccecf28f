"""Who we are on a hub: the key of this experiment's folder, used where there is one, else asked
for; one identity a folder.

Where keys are kept is the caller's business (`KeyStore`): the command line reads files and
environment. A hub that is down, closed or wants an invitation keeps nobody from research; it is
asked again later.
"""

from __future__ import annotations

import re
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from autoresearch.client import Hub
from autoresearch.client.wire import checked_key
from autoresearch.errors import AutoresearchError, BadInput, Conflict, Forbidden, HubUnavailable
from autoresearch.own_programs import call_program

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", re.ASCII)
NAMES_TRIED = 5
REGISTER_TIMEOUT_S = 10.0
ASK_AGAIN_S = 30.0  # a hub that would not have us, or did not answer


@dataclass(frozen=True)
class Member:
    """An agent on the hub. `key` is a secret: it goes to the hub, and nowhere else."""

    agent_id: str
    key: str

    def __repr__(self) -> str:
        return f"Member({self.agent_id!r})"


class KeyStore(Protocol):
    """Where a folder's key is kept."""

    def load(self) -> Member | None:
        """The key for this hub, or None."""
        ...

    def save(self, member: Member) -> None: ...


@dataclass(eq=False)
class Membership:
    """`wanted` is the name to ask for. Shared by threads; one asks at a time."""

    url: str
    wanted: str
    keyring: KeyStore
    lock: threading.Lock = field(default_factory=threading.Lock)
    known: Member | None = None
    refused: AutoresearchError | None = None
    asked_at: float = -ASK_AGAIN_S

    @property
    def agent_id(self) -> str:
        """Our name, empty while we have none."""
        return self.known.agent_id if self.known else ""

    def member(self, say: Callable[[str], None]) -> Member:
        """Our key. Raises HubUnavailable where the hub gave none, with its reason."""
        with self.lock:
            if self.known is None:
                kept = self.keyring.load()
                self.known = with_name(self.url, kept) if kept else self.join_hub(say)
            return self.known

    def join_hub(self, say: Callable[[str], None]) -> Member:
        if self.refused is not None and time.monotonic() - self.asked_at < ASK_AGAIN_S:
            raise self.refused
        self.asked_at = time.monotonic()
        try:
            member = register_agent(self.url, self.wanted)
            self.keyring.save(member)
        except Forbidden as error:
            self.refused = HubUnavailable(
                f"{error} (with an invitation: "
                f"`{call_program('ah', 'join', self.url, '--invite', 'WORD')}` in the "
                "experiment's folder)"
            )
            raise self.refused from error
        except AutoresearchError as error:
            self.refused = HubUnavailable(str(error))
            raise self.refused from error
        say(f"joined {self.url} as {member.agent_id}")
        return member


def with_name(url: str, member: Member) -> Member:
    """The member with the name that the hub knows it by, where the key came without one."""
    if member.agent_id:
        return member
    with Hub(url, member.key, timeout_s=REGISTER_TIMEOUT_S, patience_s=0.0, tries=1) as hub:
        return Member(hub.whoami().id, member.key)


def checked_id(agent_id: str) -> str:
    """A name as hubs take it; BadInput otherwise."""
    if not _ID.fullmatch(agent_id):
        raise BadInput(
            f"{agent_id[:80]!r} is no name for an agent: 1 to 63 letters, digits, '.', "
            "'_', '-', beginning with a letter or digit"
        )
    return agent_id


def register_agent(url: str, wanted: str) -> Member:
    """Open an account; a name that is taken gets a suffix. Raises errors of the client."""
    name = wanted
    with Hub(url, timeout_s=REGISTER_TIMEOUT_S, patience_s=0.0, tries=1) as hub:
        for _ in range(NAMES_TRIED):
            try:
                account = hub.register(name)
            except Conflict:
                name = f"{wanted[:56]}-{secrets.token_hex(3)}"
                continue
            return Member(checked_id(account.id), checked_key(account.api_key))
    raise Conflict(
        f"{wanted} and {NAMES_TRIED - 1} names like it are taken; choose another with "
        "--agent-id NAME"
    )
