"""From the pixels of a film to the network's input.

Three channels, all without unit and independent of a film's window and slow background: the film stretched between
its 2nd and 98th percentile, and the film with its local mean removed and its local contrast evened out over a wide
and over a narrow neighbourhood.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

# Standard deviation, in pixels, of the neighbourhoods over which mean and contrast are evened out.
WIDE_PX, NARROW_PX = 20.0, 7.0
_POOL = 4
_VARIANCE_FLOOR = 1e-3
_SAMPLE_STEP = 7


def gaussian_blur(image: Tensor, sigma_px: float) -> Tensor:
    """Blur (N, C, H, W) with a Gaussian cut off at three standard deviations; the edge is repeated outside."""
    if sigma_px <= 0:
        return image
    radius = max(1, int(3 * sigma_px))
    offsets = torch.arange(-radius, radius + 1, dtype=image.dtype, device=image.device)
    kernel = torch.exp(-0.5 * (offsets / sigma_px) ** 2)
    kernel = kernel / kernel.sum()
    channels = image.shape[1]
    padded = functional.pad(image, (radius,) * 4, mode="replicate")
    across = functional.conv2d(padded, kernel.view(1, 1, 1, -1).expand(channels, 1, 1, -1), groups=channels)
    return functional.conv2d(across, kernel.view(1, 1, -1, 1).expand(channels, 1, -1, 1), groups=channels)


def even_contrast(image: Tensor, sigma_px: float) -> Tensor:
    """Return (image - local mean) / local standard deviation for (N, C, H, W); the neighbourhood is Gaussian.

    Mean and variance are found at a quarter of the resolution, so H and W must be at least 4.
    """
    small = functional.avg_pool2d(image, _POOL)
    mean = gaussian_blur(small, sigma_px / _POOL)
    variance = gaussian_blur(small * small, sigma_px / _POOL) - mean * mean
    size = image.shape[2:]
    mean = functional.interpolate(mean, size=size, mode="bilinear", align_corners=False)
    variance = functional.interpolate(variance, size=size, mode="bilinear", align_corners=False)
    return (image - mean) / torch.sqrt(variance.clamp(min=0) + _VARIANCE_FLOOR)


def network_channels(image: Tensor) -> Tensor:
    """Return the network's input (1, 3, H, W) for a film (1, 1, H, W) with bone bright, in any scale.

    Args:
        image: float32; H and W at least 4. Values that are not finite are left out of the percentiles only.
    """
    values = image.flatten()
    values = values[torch.isfinite(values)]
    fractions = torch.tensor([0.02, 0.98], dtype=image.dtype, device=image.device)
    low, high = torch.quantile(values[::_SAMPLE_STEP], fractions)
    stretched = ((image - low) / (high - low + 1e-6)).clamp(-0.3, 1.3) * 2 - 1
    wide = even_contrast(stretched, WIDE_PX).clamp(-4, 4) * 0.5
    narrow = even_contrast(stretched, NARROW_PX).clamp(-4, 4) * 0.5
    return torch.cat([stretched, wide, narrow], dim=1)
