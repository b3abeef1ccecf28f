"""Every limit of a run ends it and is named, at every level; nothing of it stays alive."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from autoresearch.errors import BadInput
from autoresearch.researcher.sandbox import choose_sandbox, usage
from sandbox_jobs import EVERY_LEVEL, job

MB = 2**20


@EVERY_LEVEL
def test_a_run_that_ends_well_has_no_reason(level: str, tmp_path: Path) -> None:
    """Exit code 0, no reason, and what it printed is in the log, errors too."""
    finished = choose_sandbox(level).run(
        job(tmp_path, "import sys; print('out'); print('err', file=sys.stderr)")
    )

    assert (finished.exit_code, finished.reason, finished.timed_out) == (0, "", False)
    assert set((tmp_path / "log").read_text().split()) == {"out", "err"}


@EVERY_LEVEL
@pytest.mark.parametrize(
    ("code", "exit_code", "reason"),
    [
        ("raise SystemExit(3)", 3, "ended with exit code 3"),
        ("import os; os.kill(os.getpid(), 11)", -11, "killed by signal 11 (SIGSEGV)"),
    ],
)
def test_how_it_failed_is_named(
    level: str, code: str, exit_code: int, reason: str, tmp_path: Path
) -> None:
    """An exit code or a signal is told in words, whether or not something stands between."""
    finished = choose_sandbox(level).run(job(tmp_path, code))

    assert (finished.exit_code, finished.reason) == (exit_code, reason)


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    """No exit code, and a sentence that names it."""
    finished = choose_sandbox("none").run(replace(job(tmp_path, ""), argv=("no-such-program",)))

    assert finished.exit_code is None
    assert finished.reason.startswith("could not start no-such-program: ")


@EVERY_LEVEL
def test_it_never_ends(level: str, tmp_path: Path) -> None:
    """A run over its time is ended and says so."""
    finished = choose_sandbox(level).run(
        job(tmp_path, "import time\nwhile True: time.sleep(1)", timeout_s=1)
    )

    assert finished.timed_out
    assert finished.reason == "over 1 s"


@EVERY_LEVEL
def test_it_forks_a_child_and_exits(level: str, tmp_path: Path) -> None:
    """What a run leaves behind is ended with it, though the run itself ended well."""
    code = (
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0: "
        "time.sleep(900)\n    os._exit(0)\nprint('done')"
    )
    before = {p.pid for p in psutil.process_iter()}

    finished = choose_sandbox(level).run(job(tmp_path, code))

    assert finished.exit_code == 0
    left = [
        p
        for p in psutil.process_iter()
        if p.pid not in before and "time.sleep(900)" in " ".join(cmdline(p))
    ]
    assert left == []


def cmdline(process: psutil.Process) -> list[str]:
    try:
        found: list[str] = process.cmdline()
    except psutil.Error:
        return []
    return found


@EVERY_LEVEL
def test_it_takes_too_much_memory(level: str, tmp_path: Path) -> None:
    """Memory is counted over the whole tree: two children below the limit are over it together."""
    code = "import os, time\nos.fork(); x = bytearray(120 * 2**20); time.sleep(900)"

    finished = choose_sandbox(level).run(job(tmp_path, code, memory_bytes=200 * MB))

    assert finished.reason == "used more than 0.2 GB of memory"


@EVERY_LEVEL
def test_it_fills_the_disk_quota(level: str, tmp_path: Path) -> None:
    """Many files that are each small enough."""
    code = (
        "import time\nfor i in range(60):\n    open(f'f{i}', 'wb').write(bytes([i + 1]) * "
        "10**6)\nwhile 1: time.sleep(1)"
    )

    finished = choose_sandbox(level).run(job(tmp_path, code, disk_bytes=20 * MB))

    assert finished.reason == "wrote more than 20.0 MB"


def test_it_fills_the_disk_with_deleted_files(tmp_path: Path) -> None:
    """A file that is deleted while open is in no folder, and still counted."""
    code = (
        "import os, time\nf = open('g', 'wb'); os.unlink('g'); f.write(b'x' * 40 * 2**20); "
        "f.flush()\nwhile 1: time.sleep(1)"
    )

    finished = choose_sandbox("none").run(job(tmp_path, code, disk_bytes=20 * MB))

    assert finished.reason == "wrote more than 20.0 MB"


@EVERY_LEVEL
def test_one_file_grows_too_large(level: str, tmp_path: Path) -> None:
    """The limit of a single file is named, though the program sees an ordinary error."""
    finished = choose_sandbox(level).run(
        job(tmp_path, "open('big', 'wb').write(b'x' * 3 * 2**20)", file_bytes=2 * MB)
    )

    assert finished.reason == "wrote a file larger than 2.0 MB"
    assert (tmp_path / "run" / "big").stat().st_size <= 2 * MB


@EVERY_LEVEL
def test_it_forks_without_end(level: str, tmp_path: Path) -> None:
    """A fork bomb is stopped as a whole."""
    finished = choose_sandbox(level).run(
        job(
            tmp_path, "import os, time\nfor _ in range(7): os.fork()\ntime.sleep(900)", processes=40
        )
    )

    assert finished.reason == "started more than 40 processes"


@EVERY_LEVEL
def test_it_floods_the_log(level: str, tmp_path: Path) -> None:
    """The log is cut with a line that says so; the run goes on to its end."""
    code = "for _ in range(3000): print('x' * 999)"

    finished = choose_sandbox(level).run(job(tmp_path, code, log_bytes=1 * MB))

    assert finished.exit_code == 0
    text = (tmp_path / "log").read_text()
    assert text.endswith("\n[output beyond 1 MB was cut off here by the sandbox]\n")
    assert len(text) < 1.1 * MB


@pytest.mark.parametrize(
    ("limits", "pause_s"),
    [
        ({"memory_bytes": 2**40, "processes": 4096}, 0.5),
        ({"memory_bytes": MB}, 0.05),
        ({"processes": 40}, 0.05),
    ],
)
def test_processes_are_walked_as_often_as_a_limit_calls_for(
    limits: dict[str, Any], pause_s: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks more often gets no other answer and costs nothing: a walk beside every run, ten
    times a second, took 3 % of a processor."""
    walks: list[int] = []

    def walk(pid: int) -> list[psutil.Process]:
        walks.append(pid)
        return []

    monkeypatch.setattr(usage, "descendants", walk)
    monitor = usage.UsageMonitor(job(tmp_path, "", **limits), 1)

    assert monitor.look() == "" and monitor.pause_s == pause_s
    monitor.due += 600  # however slow the machine
    assert not any(monitor.look() for _ in range(100)) and len(walks) == 1


