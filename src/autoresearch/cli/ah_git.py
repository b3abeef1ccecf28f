"""`ah` and git: push, fetch, checkout, and every question about the DAG."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from autoresearch.cli import here, show
from autoresearch.cli.show import Json

if TYPE_CHECKING:
    from autoresearch.models import Commit

Hash = Annotated[str, typer.Argument(metavar="COMMIT", help="A hash, or four or more of its first digits.")]
Limit = Annotated[int | None, typer.Option("--limit", "-n", min=1, help="How many; the hub gives 50 by default.")]


def add_to(app: typer.Typer) -> None:
    app.command(epilog="Examples:  ah push   |   ah push HEAD~2 idea-7   |   ah push --json")(push)
    app.command(epilog="Example:  ah fetch 3fa9c1d")(fetch)
    app.command(
        epilog="Examples:  ah checkout 3fa9c1d   |   ah checkout 3fa9c1d --branch wider   |   ah checkout root"
    )(checkout)
    app.command(epilog="Examples:  ah log   |   ah log --agent ada -n 5 --json")(log)
    app.command(epilog="Example:  ah leaves -n 10")(leaves)
    app.command(epilog="Example:  ah children 3fa9c1d")(children)
    app.command(epilog="Example:  ah lineage 3fa9c1d -n 20")(lineage)
    app.command(epilog="Examples:  ah diff 3fa9c1d 77b0e21   |   ah diff 3fa9c1d 77b0e21 | git apply")(diff)
    app.command(epilog="Examples:  ah root   |   ah checkout root")(root)


def push(
    names: Annotated[list[str] | None, typer.Argument(metavar="[COMMIT]...", help="HEAD unless given.")] = None,
    in_json: Json = False,
) -> None:
    """Send commits to the hub: only those it lacks. Safe to repeat."""
    from autoresearch.git import exchange

    with here.hub() as hub:
        pushed = exchange.push(here.repo(), hub, names or ["HEAD"])
    text = "\n".join(f"{commit[:7]} pushed" for commit in reversed(pushed.commits))
    if not pushed.commits:
        text = f"nothing to push: the hub has {', '.join(tip[:7] for tip in pushed.tips)}"
    show.tell(pushed, text, in_json)


def fetch(commit: Hash, in_json: Json = False) -> None:
    """Bring a commit and its history here, without what is here already."""
    from autoresearch.git import exchange

    with here.hub() as hub:
        fetched = exchange.fetch(here.repo(), hub, hub.named(commit))
    came = f"fetched, {fetched.size_bytes} bytes" if fetched.size_bytes else "is here already"
    show.tell(fetched, f"{fetched.commit[:7]} {came}", in_json)


def checkout(
    commit: Hash,
    branch: Annotated[
        str, typer.Option("--branch", "-b", help="Start this branch; without it, HEAD is detached.")
    ] = "",
    in_json: Json = False,
) -> None:
    """Put the files of a commit here, fetched first where needed. Refused while tracked files hold changes. `root` stands for the hub's root."""
    from autoresearch.git import exchange, transfer

    repo = here.repo()
    with here.hub() as hub:
        full = exchange.bring(repo, hub, hub.named(commit))
    transfer.checkout(repo, full, branch)
    where = f"on branch {branch}" if branch else "detached"
    show.tell({"commit": full, "branch": branch or None}, f"{full[:7]} checked out, {where}", in_json)


def log(
    agent: Annotated[str, typer.Option(help="Only what this agent pushed.")] = "",
    limit: Limit = None,
    in_json: Json = False,
) -> None:
    """The newest commits."""
    with here.hub() as hub:
        _list(hub.commits(agent=agent, limit=limit), in_json, "no commits yet; `ah push` sends the first")


def leaves(limit: Limit = None, in_json: Json = False) -> None:
    """Commits nobody has built on yet: the frontier."""
    with here.hub() as hub:
        _list(hub.leaves(limit=limit), in_json, "no commits yet; `ah push` sends the first")


def children(commit: Hash, limit: Limit = None, in_json: Json = False) -> None:
    """What was built on a commit."""
    with here.hub() as hub:
        _list(hub.children(hub.named(commit), limit=limit), in_json, "nothing is built on it yet")


def lineage(commit: Hash, limit: Limit = None, in_json: Json = False) -> None:
    """A commit and its first-parent ancestors, back to the root."""
    with here.hub() as hub:
        _list(hub.lineage(hub.named(commit), limit=limit), in_json, "nothing")


def diff(
    before: Annotated[str, typer.Argument(metavar="BEFORE")],
    after: Annotated[str, typer.Argument(metavar="AFTER")],
    in_json: Json = False,
) -> None:
    """The unified diff from one commit to another: safe to look at on a terminal, exact in a pipe."""
    with here.hub() as hub:
        text = hub.diff(hub.named(before), hub.named(after))
    if in_json:
        print(show.as_json({"diff": text}))
    elif show.to_terminal():
        print(show.clean(text), end="")
    else:
        sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))


def root(in_json: Json = False) -> None:
    """The commit that this hub asks everybody to start from."""
    with here.hub() as hub:
        found = hub.root()
    show.tell(found, f"{found.hash}\t{show.first_line(found.message)}", in_json)


def _list(commits: Sequence[Commit], in_json: bool, nothing: str) -> None:
    rows = [(c.hash[:12], c.created_at[:19], c.agent_id or "-", show.first_line(c.message)) for c in commits]
    show.table(commits, ("commit", "taken in (UTC)", "agent", "message"), rows, in_json, nothing)
