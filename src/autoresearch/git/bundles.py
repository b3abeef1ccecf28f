"""Commits as bundle files, in and out of a repository on disk, and the search for what the other
side lacks.

Leaves the other side to its caller (`known` is a question, the file is sent by `client`), and
commits and worktrees to `repo`. What comes in is a stranger's: it is checked by `git index-pack
--strict` before anything refers to it, and lands under `refs/agenthub/`, never on a branch.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from autoresearch.errors import BadBundle, Conflict, NotFound
from autoresearch.git.bundle import Header, read_header
from autoresearch.git.repo import GitFailed, Repo
from autoresearch.own_programs import call_program

# what was fetched, by hash: so that git keeps it and later fetches can build on it
KEPT = "refs/agenthub/"
REACHABLE_MAX = 200_000
HAVES_MAX = 32
Parents = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Missing:
    """What the other side lacks: `commits`, newest first, on top of `bases`, which it has."""

    commits: tuple[str, ...]
    bases: tuple[str, ...]


def parents_of(repo: Repo, tips: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Every commit behind `tips` with its parents, children before parents."""
    lines = repo.git("rev-list", "--topo-order", "--parents", *tips, "--").splitlines()
    return {commit: tuple(parents) for commit, *parents in (line.split() for line in lines)}


def find_missing(parents: Parents, tips: Iterable[str], known: Callable[[str], bool]) -> Missing:
    """What of the history behind `tips` is not known over there, with few questions.

    Who has a commit has everything before it. So along first parents the answer changes once, and
    is found by doubling steps and bisection: two questions where only the tip is new, about 2 log2
    n otherwise.
    """
    unknown: dict[str, None] = {}
    bases: dict[str, None] = {}
    todo = list(tips)
    while todo:
        tip = todo.pop()
        if tip in unknown or tip in bases:
            continue
        chain = [c for c in _first_parents(parents, tip) if c not in unknown]
        first = _first_known(chain, known)
        for commit in chain[:first]:
            unknown[commit] = None
            todo.extend(parents[commit][1:])
        if first < len(chain):
            bases[chain[first]] = None
    return Missing(tuple(c for c in parents if c in unknown), tuple(bases))


def _first_parents(parents: Parents, tip: str) -> Iterator[str]:
    commit: str | None = tip
    while commit is not None and commit in parents:
        yield commit
        commit = next(iter(parents[commit]), None)


def _first_known(chain: Sequence[str], known: Callable[[str], bool]) -> int:
    """The index of the first known commit of a chain whose rest is then known too; its length
    where none is."""
    unknown, probe, step = -1, 0, 1  # everything up to `unknown` is
    while probe < len(chain) and not known(chain[probe]):
        unknown = probe
        probe = min(unknown + step, max(len(chain) - 1, unknown + 1))
        step *= 2
    while probe - unknown > 1:
        middle = (unknown + probe) // 2
        unknown, probe = (unknown, middle) if known(chain[middle]) else (middle, probe)
    return probe


def create_bundle(repo: Repo, file: Path, tips: Iterable[str], exclude: Iterable[str] = ()) -> None:
    """Write a bundle of `tips` without what is behind `exclude`. Tips are commits; the bundle
    names them `refs/heads/<hash>`."""
    tips = list(dict.fromkeys(tips))
    names = [f"refs/agenthub-push/{os.getpid()}-{os.urandom(4).hex()}/{tip}" for tip in tips]
    lines = "".join(f"create {name} {tip}\n" for name, tip in zip(names, tips, strict=True))
    repo.git("update-ref", "--stdin", data=lines.encode())
    try:
        repo.git("bundle", "create", "-q", str(file), *names, *(f"^{base}" for base in exclude))
    finally:
        gone = "".join(f"delete {name}\n" for name in names)
        repo.git("update-ref", "--stdin", data=gone.encode())


def read_bundle_header(file: Path) -> Header:
    """What a bundle file says it holds. BadBundle where it is none."""
    with file.open("rb") as stream:
        return read_header(stream)


