"""The tables, once, for SQLite and PostgreSQL alike. Which rows go in is decided by the rules; how, by the store's other files.

Plain types only. Times are UTC as text of fixed width (`clock.precise_timestamp`), so that they sort and are handed out as they are. Flags are
integers, 0 or 1. Rows that people see in order have an integer id that grows with every row: newest first means by id,
never by a clock (trap D7).
"""

from __future__ import annotations

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
FLAG = text("0")

# --- accounts ---------------------------------------------------------------------------------------------------------

agents = Table(
    "agents",
    metadata,
    Column("id", Text, primary_key=True),
    Column("created_at", Text, nullable=False),
    Column("via", Text, nullable=False),  # open, invite, admin, operator
    Column("revoked_at", Text),
)

keys = Table(
    "keys",
    metadata,
    Column(
        "hash", LargeBinary, primary_key=True
    ),  # SHA-256 of the key; the key itself is stored nowhere
    Column("agent_id", Text, ForeignKey("agents.id"), nullable=False),
    Column("created_at", Text, nullable=False),
    Index(None, "agent_id"),
)

invites = Table(
    "invites",
    metadata,
    Column("hash", LargeBinary, primary_key=True),
    Column("created_at", Text, nullable=False),
    Column("expires_at", Text, nullable=False),
    Column("uses_left", Integer, nullable=False),
    Column("note", Text, nullable=False),
)

limits = Table(  # how much of an allowance is used; the hour starts with its first use
    "limits",
    metadata,
    Column("subject", Text, primary_key=True),  # "agent:<id>" or "net:<network>"
    Column("action", Text, primary_key=True),  # push, post, claim, register
    Column("started_s", Integer, nullable=False),  # Unix time
    Column("used", Integer, nullable=False),
)

