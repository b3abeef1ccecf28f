"""What a hub sends, stores and takes in, beside bare git with the same history: part of
`bench/hub.py`, and a program of its own (`python bench/hub_bytes.py --sizes 1000,10000`).

The history is like that of research: one file of 25 KB and 600 lines, each commit changes up to
three of them, 78 of 100 go on top of the trunk, the others are leaves on the newest 20. It is
pushed over HTTP in parts, as bundles of git's own, and repacked. Git's side is one bare
repository after `git repack -adf`.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter

import httpx

LINES, CHANGED_MAX, LEAVES, BRANCHES_FROM = 600, 3, 0.22, 20
PART = 3000  # commits of one push: their leaves are named in the bundle's header
TIMES = 9
PLENTY = 100_000_000
TRUNK = "refs/heads/trunk"


@dataclass
class History:
    """A bare repository: its trunk and its leaves, oldest first, each commit with its mark."""

    repo: Path
    trunk: list[str]
    leaves: dict[str, int]
    marks: dict[str, int]


@dataclass
class Compared:
    """One measure: what the hub needs, and what git does."""

    what: str
    size: int
    ours: float
    theirs: float
    unit: str

    def line(self) -> str:
        ratio = self.ours / self.theirs
        return (
            f"| {self.what} | {self.size:,} | {self.ours:,.1f} {self.unit} "
            f"| {self.theirs:,.1f} {self.unit} | {ratio:.2f} |"
        )


def git(folder: Path, *arguments: str, data: bytes = b"") -> bytes:
    command = ["git", "-c", "gc.auto=0", "-c", "pack.threads=1", *arguments]
    done = subprocess.run(
        command, cwd=folder, input=data, capture_output=True, check=True, timeout=3600
    )
    return done.stdout


def first_text(rng: random.Random) -> list[bytes]:
    return [b"parameter_%d = %.6f  # line %d of it\n" % (n, rng.random(), n) for n in range(LINES)]


def edited(text: list[bytes], rng: random.Random, number: int) -> list[bytes]:
    new = list(text)
    for line in rng.sample(range(LINES), rng.randint(1, CHANGED_MAX)):
        new[line] = b"parameter_%d = %.6f  # tried in %d\n" % (line, rng.random(), number)
    return new


def make_history(folder: Path, size: int, seed: int = 1) -> History:
    """A history of `size` commits in `folder`, packed as git packs it."""
    rng = random.Random(seed)
    subprocess.run(["git", "init", "-q", "--bare", str(folder)], check=True, timeout=60)
    notes = folder / "marks"
    command = ["git", "fast-import", "--quiet", f"--export-marks={notes}"]
    leaves: list[int] = []
    trunk: list[int] = []
    with subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(b"blob\nmark :1\ndata 15\nthe fixed file\n\n")
        recent = [(0, first_text(rng))]
        for number in range(2, size + 2):
            is_leaf = number > 3 and rng.random() < LEAVES
            parent, text = rng.choice(recent) if is_leaf else recent[-1]
            text = edited(text, rng, number)
            name = f"refs/heads/leaf-{number}" if is_leaf else TRUNK
            process.stdin.write(_commit(name, number, parent, b"".join(text)))
            (leaves if is_leaf else trunk).append(number)
            if not is_leaf:
                recent = [*recent[-BRANCHES_FROM + 1 :], (number, text)]
    assert process.returncode == 0
    pairs = (line.split() for line in notes.read_text().splitlines())
    names = {int(mark[1:]): oid for mark, oid in pairs}
    git(folder, "repack", "-adfq")
    return History(
        folder,
        [names[number] for number in trunk],
        {names[number]: number for number in leaves},
        {oid: mark for mark, oid in names.items()},
    )


def _commit(name: str, number: int, parent: int, text: bytes) -> bytes:
    who = f"agent-{number % 16} <agent-{number % 16}@swarm> {1700000000 + 311 * number} +0000"
    message = f"experiment {number}: another value\n"
    head = f"commit {name}\nmark :{number}\nauthor {who}\ncommitter {who}\n"
    head += f"data {len(message)}\n{message}" + (f"from :{parent}\n" if parent else "")
    files = f"M 100644 :1 prepare.py\nM 100644 inline train.py\ndata {len(text)}\n"
    return head.encode() + files.encode() + text + b"\n"


@contextmanager
def serving(folder: Path) -> Iterator[httpx.Client]:
    """A hub on `folder` as users run it, and a client with an agent's key."""
    command = [sys.executable, "-m", "autoresearch.cli.agenthub", "serve", "--local"]
    options = ["--listen=127.0.0.1:0", f"--data={folder}", "--log=off", "--max-bundle-mb=2000"]
    process = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        url = next(line for line in process.stdout if line.startswith("listening on ")).split()[-1]
        with httpx.Client(base_url=url, timeout=600) as http:
            answer = http.post("/api/register", json={"id": f"bench-{random.getrandbits(32):x}"})
            http.headers["Authorization"] = f"Bearer {answer.json()['api_key']}"
            yield http
    finally:
        process.terminate()
        process.wait(60)


