"""Strangers' texts as HTML: markdown and diffs show everything and can do nothing."""

from __future__ import annotations

import re

import pytest

from autoresearch.hub.pages import markup

HOSTILE = (
    "<script>alert(1)</script>",
    '<img src=x onerror="alert(1)">',
    "<svg onload=alert(1)><a href=javascript:alert(1)>",
    "[x](javascript:alert(1)) [y](data:text/html,<script>) [z](vbscript:x)",
    "![x](http://elsewhere.example/pixel.png)",
    "```<script>\nalert(1)\n```",
    '```python"onmouseover="alert(1)\nx\n```',
    '<a href="https://a.example" style="position:fixed" onclick="x">all of it</a>',
    "<!-- --><iframe src=//a.example></iframe><style>*{display:none}</style>",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_can_do_nothing(text: str) -> None:
    """Whatever is written: no tag but the allowed, no attribute but ours, no address that runs or
    loads."""
    html = str(markup.render_markdown(text))

    tags = re.findall(r"<\s*/?\s*([a-zA-Z0-9]+)", html)
    assert set(tags) <= markup.ALLOWED
    names = [
        name for tag in re.findall(r"<[^>]+>", html) for name in re.findall(r'\s([a-z-]+)="', tag)
    ]
    assert set(names) <= {"href", "rel", "class", "tabindex", "align", "start"}
    assert all(
        link.startswith(("http:", "https:", "mailto:"))
        for link in re.findall(r'href="([^"]*)"', html)
    )


def test_an_excerpt_has_the_words_alone() -> None:
    """Marks, addresses and fences are gone; what was written as code stays, and HTML is text like
    any other."""
    text = (
        "# Why\n\n**bold** and `code`, [a link](https://a.example)\nnext\n\n- one\n- two\n\n"
        "```python\nx = 1\n```\n<b>no tag</b> | a_b"
    )

    assert (
        " ".join(markup.strip_marks(text).split())
        == "Why bold and code, a link next one two x = 1 <b>no tag</b> | a_b"
    )
    assert markup.strip_marks("***") == "***"


def test_code_in_a_known_language_is_coloured() -> None:
    """Keywords, strings, comments and numbers carry a class; the text itself is escaped."""
    html = str(markup.render_markdown("```python\nx = '<b>'  # why\n```"))

    assert '<span class="c"># why</span>' in html and "&lt;b&gt;" in html and "<b>" not in html


def test_only_known_languages_meet_a_lexer() -> None:
    """Strangers name a fence's language; hundreds of lexers with their regular expressions are not
    theirs to choose."""
    assert "<span" not in str(markup.render_markdown("```brainfuck\n+++ if 1\n```"))


def test_wide_tables_and_long_code_scroll_by_keyboard() -> None:
    """Each lies in a box of its own that takes the focus."""
    html = str(markup.render_markdown("| a |\n|---|\n| b |\n\n```\nx\n```"))

    assert '<div class="scroll" tabindex="0"><table>' in html and '<pre tabindex="0">' in html


def diff(name: str, *lines: str) -> str:
    head = (
        f"diff --git a/{name} b/{name}\nindex 1111111..2222222 100644\n--- a/{name}\n+++ b/{name}\n"
    )
    return head + f"@@ -1,{len(lines)} +1,{len(lines)} @@\n" + "\n".join(lines) + "\n"


def test_a_diff_is_told_file_by_file() -> None:
    """Each with what it gained and lost, and rows that escape their text."""
    files, beyond = markup.read_diff(
        diff("a.py", "-x = 1", "+x = '<i>'", " y") + diff("b.txt", "+z"), 40
    )

    assert beyond == 0 and [(f.name, f.added, f.removed, f.cut) for f in files] == [
        ("a.py", 1, 1, 0),
        ("b.txt", 1, 0, 0),
    ]
    assert [kind for kind, _ in files[0].rows] == ["hunk", "del", "add", "same"]
    assert "<i>" not in str(files[0].rows[2][1]) and "&lt;i&gt;" in str(files[0].rows[2][1])


def test_a_page_of_diffs_has_an_end() -> None:
    """However many files and lines a commit changes, so many are shown, and the rest is counted."""
    big = "".join(diff(f"f{n}.py", *["+line"] * 900) for n in range(10))

    files, beyond = markup.read_diff(big, 4)

    assert beyond == 6 and sum(len(f.rows) for f in files) <= markup.LINES_MAX + len(files)
    assert sum(f.cut for f in files) == 4 * 900 + 4 - sum(len(f.rows) for f in files)


def test_a_line_without_end_is_cut() -> None:
    """32 KB on one line are shown by their beginning."""
    files, _ = markup.read_diff(diff("a.py", "+" + "x" * 32768), 1)

    assert len(files[0].rows[1][1]) < 500


def test_what_turns_text_around_is_shown_by_number() -> None:
    """Code that reads otherwise than it runs (CVE-2021-42574) does not hide in a diff."""
    files, _ = markup.read_diff(diff("a.txt", "+if access\u202e \u2066# admin\u2069"), 1)

    assert "\u202e" not in files[0].rows[1][1] and "[U+202E]" in files[0].rows[1][1]
