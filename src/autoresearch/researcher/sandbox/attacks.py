"""What a hostile experiment may try, each as a small program that says ESCAPED or BLOCKED. Run by
`conformance`; the decoys is in `decoys`.

Every attack succeeds where nothing protects the machine (a test shows it), or says in `needs` what
it takes: "root", or "kernel" for something that not every machine has.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

PRELUDE = """
import array, ctypes, errno, fcntl, json, mmap, os, platform, resource, signal, socket, stat, struct, sys, time
decoys = json.load(open("decoys.json"))
libc = ctypes.CDLL(None, use_errno=True)
NUMBERS = {"x86_64": 0, "aarch64": 1}
def number(x86, arm): return (x86, arm)[NUMBERS[platform.machine()]]
def call(result):
    if result < 0: raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
def syscall(x86, arm, *args): return call(libc.syscall(number(x86, arm), *args))
def escaped(how): print("ESCAPED", how, flush=True); os._exit(0)
def found(data):
    if (data if isinstance(data, bytes) else data.encode()).find(decoys["canary"].encode()) >= 0: escaped("read the canary")
def read(path):
    with open(path, "rb") as file: return file.read(1 << 20)
def everywhere(name):
    pids = {decoys["pid"], os.getppid(), 1}  # known ones too: a list of all may be refused, the files not
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
"""


@dataclass(frozen=True)
class Attack:
    """`quick`: part of the short round. `daemon`: it succeeds if a process with the decoys's token
    outlives the run."""

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


SECRETS = (
    Attack("environment", "a key in its own environment", "found(json.dumps(dict(os.environ)))", quick=True),
    Attack("key-file", "an ssh key in the user's home", "found(read(decoys['key']))", quick=True),
    Attack("hub-key", "the key of the experiment's folder to its hub, by climbing up to it", """
here = os.getcwd()
while here != '/':
    here = os.path.dirname(here)
    for name in ('.agenthub/credentials.json', '.agent/agent.json'):
        try: found(read(os.path.join(here, name)))
        except OSError: pass
""", quick=True),
    Attack("home-hub-key", "a key to a hub in the user's home", """
for name in ('.config/agenthub/credentials.json', '.agenthub_creds', '.agenthub/config.json'):
    try: found(read(os.path.join(decoys['home'], name)))
    except OSError: pass
"""),
    Attack("config-listing", "the names of files in the user's home", "os.listdir(decoys['home']); escaped('listed it')"),
    Attack("symlink", "a key through a link planted in the run's folder", "os.symlink(decoys['key'], 'l'); found(read('l'))"),
    Attack("hard-link", "a key through a second name in the run's folder", "os.link(decoys['key'], 'h'); found(read('h'))"),
    Attack("dot-dot", "a key by climbing out of the run's folder", "found(read(os.path.relpath(decoys['key'])))"),
    Attack("proc-self-root", "a key through /proc/self/root and /proc/self/cwd", """
for way in ('/proc/self/root' + decoys['key'], '/proc/self/cwd/' + os.path.relpath(decoys['key']), '/proc/thread-self/root' + decoys['key']):
    try: found(read(way))
    except OSError: pass
"""),
    Attack("environments", "keys in the environment of any process", "everywhere('environ')", quick=True),
    Attack("command-lines", "keys in the arguments of any process", "everywhere('cmdline')"),
    Attack("process-root", "a key through another process's /proc/PID/root", """
for pid in (decoys['pid'], 1, os.getppid()):
    try: found(read(f"/proc/{pid}/root{decoys['key']}"))
    except OSError: pass
"""),
    Attack("process-files", "a file that another process has open", "found(read(f\"/proc/{decoys['pid']}/fd/{decoys['held']}\"))"),
    Attack("process-memory-file", "another process's memory through /proc/PID/mem", """
with open(f"/proc/{decoys['pid']}/mem", 'rb', 0) as file:
    file.seek(decoys['address']); found(file.read(64))
"""),
    Attack("process-vm-readv", "another process's memory", """