def push(http: httpx.Client, data: bytes) -> float:
    """Push a bundle; the seconds it took."""
    began = perf_counter()
    answer = http.post("/api/git/push", content=data)
    took = perf_counter() - began
    assert answer.status_code == 201, answer.text
    return took


def push_all(http: httpx.Client, history: History, scratch: Path) -> float:
    """The whole history in parts; the seconds the hub took."""
    took, below = 0.0, ""
    ends = [*history.trunk[PART - 1 :: PART], history.trunk[-1]]
    leaves = list(history.leaves)
    for tip in dict.fromkeys(ends):
        last = tip == history.trunk[-1]
        now = [leaf for leaf in leaves if last or history.leaves[leaf] <= history.marks[tip]]
        leaves = leaves[len(now) :]
        names = [TRUNK, *(f"refs/heads/leaf-{history.leaves[leaf]}" for leaf in now)]
        git(history.repo, "update-ref", TRUNK, tip)
        took += push(http, bundled(history.repo, scratch, *names, *([f"^{below}"] * bool(below))))
        below = tip
    return took


def bundled(repo: Path, scratch: Path, *revisions: str) -> bytes:
    file = scratch / "one.bundle"
    git(repo, "bundle", "create", "-q", str(file), *revisions)
    return file.read_bytes()


def new_commit(history: History, number: int) -> str:
    """One more commit on the trunk, which it becomes; its hash."""
    rng = random.Random(f"{number} of {len(history.trunk)}")
    text = git(history.repo, "show", f"{TRUNK}:train.py").splitlines(keepends=True)
    stream = _commit(TRUNK, number, 0, b"".join(edited(text, rng, number)))
    stream = stream.replace(b"M 100644 :1 prepare.py\n", f"from {TRUNK}^0\n".encode(), 1)
    git(history.repo, "fast-import", "--quiet", data=stream)
    return git(history.repo, "rev-parse", TRUNK).decode().strip()


def timed(work: Callable[[], object]) -> float:
    began = perf_counter()
    work()
    return perf_counter() - began


def compare_pushes(http: httpx.Client, history: History, scratch: Path) -> list[Compared]:
    """Pushes of one commit, and of the whole history with one commit that is new, in turns with a
    bare repository that takes the same bundles in."""
    bare = scratch / "receiver.git"
    git(scratch, "clone", "-q", "--bare", str(history.repo), str(bare))
    found: dict[str, tuple[list[float], list[float]]] = {}
    for number in range(TIMES):
        for what in ("push of one commit", "push of full history and one commit"):
            tip = new_commit(history, 10_000_000 + number)
            below = [f"^{tip}~1"] if what == "push of one commit" else []
            data = bundled(history.repo, scratch, TRUNK, *below)
            ours, theirs = found.setdefault(what, ([], []))
            ours.append(push(http, data))
            file = scratch / "one.bundle"
            took = timed(partial(git, bare, "bundle", "unbundle", str(file)))
            theirs.append(took + timed(partial(git, bare, "update-ref", f"refs/n/{number}", tip)))
    size = len(history.trunk) + len(history.leaves)
    return [
        Compared(what, size, median(ours) * 1000, median(theirs) * 1000, "ms")
        for what, (ours, theirs) in found.items()
    ]


