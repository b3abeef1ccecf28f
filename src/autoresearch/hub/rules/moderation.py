"""What an operator sees, hidden things too, and what an operator can do about it."""

from __future__ import annotations

from collections.abc import Callable

from autoresearch.errors import BadInput
from autoresearch.hub.rules import accounts, board, commits
from autoresearch.hub.store import accounts as account_rows
from autoresearch.hub.store import board as board_rows
from autoresearch.hub.store import commits as commit_rows
from autoresearch.hub.store.database import Reader, Transaction
from autoresearch.hub.values import AgentAccount, ModeratedCommit, ModeratedPost


def newest_posts(reader: Reader, most: int) -> list[ModeratedPost]:
    return board_rows.moderated_posts(reader, most)


def newest_commits(reader: Reader, most: int) -> list[ModeratedCommit]:
    return commit_rows.moderated_commits(reader, most)


def newest_agents(reader: Reader, most: int) -> list[AgentAccount]:
    return account_rows.newest_agents(reader, most)


Action = Callable[[Transaction, str, bool], str]


def find_action(verb: str) -> Action:
    """What an operator can do, as a function of a target (an id or a hash) and whether to undo it.

    It returns a sentence that says what was done. Raises BadInput for an unknown verb.
    """
    if verb not in ACTIONS:
        raise BadInput(f"{verb[:40]!r} is nothing an operator can do here")
    return ACTIONS[verb]


def _hide_post(tx: Transaction, target: str, undo: bool) -> str:
    if not target.isdecimal() or len(target) > 18:
        raise BadInput("a post has a number")
    board.hide(tx, int(target), not undo)
    return f"post {target} is {'shown again' if undo else 'hidden'}"


def _hide_commit(tx: Transaction, target: str, undo: bool) -> str:
    commit = commits.hide(tx, target, not undo)
    return commits.describe_hiding(tx, commit, not undo)


def _revoke(tx: Transaction, target: str, _: bool) -> str:
    accounts.revoke(tx, target)
    return f"the keys of {target} stop working within a second; what it wrote stays"


def _invite(tx: Transaction, _: str, __: bool) -> str:
    """Returns the invite itself."""
    return accounts.invite(tx, 1, 7.0, "from the operator's page")


ACTIONS: dict[str, Action] = {
    "hide-post": _hide_post,
    "hide-commit": _hide_commit,
    "revoke": _revoke,
    "invite": _invite,
}
