"""Which column of a table is what: by its name, and by what stands in it. What cannot be decided is
a sentence that says how to.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from autoresearch.errors import BadInput
from autoresearch.researcher.report.figures import is_blank, is_number, read_column
from autoresearch.researcher.report.verdicts import read_verdict
from autoresearch.untrusted import to_line

NAME_CHARS = 60  # of a column's name that are looked at: the patterns below look back
NAMES = {
    "commit": "commit hash sha commit_hash git_hash commit_sha git_sha rev revision",
    "memory_gb": "memory_gb vram_gb mem_gb memory peak_vram_gb vram peak_memory_gb peak_mem_gb"
    " peak_vram_mb memory_mb vram_mb peak_memory_mb mem_mb mem peak_memory peak_vram",
    "status": "status verdict outcome decision result kept keep accepted state judgement",
    "description": "description desc idea hypothesis notes note message change changes summary what"
    " comment comments experiment_description tried",
    "never": "id number no nr n idx index # run run_id exp experiment iteration iter trial attempt"
    " round step when date datetime timestamp ts finished_at started_at created_at agent author"
    " branch parent tag version seed track platform gpu device model day night segment pid port",
    "generic": "score value result metric objective fitness reward target_metric",
}
WORDS = {role: names.split() for role, names in NAMES.items()}
ROLES = {role: WORDS[role] for role in ("commit", "memory_gb", "status", "description")}
# Never the metric, unless --metric names it: what counts, dates or names the experiments.
NEVER, GENERIC = set(WORDS["never"]), set(WORDS["generic"])
# The metric only where nothing else can be it: what experiments cost, are made of or differ by.
SIDE = re.compile(
    r"(^|_)(time|seconds|secs?|s|ms|minutes|mins?|hours|duration|elapsed|runtime|wall|walltime|bytes"
    r"|size|kb|mb|gb|mib|gib|memory|mem|vram|ram|mfu|percent|params?|tokens?|steps?|epochs?|depth"
    r"|width|layers?|heads?|dim|lr|rate|batch|batch_size|dropout|decay|wd|warmup|momentum"
    r"|temperature|cost|usd|price|delta|diff|change|gain|improvement|std|stderr|sigma|noise|ci"
    r"|confidence|prev|lines|previous|best|baseline|before|loc|runs?|repeats?|count|flops"
    r"|temp|power|num|train)(_|$)|^[Δδ]"
)
LARGER = re.compile(
    r"(^|_)(acc|accuracy|auc|auroc|f1|f_score|precision|recall|r[2²]|bleu|rouge\w*|iou|map|dice|ndcg"
    r"|mrr|psnr|ssim|reward|return|win_?rate|pass_?rate|pass_?(at)?_?\d+|throughput|fps|qps|rps|ips"
    r"|speed_?up|tflops|gflops|mfu|\w*(per_|/)s(ec|econd)?|tok_s|elo|correct|hit_?rate|sharpe"
    r"|coverage|success_rate|passed|likelihood|spearman|pearson|correlation)(_|\d|$)"
)
SMALLER = re.compile(
    r"(^|_)(bpb|bpc|bpt|bits|loss|nll|ppl|perplexity|err|error|errors|rmse|mse|mae|mape|wer|cer|fid"
    r"|latency|time|ms|us|µs|ns|s|sec|secs|seconds|minutes|duration|runtime|elapsed|cost|bytes|size"
    r"|kb|mb|gb|memory|vram|regret|regressions|failures|bugs|warnings|divergence|kl|p50|p90|p95|p99"
    r"|entropy|allocations|instructions|cycles)(_|\d|$)"
)
ARROWS = {"↓": "min", "↑": "max", "lower": "min", "higher": "max"}


@dataclass(frozen=True, slots=True)
class Columns:
    """Where each column stands; None where there is none."""

    value: int
    metric: str
    commit: int | None = None
    status: int | None = None
    memory_gb: int | None = None
    description: int | None = None
    in_mb: bool = False  # the memory
    direction: str = ""  # as the header tells it


def plain_name(cell: str) -> str:
    """`**Val BPB** (bits) ↓` as val_bpb."""
    text = re.sub(r"\([^()]{0,40}\)|\[[^\[\]]{0,40}\]", " ", cell[:200].lower())
    text = re.sub(r"[^\w#µΔδ/]+", "_", text.replace("commit#", "commit"))
    return (text.strip("_/") or cell.strip().lower())[:NAME_CHARS]


def shown_name(cell: str) -> str:
    """The column's name as people read it."""
    text = re.sub(r"\((?![^()]*=)[^()]{0,40}\)\s*$", "", cell.strip(" *`_~#↓↑"))
    return to_line(text.strip(" *`_~↓↑"), 60) or "val_bpb"


