"""The track `pystd`: the source of the running Python's standard library."""

import hashlib
import sysconfig
from collections import Counter
from pathlib import Path

from fixed.errors import PrepareError

VAL_BYTES = 600_000
FILE_CAP_BYTES = 60_000  # a larger file or family of near-duplicates is training text
# folders that are left out: tests, and what others installed
SKIPPED = {
    "test",
    "tests",
    "idle_test",
    "site-packages",
    "dist-packages",
    "__pycache__",
    "_bundled",
}


class Pystd:
    """The source of the running Python's standard library, tests left out, split by file."""

    eval_tokens = None

    def __init__(self):
        files = dict(self.read(Path(sysconfig.get_path("stdlib"))))
        if sum(map(len, files.values())) < 2_000_000:
            raise PrepareError(
                f"the standard library in {sysconfig.get_path('stdlib')} has hardly any source; "
                "use --track stories"
            )
        val = choose_validation(files, VAL_BYTES, FILE_CAP_BYTES)
        order = sorted(files, key=path_hash)
        self.splits = {
            "train": [files[path] for path in order if path not in val],
            "val": [files[path] for path in order if path in val],
        }
        self.fingerprint = {
            split: [hashlib.sha256(text.encode()).hexdigest() for text in texts]
            for split, texts in self.splits.items()
        }

    def read(self, root):
        """(path in the library, text) of what is the same wherever this Python is installed."""
        for path in sorted(root.rglob("*.py")):
            relative = path.relative_to(root)
            folders = set(relative.parts[:-1])
            if folders & SKIPPED:
                continue
            if path.name.startswith(("_sysconfigdata", "sitecustomize", "python-config")):
                continue  # of one machine
            try:
                text = path.read_bytes().decode("utf-8").replace("\r\n", "\n")
            except (OSError, UnicodeDecodeError):
                continue
            is_charmap = "encodings" in folders and "_table" in text and "charmap" in text
            if text.strip() and not is_charmap:
                yield relative.as_posix(), text

    def documents(self, split):
        yield from self.splits[split]


def path_hash(path):
    return hashlib.sha256(path.encode()).hexdigest()


def choose_validation(files, val_bytes, cap_bytes):
    """Paths of validation files: whole families of near-duplicates by hash, none above the cap."""
    families, size = near_duplicates(files), 0
    chosen = set()
    for family in sorted(families, key=lambda family: path_hash(min(family))):
        bytes_ = sum(len(files[path].encode()) for path in family)
        if size < val_bytes and bytes_ <= cap_bytes:
            chosen |= set(family)
            size += bytes_
    return chosen


def near_duplicates(files):
    """Groups of paths: two files belong together that share half of the smaller one's lines."""
    lines = {
        p: {line.strip() for line in text.splitlines() if len(line.strip()) > 20}
        for p, text in files.items()
    }
    holders = {}
    for path in sorted(lines):
        for line in lines[path]:
            holders.setdefault(line, []).append(path)
    shared = Counter()
    for paths in holders.values():
        if len(paths) <= 60:  # what more files share is a licence or an idiom
            shared.update((a, b) for i, a in enumerate(paths) for b in paths[i + 1 :])
    parent, first = {path: path for path in files}, {}

    def root(path):
        while parent[path] != path:
            path = parent[path]
        return path

    for (a, b), count in shared.items():
        if count >= 3 and count > min(len(lines[a]), len(lines[b])) / 2:
            parent[root(a)] = root(b)
    for path, text in files.items():  # the very same text, however short
        parent[root(path)] = root(first.setdefault(text, path))
    families = {}
    for path in files:
        families.setdefault(root(path), []).append(path)
    return list(families.values())
