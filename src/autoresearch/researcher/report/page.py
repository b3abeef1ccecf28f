"""One HTML file with the picture and the table, to be mailed or committed: no script, nothing
fetched.

Every text of the ledger is escaped: descriptions come from agents and other tools.
"""

from __future__ import annotations

import re
from html import escape

from autoresearch.researcher.report import forest, plots
from autoresearch.researcher.report.morning import Morning
from autoresearch.researcher.report.morning_page import render_morning
from autoresearch.researcher.report.rows import Experiment, TableSummary
from autoresearch.researcher.report.table import HEADINGS, NUMERIC, VERDICT, cells, closing_lines

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
STYLE = """
:root {
  color-scheme: light dark;
  --ink: #222; --faint: #666; --line: #ddd; --back: #fff; --keep: #00734f; --crash: #b34700;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ink: #e6e6e6; --faint: #a5a5a5; --line: #3a3a3a; --back: #181818;
    --keep: #4fd6a8; --crash: #ff9a5c;
  }
}
body {
  font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--back);
  margin: 2rem auto; max-width: 1200px; padding: 0 1rem;
}
h1 { font-size: 1.5rem; margin-bottom: .3rem } h2 { font-size: 1.15rem; margin: 1.2rem 0 .3rem }
 p { margin: .2rem 0 }
figure {
  margin: 1rem 0; background: #fff; border: 1px solid var(--line); border-radius: 8px;
  padding: .5rem;
}
figure svg { width: 100%; height: auto; display: block }
@media (prefers-color-scheme: dark) {
  figure { background: #181818 } figure svg { filter: invert(.93) hue-rotate(180deg) }
}
@media (max-width: 640px) { figure { overflow-x: auto } figure svg { width: 860px } }
.scroll { overflow-x: auto }
table {
  border-collapse: collapse; width: 100%; font-size: .9rem; font-variant-numeric: tabular-nums;
}
th, td {
  text-align: left; padding: .3rem .6rem; border-bottom: 1px solid var(--line);
  vertical-align: top;
}
td { overflow-wrap: anywhere } .n { text-align: right; white-space: nowrap }
tr:target { outline: 2px solid #0072b2 } .discard { color: var(--faint) }
.keep .v { color: var(--keep); font-weight: 600 }
.crash .v { color: var(--crash); font-weight: 600 }
td small { display: block; color: var(--faint) }
"""


def render(summary: TableSummary, picture: str, morning: Morning | None = None) -> str:
    """The page; `picture` is the SVG of plots.svg, whose points link to the lines of the table."""
    section = morning_section(summary, morning) if morning else ""
    title = f"{len(summary.experiments)} experiments" + (
        f" on {summary.track}" if summary.track else ""
    )
    gains = summary.gains()
    rows = "\n".join(table_row(summary, row, gains[row.number]) for row in summary.experiments)
    names = [escape(name.format(metric=summary.metric)) for name in HEADINGS]
    heads = "".join(
        f"<th{' class=n' if at in NUMERIC else ''} scope=col>{name}</th>"
        for at, name in enumerate(names)
    )
    platform = f" <small>({escape(summary.platform)})</small>" if summary.platform else ""
    lines = "\n".join(f"<p>{escape(line)}</p>" for line in closing_lines(summary))
    better = "Lower" if summary.direction == "min" else "Higher"
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<title>{escape(title)}</title>
<style>{STYLE}</style>
</head>
<body>
<h1>{escape(title)}{platform}</h1>
{lines}
<p>{better} {escape(summary.metric)} is better.
A point of the picture leads to its line in the table.</p>
<figure role="img" tabindex="0" aria-label="{escape(title)}: every experiment and the running best">
{inline(picture)}
</figure>
{section}
<div class="scroll">
<table>
<thead><tr>{heads}</tr></thead>
<tbody>
{rows}
</tbody>
</table>
</div>
</body>
</html>
"""


def morning_section(summary: TableSummary, morning: Morning) -> str:
    """What the night has taught, with the forest plot of its kept edits."""
    drawn = ""
    if morning.effects:
        drawn = inline(plots.svg(forest.draw_forest(morning, summary.metric)))
    return render_morning(morning, drawn)


def table_row(summary: TableSummary, row: Experiment, gain: float | None) -> str:
    texts = [escape(text) for text in cells(summary, row, gain)[:-1]]
    reason = f"<small>{escape(row.reason)}</small>" if row.reason else ""
    texts.append(escape(row.description) + reason)
    classes = dict.fromkeys(NUMERIC, "n") | {VERDICT: "v"}
    data = "".join(f"<td class={classes.get(at, 't')}>{t}</td>" for at, t in enumerate(texts))
    return f'<tr id="experiment-{row.number}" class={row.status}>{data}</tr>'


def inline(svg: str) -> str:
    """The SVG without what only a file of its own needs: XML declaration, document type, metadata."""
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    return svg[svg.index("<svg") :].strip()