def is_header(cells: Sequence[str]) -> bool:
    """Two names of columns at least, one of them a commit's or a verdict's, and no numbers."""
    names = {plain_name(cell.lstrip("#")) for cell in cells}
    roles = [role for role, known in ROLES.items() if names & set(known)]
    is_told = bool({"commit", "status"} & set(roles))
    others = [n for n in names if n in NEVER | GENERIC or LARGER.search(n) or SMALLER.search(n)]
    return is_told and len(roles) + len(others) >= 2 and not any(map(is_number, cells))


def usual_way(metric: str) -> str:
    """`max` or `min` where the metric's name tells it, else an empty string."""
    name = plain_name(metric.replace(".", "_"))
    if LARGER.search(name):
        return "max"
    return "min" if SMALLER.search(name) else ""


def choose_columns(
    header: Sequence[str], rows: Sequence[Sequence[str]], wanted: str, hint: str
) -> Columns:
    """The columns of a table. `wanted` must be the metric, `hint` is where there is such a column.

    BadInput where the metric cannot be told."""
    names = [plain_name(cell.lstrip("#") or cell) for cell in header]
    if len(names) == 5 and names[0] in ROLES["commit"] and names[2:4] == ["memory_gb", "status"]:
        ours = Columns(1, shown_name(header[1]), 0, 3, 2, 4, direction=told_way(header[1]))
        if not wanted or plain_name(wanted) == names[1]:
            return ours
    cells = [column_cells(rows, at) for at in range(len(names))]
    numeric = [at for at in range(len(names)) if is_numeric(cells[at])]
    status = find_status(names, cells, numeric)
    taken = {
        role: next((at for known in ROLES[role] for at, n in enumerate(names) if n == known), None)
        for role in ("commit", "memory_gb", "description")
    }
    if taken["description"] is None or taken["description"] == status:
        taken["description"] = longest_texts(cells, {status, taken["commit"], *numeric})
    free = [at for at in numeric if at not in (status, taken["commit"], taken["memory_gb"])]
    value = named_column(header, wanted) if wanted else find_column(header, hint)
    if value is None:
        value = find_metric(header, names, cells, free)
    if taken["memory_gb"] == value:
        taken["memory_gb"] = None
    memory = taken["memory_gb"]
    in_mb = memory is not None and "mb" in names[memory].split("_")
    way = told_way(header[value])
    return Columns(
        value, shown_name(header[value]), status=status, in_mb=in_mb, direction=way, **taken
    )


def told_way(cell: str) -> str:
    """The direction that a header tells: `loss ↓`, `score (higher is better)`."""
    return next((way for word, way in ARROWS.items() if word in cell.lower()), "")


def column_cells(rows: Sequence[Sequence[str]], at: int) -> list[str]:
    return [row[at] if at < len(row) else "" for row in rows]


def is_numeric(cells: Sequence[str]) -> bool:
    """Most cells that hold anything hold a number."""
    filled = [cell for cell in cells if not is_blank(cell)]
    return bool(filled) and sum(map(is_number, filled)) > len(filled) / 2


def is_counter(cells: Sequence[str]) -> bool:
    """1, 2, 3 …, or seconds since 1970."""
    values = [value for value in read_column(cells) if value is not None]
    steps = {b - a for a, b in itertools.pairwise(values)}
    counts = len(values) > 2 and steps == {1} and values[0] in (0, 1)
    return counts or (bool(values) and min(values) > 1e9)


