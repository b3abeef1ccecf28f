"""Deltas on the wire, with git's own programs on the other side: what comes as a delta stays one,
and whoever fetches can use what is sent."""

from __future__ import annotations

import hashlib
import itertools
import struct
import time
import zlib
from pathlib import Path
from typing import Any

import pytest

from autoresearch.git import bundle, pack_writer
from autoresearch.git.delta import make_delta
from autoresearch.hub.rules import maintenance, repack
from autoresearch.hub.store import objects
from autoresearch.hub.store.database import Database
from autoresearch.hub.store.statements import Reader
from git_work import Work, bundled, commit, oid, push, tree
from long_history import TRUNK, long_history

BLOB, TREE, COMMIT = 3, 2, 1
REPACKED_S = 120.0


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Work:
    return long_history(tmp_path_factory.mktemp("history") / "bare", 70, seed=time.time_ns())


def trunk(work: Work) -> list[str]:
    return work.git("rev-list", "--reverse", TRUNK).split()


def take(work: Work, data: bytes) -> None:
    """Have git take a bundle in as `git bundle unbundle` and as a strict fetch do."""
    (work.path / "x.bundle").write_bytes(data)
    work.git("bundle", "verify", "-q", "x.bundle")
    work.git("-c", "fetch.fsckObjects=true", "fetch", "-q", "x.bundle", "HEAD:refs/heads/got")


def stored(hub: Any, work: Work, name: str) -> objects.StoredObject:
    """How the hub keeps what git calls `name`."""
    db = Database(hub.data, hub.database)
    row = objects.by_name(db.reader, bytes.fromhex(work.git("rev-parse", name)))
    db.close()
    assert row is not None
    return row


def test_small_pushes_and_fetches_stay_small(hub: Any, work: Work, tmp_path: Path) -> None:
    """One commit on another, as git bundles it: stored as a delta, and sent as one to who has the
    commit before; who has nothing gets everything."""
    agent, line = hub.agent(), trunk(work)
    assert push(agent, work.bundle_of(line[0])).status_code == 201
    client = Work.new(tmp_path / "client")
    take(client, agent.get(f"/api/git/fetch/{line[0]}").content)

    for before, after in itertools.pairwise(line[:6]):
        assert push(agent, work.bundle_of(after, before)).status_code == 201
        answer = agent.get(f"/api/git/fetch/{after}", have=before)
        assert len(answer.content) < 1500
        take(client, answer.content)

    assert stored(hub, work, f"{line[3]}:train.py").base_id is not None
    assert client.git("rev-parse", "got:train.py") == work.git("rev-parse", f"{line[5]}:train.py")
    client.git("fsck", "--strict")
    again = Work.new(tmp_path / "again")
    take(again, agent.get(f"/api/git/fetch/{line[5]}").content)
    assert again.git("log", "--format=%H", "got").split() == line[5::-1]


def test_a_fetch_from_any_commit_the_client_has(hub: Any, work: Work, tmp_path: Path) -> None:
    """Any two commits of a history that came as one pack: the later one's bundle fits on the
    earlier one."""
    agent, line = hub.agent(), trunk(work)
    assert push(agent, work.bundle("--all")).status_code == 201
    for have, wanted in ((0, 1), (3, -1), (20, 24), (20, 45), (30, 31)):
        client = Work.new(tmp_path / f"client{have}-{wanted}")
        take(client, agent.get(f"/api/git/fetch/{line[have]}").content)
        take(client, agent.get(f"/api/git/fetch/{line[wanted]}", have=line[have]).content)
        client.git("fsck", "--strict")
        assert client.git("rev-parse", "got") == line[wanted]


def test_plain_git_clones_and_pushes_deltas(own_hub: Any, work: Work, tmp_path: Path) -> None:
    """`git clone`, a commit, `git push`: a thin pack, whose delta is kept; another clone has it."""
    hub = own_hub()
    agent, line = hub.agent(), trunk(work)
    assert push(agent, work.bundle_of(line[-1])).status_code == 201
    url = f"{hub.url.replace('http://', f'http://{agent.id}:{agent.key}@')}/git"
    clone = Work(tmp_path / "clone")
    work.git("clone", "-q", url, str(clone.path))
    clone.git("fetch", "-q", "origin", line[-1])
    clone.git("checkout", "-q", "-b", "mine", line[-1])
    text = (clone.path / "train.py").read_text()
    clone.commit("one line", train=text.replace("parameter_7 =", "parameter_7 = 1 +"))
    clone.git("push", "-q", "origin", f"mine:refs/heads/{agent.id}/mine")

    assert stored(hub, clone, "mine:train.py").base_id is not None
    other = Work(tmp_path / "other")
    work.git("clone", "-q", "-b", f"{agent.id}/mine", url, str(other.path))
    other.git("fsck", "--strict")
    assert other.git("rev-parse", "HEAD") == clone.git("rev-parse", "mine")


def test_the_whole_history_again_and_one_commit(hub: Any, work: Work) -> None:
    """What agents are taught to send: the known part is no news, and one commit is."""
    agent = hub.agent()
    assert push(agent, work.bundle("--all")).status_code == 201
    db = Database(hub.data, hub.database)
    before = objects.last_id(db.reader)

    for number in range(3):
        tip = _one_more(work, number)
        assert push(agent, work.bundle_of(tip)).json() == {"hashes": [tip]}
        assert objects.last_id(db.reader) == before + 3 * (number + 1)
        assert push(agent, work.bundle_of(tip)).json() == {"hashes": [tip]}
    db.close()


