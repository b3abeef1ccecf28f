"""Honest edits of the lab's train.py, as people, agents and the search make them.

None may be refused; bench/honest.py runs them through the real runner and scorer. What an edit no
longer uses keeps a gradient of zero, since the optimiser expects one. Leaves to others: running.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from autoresearch.researcher.agents.constants import Constant, Value, find_constants, replace_values
from lab_module import source_of

# one step takes a moment on a busy machine
SMALL = {"COMPILE": 0, "ASPECT": 64, "TOTAL_BATCH": 1024, "BIGRAM_ROWS": 512, "TRIGRAM_ROWS": 512}
SQUARED, LOGITS = "F.relu(self.up(norm(x))).square()", "soft_cap(raw.float(), c.softcap)\n\n"
NORM = "return F.rms_norm(x, (x.size(-1),))  # no weights: the next matrix can learn them"
SCALE = "return cap - 2 * cap / ((2 / cap * raw).exp() + 1)"
CAST = "with autocast(idx.device.type):"
RESIDUAL = "x = x + self.attention(norm(x), idx, rows, cos, sin, attend)"
TAIL = "return x + self.down(F.relu(self.up(norm(x))).square())"
CACHED = 'self.register_buffer("cos", angles.cos()[:, None], persistent=False)'
ROTATED = "q, k = norm(rotate(q, cos, sin)).to(v.dtype), norm(rotate(k, cos, sin)).to(v.dtype)"
ACTIVATIONS = ("gelu", "silu", "elu", "softplus", "leaky_relu", "hardswish", "mish", "selu", "tanh")
# what a person or an agent changes: (old text, new text)
BY_HAND: dict[str, tuple[str, str]] = {
    **{name: (SQUARED, f"F.{name}(self.up(norm(x)))") for name in ACTIVATIONS},
    "relu without a square": (SQUARED, "F.relu(self.up(norm(x)))"),
    "gelu squared": (SQUARED, "F.gelu(self.up(norm(x))).square()"),
    "sine": (SQUARED, "self.up(norm(x)).sin()"),
    "gated by itself": (SQUARED, "(lambda h: h * torch.sigmoid(2 * h))(self.up(norm(x)))"),
    "dropout": (SQUARED, f"F.dropout({SQUARED}, 0.1, self.training)"),
    "layer norm": (NORM, "return F.layer_norm(x, (x.size(-1),))"),
    "norm in double": (NORM, "return F.rms_norm(x.double(), (x.size(-1),)).to(x.dtype)"),
    "norm by the largest": (NORM, "return x / (x.abs().amax(-1, keepdim=True) + 1e-6)"),
    "no norm but a scale": (NORM, "return x / (1 + x.norm(dim=-1, keepdim=True) / 8)"),
    "norm with an epsilon": (NORM, "return F.rms_norm(x, (x.size(-1),), eps=1e-3)"),
    "cap by tanh": (SCALE, "return cap * torch.tanh(raw / cap)"),
    "bf16 everywhere": (CAST, "with torch.autocast(idx.device.type, torch.bfloat16):"),
    "float32 everywhere": (CAST, "with torch.autocast(idx.device.type, enabled=False):"),
    "logits in bf16": (LOGITS, "soft_cap(raw.float(), c.softcap).bfloat16()\n\n"),
    "logits in float16": (LOGITS, "soft_cap(raw.float(), c.softcap).half()\n\n"),
    "logits in double": (LOGITS, "soft_cap(raw.double(), c.softcap)\n\n"),
    "logits without a cap": (LOGITS, "raw.float()\n\n"),
    "logits at half the height": (LOGITS, "soft_cap(raw.float(), c.softcap) / 2\n\n"),
    "attention and mlp side by side": (RESIDUAL, "mixed = self.attention(norm(x), idx, rows, cos, sin, attend)\n        x = x + mixed"),
    "attention without a norm": (RESIDUAL, RESIDUAL.replace("norm(x)", "x")),
    "no attention": (RESIDUAL, RESIDUAL.replace("x + ", "x + 0 * ")),
    "attention twice": (RESIDUAL, RESIDUAL + "\n        " + RESIDUAL),
    "no mlp": (TAIL, TAIL.replace("x + ", "x + 0 * ")),
    "half of the mlp": (TAIL, TAIL.replace("x + ", "x + 0.5 * ")),
    "mlp twice": (TAIL, TAIL.replace("return x +", "x = x +") + "\n        " + TAIL),
    "no rotation": (ROTATED, "q, k = norm(q).to(v.dtype), norm(k).to(v.dtype)"),
    "attention without query norm": (ROTATED, "q, k = rotate(q, cos, sin).to(v.dtype), rotate(k, cos, sin).to(v.dtype)"),
    "tied embeddings": ("raw = self.head(norm(x))", "raw = F.linear(norm(x), self.embed.weight / 16) + 0 * self.head(norm(x))"),
    "wider mlp": ("4 * c.width, bias", "8 * c.width, bias"),
    "mlp with a bias": ("self.up = nn.Linear(c.width, 4 * c.width, bias=False)", "self.up = nn.Linear(c.width, 4 * c.width, bias=False)\n        self.shift = 0.0"),
    "a cumulative mean beside attention": (RESIDUAL, RESIDUAL + "\n        x = x + 0.1 * x.cumsum(1) / torch.arange(1, x.size(1) + 1)[:, None]"),
    "last row alone in training": ("(loss / self.micro_batches).backward()", "(loss * 0.5 / self.micro_batches).backward()"),
    "clipped gradients": ("(loss / self.micro_batches).backward()", "(loss / self.micro_batches).backward()\n        torch.nn.utils.clip_grad_value_([p for p in self.model.parameters() if not getattr(p.grad, 'is_sparse', True)], 1.0)"),
    "plain descent for matrices": ("w.sub_(rate * (u + h_decay * w * (u * w >= 0)))", "w.sub_(rate * (g + h_decay * w))"),
    "signs of gradients": ("u = polar(g * (1 - h_momentum) + momentum * h_momentum).float()", "u = (g * (1 - h_momentum) + momentum * h_momentum).sign()"),
    "cosine schedule": ("left = min(1.0, (1 - p) / FALL) if FALL > 0 else 1.0", "left = 0.5 + 0.5 * math.cos(math.pi * p)"),
    "warm-up": ("left = min(1.0, (1 - p) / FALL) if FALL > 0 else 1.0", "left = min(1.0, p * 10 + 0.1)"),
    "embedding in bf16": ("self.mix(norm(x if first is None else x + first))", "self.mix(norm(x if first is None else x + first)).bfloat16().float()"),
    "weights in bf16 when saved": ("    prepare.save_checkpoint(model,", "    model.bfloat16()\n    prepare.save_checkpoint(model,"),
    "larger rows at once when scored": ("evaluate_bpb(model, tokenizer, 32)", "evaluate_bpb(model, tokenizer, 7)"),
    "another first weight": ("nn.init.normal_(self.embed.weight)", "nn.init.uniform_(self.embed.weight, -1, 1)"),
}  # fmt: skip


def by_hand() -> Iterator[tuple[str, str]]:
    """(name, train.py) of every structural edit."""
    source = source_of("cpu", **SMALL)
    for name, (old, new) in BY_HAND.items():
        assert old in source, name
        yield name, source.replace(old, new)


def by_search(count: int, seed: int = 1) -> Iterator[tuple[str, str]]:
    """(name, train.py) of so many proposals: one to four constants anywhere in their ranges."""
    source, chance = source_of("cpu", **SMALL), random.Random(seed)
    constants = [constant for constant in find_constants(source) if constant.name != "COMPILE"]
    for number in range(count):
        chosen = chance.sample(constants, chance.randint(1, 4))
        values = {constant.name: draw(constant, chance) for constant in chosen}
        yield f"search {number}: {values}", replace_values(source, values)


def draw(constant: Constant, chance: random.Random) -> Value:
    if constant.choices:
        return chance.choice(constant.choices)
    low, high = constant.low, constant.high
    if constant.kind == "power":
        steps = [int(low) << n for n in range(20) if int(low) << n <= high]
        return chance.choice(steps or [int(low)])
    value = chance.uniform(low, high)
    return round(value) if isinstance(constant.value, int) else round(value, 6)


def compiled() -> Iterator[tuple[str, str]]:
    """The same model with the compiler, of the model and of the optimiser too."""
    for level in (1, 2):
        yield f"compiled {level}", source_of("cpu", **{**SMALL, "COMPILE": level})
