"""From logits to losses: which answers count as numbers, and the nats of every target.

What a model returns is untrusted: its type, its shape and every value are checked before use.
Leaves to others: what is asked (evaluation), what a score may be (plausibility)."""

import math

import torch

from fixed.errors import EvaluationError

ANSWER_DTYPES = (torch.float32, torch.bfloat16, torch.float16)  # how a model process hands over
LOGIT_DTYPES = (*ANSWER_DTYPES, torch.float64)  # the last is handed over as float32
# Logits lie between minus and plus this. float16 ends at 65,504; float32 steps by 0.008 there, so a
# model that has learned anything stays hundreds of times below. The largest logit is subtracted
# before anything is added up: one rounding of at most 2^-24 of a token's own loss (float32 on
# devices, 2^-53 on CPUs). At the bound that is 0.012 of 200,000 nats; of a small loss, nothing.
LOGIT_BOUND = 1e5


def check_logits(logits, shape):
    """Whether an answer is one at all: a plain tensor of the right shape, in a type that is
    listed."""
    if not torch.is_tensor(logits) or not is_plain(logits) or tuple(logits.shape) != shape:
        raise EvaluationError(
            f"forward(idx) must return logits of shape {shape} for idx of shape {shape[:2]}, "
            f"not {kind_of(logits)}"
        )
    if logits.dtype not in LOGIT_DTYPES:
        names = ", ".join(name_of(dtype) for dtype in LOGIT_DTYPES)
        raise EvaluationError(
            f"forward(idx) must return logits as one of {names}, not {name_of(logits.dtype)}"
        )


def is_plain(tensor):
    """Whether it lies in memory, a value for every place. Expanded and transposed ones do."""
    dense = tensor.layout is torch.strided and not tensor.is_nested
    return dense and not tensor.is_quantized and not tensor.is_meta


def kind_of(thing):
    if not torch.is_tensor(thing):
        return f"a {type(thing).__name__}"
    return f"shape {tuple(thing.shape)}" if is_plain(thing) else "a tensor without plain values"


def name_of(dtype):
    return str(dtype).removeprefix("torch.")


def token_nats(logits, targets):
    """(..., V) logits and (...) targets to (...) losses on the CPU, none of them below zero: the
    largest logit is subtracted first.

    In float64 on CPUs. Devices subtract in float32, and add up in float64 where they have it."""
    kind = logits.device.type
    part = logits.to(torch.float64 if kind == "cpu" else torch.float32)
    top = part.amax(-1, keepdim=True)
    check_bounds(part.amin(), top.max())
    part = part - top
    target = part.gather(-1, targets[..., None].to(part.device))[..., 0]
    summed = part.exp_().sum(-1, dtype=torch.float32 if kind == "mps" else torch.float64)
    return (summed.log() - target).cpu()


def check_range(logits):
    """Every logit of a call counts, asked or not: padding, probes and tokens that no text has."""
    check_bounds(logits.amin(), logits.amax())


def check_bounds(low, high):
    low, high = float(low), float(high)
    if not math.isfinite(low) or not math.isfinite(high):
        raise EvaluationError(
            "the model returned NaN or infinite logits (-inf is a token of probability zero); "
            "it diverged, or divides by zero, or masks tokens"
        )
    if max(-low, high) > LOGIT_BOUND:
        raise EvaluationError(
            f"the model returned a logit of {high if high > LOGIT_BOUND else low:.4g}; all have to "
            f"lie between -{LOGIT_BOUND:,.0f} and {LOGIT_BOUND:,.0f}: it diverged, or scales them"
        )
