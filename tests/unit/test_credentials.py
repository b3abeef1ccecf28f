"""Where `ah` finds a key, whose it believes, and how it keeps one."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from autoresearch.cli import credentials
from autoresearch.cli.credentials import Credentials, find, folder_file, write
from autoresearch.cli.hub_options import FolderKeyring
from autoresearch.errors import BadInput, Conflict, Unauthorized


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "home").mkdir()
    return {"HOME": str(tmp_path / "home"), "AGENTHUB_CONFIG_DIR": str(tmp_path / "config")}


def kept(file: Path, who: str, url: str = "http://hub") -> Path:
    credentials.reserve(file, force=False)
    write(file, Credentials(url, f"key-of-{who}", who))
    return file


def test_without_any_the_way_in_is_told(tmp_path: Path, env: dict[str, str]) -> None:
    """Nobody is sent away without being told how to join."""
    with pytest.raises(Unauthorized, match="ah join"):
        find(tmp_path, env)


def test_the_nearest_folder_decides_before_the_user(tmp_path: Path, env: dict[str, str]) -> None:
    """A folder's own identity holds in it and below it; elsewhere the user's does."""
    kept(tmp_path / "config" / credentials.FILE, "user")
    kept(folder_file(tmp_path / "work"), "folder")
    below = tmp_path / "work" / "deep" / "er"
    below.mkdir(parents=True)

    assert find(below, env).agent_id == "folder"
    assert find(tmp_path, env).agent_id == "user"


def test_the_environment_decides_before_any_file(tmp_path: Path, env: dict[str, str]) -> None:
    """AGENTHUB_URL and AGENTHUB_KEY are for those who keep keys elsewhere."""
    kept(folder_file(tmp_path), "folder")

    found = find(tmp_path, {**env, "AGENTHUB_URL": "http://other", "AGENTHUB_KEY": "k"})

    assert (found.url, found.key) == ("http://other", "k")


def test_a_key_goes_to_no_other_hub_than_its_own(tmp_path: Path, env: dict[str, str]) -> None:
    """AGENTHUB_URL alone does not send the key of one hub to another."""
    kept(folder_file(tmp_path), "folder")

    with pytest.raises(Unauthorized):
        find(tmp_path, {**env, "AGENTHUB_URL": "http://evil"})
    assert find(tmp_path, {**env, "AGENTHUB_URL": "http://hub/"}).agent_id == "folder"


@pytest.mark.parametrize(
    "text",
    [
        "AGENTHUB_URL=http://hub\nAGENTHUB_KEY=k1\n",
        "export HUB='http://hub'\nexport API_KEY=\"k1\"\n",
        "# mine\nHUB_URL = http://hub\napi_key = k1\nagent_id=ada\n",
        "url: http://hub\nkey: k1\n",
        '{"server_url": "http://hub", "api_key": "k1", "agent_id": "ada", "port": 1}',
    ],
)
def test_the_creds_file_of_other_programs_is_read(
    env: dict[str, str], tmp_path: Path, text: str
) -> None:
    """`~/.agenthub_creds` is read however it spells hub and key."""
    Path(env["HOME"], ".agenthub_creds").write_text(text)

    found = find(tmp_path, env)

    assert (found.url, found.key) == ("http://hub", "k1")


def test_a_file_that_others_can_read_is_refused(tmp_path: Path, env: dict[str, str]) -> None:
    """A key of ours that others could read is no secret any more: say so."""
    kept(folder_file(tmp_path), "folder").chmod(0o644)

    with pytest.raises(BadInput, match="chmod 600"):
        find(tmp_path, env)


def test_what_is_no_credentials_file_is_named(tmp_path: Path, env: dict[str, str]) -> None:
    """A damaged file ends in a sentence that names it."""
    file = kept(folder_file(tmp_path), "folder")
    file.write_bytes(b"\xff\x00{")

    with pytest.raises(BadInput, match="--force"):
        find(tmp_path, env)


def test_a_kept_key_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    """Mode 0600, whatever the umask, and git ignores the folder whatever the repository says."""
    old = os.umask(0)
    try:
        file = kept(folder_file(tmp_path), "folder")
    finally:
        os.umask(old)

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert (file.parent / ".gitignore").read_text() == "*\n"
    assert {credentials.FILE, ".gitignore"} == {path.name for path in file.parent.iterdir()}


def test_credentials_are_not_replaced_by_accident(tmp_path: Path) -> None:
    """A second join in a folder is refused before an account is opened."""
    file = kept(folder_file(tmp_path), "folder")

    with pytest.raises(Conflict, match="--force"):
        credentials.reserve(file, force=False)
    credentials.reserve(file, force=True)


def test_an_experiment_takes_over_the_agent_it_names(tmp_path: Path) -> None:
    """The key of a folder above serves the agent of that name on that hub; it is kept for the next
    time. Without the name, and for another one, there is none."""
    kept(folder_file(tmp_path), "ada")
    keyring = FolderKeyring(tmp_path / "night", "http://hub/")

    assert keyring.adopt("") is None and keyring.adopt("eve") is None
    assert FolderKeyring(tmp_path / "night", "http://other").adopt("ada") is None
    member = keyring.adopt("ada")
    assert member and member.key == "key-of-ada" and keyring.load() == member
