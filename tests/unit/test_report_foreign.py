"""Ledgers as people and other tools write them: read right, or refused with the sentence that lets
the user say what cannot be told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from autoresearch.errors import BadInput
from autoresearch.researcher import report

H = ["a1b2c3d", "b2c3d4e", "3e5f6a7", "d4e5f6a"]  # the third looks like a number with a unit


def table(*rows: str, mark: str = "\t") -> str:
    """Rows whose cells have single blanks between them here."""
    return "".join(mark.join(row.split(" ")) + "\n" for row in rows)


def markdown(*rows: str) -> str:
    lines = ["| " + " | ".join(row.split(" ")) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0].split(" ")), *lines[1:]]) + "\n"


def jsonl(*records: object) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


PI = {"type": "config", "name": "x", "metricName": "total_µs", "metricUnit": "µs"}


def pi_run(run: int, metric: float, status: str, **metrics: float) -> dict[str, object]:
    told = {"commit": H[run % 4], "metric": metric, "metrics": metrics, "status": status}
    return {"run": run, **told, "description": f"idea {run}", "timestamp": 1_790_000_000_000 + run}


# name of the file, its text, metric, direction, best, values of all rows, their statuses
READ: dict[str, tuple[str, str, str, str, float, list[float | None], str]] = {
    "row-number": (
        "results.tsv",
        table("# commit val_bpb status description", f"1 {H[0]} 1.5 keep a",
        f"2 {H[2]} 1.4 keep b"),
        "val_bpb", "min", 1.4, [1.5, 1.4], "kk",
    ),
    "iteration-and-tag": (
        "results.tsv",
        table("iteration tag accuracy status notes", "1 7 0.8 kept a", "2 8 0.7 reverted b"),
        "accuracy", "max", 0.8, [0.8, 0.7], "kd",
    ),
    "bytes-beside-the-metric": (
        "results.tsv",
        table("commit bytes val_loss train_loss status", f"{H[0]} 900 2.5 2.1 ok",
              f"{H[1]} 950 2.4 2.0 PASS"),
        "val_loss", "min", 2.4, [2.5, 2.4], "kk",
    ),
    "bytes-alone": (
        "results.tsv",
        table("commit bytes status desc", f"{H[0]} 15,200 baseline a", f"{H[1]} 14,100 ✔ b",
              f"{H[2]} 14,900 ✗ c"),
        "bytes", "min", 14100, [15200, 14100, 14900], "kkd",
    ),
    "unfinished-words": (
        "results.tsv",
        table("commit val_bpb status description", f"{H[0]} 1.5 done a", f"{H[1]} 1.1 partial b",
              f"{H[2]} 1.2 WIP c", f"{H[3]} 1.3 tentative d"),
        "val_bpb", "min", 1.5, [1.5, 1.1, 1.2, 1.3], "kddd",
    ),
    "phrases": (
        "results.csv",
        "commit,ppl,verdict,idea\n"
        f"{H[0]},30.5,**keep** (new best),a\n{H[1]},29,kept then reverted,b\n"
        f"{H[2]},28,not kept,c\n{H[3]},31,✅ Kept,d\n",
        "ppl", "min", 30.5, [30.5, 29, 28, 31], "kddk",
    ),
    "fail-with-a-value": (
        "results.tsv",
        table("commit score status", f"{H[0]} 5 PASS", f"{H[1]} 7 PASS", f"{H[2]} 6 FAIL",
              f"{H[3]} 0.000000 FAIL"),
        "score", "max", 7, [5, 7, 6, None], "kkdc",
    ),
    "yes-and-no": (
        "results.csv",
        "exp,f1,kept?\n1,0.5,yes\n2,0.6,no\n3,0.7,true\n",
        "f1", "max", 0.7, [0.5, 0.6, 0.7], "kdk",
    ),
    "another-order-and-case": (
        "results.tsv",
        "STATUS\tDescription\tVal_BPB\tCommit\nKEEP\ta\t1.5\ta1b2c3d\nDISCARD\tb\t1.6\tb2c3d4e\n",
        "Val_BPB", "min", 1.5, [1.5, 1.6], "kd",
    ),
    "percent": (
        "results.tsv",
        "commit\tAccuracy (%)\tstatus\na1b2c3d\t93.4%\tkeep\nb2c3d4e\t94.1 %\tkeep\n",
        "Accuracy", "max", 94.1, [93.4, 94.1], "kk",
    ),
    "percent-and-fractions": (
        "results.tsv",
        table("commit accuracy status", f"{H[0]} 93.4% keep", f"{H[1]} 0.92 discard"),
        "accuracy", "max", 93.4, [93.4, 92], "kd",
    ),
    "thousands": (
        "results.csv",
        'commit,throughput,status\na1b2c3d,"1,234.5",keep\nb2c3d4e,"12,345",keep\n',
        "throughput", "max", 12345, [1234.5, 12345], "kk",
    ),
    "decimal-commas": (
        "results.csv",
        "\ufeffcommit;val_bpb;status\r\na1b2c3d;1,005;keep\r\nb2c3d4e;0,99;keep\r\n",
        "val_bpb", "min", 0.99, [1.005, 0.99], "kk",
    ),
    "units-of-two-sizes": (
        "results.tsv",
        "commit\tlatency\tstatus\na1b2c3d\t1.2 s\tkeep\nb2c3d4e\t950ms\tkeep\n",
        "latency", "min", 0.95, [1.2, 0.95], "kk",
    ),
    "error-bars-and-marks": (
        "results.md",
        "| Commit | val_loss ↓ | Status |\n|---|---:|---|\n"
        "| `a1b2c3d` | 2.50 ± 0.01 | keep |\n| `b2c3d4e` | **2.40** (best) | keep |\n",
        "val_loss", "min", 2.4, [2.5, 2.4], "kk",
    ),
    "quotes-and-line-ends": (
        "results.csv",
        'commit,val_bpb,status,description\na1b2c3d,1.5,keep,"two, three\nand ""four"""\n'
        "b2c3d4e,1.4,keep,plain, with commas, unquoted\n",
        "val_bpb", "min", 1.4, [1.5, 1.4], "kk",
    ),
    "empty-lines-and-comments": (
        "results.tsv",
        "# night of Tuesday\n\ncommit\tval_bpb\tstatus\n# more\na1b2c3d\t1.5\tkeep\n\n\n"
        "b2c3d4e\t1.4\tkeep\n",
        "val_bpb", "min", 1.4, [1.5, 1.4], "kk",
    ),
    "header-again": (
        "results.tsv",
        table("commit val_bpb status", f"{H[0]} 1.5 keep", "commit val_bpb status",
              f"{H[1]} 1.4 keep"),
        "val_bpb", "min", 1.4, [1.5, 1.4], "kk",
    ),
    "two-tables": (
        "results.tsv",
        table("commit val_bpb status", f"{H[0]} 1.5 keep") + "\n"
        + table("status commit val_bpb", f"keep {H[1]} 1.4"),
        "val_bpb", "min", 1.4, [1.5, 1.4], "kk",
    ),
    "markdown-among-prose": (
        "notes.md",
        "# Log\n\nWhat I tried | so far.\n\n"
        + markdown("# commit val_bpb Result what", f"1 {H[0]} 1.5 keep a",
        f"2 {H[1]} 1.6 discard b")
        + "\nThe plan:\n\n" + markdown("step action", "1 sleep", "2 more"),
        "val_bpb", "min", 1.5, [1.5, 1.6], "kd",
    ),
    "no-header": (
        "results.tsv",
        table(f"1 {H[0]} 1.5 44.0 keep a", f"2 {H[2]} 1.4 44.0 keep b",
        f"3 {H[3]} 1.6 44.0 discard"),
        "val_bpb", "min", 1.4, [1.5, 1.4, 1.6], "kkd",
    ),
    "no-verdicts": (
        "results.csv",
        "experiment,rmse\nfirst,3.5\nsecond,3.7\nthird,3.1\nfourth,0.000000\n",
        "rmse", "min", 3.1, [3.5, 3.7, 3.1, None], "kdkd",
    ),
    "stopped-runs-of-zero": (
        "results.tsv",
        table("commit val_loss status description", f"{H[0]} 2.5 keep a", f"{H[1]} 0.000000 keep b",
              f"{H[2]} 0.000000 discard stopped"),
        "val_loss", "min", 2.5, [2.5, None, None], "kcd",
    ),
    "a-zero-that-is-one": (
        "results.tsv",
        table("commit errors status description", f"{H[0]} 4 keep a", f"{H[1]} 0 keep fixed"),
        "errors", "min", 0, [4, 0], "kk",
    ),
    "pi-autoresearch": (
        "autoresearch.jsonl",
        jsonl({**PI, "bestDirection": "lower"}, pi_run(0, 15200, "keep", compile_µs=4200),
              pi_run(1, 14000, "keep"), pi_run(2, 12000, "checks_failed"), pi_run(3, 0, "crash")),
        "total_µs", "min", 14000, [15200, 14000, 12000, None], "kkdc",
    ),
    "pi-autoresearch-higher": (
        "log.jsonl",
        jsonl({**PI, "metricName": "points", "bestDirection": "higher"}, pi_run(0, 3, "keep"),
              pi_run(1, 5, "keep"), pi_run(2, 9, "discard")) + '{"run": 4, "comm',
        "points", "max", 5, [3, 5, 9], "kkd",
    ),
    "pi-autoresearch-sessions": (
        "autoresearch.jsonl",
        jsonl({**PI, "bestDirection": "higher"}, pi_run(0, 99, "keep"),
              {**PI, "metricName": "size", "bestDirection": "lower"}, pi_run(1, 7, "keep"),
              pi_run(2, 6, "keep")),
        "size", "min", 6, [7, 6], "kk",
    ),
    "other-json": (
        "runs.json",
        json.dumps([{"id": 1, "results": {"accuracy": 0.8, "lr": 0.1}, "status": "ok"},
                    {"id": 2, "results": {"accuracy": 0.9, "lr": 0.2}, "status": "error"}]),
        "results.accuracy", "max", 0.8, [0.8, None], "kc",
    ),
    "direction-by-what-was-kept": (
        "results.tsv",
        table("commit zing status", f"{H[0]} 3 keep", f"{H[1]} 5 keep", f"{H[2]} 4 discard"),
        "zing", "max", 5, [3, 5, 4], "kkd",
    ),
    "padded": (
        "results.txt",
        "commit   val_bpb  status   description\na1b2c3d  1.5      keep     two words\n"
        "b2c3d4e  1.4      keep     more words here\n",
        "val_bpb", "min", 1.4, [1.5, 1.4], "kk",
    ),
    "rising-by-one": (
        "results.tsv",
        table("n commit score status", f"1 {H[0]} 1 keep", f"2 {H[1]} 2 keep", f"3 {H[3]} 3 keep"),
        "score", "max", 3, [1, 2, 3], "kkk",
    ),
    "before-and-after": (
        "results.md",
        "| change | latency | verdict |\n|-|-|-|\n| a | 12.5 ms → 10.1 ms | kept |\n"
        "| b | 10.1 ms -> 11 ms | reverted |\n",
        "latency", "min", 10.1, [10.1, 11], "kd",
    ),
    "list-in-an-object": (
        "results.json",
        json.dumps({"version": 1, "runs": [{"pass@1": 0.5, "kept": True},
                                           {"pass@1": 0.4, "kept": False}]}, indent=1),
        "pass@1", "max", 0.5, [0.5, 0.4], "kd",
    ),
    "a-metric-in-each-row": (
        "results.csv",
        "run,metric,value,status\n1,accuracy,0.8,keep\n2,accuracy,0.9,keep\n",
        "accuracy", "max", 0.9, [0.8, 0.9], "kk",
    ),
    "commas-in-the-middle": (
        "results.csv",
        "commit,description,val_bpb,status\na1b2c3d,lr up, wd down,1.5,keep\nb2c3d4e,x,1.4,keep\n",
        "val_bpb", "min", 1.4, [1.5, 1.4], "kk",
    ),
    "colours": (
        "results.tsv",
        table("commit mse status", f"{H[0]} 1.5 \x1b[32mkeep\x1b[0m", f"{H[1]} 1.6 \x1b[31mdrop"),
        "mse", "min", 1.5, [1.5, 1.6], "kd",
    ),
    "ended-and-decided": (
        "results.tsv",
        table("commit val_bpb status decision", f"{H[0]} 1.5 ok keep", f"{H[1]} 1.4 ok discard"),
        "val_bpb", "min", 1.5, [1.5, 1.4], "kd",
    ),
    "memory-in-mb": (
        "results.csv",
        "commit,memory_mb,val_bpb,status\na1b2c3d,2048,1.5,keep\nb2c3d4e,4096,1.4,keep\n",
        "val_bpb", "min", 1.4, [1.5, 1.4], "kk",
    ),
}  # fmt: skip


