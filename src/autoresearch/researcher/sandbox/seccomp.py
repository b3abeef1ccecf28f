"""Seccomp filters as BPF programs, written by hand: a list of calls that are refused, everything
else allowed.

A list of refusals because torch, CUDA and compilers use most of the kernel's calls, differently
with every version. What is refused is what reaches other processes, the machine or the network, or
has been a door into the kernel. Layout: seccomp(2), linux/filter.h. There is no well kept library
with wheels, and the programs are a hundred lines of two instructions each.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from autoresearch.researcher.sandbox.syscalls import NUMBERS

LD_WORD, JUMP_EQUAL, JUMP_GREATER_EQUAL, JUMP_SET, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
AND = 0x54
ALLOW, ERRNO, KILL = 0x7FFF0000, 0x00050000, 0x80000000
# offsets in struct seccomp_data; both processors are little-endian
NUMBER_AT, ARCHITECTURE_AT, ARGUMENTS_AT = 0, 4, 16
ARCHITECTURES = {
    "x86_64": (0xC000003E, 0),
    "aarch64": (0xC00000B7, 1),
}  # AUDIT_ARCH_*, column of NUMBERS
X32 = 0x40000000

SOCK_DGRAM, SOCK_TYPE = 2, 0xF
AF_UNIX, AF_INET, AF_INET6, AF_NETLINK = 1, 2, 10, 16
NEW_NAMESPACES = 0x7E020080  # CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET,TIME}

SET_ID = 0o6000  # a file with these bits gives whoever runs it the rights of its owner or group
# calls that give a file its mode, and which argument that is
MODES = {
    "chmod": 1, "fchmod": 1, "fchmodat": 2, "fchmodat2": 2, "creat": 1, "open": 2, "openat": 3,
    "mknod": 1, "mknodat": 2,
}  # fmt: skip

OTHER_PROCESSES = (
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "process_madvise",
    "kcmp",
    "pidfd_getfd",
)
# fmt: off
MOUNTS = (
    "mount", "umount2", "pivot_root", "chroot", "open_tree", "move_mount", "fsopen", "fsconfig",
    "fsmount", "fspick", "mount_setattr",
    "unshare", "setns", "name_to_handle_at", "open_by_handle_at", "fanotify_init", "lookup_dcookie",
)
MACHINE = (
    "reboot", "kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module",
    "swapon", "swapoff", "acct", "quotactl",
    "quotactl_fd", "settimeofday", "clock_settime", "clock_adjtime", "adjtimex", "sethostname",
    "setdomainname", "iopl", "ioperm", "syslog",
    "vhangup", "nfsservctl", "uselib", "ustat", "sysfs", "modify_ldt",
)
KERNEL = (
    "bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "io_uring_enter",
    "io_uring_register", "keyctl", "add_key", "request_key",
)
# What namespaces keep apart and Landlock does not: this machine's shared memory, message queues
# and schedules.
SHARED = (
    "shmget", "shmat", "shmctl", "semget", "semop", "semctl", "semtimedop", "msgget", "msgsnd",
    "msgrcv", "msgctl", "mq_open", "mq_unlink",
    "setpriority", "ioprio_set", "inotify_add_watch",
)
OWN_ONLY = ("prlimit64", "sched_setaffinity", "sched_setattr", "sched_setparam",
"sched_setscheduler")  # first argument: a pid
SIGNALS = ("tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_send_signal")
# Landlock does not guard a file's mode, owner, times and attributes. Compilers and copies set them
# and stop when that fails, so the call does nothing and says that it worked. But whoever asks for
# a path's time to be now may want to know whether the file is there, and makes it if not
# (Python's Path.touch).
METADATA = (
    "chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown", "lchown", "fchownat", "utime",
    "utimes", "futimesat", "utimensat",
)
ATTRIBUTES = (
    "setxattr", "lsetxattr", "fsetxattr", "setxattrat", "removexattr", "lremovexattr",
    "fremovexattr", "removexattrat", "file_setattr",
)
# fmt: on


@dataclass(frozen=True)
class Policy:
    """`refused`: call to errno (0: pretend). `only`: call to the values its first argument may
    have. `without`: to an argument's number and the bits that it must lack. `unlike`: call to the
    type of socket, its second argument, that it must not have."""

    refused: Mapping[str, int]
    only: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    without: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    unlike: Mapping[str, int] = field(default_factory=dict)


def inside_namespaces(network: bool = False) -> Policy:
    """For a job that already has its own processes and mounts: what those leave open (other
    address families, keyrings). With the machine's `network` it would find the machine's abstract
    sockets, too: so no AF_UNIX but pairs, and none of datagrams, which can be sent anywhere."""
    refused = dict.fromkeys(OTHER_PROCESSES + MOUNTS + MACHINE + KERNEL, errno.EPERM)
    # flags that lie in memory, out of a filter's sight; programs then take the older calls
    refused |= {"clone3": errno.ENOSYS, "openat2": errno.ENOSYS}
    # not AF_VSOCK, which reaches the host from every namespace
    families = (*(() if network else (AF_UNIX,)), AF_INET, AF_INET6, AF_NETLINK)
    pairs = {"socketpair": SOCK_DGRAM} if network else {}
    without = {"clone": (0, NEW_NAMESPACES), **{n: (at, SET_ID) for n, at in MODES.items()}}
    return Policy(refused, {"socket": families}, without, pairs)


def beside_landlock(abi: int, network: bool = False) -> Policy:
    """For a job that shares everything with the machine but what Landlock of this ABI keeps from
    it; without `network` no sockets at all but pairs."""
    base = inside_namespaces(network=True)
    refused = {
        **base.refused,
        **dict.fromkeys(SHARED + ATTRIBUTES, errno.EPERM),
        **dict.fromkeys(METADATA, 0),
        **(dict.fromkeys(SIGNALS, errno.EPERM) if abi < 6 else {}),
        **({"truncate": errno.EPERM} if abi < 3 else {}),
        **({} if network else {"socket": errno.EPERM}),
    }
    own = {**dict.fromkeys(OWN_ONLY, (0,)), **({"kill": (0,)} if abi < 6 else {})}
    only = {**own, **(base.only if network else {})}
    without = {name: bits for name, bits in base.without.items() if name not in refused}
    return Policy(refused, only, without, base.unlike)


def is_supported(machine: str) -> bool:
    """`machine` as platform.machine() names it."""
    return machine in ARCHITECTURES


def compile_filter(policy: Policy, machine: str) -> bytes:
    """The policy as an array of struct sock_filter for this processor. KeyError for one that is
    not `supported`."""
    architecture, column = ARCHITECTURES[machine]
    code = [
        make_instruction(LD_WORD, ARCHITECTURE_AT),
        make_instruction(JUMP_EQUAL, architecture, 1, 0),
        make_instruction(RETURN, KILL),  # the 32-bit calls have other numbers
        make_instruction(LD_WORD, NUMBER_AT),
        make_instruction(JUMP_GREATER_EQUAL, X32, 0, 1),
        make_instruction(RETURN, ERRNO | errno.ENOSYS),
    ]
    for name, body in filter_bodies(policy):
        number = NUMBERS[name][column]
        if number is not None:
            code += [make_instruction(JUMP_EQUAL, number, 0, len(body)), *body]
    return b"".join([*code, make_instruction(RETURN, ALLOW)])


def filter_bodies(policy: Policy) -> Iterable[tuple[str, list[bytes]]]:
    """For each call what to do once its number has matched; every body ends in a return."""
    for name, number in policy.refused.items():
        yield name, TOUCH if name == "utimensat" and not number else [fail(number)]
    for name, values in policy.only.items():
        allowed = [step for value in values for step in allow_if_first_is(value)]
        yield name, [*allowed, make_instruction(RETURN, ERRNO | errno.EPERM)]
    for name, (argument, bits) in policy.without.items():
        yield (
            name,
            [
                make_instruction(LD_WORD, ARGUMENTS_AT + 8 * argument),
                make_instruction(JUMP_SET, bits, 0, 1),
                make_instruction(RETURN, ERRNO | errno.EPERM),
                make_instruction(RETURN, ALLOW),
            ],
        )
    for name, kind in policy.unlike.items():
        yield (
            name,
            [
                make_instruction(LD_WORD, ARGUMENTS_AT + 8),
                make_instruction(AND, SOCK_TYPE),
                make_instruction(JUMP_EQUAL, kind, 0, 1),
                make_instruction(RETURN, ERRNO | errno.EPERM),
                make_instruction(RETURN, ALLOW),
            ],
        )


def fail(number: int) -> bytes:
    """Do nothing, and say so with this errno; with 0 that it worked."""
    return make_instruction(RETURN, ERRNO | number)


def allow_if_first_is(value: int) -> list[bytes]:
    """All 64 bits: the upper half must be zero too."""
    return [
        make_instruction(LD_WORD, ARGUMENTS_AT),
        make_instruction(JUMP_EQUAL, value, 0, 3),
        make_instruction(LD_WORD, ARGUMENTS_AT + 4),
        make_instruction(JUMP_EQUAL, 0, 0, 1),
        make_instruction(RETURN, ALLOW),
    ]


def make_instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    """One struct sock_filter."""
    return struct.pack("<HBBI", code, if_true, if_false, value)


# utimensat(folder, path, times, flags): EPERM where a path is to have the time of now, else pretend
TOUCH = [
    make_instruction(LD_WORD, ARGUMENTS_AT + 16),
    make_instruction(JUMP_EQUAL, 0, 0, 3),
    make_instruction(LD_WORD, ARGUMENTS_AT + 8),
    make_instruction(JUMP_EQUAL, 0, 1, 0),
    fail(errno.EPERM),
    fail(0),
]
