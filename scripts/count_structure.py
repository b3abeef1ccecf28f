"""Counts how the source is built, in one table: sizes, names, layers. Reads syntax trees only.

    python scripts/count_structure.py [FOLDER]      # default: src

Run it before and after a change of structure. It judges nothing and fails nothing.
"""

from __future__ import annotations

import ast
import io
import re
import statistics
import sys
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

WIDTH = 100
# irregular forms that functions here are or were called by; regular ones end in -ed
PARTICIPLES = {
    "told", "shown", "kept", "known", "found", "held", "given", "taken", "made", "seen", "sent",
    "read_back", "written", "gone", "left", "done", "drawn", "chosen", "begun", "spent", "cut",
    "put", "run_before", "bound", "built", "caught", "driven", "fed", "fallen", "hidden", "lost",
    "met", "paid", "sought", "sold", "split_off", "spoken", "thrown", "torn", "woken", "won",
}  # fmt: skip
NOT_PARTICIPLES = {"seed", "feed", "embed", "speed", "need", "exceed", "proceed", "shed", "red"}
# where a number is shown or simulated, off its way from one ledger to a peer's loop
OFF_THE_WAY = re.compile(r"(pages|window|report|watch|dashboard|simulate|agents)/")
HUB_ROOMS = ("hub", "client", "cli", "models.py", "mcp.py", "untrusted.py")


@dataclass(frozen=True)
class Module:
    """One source file: its path below the package, its text and its syntax tree."""

    path: str
    text: str
    tree: ast.Module

    @property
    def folder(self) -> str:
        return self.path.rpartition("/")[0]

    def functions(self) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
        return [node for node in ast.walk(self.tree) if isinstance(node, kinds)]

    def classes(self) -> list[ast.ClassDef]:
        return [node for node in ast.walk(self.tree) if isinstance(node, ast.ClassDef)]


def read_modules(folder: Path) -> list[Module]:
    package = folder / "autoresearch" if (folder / "autoresearch").is_dir() else folder
    found = []
    for path in sorted(package.rglob("*.py")):
        text = path.read_text("utf-8")
        found.append(Module(path.relative_to(package).as_posix(), text, ast.parse(text)))
    return found


def function_lengths(modules: list[Module]) -> list[int]:
    """Lines of each function from its `def` to its end, without the docstring."""
    lengths = []
    for function in (f for module in modules for f in module.functions()):
        first = function.body[0]
        documented = bool(ast.get_docstring(function))
        docstring = (first.end_lineno or 0) - first.lineno + 1 if documented else 0
        lengths.append((function.end_lineno or 0) - function.lineno + 1 - docstring)
    return lengths


def comment_count(modules: list[Module]) -> int:
    """Comments, those at the end of a line included."""
    tokens = (
        token
        for module in modules
        for token in tokenize.generate_tokens(io.StringIO(module.text).readline)
    )
    return sum(token.type == tokenize.COMMENT for token in tokens)


def is_lone_participle(name: str) -> bool:
    bare = name.strip("_")
    if "_" in bare or bare in NOT_PARTICIPLES:
        return False
    return bare in PARTICIPLES or (len(bare) > 4 and bare.endswith("ed"))


def duplicate_classes(modules: list[Module]) -> dict[str, list[str]]:
    places: dict[str, set[str]] = defaultdict(set)
    for module in modules:
        for each in module.classes():
            places[each.name].add(module.path)
    return {name: sorted(paths) for name, paths in places.items() if len(paths) > 1}


def imported_folders(module: Module, folders: set[str]) -> Iterator[str]:
    """Folders of the package that a module imports from, imports inside functions included."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "autoresearch":
                for end in range(len(parts), 0, -1):
                    folder = "/".join(parts[1:end])
                    if folder in folders:
                        yield folder
                        break


def mutual_imports(modules: list[Module]) -> list[tuple[str, str]]:
    """Pairs of folders that import each other; a folder and one that contains it count as well."""
    folders = {module.folder for module in modules}
    edges = {
        (module.folder, other)
        for module in modules
        for other in imported_folders(module, folders)
        if other != module.folder
    }
    return sorted((a, b) for a, b in edges if a < b and (b, a) in edges)


def modules_with_verb(modules: list[Module], verb: str) -> list[str]:
    """Modules of the hub's way, from its tables to the commands, whose code names a verb."""
    pattern = re.compile(rf"(^|_){verb}s?($|_)", re.IGNORECASE)
    return [
        module.path
        for module in modules
        if module.path.startswith(HUB_ROOMS) and any(map(pattern.search, identifiers(module)))
    ]


