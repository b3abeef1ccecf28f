"""Texts that strangers wrote, as HTML that cannot do anything: markdown without HTML, sanitised once more, and coloured diffs.

Sources: CommonMark with GFM tables (markdown-it-py); nh3 keeps only what ALLOWED names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import nh3
from markdown_it import MarkdownIt
from markupsafe import Markup, escape
from pygments import lex
from pygments.lexers import get_lexer_for_filename
from pygments.lexers.special import TextLexer
from pygments.token import STANDARD_TYPES
from pygments.util import ClassNotFound

ALLOWED = {
    "a", "p", "br", "hr", "em", "strong", "s", "code", "pre", "blockquote", "ul", "ol", "li", "h1", "h2", "h3", "h4", "h5", "h6",
    "table", "thead", "tbody", "tr", "th", "td", "div",
}  # fmt: skip
LINES_MAX = 1500  # of one file's diff
LINE_MAX = 400  # characters of a line; the rest is cut with a mark
COLOURED_MAX = 400  # lines of a diff that are coloured: colouring is what costs


@lru_cache(maxsize=1)
def _markdown() -> MarkdownIt:
    return (
        MarkdownIt("commonmark", {"html": False, "linkify": False, "maxNesting": 20})
        .enable(["table", "strikethrough"])
        .disable("image")
    )


@lru_cache(maxsize=512)
def rendered(text: str) -> Markup:
    """Markdown as safe HTML. Links are marked as strangers'; images are never loaded, only linked."""
    html = _markdown().render(text)
    clean = nh3.clean(
        html,
        tags=ALLOWED,
        attributes={"a": {"href"}, "th": {"align"}, "td": {"align"}, "ol": {"start"}},
        url_schemes={"http", "https", "mailto"},
        link_rel="nofollow ugc noopener noreferrer",
    )
    # wide tables scroll in a box of their own; tabindex, so that a keyboard can scroll them too
    boxed = clean.replace("<table>", '<div class="scroll" tabindex="0"><table>').replace("</table>", "</table></div>")
    return Markup(boxed.replace("<pre>", '<pre tabindex="0">'))  # cleaned on the line above


@dataclass(frozen=True)
class File:
    """One file of a diff. `rows` are (kind, text as safe HTML), kind being add, del, hunk or same."""

    name: str
    added: int
    removed: int
    rows: tuple[tuple[str, Markup], ...]
    cut: int = 0  # lines left out


def files_of(diff: str) -> list[File]:
    """A unified diff, file by file."""
    parts = re.split(r"^(?=diff --git )", diff, flags=re.MULTILINE)
    return [_file(part.splitlines()) for part in parts if part.startswith("diff --git ")]


def _file(lines: list[str]) -> File:
    name = _name(lines)
    start = next((i for i, line in enumerate(lines) if line.startswith("@@")), len(lines))
    notes = [line for line in lines[1:start] if not line.startswith(("index ", "--- ", "+++ "))]
    body = lines[start:]
    shown = body[:LINES_MAX]
    rows = tuple(("hunk", escape(note)) for note in notes) + tuple(_rows(name, shown))
    added = sum(line.startswith("+") for line in body)
    return File(name, added, sum(line.startswith("-") for line in body), rows, len(body) - len(shown))


def _name(lines: list[str]) -> str:
    for line in lines:
        if line.startswith("+++ b/"):
            return line[6:].rstrip("\t")
    return lines[0].removeprefix("diff --git ").split(" b/")[-1]


def _rows(name: str, lines: list[str]) -> Iterator[tuple[str, Markup]]:
    lexer = _lexer(name)
    for number, line in enumerate(lines):
        kind = {"+": "add", "-": "del", "@": "hunk", "\\": "hunk"}.get(line[:1], "same")
        text = line if kind == "hunk" else line[1:]
        cut = text[:LINE_MAX] + (" …" if len(text) > LINE_MAX else "")
        yield kind, escape(cut) if kind == "hunk" or number > COLOURED_MAX else _coloured(lexer, cut)


@lru_cache(maxsize=64)
def _lexer(name: str) -> object:
    try:
        return get_lexer_for_filename(name.rsplit("/", 1)[-1], stripnl=False, ensurenl=False)
    except ClassNotFound:
        return TextLexer(stripnl=False, ensurenl=False)


def _coloured(lexer: object, line: str) -> Markup:
    """One line with a class per token: kinds of tokens are ours, their text is escaped."""
    parts = []
    for kind, text in lex(line, lexer):
        css = STANDARD_TYPES.get(kind) or STANDARD_TYPES.get(kind.parent, "")
        parts.append(Markup('<span class="{}">{}</span>').format(css[:1], text) if css else escape(text))
    return Markup("").join(parts)