buffer = ctypes.create_string_buffer(64)
here, there = struct.pack('PN', ctypes.addressof(buffer), 64), struct.pack('PN', decoys['address'], 64)
call(libc.process_vm_readv(decoys['pid'], here, ctypes.c_ulong(1), there, ctypes.c_ulong(1), ctypes.c_ulong(0))); found(buffer.raw)
"""),
    Attack("ptrace", "to trace another process", """
call(libc.ptrace(0x4206, decoys['pid'], None, None)); escaped('seized it')
""", quick=True),
    Attack("pidfd-getfd", "to copy another process's descriptor", """
fd = syscall(438, 438, os.pidfd_open(decoys['pid']), decoys['held'], 0); found(os.pread(fd, 1000, 0))
"""),
    Attack("inherited-descriptors", "a file that the runner had open", """
for fd in range(3, 256):
    try: found(os.pread(fd, 1000, 0))
    except OSError: pass
"""),
    Attack("posix-shared-memory", "shared memory of other processes", "found(read(decoys['shm']))"),
    Attack("system-v-shared-memory", "a System V segment of other processes", """
libc.shmat.restype = ctypes.c_void_p
at = libc.shmat(call(libc.shmget(decoys['segment_key'], ctypes.c_size_t(0), 0)), None, 0o10000); found(ctypes.string_at(at, 64))
"""),
    Attack("keyring", "a key in the kernel's keyring of this user", """
buffer = ctypes.create_string_buffer(100)
syscall(250, 219, 8, -4, -2, 0)
syscall(250, 219, 11, decoys['serial'], buffer, ctypes.c_size_t(100)); found(buffer.raw)
""", needs="kernel"),
    Attack("validation-data", "the validation data while training", "found(read(decoys['validation']))", quick=True),
    Attack("validation-link", "the validation data under a second name", "os.link(decoys['validation'], 'v'); found(read('v'))"),
    Attack("validation-rename", "the validation data by moving it to its own folder", """
os.rename(decoys['validation'], 'moved')
try: found(read('moved'))
finally: os.rename('moved', decoys['validation'])
"""),
    Attack("validation-alias", "the validation data through a link among the training data", "found(read(decoys['alias']))"),
    Attack("file-handle", "a key by its inode instead of its name", """
handle = ctypes.create_string_buffer(struct.pack('=Ii', 128, 0), 136)
syscall(303, 264, -100, decoys['key'].encode(), handle, ctypes.byref(ctypes.c_int()), 0)
found(os.read(syscall(304, 265, os.open('.', os.O_RDONLY), handle, 0), 100))
""", needs="root"),
    Attack("raw-disk", "the disk under the file system", """
for name in os.listdir('/sys/block'):
    with open('/dev/' + name, 'rb', 0) as disk: disk.read(4096); escaped('read ' + name)
""", needs="root"),
    Attack("kernel-log", "the kernel's log", """
for way in (lambda: os.close(os.open('/dev/kmsg', os.O_RDONLY)), lambda: syscall(103, 116, 10, None, 0)):
    try: way(); escaped('opened it')
    except OSError: pass
""", needs="root"),
)  # fmt: skip

NETWORK = (
    Attack("tcp", "a TCP connection to this machine", "connects(socket.AF_INET, socket.SOCK_STREAM, ('127.0.0.1', decoys['tcp']))", quick=True),
    Attack("udp", "a datagram and its answer", "connects(socket.AF_INET, socket.SOCK_DGRAM, ('127.0.0.1', decoys['udp']))", quick=True),
    Attack("unix-socket", "a service's socket, like docker's", "connects(socket.AF_UNIX, socket.SOCK_STREAM, decoys['socket'])"),
    Attack("abstract-socket", "a service's socket without a file, like the desktop's",
           "connects(socket.AF_UNIX, socket.SOCK_STREAM, chr(0) + decoys['abstract'])"),
    Attack("network-cards", "a way out through any network card", """
if [name for _, name in socket.if_nameindex() if name != 'lo']: escaped('sees network cards')
""", needs="kernel"),
    Attack("packet-socket", "raw frames on the wire", "socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 3); escaped('made one')", needs="root"),
    Attack("vsock", "the host of this virtual machine", "socket.socket(40, socket.SOCK_STREAM); escaped('made one')", needs="kernel"),
    Attack("kernel-crypto", "the kernel's crypto sockets, a frequent way in", "socket.socket(38, socket.SOCK_SEQPACKET); escaped('made one')", needs="kernel"),
    Attack("io-uring", "input and output that no filter sees", """