def unbundle(repo: Repo, file: Path) -> list[str]:
    """Take a bundle in: check it strictly, keep its heads under KEPT, return their hashes."""
    told = read_bundle_header(file)
    try:
        repo.git("bundle", "verify", "-q", str(file))
    except GitFailed as error:
        raise BadBundle(f"{error}; fetch it with its whole history") from error
    _index_pack(repo, file, told.pack_start)
    try:
        repo.git("rev-list", "--objects", "--quiet", *told.heads, "--not", "--all", "--")
    except GitFailed as error:
        raise BadBundle(f"the bundle is not whole: {error}") from error
    for tip in told.heads:
        repo.set_ref(KEPT + repo.resolve(tip), tip)
    return told.heads


def _index_pack(repo: Repo, file: Path, start: int) -> None:
    """The pack inside a bundle into the repository, every object checked as `git fsck --strict`
    does (`git bundle unbundle` does not)."""
    try:
        with file.open("rb", buffering=0) as stream:
            stream.seek(start)
            repo.git_bytes("index-pack", "--stdin", "--fix-thin", "--strict", data=stream)
    except GitFailed as error:
        raise BadBundle(f"git refuses what the hub sent: {error}") from error


def list_reachable(repo: Repo) -> dict[str, None]:
    """Commits that some ref, or HEAD, keeps with their whole history, newest first."""
    lines = repo.git("rev-list", "--all", f"--max-count={REACHABLE_MAX}").split()
    return dict.fromkeys(lines)


def list_tips(repo: Repo) -> list[str]:
    """Commits that refs point to, the youngest first: what a hub may leave out of a fetch."""
    lines = repo.git(
        "for-each-ref",
        "--sort=-committerdate",
        "--format=%(objectname) %(objecttype)",
        f"--count={HAVES_MAX}",
    )
    pairs = (line.split() for line in lines.splitlines())
    return list(dict.fromkeys(commit for commit, kind in pairs if kind == "commit"))


def check_out_commit(repo: Repo, commit: str, branch: str = "") -> None:
    """Put the files of a commit here, detached or on a new branch. Conflict while tracked files
    hold changes: none is ever lost."""
    line_ends = _find_line_ends(repo)
    changed = _list_changed(repo, line_ends)
    if changed:
        raise Conflict(
            f"{len(changed)} tracked file(s) hold changes, {changed[0]!r} first; commit "
            "them (or `git stash`) and try again"
        )
    if branch and repo.maybe(f"refs/heads/{branch}"):
        raise Conflict(f"there is a branch {branch!r} already; choose another name")
    if repo.maybe(commit) is None:
        fetch = call_program("ah", "fetch", commit[:12])
        raise NotFound(f"commit {commit[:12]} is not here; `{fetch}` brings it")
    try:
        where = ["-b", branch] if branch else ["--detach"]
        repo.git(*line_ends, "checkout", "-q", *where, commit, "--")
    except GitFailed as error:
        raise Conflict(f"git did not check out {commit[:12]}: {error}") from error


def _find_line_ends(repo: Repo) -> tuple[str, str]:
    """How the user's own git writes line ends here: what it calls unchanged is unchanged."""
    listed = repo.git_bytes("config", "--show-scope", "--get-all", "core.autocrlf").decode()
    pairs = [line.split("\t", 1) for line in listed.splitlines() if "\t" in line]
    own = [value for scope, value in pairs if scope != "command"]  # ours come by command
    return "-c", f"core.autocrlf={own[-1] if own else 'false'}"


def _list_changed(repo: Repo, line_ends: tuple[str, str]) -> list[str]:
    """Tracked files that hold changes."""
    how = ("--no-renames", "--untracked-files=no", "--ignore-submodules=all")
    said = repo.git(*line_ends, "status", "--porcelain=v1", "-z", *how)
    return [part[3:] for part in said.split("\0") if part]


@contextmanager
def temporary_bundle() -> Iterator[Path]:
    """A path for one bundle that nobody else on this machine has."""
    with tempfile.TemporaryDirectory(prefix="agenthub-") as folder:
        yield Path(folder) / "commits.bundle"
