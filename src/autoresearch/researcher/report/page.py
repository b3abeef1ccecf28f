"""One HTML file with the picture and the table, to be mailed or committed: no script, nothing
fetched. How it looks is in `report.html`, which Jinja fills: it escapes every text of the ledger,
for descriptions come from agents and other tools.
"""

from __future__ import annotations

import re

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from autoresearch.researcher.judging.amounts import show_change
from autoresearch.researcher.report import forest, plots
from autoresearch.researcher.report.morning import Morning
from autoresearch.researcher.report.morning_lines import describe_morning, rate_of
from autoresearch.researcher.report.rows import TableSummary
from autoresearch.researcher.report.table import HEADINGS, NUMERIC, VERDICT, cells, closing_lines


def render(summary: TableSummary, picture: str, morning: Morning | None = None) -> str:
    """The page; `picture` is the SVG of plots.svg, whose points link to the lines of the table."""
    made = Environment(
        loader=PackageLoader("autoresearch.researcher", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(change=show_change, rate=rate_of, lines=describe_morning)
    gains = summary.gains()
    return made.get_template("report.html").render(
        summary=summary,
        lines=closing_lines(summary),
        picture=inline(picture),
        morning=morning,
        forest=draw_forest(summary, morning),
        headings=HEADINGS,
        numeric=NUMERIC,
        verdict=VERDICT,
        rows=[(row, cells(summary, row, gains[row.number])) for row in summary.experiments],
    )


def draw_forest(summary: TableSummary, morning: Morning | None) -> Markup:
    """The forest plot of a night's kept edits; empty where there are none."""
    if morning is None or not morning.effects:
        return Markup()
    return inline(plots.svg(forest.draw_forest(morning, summary.metric)))


def inline(svg: str) -> Markup:
    """The SVG without what only a file of its own needs: XML declaration, document type,
    metadata."""
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    return Markup(svg[svg.index("<svg") :].strip())
