"""The filter says what the policy says: the program is run here, instruction by instruction, on
every call."""

from __future__ import annotations

import errno
import struct

import pytest

from autoresearch.researcher.sandbox import seccomp
from autoresearch.researcher.sandbox.syscalls import NUMBERS

MACHINES = pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
ALLOWED = seccomp.ALLOW


def decide(program: bytes, architecture: int, number: int, *arguments: int) -> int:
    """A classic BPF machine, as far as filters use it (linux/filter.h)."""
    six = (*arguments, 0, 0, 0, 0, 0, 0)[:6]
    data = struct.pack("<iIQ6Q", number, architecture, 0, *six)
    code = list(struct.iter_unpack("<HBBI", program))
    at, loaded = 0, 0
    while True:
        operation, if_true, if_false, k = code[at]
        at += 1
        if operation == seccomp.RETURN:
            return int(k)
        if operation == seccomp.LD_WORD:
            (loaded,) = struct.unpack_from("<I", data, k)
        elif operation == seccomp.AND:
            loaded &= k
        else:
            holds = {
                seccomp.JUMP_EQUAL: loaded == k,
                seccomp.JUMP_GREATER_EQUAL: loaded >= k,
                seccomp.JUMP_SET: bool(loaded & k),
            }[operation]
            at += if_true if holds else if_false


@MACHINES
@pytest.mark.parametrize("abi", [1, 2, 3, 5, 6, 7])
def test_every_call_gets_what_the_policy_says(machine: str, abi: int) -> None:
    """For every call of the table: its error, its allowed first arguments, its forbidden bits; and
    everything else is allowed."""
    policy = seccomp.beside_landlock(abi)
    program = seccomp.compile_filter(policy, machine)
    architecture, column = seccomp.ARCHITECTURES[machine]
    for name, numbers in NUMBERS.items():
        number = numbers[column]
        if number is None:
            continue
        free = decide(program, architecture, number, 0)
        if name in policy.refused:
            assert free == seccomp.ERRNO | policy.refused[name], name
        elif name in policy.only:
            assert (free, decide(program, architecture, number, 7)) == (
                ALLOWED,
                seccomp.ERRNO | errno.EPERM,
            ), name
            assert decide(program, architecture, number, 1 << 32) == seccomp.ERRNO | errno.EPERM, (
                name
            )
        elif name in policy.without:
            at, bits = policy.without[name]
            for bit in (1 << n for n in range(32) if bits >> n & 1):
                refused = decide(program, architecture, number, *[0] * at, bit)
                assert (free, refused) == (ALLOWED, seccomp.ERRNO | errno.EPERM), name
        else:
            assert free == ALLOWED, name
    assert decide(program, architecture, 1) == ALLOWED


@MACHINES
def test_other_instruction_sets_are_no_way_around(machine: str) -> None:
    """A call with another architecture's numbers kills the process."""
    program = seccomp.compile_filter(seccomp.inside_namespaces(), machine)

    assert decide(program, 0x40000003, 1) == seccomp.KILL


@MACHINES
def test_in_namespaces_only_harmless_families_of_sockets(machine: str) -> None:
    """The own network's families work; AF_VSOCK (40) and AF_ALG (38), which no namespace contains,
    do not."""
    program = seccomp.compile_filter(seccomp.inside_namespaces(), machine)
    architecture, column = seccomp.ARCHITECTURES[machine]
    number = NUMBERS["socket"][column]
    assert number is not None

    assert [f for f in range(50) if decide(program, architecture, number, f) == ALLOWED] == [
        1,
        2,
        10,
        16,
    ]


@MACHINES
@pytest.mark.parametrize("abi", [0, 1, 7])
def test_with_the_network_no_socket_reaches_a_service_of_the_desktop(
    machine: str, abi: int
) -> None:
    """An agent's sockets speak IP or ask for addresses; pairs are streams, close-on-exec or not: a
    pair of datagrams could be sent to any service's socket."""
    policy = seccomp.beside_landlock(abi, True) if abi else seccomp.inside_namespaces(True)
    program = seccomp.compile_filter(policy, machine)
    architecture, column = seccomp.ARCHITECTURES[machine]
    sockets, pairs = NUMBERS["socket"][column], NUMBERS["socketpair"][column]
    assert sockets is not None and pairs is not None

    allowed = [f for f in range(50) if decide(program, architecture, sockets, f) == ALLOWED]
    assert allowed == [2, 10, 16]
    for flags in (0, 0o2000000, 0o4000):
        types = [
            t for t in range(16) if decide(program, architecture, pairs, 1, t | flags) == ALLOWED
        ]
        assert types == [t for t in range(16) if t != 2]


@MACHINES
@pytest.mark.parametrize(
    ("path", "times", "number"), [(5, 0, errno.EPERM), (5, 7, 0), (0, 0, 0), (0, 7, 0)]
)
def test_a_path_that_is_touched_is_made(machine: str, path: int, times: int, number: int) -> None:
    """Python's Path.touch asks for the time of now first, and makes the file where that fails."""
    program = seccomp.compile_filter(seccomp.beside_landlock(7), machine)
    architecture, column = seccomp.ARCHITECTURES[machine]
    call = NUMBERS["utimensat"][column]
    assert call is not None

    assert decide(program, architecture, call, 0, path, times) == seccomp.ERRNO | number


def test_a_filter_fits_the_kernel() -> None:
    """At most 4096 instructions, and no name twice."""
    program = seccomp.compile_filter(seccomp.beside_landlock(1), "x86_64")
    names = [name for name, _ in seccomp.filter_bodies(seccomp.beside_landlock(1))]

    assert len(program) // 8 <= 4096
    assert len(names) == len(set(names))
