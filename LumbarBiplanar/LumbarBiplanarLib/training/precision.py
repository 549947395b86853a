"""In which numbers a device trains fastest."""

from __future__ import annotations

import torch


def training_precision(device: torch.device) -> str:
    """Return the precision, as Lightning names it, that convolutions are trained in on a device.

    bfloat16 beside float32 where the device computes in it, on other GPUs float16. A processor that only imitates
    bfloat16 is better off with float32: on one with AVX2 and no more, a step of the second stage takes 3 s in float32
    and 34 s in bfloat16.
    """
    if device.type == "cuda":
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "16-mixed"
    return "bf16-mixed" if _processor_has_bfloat16() else "32-true"


def _processor_has_bfloat16() -> bool:
    # What torch itself asks before it hands bfloat16 to oneDNN; it has no public name in torch 2.4.
    supported = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return torch.backends.mkldnn.is_available() and supported is not None and bool(supported())
