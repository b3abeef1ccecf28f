"""What an attack is: a small program that says ESCAPED or BLOCKED, and how all of them begin."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

PRELUDE = """
import array, ctypes, errno, fcntl, json, mmap, os, platform, resource
import signal, socket, stat, struct, sys, time
decoys = json.load(open("decoys.json"))
libc = ctypes.CDLL(None, use_errno=True)
NUMBERS = {"x86_64": 0, "aarch64": 1}
def number(x86, arm): return (x86, arm)[NUMBERS[platform.machine()]]
def call(result):
    number = ctypes.get_errno()
    if result < 0: raise OSError(number, os.strerror(number))
    return result
def syscall(x86, arm, *args): return call(libc.syscall(number(x86, arm), *args))
def escaped(how): print("ESCAPED", how, flush=True); os._exit(0)
def found(data):
    data = data if isinstance(data, bytes) else data.encode()
    if decoys["canary"].encode() in data: escaped("read the canary")
def read(path):
    with open(path, "rb") as file: return file.read(1 << 20)
def everywhere(name):
    pids = {decoys["pid"], os.getppid(), 1}  # a list of all may be refused, the files not
    try: pids |= {int(entry) for entry in os.listdir("/proc") if entry.isdigit()}
    except OSError: pass
    for pid in pids:
        if pid != os.getpid():
            try: found(read(f"/proc/{pid}/{name}"))
            except OSError: pass
def connects(family, kind, address):
    s = socket.socket(family, kind); s.settimeout(2); s.connect(address)
    if kind == socket.SOCK_DGRAM: s.send(b"?")
    found(s.recv(1000))
def real(path):  # in a /tmp of one's own it is not there
    os.stat(path)
    return path
def outside(name): return os.path.join(os.path.dirname(real(decoys["victim"])), name)
one, none = ctypes.c_ulong(1), ctypes.c_ulong(0)
def pieces(address, size): return struct.pack("PN", address, size)
def sleep_on():
    argv = [sys.executable, "-I", "-S", "-c", "import time; time.sleep(600)", decoys["token"]]
    os.execve(sys.executable, argv, {})
"""


@dataclass(frozen=True)
class Attack:
    """`quick`: part of the short round. `daemon`: it succeeds if a process with the attack's
    token outlives the run."""

    name: str
    tries: str
    body: str
    needs: str = ""
    quick: bool = False
    daemon: bool = False

    @property
    def program(self) -> str:
        return (
            f"{PRELUDE}\ntry:\n{textwrap.indent(self.body.strip(), '    ')}\nexcept "
            "BaseException as error:\n"
            "    print('BLOCKED', type(error).__name__, error)\nelse:\n    "
            "print('BLOCKED nothing came of it')\n"
        )