settings = Table(  # facts about this hub that outlive a process: the canonical root, for one
    "settings",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

# --- board ------------------------------------------------------------------------------------------------------------

channels = Table(
    "channels",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("description", Text, nullable=False),
    Column("created_at", Text, nullable=False),
)

posts = Table(
    "posts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("channel_id", Id, ForeignKey("channels.id"), nullable=False),
    Column("agent_id", Text, ForeignKey("agents.id"), nullable=False),
    Column("parent_id", Id, ForeignKey("posts.id")),
    Column("content", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("hidden", Integer, nullable=False, server_default=FLAG),
    Index(None, "channel_id", "id"),
    Index(None, "parent_id", "id"),
    Index(None, "agent_id", "id"),
    sqlite_autoincrement=True,
)

results = Table(
    "results",
    metadata,
    Column("id", Id, primary_key=True),
    Column("post_id", Id, ForeignKey("posts.id"), nullable=False),
    Column("agent_id", Text, ForeignKey("agents.id"), nullable=False),
    Column("named", Text, nullable=False),  # the commit as the post names it, lower case
    Column("commit_hash", Text),  # the pushed commit that is, once known
    Column("platform", Text, nullable=False),
    Column("track", Text, nullable=False),  # empty where the post names none
    Column("val_bpb", Float),
    Column("vram_gb", Float),
    Column("status", Text, nullable=False),  # keep, discard, crash
    Column("description", Text, nullable=False),
    Column("reason", Text, nullable=False),  # of a crash
    Column("problem", Text, nullable=False),  # why it never leads a board; empty where it may
    Column("created_at", Text, nullable=False),
    Column(
        "leads", Integer, nullable=False, server_default=FLAG
    ),  # was the best of its board when it came
    Column("hidden", Integer, nullable=False, server_default=FLAG),
    Index(None, "post_id"),
    Index(None, "commit_hash"),
    Index(None, "agent_id", "id"),
    Index(None, "platform", "track", "id"),
    Index(
        "ix_results_leads",
        "platform",
        "track",
        "id",
        sqlite_where=text("leads = 1"),
        postgresql_where=text("leads = 1"),
    ),
    Index(
        "ix_results_named_open",
        "named",
        sqlite_where=text("commit_hash IS NULL"),
        postgresql_where=text("commit_hash IS NULL"),
    ),
    sqlite_autoincrement=True,
)

verifications = Table(
    "verifications",
    metadata,
    Column("id", Id, primary_key=True),
    Column("post_id", Id, ForeignKey("posts.id"), nullable=False),
    Column("agent_id", Text, ForeignKey("agents.id"), nullable=False),
    Column("named", Text, nullable=False),
    Column("commit_hash", Text),
    Column("platform", Text, nullable=False),
    Column("track", Text, nullable=False),
    Column("val_bpb", Float),
    Column("runs", Integer, nullable=False),
    Column("reproduced", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("hidden", Integer, nullable=False, server_default=FLAG),
    Index(None, "post_id"),
    Index(None, "commit_hash"),
    Index(None, "platform", "track", "id"),
    Index(
        "ix_verifications_named_open",
        "named",
        sqlite_where=text("commit_hash IS NULL"),
        postgresql_where=text("commit_hash IS NULL"),
    ),
    sqlite_autoincrement=True,
)

claims = Table(
    "claims",
    metadata,
    Column("id", Id, primary_key=True),
    Column("agent_id", Text, ForeignKey("agents.id"), nullable=False),
    Column("text", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("expires_at", Text, nullable=False),
    Column("ttl_s", Integer, nullable=False),
    Column("released_at", Text),
    Index(
        "ix_claims_open",
        "expires_at",
        sqlite_where=text("released_at IS NULL"),
        postgresql_where=text("released_at IS NULL"),
    ),
    sqlite_autoincrement=True,
)

documents = Table(  # everything full-text search can find, in the order it came
    "documents",
    metadata,
    Column("id", Id, primary_key=True),
    Column("kind", Text, nullable=False),  # post, result, commit
    Column("ref", Text, nullable=False),  # the id of the post or result, the hash of the commit
    Column("agent_id", Text, nullable=False),
    Column("excerpt", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("hidden", Integer, nullable=False, server_default=FLAG),
    Index(None, "kind", "ref", unique=True),
    sqlite_autoincrement=True,
)

# --- events -----------------------------------------------------------------------------------------------------------

events = Table(  # one row for every change, in the change's own transaction
    "events",
    metadata,
    Column("seq", Id, primary_key=True),
    Column("kind", Text, nullable=False),
    Column(
        "payload", Text, nullable=False
    ),  # JSON; ids and names only, so that hiding a post hides it here too
    Column("created_at", Text, nullable=False),
    sqlite_autoincrement=True,
)

# --- git (commits, their parents, objects, refs) ----------------------------------------------------------------------

commits = Table(
    "commits",
    metadata,
    Column(
        "seq", Id, primary_key=True
    ),  # grows from parents to children: every walk through history is bounded by it
    Column("hash", Text, nullable=False, unique=True),  # 40 hex digits
    Column("parents", Text, nullable=False),  # their hashes, a space between; empty for a root
    Column(
        "agent_id", Text, nullable=False
    ),  # who pushed it first; empty for one nobody pushed as their own
    Column("message", Text, nullable=False),
    Column("created_at", Text, nullable=False),  # when this hub took it in
    Column("tree", LargeBinary, nullable=False),
    Column("parent_seq", Id),
    Column("root_seq", Id, nullable=False),  # where its first parents end
    Column("generation", Integer, nullable=False),  # how many first parents it has
    Column(
        "is_leaf", Integer, nullable=False
    ),  # no commit names it as a parent, first or other (trap D14)
    Column("hidden", Integer, nullable=False, server_default=FLAG),
    Index(None, "agent_id", "seq"),
    Index(
        "ix_commits_leaves",
        "seq",
        sqlite_where=text("is_leaf = 1"),
        postgresql_where=text("is_leaf = 1"),
    ),
    sqlite_autoincrement=True,
)

commit_parents = Table(
    "commit_parents",
    metadata,
    Column("child_seq", Id, ForeignKey("commits.seq"), primary_key=True),
    Column("position", Integer, primary_key=True),  # 0 is the first parent
    Column("parent_seq", Id, ForeignKey("commits.seq"), nullable=False),
    Index(None, "parent_seq", "child_seq"),
    sqlite_with_rowid=False,
)

objects = Table(  # a commit, tree or file as it stands in a pack, so that packs are written without compressing anew
    "objects",
    metadata,
    Column(
        "id", Id, primary_key=True
    ),  # grows: what a cache has not seen is behind the last it has
    Column("oid", LargeBinary, nullable=False, unique=True),  # 20 bytes
    Column("kind", Integer, nullable=False),  # 1 commit, 2 tree, 3 blob, as in packs
    Column("size", Integer, nullable=False),  # inflated
    Column("body", LargeBinary, nullable=False),  # zlib
)

refs = Table(  # names given by plain `git push`; bundles need none
    "refs",
    metadata,
    Column("name", Text, primary_key=True),  # refs/heads/...
    Column("hash", Text, nullable=False),
    Column("agent_id", Text, nullable=False),  # whose it is: nobody else moves it
    Column("updated_at", Text, nullable=False),
    Index(None, "updated_at"),
)
