"""Whose network a request comes from, and under which address the hub was asked for.

Every address is read by `parse_address` first, however a system or a proxy spells it. Who is
limited, and by how much, is decided elsewhere.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

from autoresearch.errors import BadInput
from autoresearch.hub.settings import Settings

IPV6_NETWORK_BITS = 64  # what one customer of a provider has
_IN_BRACKETS = re.compile(r"\[([^\]]*)\](?::\d{1,5})?")
_IPV4_AND_PORT = re.compile(r"([0-9.]+):\d{1,5}")
_HOST = re.compile(
    r"[A-Za-z0-9._-]{1,253}(:[0-9]{1,5})?|\[[0-9a-fA-F:.]{2,45}\](:[0-9]{1,5})?", re.ASCII
)
_BASE = re.compile(r"(/[A-Za-z0-9._~-]{1,64}){1,8}", re.ASCII)
OUR_PATHS = {
    *("/api", "/git", "/live", "/static", "/board", "/boards", "/posts", "/commits", "/agents"),
    *("/graph", "/leaderboard", "/progress", "/compare", "/now", "/ideas", "/embed", "/search"),
    *("/operator", "/metrics", "/feed.atom", "/fragments", "/charts", "/client", "/results"),
    *("/llms.txt", "/openapi.json", "/robots.txt", "/favicon.ico", "/sitemap.xml", "/schema"),
    *("/leaderboard.csv", "/leaderboard.json", "/results.csv", "/git.git", "/work"),
}


@lru_cache(maxsize=4096)
def parse_address(text: str) -> IPv4Address | IPv6Address | None:
    """An address as systems and proxies write it: with a port, in brackets or quotes, with a
    zone, as IPv4 in IPv6. None for what is no address.
    """
    bare = text.strip().strip('"')
    found = _IN_BRACKETS.fullmatch(bare) or _IPV4_AND_PORT.fullmatch(bare)
    bare = (found[1] if found else bare).partition("%")[0]
    try:
        ip = ip_address(bare)
    except ValueError:
        return None
    return getattr(ip, "ipv4_mapped", None) or ip


def network_of(address: str) -> str:
    """What registration is limited by: an IPv4 address, or the /64 an IPv6 address lies in."""
    ip = parse_address(address)
    if ip is None:
        return "unknown"
    if isinstance(ip, IPv6Address):
        return str(ip_network((ip, IPV6_NETWORK_BITS), strict=False))
    return str(ip)


def neighbourhood_of(network: str) -> str:
    """What counts as one voice: the /24 or /48 that a network of `network_of` lies in."""
    try:
        net = ip_network(network)
    except ValueError:
        return network
    return str(net.supernet(new_prefix=24 if net.version == 4 else 48))


def client_address(peer: str, forwarded_for: str, settings: Settings) -> str:
    """The address a request came from: the nearest one in X-Forwarded-For that is no trusted
    proxy, if `peer` is one.
    """
    if not is_trusted(peer, settings):
        return spell_address(peer)
    chain = [part for part in forwarded_for.split(",") if part.strip()]
    for address in reversed(chain):
        if not is_trusted(address, settings):
            return spell_address(address)
    return spell_address(chain[0] if chain else peer)


def is_trusted(address: str, settings: Settings) -> bool:
    ip = parse_address(address)
    return ip is not None and any(ip in network for network in settings.trusted_proxies)


@lru_cache(maxsize=4096)
def spell_address(address: str) -> str:
    """An address in its usual form; what is none, cut short."""
    ip = parse_address(address)
    return address.strip()[:64] if ip is None else str(ip)


def hub_address(scheme: str, host: str, base_path: str, settings: Settings) -> str:
    """Where the caller reached the hub: as the operator says, or what the caller typed."""
    if settings.public_url:
        return settings.public_url
    return f"{scheme}://{host}{base_path}" if _HOST.fullmatch(host) else "http://this-hub"


def read_prefix(header: str) -> str:
    """The base path that a trusted proxy names (X-Forwarded-Prefix); empty for one that cannot
    be one.
    """
    path = header.strip().rstrip("/")
    return path if _BASE.fullmatch(path) else ""


def check_base_path(path: str) -> str:
    """`path` without its last slash. Raises BadInput where the hub could not stand there."""
    base = path.rstrip("/")
    if base and (not _BASE.fullmatch(base) or f"/{base.split('/')[1]}" in OUR_PATHS):
        raise BadInput(
            f"--base-path is a path such as /hub that the hub itself does not use, not {path!r}"
        )
    return base


def check_public_url(url: str) -> tuple[str, str]:
    """The address the hub is known under, and its path. Raises BadInput."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not _HOST.fullmatch(parts.netloc) or parts.query:
        raise BadInput(f"--public-url is an address such as https://hub.example.org, not {url!r}")
    base = check_base_path(parts.path)
    return f"{parts.scheme}://{parts.netloc}{base}", base
