"""`agenthub`: run a hub and look after it. The verbs of daily maintenance are in `cli.operator`."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from functools import partial
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from autoresearch.cli import operator
from autoresearch.cli.config_file import ConfiguredCommand, reread_options, use_file
from autoresearch.cli.help_pages import ProgramGroup
from autoresearch.cli.hub_place import data_options
from autoresearch.cli.options import choice, combine, count, flag, path, text
from autoresearch.cli.program import SETTINGS, completion_command, run_program
from autoresearch.errors import BadInput
from autoresearch.untrusted import to_line, to_lines

if TYPE_CHECKING:
    from autoresearch.hub.settings import Settings, Site

LOCAL_LIMIT = 1_000_000  # an hour, for --local: nobody who tries a hub out should meet a limit
MIB = 1024 * 1024
AS_GIVEN = (  # settings that are what the options of their names say
    *("data", "database", "listen", "log", "log_level", "registration", "roots_only", "workers"),
    *("keep_events", "keep_events_days", "keep_search_days"),
)
HOURLY = ("max_pushes_per_hour", "max_posts_per_hour", "max_registrations_per_hour")
SITE_MAX = {"name": 60, "description": 300, "contact": 200, "rules": 4000}  # characters


@click.group(cls=ProgramGroup, context_settings=SETTINGS)
@click.version_option(package_name="autoresearch")
def app() -> None:
    """Run a hub and look after it."""


for verb in operator.verbs.commands.values():
    app.add_command(verb)
app.add_command(completion_command("agenthub"))


site_options = combine(
    text("--name", "What the hub is called, on pages and in /llms.txt."),
    text("--description", "What it is for, in a sentence or two."),
    text("--rules", "What holds here, in markdown; best in the file."),
    text("--contact", "An address of mail or of a page."),
)


@app.command(cls=ConfiguredCommand)
@path(
    "--config",
    "A TOML file with any of these options; reread on SIGHUP.",
    is_eager=True,
    callback=use_file,
)
@text("--listen", "HOST:PORT; port 0 lets the system choose.", "127.0.0.1:8000")
@data_options
@text("--admin-key", "Or AGENTHUB_ADMIN_KEY. Generated once and printed, unless given.", None)
@count("--workers", "Processes that share the socket.", most=64, default=1)
@count("--max-bundle-mb", "The largest push taken.", most=2000, default=50)
@count("--max-pushes-per-hour", "Per agent.", least=0, default=100)
@count("--max-posts-per-hour", "Per agent; claims have as many of their own.", least=0, default=100)
@count("--max-registrations-per-hour", "Per network.", least=0, default=20)
@choice("--registration", ("open", "invite", "closed"), "Who may open an account.", default="open")
@text(
    "--trusted-proxies",
    "Addresses or networks, separated by commas, whose X-Forwarded-For is believed.",
)
@count(
    "--keep-events",
    "How many of the newest stay in the event log; 0 keeps them all.",
    least=0,
    default=0,
)
@count("--keep-events-days", "How old they may be; 0: however old.", least=0, default=0)
@count(
    "--keep-search-days",
    "How long posts are found by their words; 0: for ever.",
    least=0,
    default=0,
)
@text("--log", "A file, stderr or off. A file may be moved: a new one is begun.", "stderr")
@choice(
    "--log-level",
    ("debug", "info", "warning", "error"),
    "From which level on; info has a line for each request.",
    default="info",
)
@site_options
@text(
    "--public-url",
    "Where the hub is reached, for its guides and pages. By default as each caller asked.",
)
@text("--base-path", "Below which a proxy shows the hub, such as /hub.")
@count(
    "--max-connections", "Of one worker; half as many may be event streams.", least=16, default=4000
)
@count(
    "--max-connections-per-network",
    "Of one IPv4 address or IPv6 /64; trusted proxies have no such limit.",
    default=500,
)
@flag("--roots-only", "Refuse commits that do not descend from the hub's root.")
@flag("--local", "For trying it out: loopback only, limits of a million an hour.")
@click.pass_context
def serve(context: click.Context, /, **options: Any) -> None:
    """Serve a hub until Ctrl-C or SIGTERM."""
    from autoresearch.hub import logs
    from autoresearch.hub.rules import admin_key as keys
    from autoresearch.hub.serve import listening_socket
    from autoresearch.hub.serve import serve as run
    from autoresearch.hub.store import migrate

    host, port = _address(options["listen"], options["local"])
    read_settings(options, b"")  # what cannot be used is told before anything is made
    place = (options["data"], options["database"])
    given = options["admin_key"]
    migrate.prepare(*place)
    if given is None:  # read here, for an empty one is refused and not taken for none
        given = os.environ.get("AGENTHUB_ADMIN_KEY")
    key = keys.find_or_make(options["data"], given, options["database"])
    if key.is_new:
        print(f"admin key (shown this once, kept in {key.path}): {key.text}", flush=True)
    settings = read_settings(options, key.digest)
    if settings.metrics_dir:
        _empty_folder(settings.metrics_dir)
    logs.start_log(settings.log, settings.log_level)
    sock = listening_socket(host, port)
    _greet(settings, host, sock.getsockname()[1])
    arguments = context.meta["arguments"]
    reread = partial(_reread, context.command, arguments, key.digest) if options["config"] else None
    sys.exit(run(settings, sock, reread))


def _reread(command: click.Command, arguments: tuple[str, ...], key_hash: bytes) -> Settings:
    return read_settings(reread_options(command, arguments), key_hash)


def read_settings(options: Mapping[str, Any], admin_key_hash: bytes) -> Settings:
    """The command's options as the hub takes them. Raises BadInput."""
    from autoresearch.hub.rules.addresses import check_base_path, check_public_url
    from autoresearch.hub.settings import Settings

    public, base = check_public_url(options["public_url"]) if options["public_url"] else ("", "")
    local, most = options["local"], options["max_connections"]
    limits: dict[str, Any] = {name: LOCAL_LIMIT if local else options[name] for name in HOURLY}
    return Settings(
        **{name: options[name] for name in AS_GIVEN},
        admin_key_hash=admin_key_hash,
        max_bundle_bytes=options["max_bundle_mb"] * MIB,
        trusted_proxies=_networks(options["trusted_proxies"]),
        public_url=public,
        base_path=check_base_path(options["base_path"]) or base,
        max_connections=most,
        max_connections_per_network=most if local else options["max_connections_per_network"],
        metrics_dir=options["data"] / "metrics" if options["workers"] > 1 else None,
        site=_read_site(options),
        **limits,
    )


