"""The record of a run: small in a post, checked when it comes from strangers; what a replay
says."""

from __future__ import annotations

import base64
import json
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoresearch.errors import BadInput
from autoresearch.researcher.judging.values import Measurement
from autoresearch.researcher.run_record import (
    BATCHES_MAX,
    FedStream,
    RunRecord,
    attach_record,
    decode_record,
    describe_processor,
    hash_weights,
    read_attached,
)
from autoresearch.researcher.verify.replay import (
    Replay,
    find_contradiction,
    find_obstacle,
    judge_replay,
    read_own_versions,
)
from autoresearch.resultline import read_lines

OURS, OTHER = "a" * 64, "b" * 64


def pack(steps: list[int]) -> str:
    return base64.b64encode(zlib.compress(struct.pack(f"<{len(steps)}I", *steps))).decode()


def stream(steps: list[int], **changes: Any) -> FedStream:
    about: dict[str, Any] = {
        "format": "autoresearch-feed-1", "track": "t", "budget_s": 60.0, "seed": 3, "rows": 16,
        "seq_len": 256, "grace_s": 0.0, "threads": 2, "device": "cpu",
        "versions": read_own_versions(), "batches": len(steps), "ended_ms": 60_050,
        "elapsed_ms": pack(steps),
    }  # fmt: skip
    return FedStream(**(about | changes))


def record(steps: list[int] | None = None, **changes: Any) -> RunRecord:
    fed = stream([0] + [190] * 300 if steps is None else steps, **changes)
    return RunRecord(fed, OURS, 1.7, describe_processor())


@given(st.lists(st.integers(1, 40), min_size=1, max_size=900))
def test_a_record_travels_in_a_post(steps: list[int]) -> None:
    """It is read as it was attached, and no line of it passes for a result."""
    sent = record([0, *steps], ended_ms=70_000)
    post = f"commit:abcdef1 platform:x val_bpb:1 vram_gb:1 | x\n\n- more\n{attach_record(sent)}\n"

    assert read_attached(post) == sent
    assert len(read_lines(post)) == 1


def test_a_first_batch_may_be_late() -> None:
    """A busy machine takes a few milliseconds between starting the clock and reading it."""
    late = record([4] + [190] * 300)

    assert decode_record(msgspec.json.encode(late)) == late


def test_a_long_runs_record_is_a_few_kilobytes() -> None:
    """And one that would fill a post is left out."""
    assert len(attach_record(record())) < 1500
    noise = [0] + [int.from_bytes(os.urandom(2), "little") for _ in range(20_000)]
    assert attach_record(record(noise)) == ""


def test_another_record_under_a_hash_is_refused() -> None:
    """What the details name is what is read."""
    text = attach_record(record())
    swapped = attach_record(record(seed=4)).split("\n", 1)[0] + "\n" + text.split("\n", 1)[1]

    assert read_attached("nothing here") is None
    with pytest.raises(BadInput, match="not the one whose hash"):
        read_attached(swapped)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"batches": 5}, "names 301 of 5 batches"),
        ({"elapsed_ms": pack([0] + [400] * 300)}, "go on to 120000 ms of a budget of 60000 ms"),
        ({"ended_ms": 500}, "ends before its budget"),
        ({"elapsed_ms": "!"}, "cannot be unpacked"),
        ({"elapsed_ms": base64.b64encode(zlib.compress(b"123")).decode()}, "no list"),
        ({"elapsed_ms": pack([0] * (BATCHES_MAX + 1))}, "unpacks to more than"),
        ({"threads": 10**6}, "cannot be read"),
        ({"budget_s": -1.0}, "cannot be read"),
        ({"format": "autoresearch-feed-9"}, "cannot be read"),
    ],
)
def test_a_record_that_no_run_can_have_left_is_refused(changes: dict[str, Any], why: str) -> None:
    """Bombs, time beside the budget, other counts, other formats."""
    with pytest.raises(BadInput, match=why):
        decode_record(msgspec.json.encode(record(**changes)))


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_nonsense_is_told_as_that(data: bytes) -> None:
    """No text of a stranger ends a verifier."""
    with pytest.raises(BadInput):
        decode_record(data)
    packed = base64.b64encode(data).decode()
    with pytest.raises(BadInput):
        read_attached(f"- record: sha256 {OURS}\n\n```replay\n{packed or 'A'}\n```")


