"""
The experiment: a small GPT, its optimiser and its training loop. The one file that agents edit.

    python prepare.py        # once: data and tokenizer of the track
    python train.py          # one experiment: trains for the track's budget, then prints val_bpb

prepare.py owns what makes two results comparable: the data, the clock and the metric. Everything
else is here and may change: architecture, optimiser, schedules, sizes, batch. DEPTH is the main
dial. fixed/device.py adapts to the machine (attention, precision, memory).

    tokens -> embedding (+ hashed bigram and trigram rows) -> norm = x0
    per layer: x = a*x + b*x0;  x += attention(norm(conv(x)));  x += mlp(norm(x))
        (VALUE_BIGRAM_ROWS: hashed rows in the attention's values too, a table for each layer)
    -> norm -> untied head -> logits, soft-capped
"""

import functools
import math
import sys
import time
from dataclasses import asdict, dataclass

import torch
import torch.nn as nn
import torch.nn.functional as F

import prepare
from fixed.device import (
    attention_backend,
    autocast,
    make_masks,
    peak_memory_mb,
    run_with_fallbacks,
    set_up,
    stop_collecting_garbage,
)
from fixed.progress import Progress

# --------------------------------------------------------------------------------------------------
# Constants for a CPU: steps completed decide, so everything here is cheap. Each comment ends with a
# range that makes sense. Adam's and the tables' rates hold at width 768: times (width/768)^-0.5.

DEPTH = 1  # layers, 1 to 4
ASPECT = 128  # width = depth * aspect, rounded up to whole heads, 64 to 256
HEAD_DIM = 64  # channels a head, one of 32, 64, 128
ROTARY_BASE = 10000  # 1000 to 1000000
KEY_SHIFT = 1  # a query finds what followed its own token earlier: one layer copies, one of 0, 1
CONV_TAPS = 3  # causal depthwise convolution before attention, 0 = none, 0 to 4
SMEAR = 0  # each embedding gets a learned share of the one before, one of 0, 1
BIGRAM_ROWS = 32768  # hashed input tables, 0 = none, 0 to 262144
TRIGRAM_ROWS = 65536  # 0 to 262144
VALUE_EMBEDS = 0  # every second layer mixes its own token table into V, one of 0, 1
B_START = 0.1  # how much of x0 enters every layer at first, 0.0 to 0.5
MATRIX_START = 1.0  # first matrices: uniform within this * sqrt(3 / width), 0.1 to 2.0
SOFTCAP = 15.0  # logits stay within plus and minus this, 5 to 50

TOTAL_BATCH = 4096  # tokens an optimiser step, powers of two, 1024 to 16384
MICRO_ROWS = 16  # rows on the device at once; halved by itself when memory runs out, 4 to 16
MATRIX_LR = 0.04  # Muon, 0.005 to 0.2
EMBED_LR = 0.3  # 0.05 to 1.0
HEAD_LR = 0.01  # 0.001 to 0.05
TABLE_LR = 0.3  # hashed tables and value embeddings, 0.005 to 0.5
SCALAR_LR = 0.02  # convolution, a and b, 0.002 to 0.5
A_RATE = 0.01  # rate of the residual scalars a, as a fraction of SCALAR_LR, 0.001 to 1
MATRIX_DECAY = 0.0  # cautious, falls to zero over the run, 0.0 to 0.5
HEAD_DECAY = 0.0  # 0.0 to 0.1
EMBED_DECAY = 0.0  # 0.0 to 0.1
MATRIX_MOMENTUM_START = 0.85  # Muon's momentum at progress 0, 0.5 to 0.95
MATRIX_MOMENTUM = 0.95  # and from progress MOMENTUM_RAMP on, 0.8 to 0.98
MOMENTUM_RAMP = 0.3  # 0.0 to 1.0
MATRIX_BETA2 = 0.95  # second moment of Muon's rows or columns, 0.8 to 0.999
ADAM_BETA1 = 0.8  # 0.5 to 0.95
ADAM_BETA2 = 0.95  # 0.9 to 0.999
B_BETA1 = 0.96  # the input-skip scalars b: slower and steadier than the rest, 0.8 to 0.99
FALL = 0.6  # last part of the budget, in which the rates fall, 0.0 to 1.0
FINAL_RATE = 0.02  # fraction of the rates left at the end, 0.0 to 0.5
COMPILE = 1  # 0 nothing, 1 the model, 2 the optimiser too, one of 0, 1, 2; falls back by itself

