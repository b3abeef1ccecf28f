"""The command as people use it: init, run, go on, stop with Ctrl-C, and the sentences it says when
something is wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from autoresearch.git.repo import Repo
from autoresearch.installation import lab_folder
from autoresearch.researcher.workspace import Workspace
from chat_server import chat_server
from tiny_workspaces import TOML, Writes, command, make, marked, noisy, research, script

SEARCHABLE = (
    "LR = 0.04  # 0.001 to 1.0\nDEPTH = 2  # 1 to 8\nimport math\nprint('val_bpb:', 1 + "
    "(math.log10(LR) + 0.5) ** 2 + 0.1 * (DEPTH - 5) ** 2)\n"
)


def test_a_repository_of_ones_own(tmp_path: Path) -> None:
    """Any repository with a program that prints `name: value` is researched after two commands."""
    repo = Repo.init(tmp_path)
    (tmp_path / "sort.py").write_text(SEARCHABLE.replace("val_bpb", "seconds"))
    repo.add(["sort.py"])
    repo.commit("start")

    told = command(
        "init",
        str(tmp_path),
        "--command",
        "python sort.py",
        "--free",
        "sort.py",
        "--metric",
        "seconds",
    )
    ran = command("run", str(tmp_path), "--experiments", "4", "--sandbox", "none", "--json")

    assert (told.returncode, ran.returncode) == (0, 0), told.stderr + ran.stderr
    answer = json.loads(ran.stdout)
    assert [len(answer["experiments"]), answer["ended"]] == [4, "4 experiments finished"]
    assert all("→" in e["description"] and e["metric"] == "seconds" for e in answer["experiments"])
    assert repo.changes()[0].path == "autoresearch.toml" and len(repo.changes()) == 1


def test_a_report_of_what_was_run(tmp_path: Path) -> None:
    """After a run the table, the picture and the page are one command away, and git does not see
    them."""
    workspace = make(tmp_path, noisy(1.0, 0.001))
    research(workspace, Writes(noisy(0.9, 0.001)), experiments=1)

    told = command("report", str(tmp_path))
    as_json = command("report", str(tmp_path), "--json", "--last", "1")

    assert told.returncode == 0 and "idea 1" in told.stdout and "progress.png" in told.stdout, (
        told.stderr
    )
    assert json.loads(as_json.stdout)["counts"]["keep"] == 2, as_json.stderr
    assert (tmp_path / "progress.png").stat().st_size > 1000 and workspace.repo.changes() == []


def test_doctor_tells_of_the_folder_and_the_machine(tmp_path: Path) -> None:
    """One object for scripts: every check has a name, a level and what was found; the exit code
    says whether all is well. An agent that is named and does not answer is a failure."""
    make(tmp_path, noisy())
    nobody = ("--agent", "llm", "--model", "m", "--base-url", "http://127.0.0.1:9/v1")

    told = command("doctor", str(tmp_path), "--json", *nobody)

    answer = json.loads(told.stdout)
    assert told.returncode == 1 and answer["ok"] is False, told.stderr
    assert all(check["name"] and check["level"] and check["found"] for check in answer["checks"])
    asked = [check for check in answer["checks"] if check["name"] == "agent"]
    assert [check["level"] for check in asked] == ["failure"] and "--base-url" in asked[0]["found"]


def test_init_makes_a_clean_repository_of_the_lab(tmp_path: Path) -> None:
    """The lab's files and one commit; the ledger is ignored; a second init is refused with the way
    on."""
    folder = tmp_path / "night"

    first = command("init", str(folder), "--track", "pystd-20s", "--json")
    again = command("init", str(folder))

    workspace = Workspace(folder)
    assert (first.returncode, workspace.config.track) == (0, "pystd-20s"), first.stderr
    parts = {"train.py", "prepare.py", "fixed/loader.py", "fixed/device.py", "autoresearch.toml"}
    assert parts <= set(workspace.repo.files("HEAD"))
    assert (lab_folder() / "train.py").read_bytes() == (folder / "train.py").read_bytes()
    (folder / "results.tsv").write_text("x")
    assert (
        workspace.repo.changes() == []
        and json.loads(first.stdout)["commit"] == workspace.repo.head()
    )
    assert again.returncode == 5 and "autoresearch run" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("run", "nowhere"), 2, "is not a folder"),
        (("run", "."), 2, "autoresearch init"),
        (("init", "x", "--track", "../x"), 2, "is no track"),
        (("init", "x", "--track", "custom", "--data", "missing.txt"), 2, "does not exist"),
        (("run", ".", "--policy", "luck"), 2, "luck"),
    ],
)
def test_mistakes_get_a_sentence_and_a_code(
    tmp_path: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    """No traceback: one sentence on standard error, and an exit code a script can read."""
    ran = command(*arguments, cwd=tmp_path)

    assert (ran.returncode, words in ran.stderr, "Traceback" in ran.stderr) == (
        code,
        True,
        False,
    ), ran.stderr


def test_errors_are_json_where_json_was_asked_for(tmp_path: Path) -> None:
    """A script that reads JSON reads the sentence, too."""
    ran = command("run", str(tmp_path), "--json")

    assert "init" in json.loads(ran.stdout)["error"]


def test_help_shows_examples(tmp_path: Path) -> None:
    """Every command tells how it is called."""
    for arguments in (("--help",), ("init", "--help"), ("run", "--help")):
        told = command(*arguments, env={**os.environ, "NO_COLOR": "1", "COLUMNS": "200"})
        assert told.returncode == 0 and "\x1b[" not in told.stdout
        assert (
            "autoresearch run" in told.stdout
            or "Exit codes" in told.stdout
            or "autoresearch init" in told.stdout
        )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopping_closes_the_books(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C ends the run in progress, leaves no process, says how to go on; the next call does go
    on."""
    workspace = make(tmp_path / "w", noisy(1.0, 0.001))
    ideas = script(
        tmp_path / "i.jsonl",
        [{"message": "slow", "files": {"train.py": "import time\ntime.sleep(60)\n"}}],
    )
    arguments = [
        "run",
        str(workspace.folder),
        "--agent",
        "scripted",
        "--script",
        str(ideas),
        "--sandbox",
        "none",
    ]
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from autoresearch.cli.autoresearch import main; main()",
            *arguments,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    state = workspace.private / "state.json"
    runs = workspace.private / "runs" / "0002" / "1" / "run.log"
    deadline = time.monotonic() + 120
    while not runs.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    mark = json.loads(state.read_text())["attempts"]["0002"]["mark"]

    process.send_signal(number)
    output, _ = process.communicate(timeout=120)

    assert process.returncode == 130 and "goes on from here" in output, output
    assert marked(mark) == [] and len(workspace.ledger.records()) == 1
    script(ideas, [{"message": "slow", "files": {}}])
    (workspace.folder / "autoresearch.toml").write_text(TOML.replace("60", "1"))
    again = command(*arguments)
    assert again.returncode == 0, again.stderr
    assert [(r.description, r.status) for r in workspace.ledger.records()] == [
        ("baseline", "keep"),
        ("slow", "crash"),
    ]


