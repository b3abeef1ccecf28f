"""Faults of earlier hubs: short hashes that crash, commits that gc deletes, lineages with holes,
fetches that trip over each other, DAGs without a common root, merges that leave false leaves."""

from __future__ import annotations

import itertools
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from autoresearch.hub.rules import maintenance
from autoresearch.hub.rules.seed import publish_root
from autoresearch.hub.store.database import Database
from git_work import Work, bundled, commit, oid, push, tree


def pushed(agent: Any, tmp_path: Path, count: int) -> tuple[Work, list[str]]:
    """A line of commits, oldest first, pushed in one bundle. Their text is the agent's own, so
    nobody else has them."""
    work = Work.new(tmp_path / agent.id)
    commits = [work.commit(f"{agent.id} {n}") for n in range(count)]
    answer = push(agent, work.bundle())
    assert (answer.status_code, answer.json()) == (201, {"hashes": [commits[-1]]})
    return work, commits


def hashes(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [commit["hash"] for commit in answer.json()]


def test_five_commits_in_one_bundle_are_five(hub: Any, tmp_path: Path) -> None:
    """Only the heads of a bundle were listed. Push five: lineage five, one leaf, each with its
    parent and its agent."""
    agent = hub.agent()
    _, commits = pushed(agent, tmp_path, 5)

    lineage = agent.get(f"/api/git/commits/{commits[-1]}/lineage").json()

    assert [c["hash"] for c in lineage] == commits[::-1]
    assert [c["parent_hash"] for c in lineage] == [*commits[-2::-1], ""]
    assert {c["agent_id"] for c in lineage} == {agent.id}
    assert lineage[0]["message"] == f"{agent.id} 4"
    leaves = hashes(agent.get("/api/git/leaves", limit=1000))
    assert [c for c in commits if c in leaves] == [commits[-1]]


ENDPOINTS = ["fetch/{}", "commits/{}", "commits/{}/children", "commits/{}/lineage", "diff/{}/{}"]


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_hashes_of_every_length(hub: Any, tmp_path: Path, endpoint: str) -> None:
    """Seven digits crashed the fetch. Every endpoint takes 4 to 40 digits in any case, and refuses
    the rest with a sentence."""
    agent = hub.agent()
    _, (of,) = pushed(agent, tmp_path, 1)

    def ask(digits: str) -> Any:
        return agent.get(f"/api/git/{endpoint.format(digits, digits)}")

    assert {ask(digits).status_code for digits in (of[:12], of[:12].upper(), of, of.upper())} == {
        200
    }
    assert ask(of[:7]).status_code == 200
    assert ask(of[:4]).status_code in (200, 409)  # the session's other commits may begin alike
    refused = {
        digits: ask(digits) for digits in ("0" * 40, "f00", "xyzw", of + "0", "%20", "..", "0" * 64)
    }
    assert {answer.status_code for answer in refused.values()} <= {400, 404}
    assert all(answer.json()["error"] for answer in refused.values())


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_ambiguous_and_not_a_commit(own_hub: Any, endpoint: str) -> None:
    """Digits that begin two commits are a 409 that names them; a file or a tree is a 404 that says
    so."""
    agent = own_hub().agent()
    empty = oid(2, b"")
    made = [
        commit(empty, message=b"%d\n" % n) for n in range(600)
    ]  # 600 commits, 65536 beginnings: some are alike
    for start in range(0, len(made), 200):
        assert (
            push(
                agent, bundled([(2, b""), *((1, data) for data in made[start : start + 200])])
            ).status_code
            == 201
        )
    names = sorted(oid(1, data).hex() for data in made)
    alike = next(one for one, other in itertools.pairwise(names) if one[:4] == other[:4])

    def ask(digits: str) -> Any:
        return agent.get(f"/api/git/{endpoint.format(digits, digits)}")

    ambiguous, file = ask(alike[:4]), ask(empty.hex())

    assert ambiguous.status_code == 409 and alike in ambiguous.json()["error"]
    assert file.status_code == 404 and "tree" in file.json()["error"]


def test_gc_and_an_empty_cache_lose_nothing(hub: Any, tmp_path: Path) -> None:
    """Commits without refs died in `git gc`. Here the database has them: fetch works with the
    cache deleted."""
    agent = hub.agent()
    _, commits = pushed(agent, tmp_path, 3)
    for cache in hub.caches:
        shutil.rmtree(cache, ignore_errors=True)

    (tmp_path / "got.bundle").write_bytes(agent.get(f"/api/git/fetch/{commits[-1][:10]}").content)

    clone = Work.new(tmp_path / "clone")
    clone.git("fetch", "-q", "../got.bundle", "HEAD")
    assert clone.git("rev-list", "FETCH_HEAD").split() == commits[::-1]


def test_many_fetch_the_same_at_once(hub: Any, tmp_path: Path) -> None:
    """Concurrent fetches deleted each other's temporary ref. 32 at once all get the same commits
    in a good bundle. Its bytes change where the hub repacks meanwhile."""
    agent = hub.agent()
    _, commits = pushed(agent, tmp_path, 70)  # long enough to be kept in the cache
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda _: agent.get(f"/api/git/fetch/{commits[-1]}"), range(32)))

    assert {answer.status_code for answer in answers} == {200}
    for number, content in enumerate({answer.content for answer in answers}):
        (tmp_path / "got.bundle").write_bytes(content)
        clone = Work.new(tmp_path / f"clone-{number}")
        clone.git("fetch", "-q", "../got.bundle", "HEAD")
        assert clone.git("rev-list", "FETCH_HEAD").split() == commits[::-1]


