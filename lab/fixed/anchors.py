"""What to compare a score with: a static token trigram."""

import numpy as np

TRIGRAM_TOKENS = 20_000_000  # training tokens that the trigram is counted on


def trigram_bpb(train, rows, tokenizer):
    """Bits per byte of a static token trigram."""
    bits, size = trigram_bits(train, rows, tokenizer)
    return float(bits.sum() / size.sum())


def trigram_bits(train, rows, tokenizer):
    """(bits, bytes) of each row (N,) under a static token trigram, counted on the first
    TRIGRAM_TOKENS training tokens.

    Interpolated with Witten-Bell weights and normalised. With n(h) occurrences of a history h and
    d(h) different tokens after it, p(c|h) = (n(hc) + d(h) p(c|h')) / (n(h) + d(h)), where h' is one
    token shorter, down to p(c) = (n(c) + 1) / (N + V). A history never reaches behind a BOS."""
    V, bos = tokenizer.vocab_size, tokenizer.bos
    stream = train[:TRIGRAM_TOKENS].astype(np.int64)
    a, b, c = stream[:-2], stream[1:-1], stream[2:]
    a = np.where(b == bos, bos, a)
    grid = rows.astype(np.int64)
    before = np.full_like(grid[:, :-1], bos)
    before[:, 1:] = np.where(grid[:, 1:-1] == bos, bos, grid[:, :-2])
    x, y, z = before.ravel(), grid[:, :-1].ravel(), grid[:, 1:].ravel()
    singles = np.bincount(stream, minlength=V)
    p = (singles[z] + 1) / (len(stream) + V)
    for history, asked in ((b, y), (a * V + b, x * V + y)):
        followed, count = np.unique(history * V + c, return_counts=True)
        contexts, first, times = np.unique(followed // V, return_index=True, return_counts=True)
        totals = np.add.reduceat(count, first)
        n, d = look_up(contexts, totals, asked), look_up(contexts, times, asked)
        seen = look_up(followed, count, asked * V + z)
        p = np.where(n > 0, (seen + d * p) / np.maximum(n + d, 1), p)
    size = tokenizer.token_bytes.numpy()[z]
    bits = -np.log2(p) * (size > 0)
    return tuple(each.reshape(len(rows), -1).sum(axis=1) for each in (bits, size))


def look_up(keys, values, asked):
    """values where asked is among the sorted keys, else 0."""
    at = np.minimum(np.searchsorted(keys, asked), len(keys) - 1)
    return np.where(keys[at] == asked, values[at], 0)
