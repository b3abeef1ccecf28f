"""A second hidden text, drawn when a checkpoint is scored: a model that knows the validation text
does worse on it.

For `stories` it is told anew, from a seed of that moment. For `pystd` it is a random half of the
rows of further files, which no run can read either. Leaves to others: what a difference means
(plausibility), making the rows of `pystd` (build)."""

import hashlib
import secrets
from dataclasses import dataclass

import numpy as np
import torch

from fixed.errors import PrepareError
from fixed.packing import pack_texts
from fixed.stories import Stories
from fixed.tracks import SECOND

FRESH_BYTES = 60_000  # of new stories


@dataclass(frozen=True)
class SecondText:
    """Rows (N, seq_len + 1), and in bits per byte of them either their exact entropy or what the
    static trigram scores."""

    rows: torch.Tensor
    entropy_bpb: float | None = None
    trigram_bpb: float | None = None


def draw_second(track, tokenizer, raw=None):
    """The second text of this scoring; without rows where a track has none. `raw`: the bytes of
    its file, where the folder does not have it."""
    if track.base == "stories":
        return tell_second(track, tokenizer)
    if "second" in track.manifest:
        return draw_rows(track, tokenizer, read_second(track, raw))
    return SecondText(torch.empty(0, track.seq_len + 1, dtype=torch.int64))


def tell_second(track, tokenizer):
    """New stories, and their exact entropy."""
    told = list(Stories().tell(secrets.token_hex(16), FRESH_BYTES))
    rows = pack_texts([text for text, _ in told], tokenizer, track.seq_len)
    bits, size = sum(bits for _, bits in told), sum(len(text.encode()) for text, _ in told)
    return SecondText(torch.from_numpy(rows.astype(np.int64)), entropy_bpb=bits / size)


def draw_rows(track, tokenizer, rows):
    """A half of the rows, chosen by the system's randomness."""
    chosen = secrets.SystemRandom().sample(range(len(rows)), len(rows) // 2)
    drawn = torch.from_numpy(rows[chosen].astype(np.int64))
    bits = np.array(track.manifest["second"]["trigram_bits"])[chosen].sum()
    size = int(tokenizer.token_bytes[drawn[:, 1:]].sum())
    return SecondText(drawn, trigram_bpb=float(bits) / size)


def read_second(track, raw=None):
    """(N, seq_len + 1) uint16, hashed again."""
    raw = (track.folder / SECOND).read_bytes() if raw is None else raw
    if hashlib.sha256(raw).hexdigest() != track.manifest["files"][SECOND]["sha256"]:
        raise PrepareError(
            f"the second text of {track.name} is damaged; run prepare.py --track {track.name}"
        )
    return np.frombuffer(raw, np.uint16).reshape(-1, track.seq_len + 1)