def test_fetch_leaves_out_what_the_asker_has(hub: Any, tmp_path: Path) -> None:
    """`have`, repeated or with commas, leaves history out; what the hub does not know counts for
    nothing; and all of it is usable."""
    agent = hub.agent()
    work, commits = pushed(agent, tmp_path, 9)
    for have in ([commits[5]], [commits[2], commits[5][:9]], [f"{commits[5]},{'e' * 40}"]):
        got = agent.get(f"/api/git/fetch/{commits[8]}", have=have)
        (tmp_path / "got.bundle").write_bytes(got.content)
        other = Work.new(tmp_path / f"other-{len(have)}-{have[0][:4]}-{hash(str(have)) % 10000}")
        other.git("fetch", "-q", str(work.path), commits[5])
        other.git("fetch", "-q", "../got.bundle", "HEAD")
        assert other.git("rev-list", "FETCH_HEAD").split() == commits[::-1]
        assert other.git("fsck", "--strict", "--no-dangling") == ""
        assert (
            f"-{commits[5]}".encode() in got.content
            and f"-{commits[2]}".encode() not in got.content
        )


def test_the_same_push_twice_and_at_once(hub: Any, tmp_path: Path) -> None:
    """The same push at the same time was a 500. Eight at once by two agents: all 201, nothing
    doubled, one owner."""
    one, other = hub.agent(), hub.agent()
    work = Work.new(tmp_path / "w")
    commits = [work.commit(f"{one.id} {n}") for n in range(4)]
    data = work.bundle()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda agent: push(agent, data), [one, other] * 4))

    assert {(a.status_code, *a.json()["hashes"]) for a in answers} == {(201, commits[-1])}
    assert hashes(one.get(f"/api/git/commits/{commits[-1]}/lineage")) == commits[::-1]
    owners = {c["agent_id"] for c in one.get(f"/api/git/commits/{commits[-1]}/lineage").json()}
    assert len(owners) == 1 and owners <= {one.id, other.id}


def test_a_merge_has_all_its_parents(hub: Any, tmp_path: Path) -> None:
    """Only first parents counted, so a merged branch stayed a leaf. Here a merge is a child of
    both."""
    agent = hub.agent()
    work = Work.new(tmp_path / "w")
    base = work.commit(agent.id)
    left = work.commit("left", left="1\n")
    work.git("checkout", "-q", "-b", "side", base)
    right = work.commit("right", right="1\n")
    work.git("merge", "-q", "-m", "both", "main")
    merge = work.git("rev-parse", "HEAD")

    assert push(agent, work.bundle("HEAD", "main")).json() == {"hashes": [merge, left]}

    assert agent.get(f"/api/git/commits/{merge}").json()["parents"] == [right, left]
    assert hashes(agent.get(f"/api/git/commits/{left}/children")) == [merge]
    assert not {left, right, base} & set(hashes(agent.get("/api/git/leaves", limit=1000)))
    incremental = agent.get(f"/api/git/fetch/{merge}", have=[left])
    assert f"-{left}".encode() in incremental.content


def test_thin_bundles_build_on_what_the_hub_has(hub: Any, tmp_path: Path) -> None:
    """A bundle of one commit whose file is a delta against the hub's: taken in, and read back
    whole."""
    agent = hub.agent()
    work = Work.new(tmp_path / "w")
    text = "".join(f"line {n} of {agent.id}\n" for n in range(500))
    first = work.commit("long", train=text)
    push(agent, work.bundle())
    second = work.commit("short", train=text.replace("line 7 ", "line seven "))
    thin = work.bundle("HEAD", f"^{first}")
    assert len(thin) < 1000

    assert push(agent, thin).status_code == 201

    diff = agent.get(f"/api/git/diff/{first}/{second}")
    assert diff.headers["content-type"].startswith("text/plain")
    assert diff.text == work.git("-c", "core.abbrev=7", "diff", first, second) + "\n"


def test_missing_prerequisites_are_named(hub: Any, tmp_path: Path) -> None:
    """A bundle on top of a commit the hub lacks is a 400 that names the commit."""
    agent = hub.agent()
    work = Work.new(tmp_path / "w")
    first = work.commit(agent.id)
    work.commit("second")

    answer = push(agent, work.bundle("HEAD", f"^{first}"))

    assert answer.status_code == 400 and first in answer.json()["error"]


