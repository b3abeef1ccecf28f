"""Strangers' texts as HTML that cannot do anything: markdown, sanitised once more, and diffs.

Sources: CommonMark with GFM tables (markdown-it-py); nh3 keeps only what ALLOWED names.
The work is linear in the text, and so is the page. So there are no link reference definitions (a
thousand links may name one long address), no wide tables (each row is filled up to the width of
the first), and a lexer sees one line at a time (its patterns may be quadratic in a run of blanks).
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
from pygments.lexers import get_lexer_by_name
from pygments.lexers.special import TextLexer
from pygments.token import STANDARD_TYPES

from autoresearch.untrusted import number_hidden

ALLOWED = {
    "a", "p", "br", "hr", "em", "strong", "s", "code", "pre", "blockquote", "ul", "ol", "li",
    "h1", "h2", "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td", "div", "span",
}  # fmt: skip
LINES_MAX = 2000  # of a page's diffs, together
LINE_MAX = 300  # characters of a line; the rest is cut with a mark
COLOURED_MAX = 400  # lines of a page's diffs that are coloured: colouring is what costs
CODE_MAX = 8000  # characters of code in a post that are coloured
COLUMNS_MAX = 32  # of a table
CELLS_MAX = 4000  # of a text's tables together, those that only fill a row up among them
EXPANSION_MAX = 16  # bytes of HTML for one character of text; a text that takes more stays plain
KEPT_MAX = 4000  # characters of a text whose HTML is remembered with hundreds of others
WORDS, BREAKS = {"text", "code_inline", "fence", "code_block"}, {"softbreak", "hardbreak"}
# Strangers choose names and languages: only these few are read by a lexer. The keys are what
# people write after a fence, or a file's ending.
LEXERS = {
    "python": "python", "py": "python", "toml": "toml", "json": "json", "yaml": "yaml",
    "yml": "yaml", "bash": "bash", "sh": "bash", "c": "c", "h": "c", "cpp": "cpp", "cu": "cpp",
    "cuda": "cpp", "js": "javascript", "rs": "rust", "rust": "rust", "diff": "diff",
}  # fmt: skip
# keywords, strings, comments, numbers: the first letters of Pygments' classes
COLOURED = {"k", "s", "c", "m"}


@lru_cache(maxsize=2)
def _make_parser(tables: bool) -> MarkdownIt:
    return (
        MarkdownIt(
            "commonmark",
            {"html": False, "linkify": False, "maxNesting": 20, "highlight": _highlight_fence},
        )
        .enable(["table", "strikethrough"] if tables else "strikethrough")
        .disable(["image", "reference"])
    )


def _has_small_tables(text: str) -> bool:
    """Whether the widest row there is, repeated on every line, makes a table of bearable size."""
    if "|" not in text:
        return True
    lines = text.split("\n")
    columns = max(line.count("|") for line in lines) + 1
    return columns <= COLUMNS_MAX and columns * len(lines) <= CELLS_MAX


def render_markdown(text: str) -> Markup:
    """Markdown as safe HTML. Links are marked as strangers'; images are linked, never loaded."""
    return _render_cached(text) if len(text) <= KEPT_MAX else _render_long_cached(text)


def _render(text: str) -> Markup:
    html = _make_parser(_has_small_tables(text)).render(text)
    if len(html) > EXPANSION_MAX * (len(text) + 100):
        html = f"<pre>{escape(text)}</pre>"
    clean = nh3.clean(
        html,
        tags=ALLOWED,
        attributes={"a": {"href"}, "th": {"align"}, "td": {"align"}, "ol": {"start"}},
        tag_attribute_values={"span": {"class": COLOURED}},
        url_schemes={"http", "https", "mailto"},
        link_rel="nofollow ugc noopener noreferrer",
    )
    # wide tables scroll in a box of their own; tabindex, so that a keyboard can scroll them too
    boxed = clean.replace("<table>", '<div class="scroll" tabindex="0"><table>').replace(
        "</table>", "</table></div>"
    )
    return Markup(boxed.replace("<pre>", '<pre tabindex="0">'))  # cleaned on the line above


_render_cached = lru_cache(maxsize=512)(_render)
_render_long_cached = lru_cache(maxsize=32)(_render)


