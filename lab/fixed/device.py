"""Adapts train.py to the machine: attention for each kind of device, precision, memory, fallbacks.

FIXED: experiments never edit it. A train.py may bring its own attention, or use none of this.
Beyond rounding no number depends on it, so it is no part of a track.
Leaves to others: data, clock and metric (prepare.py), the model (train.py).
"""

import contextlib
import ctypes
import errno
import functools
import gc
import math
import os
import platform
import re
import sys
from pathlib import Path

import torch
import torch.nn.functional as F

# Torch reads it when it first allocates on a GPU; some versions read one name, some the other.
os.environ.setdefault("PYTORCH_ALLOC_CONF", "expandable_segments:True")
os.environ.setdefault("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")

# Dense bf16 TFLOP/s by the makers' data sheets. A device that is not here has an MFU of nan.
PEAK_TFLOPS = {
    "H200": 989.5, "H100 PCIe": 756.5, "H100": 989.5, "B200": 2250.0, "A100": 312.0, "L40S": 362.0,
    "L4": 121.0, "A10G": 70.0, "A10": 125.0, "RTX 4090": 165.2, "RTX 3090": 71.0, "MI300X": 1307.4,
}  # fmt: skip
FLASH_REPOSITORY = "kernels-community/flash-attn3"
FLASH_REVISION = "77427db74d3b587c8f9e2bcbf78411d0633bcd01"

# --------------------------------------------------------------------------------------------------
# Attention. One meaning everywhere: with window w a query sees itself and the w tokens before it,
# so w + 1 keys (FlashAttention's window (w, 0)). q, k, v and the result are (B, T, H, D).


@functools.cache
def attention_backend(device_type):
    """(name, function), chosen once for a device type."""
    if device_type == "cpu":
        return "explicit", explicit_attention
    if device_type != "cuda":
        return "SDPA", sdpa_attention
    if flash3()[0] is not None:
        return "FlashAttention 3", flash_attention
    why = f"FlashAttention 3: {flash3()[1]}"
    return f"FlexAttention when compiled, SDPA otherwise ({why})", flex_attention


def visible_keys(T, window, device):
    """(T, T) bool: may query i look at key j?"""
    back = torch.arange(T, device=device)[:, None] - torch.arange(T, device=device)[None]
    return (back >= 0) & (back <= window)


def explicit_attention(q, k, v, window):
    """Plain products and a softmax. Compiled, on a CPU and at these sizes, faster than SDPA."""
    T, D = q.size(1), q.size(3)
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))  # (B, H, T, D)
    if 0 < window < T and T % window == 0:
        return banded_attention(q, k, v, window).transpose(1, 2)
    scores = (q @ k.mT).float() * D**-0.5
    scores = scores.masked_fill(~visible_keys(T, window, q.device), float("-inf"))
    return (scores.softmax(-1).to(v.dtype) @ v).transpose(1, 2)


