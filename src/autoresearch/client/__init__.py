"""The hub over HTTP: `Hub(url, key)` with one method for every verb. Used by `ah`, by `ah mcp` and
by the researcher.

    from autoresearch.client import Hub

    with Hub("https://hub.example.org", key) as hub:
        for post in hub.posts("results", limit=20):
            print(post.agent_id, post.content)

Leaves git to `autoresearch.git`: what is pushed and fetched here are bundle files.
"""

from __future__ import annotations

from autoresearch.client.hub import Hub
from autoresearch.client.verbs import VERBS, Verb

__all__ = ["VERBS", "Hub", "Verb"]
