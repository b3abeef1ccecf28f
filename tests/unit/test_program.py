"""Claims about the one door of all programs: every foreseen end is a sentence and an exit code."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import click
import pytest

from autoresearch.cli.program import run_program
from autoresearch.errors import AutoresearchError, Conflict, NotFound
from autoresearch.installation import install_command


def end_of(monkeypatch: pytest.MonkeyPatch, error: BaseException | None, *words: str) -> int:
    """The exit code of a program whose one command raises `error`."""

    @click.group()
    def app() -> None:
        """A program."""

    @app.command()
    @click.option("--json", "in_json", is_flag=True)
    def work(in_json: bool) -> None:
        """Fail."""
        if error is not None:
            raise error

    monkeypatch.setattr(sys, "argv", ["prog", *(words or ("work",))])
    with pytest.raises(SystemExit) as end:
        run_program(app, "prog", extra="hub")
    return int(end.value.code or 0)


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (NotFound("no commit 'x'"), 4, "prog: no commit 'x'"),
        (Conflict("taken"), 5, "prog: taken"),
        (PermissionError(13, "Permission denied", "/x/y"), 2, "prog: /x/y: Permission denied"),
        (OSError(28, "No space left on device"), 2, "prog: the system: No space left on device"),
        (UnicodeDecodeError("utf-8", b"\xe9", 0, 1, "bad"), 2, "prog: a text is not in UTF-8"),
        (ModuleNotFoundError("No module", name="uvicorn.config"), 8, "prog: uvicorn is not inst"),
        (KeyboardInterrupt(), 130, ""),
        (BrokenPipeError(), 0, ""),
        (None, 0, ""),
    ],
)
def test_an_end_has_its_code_and_sentence(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    error: BaseException | None,
    code: int,
    sentence: str,
) -> None:
    """Errors of ours, of the system, of an encoding, of a missing library, and interruptions."""
    assert code == end_of(monkeypatch, error)
    said = capfd.readouterr().err
    assert said.startswith(sentence) and "Traceback" not in said
    assert said.count("\n") <= 1


def test_a_bug_stays_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    """An import of our own that fails is not told as a library to install."""
    with pytest.raises(ImportError):
        end_of(monkeypatch, ImportError("no name", name="autoresearch.hub"))


def test_wrong_words_are_bad_input(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """An unknown command ends with click's own sentence and exit code 2."""
    assert end_of(monkeypatch, None, "wrok") == 2
    assert "No such command 'wrok'" in capfd.readouterr().err


def test_json_may_come_first_and_errors_follow_it(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """`prog --json work` is `prog work --json`, and its error is an object on standard output."""
    assert end_of(monkeypatch, NotFound("no \x1b[2J"), "--json", "work") == 4
    assert capfd.readouterr().out == '{"error": "no \\u001b[2J"}\n'


def test_no_error_commands_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """What a stranger put into an error is spelled out."""
    assert end_of(monkeypatch, AutoresearchError("\x1b]0;owned\x07")) == 1
    assert "\x1b" not in (said := capfd.readouterr().err) and "owned" in said


def test_a_missing_library_comes_with_the_command_that_mends_it() -> None:
    """The command names this very Python, and this checkout or the libraries themselves."""
    command = install_command("hub")

    assert command.startswith(f"{sys.executable} -m pip install ")
    assert "[hub]" in command or "uvicorn" in command


def test_a_terminal_that_is_not_utf_8_shows_escapes() -> None:
    """A text that the terminal's encoding lacks is printed with escapes, on any program."""
    program = textwrap.dedent("""
        import click
        from autoresearch.cli.program import run_program

        @click.command()
        def app():
            print("caf\\u00e9 \\U0001f600")

        run_program(app, "prog")
    """)
    environment = {**os.environ, "PYTHONIOENCODING": "iso-8859-1"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, timeout=60
    )

    assert (done.returncode, done.stdout) == (0, b"caf\xe9 \\U0001f600\n"), done.stderr


@pytest.mark.parametrize("program", ["ah", "agenthub", "autoresearch"])
def test_every_program_knows_the_usual_flags(program: str, tmp_path: Path) -> None:
    """-h, --help, --version and completion work on all three."""

    def call(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", f"autoresearch.cli.{program}", *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
        )

    short, long = call("-h"), call("--help")
    assert short.returncode == 0 and short.stdout == long.stdout and "Commands:" in short.stdout
    assert call("--version").stdout.startswith(f"{program}, version ")
    assert f"_{program.upper()}_COMPLETE" in call("completion", "zsh").stdout
