#!/bin/sh
# Makes .venv and installs what `make run` or `make test` needs, system packages included (apt, where this is root).
# Usage: PYTHON=python3 sh scripts/setup.sh run|test
set -eu
what=${1:?run or test}
PYTHON=${PYTHON:-python3}
say() { printf '== %s\n' "$*"; }
die() { printf '\nset-up stopped: %s\n' "$*" >&2; exit 1; }

command -v "$PYTHON" >/dev/null || die "no '$PYTHON' here; install Python 3.10 to 3.13, or name one: make $what PYTHON=python3.12"
"$PYTHON" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' ||
    die "$("$PYTHON" --version) is not supported; name a Python from 3.10 to 3.13: make $what PYTHON=python3.12"

# Install Debian packages where we may; elsewhere say what is missing. $1: program that shows it is there; $2: package; $3: why.
need() {
    command -v "$1" >/dev/null && return 0
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        [ -n "${apt_updated:-}" ] || { say "apt-get update"; apt-get update -qq || die "apt-get update failed; is the network up?"; apt_updated=1; }
        say "installing $2 ($3)"
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends -o Dpkg::Options::=--force-confold "$2" >/dev/null || die "could not install $2 ($3)"
    else
        return 1
    fi
}

# What is missing is collected, so that whoever may not install it hears of all of it at once.
packages= reasons=
want() { need "$1" "$2" "$3" || { packages="$packages $2" reasons="$reasons${reasons:+, }$2 ($3)"; }; }

want git git "commits and bundles"
if [ "$(uname -s)" = Linux ]; then
    if [ "$what" = run ]; then
        need bwrap bubblewrap "the sandbox of experiments" ||
            say "no bubblewrap here: the next best sandbox is used (for the best: sudo apt install bubblewrap)"
    else
        want bwrap bubblewrap "the sandbox of experiments, which the tests attack"
    fi
fi
if [ "$what" != run ]; then
    command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || want chromium chromium "the tests look at the hub's pages"
    want curl curl "agents that know only curl and git"
    if ! command -v initdb >/dev/null && ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then
        # the tests start a server of their own: Debian need not start another
        if [ "$(id -u)" = 0 ] && [ ! -e /etc/postgresql-common/createcluster.conf ]; then
            (umask 022 && mkdir -p /etc/postgresql-common && echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf)
        fi
        want initdb postgresql "the tests run hubs on it"
    fi
fi
[ -z "$packages" ] || die "missing here: $reasons. On Debian and Ubuntu: sudo apt install$packages"

if [ ! -x .venv/bin/python ] || ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    say "making .venv with $("$PYTHON" --version)"
    rm -rf .venv
    if ! "$PYTHON" -m venv .venv 2>/dev/null; then
        rm -rf .venv
        version=$("$PYTHON" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
        need "no-such-program" "$version" "virtual environments" || die "this Python cannot make virtual environments; run: sudo apt install $version"
        "$PYTHON" -m venv .venv || die "could not make .venv with $PYTHON"
    fi
fi
# The proxies that tests put before the hub, unpacked below .venv and not installed: no service starts, root is not needed.
unpack() {
    command -v "$1" >/dev/null || [ -x ".venv/debian/usr/sbin/$1" ] || [ -x ".venv/debian/usr/bin/$1" ] && return 0
    command -v apt-get >/dev/null || die "$1 is missing, and the tests put a real one before the hub; install it"
    say "unpacking $1 (the tests put it before the hub)"
    mkdir -p .venv/debian
    (cd .venv/debian && { apt-get download -qq "$1" 2>/dev/null || { [ "$(id -u)" = 0 ] && apt-get update -qq && apt-get download -qq "$1"; }; } &&
        dpkg -x "$1"_*.deb . && rm -f "$1"_*.deb) || die "could not unpack $1; run: sudo apt install $1"
}
[ "$what" = run ] || { unpack nginx && unpack caddy; }

pip() { .venv/bin/python -m pip --disable-pip-version-check -q "$@"; }

# torch first and pinned: an open range would bring the newest build with gigabytes of GPU libraries.
.venv/bin/python -c 'import torch' 2>/dev/null || say "installing torch (the largest part, once)"
pip install -c requirements.txt "$(grep "^torch==" requirements.txt)" || die "pip could not install torch; is the network up?"
extras=researcher,lab,hub # the next steps that `make run` prints have to work
[ "$what" = run ] || extras=dev
say "installing autoresearch[$extras]"
pip install -c requirements.txt -e ".[$extras]" || die "pip could not install the dependencies named in requirements.txt"
say "ready"
