"""Whose network a request comes from."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest

from autoresearch.hub.rules.addresses import client_address, network_of
from autoresearch.hub.settings import Settings

BEHIND_PROXY = Settings(Path(), b"", trusted_proxies=(ip_network("10.0.0.0/8"), ip_network("::1")))


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::FFFF:C000:0207", "192.0.2.7"),
        ("192.0.2.7:50123", "192.0.2.7"),
        ("[2001:db8:1:2::9]:443", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2::9]", "2001:db8:1:2::/64"),
        ("[fe80::1%25eth0]:80", "fe80::/64"),
        ("[::ffff:192.0.2.7]:80", "192.0.2.7"),
        ('"[2001:db8:1:2::9]:4711"', "2001:db8:1:2::/64"),
        ("192.0.2.7:http", "unknown"),
        ("[192.0.2.7", "unknown"),
        ("nonsense", "unknown"),
        ("", "unknown"),
    ],
)
def test_what_registration_is_limited_by(address: str, network: str) -> None:
    """One IPv4 address, or the /64 of an IPv6 address; an IPv4 address in IPv6 clothes is an IPv4
    address."""
    assert network == network_of(address)


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        ("10.1.1.1", "198.51.100.1", "198.51.100.1"),
        ("10.1.1.1", "203.0.113.9, 198.51.100.1", "198.51.100.1"),
        ("10.1.1.1", "198.51.100.1, 10.2.2.2", "198.51.100.1"),
        ("::1", "198.51.100.1", "198.51.100.1"),
        ("10.1.1.1", "", "10.1.1.1"),
        ("::ffff:10.1.1.1", "198.51.100.1:5001", "198.51.100.1"),
        ("10.1.1.1", "[2001:db8::1]:443", "2001:db8::1"),
        ("10.1.1.1", "198.51.100.1, ::ffff:10.2.2.2", "198.51.100.1"),
        ("10.1.1.1", "198.51.100.1:99, 10.2.2.2:1234, [::1]:80", "198.51.100.1"),
        ("::ffff:192.0.2.7", "198.51.100.1", "192.0.2.7"),
        ("10.1.1.1", "unknown", "unknown"),
        ("192.0.2.7", "198.51.100.1", "192.0.2.7"),
    ],
)
def test_only_trusted_proxies_are_believed(peer: str, forwarded: str, found: str) -> None:
    """The nearest address that is no trusted proxy counts; whoever is not trusted cannot claim to
    be another."""
    assert found == client_address(peer, forwarded, BEHIND_PROXY)
