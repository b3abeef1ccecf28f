"""`agenthub`: run a hub and look after it. The verbs of daily care are in `cli.operator`."""

from __future__ import annotations

import os
import secrets
import sys
from hashlib import sha256
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autoresearch.cli import operator
from autoresearch.cli.operator import DATA
from autoresearch.errors import AutoresearchError, BadInput

if TYPE_CHECKING:
    from autoresearch.hub.settings import Settings

app = typer.Typer(
    no_args_is_help=True,
    add_completion=True,
    help="Run a hub and look after it.",
    pretty_exceptions_enable=False,
)
app.add_typer(operator.verbs)

LOCAL_LIMIT = 1_000_000  # an hour, for --local: nobody who tries a hub out should meet a limit
MIB = 1024 * 1024


@app.command()
def serve(
    listen: Annotated[
        str, typer.Option(help="HOST:PORT; port 0 lets the system choose.")
    ] = "127.0.0.1:8000",
    data: DATA = Path("agenthub-data"),
    admin_key: Annotated[
        str | None,
        typer.Option(envvar="AGENTHUB_ADMIN_KEY", help="Generated once and printed, unless given."),
    ] = None,
    workers: Annotated[
        int, typer.Option(min=1, max=64, help="Processes that share the socket.")
    ] = 1,
    max_bundle_mb: Annotated[
        int, typer.Option(min=1, max=2000, help="The largest push taken.")
    ] = 50,
    max_pushes_per_hour: Annotated[int, typer.Option(min=0, help="Per agent.")] = 100,
    max_posts_per_hour: Annotated[
        int, typer.Option(min=0, help="Per agent; claims have as many of their own.")
    ] = 100,
    max_registrations_per_hour: Annotated[int, typer.Option(min=0, help="Per network.")] = 20,
    registration: Annotated[str, typer.Option(help="open, invite or closed.")] = "open",
    trusted_proxies: Annotated[
        str,
        typer.Option(
            help="Addresses or networks, separated by commas, whose X-Forwarded-For is believed."
        ),
    ] = "",
    roots_only: Annotated[
        bool, typer.Option(help="Refuse commits that do not descend from the hub's root.")
    ] = False,
    local: Annotated[
        bool, typer.Option(help="For trying it out: loopback only, limits of a million an hour.")
    ] = False,
) -> None:
    """Serve a hub until Ctrl-C or SIGTERM."""
    from autoresearch.hub import logs
    from autoresearch.hub.serve import listening_socket
    from autoresearch.hub.serve import serve as run
    from autoresearch.hub.settings import Settings
    from autoresearch.hub.store import migrate

    host, port = _address(listen, local)
    if registration not in ("open", "invite", "closed"):
        raise BadInput(f"--registration is open, invite or closed, not {registration!r}")
    migrate.prepare(data)
    settings = Settings(
        data=data,
        admin_key_hash=sha256(_admin_key(data, admin_key).encode()).digest(),
        max_bundle_bytes=max_bundle_mb * MIB,
        max_pushes_per_hour=LOCAL_LIMIT if local else max_pushes_per_hour,
        max_posts_per_hour=LOCAL_LIMIT if local else max_posts_per_hour,
        max_registrations_per_hour=LOCAL_LIMIT if local else max_registrations_per_hour,
        registration=registration,  # type: ignore[arg-type]
        trusted_proxies=_networks(trusted_proxies),
        roots_only=roots_only,
        workers=workers,
        metrics_dir=_fresh_folder(data / "metrics") if workers > 1 else None,
    )
    logs.to_stderr()
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


def _admin_key(data: Path, given: str | None) -> str:
    """The admin key: given, or kept in the data folder since it was first made."""
    if given:
        return given
    path = data / "admin.key"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text("ascii").strip()
    key = "aha_" + secrets.token_hex(32)
    with os.fdopen(descriptor, "w") as file:
        file.write(key + "\n")
    print(f"admin key (shown this once, kept in {path}): {key}", flush=True)
    return key


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
            "reachable from this machine only; to open up, put a proxy with TLS in front (docs/hub.md) or give --listen 0.0.0.0:PORT",
            flush=True,
        )
    print(
        f"data in {settings.data}, {settings.workers} worker(s), registration {settings.registration}",
        flush=True,
    )
    print(f"listening on http://{shown}:{port}", flush=True)


def main() -> None:
    """Run the command; a foreseen failure is one sentence and an exit code."""
    try:
        app()
    except AutoresearchError as error:
        print(f"agenthub: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
