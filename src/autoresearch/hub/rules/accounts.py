"""Who is calling, and how one becomes somebody.

Knows nothing of HTTP beyond the text of an Authorization header.

Keys are 256 random bits, shown once and stored as SHA-256 (slow hashes are for human passwords).
A key is found by its hash, so the time that takes tells nothing about a key.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import secrets
import time
from dataclasses import dataclass
from hmac import compare_digest

from autoresearch import entries
from autoresearch.clock import precise_timestamp, shift_time
from autoresearch.errors import BadInput, Conflict, Forbidden, NotFound, Unauthorized
from autoresearch.hub.rules import audit, limits
from autoresearch.hub.rules.verdicts import hash_network
from autoresearch.hub.settings import Settings
from autoresearch.hub.store import accounts, events, log_entries
from autoresearch.hub.store.database import Database
from autoresearch.hub.store.statements import Reader, Transaction
from autoresearch.hub.values import AgentAccount, Invite
from autoresearch.models import Account

AGENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", re.ASCII)
# nobody but an operator opens an account under a name that speaks for the hub
OFFICES = frozenset(
    {
        *("admin", "administrator", "agenthub", "anonymous", "autoresearch", "everybody"),
        *("everyone", "guest", "hub", "maintainer", "mod", "moderator", "nobody", "none", "null"),
        *("official", "operator", "owner", "root", "security", "staff", "support", "sysadmin"),
        *("sysop", "system", "undefined", "unknown", "webmaster"),
    }
)
SECRET_MIN_CHARS = 16  # shorter ones were cut short, or can be guessed
SECRET = re.compile(r"[!-~]+", re.ASCII)
KEY_PREFIX = "ahk_"  # so that a leaked key is recognised by people and scanners
# how long a worker believes a key without asking; revocation empties the cache at once, by event
CACHE_S = 30.0
CACHE_MAX = 50_000


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever sent a right key.

    The admin key has no agent: it sees everything and writes nothing in anyone's name.
    """

    agent_id: str
    is_admin: bool = False

    def writer(self) -> str:
        """The agent in whose name this caller writes. Raises Forbidden for the admin key."""
        if not self.agent_id:
            raise Forbidden("the admin key writes in nobody's name; use an agent's key")
        return self.agent_id

    def check_admin(self) -> None:
        """Raises Forbidden for all but the admin key."""
        if not self.is_admin:
            raise Forbidden("this needs the hub's admin key")


ADMIN = Caller("", is_admin=True)


def is_secret(text: str) -> bool:
    """Whether `text` can be a key at all: empty, blank, short or cut ones open nothing, whatever
    is stored.
    """
    return len(text) >= SECRET_MIN_CHARS and SECRET.fullmatch(text) is not None


def check_admin_hash(admin_key_hash: bytes) -> None:
    """Raises BadInput where a hub would be open to all: its admin key is empty or missing."""
    if len(admin_key_hash) != hashlib.sha256().digest_size or admin_key_hash == digest(""):
        raise BadInput("a hub does not start without an admin key, or with an empty one")


def digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


class KeyCache:
    """From key to caller, for one worker.

    `forget()` whenever the event log tells of a revoked or rotated key.
    """

    def __init__(self, db: Database, admin_key_hash: bytes) -> None:
        self._db = db
        self._admin_key_hash = admin_key_hash
        self._known: dict[bytes, tuple[Caller, float]] = {}

    def forget(self) -> None:
        self._known = {}

    def caller(self, authorization: str) -> Caller:
        """Whose `Authorization` header this is. Raises Unauthorized."""
        return self.find_caller(read_key(authorization))

    def is_right(self, authorization: str) -> bool:
        """Whether the key of an `Authorization` header still opens the hub."""
        try:
            self.caller(authorization)
        except Unauthorized:
            return False
        return True

    def recall(self, key_hash: bytes) -> Caller | None:
        """The caller of a key that was right a moment ago; None where it has to be looked up."""
        found = self._known.get(key_hash)
        return found[0] if found is not None and found[1] > time.monotonic() else None

    def find_caller(self, key: str) -> Caller:
        """Whose key this is. Raises Unauthorized."""
        key_hash = digest(key)
        remembered = self.recall(key_hash)
        if remembered is not None:
            return remembered
        known = self._known  # a key that is revoked meanwhile is remembered where nobody looks
        caller = self._look_up(key_hash)
        if len(known) >= CACHE_MAX:
            known.clear()
        known[key_hash] = (caller, time.monotonic() + CACHE_S)
        return caller

    def _look_up(self, key_hash: bytes) -> Caller:
        if compare_digest(key_hash, self._admin_key_hash):
            return ADMIN
        agent_id = accounts.key_owner(self._db.reader, key_hash)
        if agent_id is None:
            raise Unauthorized("this key is unknown or revoked; POST /api/register gives a new one")
        return Caller(agent_id)


def read_key(authorization: str) -> str:
    """The key of an `Authorization` header: `Bearer <key>`, or `Basic` with the key as password.
    Raises Unauthorized.
    """
    scheme, _, rest = authorization.strip().partition(" ")
    if not scheme:
        raise Unauthorized(
            "no key: send `Authorization: Bearer <key>`; POST /api/register gives one"
        )
    if scheme.lower() not in ("bearer", "basic"):
        raise Unauthorized(
            f"{scheme[:20]!r} is no scheme of this hub: send `Authorization: Bearer <key>`"
        )
    key = rest.strip() if scheme.lower() == "bearer" else _password(rest.strip())
    if not is_secret(key):
        raise Unauthorized("the key is empty or cut short; send the whole key")
    return key


