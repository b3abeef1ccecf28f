"""What plain git's pushes run into: names that no client can store together, tags on the way,
shallow clones, refusals that must reach whoever pushes, and what other clients ask for.
"""

from __future__ import annotations

import io
import secrets
import subprocess
from pathlib import Path
from typing import Any

import pytest

from autoresearch.cli import agenthub
from autoresearch.git import pktline
from git_work import Work, bundled, commit, oid, tree
from git_work import push as push_bundle

HEADS = "refs/heads"


def url(agent: Any) -> str:
    return str(agent.hub.url.replace("http://", f"http://{agent.id}:{agent.key}@") + "/git")


@pytest.fixture
def work(tmp_path: Path) -> Work:
    made = Work.new(tmp_path / "w")
    made.commit(str(tmp_path))
    return made


def refusal(done: subprocess.CompletedProcess[bytes]) -> str:
    """What git says of refs that were refused."""
    assert done.returncode != 0
    return "\n".join(line for line in done.stderr.decode().splitlines() if "rejected" in line)


def push(work: Work, agent: Any, *refs: str) -> subprocess.CompletedProcess[bytes]:
    return work.run("push", url(agent), *(f"HEAD:{HEADS}/{ref}" for ref in refs))


def clones(agent: Any, folder: Path) -> bool:
    return Work(folder.parent).run("clone", "-q", url(agent), folder.name).returncode == 0


@pytest.mark.parametrize(
    ("first", "second"),
    [("{}/exp", "{}/exp/lr"), ("{}/exp/lr", "{}/exp"), ("{}/exp", "{}/EXP"), ("{}/e", "{}/E/x")],
)
def test_names_that_no_client_can_store_together(
    two_workers: Any, work: Work, tmp_path: Path, first: str, second: str
) -> None:
    """The second is refused by name, between pushes and within one, whoever pushes it; after the
    first is deleted it is taken. Every default clone goes on working."""
    one, other = two_workers.agent(), two_workers.agent()
    first, second = first.format(one.id), second.format(one.id)

    assert push(work, one, first).returncode == 0
    said = refusal(push(work, other, second))
    assert first in said and second in said
    together = push(work, one, f"{one.id}x/a", f"{one.id}x/a/b")
    assert refusal(together).count("rejected") == 1
    assert clones(other, tmp_path / "clone")
    work.git("push", "-q", url(one), f":{HEADS}/{first}", f"HEAD:{HEADS}/{second}")


@pytest.mark.parametrize("name", ["root", "root/x", "leaf", "leaf/x", "Root", "LEAF/abc"])
def test_names_of_the_hubs_own(two_workers: Any, work: Work, name: str) -> None:
    """They cannot be pushed, nor what could not be stored beside them."""
    assert "hub's own" in refusal(push(work, two_workers.agent(), name))


def test_names_that_only_look_like_the_hubs_own(two_workers: Any, work: Work) -> None:
    """`root-cause` and `leaflet` are names like any other."""
    agent = two_workers.agent()

    for name in (f"root-cause-{agent.id}", f"leaflet/{agent.id}", f"x/root/{agent.id}"):
        assert push(work, agent, name).returncode == 0


