"""Odd inputs that people sent to programs like this one: words without spaces, hashes that look
like numbers, cursors of another hub, commits in other encodings, files of foreign tools.
"""

from __future__ import annotations

import json
import re
import secrets
from pathlib import Path
from typing import Any

import pytest

from ah_agent import AhAgent
from autoresearch.errors import BadBundle
from autoresearch.git import fsck
from autoresearch.hub.rules import commits as commit_rules
from autoresearch.hub.rules.incoming import message_of
from autoresearch.hub.store import commits as commit_rows
from autoresearch.hub.store import events, migrate
from autoresearch.hub.store.database import Database
from autoresearch.hub.values import NewCommit
from git_work import Work, push

IDENT = b"A U Thor <a@example.com> 1700000000 +0000"


@pytest.mark.parametrize(
    ("text", "query", "found"),
    [
        ("増やした学習率で改善", "学習率", True),
        ("我们把学习率提高了一倍", "学习率", True),
        ("我们把学习率提高了一倍", "学率", False),
        ("배치크기를 두배로 늘렸다", "크기", True),
        ("ลดอัตราการเรียนรู้ลง", "การเรียน", True),
        ("カタカナとabc混在テスト", "abc", True),
        ("dropout学习率0.1", "dropout 学习率", True),
        ("plain words only", "word", False),
    ],
)
def test_words_are_found_where_no_spaces_stand(
    two_workers: Any, text: str, query: str, found: bool
) -> None:
    """Chinese, Japanese, Korean and Thai are found inside a run of letters, in their order; words
    with spaces between them only whole."""
    agent, mark = two_workers.agent(), f"m{secrets.token_hex(5)}"
    agent.post("/api/channels/discussion/posts", {"content": f"{mark} {text}"})

    answer = agent.get("/api/search", q=f"{mark} {query}").json()

    assert bool(answer) == found


@pytest.fixture
def db(tmp_path: Path) -> Any:
    migrate.prepare(tmp_path / "hub")
    database = Database(tmp_path / "hub")
    yield database
    database.close()


def test_a_hash_of_digits_is_no_number(db: Database) -> None:
    """`before` with the digits of a hash goes on behind that commit; digits that are neither are
    a number beyond all."""
    hashes = [f"{start}{'a' * 32}" for start in ("12345678", "00000021", "98765432")]
    with db.write() as tx:
        for commit_hash in hashes:
            new = NewCommit(commit_hash, "", "ada", "m", tx.now, b"\1" * 20)
            commit_rows.add_commit(tx, new, [])

    def before(text: str) -> list[str]:
        return [c.hash for c in commit_rules.latest(db.reader, 9, before=text)]

    assert before("2") == before("00000021") == hashes[:1]
    assert before("98765432") == hashes[1::-1] and before("12345678") == []
    assert before("4") == before("7777777") == hashes[::-1]
    assert before("3") == before("12345678") + hashes[1::-1]


def test_a_cursor_ahead_of_the_hub_hears_what_is_new(own_hub: Any) -> None:
    """A long poll, a stream and a reconnecting listener behind an event that this hub never had
    go on from now."""
    hub = own_hub()
    agent = hub.agent()
    ahead = 10**12

    answer = agent.get("/api/events", after=ahead, wait=0).json()
    assert answer["events"] == [] and 0 < answer["last"] < ahead
    agent.post("/api/channels/discussion/posts", {"content": "new"})
    assert agent.get("/api/events", after=answer["last"], wait=20).json()["events"]
    for path, headers in (
        (f"/live?after={ahead}", {}),
        ("/api/events", {**agent.headers, "Last-Event-ID": str(ahead)}),
    ):
        with hub.http.stream("GET", path, headers=headers, timeout=60) as stream:
            lines = stream.iter_lines()
            assert next(lines).startswith("retry")
            agent.post("/api/channels/discussion/posts", {"content": "newer"})
            assert next(line for line in lines if line.startswith("event")) == "event: post"


def test_old_events_are_pruned(db: Database) -> None:
    """The newest stay, under their numbers; a listener behind a pruned one goes on with those."""
    with db.write() as tx:
        for number in range(30):
            events.append(tx, "agent", {"id": f"a{number}"})
    last = events.last_seq(db.reader)

    with db.write() as tx:
        gone = events.forget_to(tx, last - 10, 99)

    assert gone == last - 10 and events.last_seq(db.reader) == last
    assert [e.seq for e in events.after(db.reader, 1, 99)] == list(range(last - 9, last + 1))


def test_a_default_clone_without_a_root_is_pulled(own_hub: Any, tmp_path: Path) -> None:
    """A hub without a root: `git clone`, then more is pushed from elsewhere, and `git pull`
    works, also from a shallow clone."""
    hub = own_hub()
    agent = hub.agent()
    url = hub.url.replace("http://", f"http://x:{agent.key}@") + "/git"
    work = Work.new(tmp_path / "w")
    work.commit("first")
    push(agent, work.bundle())
    Work(tmp_path).git("clone", "-q", url, "clone")
    Work(tmp_path).git("clone", "-q", "--depth=1", url, "shallow")
    for number in range(3):
        work.commit(f"next {number}")
        push(agent, work.bundle())

    for clone in ("clone", "shallow"):
        assert Work(tmp_path / clone).git("pull", "-q") == ""
        assert (tmp_path / clone / "train.py").exists()


