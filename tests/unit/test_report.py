"""What is summed up, drawn and written from a ledger."""

from __future__ import annotations

import io
import json
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from autoresearch.errors import BadInput, BadWorkspace, NotFound
from autoresearch.researcher import report
from autoresearch.researcher.report import plots

HEADER = "commit\tval_bpb\tmemory_gb\tstatus\tdescription\n"
BASE = "a1b2c3d\t1.500000\t1.2\tkeep\tbaseline\n"


def write(folder: Path, out: Path | None = None) -> report.ReportFiles:
    return report.write_summary(report.summarise(folder), out)


def ledger(folder: Path, *lines: str, records: list[dict[str, Any]] | None = None) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "results.tsv").write_text(HEADER + "".join(lines), "utf-8")
    if records is not None:
        (folder / "experiments.jsonl").write_text(
            "".join(json.dumps(r) + "\n" for r in records), "utf-8"
        )
    return folder


def record(commit: str, status: str, value: float | None, **more: Any) -> dict[str, Any]:
    plain = {"commit": commit.ljust(40, "0"), "status": status, "value": value, "metric": "val_bpb"}
    return {**plain, "track": "pystd-20s-1", "platform": "cpu", "description": "", **more}


def test_noise_is_the_spread_of_repeated_runs(tmp_path: Path) -> None:
    """Repeats in experiments.jsonl give the noise; the value there has more digits than the
    table."""
    records = [record("a1b2c3d", "keep", 1.5000001, values=[1.49, 1.5, 1.51], is_baseline=True)]
    summary = report.summarise(ledger(tmp_path, BASE, records=records))

    assert summary.noise == pytest.approx(0.01)
    assert summary.noise_source == "standard deviation of 3 runs of the same code"
    assert summary.baseline is not None and summary.baseline.value == 1.5000001


def test_noise_of_a_lone_agents_ledger(tmp_path: Path) -> None:
    """An agent that follows program.md logs its baseline three times under one hash: that is a
    noise, too."""
    again = "a1b2c3d\t1.510000\t1.2\tdiscard\tbaseline again, seed 43\n"
    summary = report.summarise(ledger(tmp_path, BASE, again))

    assert summary.noise == pytest.approx(0.00707, abs=1e-5)


def test_noise_is_pooled_as_the_judge_pools_it(tmp_path: Path) -> None:
    """`status`, the verdicts and the report name one number: the spread within each code, not
    between them."""
    from autoresearch.researcher.judging.noise import pool_noise

    runs = [(1.49, 1.5, 1.51), (1.4, 1.42)]
    records = [
        record(f"{at}1b2c3d", "keep", sum(v) / len(v), values=list(v)) for at, v in enumerate(runs)
    ]

    assert report.summarise(ledger(tmp_path, records=records)).noise == pytest.approx(
        pool_noise(runs).sigma
    )


def test_noise_is_unknown_where_nothing_ran_twice(tmp_path: Path) -> None:
    """A noise that was not measured is not made up."""
    assert report.summarise(ledger(tmp_path, BASE)).noise is None


def test_other_tracks_and_platforms_are_not_mixed_in(tmp_path: Path) -> None:
    """Numbers of another track or machine are left out, and the summary says how many."""
    records = [
        record("a1b2c3d", "keep", 0.9, platform="H100"),
        record("b1b2c3d", "keep", 1.5),
        record("c1b2c3d", "keep", 1.4),
    ]
    summary = report.summarise(ledger(tmp_path, records=records))

    assert [row.value for row in summary.experiments] == [1.5, 1.4]
    assert summary.notes == (
        "1 experiment(s) of other tracks or platforms are not shown: their numbers "
        "cannot be compared",
    )


def test_higher_may_be_better(tmp_path: Path) -> None:
    """The direction in autoresearch.toml turns best, gain and the words on the axis."""
    ledger(
        tmp_path,
        BASE,
        "b2c3d4e\t1.700000\t1.2\tkeep\tbetter\n",
        "c2c3d4e\t1.600000\t1.2\tdiscard\tworse\n",
    )
    (tmp_path / "autoresearch.toml").write_text(
        '[experiment]\nmetric = "speed"\ndirection = "max"\n'
    )
    summary = report.summarise(tmp_path)

    assert summary.best is not None and summary.best.value == 1.7
    assert summary.gain == pytest.approx(0.2)
    assert plots.draw(summary).axes[0].get_ylabel() == "speed (higher is better)"


def test_a_cut_record_is_told(tmp_path: Path) -> None:
    """A power failure in experiments.jsonl costs details, not the report."""
    ledger(tmp_path, BASE, records=[])
    (tmp_path / "experiments.jsonl").write_text('{"commit": "a1b2')

    assert report.summarise(tmp_path).notes == (
        "1 line(s) of experiments.jsonl are not readable: ignored",
    )


