"""An agent with nothing but a shell, git and grep follows the briefs: the commands are typed as
they stand on the page.

The experiment is a small honest program that prints the block, so that a run takes milliseconds;
shell, git and files are real.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from autoresearch.cli import ah
from conftest import RunningHub

LAB = Path(__file__).parents[2] / "lab"
BRIEFS = ["program.md", "program_agenthub.md", "README.md"]

TRAIN = """\
import os, random
RATE = 0.04
noise = random.Random(int(os.environ["AUTORESEARCH_SEED"])).gauss(0, 0.001)
print("---")
print(f"val_bpb:          {1.1 + abs(RATE - 0.06) + noise:.6f}")
for line in ("training_seconds: 0.1", "total_seconds:    0.2", "peak_vram_mb:     1843.2", "mfu_percent:      nan",
             "total_tokens_M:   2.140", "num_steps:        523", "num_params_M:     14.900", "depth:            2"):
    print(line)
"""
PREPARE = "print('prepared')\n"
READ = """
value() { sed -n 's/^val_bpb: *//p' "$1"; }
gb() { awk '/^peak_vram_mb:/ { printf "%.1f", $2 / 1024 }' "$1"; }
note() { printf '%s\\t%s\\t%s\\t%s\\t%s\\n' "$(git rev-parse --short=7 HEAD)" "$1" "$2" "$3" "$4" >> results.tsv; }
"""


def blocks(brief: str, language: str = "bash") -> list[str]:
    """The fenced blocks of a brief, without the indentation of a list they may stand in."""
    found = re.findall(
        rf"^( *)```{language}\n(.*?)^ *```$",
        (LAB / brief).read_text("utf-8"),
        re.MULTILINE | re.DOTALL,
    )
    return [re.sub(rf"^{indent}", "", text, flags=re.MULTILINE) for indent, text in found]


def block(brief: str, holding: str) -> str:
    (found,) = [text for text in blocks(brief) if holding in text]
    return found


def shell(folder: Path, script: str, *options: str) -> str:
    """What a bash script prints; it ends at the first command that fails unless other options are
    given."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    command = ["bash", *(options or ("-e", "-o", "pipefail")), "-c", script]
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """A repository with a fast train.py, as a person would make one: no results.tsv ignored,
    nothing prepared."""
    folder = tmp_path / "lab"
    folder.mkdir()
    (folder / "train.py").write_text(TRAIN)
    (folder / "prepare.py").write_text(PREPARE)
    shell(
        folder,
        "git init -q -b main . && git config user.name Ada && git config user.email "
        "ada@example.org && git add . && git commit -qm start",
    )
    return folder


def set_up(lab: Path) -> None:
    shell(lab, block("program.md", "git switch -c"))
    shell(lab, block("program.md", "git check-ignore"))


RUN = block("program.md", "timeout --kill-after")
JUDGED = READ + RUN


def baseline(lab: Path) -> str:
    """Three runs of the unchanged code with three seeds, each written down; returns what the awk
    of the page says."""
    for seed, status, words in (
        (42, "keep", "baseline"),
        (43, "discard", "again"),
        (44, "discard", "again"),
    ):
        written = f'note "$(value "$LOG")" "$(gb "$LOG")" {status} "{words}"'
        shell(lab, JUDGED.replace("SEED=42", f"SEED={seed}") + written)
    return shell(lab, "BASE=$(git rev-parse --short=7 HEAD)\n" + block("program.md", "noise %.6f"))


@pytest.mark.parametrize("brief", BRIEFS)
def test_every_command_of_a_brief_is_a_command(brief: str) -> None:
    """A block that the shell cannot even parse would stop an agent at its first step."""
    for text in blocks(brief):
        done = subprocess.run(
            ["bash", "-n"], input=text, capture_output=True, text=True, timeout=30, check=False
        )
        assert done.returncode == 0, f"{text}\n{done.stderr}"


def test_the_block_on_the_page_is_the_block_that_is_printed() -> None:
    """The names an agent will grep for are those of fixed/summary.py, in its order."""
    (shown,) = blocks("program.md", "text")
    names = re.findall(r"^(\w+):", shown, re.MULTILINE)
    summary = re.search(
        r"^SUMMARY = \((.*?)\)",
        (LAB / "fixed" / "summary.py").read_text("utf-8"),
        re.MULTILINE | re.DOTALL,
    )

    assert summary is not None and names == re.findall(r'"(\w+)"', summary[1])


