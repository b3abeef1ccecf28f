"""Claims about a repository of one's own: its environment, its data that no commit holds, and its
tools are there for a run, read-only; nothing else is, and a sentence says which key opens it."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoresearch.errors import BadWorkspace
from autoresearch.git.bundles import create_bundle, temporary_bundle
from autoresearch.researcher.executors.worker import (
    Shipment,
    Surroundings,
    carry_out,
    check_own_files,
)
from autoresearch.researcher.experiment import Runner
from autoresearch.researcher.init import describe_environment, split_command
from autoresearch.researcher.judging.values import Measurement
from autoresearch.researcher.own_files import find_own_files
from autoresearch.researcher.run_request import RunRequest
from autoresearch.researcher.sandbox import choose_sandbox
from autoresearch.researcher.workspace import Workspace
from own_repositories import PATH, READS_DATA, add_environment, make, measure


@pytest.mark.parametrize("level", ["auto", "landlock", "none"])
@pytest.mark.parametrize("name", ["data", "data/text.txt", "./data"])
def test_a_run_reads_what_the_configuration_names(tmp_path: Path, name: str, level: str) -> None:
    """Where it lies in the user's own folder, it lies in the run's."""
    measured = measure(make(tmp_path / "w", ["python", "bench.py"], reads=(name,)), level=level)

    assert (measured.outcome, measured.value, measured.left) == ("ok", 3.5, ())


def test_what_the_commit_has_stays_and_the_rest_is_added(tmp_path: Path) -> None:
    """A folder of which one file is committed is completed from the user's own."""
    workspace = make(tmp_path, ["python", "bench.py"], reads=("data",))
    (tmp_path / "data" / "README").write_text("ours\n")
    workspace.repo.git("add", "-f", "data/README")
    workspace.repo.commit("Add a README")
    (tmp_path / "data" / "README").write_text("changed since\n")

    runner = Runner(workspace, choose_sandbox("none"), {}, links=("data",))
    with runner.fresh(workspace.repo.head()) as checkout:
        assert (checkout.path / "data" / "README").read_text() == "ours\n"
        assert (checkout.path / "data" / "text.txt").read_text() == "3.5"
        assert checkout.changes() == []


def test_a_run_cannot_change_it(tmp_path: Path) -> None:
    """It is read-only, and a run that puts its own in the place has changed a fixed file."""
    writes = "open('data/text.txt', 'w').write('1')\n"
    swaps = (
        "import os\nos.unlink('data')\nos.mkdir('data')\n"
        "open('data/text.txt', 'w').write('1')\n" + READS_DATA
    )
    written = measure(make(tmp_path / "a", ["python", "bench.py"], writes, ("data",)))
    swapped = measure(make(tmp_path / "b", ["python", "bench.py"], swaps, ("data",)))

    assert written.outcome == "failed"
    assert swapped.outcome == "changed fixed files"
    for name in "ab":
        assert (tmp_path / name / "data" / "text.txt").read_text() == "3.5"


@pytest.mark.parametrize("name", [".venv", "venv", "build/env"])
@pytest.mark.parametrize("shell", [False, True])
def test_the_repositorys_own_environment_is_found(tmp_path: Path, name: str, shell: bool) -> None:
    """Without a word in the configuration, with the packages that only it has."""
    line = f"{name}/bin/python bench.py"
    command = ["sh", "-c", f"cd . && {line}"] if shell else line.split()
    workspace = make(tmp_path / "w", command, "import theirs\nprint('score:', theirs.SCORE)\n")
    add_environment(tmp_path / "w" / name)

    assert measure(workspace).value == 1.25


def test_an_environment_elsewhere_is_opened_as_an_installation(tmp_path: Path) -> None:
    """Named by an absolute path, or behind a link: programs and packages, no other files there."""
    env = tmp_path / "home" / "env"
    bench = f"import theirs, os\nprint('score:', len(os.listdir({str(env)!r})))\n"
    workspace = make(tmp_path / "w", [f"{env}/bin/python", "bench.py"], bench)
    add_environment(env)
    (env / "secret").write_text("key")

    own = find_own_files(workspace, (), PATH)

    assert env / "bin" in own.paths and env not in own.paths and env / "secret" not in own.paths
    assert measure(workspace).value is not None


