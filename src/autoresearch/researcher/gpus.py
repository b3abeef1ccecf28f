"""How busy NVIDIA's cards are, asked from their driver's library (NVML) in this process: starting
`nvidia-smi` every second would disturb the very runs one watches. No card, no driver or a broken
one: nothing is told. NVML API reference, "Device Queries".
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

LIBRARY = "libnvidia-ml.so.1"
NAME_BYTES, MOST = 96, 16
GB = 2**30


@dataclass(frozen=True)
class GpuLoad:
    """`busy` is the share of time in which anything ran on it, 0 to 1; None where the driver does
    not tell (in MIG mode)."""

    name: str
    busy: float | None
    used_gb: float
    total_gb: float


class _Utilization(ctypes.Structure):
    _fields_ = (("gpu", ctypes.c_uint), ("memory", ctypes.c_uint))


class _Memory(ctypes.Structure):
    _fields_ = (
        ("total", ctypes.c_ulonglong),
        ("free", ctypes.c_ulonglong),
        ("used", ctypes.c_ulonglong),
    )


class GpuMonitor:
    """Asks again at each `read`; opened once."""

    def __init__(self, library: str = LIBRARY) -> None:
        self.nvml: Any = None
        try:
            nvml = ctypes.CDLL(library)
            if nvml.nvmlInit_v2() == 0:
                self.nvml = nvml
        except (OSError, AttributeError):  # no driver, or one of before 2012
            pass

    def read(self) -> tuple[GpuLoad, ...]:
        if self.nvml is None:
            return ()
        count = ctypes.c_uint()
        if self.nvml.nvmlDeviceGetCount_v2(ctypes.byref(count)) != 0:
            return ()
        found = (self.one(index) for index in range(min(count.value, MOST)))
        return tuple(gpu for gpu in found if gpu is not None)

    def one(self, index: int) -> GpuLoad | None:
        handle, name, memory, used = (
            ctypes.c_void_p(),
            ctypes.create_string_buffer(NAME_BYTES),
            _Memory(),
            _Utilization(),
        )
        if self.nvml.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(handle)) != 0:
            return None
        if self.nvml.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory)) != 0:
            return None
        self.nvml.nvmlDeviceGetName(handle, name, NAME_BYTES)
        told = self.nvml.nvmlDeviceGetUtilizationRates(handle, ctypes.byref(used)) == 0
        text = name.value.decode("ascii", "replace") or f"GPU {index}"
        return GpuLoad(text, used.gpu / 100 if told else None, memory.used / GB, memory.total / GB)
