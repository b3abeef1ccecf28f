"""Search/replace blocks: how a language model without tools says what to change.

They are parsed and applied strictly; nothing is guessed. Both read the answer once, line by line.

    DESCRIPTION: one line that becomes the commit message
    FILE: train.py
    <<<<<<< SEARCH
    lines exactly as they stand in the file
    =======
    lines to put in their place
    >>>>>>> REPLACE

A SEARCH part must occur in its file exactly once. An answer with one bad block changes nothing at
all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from autoresearch.errors import BadInput

SEARCH, MIDDLE, REPLACE = "<<<<<<< SEARCH", "=======", ">>>>>>> REPLACE"
OCCURRENCES_MAX = 10  # that are counted
# as reasoning models mark their thoughts in the text: each family has a tag of its own
THOUGHTS = re.compile(r"\s*(<(think|thinking|thought|reasoning|seed:think)>|\[THINK\])", re.I)
THOUGHTS_END = re.compile(r"</(think|thinking|thought|reasoning|seed:think)>|\[/THINK\]", re.I)
DESCRIPTION = re.compile(r"^DESCRIPTION:[ \t]*(?P<text>\S[^\n]*)$", re.M)


class BadEdit(BadInput):
    """The answer cannot be applied; the text tells the model what to mend."""


@dataclass(frozen=True, slots=True)
class EditBlock:
    file: str
    search: str
    replace: str


@dataclass(frozen=True, slots=True)
class ProposedEdit:
    description: str
    blocks: tuple[EditBlock, ...]


def parse_answer(answer: str) -> ProposedEdit:
    """The proposal in a model's answer; BadEdit where there is none, or where a block is cut or
    malformed."""
    answer = drop_reasoning(answer.replace("\r\n", "\n"))
    blocks = parse_blocks(answer.split("\n"))
    described = DESCRIPTION.search(answer)
    if not described:
        raise BadEdit("the line `DESCRIPTION: …` is missing")
    return ProposedEdit(described["text"].strip()[:200], blocks)


def parse_blocks(lines: Sequence[str]) -> tuple[EditBlock, ...]:
    """All blocks of a text; BadEdit where there is none, or where one is cut or malformed."""
    blocks = tuple(whole_blocks(lines))
    if not blocks:
        raise BadEdit(
            "the answer holds no complete block (FILE:, <<<<<<< SEARCH, =======, >>>>>>> REPLACE)"
        )
    opened = sum(line.startswith(SEARCH) for line in lines)
    if opened != len(blocks):
        raise BadEdit(f"{opened} blocks were begun, {len(blocks)} are whole; was the answer cut?")
    return blocks


def drop_reasoning(answer: str) -> str:
    """The answer after a model's thoughts, which hold drafts: what follows the last closing tag.
    BadEdit where the thoughts were never closed."""
    closed = list(THOUGHTS_END.finditer(answer))
    answer = answer[closed[-1].end() :] if closed else answer
    if THOUGHTS.match(answer):
        raise BadEdit("the answer ends in the middle of its reasoning")
    return answer


def whole_blocks(lines: Sequence[str]) -> Iterator[EditBlock]:
    """The blocks from their FILE line to their REPLACE line; one that is cut ends the search."""
    at = 0
    while at < len(lines):
        file, begin = file_name(lines[at]), at + 1
        if file and begin < len(lines) and lines[begin].startswith("```"):
            begin += 1
        if not file or not is_mark(lines, begin, SEARCH):
            at += 1
            continue
        middle = find_mark(lines, begin + 1, MIDDLE)
        end = find_mark(lines, middle + 1, REPLACE)
        if end == len(lines):
            return
        yield EditBlock(file, text_of(lines[begin + 1 : middle]), text_of(lines[middle + 1 : end]))
        at = end + 1


def file_name(line: str) -> str:
    """What a FILE line names, with or without backticks; empty where it is none."""
    name = line[len("FILE:") :].strip().removeprefix("`").removesuffix("`").strip()
    return name if line.startswith("FILE:") and "`" not in name else ""


def is_mark(lines: Sequence[str], at: int, mark: str) -> bool:
    return at < len(lines) and lines[at].rstrip(" \t") == mark


def find_mark(lines: Sequence[str], begin: int, mark: str) -> int:
    """The number of the next line that is `mark`, or that of the end."""
    return next((at for at in range(begin, len(lines)) if is_mark(lines, at, mark)), len(lines))


def text_of(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def apply_edit(proposal: ProposedEdit, files: Mapping[str, str]) -> dict[str, str]:
    """The changed files, all of them or (BadEdit) none. `files` holds the free files by name; no
    other may be named."""
    changed = dict(files)
    for number, block in enumerate(proposal.blocks, 1):
        changed[block.file] = apply_block(block, changed, number)
    if changed == dict(files):
        raise BadEdit("the blocks change nothing")
    return {name: text for name, text in changed.items() if text != files[name]}


def apply_block(block: EditBlock, files: Mapping[str, str], number: int) -> str:
    if block.file not in files:
        raise BadEdit(
            f"block {number} names {block.file!r}; only these files may change: "
            f"{', '.join(sorted(files))}"
        )
    if not block.search.strip():
        raise BadEdit(
            f"block {number}: SEARCH is empty; quote the lines that the replacement "
            "goes after, and repeat them in REPLACE"
        )
    text = files[block.file]
    found = list(islice(line_starts(text, block.search), OCCURRENCES_MAX))
    if len(found) != 1:
        times = f"{len(found)}{' or more' if len(found) == OCCURRENCES_MAX else ''}"
        raise BadEdit(
            f"block {number}: SEARCH occurs {times} times in {block.file}; "
            "its lines have to stand there exactly once, letter for letter"
        )
    return text[: found[0]] + block.replace + text[found[0] + len(block.search) :]


def line_starts(text: str, lines: str) -> Iterator[int]:
    """Where whole `lines` begin in a text."""
    text, lines = f"\n{text}", f"\n{lines}"
    at = text.find(lines)
    while at >= 0:
        yield at
        at = text.find(lines, at + 1)
