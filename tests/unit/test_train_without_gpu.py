"""The GPU's path where there is no GPU: every line of it that is Python runs with tensors that
have a shape, a type and the device `cuda`, and no content.

Kernels, speed and rounding are left to bench/gpu.py."""

from __future__ import annotations

import ast
from collections.abc import Callable
from types import ModuleType

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.overrides import TorchFunctionMode

from lab_module import LAB, SCALES, device, load_train

CUDA = torch.device("cuda:0")
ROWS, TOKENS, VOCAB = 2, 256, 512
SMALL = {"DEPTH": 3, "ASPECT": 32, "HEAD_DIM": 32}
TABLES = dict.fromkeys(
    ("BIGRAM_ROWS", "TRIGRAM_ROWS", "VALUE_BIGRAM_ROWS", "VALUE_TRIGRAM_ROWS"), 64
)
SHAPES = {"cpu": SMALL, "tinystories": SMALL, "climbmix": SMALL | {"SHORT_WINDOW": 64} | TABLES}


@pytest.fixture
def cuda_autocast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch may ask whether there is a card before it picks bf16; here it shall not."""
    monkeypatch.setattr(torch.cuda.amp.common, "amp_definitely_not_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *_: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_: (9, 0))


def checked_flash(q, k, v, causal, window_size):
    """What FlashAttention 3 demands of its arguments, and the shape it answers with."""
    assert q.dtype == k.dtype == v.dtype == torch.bfloat16
    assert q.shape == k.shape == v.shape and q.dim() == 4
    assert causal and window_size in ((-1, -1), (64, 0))
    return torch.empty_like(q) + 0 * (q + k + v)


def take_backend(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    flash = (checked_flash, "") if name == "FlashAttention 3" else (None, "not here")
    monkeypatch.setattr(device, "flash3", lambda: flash)
    function = {
        "FlashAttention 3": device.flash_attention,
        "FlexAttention": device.flex_attention,
        "SDPA": device.sdpa_attention,
    }[name]
    monkeypatch.setattr(device, "attention_backend", lambda kind: (name, function))


class PlainIndexing(TorchFunctionMode):
    """x[:, 1:] by functions: the brackets themselves want a driver, which torch for CPUs lacks."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is torch.Tensor.__getitem__:
            return index_plainly(*args)
        return func(*args, **(kwargs or {}))


def index_plainly(x: torch.Tensor, keys: object) -> torch.Tensor:
    """By slices, numbers, None and an ellipsis in front."""
    parts = list(keys) if isinstance(keys, tuple) else [keys]
    if parts[0] is ...:
        real = sum(part is not None for part in parts[1:])
        parts = [slice(None)] * (x.dim() - real) + parts[1:]
    dim = 0
    for part in parts:
        if isinstance(part, int):
            x = x.select(dim, part)
            continue
        x = x.unsqueeze(dim) if part is None else cut(x, dim, part)
        dim += 1
    return x


def cut(x: torch.Tensor, dim: int, part: slice) -> torch.Tensor:
    start, stop, _ = part.indices(x.size(dim))
    return x.narrow(dim, start, stop - start)


def card_model(train: ModuleType) -> torch.nn.Module:
    """As get_ready makes it for a card: lookups in bf16. Only a model with content can move."""
    model = train.GPT(train.Config(VOCAB, TOKENS))
    for part in model.modules():
        if isinstance(part, torch.nn.Embedding):
            part.bfloat16()
    return model