def find_status(
    names: Sequence[str], cells: Sequence[Sequence[str]], numeric: Sequence[int]
) -> int | None:
    """The column of verdicts: so called and holding them, or else any that holds nothing else."""

    def share(at: int) -> float:
        filled = [cell for cell in cells[at] if cell.strip()]
        return sum(read_verdict(cell) is not None for cell in filled) / max(1, len(filled))

    named = [at for word in ROLES["status"] for at, name in enumerate(names) if name == word]
    found = [at for at in named if share(at) >= 0.5]
    # `status` may say that a run ended, and `decision` what became of it
    found.sort(key=lambda at: "discard" not in map(read_verdict, cells[at]))
    others = [at for at in range(len(names)) if at not in numeric and share(at) >= 0.9]
    unread = [at for at in named if at not in numeric and names[at] in ("status", "verdict")]
    return next(iter(found + others + unread), None)


def longest_texts(cells: Sequence[Sequence[str]], taken: set[int | None]) -> int | None:
    sizes = {at: sum(map(len, column)) for at, column in enumerate(cells) if at not in taken}
    return max(sizes, key=sizes.__getitem__) if sizes else None


def find_column(header: Sequence[str], name: str) -> int | None:
    """The column of that name, as written or without regard to case, marks and units."""
    tests: tuple[Callable[[str], bool], ...] = (
        lambda cell: cell.strip() == name.strip(),
        lambda cell: plain_name(cell) == plain_name(name),
    )
    for test in tests if name else ():
        for at, cell in enumerate(header):
            if test(cell):
                return at
    return None


def named_column(header: Sequence[str], wanted: str) -> int:
    found = find_column(header, wanted)
    if found is None:
        raise BadInput(f"there is no column {wanted!r}; there are {name_columns(header)}")
    return found


def find_metric(
    header: Sequence[str],
    names: Sequence[str],
    cells: Sequence[Sequence[str]],
    free: Sequence[int],
) -> int:
    """The one column of numbers that people call a metric, or the only one; else BadInput."""
    if "val_bpb" in names:
        return names.index("val_bpb")
    usable = [at for at in free if names[at] not in NEVER and is_measure(names[at], cells[at])]
    first = [at for at in usable if is_chief(names[at])]
    known = [at for at in first if usual_way(names[at]) or names[at] in GENERIC]
    validated = [at for at in known if is_validated(names[at])]
    chief = [at for at in first if names[at] in ("metric", "primary_metric", "objective")]
    for pool in (chief, validated, known, first, usable):
        if len(pool) == 1:
            return pool[0]
        if pool and pool is not validated:
            raise BadInput(
                f"which column is the metric: {name_columns([header[at] for at in pool], ' or ')}? "
                "name it with --metric"
            )
    raise BadInput(
        f"no column of numbers can be the metric; there are {name_columns(header)}: "
        "name it with --metric"
    )


def is_chief(name: str) -> bool:
    """What people measure an idea by, rather than what it costs."""
    is_latency = re.search(r"(^|_)(latency|p\d\d)(_|$)", name) is not None
    return SIDE.search(name) is None or is_latency or is_validated(name)


def is_measure(name: str, cells: Sequence[str]) -> bool:
    return bool(usual_way(name)) or name in GENERIC or not is_counter(cells)


def is_validated(name: str) -> bool:
    """Of the validation text: what counts where training's number stands beside it."""
    is_best = name.split("_")[0] in ("best", "delta", "prev", "previous", "baseline")
    return re.search(r"(^|_)(val|valid|validation)(_|$)", name) is not None and not is_best


def name_columns(header: Sequence[str], last: str = " and ") -> str:
    names = [shown_name(cell) for cell in header[:20] if cell.strip()]
    return ", ".join(names[:-1]) + last + names[-1] if len(names) > 1 else "".join(names)
