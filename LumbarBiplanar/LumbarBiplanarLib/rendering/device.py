"""Which device computes: one function, so that nothing else in the package decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import StudyError

if TYPE_CHECKING:
    import torch


def resolve_device(device: str | torch.device = "auto") -> torch.device:
    """Return the torch device that a ``device`` argument means.

    Args:
        device: "auto" (CUDA if PyTorch can use it, otherwise the CPU), "cpu", "cuda", "cuda:1" or a torch.device.

    Raises:
        StudyError: if the name is none of these, or CUDA is asked for where PyTorch cannot use it.
    """
    import torch

    name = str(device)
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, _, number = name.partition(":")
    if kind not in ("cpu", "cuda") or (number and not number.isdigit()):
        raise StudyError(f"device is {name!r}; use 'auto', 'cpu' or 'cuda' (or 'cuda:1' for the second card).")
    if kind == "cuda":
        if not torch.cuda.is_available():
            raise StudyError(
                f"device is {name!r}, but PyTorch {torch.__version__} finds no usable CUDA device here; "
                "use 'auto' or 'cpu', or install a CUDA build of PyTorch and a driver that fits it."
            )
        if number and int(number) >= torch.cuda.device_count():
            raise StudyError(f"device is {name!r}, but there are only {torch.cuda.device_count()} CUDA devices.")
    return torch.device(name)
