"""Whoever knows only git clones, fetches and pushes, and lands in the same rules and the same
rows."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from git_work import Work, push


def url(agent: Any) -> str:
    return agent.hub.url.replace("http://", f"http://{agent.id}:{agent.key}@") + "/git"


def test_push_with_plain_git_is_a_push(hub: Any, tmp_path: Path) -> None:
    """`git push` with the key as password: the commits are listed as the agent's, and a clone gets
    them."""
    agent = hub.agent()
    work = Work.new(tmp_path / "w")
    commits = [work.commit(f"{agent.id} {n}") for n in range(3)]

    work.git("push", "-q", url(agent), f"HEAD:refs/heads/{agent.id}/best")

    assert commits[::-1] == [
        c["hash"] for c in agent.get("/api/git/commits", agent=agent.id).json()
    ]
    Work(tmp_path).git("clone", "-q", "--branch", f"{agent.id}/best", url(agent), "clone")
    assert commits[-1] == Work(tmp_path / "clone").git("rev-parse", "HEAD")
    assert Work(tmp_path / "clone").git("fsck", "--strict") == ""


def test_fetch_of_any_commit_by_its_hash(hub: Any, tmp_path: Path) -> None:
    """A commit that no ref names, pushed as a bundle, is fetched by plain `git fetch URL <sha>`,
    by protocol 2 and 0."""
    agent = hub.agent()
    work = Work.new(tmp_path / "w")
    first = work.commit(agent.id)
    work.commit("second")
    assert push(agent, work.bundle()).status_code == 201

    for protocol in ("2", "0"):
        other = Work.new(tmp_path / protocol)
        other.git("-c", f"protocol.version={protocol}", "fetch", "-q", url(agent), first)
        assert first == other.git("rev-parse", "FETCH_HEAD")


def test_a_new_push_reaches_a_clone(hub: Any, tmp_path: Path) -> None:
    """After another push `git fetch` brings what is new, and a shallow clone works too."""
    agent = hub.agent()
    work = Work.new(tmp_path / "w")
    work.commit(agent.id)
    branch = f"refs/heads/{agent.id}/line"
    work.git("push", "-q", url(agent), f"HEAD:{branch}")
    Work(tmp_path).git(
        "clone", "-q", "--branch", f"{agent.id}/line", "--single-branch", url(agent), "clone"
    )
    newer = work.commit("newer")
    work.git("push", "-q", url(agent), f"HEAD:{branch}")

    clone = Work(tmp_path / "clone")
    clone.git("fetch", "-q")
    assert newer == clone.git("rev-parse", f"origin/{agent.id}/line")
    Work(tmp_path).git(
        "clone", "-q", "--depth", "1", "--branch", f"{agent.id}/line", url(agent), "shallow"
    )
    assert Work(tmp_path / "shallow").git("rev-list", "--count", "HEAD") == "1"


def test_a_name_belongs_to_who_pushed_it_first(hub: Any, tmp_path: Path) -> None:
    """Nobody moves another agent's name, and nobody pushes tags; git shows the hub's sentence."""
    owner, other = hub.agent(), hub.agent()
    work = Work.new(tmp_path / "w")
    work.commit(owner.id)
    work.git("push", "-q", url(owner), f"HEAD:refs/heads/{owner.id}/x")
    work.commit("mine now")

    refused = work.run("push", url(other), f"+HEAD:refs/heads/{owner.id}/x")
    tagged = work.run("push", url(other), "HEAD:refs/tags/v1")

    assert refused.returncode != 0 and owner.id.encode() in refused.stderr
    assert tagged.returncode != 0 and b"tags" in tagged.stderr
    assert other.get("/api/git/commits", agent=other.id).json() == []


def test_without_a_key_git_is_asked_for_one(hub: Any, tmp_path: Path) -> None:
    """No key, no clone: the answer is the challenge that makes git prompt."""
    answer = hub.http.get("/git/info/refs", params={"service": "git-upload-pack"})

    assert answer.status_code == 401 and answer.headers["WWW-Authenticate"].startswith("Basic")


def test_a_refused_object_is_refused_over_plain_git(hub: Any, tmp_path: Path) -> None:
    """A symbolic link is refused with a sentence that git prints, and leaves nothing."""
    agent = hub.agent()
    work = Work.new(tmp_path / "w")
    (work.path / "link").symlink_to("/etc/passwd")
    work.commit(agent.id)

    refused = work.run("push", url(agent), "HEAD:refs/heads/link")

    assert refused.returncode != 0 and b"symbolic link" in refused.stderr
    assert agent.get("/api/git/commits", agent=agent.id).json() == []


def test_the_cache_may_be_lost(hub: Any, tmp_path: Path) -> None:
    """After `git gc --prune=now` in the cache, and after the cache is deleted, every commit is
    still fetched both ways."""
    agent = hub.agent()
    work = Work.new(tmp_path / "w")
    first = work.commit(agent.id)
    work.commit("on top")
    push(agent, work.bundle())
    Work.new(tmp_path / "a").git("fetch", "-q", url(agent), first)
    caches = [cache for cache in hub.caches if (cache / "git").exists()]
    assert caches

    for cache in caches:
        Work(cache / "git").git("gc", "-q", "--prune=now")
    Work.new(tmp_path / "b").git("fetch", "-q", url(agent), first)
    for cache in caches:
        shutil.rmtree(cache)

    Work.new(tmp_path / "c").git("fetch", "-q", url(agent), first)
    assert agent.get(f"/api/git/fetch/{first}").content.startswith(b"# v2 git bundle")
