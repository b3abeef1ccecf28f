"""Holds the documentation to the programs: every command, option, track and route is described,
every link and README command works."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import pytest

ROOT = Path(__file__).parent.parent
PAGES = [
    ROOT / "README.md",
    ROOT / "ARCHITECTURE.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "lab").glob("*.md")),
]
DOCS = "\n".join(page.read_text("utf-8") for page in PAGES)
PROGRAMS = ["autoresearch", "ah", "agenthub"]


def commands(program: str) -> Iterator[tuple[str, click.Command]]:
    """Every leaf command of a program with its full name, e.g. `agenthub agents list`."""
    app = importlib.import_module(f"autoresearch.cli.{program}").app

    def walk(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
        children = getattr(command, "commands", None)
        if not children:
            yield name, command
        for child, sub in (children or {}).items():
            yield from walk(f"{name} {child}", sub)

    return walk(program, app)


ALL_COMMANDS = [
    (name, command)
    for program in PROGRAMS
    for name, command in commands(program)
    if not command.hidden
]


@pytest.mark.parametrize("name", [name for name, _ in ALL_COMMANDS])
def test_every_command_is_documented(name: str) -> None:
    """A command that exists stands in the docs under its full name."""
    assert re.search(re.escape(name) + r"\b", DOCS), f"no page mentions `{name}`"


@pytest.mark.parametrize(("name", "command"), ALL_COMMANDS, ids=[name for name, _ in ALL_COMMANDS])
def test_every_option_is_documented(name: str, command: click.Command) -> None:
    """A flag that exists stands in the docs."""
    flags = {
        o
        for p in command.params
        for o in p.opts
        if o.startswith("--") and not getattr(p, "hidden", False)
    }
    missing = {flag for flag in flags - {"--help"} if flag not in DOCS}
    assert not missing, f"`{name}`: no page mentions {sorted(missing)}"


@pytest.mark.parametrize(("name", "command"), ALL_COMMANDS, ids=[name for name, _ in ALL_COMMANDS])
def test_every_command_says_what_it_does(name: str, command: click.Command) -> None:
    """--help has a sentence for every command and every option."""
    assert command.help, f"`{name}` has no help"
    silent = [
        p.name
        for p in command.params
        if isinstance(p, click.Option) and not p.help and not getattr(p, "hidden", False)
    ]
    assert not silent, f"`{name}`: options without a word of help: {silent}"


def test_every_option_of_prepare_and_every_track_is_documented() -> None:
    """`prepare.py --help` lists its flags and tracks; the docs know them all."""
    said = subprocess.run(
        [sys.executable, ROOT / "lab/prepare.py", "--help"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    flags = set(re.findall(r"--[a-z][a-z-]+", said)) - {"--help"}
    assert flags and not {f for f in flags if f not in DOCS}
    for track in ("climbmix", "tinystories", "pystd", "stories", "custom"):
        assert track in said and f"`{track}`" in DOCS


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    """A page's relative links and pictures exist."""
    links = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", page.read_text("utf-8"))
    assert not [link for link in links if not (page.parent / link).exists()]


def readme_commands() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.S)
    return [
        line.split("  #")[0].strip()
        for block in blocks
        for line in block.splitlines()
        if line.strip()
    ]


