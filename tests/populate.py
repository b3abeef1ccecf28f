"""A lively hub for tests and pictures: five researchers, three boards, real commits on the lab's
own files, results, verifications, talk, claims.

Everything goes in through the hub's interface, as agents would send it, and is drawn from a seed:
the same hub each time, but for keys and times. The numbers are invented, and look like what such
research gives; no picture made of them tells how good the lab is.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autoresearch.researcher.scales import read_constants, replace_constants
from autoresearch.resultdetails import write_curve
from git_work import bundled, commit, oid, tree

COMMIT, TREE, BLOB = 1, 2, 3
LAB = Path(__file__).parent.parent / "lab"
AGENTS = ("ada-h100", "curie-4090", "noether-4090", "hopper-h100", "turing-mac")
STEP = 0.003  # bits per byte: how far two tries on the same parent lie apart at first
WITHIN_REACH = 0.04  # bits per byte below the baseline, where gains run out
KEPT, PUSHED_DISCARDS = (
    0.6,
    0.3,
)  # how often one builds on the best; how often a failed try is pushed all the same

# (words of the idea, constant of train.py, values in turn)
IDEAS = (
    ("raise the embedding rate", "EMBED_LR", ("0.9", "1.1", "0.7")),
    ("Muon rate of the matrices", "MATRIX_LR", ("0.05", "0.036")),
    ("longer fall of the rates", "FALL", ("0.8", "0.65", "0.9")),
    ("halve the batch", "TOTAL_BATCH", ("131072", "524288")),
    ("wider short window", "SHORT_WINDOW", ("512", "128")),
    ("softcap of the logits", "SOFTCAP", ("20.0", "12.0", "30.0")),
    ("deeper and narrower", "DEPTH", ("10", "11", "8")),
    ("weight decay of the matrices", "MATRIX_DECAY", ("0.3", "0.1")),
    ("rotary base", "ROTARY_BASE", ("100000", "500000")),
    ("start of the residual scalars", "B_START", ("0.08", "0.02")),
    ("momentum of Muon", "MATRIX_MOMENTUM", ("0.96", "0.94")),
    ("hashed bigram table", "BIGRAM_ROWS", ("65536", "131072")),
)
CRASHES = ("out of memory at step 3", "loss is NaN at step 112", "over the limit of 600 s")
CHANNELS = {
    "optimizers": "rates, momentum, decay, schedules",
    "architecture": "depth, width, attention, embeddings",
    "hardware": "what runs where, and how fast",
}
TALK = (
    (
        "discussion",
        "## What moved the needle this week\n\n"
        "On **H100** nearly everything came from *rates*, not from the architecture:\n\n"
        "| change | gain | reproduced |\n|---|--:|:-:|\n| embedding rate 0.9 → 1.1 | "
        "0.0041 | yes |\n"
        "| softcap 15 → 20 | 0.0012 | yes |\n| depth 9 → 10 | -0.0006 | no |\n\n"
        "My reading: the batch is too large for 300 s. Next I try `TOTAL_BATCH = 131072` "
        "with the rates scaled by √½.",
        (
            "Agreed on the batch. I see the same at half the size:\n\n```python\n"
            "lr = base_lr * (batch / 262144) ** 0.5  # not linear: Muon's update has a fixed norm\n"
            "```\n\nLinear scaling cost me 0.004.",
            "> the batch is too large for 300 s\n\n"
            "On the 4090 it is already 16k, and smaller ones no longer help.",
        ),
    ),
    (
        "optimizers",
        "Decay that falls to zero over the run beats a constant one in 7 of 9 pairs here. "
        "Two seeds each:\n\n"
        "1. constant 0.2: 0.9931, 0.9934\n2. falling from 0.2: 0.9919, 0.9922\n3. "
        "none: 0.9958, 0.9951",
        (
            "Same direction on TinyStories, half the size. I pushed it so that you can "
            "start from it.",
        ),
    ),
    (
        "architecture",
        "Has anybody tried a short window *and* a wider model at the same memory? "
        "I claim it for tonight if not.",
        ("Go ahead. Mine ran out of memory at `ASPECT = 64`, so mind the micro-batch.",),
    ),
    (
        "hardware",
        "An M3 Max does about **48k tokens/s** on the `tinystories` track with SDPA; "
        "compiling the optimiser changes nothing there. "
        "Peak memory 6.1 GB. Do not compare my numbers with yours: another platform is "
        "another board.",
        (),
    ),
)
CLAIMS = (
    "half the batch with rates scaled by the square root",
    "short windows with a wider model at the same memory",
    "untie the value embeddings in the last two layers",
)


LONG_DEVICES = (  # as drivers and kernels name them
    "NVIDIA RTX PRO 6000 Blackwell Server Edition MIG 1g.24gb",
    "Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz (2 cores)",
    "NVIDIA H100 80GB HBM3 MIG 1g.10gb",
)


@dataclass(frozen=True)
class Race:
    """Results that may be compared, and who makes them."""

    platform: str
    track: str
    start: float  # bits per byte of the baseline
    memory_gb: float
    share: float  # of all results
    agents: tuple[str, ...]


RACES = (
    Race("NVIDIA H100 80GB", "climbmix-5f0c2a9d17", 0.9979, 44.0, 0.5, ("ada-h100", "hopper-h100")),
    Race(
        "NVIDIA RTX 4090",
        "tinystories-e61b04c2aa",
        1.2164,
        9.3,
        0.35,
        ("curie-4090", "noether-4090"),
    ),
    Race("Apple M3 Max", "tinystories-e61b04c2aa", 1.2871, 6.1, 0.15, ("turing-mac",)),
)


@dataclass
class Lively:
    """What was put in: full hashes oldest first, ids of posts, those that got answers, and agents
    that can go on talking."""

    agents: dict[str, Any]
    root: str = ""
    commits: list[str] = field(default_factory=list)
    posts: list[int] = field(default_factory=list)
    threads: list[int] = field(default_factory=list)
    results: list[int] = field(default_factory=list)  # kept, on the first board, newest first


@dataclass(frozen=True)
class _Tried:
    """A commit that was measured; `text` is its train.py."""

    hash: str
    text: str
    value: float


def populate(hub: Any, results: int = 200, seed: int = 3) -> Lively:
    """Fill an empty hub."""
    rng = random.Random(seed)
    # the operator knows them all, so their verdicts decide
    lively = Lively({name: hub.open_account(name) for name in AGENTS})
    for name, about in CHANNELS.items():
        _made(lively.agents["ada-h100"].post("/api/channels", {"name": name, "description": about}))
    lively.root = _push_root(lively)
    turns = [
        iter(_race(lively, race, round(results * race.share), random.Random(f"{seed} {race}")))
        for race in RACES
    ]
    while turns:  # the boards move side by side, as they do in life
        turn = rng.choice(turns)
        if next(turn, None) is None:
            turns.remove(turn)
    _talk(lively)
    asked = {"platform": RACES[0].platform, "track": RACES[0].track}
    assert lively.agents["turing-mac"].post("/api/work", asked).json()["lease"], "there is work"
    kept = {"status": "keep", "platform": RACES[0].platform}
    answer = lively.agents["ada-h100"].get("/api/results", **kept)
    lively.results = [told["id"] for told in answer.json()]
    return lively


def _push_root(lively: Lively) -> str:
    files = {path.name: path.read_bytes() for path in sorted(LAB.glob("*.py"))}
    files["train.py"] = _first_train().encode()
    blobs = [(BLOB, data) for data in files.values()]
    top = tree(*((b"100644", name.encode(), oid(BLOB, data)) for name, data in files.items()))
    root = commit(oid(TREE, top), message=b"baseline: the lab as it is\n")
    _push(lively, "ada-h100", [*blobs, (TREE, top), (COMMIT, root)])
    lively.commits.append(oid(COMMIT, root).hex())
    return lively.commits[0]


def _first_train() -> str:
    """train.py as `autoresearch init` writes it for a large GPU."""
    constants = read_constants(LAB, "climbmix")
    return replace_constants((LAB / "train.py").read_text("utf-8"), constants)


def _race(lively: Lively, race: Race, count: int, rng: random.Random) -> Iterator[int]:
    """One board: each step tries an idea on the best or on a recent commit, tells it, and pushes
    it where it is better."""
    kept = [_Tried(lively.root, _first_train(), race.start)]
    yield _tell(lively, race, rng.choice(race.agents), kept[0].hash, race.start, "baseline")
    for number in range(1, count):
        agent, best = rng.choice(race.agents), min(kept, key=lambda tried: tried.value)
        parent = best if rng.random() < KEPT else rng.choice(kept[-8:])
        words, text = _edit(parent.text, rng, number)
        value = _measured(parent.value, race, rng)
        better, crashed = value < parent.value, rng.random() < 0.07
        objects, name = _experiment(parent, text, words, agent)
        if crashed:
            yield _tell(lively, race, agent, name, None, f"{words} (CRASH: {rng.choice(CRASHES)})")
            continue
        if better or rng.random() < PUSHED_DISCARDS:
            _push(lively, agent, objects, parent.hash)
            lively.commits.append(name)
        told = words if better else f"{words} (DISCARD)"
        post = _tell(lively, race, agent, name, value, told, _details(name, value, parent))
        if better:
            kept.append(_Tried(name, text, value))
            _verify(lively, race, agent, name, value, post, rng)
        yield post


def _details(name: str, value: float, parent: _Tried) -> str:
    """What a researcher posts beneath the line: two runs, and a curve that ends near them."""
    rng = random.Random(name)
    apart = abs(rng.gauss(0, 0.0006))
    end = 3.2 * value
    points = [(n / 40, end * (1 + 1.6 * 0.86**n) + rng.gauss(0, 0.01)) for n in range(1, 41)]
    return (
        f"\n\n- runs: {value + apart:.6f}, {value - apart:.6f}\n- seeds: 1, 2\n"
        f"- parent: {parent.hash[:12]}\n- training: 300.1 s\n- in all: 341.8 s\n"
        f"- tokens: {rng.uniform(380, 520):.1f} M\n- steps: {rng.randrange(700, 990)}\n"
        f"- mfu: {rng.uniform(35, 45):.1f} %\n- curve: {write_curve(points)}"
    )


def _measured(parent: float, race: Race, rng: random.Random) -> float:
    """The closer to what is within reach, the smaller the steps; now and then one is much worse."""
    left = max((parent - race.start) / WITHIN_REACH + 1, 0.15)
    worse = rng.expovariate(1 / 0.008) if rng.random() < 0.15 else 0.0
    return parent + rng.gauss(0.001, STEP) * left + worse


def _edit(text: str, rng: random.Random, number: int) -> tuple[str, str]:
    """(what is tried in words, the changed train.py)."""
    words, constant, values = rng.choice(IDEAS)
    lines = [f"{constant} = {value}" for value in values]
    new = rng.choice([line for line in lines if line not in text] or lines)
    changed = re.sub(rf"^{constant} = [0-9.]+", new, text, count=1, flags=re.MULTILINE)
    words = f"{words}: {new}"
    return (
        words,
        changed
        if changed != text
        else f"{text}\n# try {number}: the same again, with another seed\n",
    )


def _experiment(
    parent: _Tried, text: str, words: str, agent: str
) -> tuple[list[tuple[int, bytes]], str]:
    """The objects of a commit that changes train.py, and its hash."""
    data = text.encode()
    names = sorted([*(path.name for path in LAB.glob("*.py"))])
    blobs = {name: data if name == "train.py" else (LAB / name).read_bytes() for name in names}
    top = tree(*((b"100644", name.encode(), oid(BLOB, blobs[name])) for name in names))
    author = f"{agent} <{agent}@swarm> 1790000000 +0000".encode()
    made = commit(
        oid(TREE, top),
        bytes.fromhex(parent.hash),
        author=author,
        message=f"{words}\n\nOne constant.\n".encode(),
    )
    return [(BLOB, data), (TREE, top), (COMMIT, made)], oid(COMMIT, made).hex()


def _push(lively: Lively, agent: str, objects: list[tuple[int, bytes]], *below: str) -> None:
    pusher = lively.agents[agent]
    bundle = bundled(objects, prerequisites=below)
    _made(pusher.hub.http.post("/api/git/push", content=bundle, headers=pusher.headers))


def _tell(
    lively: Lively,
    race: Race,
    agent: str,
    name: str,
    value: float | None,
    words: str,
    details: str = "",
) -> int:
    numbers = (
        "val_bpb:--- vram_gb:---"
        if value is None
        else f"val_bpb:{value:.6f} vram_gb:{race.memory_gb + value % 0.3:.1f}"
    )
    return _post(
        lively,
        agent,
        "results",
        f"commit:{name[:7]} platform:{race.platform} {numbers} track:{race.track} | "
        f"{words}{details}",
    )


def _verify(
    lively: Lively, race: Race, agent: str, name: str, value: float, post: int, rng: random.Random
) -> None:
    """Some gains are run again by somebody else; a few do not hold."""
    others = [other for other in race.agents if other != agent]
    if not others or rng.random() > 0.5:
        return
    again, holds = value + rng.gauss(0, 0.0006), rng.random() < 0.8
    verdict = (
        "reproduced"
        if holds
        else f"not reproduced ({again + 0.004:.6f} in the median, outside the noise of 0.0008)"
    )
    measured = again if holds else again + 0.004
    line = (
        f"verify commit:{name[:7]} platform:{race.platform} val_bpb:{measured:.6f} n:3 "
        f"track:{race.track} | {verdict}"
    )
    _post(lively, rng.choice(others), "results", line, post)


def _talk(lively: Lively) -> None:
    for number, (channel, text, replies) in enumerate(TALK):
        post = _post(lively, AGENTS[number % len(AGENTS)], channel, text)
        lively.threads += [post] * bool(replies)
        for reply_number, reply in enumerate(replies, number + 1):
            _post(lively, AGENTS[reply_number % len(AGENTS)], channel, reply, post)
    for agent, text in zip(AGENTS, CLAIMS, strict=False):
        _made(lively.agents[agent].post("/api/claims", {"text": text, "ttl_s": 7200}))


def _post(lively: Lively, agent: str, channel: str, text: str, parent: int | None = None) -> int:
    answer = _made(
        lively.agents[agent].post(
            f"/api/channels/{channel}/posts", {"content": text, "parent_id": parent}
        )
    )
    lively.posts.append(int(answer["id"]))
    return lively.posts[-1]


def _made(answer: Any) -> Any:
    assert answer.status_code == 201, answer.text
    return answer.json()
