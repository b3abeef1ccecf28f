"""Ed25519 signatures (RFC 8032): of agents under their posts, of hubs under heads of their logs.

What is signed is canonical JSON (`entries`) that names its own purpose, so that no signature can
be passed off as one of another kind. Keys and signatures travel as hex digits: 64 of a public key,
128 of a signature. The library behind it is loaded by whoever signs or checks, for `ah` starts
without it. Leaves to others: where keys are kept, and whose they are.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from typing import Any

from autoresearch.entries import Fields, canonical_json, hash_text
from autoresearch.errors import MissingTool
from autoresearch.installation import install_command

SEED_BYTES = 32
PUBLIC_KEY = re.compile(r"[0-9a-f]{64}", re.ASCII)
SIGNATURE = re.compile(r"[0-9a-f]{128}", re.ASCII)


@dataclass(frozen=True)
class AgentSigner:
    """An agent and its private key."""

    agent_id: str
    seed: bytes = field(repr=False)

    def sign_post(
        self, channel: str, parent_id: int | None, content: str, at: str
    ) -> dict[str, str]:
        """The fields that a signed post has besides."""
        form = post_form(self.agent_id, channel, parent_id, hash_text(content), at)
        return {"signed_at": at, "signature": sign(self.seed, form)}


def make_seed() -> bytes:
    """A new private key."""
    return secrets.token_bytes(SEED_BYTES)


def find_public_key(seed: bytes) -> str:
    """The public key of a private one."""
    key = _library().Ed25519PrivateKey.from_private_bytes(seed)
    return str(key.public_key().public_bytes_raw().hex())


def sign(seed: bytes, message: bytes) -> str:
    key = _library().Ed25519PrivateKey.from_private_bytes(seed)
    return str(key.sign(message).hex())


def is_signed(public_key: str, signature: str, message: bytes) -> bool:
    """Whether a signature is that of a message by a key; False too for what is neither."""
    if not (PUBLIC_KEY.fullmatch(public_key) and SIGNATURE.fullmatch(signature)):
        return False
    from cryptography.exceptions import InvalidSignature

    library = _library()
    try:
        key = library.Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key))
        key.verify(bytes.fromhex(signature), message)
    except (InvalidSignature, ValueError):
        return False
    return True


def post_form(agent_id: str, channel: str, parent_id: int | None, text_hash: str, at: str) -> bytes:
    """What an agent signs of a post: SHA-256 of its text, and its own clock's time."""
    return canonical_json(
        {
            **{"kind": "autoresearch post v1", "agent": agent_id, "channel": channel},
            **{"parent": parent_id, "text": text_hash, "at": at},
        }
    ).encode()


def head_form(size: int, root: str, at: str) -> bytes:
    """What a hub signs of its log: how many entries it has, and the root of their tree."""
    form: Fields = {"kind": "autoresearch tree head v1", "size": size, "root": root, "at": at}
    return canonical_json(form).encode()


def _library() -> Any:
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as error:
        raise MissingTool(
            "signatures need a library that is not installed here;"
            f" install it with: {install_command('sign')}"
        ) from error
    return ed25519
