"""doctor looks at real programs and folders, and says what to do."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path

import pytest

from autoresearch.cli.agent_options import AgentOptions
from autoresearch.cli.autoresearch import ask_agent
from autoresearch.git.repo import Repo
from autoresearch.researcher import doctor
from autoresearch.researcher.config import NAME
from autoresearch.researcher.sandbox import choose_sandbox
from autoresearch.researcher.sandbox.attacks import ATTACKS
from autoresearch.researcher.sandbox.conformance import attacks_on_room
from chat_server import Say, chat_server
from sandbox_jobs import Unprotected

TOML = '[experiment]\nfree = ["train.py"]\ncommand = ["python", "train.py"]\n'


def machine(tmp_path: Path, **environment: str) -> doctor.MachineFacts:
    return doctor.MachineFacts({"PATH": os.environ["PATH"], **environment}, tmp_path / "cache")


def experiment(folder: Path, **files: str) -> Path:
    repo = Repo.init(folder)
    for name, text in {"train.py": "print(1)\n", **files}.items():
        (folder / name.replace("_py", ".py")).write_text(text)
    repo.add(change.path for change in repo.changes())
    repo.commit("start")
    (folder / NAME).write_text(TOML)
    return folder


def test_a_folder_without_experiment_is_no_failure(tmp_path: Path) -> None:
    """On a fresh machine doctor says how to begin, and that is all."""
    settings, check = doctor.look_at_experiment(tmp_path)

    assert settings is None
    assert check.level == "warning" and "autoresearch init" in check.todo


def test_a_broken_configuration_is_a_failure(tmp_path: Path) -> None:
    """What `run` would refuse, doctor names first."""
    folder = experiment(tmp_path)
    (folder / NAME).write_text("[experiment\n")

    assert "not valid TOML" in doctor.look_at_experiment(folder)[1].found
    assert not doctor.is_well([doctor.look_at_experiment(folder)[1]])


def test_uncommitted_changes_are_named(tmp_path: Path) -> None:
    """Experiments start from commits: a changed file is told by its name."""
    folder = experiment(tmp_path)
    (folder / "train.py").write_text("print(2)\n")

    assert "train.py" in doctor.look_at_experiment(folder)[1].found


def test_a_torch_that_cannot_be_imported_is_a_sentence(tmp_path: Path) -> None:
    """A broken installation neither takes doctor down nor hides why; it only matters where torch
    is needed."""
    broken = tmp_path / "torch.py"
    broken.write_text("raise ImportError('libcudart.so.12: cannot open shared object file')\n")
    here = machine(tmp_path, PYTHONPATH=str(tmp_path))

    needed = doctor.look_at_torch(tmp_path, here, needed=True)
    assert (
        needed.level == "failure"
        and "libcudart.so.12" in needed.found
        and "pip install" in needed.todo
    )
    assert doctor.look_at_torch(tmp_path, here, needed=False).level == "warning"


def test_a_hanging_program_is_given_up(tmp_path: Path) -> None:
    """A driver that never answers costs the time limit, not the night."""
    code, _ = doctor.ask(("sleep", "600"), tmp_path, {"PATH": os.environ["PATH"]}, timeout_s=0.5)

    assert code != 0


def test_the_track_is_asked_from_the_experiment_itself(tmp_path: Path) -> None:
    """`prepare.py --show` decides: prepared or not, in its own words."""
    prepare = (
        "import sys, os\nprint('pystd-20s-1a2b3c') if 'READY' in os.environ else "
        "sys.exit('FAIL: run prepare.py first')\n"
    )
    folder = experiment(tmp_path / "x", prepare_py=prepare)
    settings = doctor.look_at_experiment(folder)[0]
    assert settings is not None

    assert doctor.look_at_track(folder, settings, machine(tmp_path, READY="1")).level == "ok"
    missing = doctor.look_at_track(folder, settings, machine(tmp_path))
    assert (missing.level, missing.found) == ("warning", "FAIL: run prepare.py first")


def test_no_git_is_a_failure(tmp_path: Path) -> None:
    """Nothing works without git, and the sentence says how to get it."""
    check = doctor.look_at_git(tmp_path, doctor.MachineFacts({"PATH": str(tmp_path)}, tmp_path))

    assert check.level == "failure" and "install git" in check.todo


def test_no_compiler_is_a_warning(tmp_path: Path) -> None:
    """Training works without one, only slower."""
    assert (
        doctor.look_at_compiler(doctor.MachineFacts({"PATH": str(tmp_path)}, tmp_path)).level
        == "warning"
    )


def test_a_hub_that_does_not_answer_is_a_warning() -> None:
    """A hub that is down never stops research."""
    assert doctor.look_at_hub("http://127.0.0.1:9").level == "warning"


def test_a_whole_examination(tmp_path: Path) -> None:
    """Every check of this machine tells what it found; whatever is not well comes with what to do,
    or says it itself."""
    checks = list(doctor.examine(experiment(tmp_path / "x"), machine(tmp_path)))

    assert [check.name for check in checks if check.name != "sandbox"] == [
        "python",
        "experiment",
        "torch",
        "disk",
        "memory",
        "agent room",
        "git",
        "compiler",
    ]
    assert all(check.found for check in checks)
    assert all(check.todo for check in checks if check.level == "failure")
    assert doctor.as_json(checks)["ok"] is doctor.is_well(checks)


def test_a_hole_in_the_sandbox_is_a_failure_with_its_name() -> None:
    """An attack that comes through is told by name, in a check of its own and in the sum; in a
    level that is not used it only warns."""
    attack = next(a for a in ATTACKS if a.name == "key-file")

    (one, total) = doctor.prove(Unprotected(), [attack])
    (spare, _) = doctor.prove(Unprotected(), [attack], active="bwrap")

    assert (one.name, one.level, total.level) == ("attack", "failure", "failure")
    assert (
        "key-file (an ssh key in the user's home): ESCAPED" in one.found
        and "key-file" in total.found
    )
    assert spare.level == "warning"


def test_every_attack_gets_a_line_when_asked_for() -> None:
    """`--attacks`: each attack on each working level, and what was answered."""
    tried = [a for a in ATTACKS if a.quick]

    checks = doctor.prove(choose_sandbox("auto"), tried)

    assert [c.level for c in checks] == ["ok"] * (len(tried) + 1)
    assert (
        all("BLOCKED" in c.found for c in checks[:-1])
        and f"stopped {len(tried)} of {len(tried)}" in checks[-1].found
    )


def test_the_agents_room_is_attacked_and_doctor_says_so() -> None:
    """Attacks from a coding agent's place on keys, validation text and processes come to
    nothing."""
    check = doctor.look_at_room()

    assert (check.level, check.name) == ("ok", "agent room"), check
    assert f"{len(attacks_on_room())} of {len(attacks_on_room())}" in check.found


def look_at(chosen: AgentOptions, folder: Path) -> doctor.Check:
    return doctor.look_at_agent(partial(ask_agent, chosen, folder))


@pytest.mark.parametrize(
    ("program", "level", "words"),
    [
        ("print('ready')", "ok", "answers"),
        ("import sys; sys.exit('Invalid API key')", "failure", "key is refused"),
        ("import sys; sys.exit('Please run /login')", "failure", "not logged in"),
        ("import sys; sys.exit('There is an issue: unknown model x')", "failure", "the model"),
        ("import sys; sys.exit('Do you trust the files in this folder?')", "failure", "trust"),
        ("import sys; sys.exit('usage limit reached')", "warning", "usage limit"),
        ("import sys; sys.exit('connect ECONNREFUSED 192.0.2.7:443')", "warning", "its server"),
    ],
)
def test_a_coding_agent_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, level: str, words: str
) -> None:
    """Program, login and model are proven by an answer; each fault has its sentence, and what it
    said stays on disk."""
    (tmp_path / "bin").mkdir()
    file = tmp_path / "bin" / "claude"
    file.write_text(f"#!{sys.executable}\n{program}")
    file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{file.parent}:{os.environ['PATH']}")

    check = look_at(AgentOptions("command", command="claude", agent_sandbox="none"), tmp_path)

    assert (check.level, check.name) == (level, "agent") and words in check.found
    if level != "ok":
        assert check.todo and Path(check.found.partition("all of it: ")[2].split(")")[0]).exists()


def test_an_agent_that_is_not_there_or_not_known(tmp_path: Path) -> None:
    """A missing program and a missing option are failures; of a line of one's own only the program
    can be looked for."""
    missing = look_at(
        AgentOptions("command", command="no-such-coder", agent_sandbox="none"), tmp_path
    )
    assert missing.level == "failure" and "is not installed" in missing.found
    unsaid = look_at(AgentOptions("command", agent_sandbox="none"), tmp_path)
    assert unsaid.level == "failure" and "--command" in unsaid.found
    own = look_at(AgentOptions("command", command="env true", agent_sandbox="none"), tmp_path)
    assert own.level == "ok" and "first edit" in own.found


@pytest.mark.parametrize(
    ("status", "level", "words"),
    [
        (200, "ok", "answers"),
        (401, "failure", "the key"),
        (404, "failure", "--model"),
        (429, "warning", "429"),
        (503, "warning", "503"),
    ],
)
def test_a_model_is_asked(tmp_path: Path, status: int, level: str, words: str) -> None:
    """By its address, name and key."""
    with chat_server(Say("said", status=status)) as server:
        check = look_at(AgentOptions("llm", model="m", base_url=server.url), tmp_path)

    assert check.level == level and words in check.found
