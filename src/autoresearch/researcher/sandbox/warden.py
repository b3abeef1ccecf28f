"""A process between the runner and a job: starts the job, keeps its log, and leaves nothing of it
alive.

Run as `python -I -S warden.py` (standard library only, in well under 50 ms), one for every job.
The job's description is one line of JSON on standard input; any further byte there, or its end
because the runner died, means: kill. One line of JSON on standard output says how it ended. As a
subreaper it inherits every orphan of the job, so that a child which forked twice and called setsid
is still found.

Leaves to others: what is allowed (the levels), the limits on time, memory and disk (`supervise`).
"""

from __future__ import annotations

import base64
import ctypes
import fcntl
import json
import os
import resource
import select
import signal
import struct
import sys
import threading
import time
from typing import Any

PR_SET_PDEATHSIG, PR_CAPBSET_DROP, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = (
    1,
    24,
    36,
    38,
    47,
)
PR_SET_SECCOMP, SECCOMP_MODE_FILTER, PR_CAP_AMBIENT_CLEAR_ALL = 22, 2, 4
LANDLOCK_CREATE_RULESET, LANDLOCK_ADD_RULE, LANDLOCK_RESTRICT_SELF, RULE_PATH_BENEATH = (
    444,
    445,
    446,
    1,
)
CAPABILITY_VERSION_3 = 0x20080522
KILL_TIMEOUT_S = 10.0
CONTROL, STATUS = 0, 1
LINUX = sys.platform.startswith("linux")


