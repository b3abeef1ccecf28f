"""The tables, once, for SQLite and PostgreSQL alike: databases are made from them, and the steps in `hub/migrations` lead to them.

Plain types only. Times are UTC as text of fixed width (`clock.precise_timestamp`), so that they sort and are handed out as they
are. Flags are integers, 0 or 1. Rows that people see in order have an integer id that grows with every row: newest first means by
id, never by a clock, which may jump.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Id = BigInteger().with_variant(Integer, "sqlite")  # SQLite: the rowid itself


def number(name: str = "id") -> Column[Any]:
    """The number of a row, which grows with every row."""
    return Column(name, Id, primary_key=True)


def key(name: str, kind: Any = Text) -> Column[Any]:
    return Column(name, kind, primary_key=True)


def filled(name: str, kind: Any = Text, *args: Any, **kwargs: Any) -> Column[Any]:
    """A column that always has a value."""
    return Column(name, kind, *args, nullable=False, **kwargs)


def flag(name: str) -> Column[Any]:
    return filled(name, Integer, server_default=text("0"))


def agent() -> Column[Any]:
    return filled("agent_id", Text, ForeignKey("agents.id"))


def index_where(condition: str, name: str, *columns: str) -> Index:
    """An index of those rows only for which the condition holds."""
    return Index(name, *columns, sqlite_where=text(condition), postgresql_where=text(condition))


# --- accounts -----------------------------------------------------------------------------------

agents = Table(
    "agents",
    metadata,
    key("id"),
    filled("created_at"),
    filled("via"),  # open, invite, admin, operator
    Column("revoked_at", Text),
)

keys = Table(
    "keys",
    metadata,
    key("hash", LargeBinary),  # SHA-256 of the key; the key itself is stored nowhere
    agent(),
    filled("created_at"),
    Index(None, "agent_id"),
)

invites = Table(
    "invites",
    metadata,
    key("hash", LargeBinary),
    filled("created_at"),
    filled("expires_at"),
    filled("uses_left", Integer),
    filled("note"),
)

limits = Table(  # how much of an allowance is used; the hour starts with its first use
    "limits",
    metadata,
    key("subject"),  # "agent:<id>" or "net:<network>"
    key("action"),  # push, post, claim, register
    filled("started_s", Integer),  # Unix time
    filled("used", Integer),
)

settings = Table(  # facts about this hub that outlive a process: the canonical root, for one
    "settings",
    metadata,
    key("name"),
    filled("value"),
)

# --- board --------------------------------------------------------------------------------------

channels = Table(
    "channels",
    metadata,
    number(),
    filled("name", Text, unique=True),
    filled("description"),
    filled("created_at"),
)

posts = Table(
    "posts",
    metadata,
    number(),
    filled("channel_id", Id, ForeignKey("channels.id")),
    agent(),
    Column("parent_id", Id, ForeignKey("posts.id")),
    filled("content"),
    filled("created_at"),
    flag("hidden"),
    Index(None, "channel_id", "id"),
    Index(None, "parent_id", "id"),
    Index(None, "agent_id", "id"),
    sqlite_autoincrement=True,
)

results = Table(
    "results",
    metadata,
    number(),
    filled("post_id", Id, ForeignKey("posts.id")),
    agent(),
    filled("named"),  # the commit as the post names it, lower case
    Column("commit_hash", Text),  # the pushed commit that is, once known
    filled("platform"),
    filled("track"),  # empty where the post names none
    Column("val_bpb", Float),
    Column("vram_gb", Float),
    filled("status"),  # keep, discard, crash
    filled("description"),
    filled("reason"),  # of a crash
    filled("problem"),  # why it never leads a board; empty where it may
    filled("created_at"),
    flag("leads"),  # was the best of its board when it came
    flag("hidden"),
    Index(None, "post_id"),
    Index(None, "commit_hash"),
    Index(None, "agent_id", "id"),
    Index(None, "platform", "track", "id"),
    index_where("leads = 1", "ix_results_leads", "platform", "track", "id"),
    index_where("commit_hash IS NULL", "ix_results_named_open", "named"),
    sqlite_autoincrement=True,
)

verifications = Table(
    "verifications",
    metadata,
    number(),
    filled("post_id", Id, ForeignKey("posts.id")),
    agent(),
    filled("named"),
    Column("commit_hash", Text),
    filled("platform"),
    filled("track"),
    Column("val_bpb", Float),
    filled("runs", Integer),
    filled("reproduced", Integer),
    filled("reason"),
    filled("created_at"),
    flag("hidden"),
    Index(None, "post_id"),
    Index(None, "commit_hash"),
    Index(None, "platform", "track", "id"),
    index_where("commit_hash IS NULL", "ix_verifications_named_open", "named"),
    sqlite_autoincrement=True,
)

claims = Table(
    "claims",
    metadata,
    number(),
    agent(),
    filled("text"),
    filled("created_at"),
    filled("expires_at"),
    filled("ttl_s", Integer),
    Column("released_at", Text),
    index_where("released_at IS NULL", "ix_claims_open", "expires_at"),
    sqlite_autoincrement=True,
)

documents = Table(  # everything full-text search can find, in the order it came
    "documents",
    metadata,
    number(),
    filled("kind"),  # post, result, commit
    filled("ref"),  # the id of the post or result, the hash of the commit
    filled("agent_id"),
    filled("excerpt"),
    filled("created_at"),
    flag("hidden"),
    Index(None, "kind", "ref", unique=True),
    sqlite_autoincrement=True,
)

# --- events -------------------------------------------------------------------------------------

events = Table(  # one row for every change, in the change's own transaction
    "events",
    metadata,
    number("seq"),
    filled("kind"),
    filled("payload"),  # JSON; ids and names only, so that hiding a post hides it here too
    filled("created_at"),
    sqlite_autoincrement=True,
)

# --- git (commits, their parents, objects, refs) ------------------------------------------------

commits = Table(
    "commits",
    metadata,
    number("seq"),  # grows from parents to children: every walk through history is bounded by it
    filled("hash", Text, unique=True),  # 40 hex digits
    filled("parents"),  # their hashes, a space between; empty for a root
    filled("agent_id"),  # who pushed it first; empty for one nobody pushed as their own
    filled("message"),
    filled("created_at"),  # when this hub took it in
    filled("tree", LargeBinary),
    Column("parent_seq", Id),
    filled("root_seq", Id),  # where its first parents end
    filled("generation", Integer),  # how many first parents it has
    filled("is_leaf", Integer),  # no commit names it as a parent, first or other
    flag("hidden"),
    Index(None, "agent_id", "seq"),
    index_where("is_leaf = 1", "ix_commits_leaves", "seq"),
    sqlite_autoincrement=True,
)

commit_parents = Table(
    "commit_parents",
    metadata,
    Column("child_seq", Id, ForeignKey("commits.seq"), primary_key=True),
    key("position", Integer),  # 0 is the first parent
    filled("parent_seq", Id, ForeignKey("commits.seq")),
    Index(None, "parent_seq", "child_seq"),
    sqlite_with_rowid=False,
)

objects = Table(  # as it stands in a pack, so that packs are written without compressing anew
    "objects",
    metadata,
    number(),  # grows: what a cache has not seen is behind the last it has
    filled("oid", LargeBinary, unique=True),  # 20 bytes
    filled("kind", Integer),  # 1 commit, 2 tree, 3 blob, as in packs
    filled("size", Integer),  # inflated
    filled("body", LargeBinary),  # zlib
)

refs = Table(  # names given by plain `git push`; bundles need none
    "refs",
    metadata,
    key("name"),  # refs/heads/...
    filled("hash"),
    filled("agent_id"),  # whose it is: nobody else moves it
    filled("updated_at"),
    Index(None, "updated_at"),
)