def test_a_hub_with_one_root_refuses_orphans(own_hub: Any, tmp_path: Path) -> None:
    """Every agent made its own baseline. `agenthub seed` gives one; with --roots-only nothing else
    may begin a line."""
    hub = own_hub(roots_only=True)
    agent = hub.agent()
    baseline = tmp_path / "baseline"
    baseline.mkdir()
    (baseline / "train.py").write_text("rate = 1\n")
    db = Database(hub.data, hub.database)
    root = publish_root(db, baseline)
    assert publish_root(db, baseline) == root
    db.close()
    orphan = Work.new(tmp_path / "orphan")
    orphan.commit("my own baseline")

    assert push(agent, orphan.bundle()).status_code == 409

    told = agent.get("/api/git/root").json()
    assert (told["hash"], told["agent_id"], told["parent_hash"]) == (root, "", "")
    work = Work.new(tmp_path / "w")
    (tmp_path / "root.bundle").write_bytes(agent.get(f"/api/git/fetch/{root}").content)
    work.git("pull", "-q", "../root.bundle", "HEAD")
    work.commit("an idea", train="rate = 2\n")
    assert push(agent, work.bundle()).status_code == 201


def test_first_pusher_owns_a_commit(hub: Any, tmp_path: Path) -> None:
    """Whoever pushes a commit first is its agent; pushing on top of it takes nothing from them."""
    first, second = hub.agent(), hub.agent()
    work, commits = pushed(first, tmp_path, 2)
    newer = work.commit("on top")
    assert push(second, work.bundle()).status_code == 201

    owners = {
        c["hash"]: c["agent_id"] for c in second.get(f"/api/git/commits/{newer}/lineage").json()
    }

    assert owners == {commits[0]: first.id, commits[1]: first.id, newer: second.id}


def test_pages_by_cursor(hub: Any, tmp_path: Path) -> None:
    """Commits come newest first by arrival, and `before` (seq or hash) continues where a page
    ended."""
    agent = hub.agent()
    _, commits = pushed(agent, tmp_path, 7)

    page = agent.get("/api/git/commits", agent=agent.id, limit=3).json()
    by_seq = hashes(agent.get("/api/git/commits", agent=agent.id, limit=2, before=page[-1]["seq"]))
    by_hash = hashes(
        agent.get("/api/git/commits", agent=agent.id, limit=2, before=page[-1]["hash"])
    )
    line = hashes(agent.get(f"/api/git/commits/{commits[-1]}/lineage", limit=2, before=commits[4]))

    assert [c["hash"] for c in page] == commits[:3:-1]
    assert by_seq == by_hash == [commits[3], commits[2]]
    assert line == [commits[3], commits[2]]
    assert hashes(agent.get("/api/git/commits", agent=agent.id, offset=5)) == [
        commits[1],
        commits[0],
    ]


def test_what_is_stored_verifies_and_can_be_listed_anew(own_hub: Any, tmp_path: Path) -> None:
    """`verify` finds nothing wrong after pushes, finds a row that lies, and `reindex` mends it,
    keeping owners and times."""
    hub = own_hub()
    agent = hub.agent()
    _, commits = pushed(agent, tmp_path, 4)
    before = agent.get("/api/git/commits").json()
    db = Database(hub.data, hub.database)
    assert list(maintenance.find_problems(db.reader)) == []
    with db.write() as tx:
        tx.run("UPDATE commits SET is_leaf = 1, parents = '' WHERE hash = :hash", hash=commits[2])
    assert len(list(maintenance.find_problems(db.reader))) == 2

    with db.write() as tx:
        assert maintenance.reindex(tx) == 4

    assert list(maintenance.find_problems(db.reader)) == []
    db.close()
    after = agent.get("/api/git/commits").json()
    assert [{**c, "seq": 0} for c in after] == [{**c, "seq": 0} for c in before]


def test_a_pushed_message_is_found(hub: Any, tmp_path: Path) -> None:
    """Commits are in the full-text search from the moment they are pushed, and told as events."""
    agent = hub.agent()
    after = agent.get("/api/events", wait=0).json()["last"]
    work = Work.new(tmp_path / "w")
    of = work.commit(f"wombat {agent.id}")
    push(agent, work.bundle())

    found = agent.get("/api/search", q=f"wombat {agent.id}", kind="commit").json()
    told = agent.get("/api/events", after=after, wait=5).json()["events"]

    assert [hit["id"] for hit in found] == [of]
    assert {"hash": of, "agent_id": agent.id, "parents": []} in [event["payload"] for event in told]


def test_an_empty_directory_of_a_tree_is_no_obstacle(hub: Any) -> None:
    """A commit of nested directories made by hand is taken in, and its diff against its parent
    names the path."""
    agent = hub.agent()
    text = f"{agent.id}\n".encode()
    inner = tree((b"100755", b"run.sh", oid(3, text)))
    outer = tree((b"40000", b"sub", oid(2, inner)))
    first = commit(oid(2, b""), message=text)
    second = commit(oid(2, outer), oid(1, first), message=text)
    data = bundled([(3, text), (2, b""), (2, inner), (2, outer), (1, first), (1, second)])

    assert push(agent, data).status_code == 201

    diff = agent.get(f"/api/git/diff/{oid(1, first).hex()}/{oid(1, second).hex()}").text
    assert "new file mode 100755" in diff and "+++ b/sub/run.sh" in diff
