"""A small transformer written for karpathy/autoresearch, as people write them: it runs when read.

Its names from prepare.py, its own clock, its own block at the end; nothing of this project.
"""

import gc
import time
from dataclasses import asdict, dataclass

import torch
import torch.nn as nn
import torch.nn.functional as F

from prepare import MAX_SEQ_LEN, TIME_BUDGET, Tokenizer, evaluate_bpb, make_dataloader


@dataclass
class GPTConfig:
    sequence_len: int = 256
    vocab_size: int = 1024
    n_layer: int = 1
    n_head: int = 2
    n_embd: int = 32


class Layer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.n_head = config.n_head
        self.qkv = nn.Linear(config.n_embd, 3 * config.n_embd, bias=False)
        self.proj = nn.Linear(config.n_embd, config.n_embd, bias=False)
        self.fc = nn.Linear(config.n_embd, 4 * config.n_embd, bias=False)
        self.out = nn.Linear(4 * config.n_embd, config.n_embd, bias=False)

    def forward(self, x):
        B, T, C = x.shape
        parts = self.qkv(F.rms_norm(x, (C,))).split(C, dim=2)
        q, k, v = (t.view(B, T, self.n_head, C // self.n_head).transpose(1, 2) for t in parts)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.proj(y.transpose(1, 2).reshape(B, T, C))
        return x + self.out(F.relu(self.fc(F.rms_norm(x, (C,)))).square())


class GPT(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)
        self.wpe = nn.Embedding(config.sequence_len, config.n_embd)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.n_layer))
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=False)

    def forward(self, idx, targets=None, reduction="mean"):
        x = self.wte(idx) + self.wpe(torch.arange(idx.size(1), device=idx.device))
        for layer in self.layers:
            x = layer(x)
        logits = self.lm_head(F.rms_norm(x, (x.size(-1),))).float()
        if targets is None:
            return logits
        flat = logits.view(-1, logits.size(-1))
        return F.cross_entropy(flat, targets.reshape(-1), ignore_index=-1, reduction=reduction)


DEVICE_BATCH_SIZE = 8
LEARNING_RATE = 0.003

# ------------------------------------------------------------------------------ the run

t_start = time.time()
torch.manual_seed(42)
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
tokenizer = Tokenizer.from_directory()
config = GPTConfig(sequence_len=MAX_SEQ_LEN, vocab_size=tokenizer.get_vocab_size())
print(f"model: {asdict(config)}")
model = GPT(config).to(device)
optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
train_loader = make_dataloader(tokenizer, DEVICE_BATCH_SIZE, MAX_SEQ_LEN, "train")
x, y, epoch = next(train_loader)
step, total_training_time = 0, 0.0
while True:
    t0 = time.time()
    loss = model(x, y)
    loss.backward()
    optimizer.step()
    model.zero_grad(set_to_none=True)
    x, y, epoch = next(train_loader)
    if step > 10:
        total_training_time += time.time() - t0
    if step == 0:
        gc.collect()
    step += 1
    if step > 10 and total_training_time >= TIME_BUDGET:
        break

model.eval()
with torch.no_grad():
    val_bpb = evaluate_bpb(model, tokenizer, DEVICE_BATCH_SIZE)
tokens = step * DEVICE_BATCH_SIZE * MAX_SEQ_LEN
memory = torch.cuda.max_memory_allocated() / 1024 / 1024 if device.type == "cuda" else 0.0
print("---")
print(f"val_bpb:          {val_bpb:.6f}")
print(f"training_seconds: {total_training_time:.1f}")
print(f"total_seconds:    {time.time() - t_start:.1f}")
print(f"peak_vram_mb:     {memory:.1f}")
print("mfu_percent:      0.00")
print(f"total_tokens_M:   {tokens / 1e6:.1f}")
print(f"num_steps:        {step}")
print(f"num_params_M:     {sum(p.numel() for p in model.parameters()) / 1e6:.1f}")
print(f"depth:            {config.n_layer}")