def test_a_night_by_the_book(lab: Path) -> None:
    """Set-up, baseline, one idea kept and one discarded: branch, ledger and files are what the
    page promises."""
    set_up(lab)
    assert re.fullmatch(r"mean 1\.1\d+  noise 0\.00\d+  runs 3\n", baseline(lab))

    start = block("program.md", "START=$(git rev-parse HEAD)")
    commit = block("program.md", "git add train.py")
    keep = f"sed -i.bak 's/RATE = 0.04/RATE = 0.05/' train.py && rm train.py.bak\n{commit}{JUDGED}"
    shell(lab, f'{start}{keep}note "$(value "$LOG")" "$(gb "$LOG")" keep "MATRIX_LR 0.04 -> 0.05"')
    kept = shell(lab, "git rev-parse HEAD")

    back = block("program.md", "git reset -q --hard")
    worse = f"sed -i.bak 's/RATE = 0.05/RATE = 0.01/' train.py && rm train.py.bak\n{commit}{JUDGED}"
    shell(lab, f'{start}{worse}note "$(value "$LOG")" "$(gb "$LOG")" discard "lower"\n{back}')

    rows = [line.split("\t") for line in (lab / "results.tsv").read_text().splitlines()]
    assert rows[0] == ["commit", "val_bpb", "memory_gb", "status", "description"]
    assert [row[3] for row in rows[1:]] == ["keep", "discard", "discard", "keep", "discard"]
    assert all(row[2] == "1.8" for row in rows[1:])
    assert shell(lab, "git rev-parse HEAD") == kept
    assert shell(lab, "git status --short") == ""
    assert shell(lab, block("program.md", "sort -t")).split("\t")[0] == kept[:7]
    assert len(list((lab / "logs").glob("*.log"))) == 5


def test_going_back_undoes_every_commit_of_an_attempt(lab: Path) -> None:
    """Three commits, a leftover file and a crash later, the tree is the start's and the ledger is
    whole."""
    set_up(lab)
    shell(lab, "echo 'a1b2c3d\t1.1\t1.8\tkeep\tbaseline' >> results.tsv")
    before = shell(lab, "git rev-parse HEAD HEAD^{tree}")
    attempt = (
        "".join(f"echo '# {n}' >> train.py && git commit -qam 'try {n}'\n" for n in range(3))
        + "echo junk > leftover.txt\n"
    )

    shell(
        lab,
        block("program.md", "START=$(git rev-parse HEAD)")
        + attempt
        + block("program.md", "git reset -q --hard"),
    )

    assert shell(lab, "git rev-parse HEAD HEAD^{tree}") == before
    assert not (lab / "leftover.txt").exists()
    assert "baseline" in (lab / "results.tsv").read_text()
    assert "try 2" in shell(lab, "git log -1 --format=%s $(git tag)")


def test_a_crash_is_no_best(lab: Path) -> None:
    """The line for the best so far never shows a 0.000000."""
    set_up(lab)
    shell(
        lab,
        r"printf 'a1b2c3d\t0.99\t1.8\tkeep\tbaseline\nb1b2c3d\t0.000000\t0.0\tcrash\toom\n' >> results.tsv",
    )

    assert shell(lab, block("program.md", "sort -t")).startswith("a1b2c3d")


def test_a_run_over_its_limit_ends_with_its_children(lab: Path) -> None:
    """The limit ends this run's own process group, and says so with exit code 124."""
    set_up(lab)
    (lab / "train.py").write_text("import subprocess\nsubprocess.run(['sleep', '314.159'])\n")
    said = shell(lab, RUN.replace("LIMIT=600", "LIMIT=1") + "true", "--norc")

    assert "exit code 124" in said
    assert not [p for p in psutil.process_iter() if "314.159" in " ".join(command_line(p))]


