"""A volunteer that may brings itself to its hub's version, in a real virtual environment; one that
may not stays what it is. What is not as the hub says is refused, and work goes on."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from autoresearch.client import Hub
from autoresearch.errors import AutoresearchError, MissingTool
from autoresearch.hub.routes import client_wheel
from autoresearch.installation import Wheel, build_wheel
from autoresearch.models import ClientWheel
from autoresearch.researcher.verify import client_update
from claimants import BOX, make_swarm
from conftest import sqlite_only
from strange_hub import Asked, Reply, strange_hub
from tiny_workspaces import noisy

VERSION = build_wheel().version
OLD, BROKEN = "0.0.9", "9.9.9"


def other_wheel(version: str, **files: str) -> Wheel:
    """Our wheel as another version, with other files in it."""
    ours, packed = build_wheel(), io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(ours.data)) as old, zipfile.ZipFile(packed, "w") as new:
        for name in old.namelist():
            text = files.get(Path(name).stem, "").encode() or old.read(name)
            if name.endswith(("METADATA", "RECORD", "autoresearch/__init__.py")):
                text = text.replace(VERSION.encode(), version.encode())
            new.writestr(name.replace(VERSION, version), text)
    data = packed.getvalue()
    name = ours.name.replace(VERSION, version)
    return Wheel(name, version, data, sha256(data).hexdigest())


@pytest.fixture
def python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of a virtual environment in which pip installed an old version, and where our libraries, pip
    among them, are found."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_NO_COMPILE", "1")  # quicker
    folder = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (site,) = (folder / "lib").glob("python*/site-packages")
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib"))
    old = other_wheel(OLD)
    (tmp_path / old.name).write_bytes(old.data)
    found = folder / "bin" / "python"
    pip = [found, "-m", "pip", "install", "-q", "--no-deps", tmp_path / old.name]
    subprocess.run(pip, check=True)
    return found


def read_version(python: Path) -> str:
    program = "import autoresearch; print(autoresearch.__version__)"
    command = [python, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.slow
@sqlite_only
def test_a_volunteer_becomes_its_hubs_version(
    tmp_path: Path, own_hub: Callable[..., Any], python: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only where it is told to. A file that is not what the hub states is not installed, one that
    does not start is taken back; then the right one is, and does the work with the same words."""
    hub = own_hub()
    claimant, verifier = make_swarm(tmp_path, hub)

    def work(*more: str) -> subprocess.CompletedProcess[str]:
        where = ["work", str(verifier.folder), "--hub", hub.url, "--platform", BOX]
        words = [python.with_name("autoresearch"), *where, "--sandbox", "none", "--once", *more]
        return subprocess.run(words, capture_output=True, text=True, check=True, timeout=600)

    def hand_out(wheel: Wheel) -> None:
        monkeypatch.setattr(client_wheel, "build_wheel", lambda: wheel)

    assert "updated" not in work().stdout and read_version(python) == OLD
    hand_out(replace(build_wheel(), data=build_wheel().data[:-1]))
    cut_short = work("--update")
    hand_out(other_wheel(BROKEN, volunteer="raise ImportError('not here')"))
    broken = work("--update")
    assert "not the one that it states" in cut_short.stderr + cut_short.stdout
    assert f"version {BROKEN} does not start here" in broken.stderr + broken.stdout
    assert "there is no work for us" in cut_short.stdout and "no work" in broken.stdout
    assert read_version(python) == OLD
    hand_out(build_wheel())
    claimant.claims(0.91, train=noisy(0.9, 0.001))
    told = json.loads(work("--update", "--json").stdout)

    assert (told["reproduced"], told["ended"]) == (1, "one piece of work is done")
    assert read_version(python) == VERSION


@contextmanager
def handing_out(data: bytes, length: int | None = None) -> Iterator[Hub]:
    """A hub that answers with this as its client."""

    def answer(asked: Asked) -> Reply:
        return Reply(200, data, {"content-length": str(length or len(data)), "connection": "close"})

    with strange_hub(answer) as strange, Hub(strange.url, tries=1) as hub:
        yield hub


@pytest.mark.parametrize(
    ("size", "length", "sentence"),
    [
        (8, 0, "not the one that it states"),
        (10**9, 0, "has 1000000000 bytes"),
        (8, 99, "broke off"),
    ],
    ids=["wrong", "large", "truncated"],
)
def test_a_file_that_is_not_as_stated_is_refused(
    tmp_path: Path, size: int, length: int, sentence: str
) -> None:
    """Another hash, more bytes than a client has, fewer than were announced."""
    wheel = ClientWheel("9.9.9", "", sha256(b"rightly").hexdigest(), size)
    with handing_out(b"wrongly.", length) as hub, pytest.raises(AutoresearchError, match=sentence):
        client_update.download(hub, wheel, tmp_path)


def test_more_bytes_than_stated_are_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever size the hub states, the disk is not filled."""
    monkeypatch.setattr(client_update, "WHEEL_MAX_BYTES", 9)
    wheel = ClientWheel("9.9.9", "", sha256(b"x" * 99).hexdigest(), 9)
    with handing_out(b"x" * 99) as hub, pytest.raises(AutoresearchError, match="over 9 bytes"):
        client_update.download(hub, wheel, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("version", ["0.0.1", "", "../x", "9.9.9 ", "9" * 99, "nightly"])
def test_an_older_version_and_none_are_refused(version: str) -> None:
    """A hub takes nobody back, and its words become no path."""
    with pytest.raises(AutoresearchError, match=r"older than ours|no version"):
        client_update.check_newer(version)


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({"INSTALLER": "uv"}, "uv installed this, not pip"),
        ({"INSTALLER": "pip", "direct_url.json": '{"dir_info": {"editable": true}}'}, "a checkout"),
    ],
    ids=["uv", "checkout"],
)
def test_what_pip_did_not_install_is_left_alone(
    tmp_path: Path, files: dict[str, str], sentence: str
) -> None:
    """A checkout is its owner's, an environment of another tool that tool's."""
    folder = tmp_path / "autoresearch-0.0.1.dist-info"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    with pytest.raises(MissingTool, match=sentence):
        client_update.check_environment(metadata.PathDistribution(folder))
