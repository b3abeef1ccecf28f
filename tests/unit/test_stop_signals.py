"""Ctrl-C and SIGTERM, at whatever moment they come."""

from __future__ import annotations

import subprocess
import sys

ROUNDS = """
import random, signal, threading, time
from autoresearch.cli.common import stopped_by_signals

main = threading.main_thread().ident
for number in range(300):
    stop = stopped_by_signals(words="")
    def send():
        time.sleep(random.random() / 1000)
        signal.pthread_kill(main, random.choice([signal.SIGINT, signal.SIGTERM]))
    sender = threading.Thread(target=send)
    sender.start()
    while not stop.wait(0):  # most of the time inside: what a signal then finds held
        pass
    sender.join()
print("all ended")
"""

TWICE = """
import os, signal, time
from autoresearch.cli.common import stopped_by_signals

stop = stopped_by_signals("ending")
os.kill(os.getpid(), signal.SIGINT)
print(stop.wait(60), flush=True)
try:
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(60)
except KeyboardInterrupt:
    print("at once")
"""


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)


def test_a_signal_in_the_midst_of_a_wait_ends_it() -> None:
    """A handler that set the event itself waited for the lock that the wait it interrupted held:
    Ctrl-C was lost, and the command hung."""
    done = run(ROUNDS)
    assert done.stdout == "all ended\n", done.stderr


def test_a_second_signal_interrupts_at_once() -> None:
    done = run(TWICE)
    assert done.stdout.split("\n")[:2] == ["True", "at once"], done.stderr
    assert "ending" in done.stderr
