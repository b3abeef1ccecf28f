"""Details beneath a result line: what a page tells of its runs, whatever stands there."""

from __future__ import annotations

import pytest

from autoresearch.resultdetails import (
    NO_DETAILS,
    POINTS_MAX,
    ResultDetails,
    read_details,
    write_curve,
)

LINE = "commit:abcdef1 platform:H100 val_bpb:0.987000 vram_gb:44.0 | wider"
BENEATH = """
- runs: 0.987500, 0.986500
- seeds: 1, 2
- parent: 1F0C2A9D17BE
- training: 300.1 s
- in all: 341.8 s
- tokens: 512.4 M
- steps: 953
- mfu: 41.2 %
- curve: 0.02 6.9, 0.5 4.1, 0.4 9.9, 1 3.1
"""


def read(text: str) -> ResultDetails:
    (details,) = read_details(text)
    return details


def test_everything_a_researcher_writes_is_read() -> None:
    """Numbers without their units; a point that runs back is left out."""
    details = read(LINE + "\n" + BENEATH)

    assert details.values == (0.9875, 0.9865) and details.seeds == (1, 2)
    assert details.parent == "1f0c2a9d17be"
    assert (details.training_s, details.total_s, details.tokens_m) == (300.1, 341.8, 512.4)
    assert (details.steps, details.mfu_percent) == (953, 41.2)
    assert details.curve == ((0.02, 6.9), (0.5, 4.1), (1.0, 3.1))
    assert details.spread == pytest.approx(0.000707, rel=1e-3)
    assert details.fits(0.987) and not details.fits(0.9) and not details.fits(None)


def test_each_result_has_the_details_beneath_it() -> None:
    """Those above the first belong to none; a verification between ends a block."""
    verify = "verify commit:abcdef1 platform:H100 val_bpb:0.9 n:3 | reproduced"
    text = "\n".join(["- steps: 1", LINE, "- steps: 2", verify, "- steps: 3", LINE, "- steps: 4"])

    assert [details.steps for details in read_details(text)] == [2, 4]
    assert read_details("no result\n- steps: 1") == []


@pytest.mark.parametrize(
    "beneath",
    [
        "- runs: 0.9, nan",
        "- runs: 1e999",
        "- runs: -1",
        "- steps: " + "9" * 5000,
        "- steps: ٣",
        "- parent: <script>",
        "- curve: nan nan, 2 3, 0.5, x y, ,,,",
        "- mfu: 1e99 %",
        "runs: 0.9",
        "- metric: <b>x</b>",
        "- metric: a\u202eb",
        "- metric: " + "x" * 41,
        "- metric: 42 %",
        "- metric: ",
        "- metric: a|b",
    ],
)
def test_what_cannot_be_trusted_is_left_out(beneath: str) -> None:
    """Nothing that is not finite, no number that is none, no text."""
    assert read(f"{LINE}\n{beneath}") == NO_DETAILS


@pytest.mark.parametrize("name", ["seconds", "val/loss", "F1 micro-avg", "% wrong", "x" * 40])
def test_a_plain_name_is_what_the_values_are_called(name: str) -> None:
    """Letters, digits and a few signs, blanks between them; the first one counts."""
    details = read(f"{LINE}\n- metric:  {name} \n- metric: other")

    assert details == ResultDetails(metric=name)


def test_a_long_curve_keeps_its_ends() -> None:
    """At most so many points, the last among them, and they are read back."""
    points = [(n / 1000, 9 - n / 200) for n in range(1, 1001)]
    curve = read(f"{LINE}\n- curve: {write_curve(points)}").curve

    assert len(curve) == POINTS_MAX
    assert curve[0] == (0.001, 8.995) and curve[-1] == (1.0, 4.0)
    assert write_curve([]) == ""
