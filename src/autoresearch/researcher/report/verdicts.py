"""What people write where a verdict belongs: words, phrases, ticks and crosses. Reads no files."""

from __future__ import annotations

import re

from autoresearch.models import Status
from autoresearch.untrusted import strip_escapes

KEEP = (
    "keep kept baseline accept accepted improved improvement better best win winner pass passed ok"
    " okay success successful succeeded done complete completed finished merged adopted yes true y"
)
DISCARD = (
    "discard discarded reject rejected revert reverted rollback drop dropped worse regressed"
    " regression neutral same no not none unchanged false n skip skipped partial tentative wip"
    " pending running started todo inconclusive stopped aborted killed superseded loss lost"
)
CRASH = "crash crashed error errored timeout oom nan diverged exception broken"
FAILED = (
    "fail failed failure invalid checks_failed"  # with a value: it ran, and was not good enough
)
STATUS_WORDS: dict[str, Status] = {
    **dict.fromkeys(KEEP.split(), "keep"),
    **dict.fromkeys(DISCARD.split(), "discard"),
    **dict.fromkeys((CRASH + " " + FAILED).split(), "crash"),
}
SIGNS: dict[str, Status] = {
    **dict.fromkeys("✓✔✅☑🟢👍🏆⭐", "keep"),
    **dict.fromkeys("✗✘✖❌☒🔴👎↩🚫⏳🚧🟡", "discard"),
    **dict.fromkeys("💥🔥☠", "crash"),
}
WORD = re.compile(r"[a-z]+(?:_[a-z]+)*")
MAX_CHARS, MAX_WORDS = 60, 6  # a longer text is a description that begins with such a word


def status_word(text: str) -> Status | None:
    """The verdict that a single word is, whatever marks stand around it."""
    return STATUS_WORDS.get(text.strip().strip("*_`~[]().:,!✓✔✗✘✅❌ ").lower())


def read_verdict(text: str) -> Status | None:
    """The verdict of a cell: its first word that is one, or its sign. Taken back counts as
    discarded."""
    text = strip_escapes(text[: 4 * MAX_CHARS])
    words = WORD.findall(text[:MAX_CHARS].lower()) if len(text) <= MAX_CHARS else []
    if len(words) > MAX_WORDS:
        return None
    if words and (words[0] in ("not", "no") or any(word.startswith("revert") for word in words)):
        return "discard"
    found = next((STATUS_WORDS[word] for word in words if word in STATUS_WORDS), None)
    return found or next((SIGNS[sign] for sign in text[:MAX_CHARS] if sign in SIGNS), None)


def is_failure(text: str) -> bool:
    return any(word in FAILED.split() for word in WORD.findall(text[:MAX_CHARS].lower()))


def is_baseline(text: str) -> bool:
    return "baseline" in text[:MAX_CHARS].lower()
