"""`ah` and git: push, fetch, checkout, and every question about the DAG."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from autoresearch.cli import context, options, show
from autoresearch.cli.options import examples
from autoresearch.own_programs import call_program

if TYPE_CHECKING:
    from autoresearch.models import Commit


@click.command(epilog=examples("ah push", "ah push HEAD~2 idea-7", "ah push --json"))
@click.argument("names", metavar="[COMMIT]...", nargs=-1)
@options.in_json
def push(names: tuple[str, ...], in_json: bool) -> None:
    """Send commits (HEAD unless given) to the hub: only those it lacks. Safe to repeat."""
    from autoresearch.git import sync

    with context.hub() as hub:
        pushed = sync.push_commits(context.repo(), hub, names or ("HEAD",))
    text = "\n".join(f"{commit[:7]} pushed" for commit in reversed(pushed.commits))
    if not pushed.commits:
        text = f"nothing to push: the hub has {', '.join(tip[:7] for tip in pushed.tips)}"
    show.tell(pushed, text, in_json)


@click.command(epilog=examples("ah fetch 3fa9c1d", "ah fetch root"))
@click.argument("commit")
@options.in_json
def fetch(commit: str, in_json: bool) -> None:
    """Bring a commit and its history here, without what is here already. `root` stands for the
    hub's root."""
    from autoresearch.git import sync

    with context.hub() as hub:
        fetched = sync.fetch_commit(context.repo(), hub, hub.resolve(commit))
    came = f"fetched, {fetched.size_bytes} bytes" if fetched.size_bytes else "is here already"
    show.tell(fetched, f"{fetched.commit[:7]} {came}", in_json)


@click.command(
    epilog=examples("ah checkout 3fa9c1d", "ah checkout 3fa9c1d --branch wider", "ah checkout root")
)
@click.argument("commit")
@click.option("--branch", "-b", default="", help="Start this branch; without it, HEAD is detached.")
@options.in_json
def checkout(commit: str, branch: str, in_json: bool) -> None:
    """Put the files of a commit here, fetched first where needed.

    Refused while tracked files hold changes: nothing is ever lost. `root` stands for the hub's
    root.
    """
    from autoresearch.git import bundles, sync

    repo = context.repo()
    with context.hub() as hub:
        full = sync.bring_commit(repo, hub, hub.resolve(commit))
    bundles.check_out_commit(repo, full, branch)
    where = f"on branch {branch}" if branch else "detached"
    show.tell(
        {"commit": full, "branch": branch or None}, f"{full[:7]} checked out, {where}", in_json
    )


@click.command(epilog=examples("ah log", "ah log --agent ada -n 5 --json"))
@options.agent
@options.limit
@options.in_json
def log(agent: str, limit: int | None, in_json: bool) -> None:
    """The newest commits."""
    with context.hub() as hub:
        _list(
            hub.commits(agent=agent, limit=limit),
            in_json,
            say_no_commits(),
        )


@click.command(epilog=examples("ah leaves -n 10"))
@options.limit
@options.in_json
def leaves(limit: int | None, in_json: bool) -> None:
    """Commits nobody has built on yet: the frontier."""
    with context.hub() as hub:
        _list(hub.leaves(limit=limit), in_json, say_no_commits())


def say_no_commits() -> str:
    return f"no commits yet; `{call_program('ah', 'push')}` sends the first"


@click.command(epilog=examples("ah children 3fa9c1d", "ah children root"))
@click.argument("commit")
@options.limit
@options.in_json
def children(commit: str, limit: int | None, in_json: bool) -> None:
    """What was built on a commit."""
    with context.hub() as hub:
        _list(hub.children(commit, limit=limit), in_json, "nothing is built on it yet")


@click.command(epilog=examples("ah lineage 3fa9c1d -n 20"))
@click.argument("commit")
@options.limit
@options.in_json
def lineage(commit: str, limit: int | None, in_json: bool) -> None:
    """A commit and its first-parent ancestors, back to the root."""
    with context.hub() as hub:
        _list(hub.lineage(commit, limit=limit), in_json, "nothing")


@click.command(epilog=examples("ah diff 3fa9c1d 77b0e21", "ah diff 3fa9c1d 77b0e21 | git apply"))
@click.argument("before")
@click.argument("after")
@options.in_json
def diff(before: str, after: str, in_json: bool) -> None:
    """The unified diff from one commit to another: safe on a terminal, exact in a pipe."""
    with context.hub() as hub:
        text = hub.diff(before, after)
    if in_json:
        print(show.as_json({"diff": text}))
    elif show.to_terminal():
        print(show.clean(text), end="")
    else:
        sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))


@click.command(epilog=examples("ah root", "ah checkout root"))
@options.in_json
def root(in_json: bool) -> None:
    """The commit that this hub asks everybody to start from."""
    with context.hub() as hub:
        found = hub.root()
    show.tell(found, f"{found.hash}\t{show.first_line(found.message)}", in_json)


def _list(commits: Sequence[Commit], in_json: bool, nothing: str) -> None:
    rows = [
        (c.hash[:12], c.created_at[:19], c.agent_id or "-", show.first_line(c.message))
        for c in commits
    ]
    show.table(commits, ("commit", "taken in (UTC)", "agent", "message"), rows, in_json, nothing)


COMMANDS = (push, fetch, checkout, log, leaves, children, lineage, diff, root)
