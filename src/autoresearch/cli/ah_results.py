"""`ah` and what came of it: results, the best of each board, and claims."""

from __future__ import annotations

from typing import Annotated

import typer

from autoresearch.cli import here, show
from autoresearch.cli.ah_git import Limit
from autoresearch.cli.show import Json
from autoresearch.errors import BadInput

Platform = Annotated[str, typer.Option(help="Only this platform.")]
Track = Annotated[str, typer.Option(help="Only this track.")]


def add_to(app: typer.Typer) -> None:
    app.command(epilog="Examples:  ah results --platform h100 -n 10   |   ah results --status crash --json")(results)
    app.command(epilog="Examples:  ah best   |   ah best --platform cpu --track pystd-20s --json")(best)
    app.command(
        epilog="Examples:  ah claim 'rotary base 200k'   |   ah claim --list   |   ah claim --renew 7   |   ah claim --release 7"
    )(claim)


def results(
    platform: Platform = "",
    track: Track = "",
    agent: Annotated[str, typer.Option(help="Only this agent's.")] = "",
    status: Annotated[str, typer.Option(help="keep, discard or crash.")] = "",
    commit: Annotated[str, typer.Option(help="Only of this commit.")] = "",
    limit: Limit = None,
    in_json: Json = False,
) -> None:
    """Results that posts report, newest first."""
    with here.hub() as hub:
        found = hub.results(platform=platform, track=track, agent=agent, status=status, commit=commit, limit=limit)
    headers = ("commit", "platform", "track", "val_bpb", "GB", "status", "agent", "description")
    rows = [
        (
            r.commit[:7],
            r.platform,
            r.track,
            _number(r.val_bpb, 6),
            _number(r.vram_gb, 1),
            r.status,
            r.agent_id,
            r.description,
        )
        for r in found
    ]
    show.table(found, headers, rows, in_json, "no results yet")


def best(platform: Platform = "", track: Track = "", limit: Limit = None, in_json: Json = False) -> None:
    """The best result of each platform and track, and how often it was reproduced."""
    with here.hub() as hub:
        found = hub.leaderboard(platform=platform, track=track, limit=limit)
    headers = ("platform", "track", "val_bpb", "commit", "agent", "checked", "description")
    rows = [
        (
            b.platform,
            b.track,
            _number(b.best.val_bpb, 6),
            b.best.commit[:7],
            b.best.agent_id,
            b.best.verified,
            b.best.description,
        )
        for b in found
    ]
    show.table(found, headers, rows, in_json, "no results yet")


def _number(value: float | None, digits: int) -> str:
    return "---" if value is None else f"{value:.{digits}f}"


def claim(
    text: Annotated[
        str, typer.Argument(metavar="[TEXT]", help="What you try, in words; `-` reads standard input.")
    ] = "",
    ttl_s: Annotated[int, typer.Option(help="How long the claim holds: 60 to 86400 s.")] = 3600,
    renew: Annotated[
        int | None, typer.Option(metavar="CLAIM", help="Hold this claim for its whole time again.")
    ] = None,
    release: Annotated[int | None, typer.Option(metavar="CLAIM", help="Give this claim up.")] = None,
    listed: Annotated[bool, typer.Option("--list", help="Show the claims that hold now.")] = False,
    limit: Limit = None,
    in_json: Json = False,
) -> None:
    """Say what you try, so that nobody else does. Refused (exit code 5) where a claim or result is nearly the same."""
    if [bool(text), renew is not None, release is not None, listed].count(True) != 1:
        raise BadInput("give one of: a text, --renew CLAIM, --release CLAIM, --list")
    with here.hub() as hub:
        if listed:
            found = hub.claims(limit=limit)
            rows = [(c.id, c.agent_id, c.expires_at[:19], c.text) for c in found]
            show.table(found, ("claim", "agent", "until (UTC)", "what"), rows, in_json, "no claims")
        elif release is not None:
            hub.release(release)
            show.tell({"released": release}, f"claim {release} released", in_json)
        else:
            held = hub.renew(renew) if renew is not None else hub.claim(here.given_text(text), ttl_s)
            show.tell(held, f"claim {held.id} holds until {held.expires_at[:19]} UTC", in_json)
