"""Imported once by the process that a recording's runs are forked from: what every run would import
and find out by itself, for some seconds each time. Holds nothing of a run."""

import torch


@torch.compile
def double(x: torch.Tensor) -> torch.Tensor:
    return 2 * x


torch.set_num_threads(1)
x = torch.ones(8, requires_grad=True)
torch.autograd.grad(double(x).sum(), x)
torch._dynamo.reset()
