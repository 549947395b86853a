"""How far a crop is from where it should be, and what a fitted model that is nearly right looks like on it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..network.crops import CROP_PX

# Errors of the first stage: shift in mm of the vertebra, turn, logarithm of the scale; now and then a large one, and
# often the small ones of a second look.
_SHIFT_MM, _TURN_DEG, _LOG_SCALE = 3.5, 4.5, 0.06
_LARGE_SHARE, _LARGE = 0.12, 2.2
_SMALL_SHARE, _SMALL = 0.4, 0.35
# A fitted model is off by as much as the second look, more or less.
_MISFIT_LOG_SD = 0.5
# Its outline is off by so many mm more, over distances of some 20 mm, and its path length by such a share.
_WARP_MM, _WARP_LOG_SD, _WARP_NODES = 0.9, 0.4, (6, 8)
_THICKNESS = 0.08


def size_of_misfit(rng: np.random.Generator) -> float:
    """Return how far off a fitted model is, as a share of the errors of the first stage."""
    return _SMALL * float(np.exp(rng.normal(0.0, _MISFIT_LOG_SD)))


def disturbed(matrix: np.ndarray, rng: np.random.Generator, size: float | None = None) -> np.ndarray:
    """Return image_from_crop (2, 3) with errors like those of the first stage, or ``size`` times those."""
    if size is None:
        share = rng.random()
        size = _LARGE if share < _LARGE_SHARE else _SMALL if share < _LARGE_SHARE + _SMALL_SHARE else 1.0
    factor = np.exp(size * complex(rng.normal(0.0, _LOG_SCALE), np.radians(rng.normal(0.0, _TURN_DEG))))
    own = np.array([[factor.real, -factor.imag], [factor.imag, factor.real]])
    middle = 0.5 * (np.array(CROP_PX) - 1.0)
    shift = middle - own @ middle + size * rng.normal(0.0, _SHIFT_MM, 2)
    return np.concatenate([matrix[:, :2] @ own, (matrix[:, :2] @ shift + matrix[:, 2])[:, None]], axis=1)


def fitted_images(
    bone_mm: Tensor, all_mm: Tensor, true: np.ndarray, matrix: np.ndarray, rng: np.random.Generator
) -> Tensor:
    """Draw what a fitted model looks like on a crop that was put where the model has the vertebra.

    The model's vertebra then is where the true one is on a crop in the right place, but warped; its neighbours are
    warped by themselves.

    Args:
        bone_mm: (h, w) true path length through the vertebra on the film.
        all_mm: (h, w) the same through all five.
        true: image_from_crop (2, 3) of the crop in the right place.
        matrix: the same of the crop as it is.
        rng: source of randomness.

    Returns:
        (2, h, w) path length through the vertebra and through the others, mm.
    """
    around = disturbed(matrix, rng, size_of_misfit(rng))
    return torch.stack([_warped(bone_mm, true, rng), _warped(all_mm - bone_mm, around, rng)])


def _warped(image: Tensor, image_from_crop: np.ndarray, rng: np.random.Generator) -> Tensor:
    """Return the crop (h, w) of an image, its outlines and its values a little wrong."""
    width, height = CROP_PX
    device = image.device
    noise = torch.tensor(rng.standard_normal((1, 3, *_WARP_NODES)), dtype=torch.float32, device=device)
    off = functional.interpolate(noise, (height, width), mode="bicubic", align_corners=True)[0]
    size = _WARP_MM * float(np.exp(rng.normal(0.0, _WARP_LOG_SD)))
    y, x = torch.meshgrid(torch.arange(height, device=device), torch.arange(width, device=device), indexing="ij")
    at = torch.stack([x, y], dim=-1) + size * off[:2].permute(1, 2, 0)
    linear = torch.tensor(image_from_crop, dtype=torch.float32, device=device)
    on_image = at @ linear[:, :2].T + linear[:, 2]
    unit = (2.0 * on_image + 1.0) / torch.tensor(image.shape[::-1], dtype=torch.float32, device=device) - 1.0
    crop = functional.grid_sample(image[None, None], unit[None], align_corners=False, padding_mode="zeros")[0, 0]
    return crop * (1.0 + _THICKNESS * off[2])