def test_an_operator_looks_after_names(
    own_hub: Any, work: Work, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`agenthub refs list` names each with its owner; `refs drop` takes one away, so that
    somebody else may have it."""
    hub = own_hub()
    one, other = hub.agent(), hub.agent()
    push(work, one, "exp")

    agenthub.app(["refs", "list", *hub.place], standalone_mode=False)
    assert f"refs/heads/exp\t{work.git('rev-parse', 'HEAD')}\t{one.id}" in capsys.readouterr().out
    agenthub.app(["refs", "drop", "exp", *hub.place], standalone_mode=False)

    assert "dropped refs/heads/exp" in capsys.readouterr().out
    assert push(work, other, "exp/lr").returncode == 0


def test_an_annotated_tag_on_the_way(two_workers: Any, work: Work) -> None:
    """`push.followTags` sends a tag with a branch: the branch is taken, the tag refused by name;
    so are a tag of a tag and a light one. A tag alone brings nothing."""
    agent = two_workers.agent()
    work.git("tag", "-a", "v1", "-m", "one")
    work.git("tag", "-a", "v2", "-m", "two", "v1")
    work.git("tag", "light")
    branch = f"HEAD:{HEADS}/{agent.id}/x"

    followed = work.run("-c", "push.followTags=true", "push", url(agent), branch)
    every = work.run("push", url(agent), branch, "v2", "light")

    assert "v1" in refusal(followed) and branch not in refusal(followed)
    assert refusal(every).count("tags") >= 2
    listed = [commit["hash"] for commit in agent.get("/api/git/commits", agent=agent.id).json()]
    assert listed == [work.git("rev-parse", "HEAD")]
    assert work.run("push", url(two_workers.agent()), "v1").returncode != 0


def test_a_shallow_clone_pushes(two_workers: Any, work: Work, tmp_path: Path) -> None:
    """Clone with --depth 1, or a part of the history, commit, push; and again."""
    agent = two_workers.agent()
    for number in range(4):
        work.commit(f"{agent.id} {number}")
    name = f"{agent.id}/line"
    push(work, agent, name)

    for depth in ("1", "2"):
        folder = f"shallow{depth}"
        clone = ("clone", "-q", "--depth", depth, "-b", name, url(agent), folder)
        Work(tmp_path).git(*clone)
        shallow = Work(tmp_path / folder)
        for _ in range(2):
            newest = shallow.commit(f"on top of {depth}")
            shallow.git("push", "-q", "origin", f"HEAD:{HEADS}/{name}{depth}")
        found = agent.get(f"/api/git/commits/{newest}/lineage").json()
        assert len(found) == 7


def test_a_push_that_is_too_large_says_so_for_each_ref(own_hub: Any, work: Work) -> None:
    """Whether its size is announced or not, git shows the reason beside the ref."""
    hub = own_hub(max_bundle_bytes=40_000)
    agent = hub.agent()
    (work.path / "big.bin").write_bytes(secrets.token_bytes(300_000))
    work.commit("big")

    for buffer in ("1000000", "65536"):
        pushed = work.run("-c", f"http.postBuffer={buffer}", "push", url(agent), f"HEAD:{HEADS}/x")
        assert "40000 bytes" in refusal(pushed)
    assert agent.get("/api/git/commits").json() == []


def test_every_refusal_reaches_the_user(own_hub: Any, work: Work) -> None:
    """A used-up allowance, an admin key, an atomic push of which one ref is refused."""
    hub = own_hub(max_pushes_per_hour=1)
    agent, other = hub.agent(), hub.agent()
    admin = hub.url.replace("http://", f"http://x:{hub.admin_key}@") + "/git"

    assert push(work, agent, "a").returncode == 0
    assert "an hour are used up" in refusal(push(work, agent, "b"))
    assert "writes in nobody's name" in refusal(work.run("push", admin, f"HEAD:{HEADS}/c"))
    work.commit("another")
    both = work.run("push", "--atomic", url(other), f"HEAD:{HEADS}/d", f"HEAD:{HEADS}/a")
    assert "atomic" in refusal(both) and f"{agent.id}'s" in refusal(both)
    assert hub.http.get("/git/info/refs").status_code in (400, 401)


def test_push_options_and_quiet(two_workers: Any, work: Work) -> None:
    """Options of a push are read and ignored."""
    agent = two_workers.agent()

    done = work.run(
        "push", "-q", "-o", "ci.skip", "-o", "x=y", url(agent), f"HEAD:{HEADS}/{agent.id}/o"
    )

    assert (done.returncode, done.stderr) == (0, b"")


def test_an_old_name_is_found_among_many(own_hub: Any, work: Work, tmp_path: Path) -> None:
    """With 700 newer names an owner still clones, moves and deletes an old one, by protocols 0
    and 2, and another agent sees it."""
    hub = own_hub()
    owner, other = hub.agent(), hub.agent()
    assert push(work, owner, "old").returncode == 0
    work.commit("newer")
    assert push(work, other, *(f"many/{number}" for number in range(700))).returncode == 0

    for protocol in ("0", "2"):
        version = ("-c", f"protocol.version={protocol}")
        Work(tmp_path).git(*version, "clone", "-q", "-b", "old", url(other), f"clone{protocol}")
        assert "refs/heads/old" in work.git(*version, "ls-remote", url(other), "old")
    newest = work.commit("newest")
    work.git("push", "-q", url(owner), f"HEAD:{HEADS}/old")
    assert work.git("ls-remote", url(owner), "old").startswith(newest)
    work.git("push", "-q", url(owner), f":{HEADS}/old")
    assert work.git("ls-remote", url(owner), "old") == ""


def test_reports_as_their_reader_wants_them() -> None:
    """A client that asks for side-band-64k reads the report in its band, however long it is; one
    that asks for no report gets none."""
    outcomes = [(f"refs/heads/{n}", "no " * 300) for n in range(200)]
    plain = pktline.write_report("ok", outcomes, {"report-status"})
    banded = pktline.write_report("ok", outcomes, {"report-status-v2", "side-band-64k"})

    assert pktline.write_report("ok", outcomes, {"quiet"}) == b""
    file, inside = io.BytesIO(banded), b""
    while (size := int(file.read(4), 16)) > 4:
        assert size <= 65520
        packet = file.read(size - 4)
        assert packet[:1] == b"\1"
        inside += packet[1:]
    assert inside == plain and file.read() == b""


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ([b"shallow " + b"1" * 40, b"0" * 40 + b" " + b"2" * 40 + b" refs/heads/x\0 atomic"], ""),
        ([b"0" * 40 + b" " + b"2" * 64 + b" refs/heads/x\0 side-band-64k"], "SHA-1"),
        ([b"0" * 40 + b" " + b"2" * 40 + b" refs/heads/..\0 x"], "no name"),
        ([b"push-cert\0 x", b"nonce"], "cannot be read"),
    ],
)
def test_what_a_push_asks_for(lines: list[bytes], problem: str) -> None:
    """What cannot be read is a problem with a sentence, not an end."""
    data = b"".join(pktline.write_line(line) for line in lines) + pktline.FLUSH

    assert problem in pktline.read_push(io.BytesIO(data)).problem


def test_what_is_hidden_is_hidden_from_git(
    own_hub: Any, work: Work, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By name, by hash and as a leaf, by protocols 0 and 2; its descendants still bring it, and
    the verb says so. `--undo` brings all of it back."""
    hub = own_hub()
    owner, other = hub.agent(), hub.agent()
    hidden = work.git("rev-parse", "HEAD")
    push(work, owner, "bad")
    child = work.commit("on top")
    push(work, owner, "good")
    verb = ["hide", "commit", hidden, *hub.place]

    agenthub.app(verb, standalone_mode=False)

    assert "1 commits in view build on it" in capsys.readouterr().out
    for protocol in ("0", "2"):
        version = ("-c", f"protocol.version={protocol}")
        listed = work.git(*version, "ls-remote", url(other))
        assert hidden not in listed and child in listed
        fresh = Work.new(tmp_path / protocol)
        refused = fresh.run(*version, "fetch", url(other), hidden)
        assert refused.returncode != 0 and b"hidden" in refused.stderr
        fresh.git(*version, "fetch", "-q", url(other), child)
    assert other.get(f"/api/git/diff/{child}/{hidden}").status_code == 404
    assert other.get(f"/api/git/fetch/{hidden}").status_code == 404
    agenthub.app([*verb, "--undo"], standalone_mode=False)
    assert hidden in work.git("ls-remote", url(other), "bad")


def want(agent: Any, name: str, spoiled: bool = False) -> bytes:
    """Ask for an object as protocol 2 does, by hand; the answer. `spoiled`: the line before ends
    in what a search for `want` could take for one."""
    agent_line = b"agent=00aawant " + b"0" * 32 if spoiled else b"agent=git/2.39"
    body = b"".join(
        [
            pktline.write_line("command=fetch\n"),
            pktline.write_line(agent_line),
            b"0001",
            pktline.write_line(f"want {name}\n"),
            pktline.write_line("done\n"),
            pktline.FLUSH,
        ]
    )
    headers = {**agent.headers, "Git-Protocol": "version=2"}
    return bytes(agent.hub.http.post("/git/git-upload-pack", content=body, headers=headers).content)


def test_files_of_a_hidden_commit(own_hub: Any, tmp_path: Path, capsys: Any) -> None:
    """What only a hidden commit holds is not had by its own hash: a file, a folder, the top; by
    protocols 0 and 2, in capitals, or behind a line that looks like another want. What something
    in view holds too is, a clone without files gets them later, and `--undo` opens all."""
    hub = own_hub()
    owner, other = hub.agent(), hub.agent()
    work = Work.new(tmp_path / "w")
    (work.path / "sub").mkdir()
    work.commit("one", **{"kept": "kept\n", "sub/a": "a\n"})
    push(work, owner, "good")
    work.commit("secret", **{"key": "secret\n", "sub/b": "b\n", "moved": "kept\n"})
    push(work, owner, "bad")
    hidden = work.git("rev-parse", "HEAD")
    secret = [work.git("rev-parse", f"HEAD:{at}") for at in ("key.py", "sub/b.py", "sub", "")]
    shared = [work.git("rev-parse", f"HEAD:{at}") for at in ("kept.py", "sub/a.py")]
    verb = ["hide", "commit", hidden, *hub.place]
    agenthub.app(verb, standalone_mode=False)

    for protocol in ("0", "2"):
        fresh = Work.new(tmp_path / f"fresh{protocol}")
        fetch = ("-c", f"protocol.version={protocol}", "fetch", "-q", url(other))
        for name in secret:
            refused = fresh.run(*fetch, name)
            assert refused.returncode != 0 and b"no commit that this hub shows" in refused.stderr
        for name in shared:
            fresh.git(*fetch, name)
    for name in (secret[0].upper(), hidden.upper()):
        assert want(other, name)[4:8] == b"ERR "
        assert want(other, name, spoiled=True)[4:8] == b"ERR "
    assert b"packfile" in want(other, shared[0].upper())
    partial = ("clone", "-q", "--filter=blob:none", "-b", "good", url(other), "partial")
    Work(tmp_path).git(*partial)
    assert (tmp_path / "partial" / "sub" / "a.py").read_text() == "a\n"
    work.git("checkout", "-q", "HEAD~1")
    work.commit("says it too", **{"key": "secret\n"})  # and is in view
    push(work, other, "told")
    assert b"packfile" in want(other, secret[0]) and want(other, secret[1])[4:8] == b"ERR "
    agenthub.app([*verb, "--undo"], standalone_mode=False)
    assert all(b"packfile" in want(other, name) for name in secret)


@pytest.mark.parametrize("body", [b"00", b"0003", b"zzzz", b"+032want ", b"0032want 1234"])
def test_a_fetch_that_is_none(two_workers: Any, body: bytes) -> None:
    """What git would not read is refused with a sentence, before any program sees it."""
    agent = two_workers.agent()
    answer = agent.hub.http.post("/git/git-upload-pack", content=body, headers=agent.headers)
    assert answer.status_code == 400 and "none of git's" in answer.json()["error"]


def test_leaves_older_than_those_that_a_clone_gets(
    own_hub: Any, tmp_path: Path, capsys: Any
) -> None:
    """A leaf is listed and fetched by its name however many are newer, alone or with all others,
    also after somebody has built on it; a default clone gets the newest. Hidden it has no name."""
    hub = own_hub()
    agent = hub.agent()
    top = tree((b"100644", b"train.py", oid(3, b"x")))
    root = commit(oid(2, top), message=b"root")
    many = [commit(oid(2, top), oid(1, root), message=b"%d" % n) for n in range(105)]
    objects = [(3, b"x"), (2, top), (1, root), *((1, leaf) for leaf in many)]
    assert push_bundle(agent, bundled(objects)).status_code == 201
    old = agent.get("/api/git/leaves", limit=1000).json()[-1]["hash"]
    name = f"leaf/{old[:12]}"
    work = Work.new(tmp_path / "w")

    assert work.git("ls-remote", url(agent), name) == f"{old}\trefs/heads/{name}"
    work.git("fetch", "-q", url(agent), name)
    assert work.git("rev-parse", "FETCH_HEAD") == old
    Work(tmp_path).git("clone", "-q", "-b", name, url(agent), "one")
    assert Work(tmp_path / "one").git("branch", "-r").count("origin/leaf/") == 101
    work.git("fetch", "-q", url(agent), "refs/heads/leaf/*:refs/all/*")
    assert len(work.git("for-each-ref", "refs/all").splitlines()) == 105
    work.git("-c", "protocol.version=0", "fetch", "-q", url(agent), old)
    work.git("checkout", "-q", old)
    work.commit("on top")
    push(work, agent, "on-top")
    work.git("fetch", "-q", url(agent), name)
    assert work.run("fetch", url(agent), "leaf/000000000000").returncode != 0
    agenthub.app(["hide", "commit", old, *hub.place], standalone_mode=False)
    assert b"couldn't find" in work.run("fetch", url(agent), name).stderr


def test_both_protocols_list_the_same(own_hub: Any, work: Work) -> None:
    """Names, hashes and where HEAD points, of a hub with and without commits; and only what was
    asked for."""
    agent = own_hub().agent()

    def listed(protocol: int, *words: str) -> str:
        return work.git("-c", f"protocol.version={protocol}", "ls-remote", *words, url(agent))

    assert listed(2) == listed(0) == ""
    push(work, agent, "a", "b/ö", "heads/x")
    for words in (("--symref",), ("--heads",), ("--tags",), ()):
        assert sorted(listed(2, *words).split("\n")) == sorted(listed(0, *words).split("\n"))
    assert "ref: refs/heads/root\tHEAD" in listed(2, "--symref")
