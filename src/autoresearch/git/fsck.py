"""What a git object must be like to be let in: pure functions over its bytes, at least as strict
as `git fsck --strict` (git-fsck(1)).

Stricter on purpose, because what one agent pushes others check out on machines of every kind:

- symbolic links and submodules are refused, and so are annotated tags: a hub keeps files and
  commits
- names are UTF-8 of up to 255 bytes without control characters, backslashes and colons (NTFS
  streams)
- .git and .gitmodules are refused, and so is any disguise of what git reads (case, code points
  HFS+ ignores, trailing dots and spaces, 8.3 short names)
- file modes are 100644 and 100755

Whether the objects a commit or tree names exist is the store's to say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from autoresearch.errors import BadBundle

COMMIT, TREE, BLOB, TAG = 1, 2, 3, 4  # as in packs
KINDS = {COMMIT: "commit", TREE: "tree", BLOB: "blob", TAG: "tag"}

NAME_MAX_BYTES = 255
PARENTS_MAX = 64
# a page of a thousand commits stays below 64 MB whatever their messages
COMMIT_MAX_BYTES = 64 * 1024
ATTRIBUTES_LINE_MAX = 2047  # bytes; git refuses longer ones
REFUSED = frozenset({".git", ".gitmodules"})  # what git would act on
CHECKED = frozenset({".gitattributes", ".gitignore"})  # read by git: only under their own names
NULL = bytes(20)

_IDENT = rb"[^<>\n]* <[^<>\n]*> (?:0|[1-9][0-9]{0,14}) [+-][0-9]{4}"
_COMMIT = re.compile(
    rb"tree (?P<tree>[0-9a-f]{40})\n(?P<parents>(?:parent [0-9a-f]{40}\n)*)"
    rb"author (?P<author>%b)\ncommitter %b\n(?P<rest>(?:[^\n]+\n)*)\n" % (_IDENT, _IDENT)
)
_ENCODING = re.compile(rb"^encoding ([A-Za-z0-9_.:-]{1,40})$", re.MULTILINE)
_HEADER_TWICE = re.compile(rb"^(tree|parent|author|committer) ", re.MULTILINE)
# what nearly every name is like: nothing to look into
_PLAIN_NAME = re.compile(rb"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f/\\:]")
# Default_Ignorable and format characters: a superset of what HFS+ leaves out when it compares
# names
_IGNORED = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U000e0000-\U000e0fff]"
)
_SHORT_NAME = re.compile(r"(g\w{0,7})?~[0-9]")  # git~1, gitmod~1, gi7eba~1, ~1000000
MODES = {b"40000": TREE, b"100644": BLOB, b"100755": BLOB}


class Entry(NamedTuple):
    """One entry of a tree."""

    mode: bytes
    name: bytes
    oid: bytes

    @property
    def is_tree(self) -> bool:
        return self.mode == b"40000"


@dataclass(frozen=True, slots=True)
class CommitHeader:
    """What a commit points to, and its message. Object names are 20 bytes."""

    tree: bytes
    parents: tuple[bytes, ...]
    message: bytes
    encoding: str = ""  # of the message, where it is not UTF-8


def check_commit(data: bytes) -> CommitHeader:
    """Read a commit. Raises BadBundle where git's strict check would refuse it."""
    if len(data) > COMMIT_MAX_BYTES:
        raise BadBundle(f"a commit is larger than {COMMIT_MAX_BYTES} bytes; shorten its message")
    if b"\0" in data:
        raise BadBundle("a commit holds a NUL byte")
    found = _COMMIT.match(data)
    if found is None:
        raise BadBundle(f"a commit is malformed: {_what_is_wrong(data)}")
    if _HEADER_TWICE.search(found["rest"]):
        raise BadBundle("a commit is malformed: a header stands twice or in the wrong place")
    if found["author"].startswith(b"<"):
        raise BadBundle("a commit is malformed: no name before the e-mail address")
    parents = tuple(bytes.fromhex(line[7:47].decode()) for line in found["parents"].splitlines())
    if len(parents) > PARENTS_MAX:
        raise BadBundle(f"a commit has over {PARENTS_MAX} parents")
    encoding = _ENCODING.search(found["rest"])
    return CommitHeader(
        bytes.fromhex(found["tree"].decode()),
        parents,
        data[found.end() :],
        encoding[1].decode() if encoding else "",
    )


