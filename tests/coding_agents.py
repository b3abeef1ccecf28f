"""Coding agents as `make test-agents` installs them, and what their users have in their homes.

AGENTS in the environment names some of them.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

BIN = Path(__file__).parent.parent / ".agents" / "bin"
ALL = "claude codex gemini opencode qwen aider mini"
AGENTS = (os.environ.get("AGENTS") or ALL).split()


def settings(home: Path, url: str) -> dict[str, str]:
    """What a user would have in their home and environment, pointing at our model."""
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "options": {"baseURL": f"{url}/v1", "apiKey": "k"},
        "models": {"test-model": {}},
    }
    opencode = {"model": "t/test-model", "small_model": "t/test-model", "provider": {"t": provider}}
    files = {
        ".gemini/settings.json": {"security": {"auth": {"selectedType": "gemini-api-key"}}},
        ".qwen/settings.json": {"security": {"auth": {"selectedType": "openai"}}},
        ".config/opencode/opencode.json": opencode,
    }
    for name, content in files.items():
        (home / name).parent.mkdir(parents=True)
        (home / name).write_text(json.dumps(content))
    (home / ".codex").mkdir()
    (home / ".codex" / "config.toml").write_text(
        'model = "test-model"\nmodel_provider = "t"\n[model_providers.t]\nname = "t"\n'
        f'base_url = "{url}/v1"\nenv_key = "OPENAI_API_KEY"\nwire_api = "responses"\n'
        "request_max_retries = 0\nstream_max_retries = 0\n"
    )
    return {
        "PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(home), "LANG": "C.UTF-8",
        "ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": "k", "ANTHROPIC_MODEL": "claude-test",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "CLAUDE_CODE_MAX_RETRIES": "0",
        "OPENAI_BASE_URL": f"{url}/v1", "OPENAI_API_BASE": f"{url}/v1", "OPENAI_API_KEY": "k",
        "OPENAI_MODEL": "test-model", "AIDER_MODEL": "openai/test-model",
        "GOOGLE_GEMINI_BASE_URL": url, "GEMINI_API_KEY": "k", "GEMINI_MODEL": "gemini-2.5-flash",
        "MSWEA_CONFIGURED": "true", "MSWEA_COST_TRACKING": "ignore_errors",
    }  # fmt: skip
