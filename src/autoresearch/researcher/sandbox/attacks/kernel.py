"""Attacks on the kernel: mounts, namespaces, privileges, and calls that were doors before."""

from __future__ import annotations

from autoresearch.researcher.sandbox.attacks.attack import Attack

KERNEL = (
    Attack("mount", "to mount over its folder", """
call(libc.mount(b'none', os.getcwd().encode(), b'tmpfs', ctypes.c_ulong(0), None))
libc.umount2(os.getcwd().encode(), 2)
escaped('mounted')
""", needs="root"),
    Attack("user-namespace", "a user namespace, where it is root", """
call(libc.unshare(0x10000000)); escaped('made one')
""", needs="kernel"),
    Attack("clone-namespace", "the same through clone", """
pid = syscall(56, 220, 0x10000000 | signal.SIGCHLD, None, None, None, None)
if pid == 0: os._exit(0)
escaped('made one')
""", needs="kernel"),
    Attack("clone3-namespace", "the same through clone3: no filter sees its flags", """
flags = struct.pack('=QQQQQQQQ', 0x10000000, 0, 0, 0, signal.SIGCHLD, 0, 0, 0)
arguments = ctypes.create_string_buffer(flags)
pid = syscall(435, 435, arguments, ctypes.c_size_t(64))
if pid == 0: os._exit(0)
escaped('made one')
""", needs="kernel"),
    Attack("setns", "another process's network", """
call(libc.setns(os.open(f"/proc/{decoys['pid']}/ns/net", os.O_RDONLY), 0)); escaped('joined it')
""", needs="root"),
    Attack("chroot", "to change its root", """
os.chroot('.'); escaped('changed it')
""", needs="root"),
    Attack("bpf", "a program in the kernel", """
syscall(321, 280, 0, ctypes.create_string_buffer(struct.pack('=IIIII', 2, 4, 4, 1, 0), 72), 72)
escaped('made a map')
""", needs="root"),
    Attack("perf", "performance counters, a frequent way in", """
own_clock = struct.pack('=IIQ', 1, 112, 1) + bytes(24) + struct.pack('=Q', 0x60)
attributes = ctypes.create_string_buffer(own_clock, 112)
syscall(298, 241, attributes, 0, -1, -1, 0); escaped('opened one')
""", needs="root"),
    Attack("userfaultfd", "to stop the kernel in the middle of a copy", """
syscall(323, 282, 1); escaped('made one')
""", needs="kernel"),
    Attack("module", "a kernel module", """
try: syscall(313, 273, -1, b'', 0)
except OSError as error:
    if error.errno not in (errno.EPERM, errno.ENOSYS): escaped('got past the permission check')
""", needs="kernel"),
    Attack("hostname", "to rename this machine", """
socket.sethostname(socket.gethostname()); escaped('set it')
""", needs="root"),
    Attack("capabilities", "privileges it was not given", """
for line in open('/proc/self/status'):
    if line.startswith(('CapEff', 'CapPrm')) and int(line.split()[1], 16): escaped(line.strip())
""", needs="root"),
    Attack("set-user-id", "to gain rights by running a setuid program", """
if call(libc.prctl(39, 0, 0, 0, 0)) == 0: escaped('setuid programs work')
"""),
    Attack("thirty-two-bit", "the old calls, which have other numbers", """
code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
# push rbx; mov eax, getpid; int 0x80; pop rbx; ret
code.write(bytes.fromhex('53b814000000cd805bc3'))
run = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))
if platform.machine() == 'x86_64' and run() == os.getpid(): escaped('made one')
""", needs="kernel"),
    Attack("terminal", "to type into the user's terminal", """
os.open('/dev/tty', os.O_RDWR); escaped('opened it')
""", needs="kernel"),
    Attack("mount-namespace", "mounts of its own", """
call(libc.unshare(0x20000))
escaped('made a namespace')
""", needs="root"),
    Attack("time-namespace", "a clock of its own", """
call(libc.unshare(0x80))
escaped('made a namespace')
""", needs="root"),
    Attack("pivot-root", "to change the root of all its processes", """
try: syscall(155, 41, b'.', b'.')
except OSError as error:
    if error.errno != errno.EPERM: escaped('got past the permission check')
""", needs="root"),
    Attack("new-mounts", "to mount by the newer calls, a frequent hole in filters", """
os.close(syscall(430, 430, b'tmpfs', 0))
escaped('opened a file system')
""", needs="root"),
    Attack("open-tree", "a copy of a mount, as a descriptor", """
os.close(syscall(428, 428, -100, b'.', 1))
escaped('copied it')
""", needs="root"),
    Attack("fanotify", "to watch every file of the machine", """
os.close(syscall(300, 262, 0x200, 0))
escaped('watches')
""", needs="kernel"),
    Attack("clock", "the machine's clock", """
call(libc.settimeofday(None, ctypes.create_string_buffer(8)))
escaped('may set it')
""", needs="root"),
    Attack("swap", "to have memory written to a file of its own", """
try: syscall(167, 224, b'.', 0)
except OSError as error:
    if error.errno != errno.EPERM: escaped('got past the permission check')
""", needs="root"),
    Attack("accounting", "a record of every program that ends", """
try: syscall(163, 89, b'.')
except OSError as error:
    if error.errno not in (errno.EPERM, errno.ENOSYS): escaped('got past the check')
""", needs="root"),
    Attack("thread-keyring", "a keyring, a frequent way into the kernel", """
syscall(250, 219, 0, -1, 1)
escaped('made one')
""", needs="kernel"),
)  # fmt: skip
