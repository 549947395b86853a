"""In which numbers a device trains fastest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor


def training_precision(device: torch.device) -> str:
    """Return the precision, as Lightning names it, that convolutions are trained in on a device.

    bfloat16 beside float32 where the device computes in it, on other GPUs float16. A processor that only imitates
    bfloat16 is better off with float32: on one with AVX2 and no more, a step of the second stage takes 3 s in float32
    and 34 s in bfloat16.
    """
    if device.type == "cuda":
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "16-mixed"
    return "bf16-mixed" if processor_has_bfloat16() else "32-true"


def processor_has_bfloat16() -> bool:
    """Return whether the processor computes in bfloat16 and does not imitate it."""
    # What torch itself asks before it hands bfloat16 to oneDNN; it has no public name in torch 2.4.
    supported = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return torch.backends.mkldnn.is_available() and supported is not None and bool(supported())


def muon(groups: Sequence[Mapping[str, Any]], device: torch.device) -> torch.optim.Optimizer:
    """Return Muon (Jordan et al. 2024) for groups of parameters as ``pytorch_optimizer.Muon`` takes them.

    It orthogonalizes in bfloat16 on any device, which would take longer than all else on a processor without.
    """
    from pytorch_optimizer import Muon
    from pytorch_optimizer.optimizer.utils.matrix import zero_power_via_newton_schulz_5

    if device.type != "cpu" or processor_has_bfloat16():
        return Muon(groups)

    class SingleMuon(Muon):
        @staticmethod
        def _orthogonalize(group: Mapping[str, Any], updates: Sequence[Tensor]) -> list[Tensor]:
            how = {"num_steps": group["ns_steps"], "weights": group["ns_coeffs"], "dtype": torch.float32}
            return [zero_power_via_newton_schulz_5(update.flatten(1), **how) for update in updates]

    return SingleMuon(groups)
