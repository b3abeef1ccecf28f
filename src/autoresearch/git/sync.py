"""Pushing to and fetching from a peer such as a hub, with as few commits on the way as possible.

The peer is whatever answers these four questions (`client.Hub` does); the network is its business,
bundles are `bundles`'s.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from autoresearch.errors import BadBundle, NotFound
from autoresearch.git import bundles
from autoresearch.git.repo import Repo
from autoresearch.models import Commit

HASH = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?", re.ASCII)
LINEAGE_PAGE = 200  # ancestors looked through for one that is here already


class Peer(Protocol):
    """Who has commits. `has` a commit means: and everything before it."""

    def has(self, commit: str) -> bool: ...
    def commit(self, commit: str) -> Commit: ...
    def lineage(self, commit: str, *, limit: int | None = None) -> list[Commit]: ...
    def push(self, bundle: Path) -> list[str]: ...
    def fetch(self, commit: str, target: Path, have: Iterable[str] = ()) -> int: ...


@dataclass(frozen=True, slots=True)
class Pushed:
    """`tips` are what was asked for; `commits` those the peer did not have, newest first."""

    tips: tuple[str, ...]
    commits: tuple[str, ...]
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Fetched:
    """`commit` is the full hash; nothing travelled where `size_bytes` is 0."""

    commit: str
    size_bytes: int


def push_commits(repo: Repo, peer: Peer, names: Iterable[str] = ("HEAD",)) -> Pushed:
    """Send the commits behind `names` that the peer lacks; nothing is sent where it has them all.
    Safe to repeat."""
    tips = tuple(dict.fromkeys(repo.resolve(name) for name in names))
    lacking = bundles.find_missing(bundles.parents_of(repo, tips), tips, peer.has)
    if not lacking.commits:
        return Pushed(tips, (), 0)
    new = set(lacking.commits)
    with bundles.temporary_bundle() as bundle:
        bundles.create_bundle(repo, bundle, [tip for tip in tips if tip in new], lacking.bases)
        peer.push(bundle)
        return Pushed(tips, lacking.commits, bundle.stat().st_size)


def fetch_commit(repo: Repo, peer: Peer, name: str) -> Fetched:
    """Bring a commit and what is missing of its history here, kept under `refs/agenthub/`. `name`
    may be abbreviated."""
    commit = peer.commit(name).hash
    if not HASH.fullmatch(commit):
        raise BadBundle(f"the hub calls {name[:12]} {commit[:80]!r}, which is no commit's hash")
    here = bundles.list_reachable(repo)
    if commit in here:
        return Fetched(commit, 0)
    lineage = peer.lineage(commit, limit=LINEAGE_PAGE)
    nearest = [ancestor.hash for ancestor in lineage if ancestor.hash in here][:1]
    have = dict.fromkeys([*nearest, *bundles.list_tips(repo)])
    with bundles.temporary_bundle() as bundle:
        size_bytes = peer.fetch(commit, bundle, have)
        bundles.unbundle(repo, bundle)
    if repo.maybe(commit) is None:
        raise BadBundle(f"the hub's bundle does not hold {commit[:12]}")
    repo.set_ref(bundles.KEPT + commit, commit)
    return Fetched(commit, size_bytes)


def bring_commit(repo: Repo, peer: Peer, name: str) -> str:
    """The full hash of a commit that is here, fetched first where it was not."""
    try:
        return fetch_commit(repo, peer, name).commit
    except NotFound:
        if (local := repo.maybe(name)) is None:
            raise
        return local
