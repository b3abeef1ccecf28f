"""Search/replace blocks: how a language model without tools says what to change. Parsed and applied strictly; nothing is guessed.

    DESCRIPTION: one line that becomes the commit message
    FILE: train.py
    <<<<<<< SEARCH
    lines exactly as they stand in the file
    =======
    lines to put in their place
    >>>>>>> REPLACE

A SEARCH part must occur in its file exactly once. An answer with one bad block changes nothing at all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from autoresearch.errors import BadInput

BLOCK = re.compile(
    r"^FILE:[ \t]*`?(?P<file>[^\n`]+?)`?[ \t]*\n(?:```[^\n]*\n)?"
    r"<{7} SEARCH[ \t]*\n(?P<search>.*?)(?:^)={7}[ \t]*\n(?P<replace>.*?)(?:^)>{7} REPLACE[ \t]*$",
    re.S | re.M,
)
DESCRIPTION = re.compile(r"^DESCRIPTION:[ \t]*(?P<text>\S[^\n]*)$", re.M)


class BadEdit(BadInput):
    """The answer cannot be applied; the text tells the model what to mend."""


@dataclass(frozen=True, slots=True)
class Block:
    file: str
    search: str
    replace: str


@dataclass(frozen=True, slots=True)
class Proposal:
    description: str
    blocks: tuple[Block, ...]


def parse(answer: str) -> Proposal:
    """The proposal in a model's answer; BadEdit where there is none, or where a block is cut or malformed."""
    answer = answer.replace("\r\n", "\n")
    blocks = tuple(
        Block(m["file"].strip(), m["search"], m["replace"]) for m in BLOCK.finditer(answer)
    )
    if not blocks:
        raise BadEdit(
            "the answer holds no complete block (FILE:, <<<<<<< SEARCH, =======, >>>>>>> REPLACE)"
        )
    opened = len(re.findall(r"^<{7} SEARCH", answer, re.M))
    if opened != len(blocks):
        raise BadEdit(f"{opened} blocks were begun, {len(blocks)} are whole; was the answer cut?")
    described = DESCRIPTION.search(answer)
    if not described:
        raise BadEdit("the line `DESCRIPTION: …` is missing")
    return Proposal(described["text"].strip()[:200], blocks)


def apply(proposal: Proposal, files: Mapping[str, str]) -> dict[str, str]:
    """The changed files, all of them or (BadEdit) none. `files` holds the free files by name; no other may be named."""
    changed = dict(files)
    for number, block in enumerate(proposal.blocks, 1):
        changed[block.file] = applied(block, changed, number)
    if changed == dict(files):
        raise BadEdit("the blocks change nothing")
    return {name: text for name, text in changed.items() if text != files[name]}


def applied(block: Block, files: Mapping[str, str], number: int) -> str:
    if block.file not in files:
        raise BadEdit(
            f"block {number} names {block.file!r}; only these files may change: {', '.join(sorted(files))}"
        )
    if not block.search.strip():
        raise BadEdit(
            f"block {number}: SEARCH is empty; quote the lines that the replacement goes after, and repeat them in REPLACE"
        )
    text = files[block.file]
    found = [m.start() for m in re.finditer(f"(?m)^(?={re.escape(block.search)})", text)]
    if len(found) != 1:
        raise BadEdit(
            f"block {number}: SEARCH occurs {len(found)} times in {block.file}; "
            "its lines have to stand there exactly once, letter for letter"
        )
    return text[: found[0]] + block.replace + text[found[0] + len(block.search) :]
