"""Holds the house in shape by reading its source: who may import whom, and which file owns which
outside thing (ARCHITECTURE.md)."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SRC = ROOT / "src" / "autoresearch"
SHARED = {
    "clock",
    "devices",
    "entries",
    "errors",
    "files",
    "folders",
    "installation",
    "labels",
    "log_replay",
    "merkle",
    "models",
    "own_programs",
    "resultdetails",
    "resultline",
    "signing",
    "untrusted",
}
ROOMS = {
    "clock": set(),
    "devices": set(),
    "entries": set(),
    "errors": set(),
    "files": set(),
    "folders": {"errors"},
    "installation": {"errors"},
    "labels": set(),
    "log_replay": {"entries", "merkle", "models", "signing"},
    "merkle": set(),
    "models": set(),
    "own_programs": set(),
    "resultdetails": {"models", "resultline"},
    "resultline": {"models", "untrusted"},
    "signing": {"entries", "errors", "installation"},
    "untrusted": set(),
    "git": SHARED,
    "client": SHARED,
    "hub": SHARED | {"git"},
    "researcher": SHARED | {"git", "client"},
    "cli": SHARED | {"git", "client", "hub", "researcher"},
}
FILES = sorted(SRC.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(SRC).parts[0].removesuffix(".py")


def imports(path: Path, *, top_level_only: bool = False) -> Iterator[str]:
    """The absolute dotted names a file imports; relative imports are resolved."""
    tree = ast.parse(path.read_text("utf-8"))
    package = (
        ["autoresearch", *path.relative_to(SRC).parent.parts] if path.is_relative_to(SRC) else []
    )
    for node in runs_at_import(tree) if top_level_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, node.module] if node.module else base)
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def runs_at_import(tree: ast.AST) -> Iterator[ast.AST]:
    """Nodes that run when the module is imported: not function bodies, not `if TYPE_CHECKING`."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from runs_at_import(child)


def rooms_imported(path: Path, **kwargs: bool) -> set[str]:
    parts = (name.split(".") for name in imports(path, **kwargs))
    return {p[1] for p in parts if p[0] == "autoresearch" and len(p) > 1} & ROOMS.keys()


def importers(library: str) -> set[str]:
    return {
        path.relative_to(SRC).as_posix()
        for path in FILES
        if any(name == library or name.startswith(library + ".") for name in imports(path))
    }


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(SRC).as_posix())
def test_a_room_imports_only_what_the_table_allows(path: Path) -> None:
    """Every import between rooms stands in the table of ARCHITECTURE.md."""
    room = room_of(path)
    if room == "__init__":
        assert not rooms_imported(path)
    else:
        assert rooms_imported(path) - {room} <= ROOMS[room]


@pytest.mark.parametrize(
    "path",
    [p for p in FILES if room_of(p) == "cli"],
    ids=lambda p: p.relative_to(SRC).as_posix(),
)
def test_a_command_line_starts_without_hub_and_researcher(path: Path) -> None:
    """The doors import the heavy rooms inside the command that needs them, so that `ah` starts at
    once."""
    assert not rooms_imported(path, top_level_only=True) & {"hub", "researcher"}


def test_the_lab_stands_alone() -> None:
    """The lab is copied into other repositories: it imports nothing of ours."""
    for path in (ROOT / "lab").glob("*.py"):
        assert not [name for name in imports(path) if name.split(".")[0] == "autoresearch"], path


def test_torch_lives_in_the_lab_alone() -> None:
    """Hub, client and researcher run where no torch is installed."""
    assert set() == importers("torch")


def test_sql_lives_in_the_store_alone() -> None:
    """Nobody but the hub's store and its migrations speaks SQL."""
    libraries = ("sqlalchemy", "sqlite3", "alembic", "psycopg")
    owners = set[str]().union(*map(importers, libraries))
    assert not {o for o in owners if not o.startswith(("hub/store/", "hub/migrations/"))}


def test_pages_and_routes_see_the_rules_only() -> None:
    """What a page shows or a route answers is worked out by the rules, from models, in one
    place."""
    for path in FILES:
        if path.parent in (SRC / "hub" / "pages", SRC / "hub" / "routes"):
            assert not [name for name in imports(path) if ".hub.store" in name], path


LANES = ("off_loop", "in_long_lane", "in_push_lane")
HUB_LAYERS = [  # a layer may import from those before it, and from itself
    {"values", "settings"},
    {"store", "migrations"},
    {"rules"},
    {"logs", "metrics", "feed", "guide", "openapi", "pages.page_cache", "connections"}
    | {"readiness", "recent_answers", "repacking"},
    {"services"},
    {"routes"},
    {"pages"},
    {"fast", "middleware", "http_protocol", "origin"},
    {"app"},
    {"serve"},
]


@pytest.mark.parametrize(
    "path",
    [p for p in FILES if room_of(p) == "hub" and p != SRC / "hub" / "__init__.py"],
    ids=lambda p: p.relative_to(SRC).as_posix(),
)
def test_the_hub_is_layered(path: Path) -> None:
    """Values below, then the store, the rules, the services, routes and pages; on top what joins
    them."""
    own = hub_layer(".".join(path.relative_to(SRC).with_suffix("").parts))
    prefix = "autoresearch."
    ours = {name.removeprefix(prefix) for name in imports(path) if name.startswith(prefix)}
    assert not {name for name in ours if name.startswith("hub.") and hub_layer(name) > own}


