"""What makes this workspace's results comparable with others', as one word for the hub: its boards
compare within one track only.

The lab's own id where its preparation printed one (the last line of `.autoresearch/prepare.log`:
the name and a hash over data, tokenizer, clock and evaluation). Any other experiment: its metric
and a hash over every fixed file and the settings that matter.
"""

from __future__ import annotations

import hashlib
import re

from autoresearch.researcher.measurement import read_log
from autoresearch.researcher.workspace import Workspace

_PREPARED = re.compile(r"^track ([A-Za-z0-9][A-Za-z0-9._-]{0,127}):", re.MULTILINE | re.ASCII)


def track_id(workspace: Workspace) -> str:
    """The track of results measured in this workspace now."""
    if workspace.config.experiment.prepare:
        prepared = _PREPARED.findall(read_log(workspace.private / "prepare.log"))
        if prepared:
            return str(prepared[-1])
    name = workspace.config.track or workspace.config.experiment.metric
    return f"{name}-{fixed_files(workspace)[:10]}"


def fixed_files(workspace: Workspace) -> str:
    """A hash over the fixed files of the commit checked out, and over what autoresearch.toml says
    of measuring."""
    listed = workspace.repo.git("ls-tree", "-r", "-z", workspace.repo.head()).split("\0")
    fixed = sorted(
        entry for entry in listed if entry and not workspace.is_free(entry.partition("\t")[2])
    )
    return hashlib.sha256("\0".join([workspace.config.fingerprint(), *fixed]).encode()).hexdigest()
