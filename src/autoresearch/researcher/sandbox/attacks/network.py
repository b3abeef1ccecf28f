"""Attacks on the network and on services of this machine."""

from __future__ import annotations

from autoresearch.researcher.sandbox.attacks.attack import Attack

NETWORK = (
    Attack("tcp", "a TCP connection to this machine", """
connects(socket.AF_INET, socket.SOCK_STREAM, ('127.0.0.1', decoys['tcp']))
""", quick=True),
    Attack("udp", "a datagram and its answer", """
connects(socket.AF_INET, socket.SOCK_DGRAM, ('127.0.0.1', decoys['udp']))
""", quick=True),
    Attack("unix-socket", "a service's socket, like docker's", """
connects(socket.AF_UNIX, socket.SOCK_STREAM, decoys['socket'])
"""),
    Attack("abstract-socket", "a service's socket without a file, like the desktop's", """
connects(socket.AF_UNIX, socket.SOCK_STREAM, chr(0) + decoys['abstract'])
"""),
    Attack("network-cards", "a way out through any network card", """
if [name for _, name in socket.if_nameindex() if name != 'lo']: escaped('sees network cards')
""", needs="kernel"),
    Attack("packet-socket", "raw frames on the wire", """
socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 3); escaped('made one')
""", needs="root"),
    Attack("vsock", "the host of this virtual machine", """
socket.socket(40, socket.SOCK_STREAM); escaped('made one')
""", needs="kernel"),
    Attack("kernel-crypto", "the kernel's crypto sockets, a frequent way in", """
socket.socket(38, socket.SOCK_SEQPACKET); escaped('made one')
""", needs="kernel"),
    Attack("io-uring", "input and output that no filter sees", """
syscall(425, 425, 8, ctypes.create_string_buffer(256)); escaped('made a ring')
""", needs="kernel"),
    Attack("pair-of-datagrams", "a service's socket through one half of a pair", """
half, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
for address in (decoys['datagram'], chr(0) + decoys['abstract'] + '-datagram'):
    try: half.sendto(b'?', address)
    except OSError: continue
    escaped('sent a datagram')
"""),
    Attack("raw-ip", "packets of its own making", """
socket.socket(socket.AF_INET, socket.SOCK_RAW, 255)
escaped('made a socket')
""", needs="root"),
)  # fmt: skip