# --------------------------------------------------------------------------------------------------
# The model


@dataclass(frozen=True)
class Config:
    """All that is needed to build the model again; travels in the checkpoint."""

    vocab_size: int
    seq_len: int
    depth: int = DEPTH
    width: int = max(1, math.ceil(DEPTH * ASPECT / HEAD_DIM)) * HEAD_DIM
    head_dim: int = HEAD_DIM
    pattern: str = "L"  # windows of the layers in turn, S short, L full; the last is always full
    short_window: int = 256  # tokens that a short window looks back beside its own
    rotary_base: float = ROTARY_BASE
    key_shift: int = KEY_SHIFT
    conv_taps: int = CONV_TAPS
    smear: int = SMEAR
    bigram_rows: int = BIGRAM_ROWS
    trigram_rows: int = TRIGRAM_ROWS
    value_embeds: int = VALUE_EMBEDS
    value_bigram_rows: int = 0  # hashed tables mixed into V, in the layers of value embeddings
    value_trigram_rows: int = 0
    b_start: float = B_START
    matrix_start: float = MATRIX_START
    softcap: float = SOFTCAP

    @property
    def windows(self):
        """Per layer: how many tokens it looks back beside its own; seq_len = all."""
        pattern, short = self.pattern.upper() or "L", min(self.short_window, self.seq_len)
        letters = [pattern[i % len(pattern)] for i in range(self.depth - 1)] + ["L"]
        return tuple(self.seq_len if letter == "L" else short for letter in letters)


def norm(x):
    return F.rms_norm(x, (x.size(-1),))  # no weights: the next matrix can learn them


def rotate(x, cos, sin):
    """Rotary embedding, the first half of the channels against the second. x (B, T, H, D)."""
    a, b = x.chunk(2, dim=-1)  # cos and sin (T, 1, D/2)
    return torch.cat((a * cos + b * sin, b * cos - a * sin), dim=-1)


def soft_cap(raw, cap):
    """cap * tanh(raw / cap), by one exponential: on a CPU in half the time."""
    return cap - 2 * cap / ((2 / cap * raw).exp() + 1)


class CappedLoss(torch.autograd.Function):
    """Mean cross entropy (nats) of soft-capped logits, from the raw ones (N, V).

    Written by hand because the logits are the largest tensor of the step: the raw ones are kept in
    bf16, the rest is computed twice, and no maximum is needed since |logit| <= cap."""

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
        slope = (1 - (z / ctx.cap) ** 2) * (grad / raw.size(0))
        return ((p - hit.float()) * slope).to(raw.dtype), None, None


class Ngrams(nn.Module):
    """Hashed tables of the last two and three tokens: the sum of their rows (B, T, width), or None.

    Sparse: a step writes only the few thousand rows it touches, which makes tables cheap. Another
    `salt` lets other n-grams share a row."""

    def __init__(self, bigram_rows, trigram_rows, width, salt=0):
        super().__init__()
        self.salt = salt
        self.bigram, self.trigram = (
            nn.Embedding(rows, width, sparse=True) if rows else None
            for rows in (bigram_rows, trigram_rows)
        )

    def forward(self, idx):
        hashed, rows = idx ^ self.salt, []
        for back, table in enumerate((self.bigram, self.trigram), start=1):
            hashed = hashed * 1000003 ^ F.pad(idx, (back, 0))[:, : idx.size(1)] * 36313 + 7
            if table is not None:
                rows.append(table((hashed ^ hashed >> 17) % table.num_embeddings))
        return sum(rows) if rows else None


