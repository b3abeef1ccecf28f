"""One edit by the agent, made a commit, in a thread while other experiments run. Touches neither
journal, ledger nor branch.

Leaves to others: what becomes of the commit (loop), who edits (agents).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import TypeVar

from autoresearch.git.checkouts import describe_path
from autoresearch.researcher.agents.base import Agent, AgentFailed, Brief, Edit
from autoresearch.researcher.workspace import OutsideFree, Workspace, name_some

T = TypeVar("T")
LEFT_NAMED = 20  # in the ledger


@dataclass(frozen=True)
class Proposal:
    """An edit and its commit. `refused`: why it may not be run, or empty. `notices`: what a person
    should know besides."""

    edit: Edit
    commit: str
    refused: str = ""
    notices: tuple[str, ...] = ()


def propose(workspace: Workspace, agent: Agent, brief: Brief) -> Proposal:
    """Have the agent edit a fresh checkout of the brief's parent, and commit that.

    Raises AgentFailed, also where nothing changed, and NothingLeft."""
    with workspace.fresh(brief.parent) as checkout:
        with workspace.guard_configuration() as said:
            edit = agent.edit(checkout.path, brief)
        left = workspace.droppings(checkout)
        if left:
            said.append(
                f"left out of the commit, for only free files may be new: {name_some(left)}"
            )
            names = [describe_path(path) for path in left[:LEFT_NAMED]]
            edit = replace(edit, proposal={**edit.proposal, "left_out": names})
        notices = tuple(said)
        try:
            commit = workspace.commit(checkout, edit.message)
        except OutsideFree as error:
            evidence = workspace.commit_evidence(checkout, edit.message)
            return Proposal(edit, evidence, str(error), notices)
    if commit == brief.parent:
        raise edit.unused or AgentFailed("the agent changed nothing")
    return Proposal(edit, commit, notices=notices)


def in_thread(work: Callable[[], T]) -> Future[T]:
    """Work in a thread that does not keep the program alive: a second Ctrl-C ends a slow agent."""
    future: Future[T] = Future()

    def carry_out() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - whatever it is belongs to whoever waits
            future.set_exception(error)

    future.set_running_or_notify_cancel()
    threading.Thread(target=carry_out, name="agent", daemon=True).start()
    return future