def identifiers(module: Module) -> Iterator[str]:
    """Names that a module defines or uses, the parts of imported module paths left out."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name


def classes_with_field(modules: list[Module], names: set[str]) -> list[str]:
    """Classes that carry a result's number as a field, on its way from a ledger to a peer."""
    found = []
    for module in modules:
        for each in module.classes():
            fields = [n.target for n in each.body if isinstance(n, ast.AnnAssign)]
            carries = any(isinstance(t, ast.Name) and t.id in names for t in fields)
            if carries and not OFF_THE_WAY.search(module.path):
                found.append(f"{module.path}:{each.name}")
    return found


def percent(part: int, whole: int) -> str:
    return f"{100 * part / max(whole, 1):.1f} % ({part} of {whole})"


def count(modules: list[Module]) -> Iterator[tuple[str, str]]:
    lines = [line for module in modules for line in module.text.splitlines()]
    sizes = [module.text.count("\n") for module in modules]
    functions = [function for module in modules for function in module.functions()]
    public = [f for f in functions if not f.name.startswith("_")]
    lengths = sorted(function_lengths(modules))
    handlers = [n for m in modules for n in ast.walk(m.tree) if isinstance(n, ast.ExceptHandler)]
    broad = [h for h in handlers if h.type is None or "Exception" in ast.dump(h.type)]
    twins = duplicate_classes(modules)
    names = {each.name for module in modules for each in module.classes()}
    lone = [f.name for f in functions if is_lone_participle(f.name)]
    one_word = [f for f in functions if "_" not in f.name.strip("_")]
    pairs = mutual_imports(modules)
    yield "files, lines", f"{len(modules)}, {len(lines)}"
    yield "lines a file: median, max", f"{statistics.median(sizes):.0f}, {max(sizes)}"
    p90 = lengths[int(0.9 * (len(lengths) - 1))]
    yield (
        "lines a function: median, p90, max",
        (f"{statistics.median(lengths):.0f}, {p90}, {lengths[-1]}"),
    )
    documented = [f for f in public if ast.get_docstring(f)]
    yield "public functions with a docstring", percent(len(documented), len(public))
    opened = [module for module in modules if ast.get_docstring(module.tree)]
    yield "modules with a docstring", percent(len(opened), len(modules))
    yield (
        "functions with a return type",
        percent(sum(bool(f.returns) for f in functions), len(functions)),
    )
    yield "comments per 100 lines", f"{100 * comment_count(modules) / len(lines):.1f}"
    yield "broad excepts per 1,000 lines", f"{1000 * len(broad) / len(lines):.2f}"
    yield (
        f"lines over {WIDTH} columns",
        percent(sum(len(line) > WIDTH for line in lines), len(lines)),
    )
    yield "class names in more than one file", percent(len(twins), len(names))
    yield "functions named by a lone participle", percent(len(lone), len(functions))
    yield "one-word function names", percent(len(one_word), len(functions))
    yield "pairs of folders that import each other", f"{len(pairs)}"
    verb = modules_with_verb(modules, "claim")
    yield "modules that the hub's verb `claim` touches", f"{len(verb)}"
    carriers = classes_with_field(modules, {"val_bpb", "value"})
    yield "classes that carry a result's number", f"{len(carriers)}"
    for name, paths in sorted(twins.items()):
        yield f"  twice: {name}", ", ".join(paths)
    for a, b in pairs:
        yield "  import each other", f"{a or '(top)'} and {b}"
    yield "  lone participles", ", ".join(sorted(set(lone)))
    yield "  `claim`", ", ".join(verb)
    yield "  val_bpb", ", ".join(carriers)


def main(arguments: list[str]) -> None:
    default = Path(__file__).resolve().parent.parent / "src"
    for name, value in count(read_modules(Path(arguments[0]) if arguments else default)):
        print(f"{name:<56} {value}")


if __name__ == "__main__":
    main(sys.argv[1:])