class Attention(nn.Module):
    def __init__(self, c: Config, layer: int):
        super().__init__()
        self.c, self.window = c, c.windows[layer]
        matrices = (nn.Linear(c.width, c.width, bias=False) for _ in range(4))
        self.q, self.k, self.v, self.out = matrices
        self.conv = nn.Parameter(torch.zeros(c.conv_taps, c.width)) if c.conv_taps else None
        # every second layer, counted so that the last one has them
        has = layer % 2 == (c.depth - 1) % 2
        salt = 0x9E3779B1 * (layer + 1)
        self.value = nn.Embedding(c.vocab_size, c.width) if has and c.value_embeds else None
        self.ngrams = Ngrams(has * c.value_bigram_rows, has * c.value_trigram_rows, c.width, salt)
        sources = (self.value is not None) + any(True for _ in self.ngrams.parameters())
        gates = sources * (c.width // c.head_dim)
        self.gate = nn.Linear(min(32, c.width), gates, bias=False) if gates else None

    def forward(self, x, idx, rows, cos, sin, attend):
        B, T, C = x.shape
        H, D = C // self.c.head_dim, self.c.head_dim
        if self.conv is not None:
            x = self.convolve(x)
        q, k, v = (f(x).view(B, T, H, D) for f in (self.q, self.k, self.v))
        if self.gate is not None:
            gates = 2 * torch.sigmoid(self.gate(x[..., : self.gate.in_features]))  # 1 at first
            found = [self.value(idx)] if self.value is not None else []
            found += [rows] if rows is not None else []
            for gate, each in zip(gates.split(H, dim=-1), found, strict=True):
                v = v + gate[..., None] * each.view(B, T, H, D)
        if self.c.key_shift:
            still = torch.arange(D, device=x.device) % (D // 2) >= D // 4
            k = torch.where(still, F.pad(k, (0, 0, 0, 0, 1, 0))[:, :-1], k)
        q, k = norm(rotate(q, cos, sin)).to(v.dtype), norm(rotate(k, cos, sin)).to(v.dtype)
        return self.out(attend(q, k, v, self.window).reshape(B, T, C))

    def convolve(self, x):
        """Causal and depthwise: tap i sees i tokens back. Starts as the identity."""
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

    def forward(self, x, x0, idx, rows, cos, sin, attend):
        x = self.a.to(x.dtype) * x + self.b.to(x.dtype) * x0
        x = x + self.attention(norm(x), idx, rows, cos, sin, attend)
        return x + self.down(F.relu(self.up(norm(x))).square())


class GPT(nn.Module):
    """tokens (B, T) -> logits (B, T, V), float32. With targets (B, T): the mean loss in nats."""

    def __init__(self, c: Config):
        super().__init__()
        self.c = c
        self.embed = nn.Embedding(c.vocab_size, c.width)
        self.ngrams = Ngrams(c.bigram_rows, c.trigram_rows, c.width)
        self.smear = nn.Parameter(torch.zeros(c.width)) if c.smear else None
        self.blocks = nn.ModuleList(Block(c, i) for i in range(c.depth))
        self.head = nn.Linear(c.width, c.vocab_size, bias=False)
        speeds = c.rotary_base ** -(torch.arange(0, c.head_dim, 2) / c.head_dim)
        angles = torch.outer(torch.arange(c.seq_len).float(), speeds)
        if c.key_shift:  # half of the channels match what a token is, wherever it stands
            angles[:, c.head_dim // 4 :] = 0
        self.register_buffer("cos", angles.cos()[:, None], persistent=False)
        self.register_buffer("sin", angles.sin()[:, None], persistent=False)
        self.start()

    @torch.no_grad()
    def start(self):
        """First weights: attention and MLP give zero, so every layer begins as the identity."""
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
            if att.gate is not None:
                nn.init.zeros_(att.gate.weight)
            if att.conv is not None:
                att.conv[0] = 1
        for table in self.tables():
            nn.init.zeros_(table.weight)

    def tables(self):
        return [m for m in self.modules() if isinstance(m, nn.Embedding) and m.sparse]

    def lookup(self, idx):
        """The hashed rows for the input and for each layer, None where there are none. Outside
        `body`, which is compiled: sparse gradients do not go through the compiler."""
        return [part(idx) for part in (self.ngrams, *(b.attention.ngrams for b in self.blocks))]

    def mix(self, x):
        """The embeddings x (B, T, C), with a share of the token before where SMEAR says so."""
        if self.smear is None:
            return x
        return norm(x + self.smear.to(x.dtype) * F.pad(x, (0, 0, 1, 0))[:, :-1])

    def body(self, idx, rows, targets=None):
        T, c = idx.size(1), self.c
        first, *rows = rows
        x = self.embed(idx)
        x = x0 = self.mix(norm(x if first is None else x + first))
        cos, sin = self.cos[:T].to(x.dtype), self.sin[:T].to(x.dtype)
        for block, more in zip(self.blocks, rows, strict=True):
            x = block(x, x0, idx, more, cos, sin, self.attend)
        raw = self.head(norm(x))
        if targets is not None:
            return CappedLoss.apply(raw.view(-1, c.vocab_size), targets.reshape(-1), c.softcap)
        return soft_cap(raw.float(), c.softcap)

    def forward(self, idx, targets=None, body=None):
        """`body` may be a compiled one. What depends on the device is chosen outside of it."""
        self.attend = attention_backend(idx.device.type)[1]
        with autocast(idx.device.type):
            return (body or self.body)(idx, self.lookup(idx), targets)

    def flops_per_token(self):
        """Forward and backward: 6 a weight of a matrix, 12 a channel of each key looked at."""
        matrices = sum(m.weight.numel() for m in self.modules() if isinstance(m, nn.Linear))
        T = self.c.seq_len
        keys = sum(sum(min(i, w) + 1 for i in range(T)) / T for w in self.c.windows)
        return 6 * matrices + 12 * self.c.width * keys


def build_model(config: dict) -> GPT:
    """The model of a checkpoint's config, on the CPU; `prepare.py score` then loads the weights."""
    return GPT(Config(**config))


# --------------------------------------------------------------------------------------------------
# The optimiser

# Polar Express (arXiv 2505.16932): the best odd quintic a*x + b*x^3 + c*x^5 for each of five steps,
# for singular values from 1e-3 to 1; shrunk by 1.01 so that rounding in bf16 throws no value out.
POLAR = [
    (8.28721201814563, -23.595886519098837, 17.300387312530933),
    (4.107059111542203, -2.9478499167379106, 0.5448431082926601),
    (3.9486908534822946, -2.908902115962949, 0.5518191394370137),
    (3.3184196573706015, -2.488488024314874, 0.51004894012372),
    (2.300652019954817, -1.6689039845747493, 0.4188073119525673),
]
POLAR = [(a / 1.01, b / 1.01**3, c / 1.01**5) for a, b, c in POLAR]


def polar(g):
    """The nearest semi-orthogonal matrix to each of g (n, r, c): U V^T of U S V^T, in bf16; of few
    rows (gates) in float32, since there rounding throws one in some thousand far away."""
    x = g.bfloat16() if min(g.shape[-2:]) >= 32 else g.float()
    if g.size(-2) > g.size(-1):
        x = x.mT
    x = x / (x.float().norm(dim=(-2, -1), keepdim=True) * 1.01 + 1e-7).to(x.dtype)
    for a, b, c in POLAR:
        s = x @ x.mT
        x = a * x + (b * s + c * (s @ s)) @ x
    return x.mT if g.size(-2) > g.size(-1) else x


def muon_update(w, g, momentum, second, h_momentum, h_rate, h_decay):
    """One step for all matrices of one shape, w and g (n, r, c) in place. The h_* are 0-d tensors,
    so that a new value is no reason to compile again.

    Nesterov momentum; orthogonalised; each row (or column, along the longer side) divided by its
    own running size and the whole scaled back to the norm it had (NorMuon); decay only where update
    and weight agree in sign (cautious)."""
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
    """Adagrad with one size a row (rows, 1), on the rows that this step touched: a row's first
    visit moves it by the whole rate, later ones by less, as its count settles."""
    g = g.coalesce()
    rows, g = g.indices()[0], g.values().float()
    now = size[rows] + g.square().mean(-1, keepdim=True)
    size[rows] = now
    w.index_add_(0, rows, (-rate * g * (now + 1e-20).rsqrt()).to(w.dtype))


@dataclass(frozen=True)
class Rates:
    """What the schedules say at one moment."""

    factor: float  # of every rate
    momentum: float  # of Muon
    decay: float  # factor of Muon's decay


def schedule(progress):
    """By progress (0 to 1) and not by steps, so that slow machines get the whole of it too."""
    p = min(max(progress, 0.0), 1.0)
    left = min(1.0, (1 - p) / FALL) if FALL > 0 else 1.0
    ramp = min(1.0, p / MOMENTUM_RAMP) if MOMENTUM_RAMP > 0 else 1.0
    return Rates(
        factor=left + (1 - left) * FINAL_RATE,
        momentum=MATRIX_MOMENTUM_START + ramp * (MATRIX_MOMENTUM - MATRIX_MOMENTUM_START),
        decay=1 - p,
    )


class Optimizer:
    """Muon for the matrices, AdamW for the rest, Adagrad for the hashed tables."""

    def __init__(self, model, wrap=lambda f: f):
        self.updates = 0
        self.muon, self.adam = wrap(muon_update), wrap(adam_update)
        shrink = (model.c.width / 768) ** -0.5
        blocks, head, embed = model.blocks, model.head.weight, model.embed.weight
        values = [b.attention.value.weight for b in blocks if b.attention.value is not None]
        convs = [b.attention.conv for b in blocks if b.attention.conv is not None]
        convs += [] if model.smear is None else [model.smear]
        groups = (
            ([head], HEAD_LR * shrink, ADAM_BETA1, HEAD_DECAY),
            ([embed], EMBED_LR * shrink, ADAM_BETA1, EMBED_DECAY),
            (values, TABLE_LR * shrink, ADAM_BETA1, 3 * EMBED_DECAY),
            ([b.a for b in blocks], SCALAR_LR * A_RATE, ADAM_BETA1, 0.0),
            ([b.b for b in blocks], SCALAR_LR, B_BETA1, 0.0),
            (convs, SCALAR_LR, ADAM_BETA1, 0.0),
        )
        self.adams = [  # weight, rate, beta1, decay, m, v
            (w, *hypers, *(torch.zeros_like(w, dtype=torch.float32) for _ in range(2)))
            for ws, *hypers in groups
            for w in ws
        ]
        self.tables = [  # weight, rate, sizes of the rows
            (t.weight, TABLE_LR * shrink, t.weight.new_zeros(len(t.weight), 1, dtype=torch.float32))
            for t in model.tables()
        ]
        self.muons = []  # matrices of one shape, momentum, second moments
        matrices = [m.weight for m in blocks.modules() if isinstance(m, nn.Linear)]
        for r, c in sorted({tuple(w.shape) for w in matrices}):
            ws = [w for w in matrices if tuple(w.shape) == (r, c)]
            sizes = (r, 1) if r >= c else (1, c)
            n = len(ws)
            self.muons.append((ws, ws[0].new_zeros(n, r, c), ws[0].new_zeros(n, *sizes)))

    def state(self):
        muons = [t for _, *state in self.muons for t in state]
        return [t for *_, m, v in self.adams for t in (m, v)] + [s for *_, s in self.tables] + muons

    @torch.no_grad()
    def reset(self):
        self.updates = 0
        for t in self.state():
            t.zero_()

    @torch.no_grad()
    def step(self, progress):
        """Apply and drop the gradients."""
        self.updates += 1
        now = schedule(progress)
        t = torch.tensor
        for w, rate, beta1, decay, m, v in self.adams:
            hypers = t(float(self.updates)), t(rate * now.factor), t(beta1), t(decay)
            self.adam(w, w.grad, m, v, *hypers)
            w.grad = None
        for w, rate, sizes in self.tables:
            table_update(w, w.grad, sizes, rate * now.factor)
            w.grad = None
        hypers = t(now.momentum), t(MATRIX_LR * now.factor), t(MATRIX_DECAY * now.decay)
        for ws, momentum, second in self.muons:
            stack = torch.stack(ws)
            self.muon(stack, torch.stack([w.grad for w in ws]), momentum, second, *hypers)
            torch._foreach_copy_(ws, list(stack.unbind(0)))
            for w in ws:
                w.grad = None


# --------------------------------------------------------------------------------------------------
# Getting ready: on dummy batches, free of charge


def plan_batch(total_tokens, rows, seq_len):
    """(rows at once, micro-batches a step): the total stays, whatever fits at once."""
    total_rows = max(1, round(total_tokens / seq_len))
    rows = max(1, min(rows, total_rows))
    while total_rows % rows:
        rows -= 1
    return rows, total_rows // rows


@dataclass
class Trainer:
    """What the loop needs: a model, its optimiser, a loader, how many of its batches are a step."""

    model: GPT
    optimizer: Optimizer
    loader: object
    micro_batches: int
    loss: object  # (idx, targets) -> mean loss of one micro-batch

    def micro_step(self, x, y):
        """Gradients of one micro-batch, weighted so that a step's add up to the mean; its loss."""
        loss = self.loss(x, y)
        (loss / self.micro_batches).backward()
        return loss.detach()  # still on the device


def get_ready(track, tokenizer, device, rows, compiling):
    """Build everything and warm it up."""
    torch.manual_seed(prepare.harness_seed())
    rows, micro_batches = plan_batch(TOTAL_BATCH, rows, track.seq_len)
    model = GPT(Config(tokenizer.vocab_size, track.seq_len)).to(device)
    if device.type == "cuda":  # a lookup reads memory and nothing else
        for m in model.modules():
            if isinstance(m, nn.Embedding):
                m.bfloat16()
    make_masks(track.seq_len, model.c.windows, device)
    wrap = functools.partial(torch.compile, dynamic=False) if compiling else lambda f: f
    body = wrap(model.body)
    # on a CPU the optimiser's small products gain little, and each shape would be compiled in C++
    optimizer = Optimizer(model, wrap if device.type != "cpu" or compiling == 2 else lambda f: f)
    loader = prepare.make_dataloader(tokenizer, rows, split="train", device=device)
    trainer = Trainer(model, optimizer, loader, micro_batches, lambda x, y: model(x, y, body))
    warm_up(trainer, loader.dummy)
    return trainer


def warm_up(trainer, dummy):
    """Two whole steps on dummy batches, then every weight and state back to where it was:
    compilation and the first allocations cost no budget, and nothing is learned from them."""
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


# --------------------------------------------------------------------------------------------------
# The run


def train(trainer, device, progress):
    """Until the loader's clock runs out; the number of steps. Exits with 1 on a lost loss."""
    total, worst, micro, step = 0.0, torch.zeros((), device=device), 0, 0
    for x, y in trainer.loader:
        loss = trainer.micro_step(x, y)
        total, worst = total + loss, torch.maximum(worst, loss)  # both keep a NaN
        micro += 1
        is_step = micro % trainer.micro_batches == 0
        if device.type == "cpu" or is_step:  # reading it makes a GPU wait
            stop_if_lost(worst, step)
        if not is_step:
            continue
        trainer.optimizer.step(trainer.loader.progress)
        step += 1
        progress.update(step, total.item() / trainer.micro_batches)
        total = 0.0
        if step == 1:
            stop_collecting_garbage()
    stop_if_lost(worst, step)
    if not step:
        sys.exit("FAIL: the budget was over before the first step; lower TOTAL_BATCH")
    return step


def stop_if_lost(worst, step):
    """`worst` is the largest loss of any micro-batch so far; a mean could hide it."""
    if not worst.item() <= 100:
        reason = f"the loss of step {step + 1} is {worst.item():.1f}: the run diverged"
        sys.exit(f"FAIL: {reason}; try lower rates")


def main():
    started = time.monotonic()
    track = prepare.load_track()
    tokenizer = prepare.Tokenizer.load(track)
    device = prepare.find_device()
    set_up(device, prepare.cache_root(), prepare.run_dir())
    ready = functools.partial(get_ready, track, tokenizer, device)
    trainer = run_with_fallbacks(ready, MICRO_ROWS, COMPILE)
    model, loader = trainer.model, trainer.loader
    batch = f"{TOTAL_BATCH} tokens in {trainer.micro_batches} micro-batches"
    print(f"batch: {batch}; ready after {time.monotonic() - started:.1f} s", flush=True)
    with Progress(loader, device, model.flops_per_token(), prepare.run_dir()) as progress:
        steps = train(trainer, device, progress)
    prepare.save_checkpoint(model, asdict(model.c), prepare.run_dir() / "checkpoint.safetensors")
    try:
        val_bpb = prepare.evaluate_bpb(model, tokenizer, 32)  # rows at once: no part of the score
    except prepare.PrepareError as error:
        sys.exit(f"FAIL: {error}")
    print(f"anchor: {prepare.anchor_line(track)}")
    prepare.print_summary(
        val_bpb=val_bpb,
        training_seconds=loader.elapsed_s,
        total_seconds=time.monotonic() - started,
        peak_vram_mb=peak_memory_mb(device),
        mfu_percent=progress.mfu_percent,
        total_tokens_M=loader.tokens / 1e6,
        num_steps=steps,
        num_params_M=sum(p.numel() for p in model.parameters()) / 1e6,
        depth=model.c.depth,
    )


if __name__ == "__main__":
    main()
