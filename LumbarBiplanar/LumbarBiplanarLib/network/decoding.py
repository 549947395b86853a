"""From heatmaps to landmarks: position, confidence and spread of each, at the resolution of the network's image.

The heatmap of a landmark and one further logit fixed at zero ("not on this film") are one distribution. Its largest
local concentration of probability gives the position (the mean within a window, so finer than a pixel), its mass the
confidence, and its second moment, less that of the Gaussian the network was trained to draw, the standard deviation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

# Heatmap pixels; a heatmap has half the resolution of the image.
TARGET_SIGMA = 1.3
WINDOW_RADIUS = 5
_LEAST_VARIANCE = 0.04


@dataclass(frozen=True)
class Peaks:
    """Where each landmark may be, the likeliest place first.

    Attributes:
        positions: (K, 5, 20, 2) x, y in pixels of the network's image.
        masses: (K, 5, 20) probability within the window around each place; they add up to at most 1.
        sigmas: (K, 5, 20) standard deviation per axis in pixels of the network's image.
    """

    positions: np.ndarray
    masses: np.ndarray
    sigmas: np.ndarray


def landmark_probabilities(heatmaps: Tensor) -> Tensor:
    """Return (..., h, w) probabilities of logits (..., h, w); what is missing to 1 means "not on this film"."""
    flat = heatmaps.flatten(-2)
    largest = flat.amax(dim=-1, keepdim=True).clamp(min=0)
    exponent = torch.exp(flat - largest)
    return (exponent / (exponent.sum(dim=-1, keepdim=True) + torch.exp(-largest))).unflatten(-1, heatmaps.shape[-2:])


def find_peaks(probabilities: Tensor, count: int = 3) -> Peaks:
    """Find the likeliest places of every landmark.

    Args:
        probabilities: (100, h, w) of one film, at half the resolution of the network's image.
        count: K, how many places per landmark; the windows around them do not share probability.
    """
    left = probabilities
    found = []
    for _ in range(count):
        position, mass, sigma, window = _strongest(left)
        found.append((position, mass, sigma))
        left = left.clone()
        left[window.unbind(dim=1)] = 0.0
    shape = (count, 5, 20)
    stacked = (torch.stack(part).cpu().numpy() for part in zip(*found, strict=True))
    positions, masses, sigmas = (part.astype(np.float64) for part in stacked)
    image_positions = (positions + 0.5) * 2.0 - 0.5
    return Peaks(image_positions.reshape(*shape, 2), masses.reshape(shape), 2.0 * sigmas.reshape(shape))


def _strongest(probabilities: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return mean (n, 2), mass (n,), standard deviation (n,) and window of each map's strongest place.

    The window is (n, 3, side, side): index of the map, row and column of each of its pixels, cut off at the border.
    """
    height, width = probabilities.shape[1:]
    # A window around the pixel whose 3 x 3 neighbourhood holds most: a single noisy pixel does not win.
    best = _three_summed(_three_summed(probabilities, 1), 2).flatten(1).argmax(dim=1)
    y, x = (best // width).to(probabilities.dtype), (best % width).to(probabilities.dtype)
    reach = torch.arange(-WINDOW_RADIUS, WINDOW_RADIUS + 1, device=probabilities.device)
    maps = torch.arange(len(probabilities), device=probabilities.device)[:, None, None]
    for _ in range(2):  # centre the window on the mean found in the first pass
        rows, columns = (place.round().long()[:, None] + reach for place in (y, x))
        on_map = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
        window = maps, rows.clamp(0, height - 1)[:, :, None], columns.clamp(0, width - 1)[:, None, :]
        inside = probabilities[window] * on_map
        mass = inside.sum(dim=(1, 2))
        along, across = inside.sum(dim=2), inside.sum(dim=1)
        safe = mass.clamp(min=1e-12)
        empty = mass < 1e-12
        y = torch.where(empty, y, (along * rows).sum(dim=1) / safe)
        x = torch.where(empty, x, (across * columns).sum(dim=1) / safe)
    spread = (along * (rows - y[:, None]) ** 2).sum(dim=1) + (across * (columns - x[:, None]) ** 2).sum(dim=1)
    variance = (0.5 * spread / safe - TARGET_SIGMA**2).clamp(min=_LEAST_VARIANCE)
    return torch.stack([x, y], dim=1), mass, variance.sqrt(), torch.stack(torch.broadcast_tensors(*window), dim=1)


def _three_summed(maps: Tensor, axis: int) -> Tensor:
    """Return the sum of each pixel of maps (n, h, w) and its two neighbours along an axis."""
    result, inner = maps.clone(), maps.shape[axis] - 1
    result.narrow(axis, 0, inner).add_(maps.narrow(axis, 1, inner))
    result.narrow(axis, 1, inner).add_(maps.narrow(axis, 0, inner))
    return result