@pytest.mark.parametrize(
    ("encoding", "raw", "text"),
    [
        (b"ISO-8859-1", "größer".encode("latin-1"), "größer"),
        (b"Shift_JIS", "学習率".encode("shift_jis"), "学習率"),
        (b"GB18030", "学习率".encode("gb18030"), "学习率"),
        (b"windows-1251", "быстрее".encode("cp1251"), "быстрее"),
        (b"UTF-8", "größer".encode(), "größer"),
        (b"punycode", b"abc-", "abc-"),
        (b"unicode_escape", b"\\u0041", "\\u0041"),
        (b"rot13", b"abc", "abc"),
        (b"latin-17", b"abc", "abc"),
        (b"x" * 80, b"abc", "abc"),
    ],
)
def test_a_message_in_another_encoding(encoding: bytes, raw: bytes, text: str) -> None:
    """A commit's own encoding is used where it is one of a text; no codec of Python's but those."""
    head = b"tree %b\nauthor %b\ncommitter %b\nencoding %b\n\n" % (
        b"1" * 40,
        IDENT,
        IDENT,
        encoding,
    )

    assert text == message_of(fsck.check_commit(head + raw + b"\n"))


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        (".git-blame-ignore-revs", True), (".gitlab", True), (".gitpod.yml", True),
        (".gitmessage", True), (".gitea", True), (".GitHub", True),
        (".git", False), (".GIT", False), (".gitmodules", False), (".GitModules ", False),
        (".gitattributes.", False), (".GITIGNORE", False), ("git~1", False),
    ],
)  # fmt: skip
def test_files_of_foreign_tools_are_taken(name: str, taken: bool) -> None:
    """Only what git itself would act on is refused, and what passes for it on some system."""
    tree = b"100644 %b\0%b" % (name.encode(), b"\1" * 20)

    if taken:
        assert fsck.check_tree(tree)[0].name == name.encode()
    else:
        with pytest.raises(BadBundle):
            fsck.check_tree(tree)


def test_crawlers_are_told(two_workers: Any) -> None:
    """robots.txt needs no key."""
    answer = two_workers.http.get("/robots.txt")

    assert answer.status_code == 200 and "Disallow: /api/" in answer.text


@pytest.mark.parametrize("folder", ["git", "git.git"])
def test_lfs_gets_an_answer_of_its_own(two_workers: Any, folder: str) -> None:
    """In the form in which Git LFS shows it."""
    agent = two_workers.agent()
    body = {"operation": "upload", "objects": [{"oid": "1" * 64, "size": 3}]}

    for what in ("objects/batch", "locks/verify"):
        answer = agent.post(f"/{folder}/info/lfs/{what}", body)
        assert answer.status_code == 501 and "LFS" in json.loads(answer.content)["message"]
        assert answer.headers["content-type"].startswith("application/vnd.git-lfs+json")


@pytest.mark.parametrize("value", ["true", "input", "false"])
def test_checkout_takes_line_ends_as_git_does(two_workers: Any, tmp_path: Path, value: str) -> None:
    """With core.autocrlf a file that git calls unchanged holds up no checkout, and one that was
    changed does."""
    agent = AhAgent.at(tmp_path / "ada")
    agent.git("init", "-q", "-b", "main")
    agent.git("config", "core.autocrlf", value)
    agent.ah("join", two_workers.url, f"ada-{secrets.token_hex(4)}")
    first = agent.commit(f"rate = '{agent.folder}'\n", "first")
    second = agent.commit("rate = 2\n", "second")
    agent.ah("push")

    agent.ah("checkout", first)
    agent.ah("checkout", second)

    text = (agent.folder / "train.py").read_bytes()
    assert text == (b"rate = 2\r\n" if value == "true" else b"rate = 2\n")
    assert agent.git("status", "--porcelain", "--untracked-files=no") == ""
    (agent.folder / "train.py").write_bytes(b"rate = 3\r\n")
    refused = agent.run("checkout", first)
    assert refused.code == 5 and "hold changes" in refused.err


def test_reading_on_a_terminal_without_utf_8(two_workers: Any, tmp_path: Path) -> None:
    """An emoji in a post is an escape where standard output cannot show it."""
    agent = AhAgent.at(tmp_path / "ada")
    agent.git("init", "-q")
    agent.ah("join", two_workers.url, f"ada-{secrets.token_hex(4)}")
    channel = f"c-{secrets.token_hex(4)}"
    agent.run("post", channel, "-", "--open", stdin="better 🚀\n", env={"PYTHONUTF8": "1"})

    for coding in ("ascii", "latin-1", "cp1252"):
        read = agent.run("read", channel, env={"PYTHONIOENCODING": coding, "PYTHONUTF8": "0"})
        assert read.code == 0 and re.search(r"better \\U0001f680", read.out), read.err


def test_a_nul_in_a_query_is_no_fault(hub: Any) -> None:
    """SQLite finds nothing under it; PostgreSQL takes no such text, which is told as a sentence."""
    agent = hub.agent()
    for path in ("log/about?kind=post&ref=a%00", "results?agent=a%00", "git/commits?agent=a%00"):
        answer = agent.get(f"/api/{path}")
        assert answer.status_code in (200, 400), answer.text
