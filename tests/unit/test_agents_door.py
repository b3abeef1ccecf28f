"""What agents and their programs find by themselves: skill, AGENTS.md, plugin, descriptions for
registries, recipes. Each is held to its published format and to what the programs can do."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

import autoresearch
from autoresearch.cli.ah import app as ah
from autoresearch.cli.autoresearch import app as program
from autoresearch.installation import lab_folder
from autoresearch.researcher.init import copy_lab

ROOT = Path(__file__).parent.parent.parent
SKILLS = ROOT / "lab" / "skills"
DEPLOY = ROOT / "deploy"


def read_json(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def test_the_skill_keeps_to_the_format() -> None:
    """Agent Skills: a folder of its name, a front with name and description within their limits, a
    body short enough to be read at once."""
    text = (SKILLS / "autoresearch" / "SKILL.md").read_text("utf-8")
    _, front, body = text.split("---\n", 2)
    said = yaml.safe_load(front)

    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", said["name"]) and said["name"] == "autoresearch"
    assert 0 < len(said["description"]) <= 1024 and len(said["compatibility"]) <= 500
    assert set(said) <= {"name", "description", "license", "compatibility", "metadata"}
    assert len(body.splitlines()) < 500


def test_the_skill_names_commands_and_options_that_there_are() -> None:
    """Every line of its examples begins with a command, and every option is one of that command."""
    text = (SKILLS / "autoresearch" / "SKILL.md").read_text("utf-8")
    lines = [
        line for block in re.findall(r"```sh\n(.*?)```", text, re.S) for line in block.split("\n")
    ]
    for line in filter(None, (line.partition(" #")[0] for line in lines)):
        words = line.split()
        commands: Any = {"ah": ah, "autoresearch": program}[words[0]]
        command = commands.commands[words[1]]
        known = {option for param in command.params for option in param.opts}
        assert {word for word in words if word.startswith("--")} <= known, line


def test_an_experiment_has_them_too(tmp_path: Path) -> None:
    """`init` copies AGENTS.md and the skill, and what AGENTS.md names is there."""
    copy_lab(lab_folder(), tmp_path)

    agents = (tmp_path / "AGENTS.md").read_text("utf-8")
    named = re.findall(r"`([\w/.-]+\.(?:md|py|toml))`", agents)
    assert "skills/autoresearch/SKILL.md" in named
    for name in set(named) - {"autoresearch.toml"}:
        assert (tmp_path / name).is_file(), name


def test_the_plugin_leads_to_what_there_is() -> None:
    """Claude Code's manifests: names in kebab case, our version, folders that exist, a server that
    is a command of ours."""
    plugin = read_json(ROOT / ".claude-plugin" / "plugin.json")
    market = read_json(ROOT / ".claude-plugin" / "marketplace.json")

    assert plugin["version"] == autoresearch.__version__
    assert (ROOT / plugin["skills"] / plugin["name"] / "SKILL.md").is_file()
    server = plugin["mcpServers"]["agenthub"]
    assert server["command"] == "ah" and server["args"][0] in ah.commands
    assert [p["name"] for p in market["plugins"]] == [plugin["name"]]
    assert market["owner"]["name"] and (ROOT / market["plugins"][0]["source"]).is_dir()


def test_the_description_for_registries_keeps_to_the_format() -> None:
    """server.json: a name with a namespace, a description of 100 characters at most, our version;
    no package that somebody else may register."""
    said = read_json(ROOT / "server.json")

    assert re.fullmatch(r"[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+", said["name"])
    assert 1 <= len(said["description"]) <= 100 and said["version"] == autoresearch.__version__
    assert "packages" not in said and said["$schema"].endswith("server.schema.json")


@pytest.fixture
def stand_in(tmp_path: Path) -> Path:
    """A folder with programs that write down how they were called."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("autoresearch", "python"):
        file = folder / name
        file.write_text(f'#!/bin/sh\nprintf "%s\\n" {name} "$@" . >> "{tmp_path}/calls"\n')
        file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return folder


def run_script(text: str, programs: Path, **told: str) -> list[list[str]]:
    """Run it with bash; the calls that it made."""
    env = {"PATH": f"{programs}:{os.environ['PATH']}", **told}
    subprocess.run(["bash", "-c", text], env=env, check=True, timeout=60)
    calls = (programs.parent / "calls").read_text().split("\n.\n")
    return [call.split("\n") for call in calls if call]


def test_the_action_hands_its_inputs_on(stand_in: Path, tmp_path: Path) -> None:
    """Inputs reach commands as words of their own by the environment, never as code; the commands
    and options exist."""
    action = yaml.safe_load((DEPLOY / "github-action" / "action.yml").read_text("utf-8"))
    steps = action["runs"]["steps"]
    assert action["runs"]["using"] == "composite" and all(s["shell"] == "bash" for s in steps)
    assert not any("${{" in step["run"] for step in steps)
    wild = "a b; $(touch pwned)"
    told = {"INSTALL": wild, "FOLDER": wild, "EXPERIMENTS": "2", "OPTIONS": "--hub http://h"}
    for step in steps:
        calls = run_script(step["run"], stand_in, GITHUB_STEP_SUMMARY=str(tmp_path / "s"), **told)

    assert calls[0][-1] == wild
    assert calls[1] == ["autoresearch", "run", wild, "--experiments", "2", "--hub", "http://h"]
    assert [call[1] for call in calls[2:]] == ["report", "watch"]
    check_options(calls[1:])


def test_the_slurm_script_uses_what_it_was_given(stand_in: Path) -> None:
    """As many experiments at once as there are GPUs; without a folder it says so."""
    text = (DEPLOY / "slurm" / "night.sbatch").read_text("utf-8")
    calls = run_script(text, stand_in, NIGHT="my night", SLURM_GPUS_ON_NODE="4", HOURS="2")

    assert calls == [["autoresearch", "run", "my night", "--hours", "2", "--jobs", "4"]]
    check_options(calls)
    done = subprocess.run(
        ["bash", "-c", text], env={"PATH": os.environ["PATH"]}, capture_output=True
    )
    assert done.returncode != 0 and b"the folder of the experiment" in done.stderr


def check_options(calls: list[list[str]]) -> None:
    commands: Any = program
    for _, verb, *rest in calls:
        known = {option for param in commands.commands[verb].params for option in param.opts}
        assert {word for word in rest if word.startswith("--")} <= known
