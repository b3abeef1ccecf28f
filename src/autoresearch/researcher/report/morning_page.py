"""The morning's part of report.html, and its lines in the terminal. Texts come from agents: they
are escaped. Leaves to others: the numbers (morning), the pictures (forest)."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from autoresearch.researcher.judging.amounts import show_change
from autoresearch.researcher.report.morning import KindShare, Morning

SHOWN = 10  # kinds of change
HOURS_MIN = 0.1  # a rate of a shorter night says nothing


def morning_lines(morning: Morning) -> list[str]:
    """For the terminal: how sure, what pays, what to try next."""
    lines = [morning.verdict] if morning.verdict else []
    total = morning.total
    if rate := rate_of(total):
        lines.append(f"{rate} an hour: {total.kept} of {total.tried} kept in {total.hours:.1f} h")
    lines += [f"next: {step}" for step in morning.next_steps]
    return lines


def render_morning(morning: Morning, picture: str) -> str:
    """A section of the page; `picture` is the SVG of the forest plot, empty where there is none."""
    parts = [f"<p>{escape(line)}</p>" for line in morning_lines(morning)]
    if picture:
        label = "Gain of each kept edit with its interval, and importance of constants"
        parts.append(f'<figure role="img" aria-label="{label}">\n{picture}\n</figure>')
        parts.append(f"<p>The gains are {escape(morning.measured)}.</p>")
    parts.append(share_table("What pays", "change", morning.kinds[:SHOWN]))
    if len(morning.agents) > 1:
        parts.append(share_table("Who", "agent", morning.agents))
    if morning.in_vain:
        names = ", ".join(f"{escape(name)} ({count})" for name, count in morning.in_vain)
        parts.append(f"<h2>Tried in vain</h2>\n<p>Never kept, with how often: {names}.</p>")
    return "<section>\n<h2>The morning after</h2>\n" + "\n".join(parts) + "\n</section>"


def share_table(title: str, name: str, shares: Sequence[KindShare]) -> str:
    rows = "\n".join(
        f"<tr><td>{escape(s.name)}</td><td class=n>{s.tried}</td><td class=n>{s.kept}</td>"
        f"<td class=n>{show_change(s.gain)}</td><td class=n>{rate_of(s)}</td></tr>"
        for s in shares
    )
    heads = f"<th scope=col>{name}</th>" + "".join(
        f"<th class=n scope=col>{head}</th>" for head in ("tried", "kept", "gain", "an hour")
    )
    return (
        f'<h2>{title}</h2>\n<div class="scroll"><table>\n<thead><tr>{heads}</tr></thead>\n'
        f"<tbody>\n{rows}\n</tbody>\n</table></div>"
    )


def rate_of(share: KindShare) -> str:
    """The gain an hour; empty where there were too few minutes for one."""
    return show_change(share.gain / share.hours) if share.hours >= HOURS_MIN else ""
