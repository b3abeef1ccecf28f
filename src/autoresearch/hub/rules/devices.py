"""One device, one board: the spelling under which the hub keeps a platform is its first one.

Which spellings mean one device is `autoresearch.devices`' to say. Results and verifications are
stored under the first spelling, and filters are turned into it, so that every statement compares
platforms as plain texts. The words of a post stay as its author wrote them.
"""

from __future__ import annotations

from collections import defaultdict

from autoresearch.devices import fold_device, is_same_device
from autoresearch.hub.store import results
from autoresearch.hub.store.statements import Reader


def spell_device(reader: Reader, name: str) -> str:
    """The spelling under which a device is stored; `name` itself where it is new."""
    if not name or results.has_platform(reader, name):
        return name
    same = (other for other in results.list_platforms(reader) if is_same_device(other, name))
    return next(same, name)


def find_split(reader: Reader) -> list[list[str]]:
    """The spellings of each device that is stored under more than one, the oldest first."""
    spellings: defaultdict[str, list[str]] = defaultdict(list)
    for name in results.list_platforms(reader):
        spellings[fold_device(name)].append(name)
    split = [names for names in spellings.values() if len(names) > 1]
    return [sorted(names, key=lambda name: results.first_use(reader, name)) for names in split]
