"""autoresearch.toml: what may be edited, how an experiment is run, and which number is judged.
Every mistake gets a sentence.

Leaves to others: running (experiment), judging (judge), the repository around it (workspace).
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any, Literal

import msgspec

from autoresearch.errors import BadWorkspace
from autoresearch.own_programs import call_program

NAME = "autoresearch.toml"
INPUT = "{input}"  # in `prepare`: the file that becomes the score command's standard input
DATA = "{data}"  # in `prepare`: where the user's own text lies on this machine
UNSEEN = "{unseen}"  # in `score.draw`: the file that becomes the test command's standard input
MASKS = "{masks}"  # in `prepare`: the file it names paths in, one a line, that no run may read


class ExperimentTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[experiment]`. `timeout_s` 0 means measured: twice the slowest baseline run plus a
    minute."""

    free: list[str]
    command: list[str]
    prepare: list[str] = []
    timeout_s: float = 0
    metric: str = "val_bpb"
    direction: Literal["min", "max"] = "min"
    reads: list[str] = []  # of the user's own checkout, or outside it: what runs may read besides
    pattern: str = ""  # finds the metric in the log, where the command prints no `name: value`


class ScoreTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[score]`: run by the harness from pristine fixed files. A printed number further off than
    `tolerance` is a crash.

    `model`: the program that answers for the model, run in two sandboxes of its own beside
    `command`'s. `hidden`: patterns below the cache of what neither a run nor its scoring may
    read, such as the validation text; then a run need not print the metric. `hidden_too`: of what
    the scoring may not read besides. `draw` writes text that nobody saw to `{unseen}`, and `test`
    scores a result on it, as `command` does on the validation text: distill asks both, once."""

    command: list[str] = []
    model: list[str] = []
    tolerance: float = 0.001
    hidden: list[str] = []
    hidden_too: list[str] = []
    draw: list[str] = []
    test: list[str] = []


class DataTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[data]`. `feed`: the program that hands a run its batches and keeps its clock, from pristine
    fixed files and outside the run's sandbox; then what `score.hidden_too` names is hidden from
    the run as well. `sha256`: of the user's own text, which `prepare` gets as `{data}`."""

    feed: list[str] = []
    sha256: str = ""


class JudgeTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[judge]`. A run below `contended_below` of the baseline's throughput is repeated up to
    `contended_repeats` times. A first run as good as the best's is stopped early, at each mark of
    its curve, with probability `early_level`."""

    alpha: float = 0.3
    repeats: int = 1
    baseline_runs: int = 3
    recheck_after: int = 20
    early_stopping: bool = True
    early_level: float = 0.15
    contended_below: float = 0.7
    contended_repeats: int = 2


class LimitsTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[limits]` of one run; 0 means none, of `outside_s` (seconds besides the budget, and of
    scoring): measured.

    `memory_gb` not given: nine tenths of the machine's. `files` and `depth`: what a run may
    leave, besides the commit's own files."""

    memory_gb: float | None = None
    file_gb: float = 8
    disk_gb: float = 16
    processes: int = 4096
    outside_s: float = 0
    free_kb: float = 512
    files: int = 100_000
    depth: int = 64


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    experiment: ExperimentTable
    data: DataTable = DataTable()
    score: ScoreTable = ScoreTable()
    judge: JudgeTable = JudgeTable()
    limits: LimitsTable = LimitsTable()
    environment: dict[str, str] = {}

    @property
    def track(self) -> str:
        """What makes results comparable, as far as this file knows it; empty outside the lab."""
        return self.environment.get("AUTORESEARCH_TRACK", "")

    @property
    def feeds_score(self) -> bool:
        """Whether `prepare` writes a file that the score command gets as its standard input, and
        nothing else gets at all."""
        return any(INPUT in word for word in self.experiment.prepare)

    @property
    def has_own_text(self) -> bool:
        """Whether `prepare` reads a text of the user's, whose place no commit holds."""
        return any(DATA in word for word in self.experiment.prepare)

    @property
    def names_masks(self) -> bool:
        """Whether `prepare` names paths of this machine that are not there for a run, its scoring
        and its model."""
        return any(MASKS in word for word in self.experiment.prepare)

    def fingerprint(self) -> str:
        """Changes whenever results measured before and after could not be compared."""
        e, s = self.experiment, self.score
        parts = (
            e.command,
            e.metric,
            e.direction,
            s.command,
            s.model,
            sorted(self.environment.items()),
            *([self.data.feed] if self.data.feed else []),
            *([e.pattern] if e.pattern else []),
        )
        return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:16]


def read(folder: Path) -> Config:
    """The configuration in `folder`; BadWorkspace with a sentence for every mistake."""
    file = folder / NAME
    data = read_toml(file)
    try:
        config = msgspec.convert(data, Config)
    except msgspec.ValidationError as error:
        raise BadWorkspace(
            f"{file}: {plain(str(error))}; docs/researcher.md lists what it may say"
        ) from error
    for mistake in mistakes(config):
        raise BadWorkspace(f"{file}: {mistake}")
    return config


def read_toml(file: Path) -> dict[str, Any]:
    try:
        return msgspec.toml.decode(file.read_text("utf-8"), type=dict[str, Any])
    except FileNotFoundError as error:
        command = call_program("autoresearch", "init", file.parent)
        raise BadWorkspace(f"{file.parent} has no {NAME}; `{command}` writes one") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadWorkspace(f"{file} is not valid TOML: {error}") from error


