"""A train file written for karpathy/autoresearch on one NVIDIA GPU: it asks for CUDA when it runs.

Windowed attention by letters, bf16 embeddings, a compiled model; nothing of this project.
"""

import math
import time
from dataclasses import dataclass

import torch
import torch.nn as nn
import torch.nn.functional as F

from prepare import (
    EVAL_TOKENS,
    MAX_SEQ_LEN,
    TIME_BUDGET,
    Tokenizer,
    evaluate_bpb,
    get_token_bytes,
    make_dataloader,
)


@dataclass
class GPTConfig:
    sequence_len: int = 2048
    vocab_size: int = 8192
    n_layer: int = 2
    n_head: int = 2
    n_embd: int = 64
    window_pattern: str = "SL"


def norm(x):
    return F.rms_norm(x, (x.size(-1),))


class Block(nn.Module):
    def __init__(self, config, layer_idx):
        super().__init__()
        letter = config.window_pattern[layer_idx % len(config.window_pattern)]
        self.window = config.sequence_len // 2 if letter == "S" else config.sequence_len
        self.n_head = config.n_head
        self.c_attn = nn.Linear(config.n_embd, 3 * config.n_embd, bias=False)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd, bias=False)
        self.c_fc = nn.Linear(config.n_embd, 4 * config.n_embd, bias=False)
        self.c_out = nn.Linear(4 * config.n_embd, config.n_embd, bias=False)

    def forward(self, x):
        B, T, C = x.size()
        parts = self.c_attn(norm(x)).chunk(3, dim=-1)
        q, k, v = (t.view(B, T, self.n_head, -1).transpose(1, 2) for t in parts)
        back = torch.arange(T, device=x.device)[:, None] - torch.arange(T, device=x.device)
        mask = (back >= 0) & (back <= self.window)
        y = F.scaled_dot_product_attention(norm(q), norm(k), v, attn_mask=mask)
        x = x + self.c_proj(y.transpose(1, 2).reshape(B, T, C))
        return x + self.c_out(F.relu(self.c_fc(norm(x))).square())


class GPT(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)
        self.h = nn.ModuleList(Block(config, i) for i in range(config.n_layer))
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=False)

    @torch.no_grad()
    def init_weights(self):
        nn.init.normal_(self.wte.weight)
        nn.init.normal_(self.lm_head.weight, std=0.001)
        self.wte.to(torch.bfloat16)

    def forward(self, idx, targets=None, reduction="mean"):
        x = norm(self.wte(idx).to(self.lm_head.weight.dtype))
        for block in self.h:
            x = block(x)
        logits = 15 * torch.tanh(self.lm_head(norm(x)).float() / 15)
        if targets is None:
            return logits
        return F.cross_entropy(
            logits.view(-1, logits.size(-1)), targets.view(-1), reduction=reduction
        )


TOTAL_BATCH_SIZE = 2**19
DEVICE_BATCH_SIZE = 128

# ------------------------------------------------------------------------------ the run

major, minor = torch.cuda.get_device_capability()
device = torch.device("cuda")
autocast = torch.amp.autocast(device_type="cuda", dtype=torch.bfloat16)
tokenizer = Tokenizer.from_directory()
token_bytes = get_token_bytes(device="cuda")
with torch.device("meta"):
    model = GPT(GPTConfig(MAX_SEQ_LEN, tokenizer.get_vocab_size()))
model.to_empty(device=device)
model.init_weights()
model = torch.compile(model, dynamic=False)
optimizer = torch.optim.AdamW(model.parameters(), lr=0.001, fused=True)
train_loader = make_dataloader(tokenizer, DEVICE_BATCH_SIZE, MAX_SEQ_LEN, "train")
accumulate = math.ceil(TOTAL_BATCH_SIZE / (DEVICE_BATCH_SIZE * MAX_SEQ_LEN))
x, y, epoch = next(train_loader)
step, total_training_time = 0, 0.0
while step <= 10 or total_training_time < TIME_BUDGET:
    torch.cuda.synchronize()
    t0 = time.time()
    for _ in range(accumulate):
        with autocast:
            loss = model(x, y)
        (loss / accumulate).backward()
        x, y, epoch = next(train_loader)
    optimizer.step()
    model.zero_grad(set_to_none=True)
    torch.cuda.synchronize()
    total_training_time += time.time() - t0 if step > 10 else 0.0
    step += 1
with autocast:
    val_bpb = evaluate_bpb(model, tokenizer, DEVICE_BATCH_SIZE)
print(f"---\nval_bpb:          {val_bpb:.6f}\neval_tokens: {EVAL_TOKENS}")
