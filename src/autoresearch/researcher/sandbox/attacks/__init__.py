"""What a hostile experiment may try, each as a small program that says ESCAPED or BLOCKED. Run by
`conformance`; what they are after is laid out by `decoys`.

Every attack succeeds where nothing protects the machine (a test shows it), or says in `needs`
what it takes: "root", or "kernel" for something that not every machine has.
"""

from __future__ import annotations

from autoresearch.researcher.sandbox.attacks.attack import Attack
from autoresearch.researcher.sandbox.attacks.files import FILES
from autoresearch.researcher.sandbox.attacks.kernel import KERNEL
from autoresearch.researcher.sandbox.attacks.network import NETWORK
from autoresearch.researcher.sandbox.attacks.processes import PROCESSES
from autoresearch.researcher.sandbox.attacks.secrets import SECRETS

__all__ = ["ATTACKS", "GROUPS", "Attack"]

GROUPS = {
    "Secrets": SECRETS,
    "Network": NETWORK,
    "Processes": PROCESSES,
    "Files": FILES,
    "Kernel": KERNEL,
}
ATTACKS: tuple[Attack, ...] = tuple(attack for group in GROUPS.values() for attack in group)
