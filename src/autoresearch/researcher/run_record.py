"""What makes a run repeatable: the feeder's record of it, and what came out, weights and score.

One small file beside a run's log; the same text travels in the post of a result. What a post
holds is untrusted, and read under limits. Leaves to others: feeding a run by a record (feeding),
what a replay proves (verify/replay).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import itertools
import math
import os
import platform
import re
import stat
import textwrap
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from autoresearch.errors import BadInput
from autoresearch.files import replace_file
from autoresearch.researcher.feeding import RECORD

RUN_RECORD, CHECKPOINT = "replay.json", "checkpoint.safetensors"
TEXT_MAX = 20_000  # characters in a post, which has 32 KB for everything
JSON_MAX = 2**18  # bytes of one that is unpacked
BATCHES_MAX = 2**16
HEADER_MAX = 2**24  # bytes before the weights
END_SHARE = 0.5  # of the budget: slow steps end long before it
CPUS = Path("/proc/cpuinfo")
_ATTACHED = re.compile(
    r"^- record: sha256 ([0-9a-f]{64})\n\n```replay\n([A-Za-z0-9+/=\n]+)\n```", re.M | re.A
)

Word = Annotated[str, Meta(max_length=128)]
Count = Annotated[int, Meta(ge=1, le=2**20)]


class FedStream(Struct, frozen=True):
    """The feeder's own file: which batches a run got, and `elapsed_ms` of each, packed."""

    format: Literal["autoresearch-feed-1"]
    track: Word
    budget_s: Annotated[float, Meta(gt=0, lt=1e7)]
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    rows: Count
    seq_len: Count
    grace_s: Annotated[float, Meta(ge=0, lt=1e7)]
    threads: Annotated[int, Meta(ge=1, le=1024)]
    device: Word
    versions: dict[Word, Word]
    batches: Annotated[int, Meta(ge=1, le=BATCHES_MAX)]
    ended_ms: int | None
    elapsed_ms: str

    @property
    def tokens(self) -> int:
        return self.batches * self.rows * self.seq_len


class RunRecord(Struct, frozen=True):
    """A run's stream, and what came of it: the hash of the saved weights, the judged score."""

    stream: FedStream
    weights_sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    score: float
    processor: Word


# ------------------------------------------------------------------------------------ writing


def write_run_record(folder: Path, weights_sha256: str, score: float | None) -> None:
    """Put the feeder's record and what came out into one file beside the log; nothing where a run
    was not fed or left no weights."""
    try:
        stream = msgspec.json.decode((folder / RECORD).read_bytes(), type=FedStream)
    except (OSError, msgspec.MsgspecError, RecursionError):
        return
    if weights_sha256 and score is not None:
        record = RunRecord(stream, weights_sha256, score, describe_processor())
        replace_file(folder / RUN_RECORD, msgspec.json.encode(record))