def test_a_tool_on_path_is_found_with_what_it_needs(tmp_path: Path) -> None:
    """As `cargo install` puts it below home; the folder's neighbours stay closed."""
    tool = tmp_path / "cargo" / "bin" / "measure-it"
    tool.parent.mkdir(parents=True)
    tool.write_text("#!/bin/sh\necho score: 2\n")
    tool.chmod(0o755)
    (tmp_path / "cargo" / "credentials").write_text("key")
    workspace = make(tmp_path / "w", ["measure-it"])
    path = f"{tool.parent}:{PATH}"

    assert tmp_path / "cargo" not in find_own_files(workspace, (), path).paths
    assert measure(workspace, path=path).value == 2


@pytest.mark.parametrize("name", ["outside", "outside/text.txt"])
def test_nothing_outside_opens_without_the_users_word(tmp_path: Path, name: str) -> None:
    """A stranger's configuration asks in vain, by an absolute path, by `..` and by a link;
    `--reads` opens it."""
    target = tmp_path / name
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "text.txt").write_text("7")
    bench = f"print('score:', float(open({str(tmp_path / 'outside' / 'text.txt')!r}).read()))\n"
    workspace = make(tmp_path / "w", ["python", "bench.py"], bench, (str(target),))

    with pytest.raises(BadWorkspace, match=f"give --reads {target}"):
        measure(workspace)
    assert measure(workspace, (target,)).value == 7
    (tmp_path / "w" / "link").symlink_to(target)
    for at, trick in enumerate((f"../{name}", "link")):
        again = make(tmp_path / f"v{at}", ["python", "bench.py"], reads=(trick,))
        (again.folder / "link").symlink_to(target)
        with pytest.raises(BadWorkspace, match="only you can open"):
            measure(again)


@pytest.mark.parametrize(
    "name", [".", ".git", ".git/config", ".autoresearch", "none", "~/nowhere-x"]
)
def test_a_wrong_path_is_told(tmp_path: Path, name: str) -> None:
    """The repository itself, its insides, and what is not there."""
    workspace = make(tmp_path, ["python", "bench.py"], reads=(name,))
    workspace.private.mkdir()
    with pytest.raises(BadWorkspace, match=r"experiment\.reads names"):
        measure(workspace)


def test_a_part_of_an_environment_that_is_committed_opens_nothing(tmp_path: Path) -> None:
    """A stranger's `.venv/bin/python` is a link to a key of yours."""
    key = tmp_path / "key"
    key.write_text("secret")
    workspace = make(tmp_path / "w", [".venv/bin/pytest"])
    (tmp_path / "w" / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / "w" / ".venv" / "pyvenv.cfg").write_text("")
    (tmp_path / "w" / ".venv" / "bin" / "python").symlink_to(key)
    workspace.repo.git("add", "-f", ".venv")
    workspace.repo.commit("Trap")
    with pytest.raises(BadWorkspace):
        find_own_files(workspace, (), PATH)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["build/bench"], 'in your folder, but in no commit: commit it, or add reads = ["build"]'),
        (["target/bench"], "which is not there"),
        (["no-such-tool-x"], "no program of that name is on PATH"),
        (["/nowhere/tool"], "which is not there"),
    ],
)
def test_a_program_that_a_run_would_not_find(
    tmp_path: Path, command: list[str], words: str
) -> None:
    """Told before anything runs, with the key that makes it readable."""
    workspace = make(tmp_path, command)
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "bench").write_text("#!/bin/sh\necho score: 1\n")
    (tmp_path / "build" / "bench").chmod(0o755)
    with pytest.raises(BadWorkspace) as caught:
        measure(workspace)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("bench", "words"),
    [
        (READS_DATA, 'reads = ["data"] below [experiment] shows it to runs'),
        ("import numpy_of_theirs_x\n", ""),
        ("raise SystemExit('cannot open data/text.txt')\n", 'reads = ["data"]'),
    ],
)
def test_a_run_that_misses_a_file_of_its_user_says_so(
    tmp_path: Path, bench: str, words: str
) -> None:
    """The unchanged code's own last words name it; the sentence names the key."""
    measured = measure(make(tmp_path, ["python", "bench.py"], bench))

    assert measured.outcome == "failed" and words in measured.reason
    assert bool(words) == ("shows it to runs" in measured.reason)


