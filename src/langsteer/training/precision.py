"""In which precision matrix products run while maps are trained."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

from langsteer.training.options import Precision


def products(device: torch.device, precision: Precision) -> AbstractContextManager[object]:
    """Products in bfloat16 where that was asked for, or where the device is fast at it."""
    chosen = _best(device) if precision == "auto" else precision
    if chosen == "float32":
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16)


def _best(device: torch.device) -> Precision:
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    # Older versions of torch cannot say what a CPU can do.
    capabilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
    fast = any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    return "bfloat16" if device.type == "cpu" and fast else "float32"
