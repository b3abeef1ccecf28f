"""Many open pages for `bench/pages.py`, in a process of their own: listens to a hub's /live as
that many browsers would, and notes when what arrives.

Run as `python viewers.py PORT VIEWERS`. Prints `ready` once all are listening; when a line comes
on standard input it prints one JSON object: by post id the moments (seconds since 1970) at which
the viewers heard of it, and how many connections were lost.
"""

from __future__ import annotations

import asyncio
import gc
import json
import re
import sys
import time

POST = re.compile(rb'event: post\ndata: \{"id":(\d+)')
HEAD = b"GET /live HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n"
AT_ONCE = 50  # connections that are opened together


async def view(port: int, heard: dict[int, list[float]], lost: list[str]) -> asyncio.Task[None]:
    """Open one connection; the task that listens to it, which somebody has to hold."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HEAD)
    first = await reader.readuntil(b"retry: ")
    if b" 200 " not in first.split(b"\r\n", 1)[0]:
        raise RuntimeError(f"/live answered {first[:100]!r}")
    return asyncio.create_task(listen(reader, writer, heard, lost))


async def listen(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    heard: dict[int, list[float]],
    lost: list[str],
) -> None:
    rest = b""
    try:
        while data := await reader.read(65536):
            now = time.time()
            whole, gap, rest = (rest + data).rpartition(b"\n\n")
            for found in POST.finditer(whole + gap):
                heard.setdefault(int(found[1]), []).append(now)
        lost.append("closed")
    except OSError as error:
        lost.append(str(error))
    writer.close()


async def main(port: int, viewers: int) -> None:
    heard: dict[int, list[float]] = {}
    lost: list[str] = []
    listening: list[asyncio.Task[None]] = []
    for start in range(0, viewers, AT_ONCE):
        listening += await asyncio.gather(
            *(view(port, heard, lost) for _ in range(min(AT_ONCE, viewers - start)))
        )
    gc.freeze()
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    print(json.dumps({"heard": heard, "lost": len(lost)}), flush=True)
    for task in listening:
        task.cancel()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
