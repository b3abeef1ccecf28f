"""
The experiment: a small GPT, its optimiser and its training loop. This is the one file that agents edit.

    python prepare.py        # once: data and tokenizer of the track
    python train.py          # one experiment: trains for the track's budget, then prints val_bpb

prepare.py owns what makes two results comparable: the data, the clock and the metric. Everything else is here and may
change: the architecture, the optimiser, the schedules, the sizes, the batch.

Where to turn a dial: constants in capitals on top of the file, and the entries of SCALES, one per line, each with its
unit and a range that makes sense ("lo to hi" or "one of a, b"). One run uses one scale, chosen by device and track and
printed in its first lines (`scale: cpu`); entries of the other scales have no effect on it. DEPTH is the main dial.

A sketch of the model (docs/architecture-of-the-model.md has the reasons and what each part gained):

    tokens -> embedding (+ hashed bigram and trigram rows) -> norm = x0
    per layer: x = a*x + b*x0;  x += attention(norm(conv(x)));  x += mlp(norm(x))
    -> norm -> untied head -> logits, soft-capped
"""

import contextlib
import ctypes
import functools
import gc
import json
import math
import os
import platform
import re
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

# Both names, and before torch is imported: some versions read one, some the other.
os.environ.setdefault("PYTORCH_ALLOC_CONF", "expandable_segments:True")
os.environ.setdefault("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")

import torch
import torch.nn as nn
import torch.nn.functional as F

import prepare

# ---------------------------------------------------------------------------------------------------------------------
# Constants of every scale

SCALE = "auto"  # one of auto, climbmix, tinystories, cpu; auto: by device and track
COMPILE = 1  # 0 nothing, 1 the model and on GPUs the optimiser, 2 both everywhere, one of 0, 1, 2; falls back by itself
EVAL_ROWS = 32  # rows evaluated at once; no influence on the score, 1 to 256
SOFTCAP = 15.0  # logits stay within plus and minus this, 5 to 50
MATRIX_MOMENTUM_START = 0.85  # Muon's momentum at progress 0, 0.5 to 0.95
MATRIX_MOMENTUM = 0.95  # and from progress MOMENTUM_RAMP on, 0.8 to 0.98
MATRIX_BETA2 = 0.95  # second moment of Muon's rows or columns, 0.8 to 0.999
ADAM_BETA1 = 0.8  # 0.5 to 0.95
ADAM_BETA2 = 0.95  # 0.9 to 0.999
A_RATE = 0.01  # rate of the residual scalars a, as a fraction of SCALAR_LR, 0.001 to 1
B_BETA1 = 0.96  # the input-skip scalars b: slower and steadier than the rest, 0.8 to 0.99

FLASH_REVISION = (
    "77427db74d3b587c8f9e2bcbf78411d0633bcd01"  # of kernels-community/flash-attn3; see flash3()
)

# Constants of one scale. Adam's rates (EMBED, HEAD, TABLE) hold at width 768 and are multiplied by (width/768)^-0.5.
SCALES = {
    "climbmix": {  # one large GPU, 300 s; the best of 125 experiments on an H100
        "DEPTH": 9,  # layers, 2 to 24
        "ASPECT": 57,  # width = depth * aspect, rounded up to whole heads, 32 to 256
        "HEAD_DIM": 128,  # channels a head, one of 32, 64, 128
        "PATTERN": "SSSSL",  # windows of the layers in turn, S short, L full; the last layer is always full
        "SHORT_WINDOW": 256,  # tokens a short window looks back beside its own, 16 to 1024
        "ROTARY_BASE": 200000,  # 1000 to 1000000
        "KEY_SHIFT": 0,  # half of the channels: no rotation, and keys of the token before, one of 0, 1
        "VALUE_EMBEDS": 1,  # every second layer mixes its own token table into V, one of 0, 1
        "CONV_TAPS": 0,  # causal depthwise convolution before attention, 0 = none, 0 to 4
        "BIGRAM_ROWS": 0,  # hashed input tables, 0 = none, 0 to 1048576
        "TRIGRAM_ROWS": 0,  # 0 to 1048576
        "TOTAL_BATCH": 262144,  # tokens an optimiser step, powers of two, 4096 to 2097152
        "MICRO_ROWS": 128,  # rows on the device at once; halved by itself when memory runs out, 1 to 256
        "MATRIX_LR": 0.04,  # Muon, 0.005 to 0.2
        "EMBED_LR": 0.9,  # 0.05 to 2.0
        "HEAD_LR": 0.005,  # 0.0005 to 0.05
        "TABLE_LR": 0.05,  # hashed tables, 0.005 to 0.5
        "SCALAR_LR": 0.5,  # a and b, 0.005 to 1.0
        "MATRIX_DECAY": 0.2,  # cautious, falls to zero over the run, 0.0 to 1.0
        "HEAD_DECAY": 0.01,  # 0.0 to 0.1
        "EMBED_DECAY": 0.001,  # 0.0 to 0.1
        "VALUE_DECAY": 0.003,  # 0.0 to 0.1
        "B_START": 0.05,  # how much of x0 enters every layer at first, 0.0 to 0.5
        "MATRIX_START": 0.68,  # first matrices are uniform in plus and minus this * sqrt(3 / width), 0.1 to 2.0
        "MOMENTUM_RAMP": 0.1,  # progress at which Muon's momentum is full, 0.0 to 1.0
        "FALL": 0.75,  # last part of the budget, in which the rates fall, 0.0 to 1.0
        "FINAL_RATE": 0.05,  # fraction of the rates left at the end, 0.0 to 0.5
    },
    "tinystories": {  # small GPUs and Apple silicon: what differs from climbmix
        "DEPTH": 4,
        "ASPECT": 64,
        "PATTERN": "L",
        "TOTAL_BATCH": 16384,
        "MICRO_ROWS": 32,
    },
    "cpu": {  # two cores: steps completed decide, so everything here is cheap
        "DEPTH": 1,  # layers, 1 to 4
        "ASPECT": 128,  # width = depth * aspect, rounded up to whole heads, 64 to 256
        "HEAD_DIM": 64,  # one of 32, 64, 128
        "PATTERN": "S",  # windows of the layers but the last, which is full, one of S, L
        "SHORT_WINDOW": 64,  # 16 to 256
        "ROTARY_BASE": 10000,  # 1000 to 1000000
        "KEY_SHIFT": 1,  # a query finds what followed its own token earlier: one layer copies, one of 0, 1
        "VALUE_EMBEDS": 0,  # one of 0, 1
        "CONV_TAPS": 3,  # 0 to 4
        "BIGRAM_ROWS": 32768,  # 0 to 262144
        "TRIGRAM_ROWS": 65536,  # 0 to 262144
        "TOTAL_BATCH": 4096,  # tokens, 1024 to 16384
        "MICRO_ROWS": 16,  # 4 to 64
        "MATRIX_LR": 0.04,  # 0.005 to 0.2
        "EMBED_LR": 0.3,  # 0.05 to 1.0
        "HEAD_LR": 0.01,  # 0.001 to 0.05
        "TABLE_LR": 0.3,  # 0.005 to 0.5
        "SCALAR_LR": 0.02,  # 0.002 to 0.5
        "MATRIX_DECAY": 0.0,  # 0.0 to 0.5
        "HEAD_DECAY": 0.0,
        "EMBED_DECAY": 0.0,
        "VALUE_DECAY": 0.0,
        "B_START": 0.1,
        "MATRIX_START": 1.0,  # 0.1 to 2.0
        "MOMENTUM_RAMP": 0.3,  # 0.0 to 1.0
        "FALL": 0.6,  # 0.0 to 1.0
        "FINAL_RATE": 0.02,  # 0.0 to 0.5
    },
}

