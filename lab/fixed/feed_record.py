"""The record of a run: which stream of batches it got, and at which moment of its budget each.

A few kilobytes of JSON. With the commit it makes a second run the same run: the seed gives the
batches, `elapsed_ms` the progress that the schedules saw. What a record says of another's run is
untrusted. Leaves to others: handing the batches out (feeder).
"""

import base64
import json
import os
import platform
import zlib
from dataclasses import asdict, dataclass, field
from importlib import metadata

import numpy as np

from fixed.errors import PrepareError

FORMAT = "autoresearch-feed-1"
MOST_BATCHES = 2**20  # of a record that can be replayed
MOST_BYTES = 2**22  # of a file
# what decides which batches come
SAME = ("track", "seed", "rows", "seq_len", "grace_s")


@dataclass
class Record:
    """`elapsed_ms` of each batch when it was handed out, and of the end (None: never asked for)."""

    track: str
    budget_s: float
    seed: int
    rows: int
    seq_len: int
    grace_s: float
    threads: int
    device: str
    versions: dict
    batches: int = 0
    ended_ms: int | None = None
    elapsed_ms: list = field(default_factory=list)

    @classmethod
    def begin(cls, track, seed, rows, seq_len, grace_s, threads, device):
        stream = (track.id, track.budget_s, seed, rows, seq_len, grace_s)
        return cls(*stream, threads, device, read_versions())

    def add(self, elapsed_ms):
        self.batches += 1
        if self.batches <= MOST_BATCHES:
            self.elapsed_ms.append(elapsed_ms)

    @property
    def last_ms(self):
        """When the stream ended, or its last batch went out."""
        return self.ended_ms if self.ended_ms is not None else (self.elapsed_ms or [0])[-1]

    def differences(self, other):
        """What of the stream is not the same, in words; "" where all of it is."""
        pairs = ((name, getattr(self, name), getattr(other, name)) for name in SAME)
        changed = (f"{name} {own} instead of {its}" for name, own, its in pairs if own != its)
        return ", ".join(changed)


def read_versions():
    """Of what computes: a replay on others may differ."""
    packages = {name: metadata.version(name) for name in ("torch", "numpy")}
    return {"python": platform.python_version(), **packages, "machine": platform.machine()}


def pack_moments(elapsed_ms):
    """Differences of whole milliseconds compress to about a byte a batch."""
    steps = np.diff(np.array(elapsed_ms, np.int64), prepend=0).astype("<u4")
    return base64.b64encode(zlib.compress(steps.tobytes(), 9)).decode()


def unpack_moments(text):
    unpacker = zlib.decompressobj()
    data = unpacker.decompress(base64.b64decode(text, validate=True), 4 * MOST_BATCHES + 1)
    if len(data) % 4 or len(data) > 4 * MOST_BATCHES:
        raise ValueError("its moments are no list of milliseconds")
    return np.cumsum(np.frombuffer(data, "<u4").astype(np.int64)).tolist()


def write_record(path, record):
    """Whole or not at all."""
    about = {"format": FORMAT} | asdict(record)
    about["elapsed_ms"] = pack_moments(record.elapsed_ms)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(json.dumps(about, indent=1) + "\n", "utf-8")
    os.replace(temporary, path)


def read_record(path):
    """PrepareError for what is no record that can be replayed."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"it is larger than {MOST_BYTES:,} bytes")
        about = json.loads(path.read_text("utf-8"))
        if about.pop("format") != FORMAT:
            raise ValueError(f"its format is not {FORMAT}")
        record = Record(**(about | {"elapsed_ms": unpack_moments(about["elapsed_ms"])}))
        if record.batches != len(record.elapsed_ms):
            raise ValueError(f"it names {len(record.elapsed_ms)} of {record.batches} batches")
        return record
    except (OSError, ValueError, TypeError, KeyError, AttributeError, zlib.error) as error:
        raise PrepareError(f"{path} is no record of a run ({error})") from error
