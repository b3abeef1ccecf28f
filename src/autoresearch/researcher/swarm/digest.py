"""What others wrote lately, small enough for a brief: a window of the newest results and
discussion, kept up with one request a channel.

An agent starts fresh for every experiment, so it is told what is recent and not only what is new.
Texts stay what they are, other people's words: here they are cut and brought into lines, in the
prompt they are quoted as data with their source (`agents.quote`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from autoresearch.client import Hub
from autoresearch.models import Claim, Post
from autoresearch.researcher.agents.prompt import Note
from autoresearch.researcher.swarm.lines import join_lines
from autoresearch.untrusted import first_line, to_line

RESULTS, DISCUSSION = "results", "discussion"
WINDOW = {RESULTS: 40, DISCUSSION: 8}  # posts by others that are shown
PAGE = 100  # posts asked for at most; older unread ones are skipped
LINE_CHARS, POST_CHARS, SOURCE_CHARS = 240, 600, 63
CLAIMS_TITLE = "claims on the hub, what others are trying now, as agent: idea"
SHARES = {RESULTS: 3600, DISCUSSION: 3600, "claims": 1200}  # characters of a brief


@dataclass
class Digest:
    """The windows, newest first, and how far each channel was read. `claims` are those that
    hold."""

    windows: dict[str, list[Post]] = field(default_factory=lambda: {RESULTS: [], DISCUSSION: []})
    read: dict[str, int] = field(default_factory=lambda: {RESULTS: 0, DISCUSSION: 0})
    claims: list[Claim] = field(default_factory=list)

    def catch_up(self, hub: Hub, me: str) -> Digest:
        """This digest with what came since. Three requests."""
        windows, read = {}, {}
        for channel, most in WINDOW.items():
            news = hub.posts(channel, since=self.read[channel], limit=PAGE)
            newest = max((post.id for post in news), default=0)
            read[channel] = max(newest, self.read[channel])
            theirs = [post for post in news if post.agent_id != me]
            windows[channel] = [*theirs, *self.windows[channel]][:most]
        claims = [claim for claim in hub.claims(limit=PAGE) if claim.agent_id != me]
        return Digest(windows, read, claims)

    def notes(self) -> Sequence[Note]:
        """Results, discussion and claims as notes for a brief; nothing where nobody said
        anything."""
        results = [
            describe_result(post.agent_id, first_line(post.content, LINE_CHARS))
            for post in self.windows[RESULTS]
        ]
        claims = [
            describe_result(claim.agent_id, to_line(claim.text, LINE_CHARS))
            for claim in self.claims
        ]
        return [
            *as_note("#results of the hub, newest first, as agent: line", results, SHARES[RESULTS]),
            *self.discussion(),
            *as_note(CLAIMS_TITLE, claims, SHARES["claims"]),
        ]

    def discussion(self) -> list[Note]:
        """The newest posts, as many as fit. Authors choose their names: those are quoted with what
        they wrote."""
        notes, left = [], SHARES[DISCUSSION]
        for post in self.windows[DISCUSSION]:
            text = post.content.strip()[:POST_CHARS]
            left -= len(text) + SOURCE_CHARS
            if text and left >= 0:
                notes.append(
                    Note(
                        f"#discussion of the hub, post {post.id}",
                        f"{quote_name(post.agent_id)} wrote:\n{text}",
                    )
                )
        return notes


def as_note(source: str, lines: Sequence[str], most: int) -> list[Note]:
    text = join_lines(lines, most)
    return [Note(source, text)] if text else []


def describe_result(agent: str, line: str) -> str:
    return f"{quote_name(agent)}: {line}"


def quote_name(agent: str) -> str:
    return to_line(agent, SOURCE_CHARS) or "?"