def _read_site(options: Mapping[str, Any]) -> Site:
    from autoresearch.hub.settings import Site

    for name, most in SITE_MAX.items():
        if len(options[name]) > most:
            raise BadInput(f"--{name} has more than {most} characters")
    lines = {name: to_line(options[name], most) for name, most in SITE_MAX.items()}
    return Site(**{**lines, "rules": to_lines(options["rules"])})


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


def _empty_folder(path: Path) -> None:
    """Counters of workers that are gone do not count."""
    path.mkdir(mode=0o700, exist_ok=True)
    for old in path.iterdir():
        old.unlink()


def _greet(settings: Settings, host: str, port: int) -> None:
    shown = f"[{host}]" if ":" in host else host
    if _is_loopback(host):
        print(
            "reachable from this machine only; to open up, put a proxy with TLS in "
            "front (docs/hub.md) or give --listen 0.0.0.0:PORT",
            flush=True,
        )
    kept = f"PostgreSQL, caches in {settings.data}" if settings.database else settings.data
    print(
        f"data in {kept}, {settings.workers} worker(s), registration {settings.registration}",
        flush=True,
    )
    print(f"listening on http://{shown}:{port}", flush=True)


def main() -> None:
    """Run the command line."""
    run_program(app, "agenthub", extra="hub")


if __name__ == "__main__":
    main()