def test_two_runners_in_one_workspace(tmp_path: Path) -> None:
    """The second gets a sentence and exit code 5 instead of a share of the first one's books."""
    workspace = make(tmp_path, noisy())

    with workspace.lock():
        ran = command("run", str(tmp_path), "--experiments", "1", "--sandbox", "none")

    assert ran.returncode == 5 and "another `autoresearch run`" in ran.stderr


def test_preparing_that_fails_stops_before_anything_runs(tmp_path: Path) -> None:
    """The prepare command's own last words are the sentence."""
    toml = TOML + (
        'prepare = ["python", "-c", "raise SystemExit(\'no shard_06542 here; run '
        "prepare with a network')\"]\n"
    )
    make(tmp_path, noisy(), toml)

    ran = command("run", str(tmp_path), "--sandbox", "none")

    assert ran.returncode == 2 and "no shard_06542 here" in ran.stderr
    assert not (tmp_path / "results.tsv").exists()


def test_a_model_as_the_agent(tmp_path: Path) -> None:
    """`--agent llm` researches with any endpoint that speaks the protocol; its bill stands in the
    ledger."""
    make(tmp_path, noisy(1.0, 0.001))
    better = (
        "DESCRIPTION: a better value\nFILE: train.py\n<<<<<<< SEARCH\nVALUE = 1.0  # 0.1 "
        "to 10.0\n=======\nVALUE = 0.5\n>>>>>>> REPLACE\n"
    )
    with chat_server(better) as server:
        ran = command(
            *(
                "run",
                str(tmp_path),
                "--experiments",
                "1",
                "--sandbox",
                "none",
                "--json",
                "--agent",
                "llm",
            ),
            *("--base-url", server.url, "--model", "m", "--price", "1", "10"),
        )

    assert ran.returncode == 0, ran.stderr
    (done,) = json.loads(ran.stdout)["experiments"]
    assert (done["status"], done["description"], done["agent"]) == ("keep", "a better value", "llm")
    assert done["proposal"]["cost_usd"] == 0.0003


def test_a_coding_agent_as_the_agent(tmp_path: Path) -> None:
    """`--agent command` researches with any program that edits files; its transcript is kept."""
    workspace = make(tmp_path / "w", noisy(1.0, 0.001))
    coder = tmp_path / "coder.py"
    coder.write_text(
        "import sys, pathlib\nassert 'Experiment' in sys.stdin.read()\nfile = "
        "pathlib.Path('train.py')\n"
        "file.write_text(file.read_text().replace('VALUE = 1.0', 'VALUE = "
        "0.5'))\nprint('DESCRIPTION: halve it')\n"
    )
    ran = command(
        *("run", str(tmp_path / "w"), "--experiments", "1", "--sandbox", "none", "--json"),
        *("--agent", "command", "--command", f"{sys.executable} {coder}"),
    )

    assert ran.returncode == 0, ran.stderr
    (done,) = json.loads(ran.stdout)["experiments"]
    assert (done["status"], done["description"]) == ("keep", "halve it")
    assert "halve it" in (workspace.private / "agents" / "00002.log").read_text()


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("llm", "--agent llm needs --base-url"),
        ("command", "--agent command needs --command"),
        ("scripted", "needs --script"),
    ],
)
def test_an_agent_without_what_it_needs_is_said_at_once(
    tmp_path: Path, kind: str, sentence: str
) -> None:
    """A missing option is exit code 2 and a sentence before anything runs."""
    make(tmp_path, noisy())

    told = command("run", str(tmp_path), "--agent", kind, "--sandbox", "none")

    assert told.returncode == 2 and sentence in told.stderr