# Polar Express (arXiv 2505.16932): the best odd quintic a*x + b*x^3 + c*x^5 for each of five steps, made for singular
# values from 1e-3 to 1; every step but a last one is shrunk by 1.01 so that rounding in bf16 cannot throw a value out.
POLAR = [
    (8.28721201814563, -23.595886519098837, 17.300387312530933),
    (4.107059111542203, -2.9478499167379106, 0.5448431082926601),
    (3.9486908534822946, -2.908902115962949, 0.5518191394370137),
    (3.3184196573706015, -2.488488024314874, 0.51004894012372),
    (2.300652019954817, -1.6689039845747493, 0.4188073119525673),
]
POLAR = [(a / 1.01, b / 1.01**3, c / 1.01**5) for a, b, c in POLAR]

# ---------------------------------------------------------------------------------------------------------------------
# The model


@dataclass(frozen=True)
class Config:
    """All that is needed to build the model again; travels in the checkpoint."""

    vocab_size: int
    seq_len: int
    depth: int
    width: int
    head_dim: int
    windows: tuple  # per layer: how many tokens it looks back beside its own; seq_len = all
    rotary_base: float
    key_shift: int
    value_embeds: int
    conv_taps: int
    bigram_rows: int
    trigram_rows: int
    b_start: float
    matrix_start: float
    softcap: float


def make_config(s, vocab_size, seq_len):
    """From a scale's settings `s` and the track's two numbers."""
    depth, head_dim = s["DEPTH"], s["HEAD_DIM"]
    pattern = s["PATTERN"].upper() or "L"
    letters = [pattern[i % len(pattern)] for i in range(depth - 1)] + ["L"]
    return Config(
        vocab_size=vocab_size, seq_len=seq_len, depth=depth, head_dim=head_dim,
        width=max(1, math.ceil(depth * s["ASPECT"] / head_dim)) * head_dim,
        windows=tuple(seq_len if c == "L" else min(s["SHORT_WINDOW"], seq_len) for c in letters),
        rotary_base=s["ROTARY_BASE"], key_shift=s["KEY_SHIFT"], value_embeds=s["VALUE_EMBEDS"], conv_taps=s["CONV_TAPS"],
        bigram_rows=s["BIGRAM_ROWS"], trigram_rows=s["TRIGRAM_ROWS"],
        b_start=s["B_START"], matrix_start=s["MATRIX_START"], softcap=SOFTCAP,
    )  # fmt: skip


def norm(x):
    return F.rms_norm(x, (x.size(-1),))  # no weights: the next matrix can learn them


