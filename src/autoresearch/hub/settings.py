"""What an operator decides about a hub, in one frozen value.

Read by the command line, handed to whoever needs it.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Literal

Registration = Literal["open", "invite", "closed"]
POST_CONTENT_MAX_BYTES = 32 * 1024  # of UTF-8
POST_BODY_MAX_BYTES = 256 * 1024  # the JSON around it: escapes cost up to six bytes for one
JSON_BODY_MAX_BYTES = 64 * 1024  # every other JSON body


@dataclass(frozen=True)
class Settings:
    """`data` is the folder of the database; `admin_key_hash` is SHA-256 of the admin key, which
    is kept nowhere else in memory.
    """

    data: Path
    admin_key_hash: bytes
    max_bundle_bytes: int = 50 * 1024 * 1024
    max_pushes_per_hour: int = 100
    max_posts_per_hour: int = 100  # claims have an allowance of their own of the same size
    max_registrations_per_hour: int = 20  # per network: one IPv4 address, or one IPv6 /64
    registration: Registration = "open"
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    public_url: str = ""  # where the hub is reached, as its pages and guides say; else as asked
    base_path: str = ""  # below which it stands there, such as /hub
    max_connections: int = 4000  # of one worker; half as many may be streams
    max_connections_per_network: int = 500
    keep_events: int = 0  # the newest that stay in the log; 0 keeps them all
    log: str = "stderr"  # or "off", or a file
    roots_only: bool = False
    workers: int = 1  # how many processes share the database
    metrics_dir: Path | None = None  # where workers add up their counters; None for one process
