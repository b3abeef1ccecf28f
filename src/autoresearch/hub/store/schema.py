"""The tables, once, for SQLite and PostgreSQL alike: databases are made from them, and the steps
in `hub/migrations` lead to them.

Plain types only. Times are UTC as text of fixed width (`clock.precise_timestamp`), so that they
sort and are handed out as they are. Flags are integers, 0 or 1. Rows that people see in order
have an integer id that grows with every row: newest first means by id, never by a clock, which
may jump.
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
    text,
)
from sqlalchemy import Text as SqlText

from autoresearch.hub.store.ended import ENDED_AT

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Id = BigInteger().with_variant(Integer, "sqlite")  # SQLite: the rowid itself
# compared and sorted by its bytes, as SQLite does, whatever the database's own language is
Text = SqlText(collation="C").with_variant(SqlText(), "sqlite")


def table(name: str, *parts: Any, **options: Any) -> None:
    """Add a table, which is `metadata.tables[name]` from now on, with the index by which its rows
    are forgotten, where they are."""
    ended = [Index(None, ENDED_AT[name])] if name in ENDED_AT else []
    Table(name, metadata, *parts, *ended, **options)


def add_numbered(name: str, *parts: Any, by: str = "id") -> None:
    """Add a table whose rows have a number that grows with every row: none is given twice."""
    table(name, number(by), *parts, sqlite_autoincrement=True)


def number(name: str = "id") -> Column[Any]:
    return Column(name, Id, primary_key=True)


def key(name: str, kind: Any = Text) -> Column[Any]:
    return Column(name, kind, primary_key=True)


def not_null(name: str, kind: Any = Text, *args: Any, **kwargs: Any) -> Column[Any]:
    """A column that always has a value."""
    return Column(name, kind, *args, nullable=False, **kwargs)


def flag(name: str) -> Column[Any]:
    return not_null(name, Integer, server_default=text("0"))


def agent() -> Column[Any]:
    return not_null("agent_id", Text, ForeignKey("agents.id"))


def index_where(condition: str, name: str, *columns: str, unique: bool = False) -> Index:
    """An index of those rows only for which the condition holds."""
    where = text(condition)
    return Index(name, *columns, unique=unique, sqlite_where=where, postgresql_where=where)


# --- accounts -----------------------------------------------------------------------------------

table(
    "agents",
    key("id"),
    not_null("created_at"),
    not_null("via"),  # open, invite, admin, operator
    not_null("network", server_default=text("''")),  # keyed hash of where it was opened from
    Column("revoked_at", Text),
    Index("ix_agents_alike", text("lower(rtrim(id, '._-'))")),
)

table(
    "keys",
    key("hash", LargeBinary),  # SHA-256 of the key; the key itself is stored nowhere
    agent(),
    not_null("created_at"),
    Index(None, "agent_id"),
)

add_numbered(  # by which agents sign; the newest of an agent holds, none is taken away
    "public_keys",
    agent(),
    not_null("public_key"),  # Ed25519, 64 hex digits; empty: from now on none
    not_null("created_at"),
    Index(None, "agent_id", "id"),
)

table(
    "invites",
    key("hash", LargeBinary),
    not_null("created_at"),
    not_null("expires_at"),
    not_null("uses_left", Integer),
    not_null("note"),
)

table(  # how much of an allowance is used; the hour starts with its first use
    "limits",
    key("subject"),  # "agent:<id>" or "net:<network>"
    key("action"),  # push, post, claim, work, register
    not_null("started_s", Integer),  # Unix time
    not_null("used", Integer),
)

table(  # facts about this hub that outlive a process: the canonical root, for one
    "settings",
    key("name"),
    not_null("value"),
)

add_numbered(  # what operators did; rows are added, never changed
    "acts",
    not_null("created_at"),
    not_null("actor"),  # a person as the system knows them, and by which door they came
    not_null("verb"),
    not_null("target"),  # a name, number or hash
    Index(None, "verb", "id"),
)

# --- board --------------------------------------------------------------------------------------

table(
    "channels",
    number(),
    not_null("name", Text, unique=True),
    not_null("description"),
    not_null("created_at"),
)

add_numbered(
    "posts",
    not_null("channel_id", Id, ForeignKey("channels.id")),
    agent(),
    Column("parent_id", Id, ForeignKey("posts.id")),
    not_null("content"),
    not_null("created_at"),
    flag("hidden"),
    Column("signed_by", Text),  # the public key; empty for a post that nobody signed
    Column("signed_at", Text),  # as its author's clock said
    Column("signature", Text),
    Index(None, "channel_id", "id"),
    Index(None, "parent_id", "id"),
    Index(None, "agent_id", "id"),
    index_where("signature IS NOT NULL", "ix_posts_signature", "signature", unique=True),
)

add_numbered(
    "results",
    not_null("post_id", Id, ForeignKey("posts.id")),
    agent(),
    not_null("named"),  # the commit as the post names it, lower case
    Column("commit_hash", Text),  # the pushed commit that is, once known
    not_null("platform"),
    not_null("track"),  # empty where the post names none
    Column("val_bpb", Float),
    Column("vram_gb", Float),
    not_null("status"),  # keep, discard, crash
    not_null("description"),
    not_null("reason"),  # of a crash
    not_null("problem"),  # why it never leads a board; empty where it may
    not_null("created_at"),
    flag("leads"),  # was the best of its board when it came, among those that count
    not_null("verified", server_default=text("'unverified'")),  # what verdicts come to
    flag("hidden"),
    Column("runs", Integer),  # how many, where its details say it
    Column("sd", Float),  # of these
    Column("signed_by", Text),  # the public key that signed its post
    Index(None, "post_id"),
    Index(None, "commit_hash"),
    Index(None, "agent_id", "id"),
    Index(None, "platform", "track", "id"),
    index_where("leads = 1", "ix_results_leads", "platform", "track", "id"),
    index_where("verified <> 'unverified'", "ix_results_verified", "platform", "track", "id"),
    index_where("commit_hash IS NULL", "ix_results_named_open", "named"),
)

add_numbered(
    "verifications",
    not_null("post_id", Id, ForeignKey("posts.id")),
    agent(),
    not_null("named"),
    Column("commit_hash", Text),
    not_null("platform"),
    not_null("track"),
    Column("val_bpb", Float),
    not_null("runs", Integer),
    not_null("reproduced", Integer),
    not_null("reason"),
    not_null("created_at"),
    flag("hidden"),
    flag("replayed"),
    Column("result_id", Id),  # the result it judges
    not_null("weight", Float, server_default=text("0")),  # when it came; 0 where nobody asked
    flag("challenges"),  # unasked, and against what was settled
    Index(None, "post_id"),
    Index(None, "commit_hash"),
    Index(None, "result_id"),
    Index(None, "platform", "track", "id"),
    index_where("commit_hash IS NULL", "ix_verifications_named_open", "named"),
)

add_numbered(
    "claims",
    agent(),
    not_null("text"),
    not_null("created_at"),
    not_null("expires_at"),
    not_null("ttl_s", Integer),
    Column("released_at", Text),  # where it was given up; then it is over from that moment
)

add_numbered(  # runs of waves that researchers ask volunteers for
    "cells",
    agent(),
    not_null("commit_hash"),
    not_null("platform"),
    not_null("track"),
    not_null("seed", Integer),
    not_null("created_at"),
    not_null("expires_at"),
    Column("run_by", Text),
    Column("value", Float),  # what that volunteer says
    Column("outcome", Text),  # done, failed, withdrawn; empty while it is open
    Index(None, "agent_id", "id"),
    index_where("outcome IS NULL", "ix_cells_open", "platform", "track", "id"),
)

add_numbered(  # results and cells handed to volunteers, who run them: one of the two each
    "work_leases",
    agent(),
    Column("result_id", Id, ForeignKey("results.id")),
    not_null("created_at"),
    not_null("expires_at"),
    Column("ended_at", Text),  # empty while it is open, which may be longer than it holds
    Column("outcome", Text),  # done, returned, expired, withdrawn
    Column("cell_id", Id),  # may outlive its cell
    index_where("ended_at IS NULL", "ix_work_leases_open", "result_id", unique=True),
    index_where("ended_at IS NULL", "ix_work_leases_open_cell", "cell_id", unique=True),
    Index(None, "agent_id", "id"),
)

add_numbered(  # everything full-text search can find, in the order it came
    "documents",
    not_null("kind"),  # post, result, commit
    not_null("ref"),  # the id of the post or result, the hash of the commit
    not_null("agent_id"),
    not_null("excerpt"),
    not_null("created_at"),
    flag("hidden"),
    Index(None, "kind", "ref", unique=True),
)

# --- events -------------------------------------------------------------------------------------

add_numbered(  # one row for every change, in the change's own transaction
    "events",
    not_null("kind"),
    not_null("payload"),  # JSON; ids and names only, so that hiding a post hides it here too
    not_null("created_at"),
    by="seq",
)

table(  # what happened, a Merkle tree (`store.log_entries`): added, never changed
    "log_entries",
    Column("number", Id, primary_key=True, autoincrement=False),  # from 0, without gaps
    not_null("kind"),
    not_null("ref"),  # the row it is about, as text
    not_null("data"),  # canonical JSON (`autoresearch.entries`)
    not_null("hashes", LargeBinary),  # roots of the perfect trees that it completes
    Index(None, "kind", "ref"),
)

# --- git (commits, their parents, objects, refs) ------------------------------------------------

add_numbered(
    "commits",
    not_null("hash", Text, unique=True),  # 40 hex digits
    not_null("parents"),  # their hashes, a space between; empty for a root
    not_null("agent_id"),  # who pushed it first; empty for one nobody pushed as their own
    not_null("message"),
    not_null("created_at"),  # when this hub took it in
    not_null("tree", LargeBinary),
    Column("parent_seq", Id),
    not_null("root_seq", Id),  # where its first parents end
    not_null("generation", Integer),  # how many first parents it has
    not_null("is_leaf", Integer),  # no commit names it as a parent, first or other
    flag("hidden"),
    Index(None, "agent_id", "seq"),
    index_where("is_leaf = 1", "ix_commits_leaves", "seq"),
    index_where("hidden = 1", "ix_commits_hidden", "hash"),
    by="seq",  # grows from parents to children: every walk through history is bounded by it
)

table(
    "commit_parents",
    Column("child_seq", Id, ForeignKey("commits.seq"), primary_key=True),
    key("position", Integer),  # 0 is the first parent
    not_null("parent_seq", Id, ForeignKey("commits.seq")),
    Index(None, "parent_seq", "child_seq"),
    sqlite_with_rowid=False,
)

table(  # as it stands in a pack, so that packs are written without compressing anew
    "objects",
    number(),  # grows: what a cache has not seen is behind the last it has
    not_null("oid", LargeBinary, unique=True),  # 20 bytes
    not_null("kind", Integer),  # 1 commit, 2 tree, 3 blob, as in packs
    not_null("size", Integer),  # of the body, inflated
    not_null("body", LargeBinary),  # zlib: the object, or a delta as packs have them
    Column("base_id", Id),  # the object that the delta is made against; empty: the body is whole
    Column("step", Integer),  # its place behind a whole one (`rules.repack`); empty: as it came
)

table(  # names given by plain `git push`; bundles need none
    "refs",
    key("name"),  # refs/heads/...
    not_null("hash"),
    not_null("agent_id"),  # whose it is: nobody else moves it
    not_null("updated_at"),
    Index(None, "updated_at"),
    Index(None, "agent_id"),
    Index("ix_refs_alike", text("lower(name)")),
)