def hub_layer(name: str) -> int:
    """The layer of `hub.rules.push`: where its longest beginning stands."""
    parts = name.split(".")[1:]
    for length in (2, 1):
        for level, modules in enumerate(HUB_LAYERS):
            if ".".join(parts[:length]) in modules:
                return level
    raise AssertionError(f"{name} is in no layer of the hub")


@pytest.mark.parametrize(
    "path", [p for p in FILES if room_of(p) == "hub"], ids=lambda p: p.relative_to(SRC).as_posix()
)
def test_no_thread_gets_the_reader_of_another(path: Path) -> None:
    """`db.reader` is the connection of whoever names it: work for another thread names it there,
    within a lambda. Else the event loop waits for every statement of that work."""
    for call in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)):
            continue
        if call.func.attr in LANES:
            given = [*call.args, *(word.value for word in call.keywords)]
            names = {one.attr for one in given if isinstance(one, ast.Attribute)}
            assert "reader" not in names, f"line {call.lineno}"


def test_subprocesses_have_three_owners() -> None:
    """git runs in `git`, experiments in the sandbox, coding agents in `agents`; nobody else starts
    a program."""
    starters = importers("subprocess")
    assert not {
        s
        for s in starters
        if not s.startswith(("git/", "researcher/agents/", "researcher/sandbox/"))
    }


def test_the_environment_is_read_at_the_door() -> None:
    """`os.environ` is read by the command lines (and by git, to hand PATH and HOME on): functions
    get what they need."""
    readers = users_of("os.environ") | users_of("os.getenv")
    assert not {r for r in readers if not r.startswith(("cli/", "git/"))}


def test_files_are_replaced_and_put_on_disk_in_one_place() -> None:
    """`files` alone replaces a file as a whole; only the ledger, which grows, asks for an fsync
    besides.

    git writes a pack's index itself; the outbox moves letters between folders.
    """
    assert {"files.py", "researcher/ledger.py"} == users_of("os.fsync")
    allowed = {"files.py", "git/upload.py", "researcher/swarm/outbox.py"}
    assert users_of("os.replace") <= allowed


def test_the_time_of_day_has_one_owner() -> None:
    """Only `clock` writes the present time, so there are two forms of it and no third."""
    assert {"clock.py"} == users_of("datetime.now")
    assert not users_of("datetime.utcnow") | users_of("time.gmtime") | users_of("time.strftime")


def test_the_judge_is_pure() -> None:
    """What judges imports nothing of ours but its own folder's values, reaches no file, clock,
    process or chance, and loads no other part of the house."""
    own = "autoresearch.researcher.judging"
    allowed = ("autoresearch.models", "autoresearch.errors", own)
    outside = {"os", "io", "pathlib", "time", "datetime", "random", "secrets", "subprocess"}
    for path in (SRC / "researcher" / "judging").glob("*.py"):
        names = set(imports(path))
        assert not {n for n in names if n.startswith("autoresearch")} - {
            n for n in names if n.startswith(allowed)
        }, path
        assert not {n.split(".")[0] for n in names} & outside, path
    code = f"import sys, {own}.judge, {own}.curves; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    ours = {name for name in loaded if name.startswith("autoresearch.")}
    assert ours - {"autoresearch.researcher"} == {n for n in ours if n.startswith(allowed)}


def users_of(name: str) -> set[str]:
    """The files whose code (not text) says a dotted name."""
    return {path.relative_to(SRC).as_posix() for path in FILES if says(path, name)}


def says(path: Path, name: str) -> bool:
    nodes = ast.walk(ast.parse(path.read_text("utf-8")))
    return any(isinstance(node, ast.Attribute) and ast.unparse(node) == name for node in nodes)


def test_no_pickle_anywhere() -> None:
    """Nothing is ever loaded in a format that can run code."""
    assert set() == importers("pickle") | importers("shelve") | importers("marshal")
    for path in (ROOT / "lab").glob("*.py"):
        text = path.read_text("utf-8")
        assert (
            "pickle" not in [n.split(".")[0] for n in imports(path)] and "torch.load(" not in text
        )


@pytest.mark.parametrize(
    "path",
    [p for p in FILES if p.read_text("utf-8").strip()],
    ids=lambda p: p.relative_to(SRC).as_posix(),
)
def test_a_file_opens_by_saying_what_it_is_for(path: Path) -> None:
    """Every file of the house opens with a docstring, and stays small enough to read in one
    sitting."""
    text = path.read_text("utf-8")
    assert ast.get_docstring(ast.parse(text)), "no docstring on top"
    assert text.count("\n") <= 450, "an everything file in the making: split it"


def test_a_class_name_stands_in_one_file() -> None:
    """A name means one thing: a reader who searches for a class finds it."""
    places: dict[str, set[str]] = {}
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, set()).add(path.relative_to(SRC).as_posix())

    assert {name: files for name, files in places.items() if len(files) > 1} == {}


def test_no_import_cycles() -> None:
    """Modules form layers: following top-level imports never leads back."""
    names = {
        ".".join(["autoresearch", *p.relative_to(SRC).with_suffix("").parts]).removesuffix(
            ".__init__"
        ): p
        for p in FILES
    }
    graph = {
        name: {i for i in imports(path, top_level_only=True) if i in names and i != name}
        for name, path in names.items()
    }
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join([*trail[trail.index(name) :], name])
        if name not in done:
            for other in graph[name]:
                if not name.startswith(
                    other + "."
                ):  # a package's own __init__ may name its modules
                    visit(other, (*trail, name))
            done.add(name)

    for name in graph:
        visit(name, ())
