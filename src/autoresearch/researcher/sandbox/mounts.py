"""What of this machine a job may see at any isolated level: programs, libraries, the running
Python, devices. Pure but for asking what exists."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterable
from pathlib import Path

# Programs and libraries; /opt/rocm and /nix/store where those systems keep them.
SYSTEM = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"),
    *("/opt/rocm", "/nix/store", "/run/current-system"),
)
# The linker's cache, names for user ids, the time zone: nothing of /etc that is anybody's
# configuration.
ETC = (
    ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "localtime", "passwd", "group",
    "nsswitch.conf", "OpenCL")
)  # fmt: skip
# What names and certificates are looked up in; no folder that may hold anybody's private key.
ETC_NETWORK = (
    "resolv.conf", "hosts", "host.conf", "gai.conf", "services", "protocols",
    "ssl/certs", "ssl/cert.pem", "ssl/openssl.cnf", "ca-certificates",
    "pki/ca-trust", "pki/tls/certs", "pki/tls/cert.pem", "crypto-policies",
)  # fmt: skip
SYSFS = ("/sys/devices/system", "/sys/fs/cgroup")
GPU_SYSFS = ("/sys/devices", "/sys/bus/pci", "/sys/class", "/sys/module", "/sys/dev")
GPU_DEVICES = (
    "/dev/nvidia[0-9]*",
    "/dev/nvidiactl",
    "/dev/nvidia-uvm*",
    "/dev/nvidia-modeset",
    "/dev/nvidia-caps",
    "/dev/kfd",
)
GPU_DEVICES_TOO = ("/dev/dri", "/dev/dxg")  # AMD and Intel; WSL2


def system_folders() -> list[Path]:
    """Programs, libraries and the running Python, as they are named (links are not followed)."""
    etc = (f"/etc/{name}" for name in ETC)
    return [Path(p) for p in (*SYSTEM, *etc) if os.path.lexists(p)] + python_folders()


def network_files() -> list[Path]:
    """What a program with a network reads of /etc besides, where it exists."""
    return [path for name in ETC_NETWORK if (path := Path("/etc") / name).exists()]


def python_folders() -> list[Path]:
    """Where the running interpreter and its packages live, outside the system's own folders."""
    program = Path(sys.executable)
    prefixes = {
        Path(sys.prefix),
        Path(sys.base_prefix),
        Path(sys.exec_prefix),
        program.parent,
        program.resolve().parent,
    }
    both = prefixes | {p.resolve() for p in prefixes}
    return outermost_paths(
        p
        for p in both
        if os.path.exists(p) and not is_beneath(p, [Path(s) for s in SYSTEM]) and p != Path("/")
    )


def device_files() -> list[Path]:
    """The accelerators of this machine."""
    return [
        Path(p) for pattern in (*GPU_DEVICES, *GPU_DEVICES_TOO) for p in sorted(glob.glob(pattern))
    ]


def sysfs_folders() -> list[Path]:
    """What libraries read of processors, and of accelerators where there are any."""
    return [Path(p) for p in (*SYSFS, *(GPU_SYSFS if device_files() else ())) if os.path.exists(p)]


def is_beneath(path: Path, folders: Iterable[Path]) -> bool:
    """Whether a path is one of the folders or lies in one."""
    return any(path == folder or folder in path.parents for folder in folders)


def outermost_paths(paths: Iterable[Path]) -> list[Path]:
    """Each path that lies in no other, parents first."""
    kept: list[Path] = []
    for path in sorted(set(paths), key=lambda p: (len(p.parts), str(p))):
        if not is_beneath(path, kept):
            kept.append(path)
    return kept
