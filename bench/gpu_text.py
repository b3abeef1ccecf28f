"""Text for bench/gpu.py where no network is: of this Python's packages, or carried along.

    python bench/gpu_text.py linux-source-6.1.tar.xz text.jsonl.xz --megabytes 20

packs a part of a source archive (Debian's package linux-source, say) into a file that travels.
Which documents are chosen depends on their names alone. Leaves to others: tokens and splits
(`prepare.py --track custom`)."""

from __future__ import annotations

import argparse
import hashlib
import json
import lzma
import sysconfig
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

ENDINGS = (".c", ".h", ".py", ".rst", ".S", ".txt")


def library_documents() -> Iterator[str]:
    """The Python sources of this interpreter's library and packages, in the order of a hash."""
    roots = {Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib")}
    files = {(file.relative_to(root), file) for root in roots for file in root.rglob("*.py")}
    for _, file in sorted(files, key=lambda pair: hash_name(pair[0].as_posix())):
        text = read_text(file.read_bytes())
        if text:
            yield text


def archive_documents(archive: Path) -> Iterator[str]:
    """The sources in a packed tar, in the order of a hash of their names."""
    with tarfile.open(archive) as tar:
        found = {
            member.name: read_text(file.read())
            for member in tar
            if member.name.endswith(ENDINGS) and (file := tar.extractfile(member))
        }
    for name in sorted(found, key=hash_name):
        if found[name]:
            yield found[name]


def hash_name(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()


def read_text(data: bytes) -> str:
    try:
        return data.decode("utf-8") if len(data) > 200 else ""
    except UnicodeDecodeError:
        return ""


def write_lines(documents: Iterable[str], target: Path, limit_bytes: int) -> int:
    """Documents as lines of JSON, up to the limit; the bytes of text."""
    size = 0
    with target.open("w", encoding="utf-8") as file:
        for text in documents:
            if size and size + len(text) > limit_bytes:
                break
            size += len(text)
            file.write(json.dumps({"text": text}) + "\n")
    return size


def pack_lines(documents: Iterable[str], target: Path, limit_bytes: int) -> int:
    """The same, packed to at most about the limit."""
    packer, written = lzma.LZMACompressor(preset=6), 0
    with target.open("wb") as file:
        for text in documents:
            written += file.write(packer.compress((json.dumps({"text": text}) + "\n").encode()))
            if written >= limit_bytes:
                break
        return written + file.write(packer.flush())


def open_documents(source: Path | None) -> Iterator[str]:
    """Of an archive, of packed lines, or of this Python's packages where there is no source."""
    if source is None:
        yield from library_documents()
    elif source.name.endswith(".jsonl.xz"):
        with lzma.open(source, "rt", encoding="utf-8") as lines:
            yield from (json.loads(line)["text"] for line in lines)
    else:
        yield from archive_documents(source)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", type=Path, help="a packed tar of sources")
    parser.add_argument("target", type=Path, help="the file to write, ending in .jsonl.xz")
    parser.add_argument("--megabytes", type=float, default=20.0, help="of the file; default 20")
    args = parser.parse_args()
    size = pack_lines(archive_documents(args.source), args.target, int(args.megabytes * 1e6))
    print(f"{args.target}: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
