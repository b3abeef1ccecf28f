"""The track `pystd`: the source of the running Python's standard library.

Validation and second text are drawn from parts that no computation needs, so that every copy of
them can be masked where models train and are scored (masks)."""

import hashlib
import sysconfig
from collections import Counter
from pathlib import Path

from fixed.errors import PrepareError

VAL_BYTES, SECOND_BYTES = 400_000, 200_000  # at most; two thirds and one third of what there is
LEAST_BYTES = 300_000  # of parts that can be masked
FILE_CAP_BYTES = 60_000  # a larger file or family of near-duplicates is training text
# What neither Python nor torch, numpy or a program that trains a model on text imports: windows,
# mail and old protocols, tools for programmers. Everything of them is masked. Not among them: cgi
# and lib2to3, of which other packages hold copies under other names.
PARTS = frozenset(
    "aifc asynchat asyncore cgitb curses ensurepip ftplib idlelib imaplib mailbox mailcap "
    "modulefinder msilib nntplib poplib pyclbr smtpd smtplib sunau tabnanny telnetlib tkinter "
    "trace turtle turtledemo venv webbrowser wsgiref xmlrpc zipapp".split()
)
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

    def __init__(self, library=None):
        library = Path(library or sysconfig.get_path("stdlib"))
        files = dict(self.read(library))
        if sum(map(len, files.values())) < 2_000_000:
            raise PrepareError(
                f"the standard library in {library} has hardly any source; use --track stories"
            )
        val, second = choose_hidden(files, near_duplicates(files))
        order = sorted(files, key=path_hash)
        self.splits = {
            "train": [files[path] for path in order if path not in val | second],
            "val": [files[path] for path in order if path in val],
            "second": [files[path] for path in order if path in second],
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


def choose_hidden(files, families):
    """(paths of the validation text, of the second text): whole families of near-duplicates in
    the order of their hashes, of PARTS alone, none above the cap."""
    sizes = {path: len(files[path].encode()) for path in files if part_of(path) in PARTS}
    able = [f for f in families if sizes.keys() >= set(f)]
    able = [f for f in able if sum(map(sizes.get, f)) <= FILE_CAP_BYTES]
    total = sum(sizes[path] for family in able for path in family)
    if total < LEAST_BYTES:
        raise PrepareError(
            f"only {total:,} bytes of this Python's library can be hidden from the models, which "
            f"is less than {LEAST_BYTES:,}; use --track stories, or --track custom with your text"
        )
    able.sort(key=lambda family: path_hash(min(family)))
    val = take_families(able, sizes, min(VAL_BYTES, total * 2 // 3))
    rest = [family for family in able if not val & set(family)]
    return val, take_families(rest, sizes, min(SECOND_BYTES, total // 3))


def take_families(families, sizes, wanted_bytes):
    """The paths of families in order until there are enough bytes."""
    taken, size = set(), 0
    for family in families:
        if size >= wanted_bytes:
            break
        taken |= set(family)
        size += sum(map(sizes.get, family))
    return taken


def part_of(path):
    """The module or package of the library that a file belongs to."""
    return path.partition("/")[0].removesuffix(".py")


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
