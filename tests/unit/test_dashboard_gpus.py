"""How busy the cards are, as their driver tells; a machine without one, or with a broken one,
tells nothing."""

from __future__ import annotations

from typing import Any

from autoresearch.researcher.gpus import GB, GpuLoad, GpuMonitor


class Driver:
    """NVML's functions with two cards: one that tells everything, one in MIG mode that keeps its
    use to itself."""

    def nvmlDeviceGetCount_v2(self, count: Any) -> int:
        count._obj.value = 2
        return 0

    def nvmlDeviceGetHandleByIndex_v2(self, index: int, handle: Any) -> int:
        handle._obj.value = index + 1
        return 0

    def nvmlDeviceGetName(self, handle: Any, name: Any, length: int) -> int:
        name.value = b"NVIDIA H200"[:length]
        return 0

    def nvmlDeviceGetMemoryInfo(self, handle: Any, memory: Any) -> int:
        memory._obj.total, memory._obj.used = 140 * GB, 45 * GB
        return 0

    def nvmlDeviceGetUtilizationRates(self, handle: Any, use: Any) -> int:
        use._obj.gpu = 98
        return 0 if handle.value == 1 else 3  # NVML_ERROR_NOT_SUPPORTED


class BrokenDriver(Driver):
    def nvmlDeviceGetMemoryInfo(self, handle: Any, memory: Any) -> int:
        return 15  # NVML_ERROR_GPU_IS_LOST


def asked(driver: Driver) -> tuple[GpuLoad, ...]:
    gpus = GpuMonitor("no-such-library")
    gpus.nvml = driver
    return gpus.read()


def test_cards_tell_name_use_and_memory() -> None:
    """Use is a share of time; a card that does not tell it still tells its memory."""
    assert asked(Driver()) == (
        GpuLoad("NVIDIA H200", 0.98, 45.0, 140.0),
        GpuLoad("NVIDIA H200", None, 45.0, 140.0),
    )


def test_without_a_driver_or_with_a_lost_card_nothing_is_told() -> None:
    """No card is no error: the view has other things to show."""
    assert GpuMonitor("no-such-library").read() == ()
    assert asked(BrokenDriver()) == ()
