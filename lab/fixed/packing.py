"""Tokens into rows: of the training text in random order, of the validation text frozen."""

from bisect import bisect_right, insort

import numpy as np

from fixed.environment import feed, validation
from fixed.errors import PrepareError

PIECES = 1024  # pieces the packer chooses from
BLOCK_ROWS = 512  # rows shuffled among each other before they are handed out


def read_tokens(folder, split):
    """(tokens uint16 memory-mapped, starts int64 of the documents' BOS and the end)"""
    if split != "train" and validation():
        raise PrepareError(
            "the validation text is hidden from this run; only the harness reads it, when it scores"
        )
    if feed():
        raise PrepareError(
            "the training text is not here: this run gets its batches from make_dataloader"
        )
    starts = np.fromfile(folder / f"{split}.idx", np.uint64).astype(np.int64)
    # a plain view: slicing it is much faster
    tokens = np.asarray(np.memmap(folder / f"{split}.bin", np.uint16, "r"))
    if starts[-1] != len(tokens):
        raise PrepareError(f"{folder / split}.bin and .idx disagree; run prepare.py again")
    return tokens, starts


def pieces_of(starts, seq_len):
    """(first, length) int64: documents cut into pieces of seq_len tokens and a rest, none lost."""
    first, end = starts[:-1] + 1, starts[1:]  # without the BOS
    counts = -(-(end - first) // seq_len)
    which = np.repeat(np.arange(len(first)), counts)
    number = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    begin = first[which] + number * seq_len
    return begin, np.minimum(end[which] - begin, seq_len)


def pack_evaluation(tokens, starts, seq_len, bos):
    """Frozen rows (N, seq_len + 1) uint16: BOS + piece, as many as fit (best fit, longest first),
    then BOS to the end.

    Inputs are row[:-1], targets row[1:]. Every piece follows a BOS, so each of its tokens is a
    target exactly once."""
    begin, length = pieces_of(starts, seq_len)
    rows, free = [], [[] for _ in range(seq_len + 2)]  # free[k]: rows with k places left
    rooms = []  # the k with a row, sorted
    for piece in np.argsort(-length, kind="stable"):
        need = int(length[piece]) + 1
        at = bisect_right(rooms, need - 1)
        if at == len(rooms):
            row, room = len(rows), seq_len + 1
            rows.append([])
        else:
            room = rooms[at]
            row = free[room].pop()
            if not free[room]:
                rooms.pop(at)
        rows[row].append(int(piece))
        left = room - need
        if left > 1:
            if not free[left]:
                insort(rooms, left)
            free[left].append(row)
    packed = np.full((len(rows), seq_len + 1), bos, np.uint16)
    for row, pieces in zip(packed, rows, strict=True):
        at = 1
        for piece in pieces:
            n = int(length[piece])
            row[at : at + n] = tokens[begin[piece] : begin[piece] + n]
            at += n + 1
    return packed


def pack_texts(texts, tokenizer, seq_len):
    """Frozen rows of texts."""
    documents = [
        np.concatenate(([tokenizer.bos], tokenizer.encode_array(text))).astype(np.uint16)
        for text in texts
    ]
    starts = np.cumsum([0, *map(len, documents)])
    return pack_evaluation(np.concatenate(documents), starts, seq_len, tokenizer.bos)


def packed_rows(track, bos, batch_rows, seed, seq_len=None):
    """For ever: (uint16 (batch_rows, seq_len + 1), epoch as a float)."""
    waiting = []
    for rows, epoch in packed_blocks(track, bos, seed, seq_len or track.seq_len):
        waiting.append(rows)
        if sum(map(len, waiting)) < batch_rows:
            continue
        joined = waiting[0] if len(waiting) == 1 else np.concatenate(waiting)
        for at in range(0, len(joined) - batch_rows + 1, batch_rows):
            yield joined[at : at + batch_rows], epoch
        rest = len(joined) % batch_rows
        waiting = [joined[len(joined) - rest :]] if rest else []


def packed_blocks(track, bos, seed, seq_len):
    """For ever: (uint16 array (BLOCK_ROWS, seq_len + 1) of packed rows in random order, epoch).

    Documents are cut into pieces that fill a row and a rest; the pieces of an epoch are shuffled.
    A row takes the longest piece that fits, found by bisection in a sorted window of PIECES pieces,
    until nothing fits. Then the longest is cut; its rest continues in a later row after a BOS."""
    tokens, starts = read_tokens(track.folder, "train")
    begin, length = pieces_of(starts, seq_len)
    window, width = [], seq_len + 1  # window: (tokens, first) in order
    epoch, order, at = 0, [], 0
    while True:
        rows = np.empty((BLOCK_ROWS, width), np.uint16)
        for row in rows:
            column = 0
            while column < width:
                while len(window) < PIECES:
                    if at == len(order):
                        order = np.random.default_rng([seed, epoch]).permutation(len(begin))
                        pairs = zip(length[order].tolist(), begin[order].tolist(), strict=True)
                        order = list(pairs)
                        epoch, at = epoch + 1, 0
                    if order[at][0] == width - 1 and not column:
                        break  # fills a row by itself: no need to look for a place
                    insort(window, order[at])
                    at += 1
                row[column] = bos
                room = width - column - 1
                if not column and at < len(order) and order[at][0] == room:
                    n, first = order[at]
                    at += 1
                elif room:
                    fitting = bisect_right(window, (room, len(tokens)))
                    n, first = window.pop(fitting - 1)
                    if n > room:
                        insort(window, (n - room, first + room))
                        n = room
                else:
                    break  # a last place: the BOS alone says that a document ended
                row[column + 1 : column + 1 + n] = tokens[first : first + n]
                column += n + 1
        np.random.default_rng([seed, epoch, at]).shuffle(rows)
        yield rows, epoch - 1 + at / max(len(order), 1)
