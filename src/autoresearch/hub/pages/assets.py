"""Stylesheets and scripts. Names hold a hash of the content: browsers keep files for ever."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from importlib import resources

from autoresearch.errors import NotFound

TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


@dataclass(frozen=True)
class Asset:
    """One file. `name` is what it is served as, `packed` its bytes in gzip."""

    name: str
    media_type: str
    data: bytes
    packed: bytes


@lru_cache(maxsize=1)
def load_assets() -> dict[str, Asset]:
    """Every file in hub/static, by the name it has there."""
    folder = resources.files("autoresearch.hub").joinpath("static")
    found = {
        file.name: _make_asset(file.name, file.read_bytes())
        for file in folder.iterdir()
        if file.is_file()
    }
    importing = [(name, a.data) for name, a in found.items() if b'from "./' in a.data]
    for name, data in importing:
        for other, asset in found.items():  # an import names the file as it is served
            data = data.replace(f'"./{other}"'.encode(), f'"./{asset.name}"'.encode())
        found[name] = _make_asset(name, data)
    return found


def _make_asset(name: str, data: bytes) -> Asset:
    stem, _, ending = name.rpartition(".")
    served = f"{stem}.{sha256(data).hexdigest()[:12]}.{ending}"
    return Asset(served, TYPES[ending], data, gzip.compress(data, 9, mtime=0))


def find_url(name: str) -> str:
    """Where a page finds the file."""
    return f"/static/{load_assets()[name].name}"


def find_asset(name: str) -> Asset:
    """The file that is served as `name`. Raises NotFound, also for an older version."""
    for asset in load_assets().values():
        if asset.name == name:
            return asset
    raise NotFound("no such file; the hub was updated, load the page again")
