"""The files of deploy/: read by the programs they are for where those are here, and held to what
they promise everywhere."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml

from autoresearch.cli.agenthub import serve
from autoresearch.cli.config_file import read_options
from autoresearch.hub.metrics import FAMILIES, Metrics
from autoresearch.hub.routes.public import GAUGES

ROOT = Path(__file__).parent.parent.parent
DEPLOY = ROOT / "deploy"
UNITS = sorted(DEPLOY.glob("*.service")) + sorted(DEPLOY.glob("*.timer"))
PROGRAM = "/opt/agenthub/bin/agenthub"
METRIC = re.compile(r"\bagenthub_[a-z_]+")


def read_yaml(name: str) -> Any:
    return yaml.safe_load((DEPLOY / name).read_text("utf-8"))


def test_the_example_configuration_is_one() -> None:
    """Every line of agenthub.toml is an option of `agenthub serve`, with a value of its kind."""
    said = read_options(DEPLOY / "agenthub.toml", serve)

    assert said["workers"] == 2 and said["trusted_proxies"] == "127.0.0.1,::1"


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_is_hardened(unit: Path, tmp_path: Path) -> None:
    """No capability, no new privilege, nothing to write but its own state; systemd agrees where
    it is here: no complaint, and an exposure under 2.5 of 10."""
    text = unit.read_text("utf-8")
    if unit.suffix == ".service":
        lines = text.splitlines()
        for line in ("NoNewPrivileges=yes", "ProtectSystem=strict", "CapabilityBoundingSet="):
            assert line in lines
        assert PROGRAM in text and "DynamicUser=yes" in lines
    if shutil.which("systemd-analyze"):
        for name in UNITS:  # a timer needs its service beside it
            copy = name.read_text("utf-8").replace(PROGRAM, sys.executable)
            (tmp_path / name.name).write_text(copy)
        analyze(["verify", str(tmp_path / unit.name)])
        if unit.suffix == ".service":
            analyze(["security", "--offline=true", "--threshold=25", str(tmp_path / unit.name)])


def analyze(arguments: list[str]) -> None:
    done = subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr


def test_the_container_has_no_rights() -> None:
    """The last user is none that the system knows; what is copied is there, and not kept out by
    the ignore file; nothing is fetched by a name that changes its meaning."""
    text = re.sub(r"\\\n\s*", " ", (DEPLOY / "Containerfile").read_text("utf-8"))
    steps = [line.split(maxsplit=1) for line in text.splitlines() if line[:1].isupper()]
    said = [(word, rest) for word, rest in steps]
    kept = (DEPLOY / "Containerfile.dockerignore").read_text("utf-8").split()

    assert [rest for word, rest in said if word == "USER"] == ["10001"]
    assert said.index(("USER", "10001")) > max(
        n for n, (word, _) in enumerate(said) if word == "RUN"
    )
    copied = [rest.split()[:-1] for word, rest in said if word == "COPY" and "--from" not in rest]
    for name in chain.from_iterable(copied):
        assert (ROOT / name).exists() and f"!{name}" in kept
    for word, rest in said:
        assert word != "ADD" and not (word == "FROM" and ("latest" in rest or ":" not in rest))
    assert "/api/ready" in next(rest for word, rest in said if word == "HEALTHCHECK")


def test_compose_opens_the_proxy_alone() -> None:
    """The hub has no port of its own, cannot write to its image and holds no capability; what it
    trusts is the network of the two; mounted files are there."""
    found = read_yaml("compose.yaml")
    hub, proxy = found["services"]["hub"], found["services"]["proxy"]

    assert "ports" not in hub and hub["read_only"] and hub["cap_drop"] == ["ALL"]
    subnet = found["networks"]["default"]["ipam"]["config"][0]["subnet"]
    assert f"--trusted-proxies={subnet}" in hub["command"]
    for mount in (*hub["volumes"], *proxy["volumes"]):
        source = mount.split(":")[0]
        assert source in found["volumes"] or (DEPLOY / source).is_file()
    assert (DEPLOY / hub["build"]["context"] / hub["build"]["dockerfile"]).is_file()


def test_boards_and_alerts_name_metrics_that_there_are() -> None:
    """Every metric in the dashboard and in the rules is one that /metrics has."""
    known = {line.split()[2] for line in help_lines()}
    known |= {f"{name}_{part}" for name in known for part in ("total", "bucket", "sum", "count")}
    board = json.loads((DEPLOY / "grafana.json").read_text("utf-8"))
    rules = read_yaml("alerts.yml")["groups"][0]["rules"]
    expressions = [rule["expr"] for rule in rules]
    expressions += [t["expr"] for panel in board["panels"] for t in panel["targets"]]

    named = {name for text in expressions for name in METRIC.findall(text)}
    assert len(named) >= 10 and named <= known
    assert all(text.count("(") == text.count(")") for text in expressions)
    assert {rule["labels"]["severity"] for rule in rules} == {"page", "warn"}
    assert all(rule["annotations"]["summary"] for rule in rules)


def help_lines() -> list[str]:
    gauges = {name: (meaning, 0.0) for name, meaning in GAUGES.items()}
    text = Metrics().text(gauges).decode()
    assert all(name in text for name in FAMILIES)
    return [line for line in text.splitlines() if line.startswith("# HELP")]


@pytest.mark.parametrize(
    "command",
    [
        ("promtool", "check", "rules", "alerts.yml"),
        ("promtool", "check", "config", "--syntax-only", "prometheus.yml"),
        ("hadolint", "Containerfile"),
    ],
    ids=lambda command: " ".join(command[:3]),
)
def test_the_programs_that_read_them_agree(command: tuple[str, ...]) -> None:
    """Prometheus and hadolint find nothing, where they are here; the file is there anyway."""
    assert (DEPLOY / command[-1]).stat().st_size > 100
    if shutil.which(command[0]):
        done = subprocess.run(command, cwd=DEPLOY, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
