"""Renews docs/pictures/: every page of the hub, light and dark, wide and narrow, as a real
Chromium shows it (`make pictures`).

The hub is one that tests/populate.py fills with invented research, its times spread over three
days. Pictures keep 128 colours, so that the folder stays small. Leaves to others: the picture of a
real night (night_picture), the judge's (plot_judging).
"""

from __future__ import annotations

import io
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from PIL import Image  # noqa: E402  (comes with matplotlib)
from playwright.sync_api import Page, sync_playwright  # noqa: E402

from browser import NARROW, WIDE, launch  # noqa: E402
from conftest import RunningHub, served  # noqa: E402
from page_list import OPERATOR, pages  # noqa: E402
from populate import Lively, populate  # noqa: E402

PICTURES = ROOT / "docs" / "pictures"
SPREAD = timedelta(hours=60)
COLOURS = 128
THEMES = ("light", "dark")
SIZES = {"wide": WIDE, "narrow": NARROW}
FORM = "%Y-%m-%dT%H:%M:%S.%fZ"


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="pictures-") as scratch:
        data = Path(scratch) / "hub"
        with served(data) as hub:
            lively = populate(hub)
        spread(data / "hub.sqlite3")
        with served(data) as hub:
            taken = list(take(hub, lively))
    (PICTURES / "README.md").write_text(index(taken), "utf-8")
    size_kb = sum(file.stat().st_size for file in PICTURES.glob("*.png")) // 1024
    folder = PICTURES.relative_to(ROOT)
    print(f"{len(taken) * 4} pictures of {len(taken)} pages in {folder}, {size_kb} KB in all")


def spread(database: Path) -> None:
    """Stretch the moments of the few seconds in which the hub was filled over SPREAD, up to now."""
    db = sqlite3.connect(database)
    tables = [row[0] for row in db.execute("select name from sqlite_master where type = 'table'")]
    dated = [
        t
        for t in tables
        if "created_at" in {row[1] for row in db.execute(f"pragma table_info({t})")}
    ]
    moments = [
        m
        for t in dated
        for m in db.execute(f"select min(created_at), max(created_at) from {t}")
        if m[0]
    ]
    first, last = (
        datetime.strptime(f(m[i] for m in moments), FORM) for f, i in ((min, 0), (max, 1))
    )
    now = datetime.now(timezone.utc).replace(tzinfo=None)

    def moved(moment: str) -> str:
        return (
            now - SPREAD * ((last - datetime.strptime(moment, FORM)) / (last - first))
        ).strftime(FORM)

    db.create_function("moved", 1, moved, deterministic=True)
    for table in dated:
        db.execute(f"update {table} set created_at = moved(created_at)")
    db.commit()
    db.close()


def take(hub: RunningHub, lively: Lively) -> Iterator[str]:
    """Pictures of every page; their names."""
    with sync_playwright() as playwright:
        browser = launch(playwright)
        for dark in (False, True):
            page = browser.new_context(color_scheme="dark" if dark else "light").new_page()
            enter(page, hub)
            for name, path in pages(lively).items():
                for width, size in SIZES.items():
                    page.set_viewport_size({"width": size[0], "height": size[1]})
                    page.goto(hub.url + path, wait_until="load")
                    page.wait_for_timeout(250)  # charts and relative times
                    save(
                        page.screenshot(),
                        PICTURES / f"{name}-{width}-{'dark' if dark else 'light'}.png",
                    )
                if dark:
                    yield name
        browser.close()


def enter(page: Page, hub: RunningHub) -> None:
    """The operator's page shows more to its operator."""
    page.goto(hub.url + OPERATOR)
    page.fill("input[type=password]", hub.admin_key)
    page.press("input[type=password]", "Enter")
    page.wait_for_load_state("load")


def save(png: bytes, path: Path) -> None:
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)


def index(names: list[str]) -> str:
    lines = [
        "# Pictures",
        "",
        "`night.png` is a real night of over 100 experiments on two CPU cores (track `pystd-20s`) and",
        "what remained of it when distilled: `python scripts/night_picture.py FOLDER`. `judging.png`",
        "is drawn from the judge's table: `python scripts/plot_judging.py`.",
        "",
        "All others are made by `make pictures` (`scripts/pictures.py`): the pages of a hub in a",
        "real Chromium. **That hub's research is invented**",
        "(`tests/populate.py`); it shows what the pages look like, not how good anything is.",
    ]
    for name in names:
        lines += ["", f"## {name}", "", "| | light | dark |", "|---|---|---|"]
        lines += [
            f"| {width} | "
            + " | ".join(f"![{name}, {width}, {c}]({name}-{width}-{c}.png)" for c in THEMES)
            + " |"
            for width in SIZES
        ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
