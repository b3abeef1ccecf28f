"""What the commands of `autoresearch` share: the environment of programs, the cache, Ctrl-C."""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
from collections.abc import Iterable
from pathlib import Path

from autoresearch.errors import BadInput

# What an experiment may see of the environment: programs, languages, devices, threads. No keys, no
# home.
FOR_RUNS = (
    "PATH", "LANG", "LC_ALL", "TZ", "SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH",
    "CUDA_VISIBLE_DEVICES", "CUDA_HOME", "CUDA_DEVICE_ORDER", "ROCR_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES", "HSA_OVERRIDE_GFX_VERSION", "OMP_NUM_THREADS", "MKL_NUM_THREADS",
    "PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_ENABLE_MPS_FALLBACK",
)  # fmt: skip
# What `prepare` may see besides: where to download from, and through what.
FOR_PREPARE = (
    "HOME", "USERPROFILE", "TERM", "HF_ENDPOINT", "HF_HOME", "HF_TOKEN", "SSL_CERT_FILE",
    "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "http_proxy", "https_proxy",
    "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY",
)  # fmt: skip


def environment(names: Iterable[str]) -> dict[str, str]:
    """The part of our environment that a program may see, and where the lab's cache is."""
    return {
        **{name: os.environ[name] for name in names if name in os.environ},
        "AUTORESEARCH_CACHE": str(cache()),
    }


def cache() -> Path:
    default = Path(os.environ.get("HOME", "~")).expanduser() / ".cache" / "autoresearch"
    return Path(os.environ.get("AUTORESEARCH_CACHE") or default).resolve()


def readable() -> tuple[Path, ...]:
    """What a run may read besides the system, the running Python and its own folders: the prepared
    data."""
    place = cache()
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(
            f"{place}, for prepared data, cannot be made ({error.strerror}); set "
            "AUTORESEARCH_CACHE to a folder that you may write in"
        ) from error
    return (place,)


def stopped_by_signals(
    words: str = "stopping: ending the run in progress and closing the books; once more to "
    "interrupt at once",
) -> threading.Event:
    """An event that the first Ctrl-C or SIGTERM sets. With words, it says them, and a second one
    interrupts at once; without, further ones change nothing.

    A thread sets it. A handler may interrupt the main thread in the midst of `stop.wait`, which
    holds the lock that `stop.set` needs: set there, neither would ever go on.
    """
    stop = threading.Event()
    signals: queue.SimpleQueue[None] = queue.SimpleQueue()  # `put` may interrupt anything
    seen: list[int] = []

    def note(number: int, frame: object) -> None:
        seen.append(number)
        signals.put(None)
        if words and len(seen) > 1:
            raise KeyboardInterrupt

    def follow() -> None:
        signals.get()
        stop.set()
        if words:
            print(f"\n{words}", file=sys.stderr)

    threading.Thread(target=follow, name="signals", daemon=True).start()
    signal.signal(signal.SIGINT, note)
    signal.signal(signal.SIGTERM, note)
    return stop
