"""A hub whose key file a crash had left empty started open to all: the empty key was right."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from autoresearch.cli import context, credentials
from autoresearch.errors import BadInput, Forbidden, Unauthorized
from autoresearch.hub.app import create_app
from autoresearch.hub.rules import accounts, admin_key, sessions
from autoresearch.hub.settings import Settings
from autoresearch.hub.store import accounts as rows
from autoresearch.hub.store import migrate
from autoresearch.hub.store.database import Database

WHOLE = "aha_" + "5e" * 32
EMPTY = ["", " ", "\t", "x", "ahk_", "ahk_12", "\xa0" * 20, " " * 40]
# what a crash, a full disk or an editor leaves of a key file
DAMAGED = [b"", b"\n", b" \n\n", b"\0" * 69, b"aha", b"aha_", WHOLE[:40].encode(), b"\xff" * 69,
           WHOLE[:-1].encode() + b"\n", WHOLE.encode() + WHOLE.encode(), b"short",
           b"two words " * 4]  # fmt: skip


def serve(data: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`agenthub serve` that must not start."""
    command = [sys.executable, "-m", "autoresearch.cli.agenthub", "serve", "--listen=127.0.0.1:0"]
    return subprocess.run(
        [*command, f"--data={data}", *options],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture
def data(tmp_path: Path) -> Path:
    migrate.prepare(tmp_path / "hub")
    return tmp_path / "hub"


@pytest.mark.parametrize("left", DAMAGED)
def test_a_cut_key_file_is_no_key(data: Path, left: bytes) -> None:
    """The sentence names the file and what to do; the file stays as it is."""
    (data / "admin.key").write_bytes(left)

    with pytest.raises(BadInput, match=r"admin\.key holds no whole key.*delete the file"):
        admin_key.find_or_make(data, None)
    assert (data / "admin.key").read_bytes() == left


@pytest.mark.parametrize(
    ("left", "options", "environment"),
    [
        (b"", [], {}),
        (WHOLE.encode(), ["--admin-key="], {}),
        (WHOLE.encode(), [], {"AGENTHUB_ADMIN_KEY": ""}),
    ],
    ids=["cut file", "empty option", "empty environment"],
)
def test_the_program_does_not_start(
    data: Path, left: bytes, options: list[str], environment: dict[str, str]
) -> None:
    """A sentence and exit code 2, and nothing listens."""
    (data / "admin.key").write_bytes(left)
    done = serve(data, *options, **environment)

    assert done.returncode == 2 and "key" in done.stderr and "Traceback" not in done.stderr
    assert "listening" not in done.stdout


@pytest.mark.parametrize("given", [*EMPTY, "fifteen-letters"])
def test_a_chosen_key_is_long_enough(data: Path, given: str) -> None:
    """What the operator chooses is no easier to guess by accident."""
    with pytest.raises(BadInput, match="empty or too short"):
        admin_key.find_or_make(data, given)


def test_hubs_that_start_at_once_have_one_key(data: Path) -> None:
    """It is whole on disk, for its owner alone, when the first of them knows it."""
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: admin_key.find_or_make(data, None), range(8)))

    assert len({key.text for key in made}) == 1 and sum(key.is_new for key in made) == 1
    assert (data / "admin.key").read_text() == f"{made[0].text}\n"
    assert (data / "admin.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("stored", [b"", hashlib.sha256(b"").digest()])
def test_no_application_is_made_of_an_empty_key(tmp_path: Path, stored: bytes) -> None:
    """Also for those who start a hub from Python."""
    with pytest.raises(BadInput, match="without an admin key"):
        create_app(Settings(tmp_path, stored))


@pytest.mark.parametrize("key", EMPTY)
def test_nothing_empty_is_right_even_where_it_is_stored(data: Path, key: str) -> None:
    """Bearer, Basic, invite and sign-in, in a database that holds the hash of the empty secret."""
    stored = accounts.digest(key)
    settings = Settings(data, stored, registration="invite")
    db = Database(data)
    with db.write() as tx:
        rows.add_agent(tx, "victim", "open")
        rows.replace_key(tx, "victim", stored)
        rows.add_invite(tx, stored, "9999", 5, "")
    keyring = accounts.KeyCache(db, stored)
    for header in (f"Bearer {key}", "Basic " + b64encode(f"victim:{key}".encode()).decode()):
        with pytest.raises(Unauthorized):
            keyring.caller(header)
    with pytest.raises(Forbidden):
        sessions.begin(settings, key)
    with pytest.raises(Forbidden), db.write() as tx:
        accounts.register(tx, settings, "mallory", key, "net")
    db.close()


def test_a_key_that_is_revoked_while_it_is_looked_up_is_not_remembered(data: Path) -> None:
    """Look-ups run beside the event that empties the memory: what was read before is forgotten."""
    key = "a-key-of-sixteen-characters"
    db = Database(data)
    with db.write() as tx:
        rows.add_agent(tx, "ada", "open")
        rows.replace_key(tx, "ada", accounts.digest(key))

    class Slow(accounts.KeyCache):
        def _look_up(self, key_hash: bytes) -> accounts.Caller:
            found = super()._look_up(key_hash)
            self.forget()  # its event comes just now
            return found

    keyring = Slow(db, b"0" * 32)
    assert keyring.find_caller(key).agent_id == "ada"
    assert keyring.recall(accounts.digest(key)) is None
    db.close()


@pytest.mark.parametrize("password", ["", " ", "x"])
def test_git_asks_again_for_an_empty_password(hub: Any, password: str) -> None:
    """401 and a prompt, on the wire."""
    answer = hub.http.get("/git/info/refs?service=git-upload-pack", auth=("anyone", password))

    assert answer.status_code == 401 and answer.headers["WWW-Authenticate"].startswith("Basic")


@pytest.mark.parametrize("key", ["", "ahk_", "ahk_12", "ahk_" + "a" * 63])
def test_ah_does_not_send_half_a_key(tmp_path: Path, key: str) -> None:
    """A file that was cut is told as that, and an empty --key opens no new account instead."""
    file = credentials.folder_file(tmp_path)
    credentials.reserve(file, force=False)
    credentials.write(file, credentials.Credentials("http://127.0.0.1:9", key, "ada"))

    with pytest.raises(BadInput, match="ah join URL --force"):
        credentials.find(tmp_path, {"HOME": str(tmp_path)})
    with pytest.raises(BadInput, match="--key is empty or cut short"):
        context.join("http://127.0.0.1:9", "", "", key, user=False, force=True)