syscall(425, 425, 8, ctypes.create_string_buffer(256)); escaped('made a ring')
""", needs="kernel"),
)  # fmt: skip

PROCESSES = (
    Attack("kill", "to end another process", "os.kill(decoys['pid'], 0); escaped('may signal it')", quick=True),
    Attack("pidfd-kill", "to end another process through a descriptor", """
signal.pidfd_send_signal(os.pidfd_open(decoys['pid']), 0); escaped('may signal it')
"""),
    Attack("limits", "to set another process's limits", """
resource.prlimit(decoys['pid'], resource.RLIMIT_CORE, resource.prlimit(decoys['pid'], resource.RLIMIT_CORE)); escaped('set its limits')
"""),
    Attack("priority", "to slow another process down", """
os.setpriority(os.PRIO_PROCESS, decoys['pid'], os.getpriority(os.PRIO_PROCESS, decoys['pid'])); escaped('set its priority')
"""),
    Attack("affinity", "to move another process off its cores", """
os.sched_setaffinity(decoys['pid'], os.sched_getaffinity(decoys['pid'])); escaped('set its cores')
"""),
    Attack("daemon", "a process that outlives the run", """
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.closerange(0, 256)
        os.execve(sys.executable, [sys.executable, '-I', '-S', '-c', 'import time; time.sleep(600)', decoys['token']], {})
    os._exit(0)
time.sleep(0.3)
""", daemon=True, quick=True),
    Attack("stubborn-daemon", "one that ignores signals and the closing of its terminal", """
for number in range(1, 32):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
for _ in range(3):
    if os.fork() == 0:
        os.setpgid(0, 0)
        os.execve(sys.executable, [sys.executable, '-I', '-S', '-c', 'import time; time.sleep(600)', decoys['token']], {})
time.sleep(0.3)
""", daemon=True),
)  # fmt: skip

FILES = (
    Attack("write-home", "a file in the user's home (.bashrc, authorized_keys)", "open(decoys['home'] + '/planted', 'w').close(); escaped('planted it')"),
    Attack("overwrite", "to overwrite a file outside its folder", "open(decoys['victim'], 'r+').close(); escaped('opened it for writing')"),
    Attack("truncate", "to cut off a file outside its folder", "os.truncate(decoys['victim'], os.stat(decoys['victim']).st_size); escaped('may "
        "cut it')"),
    Attack("delete", "to delete a file outside its folder", "os.unlink(decoys['doomed']); escaped('deleted it')"),
    Attack("steal", "to move a file into its folder", "os.rename(decoys['stolen'], 'stolen'); escaped('moved it')"),
    Attack("chmod", "to open up a file's mode", """
os.chmod(decoys['victim'], 0o666)
if stat.S_IMODE(os.stat(decoys['victim']).st_mode) == 0o666: escaped('changed it')
"""),
    Attack("times", "to forge a file's age", """
os.utime(decoys['victim'], (1, 1))
if os.stat(decoys['victim']).st_mtime == 1: escaped('changed it')
"""),
    Attack("poison-data", "to change the prepared training data", "open(decoys['training'], 'r+').close(); escaped('opened it for writing')"),
    Attack("poison-data-folder", "to add a file to the prepared data", "open(os.path.dirname(decoys['training']) + '/more', 'w').close(); escaped('added "
        "one')"),
    Attack("poison-python", "to change the Python that the harness runs", "open(os.__file__, 'r+').close(); escaped('opened it for writing')", needs="root"),
    Attack("forge-log", "to rewrite what it printed", "open(decoys['log'], 'r+').close(); escaped('opened it for writing')"),
    Attack("device-node", "a device file of its own", "os.mknod('disk', stat.S_IFBLK | 0o600, os.makedev(8, 0)); escaped('made one')", needs="root"),
    Attack("core-pattern", "a program for the kernel to run as root", "os.close(os.open('/proc/sys/kernel/core_pattern', os.O_WRONLY)); escaped('opened "
        "it')", needs="root"),
    Attack("sysrq", "the kernel's emergency switch", "os.close(os.open('/proc/sysrq-trigger', os.O_WRONLY)); escaped('opened it')", needs="kernel"),
    Attack("cgroup", "a control group of its own", """