def banded_attention(q, k, v, w):
    """Blocks of w queries against their own and the block before: exact, with 2w instead of T
    scores a query."""
    B, H, T, D = q.shape
    q, k, v = (x.reshape(B, H, T // w, w, D) for x in (q, k, v))
    # (B, H, T/w, 2w, D)
    k, v = (torch.cat((F.pad(x[:, :, :-1], (0, 0, 0, 0, 1, 0)), x), dim=3) for x in (k, v))
    i, j = torch.arange(w, device=q.device)[:, None] + w, torch.arange(2 * w, device=q.device)[None]
    mask = (j <= i) & (j >= i - w)
    blocks = torch.arange(T // w, device=q.device)[:, None, None]
    mask = mask & ~((blocks == 0) & (j < w))  # nothing stands before the first block
    scores = (q @ k.mT).float() * D**-0.5
    scores = scores.masked_fill(~mask, float("-inf"))
    return (scores.softmax(-1).to(v.dtype) @ v).reshape(B, H, T, D)


def sdpa_attention(q, k, v, window):
    T = q.size(1)
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    mask = None if window >= T else visible_keys(T, window, q.device)
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None)
    return out.transpose(1, 2)


FLEX_MASKS = {}  # (T, window) -> block mask, made before compilation


def make_masks(seq_len, windows, device):
    """Before the compiler looks at a model that attends with these windows."""
    if device.type == "cuda" and flash3()[0] is None:
        for window in set(windows):
            FLEX_MASKS[seq_len, window] = make_flex_mask(seq_len, window, device)


def flex_attention(q, k, v, window):
    """For compiled code on GPUs without FlashAttention 3: skips the blocks outside the window.

    Uncompiled (in evaluation) it would build every score, so SDPA takes its place."""
    mask = FLEX_MASKS.get((q.size(1), window)) if torch.compiler.is_compiling() else None
    return sdpa_attention(q, k, v, window) if mask is None else flex_masked(q, k, v, mask)


def flex_masked(q, k, v, mask):
    from torch.nn.attention.flex_attention import flex_attention as flex

    return flex(*(x.transpose(1, 2) for x in (q, k, v)), block_mask=mask).transpose(1, 2)


def make_flex_mask(T, window, device):
    from torch.nn.attention.flex_attention import create_block_mask

    def visible(b, h, i, j):
        return (i >= j) & (i - j <= window)

    return create_block_mask(visible, None, None, T, T, device=device)


@functools.cache
def flash3():
    """(FlashAttention 3, "") or (None, the reason why not).

    Only on Hopper, only from the local cache of the Hugging Face hub, only the one revision:
    nothing is ever fetched at start. To have it: `pip install kernels`, then
    `hf download kernels-community/flash-attn3 --revision <FLASH_REVISION>`"""
    if torch.version.hip or torch.cuda.get_device_capability()[0] != 9:
        return None, "not a Hopper GPU"
    try:
        from huggingface_hub import snapshot_download
        from kernels import get_local_kernel

        path = snapshot_download(FLASH_REPOSITORY, revision=FLASH_REVISION, local_files_only=True)
        return get_local_kernel(Path(path), "flash_attn3").flash_attn_func, ""
    except (ImportError, OSError, ValueError, RuntimeError) as why:
        return None, f"{type(why).__name__}; see flash3() in fixed/device.py"


def flash_window(window, T):
    return (window, 0) if window < T else (-1, -1)


def flash_attention(q, k, v, window):
    out = flash3()[0](q, k, v, causal=True, window_size=flash_window(window, q.size(1)))
    return out[0] if isinstance(out, tuple) else out


# --------------------------------------------------------------------------------------------------
# Precision and names


@functools.cache
def low_precision(device_type):
    """bf16 where the device computes in it, else float32 (GPUs before Ampere, older CPUs)."""
    if device_type == "cuda":
        return torch.cuda.get_device_capability()[0] >= 8 or bool(torch.version.hip)
    if device_type == "cpu":
        able = getattr(torch.cpu, "get_capabilities", dict)()
        names = ("avx512_bf16", "amx_bf16", "bf16", "arm_bf16")
        return any(able.get(feature, False) for feature in names)
    return device_type == "mps"


def autocast(device_type):
    if low_precision(device_type):
        return torch.autocast(device_type, torch.bfloat16)
    return contextlib.nullcontext()


def device_name(device):
    if device.type == "cuda":
        return torch.cuda.get_device_name()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        text = cpuinfo.read_text("utf-8")
        if found := re.search(r"^model name\s*:\s*(.+)$", text, re.M):
            return found[1]
    return platform.processor() or platform.machine()


def peak_flops(device):
    name = device_name(device)
    return next((tflops * 1e12 for key, tflops in PEAK_TFLOPS.items() if key in name), math.nan)


# --------------------------------------------------------------------------------------------------
# Memory and the compiler


def set_up(device, cache, run_dir):
    """Before the model is built: precision, memory, the compiler's cache. Prints what it chose."""
    keep_compiled(cache, run_dir)
    # CPUs: two to four times faster at full accuracy; GPUs: TF32
    torch.set_float32_matmul_precision("medium")
    if device.type == "cpu":
        keep_freed_memory()
        repeat_exactly()
    products = "bf16" if low_precision(device.type) else "float32"
    print(f"device: {device.type} ({device_name(device)}), torch {torch.__version__}")
    print(f"attention: {attention_backend(device.type)[0]}; {products} products", flush=True)


def keep_compiled(cache, run_dir):
    """Keep compiled kernels between runs: the first run of a shape compiles for a minute."""
    folder = cache / "compiled"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK)
    except OSError:
        writable = False
    place = folder if writable else run_dir / "compiled"
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(place))


def keep_freed_memory():
    """Tell glibc to keep freed memory. A no-op on other systems.

    It gives every freed block over 32 MB back to the system and asks for it again: on a CPU a third
    of the step was page faults."""
    if not has_glibc():
        return
    libc = ctypes.CDLL(None)
    # ARENA_MAX, MMAP_MAX, TRIM_THRESHOLD, TOP_PAD
    for option, value in ((-8, 1), (-4, 0), (-1, 2**31 - 1), (-2, 2**28)):
        libc.mallopt(option, value)


def give_memory_back():
    """What a failed attempt has freed, for whatever asks the system and not the allocator."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if has_glibc():
        ctypes.CDLL(None).malloc_trim(0)


def has_glibc():
    return sys.platform == "linux" and platform.libc_ver()[0] == "glibc"


def repeat_exactly():
    """Let a run with the same batches, progress and threads come to the same weights, to the bit.

    Compiled code adds the gradients of an embedding from several threads at once, in any order;
    now it leaves that to a kernel that adds in turn. Nothing else in train.py needs it."""
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # it would cost time


def stop_collecting_garbage():
    """Collections stop the loop for tens of milliseconds, and nothing in it needs them."""
    gc.collect()
    gc.freeze()
    gc.disable()


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

    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def run_with_fallbacks(attempt, rows, compiling):
    """Call `attempt(rows, compiling)` until it works: with half the rows when memory runs out,
    uncompiled when the compiler fails."""
    while True:
        try:
            return attempt(rows, compiling)
        except (RuntimeError, MemoryError, OSError) as error:
            if out_of_memory(error) and rows > 1:
                note = f"{rows} rows do not fit into memory; trying {rows // 2}"
                print(f"{note}, with the same total batch", flush=True)
                rows //= 2
            elif cannot_compile(error) and compiling:
                compiling = 0
                reason = str(error).strip().splitlines()[0][:200]
                note = "torch.compile does not work here, running without it, which is slower"
                print(f"{note} ({reason})", flush=True)
            else:
                raise
        give_memory_back()


def out_of_memory(error):
    """Whoever says so: torch's allocators, C++, oneDNN (of a primitive), Python, the system."""
    words = ("can't allocate memory", "out of memory", "bad_alloc", "could not create a primitive")
    kinds = (torch.OutOfMemoryError, MemoryError)
    is_short = isinstance(error, OSError) and error.errno == errno.ENOMEM
    return is_short or isinstance(error, kinds) or any(word in str(error) for word in words)


def cannot_compile(error):
    """Torch's compiler failed, or a tool it needs is missing (no gcc, no Triton)."""
    from torch._inductor.exc import CppCompileError, InvalidCxxCompiler

    failures = (torch._dynamo.exc.TorchDynamoException, CppCompileError, InvalidCxxCompiler)
    return isinstance(error, failures)