def write(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.write_bytes(text.encode())
    return file


@pytest.mark.parametrize("kind", READ)
def test_a_ledger_of_others_is_read_right(tmp_path: Path, kind: str) -> None:
    """Metric, direction, values, verdicts and the record."""
    name, text, metric, direction, best, values, letters = READ[kind]
    summary = report.summarise(write(tmp_path, name, text))
    rows = summary.experiments

    assert (summary.metric, summary.direction) == (metric, direction)
    assert [row.value for row in rows] == pytest.approx(values)
    assert "".join(row.status[0] for row in rows) == letters
    assert summary.best is not None and summary.best.value == pytest.approx(best)


REFUSED = {
    "two-metrics": (
        table("commit accuracy latency status", f"{H[0]} 0.8 12 keep", f"{H[1]} 0.9 13 keep"),
        "accuracy or latency.*--metric",
    ),
    "two-unknown": (
        table("commit foo bar status", f"{H[0]} 8 12 keep", f"{H[1]} 9 17 keep"),
        "foo or bar.*--metric",
    ),
    "costs-only": (
        table("commit seconds bytes status", f"{H[0]} 8 12 keep", f"{H[1]} 9 17 keep"),
        "seconds or bytes.*--metric",
    ),
    "no-numbers": (
        table("commit branch status", f"{H[0]} main keep", f"{H[1]} side keep"),
        "no column of numbers.*branch.*--metric",
    ),
    "no-header": (
        table(f"{H[0]} 8 12 5 keep", f"{H[1]} 9 17 6 keep", f"{H[2]} 9 12 2 keep"),
        'column 2, column 3, column 4.*--metric "column 2"',
    ),
    "direction": (
        table("commit zing status", f"{H[0]} 3 keep", f"{H[1]} 5 keep", f"{H[2]} 4 keep"),
        "lower or a higher zing.*--direction min or --direction max",
    ),
    "direction-without-verdicts": ("commit,score\na1b2c3d,1\nb2c3d4e,4\n", "--direction"),
    "metrics-in-rows": (
        "run,metric,value,status\n1,f1,0.8,keep\n1,ppl,20,keep\n2,f1,0.9,keep\n2,ppl,25,keep\n",
        "rows of f1 and ppl.*--metric",
    ),
    "two-tables": (
        table("commit f1 status", f"{H[0]} 3 keep") + table("commit ppl status", f"{H[0]} 3 keep"),
        "f1 or ppl.*--metric",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_told_is_asked(tmp_path: Path, kind: str) -> None:
    """The sentence names the columns and the option."""
    text, sentence = REFUSED[kind]
    with pytest.raises(BadInput, match=sentence):
        report.summarise(write(tmp_path, "results.tsv", text))


@pytest.mark.parametrize(
    ("kind", "metric", "direction", "best"),
    [
        ("two-metrics", "latency", "", 12),
        ("two-metrics", "Accuracy", "min", 0.8),
        ("two-unknown", "bar", "max", 17),
        ("costs-only", "bytes", "", 12),
        ("no-header", "column 3", "max", 17),
        ("direction", "", "max", 5),
        ("direction-without-verdicts", "", "max", 4),
        ("two-tables", "ppl", "", 3),
        ("metrics-in-rows", "F1", "", 0.9),
        ("metrics-in-rows", "ppl", "", 20),
    ],
)
def test_what_was_asked_can_be_said(
    tmp_path: Path, kind: str, metric: str, direction: str, best: float
) -> None:
    """`--metric` and `--direction` answer every such sentence."""
    file = write(tmp_path, "results.tsv", REFUSED[kind][0])
    summary = report.summarise(file, metric, direction)

    assert summary.best is not None and summary.best.value == best


def test_a_column_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    """With the columns that are."""
    file = write(tmp_path, "results.tsv", REFUSED["two-metrics"][0])
    with pytest.raises(BadInput, match="no column 'loss'; there are commit, accuracy, latency and"):
        report.summarise(file, "loss")


@pytest.mark.parametrize(
    ("descriptions", "repeated"),
    [
        (("wider", "deeper"), False),
        (("lr 0.1", "lr 0.2"), False),
        (("", ""), True),
        (("wider", "Wider (rerun)"), True),
        (("baseline, seed 1", "baseline, seed 2"), True),
    ],
)
def test_one_hash_is_the_same_code_only_with_one_idea(
    tmp_path: Path, descriptions: tuple[str, str], repeated: bool
) -> None:
    """Many write the parent's hash beside every idea: that is no noise."""
    lines = [f"{H[0]}\t{1.5 + i}\tkeep\t{text}\n" for i, text in enumerate(descriptions)]
    text = "commit\tval_bpb\tstatus\tdescription\n" + "".join(lines)

    assert (report.summarise(write(tmp_path, "results.tsv", text)).noise is not None) is repeated


def test_a_ledger_without_rows_has_its_metric(tmp_path: Path) -> None:
    """A night that has just begun."""
    text = "commit\tpoints\tmemory_gb\tstatus\tdescription\n"

    assert report.summarise(write(tmp_path, "results.tsv", text)).metric == "points"


def test_a_verdict_that_is_none_is_told(tmp_path: Path) -> None:
    """With the word, so that it can be put right."""
    text = table(
        "commit val_bpb status", f"{H[0]} 1.5 keep", f"{H[1]} 1.4 purple", f"{H[2]} 2 keep"
    )
    summary = report.summarise(write(tmp_path, "results.tsv", text))

    assert len(summary.experiments) == 2
    assert summary.notes == ("line 3 of results.tsv: 'purple' is no verdict: not counted",)


def test_other_tools_ledgers_are_found_in_a_folder(tmp_path: Path) -> None:
    """A folder without a results.tsv of ours is reported on by what lies there."""
    name, text, *_ = READ["pi-autoresearch"]
    write(tmp_path, name, text)

    assert report.summarise(tmp_path).metric == "total_µs"


def test_a_baseline_that_is_not_first_is_the_baseline(tmp_path: Path) -> None:
    """The word in the column of verdicts says so."""
    text = table("commit val_bpb status", f"{H[0]} 1.6 keep", f"{H[1]} 1.5 baseline")
    summary = report.summarise(write(tmp_path, "results.tsv", text))

    assert summary.baseline is not None and summary.baseline.value == 1.5


def test_another_number_of_pi_autoresearch_has_a_direction_of_its_own(tmp_path: Path) -> None:
    """`bestDirection` is about its own metric, not about one that stands beside it."""
    runs = [pi_run(0, 3, "keep", accuracy=0.9), pi_run(1, 2, "keep", accuracy=0.8)]
    file = write(tmp_path, "x.jsonl", jsonl({**PI, "bestDirection": "lower"}, *runs))
    summary = report.summarise(file, "metrics.accuracy")

    assert (summary.metric, summary.direction) == ("metrics.accuracy", "max")
    assert summary.best is not None and summary.best.value == 0.9


def test_a_cut_last_verdict_decides_no_column(tmp_path: Path) -> None:
    """A column of verdicts under an unknown name stays one when the last line was cut off."""
    rows = [f"{number} {2 - number / 100} keep" for number in range(12)]
    text = table("n val_bpb fate", *rows, "12 1.8 ke").rstrip("\n")
    summary = report.summarise(write(tmp_path, "results.tsv", text))

    assert [row.status for row in summary.experiments] == ["keep"] * 12
    assert summary.notes == ("line 14 of results.tsv was cut off: not counted",)
