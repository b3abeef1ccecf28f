"""Publishing the root that everybody starts from."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from autoresearch import entries
from autoresearch.errors import AutoresearchError, BadInput
from autoresearch.git import bundle
from autoresearch.git.checkouts import commit_folder
from autoresearch.git.repo import Repo
from autoresearch.hub.rules.incoming import Incoming
from autoresearch.hub.store import commits, events, log_entries
from autoresearch.hub.store.database import Database

# the same files make the same root, whoever publishes them and when
_WHO = {"NAME": "agenthub", "EMAIL": "agenthub@localhost", "DATE": "1767225600 +0000"}
SEED_IDENTITY = {
    f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in _WHO.items()
}


def publish_root(db: Database, folder: Path) -> str:
    """Publish `folder` as the root everybody starts from; the root's hash.

    Again with the same files, it changes nothing.

    A git repository is published as it was committed, with its history; any other folder becomes
    one commit.
    """
    if not folder.is_dir():
        raise BadInput(
            f"{folder} is no folder; give the one whose files everybody should start from"
        )
    with TemporaryDirectory() as scratch:
        path = Path(scratch) / "seed.bundle"
        commit_hash = _bundle(folder, Path(scratch) / "repository", path)
        with path.open("rb") as file:
            header = bundle.read_header(file)
            with Incoming(db.reader, file, header.pack_start) as incoming, db.write() as tx:
                incoming.check(header.heads)
                incoming.store(tx, agent_id="")
                commits.set_root(tx, commit_hash)
                log_entries.append(tx, entries.root(commit_hash, tx.now))
                events.append(tx, "root", {"hash": commit_hash})
    return commit_hash


def _bundle(folder: Path, scratch: Path, path: Path) -> str:
    """Write the bundle of what `folder` holds to `path`; the hash of its commit."""
    if (folder / ".git").exists():
        repo = Repo(folder)
        commit_hash = repo.head()
    else:
        repo = Repo.init(scratch)
        commit_hash = commit_folder(repo, folder.resolve(), "baseline", SEED_IDENTITY)
        repo.git("update-ref", "--no-deref", "HEAD", commit_hash)
    try:
        repo.git("bundle", "create", "-q", str(path.resolve()), "HEAD")
    except AutoresearchError as error:
        raise BadInput(f"{folder} could not be bundled: {error}") from error
    return commit_hash
