"""Attacks on files outside a run's folder, and files that it would leave for others to run."""

from __future__ import annotations

from autoresearch.researcher.sandbox.attacks.attack import Attack

FILES = (
    Attack("write-home", "a file in the user's home (.bashrc, authorized_keys)", """
open(decoys['home'] + '/planted', 'w').close(); escaped('planted it')
"""),
    Attack("overwrite", "to overwrite a file outside its folder", """
open(decoys['victim'], 'r+').close(); escaped('opened it for writing')
"""),
    Attack("truncate", "to cut off a file outside its folder", """
os.truncate(decoys['victim'], os.stat(decoys['victim']).st_size); escaped('may cut it')
"""),
    Attack("delete", "to delete a file outside its folder", """
os.unlink(decoys['doomed']); escaped('deleted it')
"""),
    Attack("steal", "to move a file into its folder", """
os.rename(decoys['stolen'], 'stolen'); escaped('moved it')
"""),
    Attack("chmod", "to open up a file's mode", """
os.chmod(decoys['victim'], 0o666)
if stat.S_IMODE(os.stat(decoys['victim']).st_mode) == 0o666: escaped('changed it')
"""),
    Attack("times", "to forge a file's age", """
os.utime(decoys['victim'], (1, 1))
if os.stat(decoys['victim']).st_mtime == 1: escaped('changed it')
"""),
    Attack("poison-data", "to change the prepared training data", """
open(decoys['training'], 'r+').close(); escaped('opened it for writing')
"""),
    Attack("poison-data-folder", "to add a file to the prepared data", """
open(os.path.dirname(decoys['training']) + '/more', 'w').close(); escaped('added one')
"""),
    Attack("poison-python", "to change the Python that the harness runs", """
open(os.__file__, 'r+').close(); escaped('opened it for writing')
""", needs="root"),
    Attack("forge-log", "to rewrite what it printed", """
open(decoys['log'], 'r+').close(); escaped('opened it for writing')
"""),
    Attack("device-node", "a device file of its own", """
os.mknod('disk', stat.S_IFBLK | 0o600, os.makedev(8, 0)); escaped('made one')
""", needs="root"),
    Attack("core-pattern", "a program for the kernel to run as root", """
os.close(os.open('/proc/sys/kernel/core_pattern', os.O_WRONLY)); escaped('opened it')
""", needs="root"),
    Attack("sysrq", "the kernel's emergency switch", """
os.close(os.open('/proc/sysrq-trigger', os.O_WRONLY)); escaped('opened it')
""", needs="kernel"),
    Attack("cgroup", "a control group of its own", """
for base, folders, _ in os.walk('/sys/fs/cgroup'):
    try: os.mkdir(base + '/' + decoys['token'])
    except OSError: continue
    os.rmdir(base + '/' + decoys['token']); escaped('made one')
""", needs="root"),
    Attack("plant-fifo", "a pipe where the harness expects a file, so that it hangs", """
os.mkfifo(outside('fifo'))
escaped('made it')
"""),
    Attack("plant-socket", "a service of its own where others look for one", """
socket.socket(socket.AF_UNIX).bind(outside('s'))
escaped('bound it')
"""),
    Attack("plant-link", "a second name for its own file outside its folder", """
open('own', 'w').close()
os.link('own', outside('own'))
escaped('linked it')
"""),
    Attack("plant-symlink", "a link outside its folder, for others to follow", """
os.symlink('/etc/passwd', outside('link'))
escaped('linked it')
"""),
    Attack("replace", "its own file in the place of another", """
open('own', 'w').close()
os.rename('own', decoys['victim'])
escaped('replaced it')
"""),
    Attack("swap-folders", "to exchange its folder with one outside", """
os.mkdir('own')
theirs = os.path.dirname(real(decoys['neighbour'])).encode()
call(libc.renameat2(-100, b'own', -100, theirs, 2))
escaped('exchanged them')
""", needs="kernel"),
    Attack("write-through-link", "a file outside through a link swapped for a folder", """
os.mkdir('folder')
os.rmdir('folder')
os.symlink(os.path.dirname(decoys['victim']), 'folder')
open('folder/victim', 'r+').close()
escaped('opened it for writing')
"""),
    Attack("set-user-id-file", "a program that gives others the user's rights", """
open('own', 'w').close()
os.chmod('own', 0o4755)
if os.stat('own').st_mode & stat.S_ISUID: escaped('left one')
"""),
    Attack("set-user-id-birth", "the same, made with that mode", """
os.umask(0)
for make in (lambda: os.close(os.open('own', os.O_CREAT | os.O_WRONLY, 0o4755)),
             lambda: os.mknod('own', stat.S_IFREG | 0o4755)):
    try: make()
    except OSError: continue
    if os.stat('own').st_mode & stat.S_ISUID: escaped('left one')
    os.unlink('own')
"""),
    Attack("set-user-id-openat2", "the same, with the mode out of a filter's sight", """
os.umask(0)
how = ctypes.create_string_buffer(struct.pack('=QQQ', os.O_CREAT | os.O_WRONLY, 0o4755, 0))
os.close(syscall(437, 437, -100, b'own', how, ctypes.c_size_t(24)))
if os.stat('own').st_mode & stat.S_ISUID: escaped('left one')
"""),
    Attack("attributes", "marks on a file outside its folder", """
os.setxattr(decoys['victim'], 'user.own', b'1')
escaped('marked it')
""", needs="kernel"),
    Attack("plant-hook", "a program in the repository's hooks, which git would run", """
os.makedirs(real(decoys['git']) + '/hooks', exist_ok=True)
open(decoys['git'] + '/hooks/post-checkout', 'w').close()
escaped('planted it')
"""),
    Attack("git-settings", "a program in the repository's configuration", """
open(real(decoys['git'] + '/config'), 'a').close()
escaped('opened it for writing')
"""),
    Attack("plant-neighbour", "a file in another experiment's checkout", """
open(os.path.dirname(real(decoys['neighbour'])) + '/sitecustomize.py', 'w').close()
escaped('planted it')
"""),
    Attack("site-packages", "a .pth file, which every Python runs when it starts", """
planted = os.path.dirname(os.__file__) + '/site-packages/' + decoys['token'] + '.pth'
open(planted, 'w').close()
os.unlink(planted)
escaped('planted it')
""", needs="root"),
    Attack("bytecode", "compiled code beside the Python that the harness runs", """
planted = os.path.dirname(os.__file__) + '/__pycache__/' + decoys['token'] + '.pyc'
open(planted, 'w').close()
os.unlink(planted)
escaped('planted it')
""", needs="root"),
    Attack("system-file", "a file in /etc, which programs of root read", """
open('/etc/' + decoys['token'], 'w').close()
os.unlink('/etc/' + decoys['token'])
escaped('planted it')
""", needs="root"),
    Attack("watch", "to learn what happens in the user's home", """
watcher = call(libc.inotify_init1(0))
call(libc.inotify_add_watch(watcher, decoys['home'].encode(), 0x100))
escaped('watches it')
"""),
    Attack("sysctl", "a setting of the kernel", """
os.close(os.open('/proc/sys/vm/overcommit_memory', os.O_WRONLY))
escaped('opened it')
""", needs="root"),
    Attack("device-setting", "a setting of the machine's devices", """
here = '/sys/devices/system/clocksource/clocksource0/current_clocksource'
os.close(os.open(here, os.O_WRONLY))
escaped('opened it')
""", needs="root"),
    Attack("core-file", "its memory on disk after a crash, beyond every limit", """
resource.setrlimit(resource.RLIMIT_CORE, (1, resource.getrlimit(resource.RLIMIT_CORE)[1]))
escaped('may leave one')
"""),
)  # fmt: skip