def test_the_hash_is_of_weights_alone(tmp_path: Path) -> None:
    """What the file says of its run does not count; every tensor's name, form and bytes do."""

    def saved(run: str, data: bytes, dtype: str = "F32") -> str:
        tensor = {"dtype": dtype, "shape": [1], "data_offsets": [0, 4]}
        header = json.dumps({"__metadata__": {"run": run}, "w": tensor}).encode()
        file = tmp_path / "w.safetensors"
        file.write_bytes(struct.pack("<Q", len(header)) + header + data)
        return hash_weights(file)

    assert saved("a", b"1234") == saved("b", b"1234") != saved("a", b"1235")
    assert saved("a", b"1234", "I32") != saved("a", b"1234")


def test_a_checkpoint_that_is_none_has_no_hash(tmp_path: Path) -> None:
    """A pipe, a folder, a link, nonsense, headers of 2^60 bytes or 10^6 levels: the runner neither
    waits nor fails."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("/etc/hostname")
    (tmp_path / "words").write_bytes(b"no tensors here at all")
    (tmp_path / "long").write_bytes(struct.pack("<Q", 2**60) + b"{}")
    deep = b'{"a":' + b"[" * 10**6 + b"]" * 10**6 + b"}"
    (tmp_path / "deep").write_bytes(struct.pack("<Q", len(deep)) + deep)

    names = ("pipe", "folder", "link", "words", "long", "deep", "nothing")
    assert [hash_weights(tmp_path / name) for name in names] == [""] * 7


def replay(value: float | None, weights: str = OURS, seconds: float = 60.0) -> Replay:
    run = Measurement("ok" if value else "failed", "no memory", 3, value=value)
    return Replay(run, weights, seconds)


@pytest.mark.parametrize(
    ("claimed", "replays", "outcome"),
    [
        (1.7, [replay(1.7)], "replayed"),
        (1.701, [replay(1.7)], "replayed"),  # too modest: the mean of several runs
        (1.6995, [replay(1.7)], "differs"),  # equal weights are no chance
        (1.7, [replay(None)], "cannot"),
        (1.7, [replay(1.7, seconds=600)], "cannot"),  # nobody trains ten times as fast
        (1.7, [replay(1.7003, OTHER)], "replayed"),  # within the bound of rounding
        (1.7, [replay(1.7005, OTHER)], "again"),
        (1.7, [replay(1.7005, OTHER), replay(1.7005, OTHER)], "differs"),
        (1.7, [replay(1.7005, OTHER), replay(1.7006, "c" * 64)], "cannot"),
    ],
)
def test_what_replays_say(claimed: float, replays: list[Replay], outcome: str) -> None:
    """Equal weights decide at once; others need code that repeats itself here."""
    found = judge_replay(claimed, record(), tuple(replays))

    assert found.outcome == outcome, found


def test_on_another_processor_only_equal_weights_decide() -> None:
    """Other weights there may be honest."""
    elsewhere = msgspec.structs.replace(record(), processor="another")

    assert judge_replay(1.7, elsewhere, (replay(1.7),)).outcome == "replayed"
    assert judge_replay(1.7, elsewhere, (replay(1.8),)).outcome == "differs"
    assert judge_replay(1.7, elsewhere, (replay(1.8, OTHER),)).outcome == "cannot"


def test_a_claim_is_held_against_its_own_record_first() -> None:
    """Either direction of a metric; six decimals are enough."""
    assert find_contradiction(1.7, record(), "min") == ""
    assert find_contradiction(1.8, record(), "min") == ""
    assert "scored 1.700000" in find_contradiction(1.6995, record(), "min")
    assert "scored 1.700000" in find_contradiction(1.8, record(), "max")


def test_what_a_machine_cannot_repeat_is_named() -> None:
    """Track, device and versions; the Python does not count."""
    own = read_own_versions()

    assert find_obstacle(record(), "t", own) == ""
    assert "torch is 9 here" in find_obstacle(record(), "t", own | {"torch": "9"})
