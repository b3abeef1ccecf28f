"""`ah mcp` in the hands of others: the MCP inspector's command line, and coding agents that find
it in their settings and call its tools.

`make test-agents` installs them and runs this file.
"""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ah_agent import AhAgent
from coding_agents import AGENTS, BIN, settings
from model_server import Model, model_server

INSPECTOR = BIN.parent / "inspector" / "node_modules" / ".bin" / "mcp-inspector"
SERVER = [sys.executable, "-m", "autoresearch.cli.ah", "mcp"]
LINES = {"gemini": ["gemini", "--yolo", "-p"], "qwen": ["qwen", "--yolo", "-p"]}


@pytest.fixture
def joined(two_workers: Any, tmp_path: Path) -> AhAgent:
    """An agent that has a key of the hub, in a folder of its own."""
    agent = AhAgent.at(tmp_path / "ada")
    agent.ah("join", two_workers.url, f"mcp-{secrets.token_hex(4)}")
    return agent


def inspect(agent: AhAgent, *words: str) -> Any:
    """What the inspector prints of one request."""
    command = [INSPECTOR, "--cli", *SERVER, *words]
    done = subprocess.run(
        command, cwd=agent.folder, env=agent.env, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_the_inspector_lists_and_calls_tools(joined: AhAgent) -> None:
    """Every tool has a schema that it can read; a post made by it stands on the board."""
    tools = inspect(joined, "--method", "tools/list")["tools"]
    assert {"post", "read", "push", "claim"} <= {tool["name"] for tool in tools}
    assert all(tool["inputSchema"]["type"] == "object" for tool in tools)
    words = f"inspected {secrets.token_hex(6)}"
    arguments = ["--tool-arg", "channel=discussion", "--tool-arg", f"content={words}"]
    answer = inspect(joined, "--method", "tools/call", "--tool-name", "post", *arguments)

    assert json.loads(answer["content"][0]["text"])["content"] == words
    assert words in joined.ah("read", "discussion")


@pytest.mark.parametrize("name", [name for name in LINES if name in AGENTS])
def test_a_coding_agent_posts_by_mcp(name: str, joined: AhAgent, tmp_path: Path) -> None:
    """It starts the server from its settings, is offered the tools, and its post stands on the
    board."""
    words = f"{name} was here {secrets.token_hex(6)}"
    call = ("post", {"channel": "discussion", "content": words})
    model = Model(calls=(call,), words="It is posted.")
    server = {"command": SERVER[0], "args": SERVER[1:], "env": joined.env, "trust": True}
    server["cwd"] = str(joined.folder)
    home = tmp_path / "home"
    with model_server(model):
        env = settings(home, model.url)
        file = home / f".{name}" / "settings.json"
        ours = {**json.loads(file.read_text()), "mcpServers": {"agenthub": server}}
        file.write_text(json.dumps(ours))
        done = subprocess.run(
            [*LINES[name], "Post a line on the hub's board."],
            cwd=joined.folder,
            env={**env, "GEMINI_CLI_TRUST_WORKSPACE": "true"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=200,
        )

    assert done.returncode == 0, done.stdout + done.stderr
    assert words in joined.ah("read", "discussion"), done.stdout + done.stderr
