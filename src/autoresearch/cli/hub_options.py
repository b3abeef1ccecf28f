"""What `autoresearch run --hub` needs of the command line: the folder's key, and the name to join
by.

The key is the folder's own, in `.agenthub/` with mode 0600, or that of AGENTHUB_URL, AGENTHUB_KEY
and AGENTHUB_ID; never one that other folders use too, unless `--agent-id` names the agent of a
folder above. Leaves joining to `researcher.swarm.membership`: a hub may be down, and research goes
on.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from autoresearch.cli import credentials
from autoresearch.cli.credentials import Credentials
from autoresearch.cli.options import flag, gather, text
from autoresearch.errors import BadInput, Conflict

if TYPE_CHECKING:
    from autoresearch.researcher.swarm.base import Swarm
    from autoresearch.researcher.swarm.hub_swarm import HubOptions
    from autoresearch.researcher.swarm.membership import Member
    from autoresearch.researcher.workspace import Workspace


@dataclass(frozen=True)
class HubChoice:
    """What the options of `autoresearch run` say of a hub, called as they are."""

    hub: str = ""
    agent_id: str = ""
    share_all: bool = False
    share_waves: bool = False


hub_options = gather(
    HubChoice,
    "shared",
    text(
        "--hub",
        "Do research on this hub: read, claim, post every result, share improvements.",
        metavar="URL",
    ),
    text("--agent-id", "With --hub: the name to join by.", metavar="NAME"),
    flag("--share-all", "With --hub: push discarded commits too; their posts say DISCARD."),
    flag("--share-waves", "With --hub: let its volunteers run cells of waves."),
)


class FolderKeyring:
    """The key of one experiment folder for one hub."""

    def __init__(self, folder: Path, url: str) -> None:
        self.file = credentials.folder_file(folder)
        self.url = url

    def load(self) -> Member | None:
        """The environment's key where it is for this hub, else the folder's. Conflict where the
        folder belongs to another hub."""
        from autoresearch.researcher.swarm.membership import Member

        key = os.environ.get("AGENTHUB_KEY", "")
        if key and same(os.environ.get("AGENTHUB_URL") or self.url, self.url):
            return Member(os.environ.get("AGENTHUB_ID", ""), key)
        found = credentials.read(self.file)
        if found is None:
            return None
        if not same(found.url, self.url):
            raise Conflict(
                f"this folder is {found.agent_id or 'an agent'} on {found.url}; one "
                f"folder, one identity: use another folder for {self.url}, or "
                f"move {self.file} away"
            )
        return Member(found.agent_id, found.key)

    def adopt(self, name: str) -> Member | None:
        """Take over the key that a folder above has for the agent of this name on this hub: who
        joined there with `ah` and names itself here is nobody else."""
        from autoresearch.researcher.swarm.membership import Member

        for folder in self.file.parents[2:]:
            found = credentials.read(credentials.folder_file(folder)) if name else None
            if found and found.agent_id == name and same(found.url, self.url):
                member = Member(name, found.key)
                self.save(member)
                return member
        return None

    def save(self, member: Member) -> None:
        credentials.reserve(self.file, force=False)
        credentials.write(self.file, Credentials(self.url, member.key, member.agent_id))


def same(one: str, other: str) -> bool:
    return one.rstrip("/") == other.rstrip("/")


def hidden_paths(workspace: Workspace) -> tuple[Path, ...]:
    """What no child may read: the folder's key and the user's own."""
    return (workspace.folder / credentials.FOLDER, *credentials.user_files(os.environ))


def make_swarm(
    workspace: Workspace,
    choice: HubChoice,
    kind: str,
    options: HubOptions,
    say: Callable[[str], None],
) -> Swarm:
    """The hub as the loop's swarm, or none where no hub is named. Raises BadInput for an address
    that is none, Conflict as the keyring."""
    from autoresearch.client.wire import checked_url
    from autoresearch.researcher.swarm.base import Swarm
    from autoresearch.researcher.swarm.hub_swarm import HubSwarm
    from autoresearch.researcher.swarm.membership import Membership, checked_id

    if not choice.hub:
        if choice.agent_id or choice.share_all or choice.share_waves:
            raise BadInput("--agent-id, --share-all and --share-waves need --hub URL")
        return Swarm()
    address, agent_id = checked_url(choice.hub), choice.agent_id
    workspace.repo.exclude([f"/{posixpath.join(workspace.inside, credentials.FOLDER)}/"])
    keyring = FolderKeyring(workspace.folder, address)
    member = keyring.load() or keyring.adopt(agent_id)
    if member is not None and agent_id and member.agent_id not in ("", agent_id):
        say(
            f"this folder is {member.agent_id} on {address} already; --agent-id "
            f"{agent_id} is not used"
        )
    wanted = checked_id(
        agent_id or os.environ.get("AGENTHUB_ID") or f"{kind}-{os.urandom(3).hex()}"
    )
    return HubSwarm(workspace, Membership(address, wanted, keyring), options, say)