def test_stop_ends_a_run(tmp_path: Path) -> None:
    """The user's stop ends it long before its time."""
    stop = threading.Event()
    stop.set()

    finished = choose_sandbox("none").run(job(tmp_path, "import time; time.sleep(900)"), stop=stop)

    assert (finished.reason, finished.timed_out) == ("stopped", False)


@EVERY_LEVEL
def test_the_environment_is_exactly_the_jobs(
    level: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of ours is inherited (bwrap adds PWD, Python LC_CTYPE)."""
    monkeypatch.setenv("HUB_KEY", "secret")

    choose_sandbox(level).run(
        job(tmp_path, "import os; print(*sorted(set(os.environ) - {'PWD', 'LC_CTYPE'}))")
    )

    assert (tmp_path / "log").read_text() == "PATH\n"


def test_the_log_is_no_link(tmp_path: Path) -> None:
    """A link planted where the log will be leads nowhere: the run does not start."""
    (tmp_path / "log").symlink_to(tmp_path / "elsewhere")

    finished = choose_sandbox("none").run(job(tmp_path, "print('hello')"))

    assert finished.exit_code is None
    assert not (tmp_path / "elsewhere").exists()


def test_unknown_names_are_refused() -> None:
    """A sandbox that does not exist is no reason to run without one."""
    with pytest.raises(BadInput, match="there is no sandbox 'chroot'"):
        choose_sandbox("chroot")


def test_runs_beside_each_other(tmp_path: Path) -> None:
    """Ending one run leaves its neighbour alone."""
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    ended: list[int | None] = []
    code = "import pathlib, time\nwhile not pathlib.Path('go').exists(): time.sleep(0.01)"
    neighbour = threading.Thread(
        target=lambda: ended.append(
            choose_sandbox("none").run(job(one, code, mark="one")).exit_code
        )
    )
    neighbour.start()
    choose_sandbox("none").run(job(two, "import time; time.sleep(900)", mark="two", timeout_s=0.5))
    time.sleep(0.1)
    assert neighbour.is_alive()
    (one / "run").mkdir(exist_ok=True)
    (one / "run" / "go").touch()
    neighbour.join()

    assert ended == [0]


WORKS = """\
import os, time
child = os.fork()
while time.process_time() < 0.7:
    pass
open(f"worked-{bool(child)}", "w").close()
time.sleep(100)
"""


@EVERY_LEVEL
def test_a_run_that_we_end_has_the_processor_time_of_all_its_processes(
    level: str, tmp_path: Path
) -> None:
    """In whichever order they die: else a run stopped early would seem to have had a busy
    machine."""
    stop, marks = threading.Event(), [tmp_path / f"run/worked-{who}" for who in (True, False)]

    def end_it() -> None:
        while not all(mark.exists() for mark in marks):
            time.sleep(0.02)
        stop.set()

    threading.Thread(target=end_it, daemon=True).start()
    finished = choose_sandbox(level).run(job(tmp_path, WORKS), stop)

    assert finished.reason == "stopped"
    assert finished.cpu_s is not None and finished.cpu_s >= 1.3  # told in ticks of 10 ms