def plain(message: str) -> str:
    """msgspec's words with `$.experiment.free` turned into `experiment.free`."""
    return message.replace("`$.", "`").replace(" - at `$`", "")


def mistakes(config: Config) -> list[str]:
    """What is well-typed and still cannot work."""
    e, j, hidden = config.experiment, config.judge, config.score.hidden + config.score.hidden_too
    wrong = [
        (not e.free, "experiment.free is empty; name the files an agent may change"),
        (not e.command, "experiment.command is empty; name the program that prints the metric"),
        (
            not e.metric or not is_name(e.metric),
            f"experiment.metric {e.metric!r} is no name a line `name: value` can start with",
        ),
        (bool(pattern_mistake(e.pattern)), pattern_mistake(e.pattern)),
        (e.timeout_s < 0, "experiment.timeout_s is negative; use 0 for a measured limit"),
        (
            any(Path(f).is_absolute() or ".." in Path(f).parts for f in e.free),
            "experiment.free must name files inside the repository",
        ),
        (any(not name.strip() for name in e.reads), "experiment.reads names an empty path"),
        (NAME in e.free, f"{NAME} itself cannot be free: it says what is judged"),
        (not 0 < j.alpha < 0.5, "judge.alpha must lie between 0 and 0.5"),
        (
            j.repeats < 0 or j.contended_repeats < 0,
            "judge.repeats and judge.contended_repeats cannot be negative",
        ),
        (j.recheck_after < 0, "judge.recheck_after cannot be negative; 0 means never"),
        (not 0 < j.early_level < 0.5, "judge.early_level must lie between 0 and 0.5"),
        (j.baseline_runs < 1, "judge.baseline_runs must be at least 1"),
        (not 0 <= j.contended_below < 1, "judge.contended_below must lie between 0 and 1"),
        (
            bool(config.score.model) and not config.score.command,
            "score.model answers what score.command asks; name that too",
        ),
        (config.score.tolerance < 0, "score.tolerance cannot be negative"),
        (
            any(Path(f).is_absolute() or ".." in Path(f).parts for f in hidden),
            "score.hidden must be patterns below the cache, such as */*/val.*",
        ),
        (
            bool(hidden) and not config.score.command,
            "score.hidden hides from a run what only score.command may read",
        ),
        (
            min(limit or 0 for limit in msgspec.structs.astuple(config.limits)) < 0,
            "limits cannot be negative; 0 means none",
        ),
        (
            not (config.limits.files >= 1 and 1 <= config.limits.depth <= 200),
            "limits.files must be at least 1, and limits.depth from 1 to 200",
        ),
    ]
    return [sentence for is_wrong, sentence in wrong if is_wrong]


def pattern_mistake(pattern: str) -> str:
    """Why a pattern cannot find a number; empty where it can."""
    try:
        groups = re.compile(pattern).groups if pattern else 1
    except re.error as error:
        return f"experiment.pattern is no regular expression: {error}"
    return "" if groups == 1 else "experiment.pattern needs one group, around the number"


def is_name(text: str) -> bool:
    return text.replace(".", "_").replace("-", "_").isidentifier()


LAB = """\
# What `autoresearch run` may change here, how it runs an experiment, and which number it judges.
# docs/researcher.md tells all.
[experiment]
free = ["train.py"]  # the files an agent may change; every other tracked file is fixed
prepare = ["python", "prepare.py", "--track", "{track}"{extra}, "--rows", "{{input}}", "--masks", "{{masks}}"]
command = ["python", "train.py"]  # "python" is the interpreter autoresearch runs under
timeout_s = 0  # wall clock of one run; 0 = measured: twice the slowest baseline run plus a minute
metric = "val_bpb"
direction = "min"

[data]  # batches and clock of a run: from this program of ours, outside the run's sandbox
feed = ["python", "-m", "fixed.feeder"]{text}

[score]  # run by the harness from pristine fixed files; its number is the one judged
command = ["python", "prepare.py", "score", "{{run_dir}}/checkpoint.safetensors"]
# what it asks: the model, which answers from two sandboxes of its own
model = ["python", "prepare.py", "model", "{{run_dir}}/checkpoint.safetensors"]
hidden = ["*/*/val.*", "*/*/eval.bin", "*/raw"]  # in the cache: no run finds the validation text; the score gets {{input}} as its input
hidden_too = ["*/*/train.*"]  # a model that is scored has no data to train on; a run is fed
# once, when `autoresearch distill` is done: text that neither runs nor agents nor verdicts saw
draw = ["python", "prepare.py", "draw", "{{unseen}}"]
test = ["python", "prepare.py", "test", "{{run_dir}}/checkpoint.safetensors"]

[limits]
free_kb = 40  # of each free file: the program, and no room for a good part of the validation text

[environment]
AUTORESEARCH_TRACK = "{track}"
"""

OWN = """\
# What `autoresearch run` may change here, how it runs an experiment, and which number it judges.
# docs/researcher.md tells all.
[experiment]
free = {free}  # the files an agent may change; every other tracked file is fixed
# reads = ["data"]  # files and folders of yours that are in no commit and that runs may read
command = {command}  # has to print one line `{metric}: <number>`
timeout_s = 0  # wall clock of one run; 0 = measured: twice the slowest baseline run plus a minute
metric = "{metric}"
direction = "{direction}"  # min: lower is better; max: higher is better
"""