@lru_cache(maxsize=512)
def strip_marks(text: str) -> str:
    """The beginning of a markdown text without its marks: plain text for an excerpt, not HTML."""
    found: list[str] = []
    begin = text[:KEPT_MAX]
    for block in _make_parser(_has_small_tables(begin)).parse(begin):
        for token in block.children or [block]:
            found.append(
                token.content if token.type in WORDS else " " if token.type in BREAKS else ""
            )
        found.append(" ")
    return "".join(found).strip() or text


def _highlight_fence(code: str, language: str, _: str) -> str:
    """Code in a fence, coloured; empty where markdown-it is to escape it as it stands."""
    name = LEXERS.get(language.lower())
    if not name or len(code) > CODE_MAX:
        return ""
    lexer = _find_lexer(name)
    return "\n".join(str(_colour_line(lexer, line)) for line in code.split("\n"))


@dataclass(frozen=True)
class DiffFile:
    """One file of a diff. `rows` are (kind, safe HTML); a kind is add, del, hunk or same."""

    name: str
    added: int
    removed: int
    rows: tuple[tuple[str, Markup], ...]
    cut: int = 0  # lines left out


def read_diff(diff: str, most: int) -> tuple[list[DiffFile], int]:
    """The first `most` files of a unified diff, with at most LINES_MAX lines together, and how
    many files were left out.
    """
    parts = [
        part
        for part in re.split(r"^(?=diff --git )", diff, flags=re.MULTILINE)
        if part.startswith("diff --git ")
    ]
    files: list[DiffFile] = []
    left, coloured = LINES_MAX, COLOURED_MAX
    for part in parts[:most]:
        files.append(_read_file(part.split("\n"), left, coloured))
        left -= len(files[-1].rows)
        coloured -= len(files[-1].rows)
    return files, max(0, len(parts) - most)


def _read_file(lines: list[str], left: int, coloured: int) -> DiffFile:
    name = _read_name(lines)
    start = next((i for i, line in enumerate(lines) if line.startswith("@@")), len(lines))
    notes = [
        line for line in lines[1:start] if line and not line.startswith(("index ", "--- ", "+++ "))
    ]
    body = lines[start:-1] if lines[-1] == "" else lines[start:]
    shown = body[: max(0, left - len(notes))]
    rows = tuple(("hunk", escape(note[:LINE_MAX])) for note in notes) + tuple(
        _read_rows(name, shown, coloured)
    )
    added = sum(line.startswith("+") for line in body)
    return DiffFile(
        name, added, sum(line.startswith("-") for line in body), rows, len(body) - len(shown)
    )


def _read_name(lines: list[str]) -> str:
    for line in lines:
        if line.startswith(("+++ b/", '+++ "b/')):
            return line[4:].strip('"').removeprefix("b/").rstrip("\t")
    return lines[0].removeprefix("diff --git ").split(" b/")[-1]


def _read_rows(name: str, lines: list[str], coloured: int) -> Iterator[tuple[str, Markup]]:
    lexer = _find_lexer(LEXERS.get(name.rpartition(".")[2].lower(), ""))
    for number, line in enumerate(lines):
        kind = {"+": "add", "-": "del", "@": "hunk", "\\": "hunk"}.get(line[:1], "same")
        text = line if kind == "hunk" else line[1:]
        # What makes code read otherwise than it runs (CVE-2021-42574) is shown by its number.
        numbered = number_hidden(text[: LINE_MAX + 1])
        cut = numbered[:LINE_MAX] + (" …" if len(numbered) > LINE_MAX else "")
        yield (
            kind,
            escape(cut) if kind == "hunk" or number >= coloured else _colour_code(lexer, cut),
        )


@lru_cache(maxsize=64)
def _find_lexer(name: str) -> object:
    options = {"stripnl": False, "ensurenl": False}
    return get_lexer_by_name(name, **options) if name else TextLexer(**options)


def _colour_line(lexer: object, line: str) -> Markup:
    """One line, coloured where it is of usual length and holds more than blanks."""
    return _colour_code(lexer, line) if 0 < len(line.strip()) <= LINE_MAX else escape(line)


def _colour_code(lexer: object, code: str) -> Markup:
    """Code with a class per token: kinds of tokens are ours, their text is escaped."""
    parts = []
    for kind, text in lex(code, lexer):
        css = (STANDARD_TYPES.get(kind) or STANDARD_TYPES.get(kind.parent, ""))[:1]
        parts.append(
            Markup('<span class="{}">{}</span>').format(css, text)
            if css in COLOURED
            else escape(text)
        )
    return Markup("").join(parts)
