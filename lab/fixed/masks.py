"""Which paths must not be readable where a model trains or is scored.

Of `pystd`, whose text is part of every Python: the parts it takes its hidden texts from, source
and bytecode, in every library on this machine. Leaves to others: the masking (the researcher's
sandbox), the prepared folder (its [score] hidden)."""

import os
import sys
import zipfile
from pathlib import Path

from fixed.pystd import PARTS

# Where programs lie that a sandbox shows, besides the running Python and its packages.
PROGRAMS = ("/usr", "/lib", "/opt", "/nix/store")
# Where no library can be: documents and headers, of which there are many.
NO_LIBRARY = {"__pycache__", "doc", "icons", "include", "locale", "man", "node_modules"}
ARCHIVES = (".zip", ".pyz", ".egg")


def masked_paths(base):
    """Files and folders, sorted; none but for `pystd`."""
    if base != "pystd":
        return []
    found = set()
    for folder, names in walk_programs():
        if "os.py" in names or "os.pyc" in names:
            found |= set(parts_in(folder))
        archives = (folder / name for name in names if name.endswith(ARCHIVES))
        found |= {archive for archive in archives if has_parts(archive)}
    return sorted(found)


def walk_programs():
    """(folder, names in it) of all folders in which a Python library may lie, once each."""
    prefixes = {sys.prefix, sys.base_prefix, sys.exec_prefix, Path(sys.executable).parent}
    roots = {Path(place).resolve() for place in (*PROGRAMS, *prefixes)} - {Path("/")}
    for root in sorted(root for root in roots if not roots & set(root.parents)):
        for folder, folders, names in os.walk(root):
            folders[:] = [name for name in folders if name not in NO_LIBRARY]
            yield Path(folder), names


def parts_in(library):
    """Packages, modules and bytecode of the parts in a library's folder."""
    for part in PARTS:
        yield from filter(Path.exists, [library / part])
        yield from library.glob(f"{part}.py*")
        yield from library.glob(f"__pycache__/{part}.*")


def has_parts(archive):
    """Whether an archive holds a library, and so has to be masked as a whole."""
    try:
        with zipfile.ZipFile(archive) as opened:
            tops = {name.partition("/")[0].partition(".")[0] for name in opened.namelist()}
    except (OSError, ValueError, zipfile.BadZipFile):
        return False
    return "os" in tops and bool(tops & PARTS)