def rotate(x, cos, sin):
    """Rotary embedding, the first half of the channels against the second. x (B, T, H, D), cos and sin (T, 1, D/2)."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cos + b * sin, b * cos - a * sin), dim=-1)


def soft_cap(raw, cap):
    """cap * tanh(raw / cap), by one exponential: on a CPU half the time of tanh. An overflow is an inf, and then right."""
    return cap - 2 * cap / ((2 / cap * raw).exp() + 1)


class CappedLoss(torch.autograd.Function):
    """Mean cross entropy (nats) of soft-capped logits, from the raw ones (N, V).

    Written by hand because the logits are the largest tensor of the step: the raw logits are kept in bf16 and everything
    else is computed twice, and no maximum is needed before the exponential since |logit| <= cap.
    """

    @staticmethod
    def forward(ctx, raw, targets, cap):
        lse = soft_cap(raw.float(), cap).exp().sum(-1).log()
        hit = soft_cap(raw.gather(1, targets[:, None]).float(), cap)
        ctx.save_for_backward(raw, targets, lse)
        ctx.cap = cap
        return (lse - hit[:, 0]).mean()

    @staticmethod
    def backward(ctx, grad):
        raw, targets, lse = ctx.saved_tensors
        z = soft_cap(raw.float(), ctx.cap)
        p = (z - lse[:, None]).exp()
        hit = torch.arange(raw.size(1), device=raw.device) == targets[:, None]
        return (
            ((p - hit.float()) * (1 - (z / ctx.cap) ** 2) * (grad / raw.size(0))).to(raw.dtype),
            None,
            None,
        )


class Attention(nn.Module):
    def __init__(self, c: Config, layer: int):
        super().__init__()
        self.c, self.window = c, c.windows[layer]
        self.q, self.k, self.v, self.out = (
            nn.Linear(c.width, c.width, bias=False) for _ in range(4)
        )
        self.conv = nn.Parameter(torch.zeros(c.conv_taps, c.width)) if c.conv_taps else None
        # every second layer, counted so that the last one has it
        has_value = c.value_embeds and layer % 2 == (c.depth - 1) % 2
        self.value = nn.Embedding(c.vocab_size, c.width) if has_value else None
        self.gate = (
            nn.Linear(min(32, c.width), c.width // c.head_dim, bias=False) if has_value else None
        )

    def forward(self, x, idx, cos, sin, attend):
        B, T, C = x.shape
        H, D = C // self.c.head_dim, self.c.head_dim
        if self.conv is not None:
            x = self.mix(x)
        q, k, v = (f(x).view(B, T, H, D) for f in (self.q, self.k, self.v))
        if self.value is not None:
            gate = 2 * torch.sigmoid(
                self.gate(x[..., : self.gate.in_features])
            )  # (B, T, H), 1 at the start
            v = v + gate[..., None] * self.value(idx).view(B, T, H, D)
        if self.c.key_shift:
            still = torch.arange(D, device=x.device) % (D // 2) >= D // 4
            k = torch.where(still, F.pad(k, (0, 0, 0, 0, 1, 0))[:, :-1], k)
        q, k = norm(rotate(q, cos, sin)).to(v.dtype), norm(rotate(k, cos, sin)).to(v.dtype)
        return self.out(attend(q, k, v, self.window).reshape(B, T, C))

    def mix(self, x):
        """Causal depthwise convolution: tap i sees i tokens back. Starts as the identity."""
        taps, T = self.conv.size(0), x.size(1)
        padded = F.pad(x, (0, 0, taps - 1, 0))
        return sum(padded[:, taps - 1 - i : taps - 1 - i + T] * self.conv[i] for i in range(taps))


class Block(nn.Module):
    def __init__(self, c: Config, layer: int):
        super().__init__()
        self.a, self.b = nn.Parameter(torch.ones(1)), nn.Parameter(torch.full((1,), c.b_start))
        self.attention = Attention(c, layer)
        self.up = nn.Linear(c.width, 4 * c.width, bias=False)
        self.down = nn.Linear(4 * c.width, c.width, bias=False)

    def forward(self, x, x0, idx, cos, sin, attend):
        x = self.a.to(x.dtype) * x + self.b.to(x.dtype) * x0
        x = x + self.attention(norm(x), idx, cos, sin, attend)
        return x + self.down(F.relu(self.up(norm(x))).square())


class GPT(nn.Module):
    """tokens (B, T) -> logits (B, T, V), float32. With targets (B, T): the mean loss in nats."""

    def __init__(self, c: Config):
        super().__init__()
        self.c = c
        self.embed = nn.Embedding(c.vocab_size, c.width)
        # sparse: a step touches a few thousand of the rows, and writing only these is what makes large tables cheap
        self.bigram = nn.Embedding(c.bigram_rows, c.width, sparse=True) if c.bigram_rows else None
        self.trigram = (
            nn.Embedding(c.trigram_rows, c.width, sparse=True) if c.trigram_rows else None
        )
        self.blocks = nn.ModuleList(Block(c, i) for i in range(c.depth))
        self.head = nn.Linear(c.width, c.vocab_size, bias=False)
        angles = torch.outer(
            torch.arange(c.seq_len).float(),
            c.rotary_base ** -(torch.arange(0, c.head_dim, 2) / c.head_dim),
        )
        if (
            c.key_shift
        ):  # half of the channels do not rotate: they match what a token is, wherever it stands
            angles[:, c.head_dim // 4 :] = 0
        self.register_buffer("cos", angles.cos()[:, None], persistent=False)
        self.register_buffer("sin", angles.sin()[:, None], persistent=False)
        self.start()

    @torch.no_grad()
    def start(self):
        """First weights: outputs of attention and MLP at zero, so that every layer begins as the identity."""
        nn.init.normal_(self.embed.weight)
        nn.init.normal_(self.head.weight, std=0.001)
        bound = self.c.matrix_start * math.sqrt(3 / self.c.width)
        for block in self.blocks:
            att = block.attention
            for matrix in (att.q, att.k, att.v, block.up):
                nn.init.uniform_(matrix.weight, -bound, bound)
            for matrix in (att.out, block.down):
                nn.init.zeros_(matrix.weight)
            if att.value is not None:
                nn.init.uniform_(att.value.weight, -bound, bound)
                nn.init.zeros_(att.gate.weight)
            if att.conv is not None:
                att.conv[0] = 1
        for table in self.tables():
            nn.init.zeros_(table.weight)

    def tables(self):
        return [t for t in (self.bigram, self.trigram) if t is not None]

    def lookup(self, idx):
        """The hashed rows of the last two and three tokens (B, T, C), or None. Outside `body`, which is compiled:
        sparse gradients do not go through the compiler, and a gather gains nothing from it."""
        hashed, rows = idx, []
        for back, table in enumerate((self.bigram, self.trigram), start=1):
            hashed = hashed * 1000003 ^ F.pad(idx, (back, 0))[:, : idx.size(1)] * 36313 + 7
            if table is not None:
                rows.append(table((hashed ^ hashed >> 17) % table.num_embeddings))
        return sum(rows) if rows else None

    def body(self, idx, rows=None, targets=None):
        T, c = idx.size(1), self.c
        x = self.embed(idx)
        x = x0 = norm(x if rows is None else x + rows)
        cos, sin = self.cos[:T].to(x.dtype), self.sin[:T].to(x.dtype)
        for block in self.blocks:
            x = block(x, x0, idx, cos, sin, self.attend)
        raw = self.head(norm(x))
        if targets is not None:
            return CappedLoss.apply(raw.view(-1, c.vocab_size), targets.reshape(-1), c.softcap)
        return soft_cap(raw.float(), c.softcap)

    def forward(self, idx, targets=None, body=None):
        """`body` may be a compiled one. What depends on the device is chosen here, where the compiler does not look."""
        self.attend = attention_backend(idx.device.type)[1]
        with autocast(idx.device.type):
            return (body or self.body)(idx, self.lookup(idx), targets)

    def flops_per_token(self):
        """Forward and backward: 6 for each weight of a matrix, 12 for each channel of each key a query looks at."""
        matrices = sum(m.weight.numel() for m in self.modules() if isinstance(m, nn.Linear))
        T = self.c.seq_len
        keys = sum(sum(min(i, w) + 1 for i in range(T)) / T for w in self.c.windows)
        return 6 * matrices + 12 * self.c.width * keys


def build_model(config: dict) -> GPT:
    """The model of a checkpoint's config, on the CPU; `prepare.py score` calls this and loads the weights."""
    return GPT(Config(**{**config, "windows": tuple(config["windows"])}))


