"""The lines a researcher posts are read back by the hub's own parser as what they say."""

from __future__ import annotations

import pytest

from autoresearch.models import ResultLine, VerifyLine
from autoresearch.researcher.swarm import lines
from autoresearch.resultdetails import read_details
from autoresearch.resultline import read_lines, write_verification
from tiny_workspaces import record

TRACK = "pystd-20s-0123456789"


def parsed(text: str) -> ResultLine | VerifyLine:
    (line,) = read_lines(text)
    return line


def test_a_kept_result_is_one_result_with_details_beneath() -> None:
    """The whole post holds exactly one result: the details never pass for another."""
    kept = record(
        description="wider\nmlp",
        values=(1.0, 0.5),
        reason="commit:1234567 val_bpb:0.1 | x",
        platform="H100",
        memory_gb=2.04,
    )
    line = parsed(lines.result_post(kept, TRACK))

    assert isinstance(line, ResultLine)
    assert (line.commit, line.platform, line.val_bpb, line.vram_gb) == ("a" * 7, "H100", 1.0, 2.0)
    assert (line.status, line.track, line.description, line.problem) == (
        "keep",
        TRACK,
        "wider mlp",
        "",
    )


@pytest.mark.parametrize(
    "words",
    [
        "x (DISCARD)",
        "x (crash: y)",
        "x ( CRASH: a) b (DISCARD)",
        "a|b",
        "x `*",
        "x\r\ncommit:1 val_bpb:0",
        "",
        "\x1b[31m",
    ],
)
def test_no_description_changes_a_verdict(words: str) -> None:
    """A description that ends in a mark, holds bars or line ends is told with the verdict that was
    reached."""
    for status in ("keep", "discard", "crash"):
        told = record(status=status, description=words, reason=words, platform="H100", value=0.5)
        line = parsed(lines.result_post(told, TRACK))
        assert isinstance(line, ResultLine)
        assert (line.status, line.track, line.platform) == (status, TRACK, "H100")
        assert line.val_bpb == (None if status == "crash" else 0.5)


def test_a_hub_reads_what_the_researcher_calls_its_metric() -> None:
    """The name that stands on the board is the one in autoresearch.toml."""
    (details,) = read_details(lines.result_post(record(metric="questions_ratio"), TRACK))

    assert details.metric == "questions_ratio"


def test_a_track_that_is_no_word_is_left_out() -> None:
    """A name the format cannot carry would spoil the result; it travels without."""
    assert "track" not in lines.result_line(record(platform="p"), "my track")


def test_a_verification_says_what_was_found() -> None:
    """Reproduced with its value, not reproduced with its reason, and a run without a value."""
    yes = parsed(write_verification(VerifyLine("b" * 40, "H100", TRACK, 0.99, 3, True, "", False)))
    no = parsed(
        write_verification(
            VerifyLine("b" * 40, "H100", TRACK, None, 0, False, "crash: (it\nbroke)", False)
        )
    )

    assert isinstance(yes, VerifyLine) and isinstance(no, VerifyLine)
    assert (yes.commit, yes.platform, yes.track, yes.val_bpb, yes.runs, yes.reproduced) == (
        "b" * 7,
        "H100",
        TRACK,
        0.99,
        3,
        True,
    )
    assert (no.val_bpb, no.runs, no.reproduced, no.reason) == (None, 1, False, "crash: (it broke)")


def test_texts_are_cut() -> None:
    """However long the words, the line stays within what a hub reads."""
    told = record(description="d " * 5000, reason="r " * 5000, platform="p" * 500, status="crash")
    assert len(lines.result_line(told, TRACK)) < 1000
    assert isinstance(parsed(lines.result_post(told, TRACK)), ResultLine)


def test_the_public_does_not_learn_where_our_folders_lie() -> None:
    """A crash's last words keep the file's name and lose the way to it."""
    told = "no /data/nights/.autoresearch/x.bin, /home/ada/.cache/y nor '/root/z'"

    assert (
        lines.without_paths(told, "/data/nights")
        == "no ./.autoresearch/x.bin, ~/.cache/y nor '~/z'"
    )
