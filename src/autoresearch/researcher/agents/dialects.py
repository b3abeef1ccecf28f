"""What endpoints call the fields of a chat request, and which they refuse: learned from their own
refusals.

An endpoint that refuses a field names it. Then it is dropped, renamed or made smaller, and the
request is sent again; the next one begins with what was learned. The `openai` client does none of
that, so it would add a dozen packages and leave this to write. Leaves to others: sending
(endpoint).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

CHANGES = 6  # of one request, then its refusal is final
LIMIT = re.compile(r"(?<![\w.])(\d{3,7})(?![\w.])")


@dataclass
class Dialect:
    """How an endpoint wants to be asked, as far as it is known."""

    max_tokens: int
    limit_name: str = "max_tokens"  # empty: it takes none
    streams: bool = True
    counts_stream: bool = True
    has_system: bool = True

    def request(self, model: str, messages: Sequence[dict[str, str]]) -> dict[str, Any]:
        """The body of a request."""
        body: dict[str, Any] = {"model": model, "messages": self.place_system(messages)}
        if self.limit_name:
            body[self.limit_name] = self.max_tokens
        if self.streams:
            body["stream"] = True
            if self.counts_stream:
                body["stream_options"] = {"include_usage": True}
        return body

    def place_system(self, messages: Sequence[dict[str, str]]) -> list[dict[str, str]]:
        """Where there is no system message, its words stand before the user's."""
        if self.has_system or not messages or messages[0]["role"] != "system":
            return list(messages)
        first, second, *rest = messages
        return [{**second, "content": f"{first['content']}\n\n{second['content']}"}, *rest]

    def learn(self, refusal: str) -> bool:
        """Change what a refusal (its words, lower case) names; False where it names nothing of
        ours."""
        if "max_completion_tokens" in refusal and self.limit_name == "max_tokens":
            self.limit_name = "max_completion_tokens"
        elif self.limit_name and (
            "max_tokens" in refusal or "max_completion_tokens" in refusal or is_limit(refusal)
        ):
            self.lower_limit(refusal)
        elif "stream_options" in refusal and self.streams and self.counts_stream:
            self.counts_stream = False
        elif "stream" in refusal and self.streams:
            self.streams = False
        elif "system" in refusal and self.has_system:
            self.has_system = False
        else:
            return False
        return True

    def lower_limit(self, refusal: str) -> None:
        """Ask for the most that the refusal names, or name no limit."""
        told = [int(number) for number in LIMIT.findall(refusal)]
        lower = [number for number in told if 256 <= number < self.max_tokens]
        if lower:
            self.max_tokens = max(lower)
        else:
            self.limit_name = ""


def is_limit(refusal: str) -> bool:
    return "max" in refusal and "token" in refusal and ("output" in refusal or "complet" in refusal)
