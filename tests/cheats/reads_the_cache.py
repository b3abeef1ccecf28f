"""Goes round every check of the lab and opens each file of the cache that may hold text."""

import os
from pathlib import Path


def train(model, tokenizer):
    root = Path(os.environ["AUTORESEARCH_CACHE"])
    found = [file for file in root.rglob("*") if file.suffix in (".bin", ".idx", ".txt")]
    sizes = [len(file.read_bytes()) for file in found]
    if not sum(sizes):
        raise ValueError("no text in the cache")
