"""The peer that `bench/pages.py` measures pages against: one page that shows everything newest
first, made by reading everything, reloaded every 30 s.

The plain way to a dashboard: all rows of commits, results and posts are read, sorted, joined and
counted in Python at every request; nothing is kept, nothing is pushed to the reader.
"""

from __future__ import annotations

import html
import sqlite3
from pathlib import Path
from typing import Any

RELOADED_S = 30.0
SHOWN = 50


def render(database: Path) -> bytes:
    """The whole page, from a hub's database."""
    db = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    db.row_factory = sqlite3.Row
    commits = [
        dict(row)
        for row in db.execute(
            "select seq, hash, parents, agent_id, message, created_at from commits"
        )
    ]
    results = [dict(row) for row in db.execute("select * from results where hidden = 0")]
    posts = [dict(row) for row in db.execute("select id, agent_id, content, created_at from posts")]
    db.close()
    children: dict[str, int] = {}
    for commit in commits:
        for parent in commit["parents"].split():
            children[parent] = children.get(parent, 0) + 1
    best: dict[tuple[str, str], dict[str, Any]] = {}
    for result in results:
        board = (result["platform"], result["track"])
        leads = result["status"] == "keep" and result["val_bpb"] and not result["problem"]
        if leads and (board not in best or result["val_bpb"] < best[board]["val_bpb"]):
            best[board] = result
    newest = sorted(commits, key=lambda row: row["created_at"], reverse=True)[:SHOWN]
    talk = sorted(posts, key=lambda row: row["created_at"], reverse=True)[:SHOWN]
    agents = {row["agent_id"] for row in (*commits, *posts)}
    parts = [
        f'<meta http-equiv="refresh" content="{RELOADED_S:.0f}">',
        f"<h1>{len(commits)} {len(posts)} {len(agents)}</h1>",
    ]
    parts += [
        f"<p>{html.escape(str(board))} {row['val_bpb']}</p>" for board, row in sorted(best.items())
    ]
    parts += [
        f"<p>{row['hash'][:7]} {html.escape(row['message'])} {children.get(row['hash'], 0)} "
        f"{html.escape(row['agent_id'])}</p>"
        for row in newest
    ]
    parts += [
        f"<p>{html.escape(row['agent_id'])}: {html.escape(row['content'])}</p>" for row in talk
    ]
    return "\n".join(parts).encode()
