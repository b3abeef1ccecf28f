"""docs/pictures/night.png: a real night of experiments, and what remains of it when distilled.

    python scripts/night_picture.py runs/picture       # about two hours; goes on where it was ended

`--experiments` of the built-in agent on one track, then `autoresearch distill`. The upper half is
the night's progress.png, the lower half the picture of its report's head.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
from pathlib import Path

from PIL import Image

from autoresearch.researcher.report import plots, read_night, summarise
from autoresearch.researcher.report.forest import draw_forest

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = [sys.executable, "-m", "autoresearch.cli.autoresearch"]


def run_night(folder: Path, track: str, experiments: int, end_pairs: int) -> None:
    """What is left of it."""
    if not (folder / "autoresearch.toml").exists():
        subprocess.run([*PROGRAM, "init", str(folder), "--track", track], check=True)
    night = read_night(summarise(folder)) if (folder / "experiments.jsonl").exists() else None
    left = experiments - (night.total.tried if night else 0)
    if left > 0:
        options = ["--experiments", str(left), "--distill-minutes", "0"]
        subprocess.run([*PROGRAM, "run", str(folder), *options], check=True)
    options = ["--end-pairs", str(end_pairs)]
    subprocess.run([*PROGRAM, "distill", str(folder), *options], check=True)


def draw_night(folder: Path) -> Image.Image:
    """Both pictures of a night, one below the other."""
    summary = summarise(folder)
    morning = read_night(summary)
    assert morning is not None and morning.ends, f"{folder} is not distilled"
    print(morning.verdict)
    figures = (plots.draw(summary), draw_forest(morning, summary.metric))
    above, below = (Image.open(io.BytesIO(plots.save(each, "png", dpi=130))) for each in figures)
    whole = Image.new("RGB", (above.width, above.height + below.height), "white")
    whole.paste(above, (0, 0))
    whole.paste(below, (0, above.height))
    return whole


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--track", default="pystd-20s")
    parser.add_argument("--experiments", type=int, default=110)
    parser.add_argument("--end-pairs", type=int, default=10)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "pictures" / "night.png")
    args = parser.parse_args()
    run_night(args.folder, args.track, args.experiments, args.end_pairs)
    draw_night(args.folder).save(args.out, optimize=True)
    print(args.out)


if __name__ == "__main__":
    main()