def _what_is_wrong(data: bytes) -> str:
    for name, pattern in (
        ("its tree", rb"tree [0-9a-f]{40}\n"),
        ("a parent", rb"(?:parent [0-9a-f]{40}\n)*(?!parent)"),
        ("its author (name <mail> seconds +zone)", rb"author %b\n" % _IDENT),
        ("its committer (name <mail> seconds +zone)", rb"committer %b\n" % _IDENT),
    ):
        found = re.match(pattern, data)
        if found is None:
            return name
        data = data[found.end() :]
    return "no blank line ends its header"


def check_tree(data: bytes) -> list[Entry]:
    """Read a tree. Raises BadBundle where git's strict check, or this project's policy, refuses an
    entry or their order."""
    entries = parse_tree(data)
    last = b""
    names: set[bytes] = set()
    for mode, name, oid in entries:
        _check_mode(mode, name)
        if not _PLAIN_NAME.fullmatch(name) or b"~" in name or name[:1] in b"gG":
            _check_name(name, mode)
        if oid == NULL:
            raise BadBundle(f"a tree gives {show_text(name)} the null hash")
        key = name + b"/" if mode == b"40000" else name
        if name in names:
            raise BadBundle(f"a tree has {show_text(name)} twice")
        if key <= last:
            raise BadBundle(f"a tree is not sorted at {show_text(name)}")
        names.add(name)
        last = key
    return entries


def parse_tree(data: bytes) -> list[Entry]:
    """The entries of a tree as they stand. Raises BadBundle where it cannot be read at all."""
    entries: list[Entry] = []
    at, end = 0, len(data)
    while at < end:
        space = data.find(b" ", at, at + 8)
        nul = data.find(b"\0", space + 1)
        if space < 0 or nul < 0 or nul + 21 > end:
            raise BadBundle("a tree is malformed: it ends within an entry")
        entries.append(Entry(data[at:space], data[space + 1 : nul], data[nul + 1 : nul + 21]))
        at = nul + 21
    return entries


def _check_mode(mode: bytes, name: bytes) -> None:
    if mode in MODES:
        return
    if mode == b"120000":
        raise BadBundle(
            f"{show_text(name)} is a symbolic link, which this hub does not take; "
            "commit the file itself"
        )
    if mode == b"160000":
        raise BadBundle(
            f"{show_text(name)} is a submodule, which this hub does not take; commit "
            "the files themselves"
        )
    raise BadBundle(
        f"{show_text(name)} has the mode {show_text(mode)}; a file has 100644 or 100755"
    )


def _check_name(name: bytes, mode: bytes) -> None:
    if len(name) > NAME_MAX_BYTES:
        raise BadBundle(f"{show_text(name[:40])}... has a name of over {NAME_MAX_BYTES} bytes")
    try:
        text = name.decode("utf-8")
    except UnicodeDecodeError:
        raise BadBundle(f"{show_text(name)} has a name that is not UTF-8; rename it") from None
    if text in ("", ".", "..") or _FORBIDDEN.search(text):
        raise BadBundle(f"{show_text(name)} is no name for a file")
    bare = _IGNORED.sub("", text).casefold().rstrip(" .")
    if bare in ("", ".", "..") or _SHORT_NAME.match(bare):
        raise BadBundle(f"{show_text(name)} is a disguise on some file systems; rename it")
    if bare in REFUSED or (bare in CHECKED and text != bare):
        raise BadBundle(f"{show_text(name)} is a name of git's own, or a disguise of one")
    if text == ".gitattributes" and mode == b"40000":
        raise BadBundle(".gitattributes is a directory; it must be a file")


def check_attributes(data: bytes) -> None:
    """Check a file that some tree calls .gitattributes."""
    if any(len(line) > ATTRIBUTES_LINE_MAX for line in data.split(b"\n")):
        raise BadBundle(f".gitattributes has a line of over {ATTRIBUTES_LINE_MAX} bytes")


def check_tag(data: bytes) -> None:
    """Annotated tags are not kept."""
    name = re.search(rb"^tag ([^\n]{1,80})$", data, re.MULTILINE)
    told = show_text(name[1]) if name else "one"
    raise BadBundle(f"annotated tags are not kept here ({told}); push the commit it names")


def show_text(text: bytes) -> str:
    """Bytes of strangers, fit for a sentence."""
    return repr(text.decode("utf-8", "backslashreplace")[:80])
