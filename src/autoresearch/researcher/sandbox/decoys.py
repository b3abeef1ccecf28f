"""What attacks are after: a folder with keys, data and a run, and a process that keeps secrets in
every place a process can.

Run as a program (`python -I -S decoys.py TOKEN FOLDER CANARY`) it is that process: the canary is
in its arguments, environment, memory, open files, sockets, shared memory and keyring. It prints
where, as one line of JSON, and ends when its standard input does.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import socket
import sys
from typing import Any

IPC_CREAT, IPC_RMID, SEGMENT_BYTES = 0o1000, 0, 4096
PR_SET_PTRACER = 0x59616D61
USER_KEYRING, KEYCTL_UNLINK = -4, 9
ADD_KEY, KEYCTL = (
    {"x86_64": (248, 250), "aarch64": (217, 219)}.get(os.uname().machine, (0, 0))
    if os.name == "posix"
    else (0, 0)
)


def main(token: str, folder: str, canary: str) -> None:
    secret = canary.encode()
    # anyone may trace it, even where Yama allows parents only
    load_libc().prctl(PR_SET_PTRACER, ctypes.c_long(-1))
    memory = ctypes.create_string_buffer(secret)
    held = os.open(os.path.join(folder, "home", ".ssh", "id_canary"), os.O_RDONLY)
    tcp, udp, named, abstract, datagrams = open_sockets(token, folder)
    shared = f"/dev/shm/{token}"
    with open(shared, "w") as file:
        file.write(canary)
    key = int(token[-7:], 16)
    segment = make_segment(key, secret)
    serial = add_key(token, secret)
    print(json.dumps({
        "pid": os.getpid(), "address": ctypes.addressof(memory), "held": held,
        "tcp": tcp.getsockname()[1], "udp": udp.getsockname()[1],
        "abstract": token, "socket": named.getsockname(), "shm": shared, "segment_key": key,
        "segment": segment, "serial": serial,
        "datagram": datagrams[0].getsockname(),
    }), flush=True)  # fmt: skip
    try:
        serve_secret(secret, udp, [tcp, named, abstract])
    finally:
        os.unlink(shared)
        load_libc().shmctl(segment, IPC_RMID, None)
        load_libc().syscall(KEYCTL, KEYCTL_UNLINK, serial, USER_KEYRING)


def open_sockets(
    token: str, folder: str
) -> tuple[socket.socket, socket.socket, socket.socket, socket.socket, list[socket.socket]]:
    tcp = socket.create_server(("127.0.0.1", 0))
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", 0))
    named, abstract = (socket.socket(socket.AF_UNIX) for _ in range(2))
    named.bind(os.path.join(folder, "s"))
    abstract.bind("\0" + token)
    named.listen()
    abstract.listen()
    datagrams = [socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(2)]
    datagrams[0].bind(os.path.join(folder, "d"))
    datagrams[1].bind(f"\0{token}-datagram")
    return tcp, udp, named, abstract, datagrams


def load_libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)


def make_segment(key: int, secret: bytes) -> int:
    """A System V shared memory segment, readable by anyone of this user."""
    lib = load_libc()
    lib.shmat.restype = ctypes.c_void_p
    segment: int = lib.shmget(key, ctypes.c_size_t(SEGMENT_BYTES), IPC_CREAT | 0o600)
    if segment >= 0:
        ctypes.memmove(lib.shmat(segment, None, 0), secret, len(secret))
    return segment


def add_key(token: str, secret: bytes) -> int:
    """A key in the user's keyring; -1 where the kernel has none."""
    serial: int = load_libc().syscall(
        ADD_KEY, b"user", token.encode(), secret, ctypes.c_size_t(len(secret)), USER_KEYRING
    )
    return serial


def serve_secret(secret: bytes, udp: socket.socket, listeners: list[socket.socket]) -> None:
    """Hand the secret to anyone who asks, until standard input ends."""
    while True:
        waiting: list[Any] = [0, udp, *listeners]
        ready, _, _ = select.select(waiting, [], [])
        if 0 in ready and not os.read(0, 1):
            return
        if udp in ready:
            udp.sendto(secret, udp.recvfrom(100)[1])
        for listener in listeners:
            if listener in ready:
                connection, _ = listener.accept()
                connection.sendall(secret)
                connection.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
