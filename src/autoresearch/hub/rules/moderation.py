"""What an operator sees, hidden things too, and what an operator can do about it.

Every act is one change together with its line in the trail (`rules.audit`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from autoresearch.errors import BadInput
from autoresearch.hub.rules import accounts, audit, board, commits
from autoresearch.hub.rules.limits import current_hour_s
from autoresearch.hub.store import accounts as account_rows
from autoresearch.hub.store import board as board_rows
from autoresearch.hub.store import commits as commit_rows
from autoresearch.hub.store import limits as limit_rows
from autoresearch.hub.store.statements import Reader, Transaction

USES_MAX, DAYS_MAX = 1000, 365


@dataclass(frozen=True)
class Order:
    """What an operator asks for. `target` is an id, a number, a hash or an invite's name; the
    rest is of a new invite."""

    verb: str
    target: str = ""
    undo: bool = False
    uses: int = 1
    days: float = 7.0
    note: str = ""


def read_view(reader: Reader, most: int, words: str) -> dict[str, object]:
    """Rows of the operator's page: everything that holds the words, of each kind the newest, and
    what agents used in this hour."""
    return {
        "posts": board_rows.moderated_posts(reader, most, words),
        "commits": commit_rows.moderated_commits(reader, most, words),
        "agents": account_rows.newest_agents(reader, most, words),
        "invites": accounts.open_invites(reader)[:most],
        "acts": audit.newest(reader, most, words),
        "spent": _read_spent(reader),
    }


def _read_spent(reader: Reader) -> dict[str, str]:
    spent: dict[str, list[str]] = {}
    for row in limit_rows.read_spent(reader, current_hour_s()):
        spent.setdefault(row.subject.partition(":")[2], []).append(f"{row.action} {row.used}")
    return {agent_id: ", ".join(parts) for agent_id, parts in spent.items()}


def perform(tx: Transaction, order: Order, actor: str) -> str:
    """Do it and note it; a sentence that says what was done, or the invite that was made.

    Raises BadInput for an unknown verb.
    """
    said = find_action(order.verb)(tx, order)
    what = f"{order.uses} for {order.days:g} days" if order.verb == "invite" else order.target
    audit.note(tx, actor, f"undo {order.verb}" if order.undo else order.verb, what)
    return said


Action = Callable[[Transaction, Order], str]


def find_action(verb: str) -> Action:
    """What an operator can do, by its verb. Raises BadInput."""
    if verb not in ACTIONS:
        raise BadInput(f"{verb[:40]!r} is nothing an operator can do here")
    return ACTIONS[verb]


def describe(order: Order) -> str:
    """What an order would do, to be confirmed. Raises BadInput for an unknown verb."""
    find_action(order.verb)
    return {
        "hide-post": f"Hide post {order.target}, and the results in it, from everybody.",
        "hide-commit": f"Hide commit {order.target} from lists, search, pages and git.",
        "revoke": f"Close the account {order.target}: its key stops working; its posts stay.",
        "withdraw": f"Withdraw the invite {order.target}: it opens no account any more.",
        "invite": f"Make an invite for {order.uses} accounts, for {order.days:g} days.",
    }[order.verb]


def _hide_post(tx: Transaction, order: Order) -> str:
    if not order.target.isdecimal() or len(order.target) > 18:
        raise BadInput("a post has a number")
    board.hide(tx, int(order.target), not order.undo)
    return f"post {order.target} is {'shown again' if order.undo else 'hidden'}"


def _hide_commit(tx: Transaction, order: Order) -> str:
    commit = commits.hide(tx, order.target, not order.undo)
    return commits.describe_hiding(tx, commit, not order.undo)


def _revoke(tx: Transaction, order: Order) -> str:
    if order.undo:
        accounts.reopen(tx, order.target)
        return f"the key of {order.target} works again"
    accounts.revoke(tx, order.target)
    return f"the keys of {order.target} stop working within a second; what it wrote stays"


def _invite(tx: Transaction, order: Order) -> str:
    """Returns the invite itself."""
    if not (1 <= order.uses <= USES_MAX and 0 < order.days <= DAYS_MAX):
        raise BadInput(f"an invite has 1 to {USES_MAX} uses, and up to {DAYS_MAX} days")
    return accounts.invite(tx, order.uses, order.days, order.note or "from the operator's page")


def _withdraw(tx: Transaction, order: Order) -> str:
    accounts.withdraw_invite(tx, order.target)
    return f"the invite {order.target} is withdrawn"


ACTIONS: dict[str, Action] = {
    "hide-post": _hide_post,
    "hide-commit": _hide_commit,
    "revoke": _revoke,
    "invite": _invite,
    "withdraw": _withdraw,
}
REVERSIBLE = ("hide-post", "hide-commit", "revoke")
