"""Looking at single vertebrae: windows of a film, turned and scaled so that the mean vertebra would fill them alike.

Crop pixels are mm of the mean vertebra, x to the right, y down; ``image_from_crop`` (2, 3) takes them to pixels of an
image by a similarity, on a film seen from behind by one that turns them over.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from .consistency import upright_camera
from .preprocess import even_contrast

CROP_PX = (128, 96)  # width, height; multiples of the network's stride
# What of a vertebra is at the middle of its crop: mm right of and below the middle of the body, upright patient.
_MIDDLE_MM = {"AP": (0.0, -1.0), "lateral": (26.0, -1.0)}
_WIDE_PX, _NARROW_PX = 14.0, 5.0
_SAMPLE_STEP = 7
CROP_CHANNELS = 3
# What a fitted model adds to them: the path length through the vertebra, and through all others of the model.
FITTED_CHANNELS = 2
FITTED_SCALE_MM = 20.0
_MAGNIFICATION = 1.22


def crop_template(template_mm: np.ndarray, view_name: str) -> np.ndarray:
    """Return where the landmarks (..., 3) mm of a mean vertebra, vertebra frame, lie on its crop: (..., 2) pixels."""
    middle = 0.5 * (np.array(CROP_PX) - 1.0)
    return template_mm @ upright_camera(view_name).T - _MIDDLE_MM[view_name] + middle


def fit_similarity(
    crop_px: np.ndarray, image_px: np.ndarray, weights: np.ndarray | None = None, turned_over: bool = False
) -> np.ndarray:
    """Return the similarity image_from_crop (2, 3) that takes crop pixels nearest to image pixels (least squares).

    Args:
        crop_px, image_px: (n, 2), at least two different points each.
        weights: (n,) not negative; None means all alike.
        turned_over: whether the similarity also exchanges left and right.
    """
    if turned_over:
        matrix = fit_similarity(crop_px * [-1.0, 1.0], image_px, weights)
        return matrix * [-1.0, 1.0, 1.0]
    weights = np.ones(len(crop_px)) if weights is None else weights
    weights = weights / weights.sum()
    source, target = crop_px[:, 0] + 1j * crop_px[:, 1], image_px[:, 0] + 1j * image_px[:, 1]
    source_mean, target_mean = weights @ source, weights @ target
    centred = source - source_mean
    factor = (weights * centred.conj()) @ (target - target_mean) / (weights @ np.abs(centred) ** 2)
    shift = target_mean - factor * source_mean
    return np.array([[factor.real, -factor.imag, shift.real], [factor.imag, factor.real, shift.imag]])


def apply(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return points (..., n, 2) moved by (..., 2, 3)."""
    return points @ np.swapaxes(matrix[..., :2], -1, -2) + matrix[..., None, :, 2]


def invert(matrix: np.ndarray) -> np.ndarray:
    """Return the inverse (..., 2, 3) of affine matrices (..., 2, 3)."""
    linear = np.linalg.inv(matrix[..., :2])
    return np.concatenate([linear, -linear @ matrix[..., 2:]], axis=-1)


def pixels_per_mm(matrix: np.ndarray) -> np.ndarray:
    """Return the scale (...) of similarities (..., 2, 3)."""
    return np.hypot(matrix[..., 0, 0], matrix[..., 1, 0])


def path_unit_mm(matrix: np.ndarray, pitch_mm: float) -> np.ndarray:
    """Return how many mm of bone (...) one mm of the mean vertebra stands for, given image_from_crop (..., 2, 3).

    A vertebra that looks large is so half because it is large and half because it was magnified: people differ in
    size about as much as films do in magnification.

    Args:
        matrix: similarities from crop to image.
        pitch_mm: of the image, at the detector.
    """
    return np.sqrt(pixels_per_mm(matrix) * pitch_mm / _MAGNIFICATION)


def sample(image: Tensor, image_from_target: np.ndarray, size_px: tuple[int, int], padding: str = "border") -> Tensor:
    """Sample windows of images, bilinear.

    Args:
        image: (C, H, W), or (N, C, H, W) with an image for each window.
        image_from_target: (N, 2, 3), from pixels of the window to pixels of the image.
        size_px: (width, height) of the windows.
        padding: what is outside the image, "border" or "zeros".

    Returns:
        (N, C, h, w).
    """
    count = len(image_from_target)
    images = image if image.ndim == 4 else image[None].expand(count, *image.shape)
    height, width = images.shape[2:]
    # grid_sample wants -1 to 1 from edge to edge of both images; pixel p is at (2 p + 1) / size - 1.
    to_unit = np.array([[2.0 / width, 0.0, 1.0 / width - 1.0], [0.0, 2.0 / height, 1.0 / height - 1.0], [0, 0, 1.0]])
    w, h = size_px
    from_unit = np.array([[w / 2.0, 0.0, (w - 1) / 2.0], [0.0, h / 2.0, (h - 1) / 2.0], [0.0, 0.0, 1.0]])
    full = np.concatenate([image_from_target, np.broadcast_to([[[0.0, 0.0, 1.0]]], (count, 1, 3))], axis=1)
    theta = torch.tensor((to_unit @ full @ from_unit)[:, :2], dtype=image.dtype, device=image.device)
    grid = functional.affine_grid(theta, [count, 1, h, w], align_corners=False)
    return functional.grid_sample(images, grid, align_corners=False, padding_mode=padding)


def crop_channels(crops: Tensor) -> Tensor:
    """Return the network's input (N, 3, h, w) for windows (N, 1, h, w) of a film with bone bright, in any scale.

    The window between its 2nd and 98th percentile, and with local mean and contrast evened out widely and narrowly.
    """
    fractions = torch.tensor([0.02, 0.98], dtype=crops.dtype, device=crops.device)
    low, high = torch.quantile(crops.flatten(1)[:, ::_SAMPLE_STEP], fractions, dim=1)[..., None, None, None]
    stretched = ((crops - low) / (high - low + 1e-6)).clamp(-0.3, 1.3) * 2 - 1
    wide = even_contrast(stretched, _WIDE_PX).clamp(-4, 4) * 0.5
    narrow = even_contrast(stretched, _NARROW_PX).clamp(-4, 4) * 0.5
    return torch.cat([stretched, wide, narrow], dim=1)


def with_fitted(channels: Tensor, fitted_mm: Tensor | None) -> Tensor:
    """Add what a fitted model shows to the channels (N, 3, h, w) of a film; returns (N, 5, h, w).

    Args:
        channels: of ``crop_channels``.
        fitted_mm: (N, 2, h, w) path length through the vertebra of the model and through its other ones, mm of the
            mean vertebra; None, or zeros, if there is no model yet.
    """
    if fitted_mm is None:
        fitted_mm = channels.new_zeros((len(channels), FITTED_CHANNELS, *channels.shape[2:]))
    return torch.cat([channels, fitted_mm / FITTED_SCALE_MM], dim=1)
