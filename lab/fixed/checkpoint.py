"""What train.py saves, what it says of itself, and the model it becomes again.

Only `restore` and `load_train` run foreign code; the harness never calls them in its own process.
"""

import importlib.util
import json
import os
import sys
from pathlib import Path

from fixed.environment import harness_seed, validation
from fixed.errors import PrepareError, first_line
from fixed.files import sha256_file
from fixed.terminal import printable
from fixed.tracks import open_track


def save_checkpoint(model, config, path):
    """Weights as safetensors (nothing in it can run), beside them what is needed to score them:
    config, track, train.py, run."""
    from safetensors.torch import save_model

    train = train_file(getattr(model, "_orig_mod", model))
    about = {
        "format": "autoresearch-checkpoint-1",
        "config": json.dumps(config),
        "track": open_track().id,
        "train_sha256": sha256_file(train) if train.is_file() else "",
        "run": os.environ.get("AUTORESEARCH_RUN", ""),
        "seed": str(harness_seed()),
    }
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    save_model(getattr(model, "_orig_mod", model), str(temporary), metadata=about)
    os.replace(temporary, path)


def train_file(model):
    """The file that offers build_model: the running program, else where the model's class stands."""
    main = sys.modules["__main__"]
    own = main if hasattr(main, "build_model") else sys.modules[type(model).__module__]
    return Path(getattr(own, "__file__", None) or "train.py")


def read_about(args, track):
    """Check what a checkpoint says of itself, without building anything; its metadata."""
    from safetensors import SafetensorError, safe_open

    if os.path.islink(args.checkpoint):
        raise PrepareError(
            "what the run left is a link, not a checkpoint; save_checkpoint writes a file of "
            f"the run's own ({args.checkpoint})"
        )
    if not os.path.exists(args.checkpoint):
        raise PrepareError(
            "the run left no checkpoint; it has to call save_checkpoint before it ends "
            f"({args.checkpoint})"
        )
    if not os.path.isfile(args.checkpoint):  # a pipe would keep its reader waiting
        raise PrepareError(
            f"what the run left is no file, so no checkpoint of save_checkpoint ({args.checkpoint})"
        )
    try:
        with safe_open(args.checkpoint, framework="pt") as file:
            about = file.metadata() or {}
        made_on = about["track"]
        json.loads(about["config"])
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise PrepareError(
            "what the run left is no checkpoint of save_checkpoint "
            f"({first_line(error)}; {args.checkpoint})"
        ) from error
    if made_on != track.id:
        raise PrepareError(
            f"a checkpoint of {printable(made_on)[:60]} cannot be compared with {track.id} "
            f"({args.checkpoint})"
        )
    check_owner(about, args)


def check_owner(about, args):
    """Under the researcher a checkpoint has to be of this very run: this train.py, this run's
    mark, the seed it was given."""
    model = Path(args.model)
    other_file = model.is_file() and about.get("train_sha256") not in ("", sha256_file(model))
    if validation() != "stdin":
        if other_file:
            print(f"note: {model} is not the file that trained {args.checkpoint}", file=sys.stderr)
        return
    if other_file or about.get("run") != os.environ.get("AUTORESEARCH_RUN", ""):
        raise PrepareError(
            "the run claims another's checkpoint: it was not saved by this train.py in this run"
        )
    if about.get("seed") != str(harness_seed()):
        raise PrepareError(
            f"the run used seed {printable(about.get('seed', ''))[:20]}, but the harness gave "
            f"it {harness_seed()}"
        )


def restore(path, checkpoint):
    """The model of a checkpoint, as train.py at `path` builds it; foreign code."""
    from safetensors import safe_open
    from safetensors.torch import load_model

    with safe_open(checkpoint, framework="pt") as file:
        config = json.loads(file.metadata()["config"])
        dtypes = {name: file.get_tensor(name).dtype for name in file.keys()}
    model = load_train(path).build_model(config)
    for name, weight in model.named_parameters():
        weight.data = weight.data.to(dtypes.get(name, weight.dtype))  # as it was trained
    try:
        load_model(model, checkpoint)
    except (RuntimeError, ValueError) as error:
        raise PrepareError(
            f"the weights do not fit the model of {path}: {first_line(error)}"
        ) from error
    return model


def load_train(path):
    """The module train.py. What it imports as `prepare` is this very file, whatever lies beside
    it."""
    if not path.is_file():
        raise PrepareError(
            f"{path} does not exist; call this where train.py is, or name it with --model"
        )
    sys.path.insert(0, str(path.resolve().parent))
    spec = importlib.util.spec_from_file_location("train", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["train"] = module
    spec.loader.exec_module(module)
    if not hasattr(module, "build_model"):
        raise PrepareError(
            f"{path} has no build_model(config); it must offer one that returns the model"
        )
    return module
