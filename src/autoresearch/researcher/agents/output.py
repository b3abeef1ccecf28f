"""What a coding agent printed: its words, the line for the commit message, tokens and cost.

Some print text, some one JSON report (claude, gemini), some a JSON object a line (opencode). All
of it is a stranger's: it is read, cut and quoted. Leaves to others: what a failure means
(failures).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from autoresearch.researcher.agents.failures import said_lines

DESCRIPTION = re.compile(r"^[\s>*#`│|•●⏺-]*DESCRIPTION:[\s*`]*(?P<text>\S.*?)[\s│|*`]*$")
MESSAGE_CHARS = 200
REPORTS = 2000  # JSON objects that are looked for in one output
# aider: Tokens: 2.1k sent, 145 received. Cost: $0.0068 message, $0.0068 session.
AIDER = re.compile(r"^Tokens: ([\d.]+)([kM]?) sent,.*?([\d.]+)([kM]?) received")
AIDER_COST = re.compile(r"\$(\d+(?:\.\d+)?) session")
CODEX = re.compile(r"^tokens used:?\s*\n?\s*([\d,]+)$", re.M)


@dataclass
class Bill:
    """What an agent says it used; None where it says nothing."""

    prompt_tokens: float | None = None
    completion_tokens: float | None = None
    tokens: float | None = None  # of a program that tells the sum only
    cost_usd: float | None = None

    def add(self, name: str, value: object) -> None:
        if isinstance(value, (int, float)) and 0 <= value < math.inf:
            setattr(self, name, (getattr(self, name) or 0) + value)

    def as_notes(self) -> dict[str, object]:
        """What the ledger keeps."""
        return {
            name: round(value, 6) if name == "cost_usd" else round(value)
            for name, value in vars(self).items()
            if value is not None
        }


@dataclass(frozen=True)
class Output:
    """`words`: what was said to people, without the JSON around it."""

    words: str
    bill: Bill = field(default_factory=Bill)


def read_output(said: str) -> Output:
    """The words and the bill in what a program printed."""
    bill, parts, at = Bill(), [], 0
    for begin, end, report in find_reports(said):
        parts += [said[at:begin], words_of(report)]
        add_to_bill(bill, report)
        at = end
    words = "".join([*parts, said[at:]])
    read_text_bill(bill, words)
    return Output(words, bill)


def find_description(words: str, brief: Collection[str] = ()) -> str:
    """The program's own line for the commit message, the last one that it wrote and not merely
    repeated; empty where there is none."""
    lines = (DESCRIPTION.match(line) for line in said_lines(words, brief))
    found = [line["text"] for line in lines if line]
    return found[-1][:MESSAGE_CHARS] if found else ""


def find_reports(said: str) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """The JSON objects that begin a line, with their places; what is no report is left alone."""
    decoder, at = json.JSONDecoder(), 0
    for _ in range(REPORTS):
        begin = 0 if at == 0 and said.startswith("{") else said.find("\n{", at) + 1
        if begin == 0 and not (at == 0 and said.startswith("{")):
            return
        try:
            report, end = decoder.raw_decode(said, begin)
        except (ValueError, RecursionError):
            at = begin + 1
            continue
        if {"result", "response", "error", "part"} & report.keys():
            yield begin, end, report
        at = end


def words_of(report: Mapping[str, Any]) -> str:
    """What a report says to people."""
    error, part = report.get("error"), report.get("part")
    told = [report.get("result"), report.get("response"), error]
    if isinstance(error, dict):
        data = error.get("data")
        told += [error.get("name"), error.get("message")]
        told += [data.get("message")] if isinstance(data, dict) else []
    if isinstance(part, dict):
        told.append(part.get("text"))
    return "\n".join(text for text in told if isinstance(text, str)) + "\n"


def add_to_bill(bill: Bill, report: Mapping[str, Any]) -> None:
    """Tokens and cost of a report of claude, gemini or opencode."""
    bill.add("cost_usd", report.get("total_cost_usd"))
    add_tokens(bill, report.get("usage"), "input_tokens", "output_tokens")
    part = report.get("part")
    if isinstance(part, dict):
        bill.add("cost_usd", part.get("cost"))
        add_tokens(bill, part.get("tokens"), "input", "output")
    stats = report.get("stats")
    models = stats.get("models") if isinstance(stats, dict) else None
    for model in models.values() if isinstance(models, dict) else ():
        tokens = model.get("tokens") if isinstance(model, dict) else None
        add_tokens(bill, tokens, "prompt", "candidates")


def add_tokens(bill: Bill, tokens: object, sent: str, received: str) -> None:
    if isinstance(tokens, dict):
        bill.add("prompt_tokens", tokens.get(sent))
        bill.add("completion_tokens", tokens.get(received))


def read_text_bill(bill: Bill, words: str) -> None:
    """Tokens and cost as aider and codex print them."""
    for line in words.splitlines():
        if found := AIDER.match(line):
            bill.add("prompt_tokens", scale(found[1], found[2]))
            bill.add("completion_tokens", scale(found[3], found[4]))
            if cost := AIDER_COST.search(line):
                bill.cost_usd = float(cost[1])  # of the session: the last one is all of it
    if found := CODEX.search(words):
        bill.add("tokens", float(found[1].replace(",", "")))


def scale(number: str, unit: str) -> float:
    try:
        return float(number) * {"": 1, "k": 1e3, "M": 1e6}[unit]
    except ValueError:
        return math.nan
