"""What the environment and the machine say: the cache, the seed, the run's folder, the device."""

import os
from pathlib import Path


def cache_root():
    return (
        Path(os.environ.get("AUTORESEARCH_CACHE") or Path.home() / ".cache" / "autoresearch")
        .expanduser()
        .resolve()
    )


def harness_seed():
    """The seed of this run: model initialisation and the order of the data derive from it."""
    return int(os.environ.get("AUTORESEARCH_SEED") or 42)


def run_dir():
    """Where train.py leaves its checkpoint and curve; made if it is missing."""
    folder = Path(os.environ.get("AUTORESEARCH_RUN_DIR") or "run").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def validation():
    """Where this process finds the validation text, by AUTORESEARCH_VALIDATION.

    "": in the cache. "hidden": nowhere; the researcher scores this run's checkpoint later.
    "stdin": the rows come through standard input; that is the researcher's scoring."""
    return os.environ.get("AUTORESEARCH_VALIDATION", "")


def feed():
    """The feeder's ends, by AUTORESEARCH_FEED (fed_batches); "" where the run reads the text."""
    return os.environ.get("AUTORESEARCH_FEED", "")


def find_device():
    """CUDA (and ROCm, which answers to the same name), Apple's MPS, or the CPU."""
    import torch  # here: the feeder does without, and is there at once

    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def default_track():
    import torch

    device = find_device()
    if device.type == "cuda" and torch.cuda.get_device_properties(device).total_memory > 30e9:
        return "climbmix"
    return "pystd" if device.type == "cpu" else "tinystories"
