"""Attention: every backend that runs here, against a mask written out by hand; the windows."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from lab_module import device, load_train, train

T, WINDOW = 16, 4


def by_hand(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, window: int) -> torch.Tensor:
    """One query at a time, in float64: softmax over the keys i - window … i."""
    out = torch.zeros_like(q)
    for i in range(q.size(1)):
        first = max(0, i - window)
        for b in range(q.size(0)):
            for h in range(q.size(2)):
                weights = (k[b, first : i + 1, h] @ q[b, i, h] / q.size(-1) ** 0.5).softmax(0)
                out[b, i, h] = weights @ v[b, first : i + 1, h]
    return out


def flex(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, window: int) -> torch.Tensor:
    return device.flex_masked(q, k, v, device.make_flex_mask(q.size(1), window, "cpu"))


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
@pytest.mark.parametrize("look_back", [1, WINDOW, 5, T])
@pytest.mark.parametrize(
    "backend", [device.explicit_attention, device.sdpa_attention, flex, device.flex_attention]
)
def test_a_window_means_the_same_in_every_backend(backend: object, look_back: int) -> None:
    """FlashAttention's window (w, 0) shows w + 1 keys; fallbacks that show w, or all, are another
    model."""
    torch.manual_seed(0)
    q, k, v = torch.randn(3, 2, T, 2, 8)

    expected = by_hand(q.double(), k.double(), v.double(), look_back).float()

    torch.testing.assert_close(backend(q, k, v, look_back), expected)  # type: ignore[operator]


def test_flash_attention_is_asked_for_the_same_window() -> None:
    """What FlashAttention is given: (w, 0) for a window, no limit for a full layer."""
    assert device.flash_window(WINDOW, T) == (WINDOW, 0)
    assert device.flash_window(T, T) == (-1, -1)


def test_without_a_gpu_no_kernel_is_looked_for() -> None:
    """A CPU takes plain products; nothing is downloaded and nothing optional is imported."""
    name, function = device.attention_backend("cpu")

    assert name == "explicit"
    assert function is device.explicit_attention


def test_the_last_layer_sees_everything() -> None:
    """The pattern repeats over the layers, S short and L full, and the last layer is always
    full."""
    config = train.Config(10, 64, depth=5, pattern="SSL", short_window=3)

    assert config.windows == (3, 3, 64, 3, 64)
    assert dataclasses.replace(config, pattern="").windows == (64,) * 5
    assert load_train("climbmix").Config(10, 2048).windows[3:6] == (256, 2048, 256)


def test_shifted_keys_find_what_followed() -> None:
    """With KEY_SHIFT the keys of half the channels come from the token before: still causal.

    The first token has none."""
    torch.manual_seed(0)
    model = train.GPT(train.Config(50, 32, key_shift=1))
    angles = torch.atan2(model.sin, model.cos)[-1, 0]

    assert angles[: len(angles) // 2].abs().min() > 0
    assert angles[len(angles) // 2 :].abs().max() == 0


def test_a_smeared_embedding_has_a_share_of_the_one_before() -> None:
    """Channel by channel, nothing at first, and never of a later one."""
    torch.manual_seed(0)
    model = train.GPT(train.Config(50, 32, smear=1))
    x = train.norm(torch.randn(2, 8, model.c.width))
    assert torch.allclose(model.mix(x), x, atol=1e-5)

    with torch.no_grad():
        model.smear.copy_(torch.linspace(0, 1, model.c.width))
    mixed = model.mix(x)
    assert torch.allclose(mixed[:, 0], x[:, 0], atol=1e-5)
    assert torch.allclose(mixed[:, 3], train.norm(x[:, 3] + model.smear * x[:, 2]), atol=1e-5)
    later = torch.cat((x[:, :5], torch.randn_like(x[:, 5:])), 1)
    assert torch.equal(model.mix(later)[:, :5], mixed[:, :5])
    assert train.GPT(train.Config(50, 32)).mix(x) is x
