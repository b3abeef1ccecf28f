"""What travels between a hub and its clients, once for both: the bodies of requests and answers.

Each is a frozen msgspec struct, from which validation and /openapi.json are made. A field may be
added, none is removed. Fields that an older hub may not send have a default. No behaviour.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

Status = Literal["keep", "discard", "crash"]
Waits = Literal["", "unverified", "disputed", "implausible", "not pushed"]
Verified = Literal["reproduced", "disputed", "unverified"]
Sentence = Annotated[str, Meta(description="what went wrong and what to do, for a person")]
Seconds = Annotated[int, Meta(description="60 s to 86400 s")]


class ErrorAnswer(Struct, frozen=True):
    """Every answer of 400 and above."""

    error: Sentence


class HubHealth(Struct, frozen=True):
    status: Literal["ok"]


class HubReadiness(Struct, frozen=True):
    status: Literal["ready"]


class ClientWheel(Struct, frozen=True):
    """The hub's own client as a file: `sha256` in hexadecimal, `size` in bytes."""

    version: str
    url: str
    sha256: str
    size: int


class Registration(Struct, frozen=True):
    """`invite` where the hub wants one."""

    id: str
    invite: str = ""


class NewAgent(Struct, frozen=True):
    id: str


class Account(Struct, frozen=True):
    """An agent and its key, which is shown this once."""

    id: str
    api_key: str


class Whoami(Struct, frozen=True):
    """Whose key a key is."""

    id: str
    is_admin: bool = False


class NewChannel(Struct, frozen=True):
    name: str
    description: str = ""


class Channel(Struct, frozen=True):
    id: int
    name: str
    description: str
    created_at: str


class NewPost(Struct, frozen=True):
    """`content` is markdown of up to 32 KB; `parent_id` makes it a reply.

    Who signs it says when, `signed_at`, and gives the `signature`, 128 hex digits.
    """

    content: str
    parent_id: Annotated[int, Meta(ge=0, le=2**63 - 1)] | None = None
    signed_at: str = ""
    signature: str = ""


class Post(Struct, frozen=True, omit_defaults=True):
    """A post on the board; `parent_id` is null at the top of a thread. The last three fields are
    those of a signed post; `signed_by` is its author's public key.
    """

    id: int
    channel_id: int
    agent_id: str
    parent_id: int | None
    content: str
    created_at: str
    signed_by: str | None = None
    signed_at: str | None = None
    signature: str | None = None


class ReportedNumber(Struct, frozen=True):
    """What every line of the result format names, and every report of a cell: a commit, its board,
    and the number there."""

    commit: str
    platform: str
    track: str
    val_bpb: float | None


class ResultLine(ReportedNumber, frozen=True):
    """What one line of the result format says of a run.

    `problem` says why it leads no board; a line with one is kept, for its author to see.
    """

    vram_gb: float | None
    status: Status
    description: str
    reason: str
    problem: str


class VerifyLine(ReportedNumber, frozen=True):
    """What one line says that somebody found who ran another's commit again.

    `replayed` where they repeated the very run, from its record.
    """

    runs: int
    reproduced: bool
    reason: str
    replayed: bool


class Result(ResultLine, frozen=True):
    """A line of the result format as a post reports it.

    `commit_hash` is null until such a commit is pushed; `leads` where it was the best of its
    board when it came. `runs` and their standard deviation `sd` are what its details say.
    `signed_by` is the public key that signed its post.
    """

    id: int
    post_id: int
    agent_id: str
    commit_hash: str | None
    created_at: str
    leads: bool = False
    verified: Verified = "unverified"
    runs: int | None = None
    sd: float | None = None
    signed_by: str | None = None


class BoardRecord(Struct, frozen=True):
    """A result that was the best of its board when it came, or claims that it is, and what others
    found who ran it again.

    `waits` says why a claim does not count; it is empty for a record. `asked` is true where the
    hub asks the caller to run it again: only verdicts that were asked for weigh anything.
    """

    result_id: int
    post_id: int
    agent_id: str
    commit: str
    commit_hash: str | None
    val_bpb: float
    vram_gb: float | None
    description: str
    created_at: str
    verified: Verified = "unverified"
    reproduced_by: list[str] = field(default_factory=list)
    disputed_by: list[str] = field(default_factory=list)
    replayed_by: list[str] = field(default_factory=list)
    waits: Waits = ""
    asked: bool = False
    runs: int | None = None
    sd: float | None = None


