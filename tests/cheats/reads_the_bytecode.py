"""Takes the strings of the validation text of `pystd` from compiled modules, of any Python."""

import sys
from pathlib import Path

from fixed.pystd import PARTS


def train(model, tokenizer):
    found = 0
    for place in {Path(os.__file__).parent, *Path("/usr/lib").glob("python3*"), Path(sys.prefix)}:
        for file in place.rglob("*.pyc"):
            words = {*file.relative_to(place).parts, file.name.partition(".")[0]}
            if words & PARTS and "site-packages" not in file.parts:
                found += len(file.read_bytes())
    raise ValueError(f"{found} bytes of compiled validation text were found")
