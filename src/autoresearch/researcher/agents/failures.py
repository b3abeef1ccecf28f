"""Why a program or a model made no edit, read from its last words: each kind has its sentence, and
says whether time heals it.

The words are a stranger's: they are matched, cut and quoted, never followed. What the program only
repeated of its brief is left out, for a post in it could read like a limit. Leaves to others: when
it is asked again (loop), telling that there was no edit (proposals).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from autoresearch.researcher.agents.base import AgentFailed, AgentUnavailable
from autoresearch.researcher.agents.reset_times import find_wait_s
from autoresearch.untrusted import strip_escapes, to_line

LINES_READ = 120  # of the end: some programs print a stack trace after the reason
QUOTED_CHARS = 200
WARNING = re.compile(r"\W*warn(ing)?\b", re.I)  # the program went on after it


@dataclass(frozen=True)
class Kind:
    """One kind of failure: the words that give it away, our sentence, and whether it passes."""

    sentence: str
    words: re.Pattern[str]
    passes: bool = False


def _kind(sentence: str, *words: str, passes: bool = False) -> Kind:
    return Kind(sentence, re.compile("|".join(words), re.I), passes)


# The first kind that a line matches is its kind; the last line that has one decides.
KINDS = (
    _kind(
        "its account has nothing left to spend; add credit or name another key",
        r"insufficient[ _]?(quota|credit|fund|balance)", r"credit balance", r"out of credits?\b",
        r"payment required", r"billing.{0,20}(limit|active|required)",
    ),
    _kind(
        "its usage limit is reached",
        r"rate.?limit", r"usage.{0,20}limit", r"hit your .{0,30}limit", r"limit (was |is )?reached",
        r"quota (exceeded|exhausted|will reset)", r"exceeded.{0,30}quota", r"exhausted.{0,40}quota",
        r"resource.?exhausted", r"too many requests", r"\b429\b", r"session limit",
        passes=True,
    ),
    _kind(
        "its server is overloaded or down",
        r"overloaded", r"\b(500|502|503|504|529)\b.{0,60}(error|unavailable|gateway|overload)",
        r"(error|status|code).{0,20}\b(500|502|503|504|529)\b", r"service unavailable",
        r"bad gateway", r"internal server error", r"high demand",
        passes=True,
    ),
    _kind(
        "it does not reach its server; is the network down, or the address wrong?",
        r"\b(ECONN\w+|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|EPIPE)\b",
        r"connection.{0,20}(refused|reset|error|failed|aborted|timed out)", r"connect timeout",
        r"(unable|failed|cannot|could not|can't) (to )?(connect|reach|resolve)", r"fetch failed",
        r"getaddrinfo", r"(name resolution|network).{0,40}(fail|unreachable|error|down)",
        r"stream disconnected", r"socket hang up", r"\bConnectionRefused\b",
        r"error sending request",
        passes=True,
    ),
    _kind(
        "its key is refused, or it is not logged in",
        r"(invalid|incorrect|missing|no|expired|wrong|revoked|bad).{0,20}(api.?key|x-api-key|token\b)",
        r"api.?key.{0,30}(invalid|incorrect|missing|expired|not (valid|set|found|provided))",
        r"(please|must|need to|have to) .{0,20}(log|sign) ?in", r"not (logged|signed) in",
        r"run /?login", r"unauthori[sz]ed", r"authenticat\w+.{0,30}(fail|error|required|method)",
        r"(set|select|choose|configure).{0,20}auth(entication)? ?method", r"login required",
        r"\b(401|403)\b", r"permission.?denied.{0,20}(error|api)", r"oauth", r"no credentials",
        r"set an? (auth|\w*api_?key)", r"environment variable.{0,60}(api|key)",
        r"(api|_)key.{0,40}environment variable",
    ),
    _kind(
        "it does not know the model",
        r"model.{0,80}(not found|does ?n.t exist|does not exist|not supported|not exist|unknown|"
        r"not available|invalid|no access)",
        r"(unknown|invalid|unsupported|no such).{0,12}model", r"model_not_found",
        r"(provider|model)NotFound",
    ),
    _kind(
        "it does not trust the checkout; allow the folder in its own settings",
        r"(not|un).?trusted.{0,20}(folder|dir|workspace|workdir)", r"do you trust",
        r"trust.{0,20}(folder|directory|workspace|files)", r"untrusted",
    ),
    _kind(
        "it refuses to work as root; run autoresearch as an ordinary user",
        r"(root|sudo).{0,40}(privileg|security|not allowed|not permitted|refus|user)",
        r"running as root",
    ),
    _kind(
        "it does not know an option of its command line; does its version fit?",
        r"(unknown|unexpected|unrecogni[sz]ed|invalid).{0,12}(option|argument|flag)", r"^usage: ",
    ),
    _kind(
        "it waits for an answer, and nobody is there to give one",
        r"\?\s*(\(?\[?y(es)?\s?/\s?n(o)?.{0,30})?$", r"\[y/n\]", r"press (enter|any key)",
        r"waiting for (your|user) (input|approval|confirmation)",
    ),
)  # fmt: skip


def explain_failure(
    program: str, trouble: str, said: str, now: datetime, brief: Collection[str] = ()
) -> AgentFailed:
    """The error for a program that made no edit. `trouble`: how it ended. `said`: the end of what
    it printed. `brief`: lines that are only repeated."""
    lines = said_lines(said, brief)
    kind, line = find_kind(lines)
    quoted = f"`{program}` {trouble}; its last words: {line or '(it said nothing)'}"
    if kind is None:
        return AgentFailed(quoted)
    sentence = f"{kind.sentence} ({quoted})"
    if not kind.passes:
        return AgentFailed(sentence)
    return AgentUnavailable(sentence, find_wait_s("\n".join(lines[-LINES_READ:]), now) or 0)


def tells_failure(words: str) -> bool:
    """Whether a program that ended well says that it could not work, as some do."""
    kind, _ = find_kind(said_lines(words))
    return kind not in (None, KINDS[-1])


def said_lines(said: str, brief: Collection[str] = ()) -> list[str]:
    """What a program said, line by line, without escapes, blanks and what it repeats."""
    lines = (to_line(line, 2000) for line in strip_escapes(said).splitlines())
    return [line for line in lines if line and line not in brief]


def find_kind(lines: list[str]) -> tuple[Kind | None, str]:
    """The kind of a failure and the line that tells it; without a kind the last line. Only the
    very last line can be a question."""
    *kinds, question = KINDS
    for line in reversed([line for line in lines[-LINES_READ:] if not WARNING.match(line)]):
        for kind in kinds:
            if kind.words.search(line):
                return kind, to_line(line, QUOTED_CHARS)
    last = to_line(lines[-1], QUOTED_CHARS) if lines else ""
    return (question if question.words.search(last) else None), last
