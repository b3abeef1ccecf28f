"""Claims about the wheel that an installation makes of itself."""

from __future__ import annotations

import base64
import csv
import io
import zipfile
from hashlib import sha256
from pathlib import Path

from autoresearch.installation import build_wheel, install_command, lab_folder, write_wheel


def test_the_wheel_holds_what_runs_here(tmp_path: Path) -> None:
    """The package, its data, the lab and the programs' entry points; no bytecode."""
    archive = zipfile.ZipFile(write_wheel(tmp_path / "dist"))
    names = set(archive.namelist())

    assert {
        "autoresearch/installation.py",
        "autoresearch/hub/templates/home.html",
        "autoresearch/_lab/fixed/loader.py",
    } <= names
    assert not [name for name in names if "__pycache__" in name or ".venv" in name]
    train = (lab_folder() / "train.py").read_bytes()
    assert archive.read("autoresearch/_lab/train.py") == train


def test_the_record_names_every_file_with_its_hash() -> None:
    """As the wheel's format wants it: nothing is missing and nothing is more."""
    archive = zipfile.ZipFile(io.BytesIO(build_wheel().data))
    record = next(name for name in archive.namelist() if name.endswith("/RECORD"))
    rows = {
        name: digest for name, digest, _ in csv.reader(io.StringIO(archive.read(record).decode()))
    }

    assert set(rows) == set(archive.namelist())
    for name, digest in rows.items():
        if name != record:
            hashed = base64.urlsafe_b64encode(sha256(archive.read(name)).digest()).decode()
            assert digest == f"sha256={hashed.rstrip('=')}"


def test_the_same_files_make_the_same_wheel() -> None:
    """Its hash can be told to others: it does not depend on the time."""
    first = build_wheel()
    build_wheel.cache_clear()

    assert build_wheel() == first


def test_no_command_names_a_package_without_an_address() -> None:
    """Whoever registered our name somewhere would run code on every visitor's machine."""
    for extra in ("researcher", "lab", "hub", "ray", "mcp"):
        command = install_command(extra)
        assert "autoresearch" not in command or "-e '/" in command or " @ " in command
