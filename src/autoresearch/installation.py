"""This installation as others can have it: the lab's files, what installs an extra, and a wheel of
exactly this version.

No registry need have us, so nothing here names a package of ours without an address.
"""

from __future__ import annotations

import base64
import csv
import io
import json
import os
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from importlib import metadata
from pathlib import Path

import autoresearch
from autoresearch.errors import BadWorkspace, MissingTool

PACKAGE = Path(autoresearch.__file__).parent
LAB_SUFFIXES = (".py", ".md", ".toml")
LAB_FOLDERS = ("fixed", "scales")  # of Python files
PACKED_AT = (2020, 1, 1, 0, 0, 0)  # one time for all files: the same files, the same wheel


@dataclass(frozen=True)
class Wheel:
    """A wheel in memory. `sha256` in hexadecimal."""

    name: str
    version: str
    data: bytes
    sha256: str


def lab_folder() -> Path:
    """Where the lab's files are: beside `src` in a checkout, inside the package in an installed
    wheel."""
    for folder in (PACKAGE.parents[1] / "lab", PACKAGE / "_lab"):
        if (folder / "prepare.py").is_file() and (folder / "train.py").is_file():
            return folder
    raise BadWorkspace(
        f"the lab's files are missing from this installation ({PACKAGE}); install "
        "autoresearch again"
    )


def list_lab_files(lab: Path) -> list[Path]:
    """The files that make up the lab, and nothing that runs left beside them."""
    top = [file for file in lab.iterdir() if file.suffix in LAB_SUFFIXES and file.is_file()]
    inner = [file for name in LAB_FOLDERS for file in (lab / name).glob("*.py")]
    return sorted([*top, *inner, *(lab / "skills").glob("*/SKILL.md")])


# ---------------------------------------------------------------- what installs an extra


def install_command(extra: str) -> str:
    """What installs the libraries of an extra into the environment that runs this program.

    A checkout installs itself, a hub's wheel comes from that hub again; else the libraries are
    named."""
    python = f"{sys.executable} -m pip install"
    try:
        found = metadata.distribution("autoresearch")
        origin = json.loads(found.read_text("direct_url.json") or "{}")
    except (metadata.PackageNotFoundError, ValueError) as error:
        raise MissingTool(
            "autoresearch is not installed here; run this from an environment that has it"
        ) from error
    url = str(origin.get("url", ""))
    folder = url.removeprefix("file://")
    if "dir_info" in origin and os.path.isdir(folder):
        return f"{python} -e '{folder}[{extra}]'"
    if url.startswith(("http://", "https://")):
        return f"{python} 'autoresearch[{extra}] @ {url}'"
    return f"{python} {' '.join(map(repr, _libraries(found, extra)))}"


def _libraries(found: metadata.Distribution, extra: str) -> list[str]:
    """The libraries that an extra asks for."""
    wanted = (line.partition(";") for line in found.requires or ())
    return [
        name.strip() for name, _, when in wanted if f"extra == '{extra}'" in when.replace('"', "'")
    ]


# ---------------------------------------------------------------- the wheel


@lru_cache(maxsize=1)
def build_wheel() -> Wheel:
    """This installation as a wheel, the lab inside: the files that run now, made once a process.

    The format is the binary distribution format of the Python packaging guide. MissingTool where
    the package was never installed, so that its metadata is not there."""
    try:
        about = metadata.distribution("autoresearch")
    except metadata.PackageNotFoundError as error:
        raise MissingTool("autoresearch is not installed, so no wheel can be made of it") from error
    stem = f"autoresearch-{about.version}"
    info = f"{stem}.dist-info"
    files = dict(_package_files())
    tags = "Wheel-Version: 1.0\nGenerator: autoresearch\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files[f"{info}/METADATA"] = (about.read_text("METADATA") or "").encode()
    files[f"{info}/WHEEL"] = tags.encode()
    files[f"{info}/entry_points.txt"] = (about.read_text("entry_points.txt") or "").encode()
    licence = about.read_text("licenses/LICENSE")
    if licence:
        files[f"{info}/licenses/LICENSE"] = licence.encode()
    files[f"{info}/RECORD"] = _record(files, f"{info}/RECORD")
    data = _zip(files)
    return Wheel(f"{stem}-py3-none-any.whl", about.version, data, sha256(data).hexdigest())


def write_wheel(folder: str | Path) -> Path:
    """Write the wheel into a folder; where it is."""
    wheel = build_wheel()
    file = Path(folder) / wheel.name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(wheel.data)
    return file


def _package_files() -> Iterator[tuple[str, bytes]]:
    """Every file of the package by its place in the wheel; the lab stands in `_lab`."""
    for file in sorted(PACKAGE.rglob("*")):
        path = file.relative_to(PACKAGE)
        if file.is_file() and "__pycache__" not in path.parts and path.parts[0] != "_lab":
            yield f"autoresearch/{path.as_posix()}", file.read_bytes()
    lab = lab_folder()
    for file in list_lab_files(lab):
        yield f"autoresearch/_lab/{file.relative_to(lab).as_posix()}", file.read_bytes()


def _record(files: dict[str, bytes], own_name: str) -> bytes:
    """The list of all files with their hashes; of itself it has none."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    for name, data in files.items():
        digest = base64.urlsafe_b64encode(sha256(data).digest()).rstrip(b"=").decode()
        rows.writerow((name, f"sha256={digest}", len(data)))
    rows.writerow((own_name, "", ""))
    return text.getvalue().encode()


def _zip(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, PACKED_AT)
            entry.external_attr = 0o100644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    return packed.getvalue()
