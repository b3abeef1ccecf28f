"""Reads the validation files without asking prepare, whichever it can open."""

import fixed.tracks


def train(model, tokenizer):
    found = [
        len(file.read_bytes())
        for file in tokenizer.track.folder.parent.rglob("*")
        if file.name in fixed.tracks.HELD_BACK
    ]
    if sum(found):
        raise SystemExit(f"trained on {sum(found)} bytes of the validation text")
    raise ValueError("there is no validation text in the cache to train on")
