"""What compressors make of a track's validation text: more anchors beside the static trigram.

    python bench/anchors.py --track pystd

Each packs the training text and then the validation text, and counts what the second adds, in bits
per byte. Both go on learning while they read, which a model that is scored may not. PPMd needs
`pip install pyppmd`; without it, xz stands alone. Leaves to others: the trigram (prepare.py)."""

from __future__ import annotations

import argparse
import lzma
import os
from collections.abc import Callable

from experiments import LAB as LAB  # puts the lab on the path


def read_texts(track: str) -> tuple[bytes, bytes]:
    """The training and the validation text of a prepared track."""
    os.environ["AUTORESEARCH_TRACK"] = track
    import prepare
    from fixed.packing import read_tokens

    opened = prepare.load_track()
    tokenizer = prepare.Tokenizer.load(opened)
    print(f"{opened.id}: {prepare.anchor_line(opened)}")
    train, val = (
        tokenizer.decode_bytes(read_tokens(opened.folder, split)[0].tolist())
        for split in ("train", "val")
    )
    return train, val


def pack_xz(data: bytes) -> int:
    dictionary = {"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME}
    return len(lzma.compress(data, lzma.FORMAT_RAW, filters=[dictionary]))


def pack_ppmd(data: bytes) -> int:
    import pyppmd

    encoder = pyppmd.Ppmd7Encoder(12, 1 << 30)  # order, bytes of memory
    return len(encoder.encode(data)) + len(encoder.flush())


def added_bpb(pack: Callable[[bytes], int], train: bytes, val: bytes) -> float:
    return 8 * (pack(train + val) - pack(train)) / len(val)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--track", default="pystd", help="a prepared one; default pystd")
    train, val = read_texts(parser.parse_args().track)
    print(f"xz    {added_bpb(pack_xz, train, val):.4f} bits per byte", flush=True)
    try:
        print(f"PPMd  {added_bpb(pack_ppmd, train, val):.4f} bits per byte, order 12")
    except ImportError:
        print("PPMd  not here: pip install pyppmd")


if __name__ == "__main__":
    main()