def compare_bytes(http: httpx.Client, history: History, when: str) -> list[Compared]:
    """Full fetches of the tip and of a commit halfway, as they are sent."""
    size = len(history.trunk) + len(history.leaves)
    found = []
    for what, commit in (("tip", history.trunk[-1]), ("halfway", history.trunk[size // 3])):
        arguments = ("--revs", "--stdout", "-q", "--no-reuse-delta", "--delta-base-offset")
        theirs = len(git(history.repo, "pack-objects", *arguments, data=f"{commit}\n".encode()))
        ours = len(http.get(f"/api/git/fetch/{commit}").content)
        name = f"bytes of a full fetch, {what}, {when}"
        found.append(Compared(name, size, ours / 1000, theirs / 1000, "kB"))
    return found


def compare_fetch(http: httpx.Client, history: History, scratch: Path) -> Compared:
    """Milliseconds of a full fetch that no cache holds, and of git making its bundle."""
    size, spots = len(history.trunk) + len(history.leaves), history.trunk[-5:-1]
    ours = median(timed(partial(http.get, f"/api/git/fetch/{c}")) for c in spots)
    theirs = []
    for commit in spots:
        git(history.repo, "update-ref", "refs/heads/one", commit)
        theirs.append(timed(lambda: bundled(history.repo, scratch, "refs/heads/one")))
    return Compared("full fetch, not cached", size, ours * 1000, median(theirs) * 1000, "ms")


def compare_disk(data: Path, history: History, scratch: Path) -> list[Compared]:
    """The whole database, and its objects alone, beside pack and index."""
    size = len(history.trunk) + len(history.leaves)
    theirs = sum(path.stat().st_size for path in (history.repo / "objects/pack").iterdir()) / 1000
    alone = scratch / "objects.sqlite3"
    with closing(sqlite3.connect(data / "hub.sqlite3", isolation_level=None)) as db:
        made = db.execute("SELECT sql FROM sqlite_master WHERE name = 'objects'").fetchone()[0]
        db.execute("ATTACH ? AS alone", (str(alone),))
        db.execute(made.replace("CREATE TABLE objects", "CREATE TABLE alone.objects", 1))
        db.execute("INSERT INTO alone.objects SELECT * FROM objects ORDER BY id")
        db.execute("VACUUM alone")
    objects = alone.stat().st_size / 1000
    alone.unlink()
    whole = (data / "hub.sqlite3").stat().st_size / 1000
    return [
        Compared("disk: objects and their index", size, objects, theirs, "kB"),
        Compared("disk: the whole hub (posts, search, events too)", size, whole, theirs, "kB"),
    ]


def compare_all(size: int, scratch: Path) -> list[Compared]:
    """Every measure at one size."""
    history = make_history(scratch / "history.git", size)
    data = scratch / "hub"
    program = [sys.executable, "-m", "autoresearch.cli.agenthub"]
    with serving(data) as http:
        took = push_all(http, history, scratch)
        print(f"{size} commits pushed in {took:.1f} s", file=sys.stderr)
        found = compare_bytes(http, history, "as pushed")[:1]
    took = timed(
        lambda: subprocess.run([*program, "repack", f"--data={data}"], check=True, stdout=2)
    )
    print(f"repacked in {took:.1f} s", file=sys.stderr)
    found += compare_disk(data, history, scratch)
    with serving(data) as http:
        found += compare_bytes(http, history, "repacked")
        found.append(compare_fetch(http, history, scratch))
        found += compare_pushes(http, history, scratch)
    subprocess.run([*program, "verify", f"--data={data}"], check=True, stdout=2)
    return found


def table(found: list[Compared]) -> str:
    lines = ["| work | commits | hub | bare git | hub / git |", "|---|--:|--:|--:|--:|"]
    return "\n".join([*lines, *(compared.line() for compared in found)])


def measure(sizes: list[int]) -> list[Compared]:
    found = []
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="bench-bytes-") as scratch:
            found += compare_all(size, Path(scratch))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", default="1000", help="commits, separated by commas")
    given = parser.parse_args()
    print(table(measure([int(size) for size in given.sizes.split(",")])))


if __name__ == "__main__":
    main()
