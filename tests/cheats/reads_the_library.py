"""Asks the running Python's library for the validation text of `pystd`, as preparing does."""

from pathlib import Path

from fixed.errors import PrepareError
from fixed.pystd import PARTS, Pystd


def train(model, tokenizer):
    try:
        found = sum(len(text) for text in Pystd().documents("val"))
    except PrepareError:
        found = 0
    library = Path(os.__file__).parent
    for file in library.rglob("*.py"):
        if file.relative_to(library).parts[0].removesuffix(".py") in PARTS:
            found += len(file.read_bytes())
    raise ValueError(f"{found} bytes of validation text lie in the library")