def _one_more(work: Work, number: int) -> str:
    """A commit on the trunk, which changes a line."""
    text = work.git("show", f"{TRUNK}:train.py") + f"\nmark = {number}\n"
    blob = work.git("hash-object", "-w", "--stdin", data=text.encode())
    listed = work.git("ls-tree", TRUNK).splitlines()
    entries = [f"100644 blob {blob}\ttrain.py" if "train.py" in line else line for line in listed]
    made = work.git("mktree", data="\n".join(entries).encode())
    tip = work.git("commit-tree", made, "-p", TRUNK, "-m", f"one more {number}")
    work.git("update-ref", TRUNK, tip)
    return tip


def test_known_heads_are_answered_from_the_header(hub: Any, work: Work) -> None:
    """Where all heads are here, nothing is asked of the pack; where one is not, everything is."""
    agent, line = hub.agent(), trunk(work)
    whole = work.bundle_of(line[-1])
    assert push(agent, whole).status_code == 201
    cut = whole[: whole.index(b"PACK") + 40]
    assert push(agent, cut).json() == {"hashes": [line[-1]]}

    new = bundled([(BLOB, b"x"), (TREE, tree((b"100644", b"x", oid(BLOB, b"x"))))], b"\1" * 20)
    both = bundle.write_header([(line[-1], "refs/heads/a"), ("01" * 20, "refs/heads/b")])
    assert push(agent, both + new[new.index(b"PACK") : -1] + b"?").status_code == 400
    assert push(agent, both + new[new.index(b"PACK") :]).status_code == 400


def entry(kind: int, data: bytes, base: bytes = b"", size: int | None = None) -> bytes:
    length = len(data) if size is None else size
    return pack_writer.entry_header(kind, length) + base + zlib.compress(data)


def hostile(*entries: bytes) -> bytes:
    """A bundle of these entries and a commit that is new."""
    text = b"of a hostile pack %d" % time.time_ns()
    top = tree((b"100644", b"x", oid(BLOB, text)))
    made = commit(oid(TREE, top), message=text)
    own = [entry(BLOB, text), entry(TREE, top), entry(COMMIT, made)]
    body = b"PACK" + struct.pack(">II", 2, len(own) + len(entries)) + b"".join([*own, *entries])
    head = bundle.write_header([(oid(COMMIT, made).hex(), "refs/heads/main")])
    return head + body + hashlib.sha1(body).digest()


ONE, TWO = b"one file of some length\n" * 9, b"another file of some length\n" * 9
HOSTILE = {
    "two deltas on each other": lambda: hostile(
        entry(7, make_delta(TWO, ONE), oid(BLOB, TWO)),
        entry(7, make_delta(ONE, TWO), oid(BLOB, ONE)),
    ),
    "a delta on itself by name": lambda: hostile(entry(7, make_delta(ONE, ONE), oid(BLOB, ONE))),
    "a delta on a name nobody has": lambda: hostile(entry(7, make_delta(ONE, TWO), b"\x77" * 20)),
    "a delta that claims a huge result": lambda: hostile(
        entry(BLOB, ONE), entry(7, b"\xd8\x01\x80\x80\x80\x80\x80\x01\x90\x08", oid(BLOB, ONE))
    ),
    "an object that claims a huge size": lambda: hostile(entry(BLOB, ONE, size=1 << 39)),
    "a delta that claims a huge size": lambda: hostile(
        entry(BLOB, ONE), entry(7, make_delta(ONE, TWO), oid(BLOB, ONE), size=1 << 39)
    ),
    "a delta on a base of another size": lambda: hostile(
        entry(BLOB, ONE), entry(7, make_delta(TWO, ONE), oid(BLOB, ONE))
    ),
    "a delta that doubles a delta, thirty times": lambda: hostile(*_doubling(30)),
    "an object that came as a delta and whole": lambda: hostile(
        entry(BLOB, ONE), entry(7, make_delta(ONE, TWO), oid(BLOB, ONE)), entry(BLOB, TWO)
    ),
}  # fmt: skip


def _doubling(times: int) -> list[bytes]:
    data, entries = b"\0" * 65536, [entry(BLOB, b"\0" * 65536)]
    for number in range(times):
        if len(data) > 1 << 25:
            break
        new = data + data + bytes([number])
        entries.append(entry(7, make_delta(data, new), oid(BLOB, data)))
        data = new
    return entries


@pytest.mark.parametrize("animal", HOSTILE)
def test_hostile_deltas_are_refused(two_workers: Any, animal: str) -> None:
    """Refused with 400 or 413 and a sentence, and nothing of it is here."""
    agent, data = two_workers.agent(), HOSTILE[animal]()
    answer = push(agent, data)
    assert answer.status_code in (400, 413), answer.text
    assert len(answer.json()["error"]) > 10
    head = data.split(b"\n")[1][:40].decode()
    assert agent.get(f"/api/git/commits/{head}").status_code == 404


def test_a_hub_repacks_by_itself(served_hub: Any, work: Work, tmp_path: Path) -> None:
    """Some seconds after a push of everything all is settled by one of two workers; a part of the
    history comes out right."""
    hub = served_hub()
    agent, line = hub.agent(), trunk(work)
    assert push(agent, work.bundle("--all")).status_code == 201
    db = Database(hub.data, hub.database)
    deadline = time.monotonic() + REPACKED_S
    while not repack.is_done(db.reader):
        assert time.monotonic() < deadline, "nobody repacks"
        time.sleep(0.2)

    assert _unsettled(db.reader) == 0
    assert list(maintenance.find_problems(db.reader)) == []
    db.close()
    client = Work.new(tmp_path / "client")
    take(client, agent.get(f"/api/git/fetch/{line[len(line) // 2]}").content)
    assert client.git("rev-list", "--count", "got") == str(len(line) // 2 + 1)


def _unsettled(reader: Reader) -> int:
    rows = objects.read_numbered(reader, 0, objects.last_id(reader))
    return sum(row.step is None for row in rows)