def command_line(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


# ---------------------------------------------------------------- in a swarm


@pytest.fixture
def swarm(own_hub: Any, lab: Path) -> RunningHub:
    """A hub whose canonical root is the fast lab."""
    hub: RunningHub = own_hub()
    command = [
        sys.executable,
        "-m",
        "autoresearch.cli.agenthub",
        "seed",
        str(lab),
        *hub.place,
    ]
    seeded = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert seeded.returncode == 0, seeded.stderr
    return hub


def join(hub: RunningHub, folder: Path, name: str) -> str:
    """Follow the page up to the branch on the canonical root; returns what a new shell starts
    with."""
    folder.mkdir(exist_ok=True)
    shell(
        folder, "git init -q . && git config user.name Ada && git config user.email ada@example.org"
    )
    names = (
        block("program_agenthub.md", "NAME=ada-h100-1")
        .replace("ada-h100-1", name)
        .replace("http://localhost:8080", hub.url)
    )
    tools = block("program_agenthub.md", "<<'EOT'")
    shell(folder, names + block("program_agenthub.md", "/api/register") + tools)
    shell(folder, ". .agent/hub.sh\n" + block("program_agenthub.md", "git bundle unbundle"))
    return ". .agent/hub.sh\n"


def test_a_swarm_by_the_book(swarm: RunningHub, tmp_path: Path) -> None:
    """Two agents with curl and git join, start from one root, claim, push an improvement and post
    every result."""
    page = "program_agenthub.md"
    ada, bob = tmp_path / "ada", tmp_path / "bob"
    begin = join(swarm, ada, "ada")
    join(swarm, bob, "bob")
    assert shell(ada, "git rev-parse HEAD") == shell(bob, "git rev-parse HEAD")
    assert (ada / ".agent" / "agent.json").stat().st_mode & 0o077 == 0
    assert shell(ada, "git status --short") == ""

    shell(ada, begin + block(page, "/api/claims -H"))
    refused = "if " + block(page, "/api/claims -H").strip() + "; then exit 1; fi\n"
    shell(bob, begin + refused)  # the same idea is taken
    shell(ada, "echo '# better' >> train.py && git commit -qam 'rotary base 10k to 200k'")
    shell(ada, begin + block(page, "git bundle create") + block(page, "(DISCARD)"))

    read = shell(bob, begin + block(page, "what was tried, newest first"))
    tip = shell(ada, "git rev-parse HEAD").strip()
    assert all(
        f"commit:{tip[:7]} platform:H100 val_bpb:{value}" in read
        for value in ("0.991200", "0.998100", "---")
    )
    results = swarm.http.get(
        "/api/results", headers={"Authorization": f"Bearer {swarm.register('reader')}"}
    ).json()
    assert sorted(result["status"] for result in results) == ["crash", "discard", "keep"]
    assert all(result["commit_hash"] == tip for result in results)
    assert tip in shell(bob, begin + "hub '/api/git/leaves?limit=50'")


def test_a_hub_without_a_root_is_started_from_ones_own_commit(
    own_hub: Any, lab: Path, tmp_path: Path
) -> None:
    """The page's block for the start does not fail there: the agent goes on where it stands."""
    before = shell(lab, "git rev-parse HEAD")

    join(own_hub(), lab, "ada")

    assert shell(lab, "git rev-parse HEAD") == before
    assert shell(lab, "git branch --show-current") == "swarm/start\n"


def test_every_verb_of_ah_on_the_page_exists() -> None:
    """`ah VERB`, wherever the page names it, is a command of the program."""
    words = set(re.findall(r"`ah (\w+)", (LAB / "program_agenthub.md").read_text("utf-8")))

    assert {"best", "claim", "push"} <= words
    assert words <= set(ah.app.commands)


def test_a_result_waits_while_the_hub_is_away(swarm: RunningHub, tmp_path: Path) -> None:
    """What could not be posted goes to the outbox, and arrives once when the hub is back."""
    begin = join(swarm, tmp_path / "ada", "ada") + block("program_agenthub.md", "flush()")
    line = "commit:a1b2c3d platform:cpu val_bpb:1.100000 vram_gb:1.8 | said in the dark"

    shell(tmp_path / "ada", f"{begin}HUB=http://127.0.0.1:9\nsend '{line}'\nflush\n")
    shell(tmp_path / "ada", f"{begin}flush\nflush\n")

    assert (
        shell(tmp_path / "ada", begin + "hub '/api/channels/results/posts'").count(
            "said in the dark"
        )
        == 1
    )
    assert not (tmp_path / "ada" / ".agent" / "outbox").exists()


def test_the_key_is_never_on_a_command_line() -> None:
    """Other users of a machine read command lines: the key goes to curl by standard input."""
    for text in blocks("program_agenthub.md"):
        assert not re.search(r"curl[^<\n]*(\$KEY|Bearer)", text)