def hash_weights(file: Path) -> str:
    """SHA-256 of the tensors in a safetensors file, without what the file says of its run; "" for
    anything else. A run wrote it: it may be a link, a pipe or nonsense."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return ""
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return ""
    with os.fdopen(descriptor, "rb") as opened:
        size = int.from_bytes(opened.read(8), "little")
        header = opened.read(size) if size <= HEADER_MAX else b""
        try:
            tensors = msgspec.json.decode(header, type=dict[str, msgspec.Raw])
        except (msgspec.MsgspecError, RecursionError):
            return ""
        tensors.pop("__metadata__", None)
        digest = hashlib.sha256(repr(sorted((n, bytes(t)) for n, t in tensors.items())).encode())
        while piece := opened.read(2**20):
            digest.update(piece)
    return digest.hexdigest()


def describe_processor() -> str:
    """What decides which kernels a processor runs, as one word of two parts; "" where nobody says.

    Libraries choose code by family, model, stepping and flags, and block sizes by the caches."""
    text = CPUS.read_text("utf-8", "replace") if CPUS.exists() else platform.processor()
    names = ("vendor_id", "cpu family", "model", "stepping", "cache size", "flags", "Features")
    found = [re.search(rf"^{name}\s*:(.*)$", text, re.M) for name in names]
    words = [" ".join(sorted(match[1].split())) for match in found if match]
    digest = hashlib.sha256("\n".join(words or [text]).encode()).hexdigest()[:16]
    return f"{digest} {'-'.join(platform.libc_ver())}"


# ------------------------------------------------------------------------------------ in a post


def attach_record(record: RunRecord) -> str:
    """Lines for a post: the hash among the details, the record beneath; "" where it is too long."""
    data = msgspec.json.encode(record)
    packed = base64.b64encode(zlib.compress(data, 9)).decode()
    if len(packed) > TEXT_MAX:
        return ""
    digest = hashlib.sha256(data).hexdigest()
    return f"- record: sha256 {digest}\n\n```replay\n{textwrap.fill(packed, 76)}\n```"


def read_attached(content: str) -> RunRecord | None:
    """The record in a post; None where there is none. BadInput says what is wrong with one."""
    found = _ATTACHED.search(content)
    if found is None:
        return None
    data = unpack(found[2].replace("\n", ""), JSON_MAX)
    if hashlib.sha256(data).hexdigest() != found[1]:
        raise BadInput("the record is not the one whose hash stands above it")
    return decode_record(data)


def decode_record(data: bytes) -> RunRecord:
    """A record from JSON, checked; BadInput for one that no run can have left."""
    try:
        record = msgspec.json.decode(data, type=RunRecord)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise BadInput(f"the record cannot be read ({error})") from error
    check_moments(record.stream)
    return record


def check_moments(stream: FedStream) -> None:
    """Time never runs back, and ends with the budget."""
    moments = read_moments(stream)
    allowed_ms = 1000 * (stream.budget_s + stream.grace_s)
    if len(moments) != stream.batches:
        raise BadInput(f"the record names {len(moments)} of {stream.batches} batches")
    if moments[-1] >= allowed_ms:
        raise BadInput(
            f"the record's batches go on to {moments[-1]} ms of a budget of {allowed_ms:.0f} ms"
        )
    # a loop with a clock of its own never asks for the end
    last_ms = moments[-1] if stream.ended_ms is None else stream.ended_ms
    if last_ms < END_SHARE * 1000 * stream.budget_s:
        raise BadInput("the record ends before its budget does, so no schedule reached its end")


def read_moments(stream: FedStream) -> Sequence[int]:
    """Milliseconds of each batch: sums of packed steps, which have no sign."""
    data = unpack(stream.elapsed_ms, 4 * BATCHES_MAX)
    if len(data) % 4:
        raise BadInput("the record's moments are no list of milliseconds")
    steps = (int.from_bytes(data[at : at + 4], "little") for at in range(0, len(data), 4))
    return list(itertools.accumulate(steps)) or [0]


def unpack(text: str, most: int) -> bytes:
    """What zlib and base64 packed, up to `most` bytes."""
    try:
        unpacker = zlib.decompressobj()
        data = unpacker.decompress(base64.b64decode(text, validate=True), most + 1)
    except (binascii.Error, ValueError, zlib.error) as error:
        raise BadInput(f"the record cannot be unpacked ({error})") from error
    if len(data) > most:
        raise BadInput(f"the record unpacks to more than {most:,} bytes")
    return data


# ------------------------------------------------------------------------------------ finding


def find_record(workspace: Path, logs: Sequence[str], direction: str = "min") -> RunRecord | None:
    """The record of the best of an experiment's own runs. A result is the mean of its runs, so it
    claims no more than its best run reached."""
    found = [record for log in logs if (record := read_run_record((workspace / log).parent))]
    sign = 1 if direction == "min" else -1
    return min(found, key=lambda record: sign * record.score, default=None)


def read_run_record(folder: Path) -> RunRecord | None:
    """The record that a run of ours left; None where it left none, or one too long to replay."""
    try:
        record = decode_record((folder / RUN_RECORD).read_bytes())
    except (OSError, BadInput):
        return None
    return record if math.isfinite(record.score) else None