# README lines that would take a night, or never end, and what stands for them here: the same
# command, made short.
SHORTER = {
    "--track pystd": "--track pystd-3s",
    "--hours 8": "--experiments 1 --baseline-runs 1 --policy greedy",
    "run runs/night --hub": "run runs/night --experiments 0 --hub",
    "watch runs/night": "watch runs/night --once",
}
ADDRESS = "http://127.0.0.1:8000"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which README's relative commands work: its `.venv/bin` is that of the running
    interpreter."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / ".venv").mkdir()
    (folder / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    return folder


def run(desk: Path, line: str, well: tuple[int, ...] = (0,)) -> str:
    env = {
        **os.environ,
        "AUTORESEARCH_CACHE": str(desk / "cache"),
        "AGENTHUB_CONFIG_DIR": str(desk / "config"),
        "NO_COLOR": "1",
    }
    done = subprocess.run(
        ["bash", "-c", line], cwd=desk, env=env, capture_output=True, text=True, timeout=800
    )
    assert done.returncode in well, f"{line}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def test_readme_make_targets_exist() -> None:
    """The two commands of the README are targets of the Makefile; CI calls the second."""
    for line in ("make run", "make test"):
        assert line in readme_commands()
        assert (
            subprocess.run(
                ["make", "-n", line.split()[1]], cwd=ROOT, capture_output=True
            ).returncode
            == 0
        )
    assert "make test" in (ROOT / ".ci" / "run").read_text("utf-8")


@contextmanager
def readme_hub(desk: Path) -> Iterator[str]:
    """The hub that README starts, on a port of the system's choice; its address."""
    serve = next(line for line in readme_commands() if "/agenthub" in line)
    argv = serve.replace("127.0.0.1:8000", "127.0.0.1:0").split()
    with subprocess.Popen(
        argv, cwd=desk, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as server:
        try:
            assert server.stdout
            found = (re.search(r"http://127\.0\.0\.1:\d+", line) for line in server.stdout)
            yield next(match for match in found if match).group()
        finally:
            server.terminate()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_readme_researcher_commands_run(desk: Path) -> None:
    """doctor, init, run, status, report and the swarm's, in the README's order and words (budgets
    shortened), end well."""
    lines = [line for line in readme_commands() if line.startswith(".venv/bin/autoresearch")]
    assert len(lines) >= 8
    with readme_hub(desk) as url:
        for line in lines:
            for long, short in SHORTER.items():
                line = line.replace(long, short)
            # nobody else has told this hub anything: `verify` finds nothing to run again, and says
            # so
            run(desk, line.replace(ADDRESS, url), well=(0, 4) if " verify " in line else (0,))
    assert (desk / "runs/night/progress.png").stat().st_size > 10_000


def test_readme_hub_commands_run(desk: Path) -> None:
    """serve, join, post, read and leaves, in the README's order and words (on a port of the
    system's choice), end well."""
    lines = [line for line in readme_commands() if "/ah " in line]
    with readme_hub(desk) as url:
        said = [run(desk, line.replace(ADDRESS, url)) for line in lines]
    assert any("hello, swarm" in text for text in said)


ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
SOURCES = [
    path.relative_to(ROOT).as_posix()
    for folder in ("src", "lab", "tests", "docs", "deploy")
    for path in sorted((ROOT / folder).rglob("*.*"))
]


def test_architecture_names_files_and_functions_that_exist() -> None:
    """Whoever follows a step finds its file, and in it the function that the step names."""
    files = set(re.findall(r"`((?:[\w-]+/)*\w+\.(?:py|md|js))`", ARCHITECTURE))
    functions = set(re.findall(r"`(?:\w+/)*(\w+)\.([a-z_]{4,})(?:\(\w+\))?`", ARCHITECTURE))

    assert {name for name in files if not find_sources(name)} == set()
    assert {
        f"{module}.{name}"
        for module, name in functions
        if (found := find_sources(f"{module}.py"))
        and not any(f"def {name}(" in (ROOT / file).read_text("utf-8") for file in found)
    } == set()


def find_sources(name: str) -> list[str]:
    return [path for path in SOURCES if f"/{path}".endswith(f"/{name}")]


def test_architecture_is_short() -> None:
    """Each journey has ten steps at most, and the glossary twenty entries."""
    followed = [part for part in ARCHITECTURE.split("\n## ") if "followed through" in part[:80]]
    words = ARCHITECTURE.partition("\n## Words\n")[2].partition("\n## ")[0]

    assert len(followed) == 4
    assert all(0 < len(re.findall(r"^\d+\. ", part, re.MULTILINE)) <= 10 for part in followed)
    assert 0 < len(re.findall(r"^- ", words, re.MULTILINE)) <= 20
