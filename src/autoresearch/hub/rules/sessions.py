"""The operator's short session in a browser: a signed cookie that expires, and a token that every
form has to carry.

Nothing is stored: a session is `<expiry>.<nonce>.<signature>`, HMAC-SHA-256 (RFC 2104) under a
key made of the admin key's hash, so every worker knows it and a new admin key ends them all. The
form's token is a second signature over the same nonce: another site can send neither.
"""

from __future__ import annotations

import hmac
import secrets
import time
from dataclasses import dataclass
from hashlib import sha256

from autoresearch.errors import Forbidden
from autoresearch.hub.rules import audit, limits
from autoresearch.hub.rules.accounts import digest, is_secret
from autoresearch.hub.settings import Settings
from autoresearch.hub.store.statements import Transaction

SESSION_S = 30 * 60
ATTEMPTS_PER_HOUR = 20  # of one network


@dataclass(frozen=True)
class Session:
    """Who holds it is the operator until it ends. `csrf` goes into every form."""

    cookie: str
    csrf: str


def begin(settings: Settings, key: str) -> Session:
    """A session for whoever has the admin key. Raises Forbidden."""
    if not is_secret(key) or not hmac.compare_digest(digest(key), settings.admin_key_hash):
        raise Forbidden("this is not the hub's admin key")
    return _session(settings, f"{int(time.time()) + SESSION_S}.{secrets.token_hex(16)}")


def try_key(tx: Transaction, settings: Settings, key: str, network: str) -> Session | Forbidden:
    """A session, or the refusal, which is counted: answered, not raised, so that the count stays.

    Raises RateLimited after too many refusals, also for the right key: to answer it would tell
    a guesser that it is the right one.
    """
    subject = f"net:{network}"
    limits.check(tx, subject, "attempt", ATTEMPTS_PER_HOUR)
    try:
        session = begin(settings, key)
        audit.note(tx, name_actor(network), "sign in")
        return session
    except Forbidden as refusal:
        limits.spend(tx, subject, "attempt", ATTEMPTS_PER_HOUR)
        return refusal


def name_actor(network: str) -> str:
    """For the trail: all operators have one key, so the page knows where they are."""
    return f"operator's page, {network}"


def resume(settings: Settings, cookie: str) -> Session | None:
    """The session a cookie stands for; None where it is over or was never ours."""
    head, _, _ = cookie.rpartition(".")
    expires, _, _ = head.partition(".")
    if (
        not head.isascii()
        or not expires.isdecimal()
        or len(expires) > 12
        or not time.time() <= int(expires) <= time.time() + SESSION_S
    ):
        return None
    known = _session(settings, head)
    return (
        known
        if hmac.compare_digest(known.cookie.encode(), cookie.encode("utf-8", "replace"))
        else None
    )


def check_form(session: Session, token: str) -> None:
    """Raises Forbidden for a form that did not come from one of our pages."""
    if not hmac.compare_digest(session.csrf.encode(), token.encode("utf-8", "replace")):
        raise Forbidden(
            "this form is not from the operator's page, or too old; load the page again"
        )


def _session(settings: Settings, head: str) -> Session:
    return Session(f"{head}.{_sign(settings, 'session', head)}", _sign(settings, "form", head))


def _sign(settings: Settings, purpose: str, text: str) -> str:
    key = sha256(b"operator's session\0" + settings.admin_key_hash).digest()
    return hmac.new(key, f"{purpose}\0{text}".encode(), sha256).hexdigest()
