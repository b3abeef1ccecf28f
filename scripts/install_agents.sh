#!/bin/sh
# Installs what `make test-agents` drives, each pinned and in a folder of its own
# below .agents/. Names as arguments; those that are there already are left alone.
set -eu
cd "$(dirname "$0")/.."

npm_library() {
    if ! command -v npm >/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nodejs npm >/dev/null
    fi
    command -v npm >/dev/null || {
        echo "make test-agents needs node and npm (on Debian: apt-get install nodejs npm)" >&2
        exit 1
    }
    npm install --silent --no-audit --no-fund --prefix ".agents/$1" "$2"
}

npm_agent() {
    npm_library "$1" "$2"
    ln -sf "../$1/node_modules/.bin/$1" ".agents/bin/$1"
}

pip_agent() {
    "${PYTHON:-python3}" -m venv ".agents/$1"
    ".agents/$1/bin/pip" install --quiet "$2"
    ln -sf "../$1/bin/$1" ".agents/bin/$1"
}

mkdir -p .agents/bin
for name in "$@"; do
    if [ -e ".agents/bin/$name" ] || [ -e ".agents/$name/node_modules" ]; then continue; fi
    echo "== installing $name"
    case $name in
    claude) npm_agent claude @anthropic-ai/claude-code@2.1.332 ;;
    codex) npm_agent codex @openai/codex@0.171.0 ;;
    gemini) npm_agent gemini @google/gemini-cli@0.61.0 ;;
    opencode) npm_agent opencode opencode-ai@1.18.33 ;;
    qwen) npm_agent qwen @qwen-code/qwen-code@0.15.10 ;;
    isomorphic-git) npm_library isomorphic-git isomorphic-git@1.44.19 ;;
    inspector) npm_library inspector @modelcontextprotocol/inspector@1.0.3 ;;
    aider) pip_agent aider aider-chat==0.86.2 ;;
    mini) pip_agent mini mini-swe-agent==2.4.6 ;;
    *) echo "$name is no agent of ours" >&2; exit 1 ;;
    esac
done
