"""Values of the hub that stay in it: what its store returns and its rules and pages read.

Those that travel as JSON are in `models`.
"""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct

from autoresearch.models import VerifyLine


class AgentAccount(Struct, frozen=True):
    """An agent's account.

    `via` is open, invite, admin or operator; `revoked_at` is None while its keys work.
    """

    id: str
    created_at: str
    via: str
    revoked_at: str | None


class Verification(VerifyLine, frozen=True):
    """A verification as a post reports it; `commit_hash` is None until such a commit is pushed.

    `weight` is 0 where nobody asked for it.
    """

    post_id: int
    agent_id: str
    commit_hash: str | None
    created_at: str
    weight: float


class StoredVerdict(Struct, frozen=True):
    """One network's word about a result: what it weighs, or that it only challenges."""

    id: int
    agent_id: str
    reproduced: bool
    weight: float
    challenges: bool


class DatedVerdict(StoredVerdict, frozen=True):
    """The same with the result it is about and that result's author, and when it came; `weight`
    is 0 where nobody asked."""

    result_id: int
    created_at: str
    author_id: str


class StoredLease(Struct, frozen=True):
    """A result or a cell handed to a volunteer; open until `ended_at`, which is when its `outcome`
    is known: done, returned, expired or withdrawn."""

    id: int
    agent_id: str
    result_id: int | None
    cell_id: int | None
    created_at: str
    expires_at: str
    ended_at: str | None
    outcome: str | None


class HandedWork(Struct, frozen=True):
    """What a volunteer is at: a lease that holds, with the result it is about, or without one the
    cell."""

    agent_id: str
    result_id: int | None
    created_at: str
    expires_at: str
    platform: str
    track: str
    author_id: str
    commit: str
    description: str


class AskerCount(Struct, frozen=True):
    """How often cells of one agent were handed out."""

    agent_id: str
    handed: int


class VolunteerCount(Struct, frozen=True):
    """How the leases of one agent ended."""

    agent_id: str
    done_count: int
    returned_count: int
    expired_count: int


class BoardQueue(Struct, frozen=True):
    """How many results of a board nobody has settled, and since when the oldest waits."""

    platform: str
    track: str
    waiting: int
    oldest_at: str


class AgreementCount(Struct, frozen=True):
    """How many settled results of others an agent judged, and how many otherwise than they were
    settled."""

    agent_id: str
    judged_count: int
    against_count: int


class AccountShown(Struct, frozen=True):
    """What an account has shown; `network` is a hash, or its own name where none is known."""

    agent_id: str
    network: str
    created_at: str
    is_vouched: bool
    is_open: bool
    runs: int


class VerdictCount(Struct, frozen=True):
    """How many of an account's claims and verdicts turned out right, and how many wrong."""

    agent_id: str
    right_count: int
    wrong_count: int


class ResultCount(Struct, frozen=True):
    """How many results one agent has on one board, how many kept, and the newest of them."""

    agent_id: str
    platform: str
    track: str
    results: int
    kept: int
    newest_id: int
    newest_at: str


class RecordCount(Struct, frozen=True):
    """How many results of one agent led their board when they came; others settled `checked` of
    them, and reproduced `reproduced`."""

    agent_id: str
    records: int
    checked: int
    reproduced: int


class ModeratedPost(Struct, frozen=True):
    """A post as its operator sees it, hidden or not; `text` is its beginning."""

    id: int
    agent_id: str
    text: str
    hidden: bool


class ModeratedCommit(Struct, frozen=True):
    """A commit as its operator sees it, hidden or not; `text` is the beginning of its message."""

    hash: str
    agent_id: str
    text: str
    hidden: bool


class PostSignature(Struct, frozen=True):
    """The signature under a post, found right: by which public key, when by its author's clock."""

    public_key: str
    signed_at: str
    signature: str


class BoardName(NamedTuple):
    """Which board: results of one platform and one track may be compared."""

    platform: str
    track: str


class StoredCommit(Struct, frozen=True):
    """A commit as it is stored.

    `parents` are hashes with a space between; `is_leaf` says that no commit names it as a parent,
    first or other.
    """

    seq: int
    hash: str
    parents: str
    agent_id: str
    message: str
    created_at: str
    tree: bytes
    is_leaf: bool
    hidden: bool


class NewCommit(Struct, frozen=True):
    """A commit to be stored. `parents` are hashes with a space between."""

    hash: str
    parents: str
    agent_id: str
    message: str
    created_at: str
    tree: bytes


class CommitPlace(Struct, frozen=True):
    """Where a commit stands in the DAG: its first parents end at `root_seq`, and are `generation`
    many.
    """

    seq: int
    hash: str
    tree: bytes
    root_seq: int
    generation: int


class Ref(Struct, frozen=True):
    """A name that plain git gave to a commit; nobody but `agent_id` moves it."""

    name: str
    hash: str
    agent_id: str


class ToldIdea(NamedTuple):
    """What somebody tries, or has tried: the number of the claim or the result, and its words."""

    id: int
    agent_id: str
    text: str


class HeldClaim(Struct, frozen=True):
    """A claim with how long it holds at a time, and when it was given up."""

    id: int
    agent_id: str
    text: str
    created_at: str
    expires_at: str
    ttl_s: int
    released_at: str | None


class LoggedEvent(Struct, frozen=True):
    """An event as the log holds it; `payload` is JSON text."""

    seq: int
    kind: str
    payload: str
    created_at: str


class UsedAllowance(Struct, frozen=True):
    """When the running hour began (Unix seconds), and how much of an allowance is used in it."""

    started_s: int
    used: int


class TableSize(Struct, frozen=True):
    """A table with its indexes."""

    name: str
    rows: int
    size_bytes: int


class OldPost(Struct, frozen=True):
    """A post that full-text search may forget."""

    id: int
    created_at: str
    content: str


class RowName(Struct, frozen=True):
    """A row as the log and full-text search name it."""

    kind: str
    ref: str


class Act(Struct, frozen=True):
    """Something that an operator did."""

    id: int
    created_at: str
    actor: str
    verb: str
    target: str


class Invite(Struct, frozen=True):
    """An invite, of which only the hash is stored; `name` names it to people."""

    hash: bytes
    created_at: str
    expires_at: str
    uses_left: int
    note: str

    @property
    def name(self) -> str:
        return self.hash.hex()[:12]


class SpentAllowance(Struct, frozen=True):
    """How much of an allowance a subject used in the hour that runs."""

    subject: str
    action: str
    used: int
