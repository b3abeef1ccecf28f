"""A result that somebody reports: on a hub, or in our own ledger. Nothing of it is believed.

The word `claim` is kept for the lease on an idea. Leaves to others: where results come from
(swarm/choice, verify/board), and whether one is true (verify).
"""

from __future__ import annotations

import hashlib

from msgspec import Struct


class ReportedResult(Struct, frozen=True, rename={"own_replies": "stood"}):
    """`agent` says that `commit` reached `value`. On a hub it is `result_id` in post `post_id`; 0
    where the ledger here is the source. `verified`: reproduced, unverified or disputed."""

    commit: str  # full hash
    value: float
    agent: str = ""
    post_id: int = 0
    description: str = ""
    verified: str = "unverified"
    track: str = ""
    platform: str = ""
    hub: str = ""
    result_id: int = 0
    own_replies: int = 0  # of ours in its thread when a verification of it began

    @property
    def name(self) -> str:
        """One word for files and folders: two results may report one commit with other numbers."""
        identity = f"{self.commit}/{self.hub}/{self.result_id}/{self.value}"
        return f"{self.commit[:7]}-{hashlib.sha256(identity.encode()).hexdigest()[:8]}"
