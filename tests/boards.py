"""A board of a hub under test, and who reports and judges there."""

from __future__ import annotations

import secrets
from typing import Any

from git_work import push_new


class Board:
    """A platform nobody else uses, and who reports and judges there."""

    def __init__(self, hub: Any) -> None:
        self.hub, self.gpu, self.reader = hub, f"GPU {secrets.token_hex(4)}", hub.agent()

    def claim(self, agent: Any, value: str, commit: str = "") -> tuple[str, int]:
        """Claim a value for a commit that is pushed now, unless it is given; commit and post."""
        commit = commit or push_new(agent)
        line = f"commit:{commit} platform:{self.gpu} val_bpb:{value} vram_gb:1 | to {value}"
        return commit, self.post(agent, line)

    def judge(self, agent: Any, claim: tuple[str, int], verdict: str) -> None:
        commit, post_id = claim
        line = f"verify commit:{commit} platform:{self.gpu} val_bpb:1.3 n:1 | {verdict}"
        self.post(agent, line, post_id)

    def post(self, agent: Any, content: str, parent_id: int | None = None) -> int:
        body = {"content": content, "parent_id": parent_id}
        answer = agent.post("/api/channels/results/posts", body)
        assert answer.status_code == 201, answer.text
        return int(answer.json()["id"])

    def read(self, agent: Any = None) -> dict[str, Any]:
        asker = agent or self.reader
        (found,) = asker.get("/api/leaderboard", platform=self.gpu).json()
        return dict(found)

    def records(self) -> list[float]:
        return [record["val_bpb"] for record in self.read()["records"]]

    def claims(self, agent: Any = None) -> dict[float, str]:
        return {claim["val_bpb"]: claim["waits"] for claim in self.read(agent)["claims"]}
