"""The command lines of coding agents that are known by name, each tried with the real program
(`make test-agents`).

Not interactive, edits accepted, kept inside the checkout as far as the program can, no files of
its own left there, and tokens or cost told where it tells them. Without {brief} or {brief_file}
the brief is standard input; {free} stands for the free files, one argument each. Leaves to others:
starting them (command), reading what they say (output).
"""

from __future__ import annotations

PRESETS = {
    # without --allowedTools: named there, its tools would be allowed outside the checkout as well
    "claude": "claude -p --permission-mode acceptEdits --output-format json",
    "codex": "codex exec --sandbox workspace-write --skip-git-repo-check -",
    # each checkout is a new folder, and so one that is not trusted
    "gemini": "gemini --skip-trust --approval-mode auto_edit --output-format json "
    "-p 'Carry out the brief above.'",
    "aider": "aider --yes-always --no-auto-commits --no-check-update --no-show-release-notes "
    "--no-gitignore --map-tokens 0 --no-analytics --no-pretty "
    "--chat-history-file /dev/null --input-history-file /dev/null "
    "--message-file {brief_file} {free}",
    "opencode": "opencode run --format json",
    "qwen": "qwen --approval-mode auto-edit -p 'Carry out the brief above.'",
}
# Inside a room with walls a sandbox of the program's own cannot be made, and is not needed.
IN_A_ROOM = {
    "codex": "codex exec --sandbox danger-full-access --skip-git-repo-check -",
}


def preset_line(name: str, has_walls: bool) -> str:
    """The command line of a preset; any other text is one itself."""
    line = PRESETS.get(name, name)
    return IN_A_ROOM.get(name, line) if has_walls else line