for base, folders, _ in os.walk('/sys/fs/cgroup'):
    try: os.mkdir(base + '/' + decoys['token'])
    except OSError: continue
    os.rmdir(base + '/' + decoys['token']); escaped('made one')
""", needs="root"),
)  # fmt: skip

KERNEL = (
    Attack("mount", "to mount over its folder", "call(libc.mount(b'none', os.getcwd().encode(), b'tmpfs', ctypes.c_ulong(0), "
        "None)); libc.umount2(os.getcwd().encode(), 2); escaped('mounted')", needs="root"),
    Attack("user-namespace", "a user namespace, where it is root", "call(libc.unshare(0x10000000)); escaped('made one')", needs="kernel"),
    Attack("clone-namespace", "the same through clone", """
pid = syscall(56, 220, 0x10000000 | signal.SIGCHLD, None, None, None, None)
if pid == 0: os._exit(0)
escaped('made one')
""", needs="kernel"),
    Attack("clone3-namespace", "the same through clone3, whose flags a filter cannot see", """
arguments = ctypes.create_string_buffer(struct.pack('=QQQQQQQQ', 0x10000000, 0, 0, 0, signal.SIGCHLD, 0, 0, 0))
pid = syscall(435, 435, arguments, ctypes.c_size_t(64))
if pid == 0: os._exit(0)
escaped('made one')
""", needs="kernel"),
    Attack("setns", "another process's network", "call(libc.setns(os.open(f\"/proc/{decoys['pid']}/ns/net\", os.O_RDONLY), 0)); "
        "escaped('joined it')", needs="root"),
    Attack("chroot", "to change its root", "os.chroot('.'); escaped('changed it')", needs="root"),
    Attack("bpf", "a program in the kernel", """
syscall(321, 280, 0, ctypes.create_string_buffer(struct.pack('=IIIII', 2, 4, 4, 1, 0), 72), 72); escaped('made a map')
""", needs="root"),
    Attack("perf", "performance counters, a frequent way in", """
attributes = ctypes.create_string_buffer(struct.pack('=IIQ', 1, 112, 1) + bytes(24) + struct.pack('=Q', 0x60), 112)  # own user-space clock
syscall(298, 241, attributes, 0, -1, -1, 0); escaped('opened one')
""", needs="root"),
    Attack("userfaultfd", "to stop the kernel in the middle of a copy", "syscall(323, 282, 1); escaped('made one')", needs="kernel"),
    Attack("module", "a kernel module", """
try: syscall(313, 273, -1, b'', 0)
except OSError as error:
    if error.errno not in (errno.EPERM, errno.ENOSYS): escaped('got past the permission check')
""", needs="kernel"),
    Attack("hostname", "to rename this machine", "socket.sethostname(socket.gethostname()); escaped('set it')", needs="root"),
    Attack("capabilities", "privileges it was not given", """
for line in open('/proc/self/status'):
    if line.startswith(('CapEff', 'CapPrm')) and int(line.split()[1], 16): escaped(line.strip())
""", needs="root"),
    Attack("set-user-id", "to gain rights by running a setuid program", "if call(libc.prctl(39, 0, 0, 0, 0)) == 0: escaped('setuid programs work')"),
    Attack("thirty-two-bit", "the old calls, which have other numbers", """
code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
code.write(bytes.fromhex('53b814000000cd805bc3'))  # push rbx; mov eax, getpid; int 0x80; pop rbx; ret
run = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))
if platform.machine() == 'x86_64' and run() == os.getpid(): escaped('made one')
""", needs="kernel"),
    Attack("terminal", "to type into the user's terminal", "os.open('/dev/tty', os.O_RDWR); escaped('opened it')", needs="kernel"),
)  # fmt: skip

ATTACKS: tuple[Attack, ...] = (*SECRETS, *NETWORK, *PROCESSES, *FILES, *KERNEL)
