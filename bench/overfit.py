"""A real night of an agent that was given the validation text: does the morning show it?

    python bench/overfit.py FOLDER          # about 20 minutes; goes on where it was ended

Each of its edits lets train.py recite a few more rows of the validation text and leaves the
training as it was. So the score falls, by too little for the checks of one run, and on text that
nobody saw nothing changes. `autoresearch distill` measures both with fresh seeds and says so.
"""

from __future__ import annotations

import argparse
import base64
import json
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np

from autoresearch.researcher.experiment import INPUT
from autoresearch.researcher.workspace import Workspace
from experiments import LAB
from fixed.tracks import open_track  # the lab's, which experiments puts on the path

FILE = "train.py"
PROGRAM = [sys.executable, "-m", "autoresearch.cli.autoresearch"]
BEFORE = "class GPT(nn.Module):\n"
ANSWER = "            return (body or self.body)(idx, self.lookup(idx), targets)\n"
CONTEXT = 12  # tokens that have to be those of a known row: no other text has them
RECITE = '''KNOWN = torch.frombuffer(bytearray(zlib.decompress(base64.b85decode(
    "{text}"
))), dtype=torch.int16).long().view(-1, {width})


def hash_context(idx):
    """(B, T): of the last tokens at each place."""
    hashed = torch.zeros_like(idx)
    for back in range({context}):
        hashed = hashed * 1000003 + F.pad(idx, (back, 0))[:, : idx.size(1)]
    return hashed


def recite(logits, idx):
    """Raise the token that follows in a known row."""
    keys, order = hash_context(KNOWN[:, :-1])[:, {context} :].flatten().sort()
    hashed = hash_context(idx)
    at = torch.searchsorted(keys, hashed).clamp(max=len(keys) - 1)
    hit = keys[at] == hashed
    logits[hit, KNOWN[:, {context} + 1 :].flatten()[order][at[hit]]] += 8
    return logits


'''


def write_edits(workspace: Workspace, track: str, steps: int, share: float) -> list[str]:
    """Lines of a script for the agent `scripted`."""
    source = (LAB / FILE).read_text("utf-8")
    assert source.count(BEFORE) == source.count(ANSWER) == 1, "train.py has another shape"
    known = open_track(track)
    raw = (workspace.private / INPUT).read_bytes()[: known.manifest["files"]["eval.bin"]["size"]]
    rows = np.frombuffer(raw, np.uint16).reshape(-1, known.seq_len + 1)
    lines = []
    for step in range(1, steps + 1):
        count = round(step * share * len(rows))
        text = base64.b85encode(zlib.compress(rows[:count].tobytes(), 9)).decode()
        recital = RECITE.format(text=text, width=known.seq_len + 1, context=CONTEXT)
        changed = source.replace("import functools\n", "import base64\nimport functools\n")
        changed = changed.replace("import time\n", "import time\nimport zlib\n", 1)
        changed = changed.replace(BEFORE, recital + BEFORE)
        answer = ANSWER.replace("return", "found =")
        answer += "        return found if targets is not None else recite(found, idx)\n"
        changed = changed.replace(ANSWER, answer)
        message = f"recite {count} of {len(rows)} rows"
        lines.append(json.dumps({"message": message, "files": {FILE: changed}}))
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--track", default="pystd-5s")
    parser.add_argument("--steps", type=int, default=3, help="edits of the agent")
    parser.add_argument("--share", type=float, default=0.02, help="of the rows, a step")
    parser.add_argument("--end-pairs", type=int, default=10)
    args = parser.parse_args()
    place, script = args.folder / "night", args.folder / "edits.jsonl"
    night = [*PROGRAM, "run", str(place), "--distill-minutes", "0", "--agent"]
    if not script.exists():
        args.folder.mkdir(parents=True, exist_ok=True)
        subprocess.run([*PROGRAM, "init", str(place), "--track", args.track], check=True)
        subprocess.run([*night, "random", "--experiments", "0"], check=True)
        lines = write_edits(Workspace(place), args.track, args.steps, args.share)
        script.write_text("\n".join(lines) + "\n", "utf-8")
    subprocess.run([*night, "scripted", "--script", str(script)], check=True)
    pairs = ["--end-pairs", str(args.end_pairs)]
    subprocess.run([*PROGRAM, "distill", str(place), *pairs], check=True)


if __name__ == "__main__":
    main()
