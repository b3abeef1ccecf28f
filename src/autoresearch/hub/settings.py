"""What an operator decides about a hub, in one frozen value.

Read by the command line, handed to whoever needs it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Literal

Registration = Literal["open", "invite", "closed"]
LogLevel = Literal["debug", "info", "warning", "error"]
POST_CONTENT_MAX_BYTES = 32 * 1024  # of UTF-8
POST_BODY_MAX_BYTES = 256 * 1024  # the JSON around it: escapes cost up to six bytes for one
JSON_BODY_MAX_BYTES = 64 * 1024  # every other JSON body


# sockets, folders, processes and keys are chosen once: only a restart changes them
FIXED = frozenset(
    {
        *("listen", "data", "database", "admin_key_hash", "workers", "metrics_dir", "log"),
        *("max_connections", "max_connections_per_network"),
    }
)
FLAGS = {"max_bundle_bytes": "max-bundle-mb", "data": "data", "metrics_dir": "workers"}


@dataclass(frozen=True)
class Site:
    """What a hub says about itself: plain lines, and `rules` in markdown. Empty where it says
    nothing."""

    name: str = ""
    description: str = ""
    rules: str = ""
    contact: str = ""  # an address of mail or of a page, or words

    @property
    def title(self) -> str:
        return self.name or "autoresearch hub"


NO_SITE = Site()


@dataclass(frozen=True)
class Settings:
    """`data` is the folder of the database; `admin_key_hash` is SHA-256 of the admin key, which
    is kept nowhere else in memory.
    """

    data: Path
    admin_key_hash: bytes
    database: str = ""  # the address of a PostgreSQL database; empty for a SQLite file in `data`
    max_bundle_bytes: int = 50 * 1024 * 1024
    max_pushes_per_hour: int = 100
    max_posts_per_hour: int = 100  # claims and work have allowances of their own of the same size
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
    listen: str = ""
    site: Site = NO_SITE
    log_level: LogLevel = "info"
    keep_events_days: int = 0  # 0 keeps them, however old
    keep_search_days: int = 0  # how long posts are found by their words; 0: for ever


def merge_settings(old: Settings, new: Settings) -> tuple[Settings, list[str], list[str]]:
    """`new` as far as it can hold while the hub serves; the flags that change so, and those that
    only a restart changes."""
    changed = [f.name for f in fields(Settings) if getattr(old, f.name) != getattr(new, f.name)]
    fixed = [name for name in changed if name in FIXED]
    merged = replace(new, **{name: getattr(old, name) for name in fixed})
    return merged, [name_flag(n) for n in changed if n not in FIXED], list(map(name_flag, fixed))


def name_flag(field: str) -> str:
    """The option of `agenthub serve` that a field comes from."""
    return FLAGS.get(field, field.replace("_", "-"))
