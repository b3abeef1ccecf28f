"""What each known coding agent needs of its user: settings, credentials, variables. Facts only,
from the programs' manuals.

`settings` and `credentials` are paths below home; transcripts, histories and caches are left out,
for they tell of the user's other work. `variables` are patterns. Leaves to others: how a room is
made of it (`room`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath


@dataclass(frozen=True)
class Needs:
    settings: tuple[str, ...] = ()
    credentials: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()


# of any program: language, terminal, ways to the network
ANYBODY = (
    "PATH", "LANG", "LANGUAGE", "LC_*", "TZ", "TERM", "COLORTERM", "NO_COLOR", "USER", "LOGNAME",
    "SHELL", "*_proxy", "*_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS",
    "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
)  # fmt: skip
# programs that speak to many makers of models
PROVIDERS = (
    "OPENAI_*", "ANTHROPIC_*", "GEMINI_*", "GOOGLE_API_KEY", "DEEPSEEK_*", "OPENROUTER_*",
    "MISTRAL_*", "GROQ_*", "XAI_*", "TOGETHER*_API_KEY", "FIREWORKS_*", "CEREBRAS_*", "COHERE_*",
    "AZURE_*", "OLLAMA_*", "LM_STUDIO_*",
)  # fmt: skip
# a variable that moves a folder which otherwise lies below home
ELSEWHERE = {
    "CLAUDE_CONFIG_DIR": ".claude",
    "CODEX_HOME": ".codex",
    "XDG_CONFIG_HOME": ".config",
    "XDG_DATA_HOME": ".local/share",
}
KNOWN = {
    "claude": Needs(
        (".claude.json", ".claude/settings.json", ".claude/CLAUDE.md", ".claude/agents",
         ".claude/commands", ".claude/skills"),
        (".claude/.credentials.json",),
        ("ANTHROPIC_*", "CLAUDE_CODE_*", "DISABLE_*", "API_TIMEOUT_MS"),
    ),
    "codex": Needs(
        (".codex/config.toml", ".codex/AGENTS.md", ".codex/prompts"),
        (".codex/auth.json",),
        ("OPENAI_*", "CODEX_API_KEY", "AZURE_OPENAI_*"),
    ),
    "gemini": Needs(
        (".gemini/settings.json", ".gemini/GEMINI.md", ".gemini/installation_id",
         ".gemini/google_accounts.json"),
        (".gemini/oauth_creds.json",),
        ("GEMINI_*", "GOOGLE_*"),
    ),
    "aider": Needs(
        (".aider.conf.yml", ".aider.model.settings.yml", ".aider.model.metadata.json"),
        (".aider/oauth-keys.env",),
        ("AIDER_*", *PROVIDERS),
    ),
    "opencode": Needs(
        (".config/opencode/opencode.json", ".config/opencode/opencode.jsonc",
         ".config/opencode/AGENTS.md", ".config/opencode/agent", ".config/opencode/command"),
        (".local/share/opencode/auth.json",),
        ("OPENCODE_*", *PROVIDERS),
    ),
    "qwen": Needs(
        (".qwen/settings.json", ".qwen/QWEN.md", ".qwen/installation_id"),
        (".qwen/oauth_creds.json",),
        ("QWEN_*", "DASHSCOPE_*", "BAILIAN_*", "OPENAI_*"),
    ),
    "mini": Needs((".config/mini-swe-agent/.env",), (), ("MSWEA_*", *PROVIDERS)),
}  # fmt: skip


def find_needs(words: Sequence[str]) -> Needs:
    """Of the first known program of a command line, by whatever path it is called."""
    names = (PurePath(word).name for word in words)
    return next((KNOWN[name] for name in names if name in KNOWN), Needs())