# ---------------------------------------------------------------------------------------------------------------------
# Attention. One meaning everywhere: with window w a query sees itself and the w tokens before it, so w + 1 keys
# (FlashAttention's window (w, 0)). q, k, v and the result are (B, T, H, D).


def seen(T, window, device):
    """(T, T) bool: may query i look at key j?"""
    back = torch.arange(T, device=device)[:, None] - torch.arange(T, device=device)[None]
    return (back >= 0) & (back <= window)


def explicit_attention(q, k, v, window):
    """Plain products and a softmax, fused by the compiler: on a CPU at these sizes faster than SDPA."""
    T, D = q.size(1), q.size(3)
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))  # (B, H, T, D)
    if 0 < window < T and T % window == 0:
        return banded(q, k, v, window).transpose(1, 2)
    scores = (q @ k.mT).float() * D**-0.5
    scores = scores.masked_fill(~seen(T, window, q.device), float("-inf"))
    return (scores.softmax(-1).to(v.dtype) @ v).transpose(1, 2)


def banded(q, k, v, w):
    """Blocks of w queries against their own and the block before: exact, and 2w instead of T scores a query."""
    B, H, T, D = q.shape
    q, k, v = (x.reshape(B, H, T // w, w, D) for x in (q, k, v))
    k, v = (
        torch.cat((F.pad(x[:, :, :-1], (0, 0, 0, 0, 1, 0)), x), dim=3) for x in (k, v)
    )  # (B, H, T/w, 2w, D)
    i, j = torch.arange(w, device=q.device)[:, None] + w, torch.arange(2 * w, device=q.device)[None]
    mask = (j <= i) & (j >= i - w)
    first = (
        torch.arange(T // w, device=q.device)[:, None, None] == 0
    )  # nothing stands before the first block
    scores = (q @ k.mT).float() * D**-0.5
    scores = scores.masked_fill(~(mask & ~(first & (j < w))), float("-inf"))
    return (scores.softmax(-1).to(v.dtype) @ v).reshape(B, H, T, D)


def sdpa_attention(q, k, v, window):
    T = q.size(1)
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    mask = None if window >= T else seen(T, window, q.device)
    return F.scaled_dot_product_attention(
        q, k, v, attn_mask=mask, is_causal=mask is None
    ).transpose(1, 2)


FLEX_MASKS = {}  # (T, window) -> block mask, made before compilation


def flex_attention(q, k, v, window):
    """For compiled code on GPUs without FlashAttention 3: skips the blocks outside the window. Uncompiled (in evaluation) it
    would build every score, so that SDPA takes its place."""
    mask = FLEX_MASKS.get((q.size(1), window)) if torch.compiler.is_compiling() else None
    return sdpa_attention(q, k, v, window) if mask is None else flex_masked(q, k, v, mask)


def flex_masked(q, k, v, mask):
    from torch.nn.attention.flex_attention import flex_attention as flex

    return flex(*(x.transpose(1, 2) for x in (q, k, v)), block_mask=mask).transpose(1, 2)


def make_flex_mask(T, window, device):
    from torch.nn.attention.flex_attention import create_block_mask

    return create_block_mask(
        lambda b, h, i, j: (i >= j) & (i - j <= window), None, None, T, T, device=device
    )


@functools.cache
def flash3():
    """FlashAttention 3, or the reason why not. Only on Hopper, only from the local cache of the Hugging Face hub, only
    the one revision: nothing is ever fetched at start. To have it:
    `pip install kernels && hf download kernels-community/flash-attn3 --revision <FLASH_REVISION>`"""
    if torch.version.hip or torch.cuda.get_device_capability()[0] != 9:
        return None, "not a Hopper GPU"
    try:
        from huggingface_hub import snapshot_download
        from kernels import get_local_kernel

        path = snapshot_download(
            "kernels-community/flash-attn3", revision=FLASH_REVISION, local_files_only=True
        )
        return get_local_kernel(Path(path), "flash_attn3").flash_attn_func, ""
    except (ImportError, OSError, ValueError, RuntimeError) as why:
        return None, f"{type(why).__name__}; see flash3() in train.py"


def flash_window(window, T):
    return (window, 0) if window < T else (-1, -1)


def flash_attention(q, k, v, window):
    out = flash3()[0](q, k, v, causal=True, window_size=flash_window(window, q.size(1)))
    return out[0] if isinstance(out, tuple) else out


@functools.cache
def attention_backend(device_type):
    """(name, function), chosen once for a device type."""
    if device_type == "cuda" and flash3()[0] is not None:
        return "FlashAttention 3", flash_attention
    if device_type == "cuda":
        return (
            f"FlexAttention when compiled, SDPA otherwise (FlashAttention 3: {flash3()[1]})",
            flex_attention,
        )
    if device_type == "cpu":
        return "explicit", explicit_attention
    return "SDPA", sdpa_attention


@functools.cache
def low_precision(device_type):
    """bf16 where the device computes in it, else float32 (Turing GPUs and older, CPUs without bf16 products)."""
    if device_type == "cuda":
        return torch.cuda.get_device_capability()[0] >= 8 or bool(torch.version.hip)
    if device_type == "cpu":
        able = getattr(torch.cpu, "get_capabilities", dict)()
        return any(
            able.get(feature, False) for feature in ("avx512_bf16", "amx_bf16", "bf16", "arm_bf16")
        )
    return device_type == "mps"


def autocast(device_type):
    return (
        torch.autocast(device_type, torch.bfloat16)
        if low_precision(device_type)
        else contextlib.nullcontext()
    )


# ---------------------------------------------------------------------------------------------------------------------
# The optimiser


def polar(g):
    """The nearest semi-orthogonal matrix to each of g (n, r, c): U V^T of U S V^T, by five steps in bf16."""
    x = g.bfloat16()
    if g.size(-2) > g.size(-1):
        x = x.mT
    x = x / (x.float().norm(dim=(-2, -1), keepdim=True) * 1.01 + 1e-7).to(x.dtype)
    for a, b, c in POLAR:
        s = x @ x.mT
        x = a * x + (b * s + c * (s @ s)) @ x
    return x.mT if g.size(-2) > g.size(-1) else x


def muon_update(w, g, momentum, second, h_momentum, h_rate, h_decay):
    """One step for all matrices of one shape, w and g (n, r, c) in place. The h_* are 0-d tensors, so that a new value is
    no reason to compile again.

    Nesterov momentum; orthogonalised; each row (or column, along the longer side) divided by its own running size and the
    whole scaled back to the norm it had (NorMuon); decay only where update and weight agree in sign (cautious).
    """
    momentum.mul_(h_momentum).add_(g * (1 - h_momentum))
    u = polar(g * (1 - h_momentum) + momentum * h_momentum).float()
    across = -1 if w.size(-2) >= w.size(-1) else -2
    second.mul_(MATRIX_BETA2).add_(u.square().mean(across, keepdim=True), alpha=1 - MATRIX_BETA2)
    before = u.norm(dim=(-2, -1), keepdim=True)
    u = u * (second + 1e-10).rsqrt()
    u = u * (before / (u.norm(dim=(-2, -1), keepdim=True) + 1e-10))
    rate = h_rate * max(1, w.size(-2) / w.size(-1)) ** 0.5
    w.sub_(rate * (u + h_decay * w * (u * w >= 0)))


def adam_update(w, g, m, v, h_step, h_rate, h_beta1, h_decay):
    """AdamW. The state is float32 also for weights in bf16: mixing the two fails in eager mode."""
    g = g.float()
    m.mul_(h_beta1).add_(g * (1 - h_beta1))
    v.mul_(ADAM_BETA2).addcmul_(g, g, value=1 - ADAM_BETA2)
    size = (v / (1 - ADAM_BETA2**h_step)).sqrt() + 1e-10
    w.sub_((h_rate * (m / (1 - h_beta1**h_step) / size + h_decay * w.float())).to(w.dtype))


def table_update(w, g, size, rate):
    """Adagrad with one size a row (rows, 1), on the rows that this step touched: a row's first visit moves it by the whole
    rate, later ones by less, as its count settles."""
    g = g.coalesce()
    rows, g = g.indices()[0], g.values().float()
    now = size[rows] + g.square().mean(-1, keepdim=True)
    size[rows] = now
    w.index_add_(0, rows, (-rate * g * (now + 1e-20).rsqrt()).to(w.dtype))


@dataclass(frozen=True)
class Rates:
    """What the schedules say at one moment; all by progress (0 to 1), so that slow machines get all of them too."""

    factor: float  # of every rate
    momentum: float  # of Muon
    decay: float  # factor of Muon's decay


def schedule(progress, s):
    p = min(max(progress, 0.0), 1.0)
    left = min(1.0, (1 - p) / s["FALL"]) if s["FALL"] > 0 else 1.0
    ramp = min(1.0, p / s["MOMENTUM_RAMP"]) if s["MOMENTUM_RAMP"] > 0 else 1.0
    return Rates(
        factor=left + (1 - left) * s["FINAL_RATE"],
        momentum=MATRIX_MOMENTUM_START + ramp * (MATRIX_MOMENTUM - MATRIX_MOMENTUM_START),
        decay=1 - p,
    )


class Optimizer:
    """Muon for the matrices, AdamW for the rest, Adagrad for the hashed tables."""

    def __init__(self, model, s, wrap=lambda f: f):
        self.s, self.updates = s, 0
        self.muon, self.adam = wrap(muon_update), wrap(adam_update)
        shrink = (model.c.width / 768) ** -0.5
        blocks = model.blocks
        values = [b.attention.value.weight for b in blocks if b.attention.value is not None]
        matrices = [m.weight for m in blocks.modules() if isinstance(m, nn.Linear)]
        convs = [b.attention.conv for b in blocks if b.attention.conv is not None]
        zeros = torch.zeros_like
        self.adams = [  # weight, rate, beta1, decay, m, v
            (w, rate, beta1, decay, zeros(w, dtype=torch.float32), zeros(w, dtype=torch.float32))
            for ws, rate, beta1, decay in (
                ([model.head.weight], s["HEAD_LR"] * shrink, ADAM_BETA1, s["HEAD_DECAY"]),
                ([model.embed.weight], s["EMBED_LR"] * shrink, ADAM_BETA1, s["EMBED_DECAY"]),
                (values, s["EMBED_LR"] * shrink, ADAM_BETA1, s["VALUE_DECAY"]),
                ([b.a for b in blocks], s["SCALAR_LR"] * A_RATE, ADAM_BETA1, 0.0),
                ([b.b for b in blocks], s["SCALAR_LR"], B_BETA1, 0.0),
                (convs, s["SCALAR_LR"], ADAM_BETA1, 0.0),
            )
            for w in ws
        ]
        self.tables = [
            (t.weight, s["TABLE_LR"] * shrink, zeros(t.weight[:, :1], dtype=torch.float32))
            for t in model.tables()
        ]
        self.groups = []
        for shape in sorted({tuple(w.shape) for w in matrices}):
            ws = [w for w in matrices if tuple(w.shape) == shape]
            second = (shape[0], 1) if shape[0] >= shape[1] else (1, shape[1])
            self.groups.append(
                (ws, ws[0].new_zeros(len(ws), *shape), ws[0].new_zeros(len(ws), *second))
            )

    def state(self):
        return [t for *_, m, v in self.adams for t in (m, v)] + [v for *_, v in self.tables] + [
            t for _, m, v in self.groups for t in (m, v)
        ]  # fmt: skip

    @torch.no_grad()
    def reset(self):
        self.updates = 0
        for t in self.state():
            t.zero_()

    @torch.no_grad()
    def step(self, progress):
        """Apply and drop the gradients."""
        self.updates += 1
        now = schedule(progress, self.s)
        t = torch.tensor
        for w, rate, beta1, decay, m, v in self.adams:
            self.adam(
                w, w.grad, m, v, t(float(self.updates)), t(rate * now.factor), t(beta1), t(decay)
            )
            w.grad = None
        for w, rate, v in self.tables:
            table_update(w, w.grad, v, rate * now.factor)
            w.grad = None
        for ws, momentum, second in self.groups:
            stack = torch.stack(ws)
            grads = torch.stack([w.grad for w in ws])
            hypers = (
                t(now.momentum),
                t(self.s["MATRIX_LR"] * now.factor),
                t(self.s["MATRIX_DECAY"] * now.decay),
            )
            self.muon(stack, grads, momentum, second, *hypers)
            torch._foreach_copy_(ws, list(stack.unbind(0)))
            for w in ws:
                w.grad = None


# ---------------------------------------------------------------------------------------------------------------------
# The device

# dense bf16 TFLOP/s by the makers' data sheets; a device that is not here has an MFU of nan, never a guessed one
PEAK_TFLOPS = {
    "H200": 989.5, "H100 PCIe": 756.5, "H100": 989.5, "B200": 2250.0, "A100": 312.0, "L40S": 362.0, "L4": 121.0,
    "A10G": 70.0, "A10": 125.0, "RTX 4090": 165.2, "RTX 3090": 71.0, "MI300X": 1307.4,
}  # fmt: skip


def device_name(device):
    if device.type == "cuda":
        return torch.cuda.get_device_name()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists() and (
        found := re.search(r"^model name\s*:\s*(.+)$", cpuinfo.read_text("utf-8"), re.M)
    ):
        return found[1]
    return platform.processor() or platform.machine()


def peak_flops(device):
    name = device_name(device)
    return next((tflops * 1e12 for key, tflops in PEAK_TFLOPS.items() if key in name), math.nan)


def peak_memory_mb(device):
    """Of the device where it says so, of the process elsewhere (MiB)."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    if device.type == "mps":
        return torch.mps.driver_allocated_memory() / 2**20
    if sys.platform == "win32":
        import psutil

        return psutil.Process().memory_info().peak_wset / 2**20
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
        2**20 if sys.platform == "darwin" else 2**10
    )


def keep_freed_memory():
    """glibc gives every freed block over 32 MB back to the system and asks for it again: on a CPU a third of the step was
    page faults. Keep what was freed instead. A no-op on other systems."""
    if sys.platform != "linux" or platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    for option, value in (
        (-8, 1),
        (-4, 0),
        (-1, 2**31 - 1),
        (-2, 2**28),
    ):  # ARENA_MAX, MMAP_MAX, TRIM_THRESHOLD, TOP_PAD
        libc.mallopt(option, value)


def keep_compiled():
    """Where compiled kernels stay between runs: the first run of a shape compiles for a minute, later ones read them."""
    folder = prepare.cache_root() / "compiled"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK)
    except OSError:
        writable = False
    os.environ.setdefault(
        "TORCHINDUCTOR_CACHE_DIR", str(folder if writable else prepare.run_dir() / "compiled")
    )


def choose_scale(device, track):
    if SCALE != "auto":
        return SCALE
    if device.type == "cpu":
        return "cpu"
    large = device.type == "cuda" and torch.cuda.get_device_properties(0).total_memory > 30e9
    return "climbmix" if large and track.seq_len >= 1024 else "tinystories"


# ---------------------------------------------------------------------------------------------------------------------
# Getting ready: on dummy batches, free of charge


def plan_batch(total_tokens, rows, seq_len):
    """(rows at once, micro-batches a step): the total stays, whatever fits at once, and nothing has to divide anything."""
    total_rows = max(1, round(total_tokens / seq_len))
    rows = max(1, min(rows, total_rows))
    while total_rows % rows:
        rows -= 1
    return rows, total_rows // rows


def out_of_memory(error):
    return (
        isinstance(error, torch.OutOfMemoryError)
        or "can't allocate memory" in str(error)
        or "out of memory" in str(error)
    )


def cannot_compile(error):
    """Torch's compiler failed, or a tool it needs is missing (no gcc, no Triton)."""
    from torch._inductor.exc import CppCompileError, InvalidCxxCompiler

    return isinstance(
        error, (torch._dynamo.exc.TorchDynamoException, CppCompileError, InvalidCxxCompiler)
    )


def settle(attempt, rows, compiling):
    """Call `attempt(rows, compiling)` until it works: smaller when memory runs out, uncompiled when the compiler fails."""
    while True:
        try:
            return attempt(rows, compiling)
        except RuntimeError as error:
            if out_of_memory(error) and rows > 1:
                print(
                    f"{rows} rows do not fit into memory; trying {rows // 2}, with the same total batch",
                    flush=True,
                )
                rows //= 2
            elif cannot_compile(error) and compiling:
                reason = str(error).strip().splitlines()[0][:200]
                print(
                    f"torch.compile does not work here, running without it, which is slower ({reason})",
                    flush=True,
                )
                compiling = 0
            else:
                raise
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


@dataclass
class Trainer:
    """What the loop needs: a model, its optimiser, a loader and how many of its batches make one step."""

    model: GPT
    optimizer: Optimizer
    loader: object
    micro_batches: int
    loss: object  # (idx, targets) -> mean loss of one micro-batch

    def micro_step(self, x, y):
        """Gradients of one micro-batch, weighted so that a step's add up to the mean; its loss, still on the device."""
        loss = self.loss(x, y)
        (loss / self.micro_batches).backward()
        return loss.detach()


def get_ready(track, tokenizer, s, device, rows, compiling):
    """Build everything and warm it up."""
    torch.manual_seed(prepare.harness_seed())
    rows, micro_batches = plan_batch(s["TOTAL_BATCH"], rows, track.seq_len)
    model = GPT(make_config(s, tokenizer.vocab_size, track.seq_len)).to(device)
    if device.type == "cuda":  # a lookup reads memory and nothing else
        for m in model.modules():
            if isinstance(m, nn.Embedding):
                m.bfloat16()
    wrap = functools.partial(torch.compile, dynamic=False) if compiling else lambda f: f
    body = wrap(model.body)
    # on a CPU the optimiser's few small products gain little, and each of its shapes would be one more C++ compilation
    optimizer = Optimizer(model, s, wrap if device.type != "cpu" or compiling == 2 else lambda f: f)
    loader = prepare.make_dataloader(tokenizer, rows, split="train", device=device)
    trainer = Trainer(model, optimizer, loader, micro_batches, lambda x, y: model(x, y, body))
    for window in set(model.c.windows):  # before the compiler looks
        if device.type == "cuda" and flash3()[0] is None:
            FLEX_MASKS[track.seq_len, window] = make_flex_mask(track.seq_len, window, device)
    warm_up(trainer, loader.dummy)
    return trainer


def warm_up(trainer, dummy):
    """Two whole steps on dummy batches, then every weight and state back to where it was: compilation and the first
    allocations cost no budget, and nothing is learned from them."""
    weights = list(trainer.model.parameters())
    before = [w.detach().clone() for w in weights]
    for _ in range(2):
        for _ in range(min(trainer.micro_batches, 2)):
            trainer.micro_step(*dummy())
        trainer.optimizer.step(0.0)
    with torch.no_grad():
        for w, old in zip(weights, before, strict=True):
            w.copy_(old)
    trainer.optimizer.reset()


# ---------------------------------------------------------------------------------------------------------------------
# The run


class Progress:
    """One line that renews itself on a terminal, a plain line now and then elsewhere; and curve.jsonl."""

    def __init__(self, trainer, device, directory):
        self.trainer, self.device = trainer, device
        self.live = sys.stdout.isatty()
        self.curve = open(directory / "curve.jsonl", "w", encoding="utf-8")
        self.smooth, self.curve_at, self.line_at = None, 0.0, 0.0
        self.since = []  # losses of the steps since the last point

    def update(self, step, loss):
        loader = self.trainer.loader
        self.smooth = loss if self.smooth is None else 0.9 * self.smooth + 0.1 * loss
        self.since.append(loss)
        if loader.progress >= self.curve_at:
            self.curve_at = loader.progress + 0.02
            # the mean since the last point: one step's loss is luck of its batch, and runs are compared by this
            mean = sum(self.since) / len(self.since)
            point = {"progress": round(loader.progress, 4), "step": step, "loss": round(mean, 6)}
            point |= {"tokens": loader.tokens, "elapsed_s": round(loader.elapsed_s, 3)}
            print(json.dumps(point), file=self.curve, flush=True)
            self.since.clear()
        if self.live or loader.progress >= self.line_at:
            self.line_at = loader.progress + 0.1
            print(
                "\r" if self.live else "",
                self.line(step),
                end="" if self.live else "\n",
                flush=True,
                sep="",
            )

    def line(self, step):
        loader = self.trainer.loader
        speed = loader.tokens / max(loader.elapsed_s, 1e-9)
        return (
            f"{100 * loader.progress:5.1f}% | step {step} | loss {self.smooth:.4f} | {speed:,.0f} tok/s | "
            f"MFU {mfu_percent(self.trainer, self.device):.1f}% | {loader.remaining_s:.0f} s left   "
        )

    def close(self):
        self.curve.close()
        if self.live:
            print()


def mfu_percent(trainer, device):
    speed = trainer.loader.tokens / max(trainer.loader.elapsed_s, 1e-9)
    return 100 * trainer.model.flops_per_token() * speed / peak_flops(device)


def train(trainer, device, directory):
    """Until the loader's clock runs out; returns the number of steps. Exits with 1 when the loss is lost."""
    progress = Progress(trainer, device, directory)
    total, worst, micro, step = 0.0, torch.zeros((), device=device), 0, 0
    try:
        for x, y in trainer.loader:
            loss = trainer.micro_step(x, y)
            total, worst = total + loss, torch.maximum(worst, loss)  # both keep a NaN
            micro += 1
            if (
                device.type == "cpu" or micro % trainer.micro_batches == 0
            ):  # reading it makes a GPU wait
                stop_if_lost(worst, step)
            if micro % trainer.micro_batches:
                continue
            trainer.optimizer.step(trainer.loader.progress)
            step += 1
            progress.update(step, total.item() / trainer.micro_batches)
            total = 0.0
            if (
                step == 1
            ):  # collections stop the loop for tens of milliseconds, and nothing here needs them
                gc.collect()
                gc.freeze()
                gc.disable()
        stop_if_lost(worst, step)
    finally:
        progress.close()
    if not step:
        sys.exit("FAIL: the budget was over before the first step; lower TOTAL_BATCH")
    return step


def stop_if_lost(worst, step):
    """`worst` is the largest loss of any micro-batch so far: one whose mean looks fine counts too."""
    if not worst.item() <= 100:
        sys.exit(
            f"FAIL: the loss of step {step + 1} is {worst.item():.1f}: the run diverged; try lower rates"
        )


def main():
    started = time.monotonic()
    track = prepare.load_track()
    tokenizer = prepare.Tokenizer.load(track)
    device = prepare.find_device()
    keep_compiled()
    torch.set_float32_matmul_precision(
        "medium"
    )  # CPUs: two to four times faster at full accuracy; GPUs: TF32
    if device.type == "cpu":
        keep_freed_memory()
    scale = choose_scale(device, track)
    s = SCALES["climbmix"] | SCALES[scale]
    print(
        f"scale: {scale}\ndevice: {device.type} ({device_name(device)}), torch {torch.__version__}"
    )
    print(
        f"attention: {attention_backend(device.type)[0]}; {'bf16' if low_precision(device.type) else 'float32'} products"
    )
    ready = functools.partial(get_ready, track, tokenizer, s, device)
    trainer = settle(ready, s["MICRO_ROWS"], COMPILE)
    model = trainer.model
    print(
        f"batch: {s['TOTAL_BATCH']} tokens in {trainer.micro_batches} micro-batches; ready after {time.monotonic() - started:.1f} s",
        flush=True,
    )
    steps = train(trainer, device, prepare.run_dir())
    loader = trainer.loader
    prepare.save_checkpoint(model, asdict(model.c), prepare.run_dir() / "checkpoint.safetensors")
    try:
        val_bpb = prepare.evaluate_bpb(model, tokenizer, EVAL_ROWS)
    except prepare.PrepareError as error:
        sys.exit(f"FAIL: {error}")
    print(f"anchor: {prepare.anchor_line(track)}")
    prepare.print_summary(
        val_bpb=val_bpb,
        training_seconds=loader.elapsed_s,
        total_seconds=time.monotonic() - started,
        peak_vram_mb=peak_memory_mb(device),
        mfu_percent=mfu_percent(trainer, device),
        total_tokens_M=loader.tokens / 1e6,
        num_steps=steps,
        num_params_M=sum(p.numel() for p in model.parameters()) / 1e6,
        depth=model.c.depth,
    )


if __name__ == "__main__":
    main()