def main() -> None:
    spec = json.loads(read_line(CONTROL))
    if LINUX:
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    log = os.open(
        spec["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644
    )
    awake = wake_on_child()
    pid, output, failure = start(spec)
    if failure:
        os.waitpid(pid, 0)
        ended: dict[str, Any] = {"error": failure}
    else:
        ended = JobLoop(pid, output, log, spec["log_bytes"], awake).until_the_end()
    ended["cpu_s"] = max(ended.get("cpu_s", 0.0), buried_seconds())
    os.write(STATUS, json.dumps(ended).encode() + b"\n")


def read_line(fd: int) -> bytes:
    data = b""
    while not data.endswith(b"\n"):
        piece = os.read(fd, 65536)
        if not piece:
            raise SystemExit("the runner went away before it said what to run")
        data += piece
    return data


def wake_on_child() -> int:
    """The end of a pipe that becomes readable when a child dies, so that one select() waits for
    everything."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    return reading


def pour(file: int, pipe: int) -> None:
    """Give the job its input. A pipe, not the file: what was read of it once is gone for every
    process that holds its end."""
    try:
        while data := os.read(file, 65536):
            while data:
                data = data[os.write(pipe, data) :]
    except BrokenPipeError:  # a job need not listen
        pass
    finally:
        os.close(pipe)
        os.close(file)


def start(spec: dict[str, Any]) -> tuple[int, int, str]:
    """Fork and become the job. Returns its pid, where its output is read, and why it could not
    start ("" if it did)."""
    output, its_output = os.pipe()
    trouble, its_trouble = os.pipe()  # closes by itself when exec succeeds
    its_input, input_ = os.pipe()
    source = os.open(spec["stdin"] or os.devnull, os.O_RDONLY)
    warden = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            become(spec, its_input, its_output, warden)
        except (OSError, ValueError) as error:
            os.write(its_trouble, str(error).encode())
        finally:
            os._exit(127)
    os.close(its_input)
    os.close(its_output)
    os.close(its_trouble)
    for _, held in spec["descriptors"]:
        os.close(held)
    threading.Thread(
        target=pour, args=(source, input_), daemon=True
    ).start()  # no thread before the fork
    with os.fdopen(trouble, "rb") as pipe:
        return pid, output, pipe.read().decode("utf-8", "replace")


def become(spec: dict[str, Any], input_: int, output: int, warden: int) -> None:
    """In the child: a session of its own, no inherited descriptor, limits, confinement, then the
    job's program."""
    os.setsid()
    if LINUX:
        libc().prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != warden:
            os._exit(127)
        # where memory runs out, the experiment goes before the desktop
        write_best_effort("/proc/self/oom_score_adj", "500")
    # Python ignores these; a job starts with the defaults
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(ignored, signal.SIG_DFL)
    os.dup2(input_, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    hand_on(spec["descriptors"])
    os.chdir(spec["cwd"])
    if LINUX and spec["cores"]:
        os.sched_setaffinity(0, spec["cores"])  # inherited by all that it starts
    for name, value in spec["rlimits"].items():
        hard = resource.getrlimit(getattr(resource, name))[1]
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(getattr(resource, name), (bound, bound))
    argv = confine(spec)
    os.execvpe(argv[0], argv, spec["env"])


def hand_on(descriptors: list[list[int]]) -> None:
    """Put each of our descriptors where the job expects it, by way of numbers that nothing uses."""
    given = [(number, fcntl.fcntl(held, fcntl.F_DUPFD, 256)) for number, held in descriptors]
    for _, held in descriptors:
        os.close(held)
    for number, spare in given:
        os.dup2(spare, number)
        os.close(spare)


def write_best_effort(path: str, text: str) -> None:
    try:
        with open(path, "w") as file:
            file.write(text)
    except OSError:
        pass


def confine(spec: dict[str, Any]) -> list[str]:
    """Give up everything the level takes away, in the order that leaves each step possible;
    returns the words to run."""
    argv: list[str] = spec["argv"]
    if spec["seccomp_fd"]:
        fd = os.memfd_create("seccomp", 0)
        os.write(fd, base64.b64decode(spec["seccomp_fd"]))
        os.lseek(fd, 0, os.SEEK_SET)
        argv = [word.replace("{seccomp_fd}", str(fd)) for word in argv]
    if spec["drop_privileges"]:
        check(libc().prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
        drop_capabilities()
    if spec["landlock"]:
        enter_landlock(spec["landlock"])
    if spec["seccomp"]:
        enter_seccomp(base64.b64decode(spec["seccomp"]))
    return argv


def libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)


def check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def drop_capabilities() -> None:
    """Root without capabilities is an ordinary user who happens to own root's files
    (capabilities(7))."""
    lib = libc()
    if os.geteuid() == 0:
        capability = 0
        while lib.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0:
            capability += 1
    lib.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    header = ctypes.create_string_buffer(struct.pack("=Ii", CAPABILITY_VERSION_3, 0))
    check(lib.capset(header, ctypes.create_string_buffer(24)), "dropping capabilities")


def enter_landlock(rules: dict[str, Any]) -> None:
    """Documentation/userspace-api/landlock.rst: struct landlock_ruleset_attr,
    landlock_path_beneath_attr (packed)."""
    lib = libc()
    attributes = struct.pack("=QQQ", rules["filesystem"], rules["network"], rules["scoped"])
    attributes = attributes[
        : 24 if rules["scoped"] else 16 if rules["network"] else 8
    ]  # an older kernel knows a shorter one
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    ruleset = check(
        lib.syscall(LANDLOCK_CREATE_RULESET, buffer, ctypes.c_size_t(len(attributes)), 0),
        "Landlock",
    )
    for path, access in rules["rules"]:
        try:
            fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        rule = ctypes.create_string_buffer(struct.pack("=Qi", access, fd), 12)
        check(
            lib.syscall(LANDLOCK_ADD_RULE, ruleset, RULE_PATH_BENEATH, rule, 0),
            f"Landlock rule for {path}",
        )
        os.close(fd)
    check(lib.syscall(LANDLOCK_RESTRICT_SELF, ruleset, 0), "Landlock")
    os.close(ruleset)


def enter_seccomp(program: bytes) -> None:
    """`program` is an array of struct sock_filter, 8 bytes each (seccomp(2))."""
    instructions = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(instructions))
    check(
        libc().prctl(
            PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.create_string_buffer(header), 0, 0
        ),
        "seccomp",
    )


class JobLoop:
    """The warden's life while the job runs."""

    def __init__(self, pid: int, output: int, log: int, log_bytes: int, awake: int) -> None:
        self.pid, self.output, self.log, self.room, self.awake = pid, output, log, log_bytes, awake
        self.cut = (
            f"\n[output beyond {log_bytes / 2**20:g} MB was cut off here by the sandbox]\n".encode()
        )
        self.wait_status: int | None = None
        self.open = True
        self.log_error = ""

    def until_the_end(self) -> dict[str, Any]:
        asked = False
        self.reap()
        while self.wait_status is None and not asked:
            ready, _, _ = select.select(
                [CONTROL, self.awake, *([self.output] if self.open else [])], [], []
            )
            asked = CONTROL in ready
            if self.output in ready:
                self.copy()
            if self.awake in ready:
                os.read(self.awake, 4096)
                self.reap()
        # a process that is killed after the one that waits for it takes its time with it
        cpu_s = buried_seconds() + living_seconds(os.getpid())
        left = self.kill_all()
        self.drain()
        status = self.wait_status
        return {
            "exit": os.WEXITSTATUS(status) if status is not None and os.WIFEXITED(status) else None,
            "signal": os.WTERMSIG(status)
            if status is not None and os.WIFSIGNALED(status)
            else None,
            "left": left,
            "log_error": self.log_error,
            "log_cut": not self.cut,
            "cpu_s": cpu_s,
        }

    def reap(self) -> None:
        """Bury every dead child, the job's own and the orphans that came to us."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self.pid:
                self.wait_status = status

    def copy(self) -> None:
        data = os.read(self.output, 65536)
        if not data:
            self.open = False
            return
        try:
            os.write(self.log, data[: self.room])
            if len(data) > self.room and self.cut:
                os.write(self.log, self.cut)
                self.cut = b""
        except OSError as error:
            self.log_error = str(error)
        self.room = max(0, self.room - len(data))

    def drain(self) -> None:
        os.set_blocking(self.output, False)
        try:
            while self.open:
                self.copy()
        except BlockingIOError:
            pass

    def kill_all(self) -> list[int]:
        """Kill the group and every descendant; first they are all stopped, so that none forks
        while the others die."""
        deadline = time.monotonic() + KILL_TIMEOUT_S
        send(-self.pid, signal.SIGKILL)
        stopped: set[int] = set()
        while fresh := living_descendants(os.getpid()) - stopped:
            for pid in fresh:
                send(pid, signal.SIGSTOP)
            stopped |= fresh
        while (left := living_descendants(os.getpid())) and time.monotonic() < deadline:
            for pid in left:
                send(pid, signal.SIGKILL)
            self.reap()
            time.sleep(0.001)
        self.reap()
        return sorted(left)


def send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        pass


def buried_seconds() -> float:
    """Processor time of the children that we have buried, and of those that they had buried."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def living_seconds(root: int) -> float:
    """Processor time of all descendants, with that of the children that they have buried."""
    ticks = sum(sum(map(int, stat[11:15])) for stat in descendants(root).values())
    return ticks / os.sysconf("SC_CLK_TCK")


def living_descendants(root: int) -> set[int]:
    """Children, theirs and so on, without the dead that wait to be buried."""
    return {pid for pid, stat in descendants(root).items() if stat[0] not in (b"Z", b"X")}


def descendants(root: int) -> dict[int, list[bytes]]:
    """Each with the words of its /proc/PID/stat from the state on (proc_pid_stat(5)). Where there
    is no /proc: none; the group has to do."""
    children: dict[int, list[int]] = {}
    stats: dict[int, list[bytes]] = {}
    for name in os.listdir("/proc") if LINUX else []:
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    words = file.read().rpartition(b")")[2].split()
                children.setdefault(int(words[1]), []).append(int(name))
            except (OSError, ValueError, IndexError):
                continue
            stats[int(name)] = words
    found: dict[int, list[bytes]] = {}
    todo = [root]
    while todo:
        for child in children.get(todo.pop(), ()):
            found[child] = stats[child]
            todo.append(child)
    return found


if __name__ == "__main__":
    main()