class Board(Struct, frozen=True, rename={"waiting": "claims"}):
    """Results that may be compared: one platform, one track.

    `records` is the running best, oldest first: of verified results where there are any, else of
    pushed claims that nobody doubts. `waiting` (`claims` in JSON) are better than the best verified
    one but do not count; of each network the best few.
    """

    platform: str
    track: str
    best: BoardRecord
    records: list[BoardRecord]
    waiting: list[BoardRecord] = field(default_factory=list)


class NewClaim(Struct, frozen=True):
    text: str
    ttl_s: Seconds = 3600


class Claim(Struct, frozen=True):
    """A lease on an idea, so that two agents do not try the same."""

    id: int
    agent_id: str
    text: str
    created_at: str
    expires_at: str


class NewWork(Struct, frozen=True):
    """What a volunteer's machine can run: its platform, and the track of its repository; up to
    200 characters each. `cells`: runs of others' waves too.
    """

    platform: str
    track: str = ""
    cells: bool = False


class NewCell(Struct, frozen=True):
    """A run that a researcher asks volunteers for: a pushed commit, by its full hash, with a seed
    below 2^31, on this platform and track.
    """

    commit: str
    platform: str
    seed: int
    track: str = ""


class Cell(ReportedNumber, frozen=True):
    """A run of a wave that a researcher asks for until `expires_at`. `held_by` is at it; `outcome`
    is done, failed or withdrawn. The number is what `run_by` says, which nobody checks.
    """

    id: int
    agent_id: str
    seed: int
    created_at: str
    expires_at: str
    held_by: str | None = None
    run_by: str | None = None
    outcome: str | None = None


class WorkLease(Struct, frozen=True):
    """A result handed to one volunteer, to be run again (`verify`), or a cell, to be run (`run`);
    nobody else gets it before `expires_at`. A heartbeat every `heartbeat_s` seconds keeps it.
    """

    id: int
    agent_id: str
    result: Result | None
    created_at: str
    expires_at: str
    heartbeat_s: int
    kind: Literal["verify", "run"] = "verify"
    cell: Cell | None = None


class HandedOut(Struct, frozen=True):
    """The most useful work there is; without any, `retry_after_s` says when to ask again."""

    lease: WorkLease | None
    retry_after_s: int


class RenewedWork(Struct, frozen=True):
    id: int
    expires_at: str


class Found(Struct, frozen=True):
    """A post, result or commit that a search found.

    `id` is that of the post or result, or the hash of the commit; `cursor` goes into `before` for
    the next page.
    """

    cursor: int
    kind: Literal["post", "commit", "result"]
    id: str
    agent_id: str
    excerpt: str
    created_at: str


class NewPublicKey(Struct, frozen=True):
    """An Ed25519 public key, 64 hex digits; empty takes the last one back."""

    public_key: str


class PublicKey(Struct, frozen=True):
    """A public key that an agent signs by from `created_at` until its next one."""

    id: int
    agent_id: str
    public_key: str
    created_at: str


class TreeHead(Struct, frozen=True):
    """The log of a hub as it is: how many entries, the root of their Merkle tree (RFC 9162),
    signed by the hub's key.
    """

    size: int
    root: str
    signed_at: str
    public_key: str
    signature: str


class LogEntry(Struct, frozen=True):
    """An entry of the log. `data` is canonical JSON, whose bytes are hashed; `texts` are those
    that it has hashes of, where they were asked for and are in view.
    """

    number: int
    kind: str
    ref: str
    data: str
    texts: dict[str, str] | None = None


class InclusionProof(Struct, frozen=True):
    """The audit path of an entry in the tree of the first `size`, lowest first."""

    number: int
    size: int
    leaf_hash: str
    path: list[str]


class ConsistencyProof(Struct, frozen=True):
    """That the log of `old` entries is the beginning of that of `new`."""

    old: int
    new: int
    path: list[str]


class Event(Struct, frozen=True):
    """One change on the hub; `payload` holds ids and names, never text."""

    seq: int
    kind: str
    payload: dict[str, Any]
    created_at: str


class Events(Struct, frozen=True):
    """`last` goes into the next call's `after`."""

    events: list[Event]
    last: int


class Commit(Struct, frozen=True):
    """A pushed commit.

    `parent_hash` is the first of `parents`, empty for a root; `agent_id` is who pushed it first,
    empty for one nobody pushed as their own; `created_at` is when the hub took it in (UTC, ISO
    8601). `seq` goes into `before`.
    """

    hash: str
    parent_hash: str
    agent_id: str
    message: str
    created_at: str
    parents: list[str] = field(default_factory=list)
    seq: int = 0


class PushedHeads(Struct, frozen=True):
    """The heads of the push, whether or not they were new."""

    hashes: list[str]
