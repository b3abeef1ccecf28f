"""Byte-pair encoding and plain bytes."""

import base64
import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from fixed.errors import PrepareError
from fixed.tracks import load_track

# the last four ids of every vocabulary
SPECIALS = ("<|bos|>", "<|reserved_1|>", "<|reserved_2|>", "<|reserved_3|>")
BYTE_VOCAB = 256 + len(SPECIALS)  # this size is byte-level: no merges, nothing to train
MAX_VOCAB = 2**16  # ids are stored as uint16
# The GPT-4 pattern with numbers in groups of at most two: a small vocabulary has better uses than
# 1,000 three-digit numbers.
PATTERN = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,2}"
    r"| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"
)


class Tokenizer:
    """Byte-pair encoding, or plain bytes. The last four ids are special, all others are bytes."""

    def __init__(self, ranks, pattern, track=None):
        import tiktoken

        self.track = track
        self.pattern, self.vocab_size = pattern, len(ranks) + len(SPECIALS)
        self.specials = {name: len(ranks) + i for i, name in enumerate(SPECIALS)}
        self.bos = self.specials[SPECIALS[0]]
        self.bytes_of = [piece for piece, _ in sorted(ranks.items(), key=lambda item: item[1])]
        # from the bytes themselves: as decoded text, half a character would count as the three
        # bytes of U+FFFD
        self.token_bytes = torch.tensor(
            [len(piece) for piece in self.bytes_of] + [0] * len(SPECIALS)
        )
        self.encoding = tiktoken.Encoding(
            "lab", pat_str=pattern, mergeable_ranks=ranks, special_tokens=self.specials
        )

    @classmethod
    def train(cls, texts, vocab_size):
        """From an iterator of texts. Smaller than asked where the text offers too few merges."""
        if vocab_size == BYTE_VOCAB:
            return cls({bytes([b]): b for b in range(256)}, PATTERN)
        import rustbpe

        trainer = rustbpe.Tokenizer()
        trainer.train_from_iterator(texts, vocab_size - len(SPECIALS), pattern=PATTERN)
        return cls({bytes(piece): rank for piece, rank in trainer.get_mergeable_ranks()}, PATTERN)

    @classmethod
    def load(cls, track):
        return cls.read(track.folder / "tokenizer.json", track)

    @classmethod
    def from_directory(cls):
        """Of the track that load_track() finds."""
        return cls.load(load_track())

    @classmethod
    def read(cls, path, track=None):
        try:
            stored = json.loads(path.read_text("utf-8"))
            ranks = {base64.b64decode(piece): rank for rank, piece in enumerate(stored["tokens"])}
            is_whole = len(ranks) == len(stored["tokens"])
            if stored["format"] != "autoresearch-tokenizer-1" or not is_whole:
                raise ValueError("unknown format or a token twice")
            return cls(ranks, stored["pattern"], track)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise PrepareError(
                f"{path} is no tokenizer of ours ({error}); run prepare.py again"
            ) from error

    def to_json(self):
        tokens = [base64.b64encode(piece).decode() for piece in self.bytes_of]
        return {
            "format": "autoresearch-tokenizer-1",
            "pattern": self.pattern,
            "specials": SPECIALS,
            "tokens": tokens,
        }

    def get_vocab_size(self):
        return self.vocab_size

    def get_bos_token_id(self):
        return self.bos

    def encode(self, text, prepend=None, num_threads=8):
        """list[int] of a text, a list of those of a list; names of special tokens in it are text.

        No BOS, unless `prepend` is one: an id, or the name of a special token."""
        if not isinstance(text, str):
            with ThreadPoolExecutor(num_threads) as pool:
                return list(pool.map(lambda one: self.encode(one, prepend), text))
        ids = self.encode_array(text).tolist()
        return ids if prepend is None else [self.specials.get(prepend, prepend), *ids]

    def encode_array(self, text):
        if self.vocab_size == BYTE_VOCAB:
            return np.frombuffer(text.encode("utf-8"), np.uint8).astype(np.uint16)
        return self.encoding.encode_to_numpy(text, disallowed_special=()).astype(np.uint16)

    def decode_bytes(self, ids):
        return b"".join(self.bytes_of[i] for i in ids if i < len(self.bytes_of))

    def decode(self, ids):
        return self.decode_bytes(ids).decode("utf-8", errors="replace")