def test_a_program_without_its_interpreter_is_told(tmp_path: Path) -> None:
    """Not as a sandbox that could not be made."""
    workspace = make(tmp_path, ["./tool"])
    (tmp_path / "tool").write_text("#!/nowhere/python\n")
    (tmp_path / "tool").chmod(0o755)
    workspace.repo.add(["tool"])
    workspace.repo.commit("Add a tool")
    measured = measure(Workspace(tmp_path), level="bwrap")

    assert "./tool could not be started" in measured.reason and "--reads" in measured.reason


def test_init_says_whose_python_it_is(tmp_path: Path) -> None:
    """Where the repository has an environment and the command does not name it."""
    workspace = make(tmp_path, ["python", "bench.py"])
    add_environment(workspace.folder / "venv")

    assert "venv/bin/python" in describe_environment(tmp_path, "python bench.py")
    assert "venv/bin/python" in describe_environment(tmp_path, "cd . && python3 bench.py")
    assert not describe_environment(tmp_path, "venv/bin/python bench.py")
    assert split_command("source venv/bin/activate && python bench.py")[0] == "bash"


def ship(workspace: Workspace, granted: tuple[Path, ...] = ()) -> Measurement:
    """One run as a machine of a cluster carries it out, in a folder of its own."""
    own = find_own_files(workspace, granted, PATH)
    commit, cache = workspace.repo.head(), workspace.folder.parent / "cache"
    with temporary_bundle() as file:
        create_bundle(workspace.repo, file, [commit])
        request = RunRequest(commit, 1, "shipped", Path(".autoresearch/runs/1"), 60)
        settings = (workspace.folder / "autoresearch.toml").read_bytes()
        places = (workspace.inside, "", str(workspace.repo.path), own)
        shipment = Shipment("w", file.read_bytes(), settings, request, "auto", 1, *places)
    return carry_out(shipment, Surroundings({"PATH": PATH}, {"PATH": PATH}, (), cache)).measurement


def test_a_machine_of_a_cluster_finds_them_too(tmp_path: Path) -> None:
    """Ignored data, the repository's own environment, and a file that `--reads` opens."""
    far = tmp_path / "far.txt"
    far.write_text("2.5")
    data = make(tmp_path / "a", ["python", "bench.py"], reads=("data",))
    own = make(
        tmp_path / "b", [".venv/bin/python", "bench.py"], "import theirs\nprint('score: 1')\n"
    )
    add_environment(tmp_path / "b" / ".venv")
    bench = f"print('score:', float(open({str(far)!r}).read()))\n"
    outside = make(tmp_path / "c", ["python", "bench.py"], bench, (str(far),))

    assert (ship(data).value, ship(own).value, ship(outside, (far,)).value) == (3.5, 1, 2.5)


def test_a_machine_of_a_cluster_that_lacks_them_says_so(tmp_path: Path) -> None:
    """With the path where it looked."""
    workspace = make(tmp_path / "w", ["python", "bench.py"], reads=("data",))
    own = find_own_files(workspace, (), PATH)
    shipment = Shipment("w", b"", b"", RunRequest("c", 1, "m", Path(), 1), "auto", 1, "", "",
                        str(tmp_path / "elsewhere"), own)  # fmt: skip
    with pytest.raises(BadWorkspace, match=r"has no .*elsewhere/data; put it at the same path"):
        check_own_files(shipment)


def test_a_missing_file_elsewhere_names_the_option(tmp_path: Path) -> None:
    """An absolute path to data of the user's."""
    data = tmp_path / "big" / "train.bin"
    data.parent.mkdir()
    data.write_text("1")
    measured = measure(make(tmp_path / "w", ["python", "bench.py"], f"open({str(data)!r})\n"))

    assert f"--reads {data.parent} shows it to runs" in measured.reason