def test_errors_say_what_to_do(tmp_path: Path) -> None:
    """No ledger, a broken configuration, a place that cannot be written: a sentence each."""
    with pytest.raises(NotFound, match="autoresearch run"):
        report.summarise(tmp_path)
    ledger(tmp_path, BASE)
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match="--out"):
        write(tmp_path, tmp_path / "file" / "below")
    (tmp_path / "autoresearch.toml").write_text("[experiment\n")
    with pytest.raises(BadWorkspace, match="not valid TOML"):
        report.summarise(tmp_path)


# ---------------------------------------------------------------- table


def table(folder: Path, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width)
    report.render_table(report.summarise(folder), console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_gain_is_over_the_best_of_then(tmp_path: Path) -> None:
    """A discard after a keep is a loss, though it is better than the baseline; the baseline is no
    experiment that was kept."""
    text = table(
        ledger(
            tmp_path,
            BASE,
            "b2c3d4e\t1.4\t1.2\tkeep\tone\n",
            "c2c3d4e\t1.45\t1.2\tdiscard\ttwo\n",
        )
    )

    assert "+0.100000" in text and "-0.050000" in text
    assert "2 experiments: 1 kept, 1 discarded, 0 crashed" in text


def test_the_table_in_a_pipe_is_plain(tmp_path: Path) -> None:
    """No colours and one line an experiment, whatever the width of the terminal it was called
    from."""
    text = table(
        ledger(
            tmp_path,
            BASE,
            "b2c3d4e\t1.4\t1.2\tkeep\tthree taps of a causal convolution before attention\n",
        )
    )

    assert "\x1b" not in text
    assert (
        "2   b2c3d4e   1.400000   +0.100000                  1.2   keep *     three taps of a "
        "causal convolution before attention" in text
    )
    assert "baseline 1.500000, best 1.400000 (experiment 2, 0.100000 better, 6.7 %)" in text


def test_descriptions_are_text_not_markup(tmp_path: Path) -> None:
    """Square brackets of an agent neither colour the table nor break it."""
    assert "[red]loud[/red] [/]" in table(
        ledger(tmp_path, BASE, "b2c3d4e\t1.4\t1.2\tkeep\t[red]loud[/red] [/]\n")
    )


# ---------------------------------------------------------------- pictures


def test_crashes_have_a_row_of_their_own(tmp_path: Path) -> None:
    """A crash is drawn beside the axis, never at 0, and the axis is not stretched to reach it."""
    summary = report.summarise(ledger(tmp_path, BASE, "d4e5f6a\t0.000000\t0.0\tcrash\toom\n"))
    main, crashes = plots.draw(summary).axes

    assert main.get_ylim()[0] > 1.0
    assert [label.get_text() for label in crashes.get_yticklabels()] == ["crashed (1)"]


def test_what_was_stopped_early_is_seen(tmp_path: Path) -> None:
    """Half of a night may be runs without a number: they have a row too, beside the axis, and are
    not counted among the dots."""
    lines = (
        "d4e5f6a\t0.000000\t0.0\tcrash\toom\n",
        "e5f6a7b\t0.000000\t0.0\tdiscard\tstopped early\n",
        "f6a7b8c\t1.5001\t0.0\tdiscard\tx\n",
    )
    main, strips = plots.draw(report.summarise(ledger(tmp_path, BASE, *lines))).axes

    assert [label.get_text() for label in strips.get_yticklabels()] == [
        "crashed (1)",
        "stopped (1)",
    ]
    assert "discarded (1)" in [text.get_text() for text in main.get_legend().get_texts()]


def test_noise_cannot_look_like_progress(tmp_path: Path) -> None:
    """The axis spans at least twelve times the noise, so that a tiny gain is drawn tiny."""
    records = [
        record("a1b2c3d", "keep", 1.5, values=[1.49, 1.5, 1.51]),
        record("b2c3d4e", "keep", 1.4999),
    ]
    axes = plots.draw(report.summarise(ledger(tmp_path, records=records))).axes[0]

    low, high = axes.get_ylim()
    assert high - low >= 0.12


def test_a_far_result_is_an_arrow_at_the_edge(tmp_path: Path) -> None:
    """One diverged run does not press all others into a line; the legend says how far it went."""
    lines = [f"b2c3d{i:02}\t{1.5 - i / 100:.6f}\t1.2\tkeep\tidea {i}\n" for i in range(1, 6)]
    summary = report.summarise(
        ledger(tmp_path, BASE, *lines, "c3d4e5f\t9.500000\t1.2\tdiscard\tdiverged\n")
    )
    axes = plots.draw(summary).axes[0]

    assert axes.get_ylim()[1] < 2
    assert "1 off the axis, to 9.500000" in axes.get_legend_handles_labels()[1]


def test_labels_of_improvements_do_not_collide(tmp_path: Path) -> None:
    """Of the many improvements of a long night, those that get a label can be read."""
    lines = [
        f"b2c3{i:03}\t{1.5 - i / 200:.6f}\t1.2\tkeep\tan improvement with some words, number {i}\n"
        for i in range(1, 40)
    ]
    figure = plots.draw(report.summarise(ledger(tmp_path, BASE, *lines)))
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    boxes = [text.get_window_extent(renderer) for text in figure.axes[0].texts]
    assert len(boxes) >= 8
    assert not [(a, b) for i, a in enumerate(boxes) for b in boxes[i + 1 :] if a.overlaps(b)]


def test_the_lines_above_a_picture_end_within_it(tmp_path: Path) -> None:
    """With the longest names of devices and of where the noise comes from."""
    summary = replace(
        report.summarise(ledger(tmp_path, BASE, "b2c3d4e\t1.4\t1.2\tkeep\tbetter\n")),
        track="climbmix-600s-5f0c2a9d17e4", noise=0.00123,
        platform="NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition",
        noise_source="standard deviation of 127 runs of 41 codes that ran more than once",
    )  # fmt: skip
    figure = plots.draw(summary)
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    ends = [text.get_window_extent(renderer).x1 for text in figure.texts]
    assert len(ends) == 2 and max(ends) <= figure.bbox.width


def test_a_description_is_never_read_as_a_formula(tmp_path: Path) -> None:
    """Dollars, braces and letters no font has are drawn as they are, without a crash."""
    lines = ["b2c3d4e\t1.4\t1.2\tkeep\trate $\\frac{1}{ $x_{ \\ 学習率 🚀\n"]

    assert write(ledger(tmp_path, BASE, *lines)).svg.stat().st_size > 1000


# ---------------------------------------------------------------- files


class Page(HTMLParser):
    """The tags and the places a page would fetch something from."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.fetched: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        places = [
            value or ""
            for name, value in attrs
            if name in ("src", "href", "xlink:href", "srcset", "data", "action")
        ]
        self.fetched += [place for place in places if not place.startswith("#")]
        assert not [name for name, _ in attrs if name.startswith("on")]


def test_the_page_is_one_file_and_harmless(tmp_path: Path) -> None:
    """Whatever a ledger holds, the page has no script, fetches nothing, and shows the text as
    text."""
    nasty = (
        "</td><script>alert(1)</script><img src=http://evil onerror=x> javascript:alert(1) "
        "\" ' &lt;"
    )
    files = write(ledger(tmp_path, BASE, f"b2<b>4e\t1.4\t1.2\tkeep\t{nasty}\n"))
    text = files.html.read_text("utf-8")
    page = Page(text)

    assert not {"script", "img", "iframe", "object", "link", "form"} & set(page.tags)
    assert page.fetched == []
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "url(" not in re.sub(r"url\(#", "", text)


def test_every_point_leads_to_its_line(tmp_path: Path) -> None:
    """A link from each point of the picture ends at a line of the table that is there."""
    files = write(
        ledger(tmp_path, BASE, "b2c3d4e\t1.4\t1.2\tkeep\tx\n", "d4e5f6a\t0.0\t0.0\tcrash\toom\n")
    )
    text = files.html.read_text("utf-8")

    assert set(re.findall(r'href="#(experiment-\d+)"', text)) == set(
        re.findall(r'<tr id="(experiment-\d+)"', text)
    )


def test_pictures_are_real_and_the_same_each_time(tmp_path: Path) -> None:
    """2400 x 1350 pixels, valid SVG, and no byte changes without a new experiment (so it can be
    committed)."""
    folder = ledger(tmp_path, BASE)
    first = [path.read_bytes() for path in (write(folder).png, write(folder).svg)]
    again = write(folder)

    assert first == [again.png.read_bytes(), again.svg.read_bytes()]
    assert int.from_bytes(first[0][16:20], "big") == 2400
    assert ElementTree.fromstring(first[1].decode()).tag.endswith("svg")
    assert sorted(path.name for path in folder.iterdir()) == [
        "progress.png",
        "progress.svg",
        "report.html",
        "results.tsv",
    ]


def test_the_summary_as_json(tmp_path: Path) -> None:
    """Plain types only, and no NaN."""
    text = json.dumps(report.summarise(ledger(tmp_path, BASE)).to_json(), allow_nan=False)

    assert json.loads(text)["counts"] == {"keep": 1, "discard": 0, "crash": 0}
