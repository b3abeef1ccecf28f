"""Attacks on other processes: memory, files, signals, priorities, and what outlives a run."""

from __future__ import annotations

from autoresearch.researcher.sandbox.attacks.attack import Attack

PROCESSES = (
    Attack("environments", "keys in the environment of any process", """
everywhere('environ')
""", quick=True),
    Attack("command-lines", "keys in the arguments of any process", """
everywhere('cmdline')
"""),
    Attack("process-root", "a key through another process's /proc/PID/root", """
for pid in (decoys['pid'], 1, os.getppid()):
    try: found(read(f"/proc/{pid}/root{decoys['key']}"))
    except OSError: pass
"""),
    Attack("process-files", "a file that another process has open", """
found(read(f"/proc/{decoys['pid']}/fd/{decoys['held']}"))
"""),
    Attack("process-memory-file", "another process's memory through /proc/PID/mem", """
with open(f"/proc/{decoys['pid']}/mem", 'rb', 0) as file:
    file.seek(decoys['address']); found(file.read(64))
"""),
    Attack("process-vm-readv", "another process's memory", """
buffer = ctypes.create_string_buffer(64)
here, there = pieces(ctypes.addressof(buffer), 64), pieces(decoys['address'], 64)
syscall(310, 270, decoys['pid'], here, one, there, one, none)
found(buffer.raw)
"""),
    Attack("ptrace", "to trace another process", """
call(libc.ptrace(0x4206, decoys['pid'], None, None)); escaped('seized it')
""", quick=True),
    Attack("pidfd-getfd", "to copy another process's descriptor", """
fd = syscall(438, 438, os.pidfd_open(decoys['pid']), decoys['held'], 0)
found(os.pread(fd, 1000, 0))
"""),
    Attack("kill", "to end another process", """
os.kill(decoys['pid'], 0); escaped('may signal it')
""", quick=True),
    Attack("pidfd-kill", "to end another process through a descriptor", """
signal.pidfd_send_signal(os.pidfd_open(decoys['pid']), 0); escaped('may signal it')
"""),
    Attack("limits", "to set another process's limits", """
was = resource.prlimit(decoys['pid'], resource.RLIMIT_CORE)
resource.prlimit(decoys['pid'], resource.RLIMIT_CORE, was)
escaped('set its limits')
"""),
    Attack("priority", "to slow another process down", """
os.setpriority(os.PRIO_PROCESS, decoys['pid'], os.getpriority(os.PRIO_PROCESS, decoys['pid']))
escaped('set its priority')
"""),
    Attack("affinity", "to move another process off its cores", """
os.sched_setaffinity(decoys['pid'], os.sched_getaffinity(decoys['pid'])); escaped('set its cores')
"""),
    Attack("daemon", "a process that outlives the run", """
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.closerange(0, 256)
        sleep_on()
    os._exit(0)
time.sleep(0.3)
""", quick=True, daemon=True),
    Attack("stubborn-daemon", "one that ignores signals and the closing of its terminal", """
for number in range(1, 32):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
for _ in range(3):
    if os.fork() == 0:
        os.setpgid(0, 0)
        sleep_on()
time.sleep(0.3)
""", daemon=True),
    Attack("process-map", "where another process keeps what, for a later attack", """
read(f"/proc/{decoys['pid']}/maps")
escaped('read its map')
"""),
    Attack("process-output", "to write where another process prints", """
own = os.fstat(1).st_ino
for pid in (decoys['pid'], os.getppid(), 1):
    try: output = os.open(f'/proc/{pid}/fd/1', os.O_WRONLY | os.O_NONBLOCK)
    except OSError: continue
    if os.fstat(output).st_ino != own: escaped(f'may write for {pid}')
""", quick=True),
    Attack("process-memory-write", "to change another process's memory through /proc/PID/mem", """
open(f"/proc/{decoys['pid']}/mem", 'r+b', 0).close()
escaped('opened it for writing')
"""),
    Attack("process-vm-writev", "to change another process's memory", """
same = ctypes.create_string_buffer(decoys['canary'].encode())
here, there = pieces(ctypes.addressof(same), len(same)), pieces(decoys['address'], len(same))
syscall(311, 271, decoys['pid'], here, one, there, one, none)
escaped('wrote there')
"""),
    Attack("kcmp", "to compare kernel addresses with another process's", """
syscall(312, 272, os.getpid(), decoys['pid'], 2, 0, 0)
escaped('compared files')
""", needs="kernel"),
    Attack("queue-signal", "to send another process a signal with a value", """
info = ctypes.create_string_buffer(struct.pack('=iii', 0, 0, -1), 128)
syscall(129, 138, decoys['pid'], 0, info)
escaped('may signal it')
"""),
    Attack("out-of-memory", "to have another process killed where memory runs out", """
os.close(os.open(f"/proc/{decoys['pid']}/oom_score_adj", os.O_WRONLY))
escaped('opened its score')
"""),
    Attack("io-priority", "to slow another process's disk down", """
syscall(251, 30, 1, decoys['pid'], syscall(252, 31, 1, decoys['pid']))
escaped('set its priority')
"""),
    Attack("scheduler", "to change how another process is scheduled", """
pid = decoys['pid']
os.sched_setscheduler(pid, os.sched_getscheduler(pid), os.sched_getparam(pid))
escaped('set its scheduler')
"""),
    Attack("real-time", "a core for itself alone", """
os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
escaped('runs before all others')
""", needs="root"),
    Attack("nice", "to go before other processes", """
os.nice(-1)
escaped('raised its priority')
""", needs="root"),
)  # fmt: skip
