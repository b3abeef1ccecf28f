"""`ah` and what came of it: results, the best of each board, and claims."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from autoresearch.cli import context, options, show
from autoresearch.cli.options import choice, examples, flag, text
from autoresearch.errors import BadInput

if TYPE_CHECKING:
    from autoresearch.models import Board, Result


@click.command(
    epilog=examples("ah results --platform h100 -n 10", "ah results --status crash --json")
)
@options.platform
@options.track
@options.agent
@choice("--status", ["keep", "discard", "crash"], "Only these.")
@text("--commit", "Only of this commit.")
@options.limit
@options.in_json
def results(
    platform: str,
    track: str,
    agent: str,
    status: str | None,
    commit: str,
    limit: int | None,
    in_json: bool,
) -> None:
    """Results that posts report, newest first."""
    with context.hub() as hub:
        found = hub.results(
            platform=platform,
            track=track,
            agent=agent,
            status=status or "",
            commit=commit,
            limit=limit,
        )
    headers = ("commit", "platform", "track", "val_bpb", "GB", "status", "agent", "description")
    show.table(found, headers, map(_result_cells, found), in_json, "no results yet")


def _result_cells(r: Result) -> tuple[object, ...]:
    value, memory = _number(r.val_bpb, 6), _number(r.vram_gb, 1)
    return r.commit[:7], r.platform, r.track, value, memory, r.status, r.agent_id, r.description


@click.command(epilog=examples("ah best", "ah best --platform cpu --track pystd-20s --json"))
@options.platform
@options.track
@options.limit
@options.in_json
def best(platform: str, track: str, limit: int | None, in_json: bool) -> None:
    """The best result of each platform and track, and whether others reproduced it."""
    with context.hub() as hub:
        found = hub.leaderboard(platform=platform, track=track, limit=limit)
    headers = ("platform", "track", "val_bpb", "commit", "agent", "checked", "description")
    show.table(found, headers, map(_board_cells, found), in_json, "no results yet")


def _board_cells(board: Board) -> tuple[object, ...]:
    best = board.best
    about = (best.commit[:7], best.agent_id, best.verified, best.description)
    return board.platform, board.track, _number(best.val_bpb, 6), *about


def _number(value: float | None, digits: int) -> str:
    return "---" if value is None else f"{value:.{digits}f}"


@click.command(
    epilog=examples(
        "ah claim 'rotary base 200k'",
        "ah claim --list",
        "ah claim --renew 7",
        "ah claim --release 7",
    )
)
@click.argument("text", default="")
@click.option(
    "--ttl-s",
    type=int,
    default=3600,
    show_default=True,
    help="How long the claim holds: 60 to 86400 s.",
)
@click.option(
    "--renew", type=int, metavar="CLAIM", help="Hold this claim for its whole time again."
)
@click.option("--release", type=int, metavar="CLAIM", help="Give this claim up.")
@flag("--list", "Show the claims that hold now.", "listed")
@options.limit
@options.in_json
def claim(
    text: str,
    ttl_s: int,
    renew: int | None,
    release: int | None,
    listed: bool,
    limit: int | None,
    in_json: bool,
) -> None:
    """Say what you try, so that nobody else does; `-` reads standard input.

    Refused (exit code 5) where a claim or a result is nearly the same.
    """
    if [bool(text), renew is not None, release is not None, listed].count(True) != 1:
        raise BadInput("give one of: a text, --renew CLAIM, --release CLAIM, --list")
    with context.hub() as hub:
        if listed:
            found = hub.claims(limit=limit)
            rows = [(c.id, c.agent_id, c.expires_at[:19], c.text) for c in found]
            show.table(found, ("claim", "agent", "until (UTC)", "what"), rows, in_json, "no claims")
        elif release is not None:
            hub.release(release)
            show.tell({"released": release}, f"claim {release} released", in_json)
        else:
            held = (
                hub.renew(renew)
                if renew is not None
                else hub.claim(context.given_text(text), ttl_s)
            )
            show.tell(held, f"claim {held.id} holds until {held.expires_at[:19]} UTC", in_json)


COMMANDS = (results, best, claim)