@pytest.mark.usefixtures("cuda_autocast")
@pytest.mark.parametrize("backend", ["FlashAttention 3", "FlexAttention", "SDPA"])
@pytest.mark.parametrize("scale", SCALES)
def test_a_step_stays_on_the_card_in_its_types(
    scale: str, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loss, logits and the optimiser's step, for each scale and back end: a tensor that were left
    on the CPU, or of another type than the next line takes, raises here as it would on a GPU."""
    take_backend(backend, monkeypatch)
    train = load_train(scale, **SHAPES[scale])
    model = card_model(train).requires_grad_(False)  # gradients want a driver as well
    with FakeTensorMode(allow_non_fake_inputs=True), PlainIndexing(), torch.no_grad():
        model.to(CUDA)
        device.make_masks(TOKENS, (), CUDA)
        idx = torch.zeros(ROWS, TOKENS, dtype=torch.int64, device=CUDA)
        loss, logits = model(idx, idx), model(idx)
        optimizer = train.Optimizer(model)
        for weight in model.parameters():
            weight.grad = torch.zeros_like(weight)
        optimizer.tables.clear()  # torch without CUDA has no sparse tensors that claim to be there
        optimizer.step(0.5)

        assert loss.shape == () and loss.dtype == torch.float32 and loss.device == CUDA
        assert logits.shape == (ROWS, TOKENS, VOCAB) and logits.dtype == torch.float32
        assert model.embed.weight.dtype == torch.bfloat16
        assert all(w.device == CUDA for w in model.parameters())
        assert all(s.device == CUDA and s.dtype == torch.float32 for s in optimizer.state())


# ---------------------------------------------------------------- the compiler


@pytest.fixture
def flex_masks(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """FlexAttention's masks for rows of 64 tokens, as make_masks leaves them on a GPU."""

    def make(windows: tuple[int, ...]) -> None:
        masks = {(64, w): device.make_flex_mask(64, w, "cpu") for w in set(windows)}
        monkeypatch.setattr(device, "FLEX_MASKS", masks)

    return make


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
@pytest.mark.parametrize("backend", ["explicit", "SDPA", "FlexAttention"])
@pytest.mark.parametrize("scale", SCALES)
def test_the_model_is_one_graph(scale: str, backend: str, flex_masks: Callable[..., None]) -> None:
    """Nothing in the compiled part makes the compiler give up in the middle, in no back end: with
    `fullgraph` that would be an error. It gives the loss of the uncompiled one."""
    train = load_train(scale, **{**SHAPES[scale], "DEPTH": 2})
    torch.manual_seed(0)
    model = train.GPT(train.Config(40, 64))
    flex_masks(model.c.windows)
    model.attend = {
        "explicit": device.explicit_attention,
        "SDPA": device.sdpa_attention,
        "FlexAttention": device.flex_attention,
    }[backend]
    idx = torch.randint(0, 40, (2, 64))
    torch._dynamo.reset()
    compiled = torch.compile(model.body, backend="eager", fullgraph=True, dynamic=False)

    with torch.no_grad():
        rows = model.lookup(idx)
        ours, expected = compiled(idx, rows, idx), model.body(idx, rows, idx)

    torch.testing.assert_close(ours, expected, atol=1e-4, rtol=1e-4)


def test_the_optimiser_is_compiled_once() -> None:
    """Rates that change with every step are tensors, so no step compiles anything again."""
    train = load_train("climbmix", **SMALL, **dict.fromkeys(TABLES, 0))
    counter = torch._dynamo.testing.CompileCounter()
    torch._dynamo.reset()
    model = train.GPT(train.Config(40, 64))
    wrap = lambda f: torch.compile(f, backend=counter, fullgraph=True, dynamic=False)  # noqa: E731
    optimizer = train.Optimizer(model, wrap)
    counts = []
    for step in range(4):
        for weight in model.parameters():
            weight.grad = torch.ones_like(weight)
        optimizer.step(step / 4)
        counts.append(counter.frame_count)

    assert counts[0] > 0 and counts[1:] == counts[:1] * 3


# ---------------------------------------------------------------- other devices


def card_calls(function: ast.AST) -> list[str]:
    """What it asks of torch.cuda or torch.mps."""
    return [
        ast.unparse(node)
        for node in ast.walk(function)
        if isinstance(node, ast.Attribute)
        and ast.unparse(node.value) in ("torch.cuda", "torch.mps")
    ]


# Called where the device is known to be one: by a backend's choice, and by PinnedUpload's makers.
FOR_CARDS_ONLY = {"flash3", "__init__", "__call__"}
ASKS = ("is_available()", "== 'cuda'", "!= 'cuda'", "== 'mps'")


@pytest.mark.parametrize("path", ["train.py", "prepare.py", "fixed/*.py"])
def test_nothing_takes_a_card_for_granted(path: str) -> None:
    """ROCm answers to `cuda`; Apple silicon and Windows without a GPU do not. Every function that
    calls torch.cuda or torch.mps has looked which device it is, nothing does at import, and
    train.py calls neither."""
    for file in LAB.glob(path):
        tree = ast.parse(file.read_text("utf-8"))
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        inside = {call for function in functions for call in card_calls(function)}
        assert inside == set(card_calls(tree)), f"{file.name}, at import"
        assert not (inside and path == "train.py")
        for function in functions:
            if card_calls(function) and function.name not in FOR_CARDS_ONLY:
                text = ast.unparse(function)
                assert any(ask in text for ask in ASKS), f"{file.name}, {function.name}"
