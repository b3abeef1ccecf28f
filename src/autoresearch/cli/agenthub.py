"""`agenthub`: run a hub and look after it. The verbs of daily maintenance are in `cli.operator`."""

from __future__ import annotations

import os
import sys
from hashlib import sha256
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING

import click

from autoresearch.cli import operator
from autoresearch.cli.program import SETTINGS, completion_command, run_program
from autoresearch.errors import BadInput

if TYPE_CHECKING:
    from autoresearch.hub.settings import Settings

LOCAL_LIMIT = 1_000_000  # an hour, for --local: nobody who tries a hub out should meet a limit
MIB = 1024 * 1024
COUNT = click.IntRange(min=0)


@click.group(context_settings=SETTINGS)
@click.version_option(package_name="autoresearch")
def app() -> None:
    """Run a hub and look after it."""


for verb in operator.VERBS:
    app.add_command(verb)
app.add_command(completion_command("agenthub"))


@app.command()
@click.option(
    "--listen", default="127.0.0.1:8000", help="HOST:PORT; port 0 lets the system choose."
)
@operator.data_option
@click.option(
    "--admin-key",
    help="Or AGENTHUB_ADMIN_KEY. Generated once and printed, unless given.",
)
@click.option(
    "--workers", type=click.IntRange(1, 64), default=1, help="Processes that share the socket."
)
@click.option(
    "--max-bundle-mb", type=click.IntRange(1, 2000), default=50, help="The largest push taken."
)
@click.option("--max-pushes-per-hour", type=COUNT, default=100, help="Per agent.")
@click.option(
    "--max-posts-per-hour",
    type=COUNT,
    default=100,
    help="Per agent; claims have as many of their own.",
)
@click.option("--max-registrations-per-hour", type=COUNT, default=20, help="Per network.")
@click.option(
    "--registration",
    type=click.Choice(("open", "invite", "closed")),
    default="open",
    help="Who may open an account.",
)
@click.option(
    "--trusted-proxies",
    default="",
    help="Addresses or networks, separated by commas, whose X-Forwarded-For is believed.",
)
@click.option(
    "--keep-events",
    type=COUNT,
    default=0,
    help="How many of the newest stay in the event log; 0 keeps them all.",
)
@click.option(
    "--log",
    default="stderr",
    help="A file, stderr or off. A file may be moved: a new one is begun.",
)
@click.option(
    "--public-url",
    default="",
    help="Where the hub is reached, for its guides and pages. By default as each caller asked.",
)
@click.option(
    "--base-path",
    default="",
    help="Below which a proxy shows the hub, such as /hub.",
)
@click.option(
    "--max-connections",
    type=click.IntRange(min=16),
    default=4000,
    help="Of one worker; half as many may be event streams.",
)
@click.option(
    "--max-connections-per-network",
    type=click.IntRange(min=1),
    default=500,
    help="Of one IPv4 address or IPv6 /64; trusted proxies have no such limit.",
)
@click.option(
    "--roots-only", is_flag=True, help="Refuse commits that do not descend from the hub's root."
)
@click.option(
    "--local",
    is_flag=True,
    help="For trying it out: loopback only, limits of a million an hour.",
)
def serve(
    listen: str,
    data: Path,
    admin_key: str | None,
    workers: int,
    max_bundle_mb: int,
    max_pushes_per_hour: int,
    max_posts_per_hour: int,
    max_registrations_per_hour: int,
    registration: str,
    trusted_proxies: str,
    keep_events: int,
    log: str,
    public_url: str,
    base_path: str,
    max_connections: int,
    max_connections_per_network: int,
    roots_only: bool,
    local: bool,
) -> None:
    """Serve a hub until Ctrl-C or SIGTERM."""
    from autoresearch.hub import logs
    from autoresearch.hub.rules import admin_key as keys
    from autoresearch.hub.rules.addresses import check_base_path, check_public_url
    from autoresearch.hub.serve import listening_socket
    from autoresearch.hub.serve import serve as run
    from autoresearch.hub.settings import Settings
    from autoresearch.hub.store import migrate

    host, port = _address(listen, local)
    public, base = check_public_url(public_url) if public_url else ("", "")
    base = check_base_path(base_path) or base
    migrate.prepare(data)
    if admin_key is None:  # read here, for an empty one is refused and not taken for none
        admin_key = os.environ.get("AGENTHUB_ADMIN_KEY")
    key = keys.find_or_make(data, admin_key)
    if key.is_new:
        print(f"admin key (shown this once, kept in {key.path}): {key.text}", flush=True)
    settings = Settings(
        data=data,
        admin_key_hash=sha256(key.text.encode()).digest(),
        max_bundle_bytes=max_bundle_mb * MIB,
        max_pushes_per_hour=LOCAL_LIMIT if local else max_pushes_per_hour,
        max_posts_per_hour=LOCAL_LIMIT if local else max_posts_per_hour,
        max_registrations_per_hour=LOCAL_LIMIT if local else max_registrations_per_hour,
        registration=registration,  # type: ignore[arg-type]
        trusted_proxies=_networks(trusted_proxies),
        keep_events=keep_events,
        log=log,
        public_url=public,
        base_path=base,
        max_connections=max_connections,
        max_connections_per_network=max_connections if local else max_connections_per_network,
        roots_only=roots_only,
        workers=workers,
        metrics_dir=_fresh_folder(data / "metrics") if workers > 1 else None,
    )
    logs.start_log(log)
    sock = listening_socket(host, port)
    _greet(settings, host, sock.getsockname()[1])
    sys.exit(run(settings, sock))


def _address(listen: str, local: bool) -> tuple[str, int]:
    host, colon, port = listen.rpartition(":")
    host = host.strip("[]") or "127.0.0.1"
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise BadInput(f"--listen takes HOST:PORT, 127.0.0.1:8000 for one, not {listen!r}")
    if local and not _is_loopback(host):
        raise BadInput(f"--local serves this machine only; with {host!r} leave --local out")
    return host, int(port)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _networks(listed: str) -> tuple[IPv4Network | IPv6Network, ...]:
    try:
        return tuple(
            ip_network(part.strip(), strict=False) for part in listed.split(",") if part.strip()
        )
    except ValueError as error:
        raise BadInput(f"--trusted-proxies: {error}") from None


def _fresh_folder(path: Path) -> Path:
    """Counters of workers that are gone do not count."""
    path.mkdir(mode=0o700, exist_ok=True)
    for old in path.iterdir():
        old.unlink()
    return path


def _greet(settings: Settings, host: str, port: int) -> None:
    shown = f"[{host}]" if ":" in host else host
    if _is_loopback(host):
        print(
            "reachable from this machine only; to open up, put a proxy with TLS in "
            "front (docs/hub.md) or give --listen 0.0.0.0:PORT",
            flush=True,
        )
    print(
        f"data in {settings.data}, {settings.workers} worker(s), registration "
        f"{settings.registration}",
        flush=True,
    )
    print(f"listening on http://{shown}:{port}", flush=True)


def main() -> None:
    """Run the command line."""
    run_program(app, "agenthub", extra="hub")


if __name__ == "__main__":
    main()