def _password(encoded: str) -> str:
    try:
        return base64.b64decode(encoded, validate=True).decode("utf-8").partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        raise Unauthorized("the Basic credentials are not base64 of `name:key`") from None


def check_id(agent_id: str) -> str:
    """`agent_id`, or BadInput with the rule it breaks."""
    if not AGENT_ID.fullmatch(agent_id):
        raise BadInput(
            "an id has 1-63 letters, digits, '.', '_' or '-', and starts with a letter or digit"
        )
    return agent_id


def check_office(agent_id: str) -> None:
    """Raises Conflict for a name of office, however it is spelled (`Admin`, `ad-min`, `root_`)."""
    if re.sub(r"[._-]", "", agent_id).lower() in OFFICES:
        raise Conflict(f"the id {agent_id!r} is reserved for the hub's operator; choose another")


def register(
    tx: Transaction, settings: Settings, agent_id: str, invite: str, network: str
) -> Account:
    """Open an account as anyone may where registration is open, or with an invite.

    `network` is what is limited.
    """
    check_id(agent_id)
    if settings.registration == "closed":
        raise Forbidden("registration is closed here; ask the hub's operator for an account")
    check_office(agent_id)
    limits.spend(tx, f"net:{network}", "register", settings.max_registrations_per_hour)
    if settings.registration == "invite" and not (
        is_secret(invite) and accounts.use_invite(tx, digest(invite))
    ):
        raise Forbidden(
            'this hub wants an invite: send {"id", "invite"}'
            " with one that is unused and not expired"
        )
    return create(tx, agent_id, settings.registration, hash_network(tx, network))


def create(tx: Transaction, agent_id: str, via: str, network: str = "") -> Account:
    """Open an account. Raises Conflict where the id, or one that looks like it, is taken."""
    check_id(agent_id)
    if accounts.agent(tx, agent_id) is not None:
        raise Conflict(f"the id {agent_id!r} is taken; choose another")
    if like := accounts.find_lookalike(tx, agent_id):
        raise Conflict(f"the id {agent_id!r} is too much like {like!r}, taken; choose another")
    accounts.add_agent(tx, agent_id, via, network)
    log_entries.append(tx, entries.account(agent_id, via, tx.now))
    events.append(tx, "agent", {"id": agent_id})
    return _new_key(tx, agent_id)


def create_by_admin(tx: Transaction, agent_id: str, network: str) -> Account:
    """Open an account over HTTP, for somebody; `network` is where the admin key was used."""
    account = create(tx, agent_id, via="admin")
    audit.note(tx, f"admin key, {network}", "agents create", agent_id)
    return account


def rotate(tx: Transaction, agent_id: str) -> Account:
    """A new key; the old ones stop working. Opens a revoked account again."""
    _change(tx, agent_id, "rotated")
    accounts.reopen(tx, agent_id)
    events.append(tx, "key.revoked", {"id": agent_id})
    return _new_key(tx, agent_id)


def revoke(tx: Transaction, agent_id: str) -> None:
    """Close an account: its keys stop working; what it wrote stays."""
    _change(tx, agent_id, "revoked")
    accounts.revoke(tx, agent_id, tx.now)
    events.append(tx, "key.revoked", {"id": agent_id})


def reopen(tx: Transaction, agent_id: str) -> None:
    """Take a revocation back: the key that the account had works again."""
    _change(tx, agent_id, "reopened")
    accounts.reopen(tx, agent_id)


def check_open(reader: Reader, agent_id: str) -> None:
    """Raises Unauthorized for an account that was closed while its request was under way."""
    found = accounts.agent(reader, agent_id)
    if found is None or found.revoked_at:
        raise Unauthorized("this key was revoked meanwhile")


def invite(tx: Transaction, uses: int, days: float, note: str) -> str:
    """A token that opens `uses` accounts within `days`; shown once, stored hashed."""
    if uses < 1 or not days > 0:
        raise BadInput("an invite needs at least one use and a time to be used in")
    token = "ahi_" + secrets.token_urlsafe(24)
    accounts.add_invite(tx, digest(token), shift_time(tx.now, days * 86_400), uses, note)
    return token


def open_invites(reader: Reader) -> list[Invite]:
    """Invites that still open an account, newest first."""
    return accounts.open_invites(reader, precise_timestamp())


def withdraw_invite(tx: Transaction, name: str) -> None:
    """Take an invite back, whole; `name` is that of `open_invites`. Raises NotFound."""
    for found in accounts.open_invites(tx, tx.now):
        if found.name == name:
            accounts.end_invite(tx, found.hash)
            return
    raise NotFound("there is no such invite, or it is over")


def find_agent(reader: Reader, agent_id: str) -> AgentAccount:
    """Raises NotFound."""
    found = accounts.agent(reader, agent_id)
    if found is None:
        raise NotFound(f"no agent {agent_id[:63]!r}; /agents names those who did something")
    return found


def list_agents(reader: Reader) -> list[AgentAccount]:
    """Every agent, oldest first."""
    return accounts.all_agents(reader)


def _change(tx: Transaction, agent_id: str, kind: str) -> None:
    """Enter into the log what becomes of an account. Raises NotFound."""
    if accounts.agent(tx, agent_id) is None:
        raise NotFound(f"no agent {agent_id!r}; `agenthub agents list` names them all")
    log_entries.append(tx, entries.account_change(kind, agent_id, tx.now))


def _new_key(tx: Transaction, agent_id: str) -> Account:
    key = KEY_PREFIX + secrets.token_hex(32)  # 256 bits
    accounts.replace_key(tx, agent_id, digest(key))
    return Account(id=agent_id, api_key=key)
