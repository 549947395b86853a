"""How alike two images are: mean absolute error, peak signal-to-noise ratio, structural similarity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_WINDOW_SIGMA_PX = 1.5
_K1, _K2 = 0.01, 0.03


@dataclass(frozen=True)
class ImageScores:
    """Likeness of two images.

    Attributes:
        mae: mean absolute error, unit of the images.
        psnr_db: peak signal-to-noise ratio against the largest true value.
        ssim: mean structural similarity, at most 1.
    """

    mae: float
    psnr_db: float
    ssim: float


def image_scores(found: np.ndarray, truth: np.ndarray, inside: np.ndarray | None = None) -> ImageScores:
    """Compare an image with the truth.

    Args:
        found, truth: (h, w), same unit.
        inside: (h, w) bool, the pixels that count; None means all.

    Returns:
        The scores. SSIM is that of Wang et al. 2004 (IEEE TIP 13:600), Gaussian window of 1.5 px, range of the truth.

    Raises:
        ValueError: if the shapes differ or the truth is constant.
    """
    from scipy.ndimage import gaussian_filter

    found, truth = np.asarray(found, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    if found.shape != truth.shape:
        raise ValueError(f"The images have shapes {found.shape} and {truth.shape}; they must be equal.")
    peak = float(truth.max() - truth.min())
    if peak <= 0:
        raise ValueError("The true image is constant; there is nothing to compare with.")
    mask = np.ones(truth.shape, dtype=bool) if inside is None else inside

    def blur(image: np.ndarray) -> np.ndarray:
        return gaussian_filter(image, _WINDOW_SIGMA_PX, truncate=3.5)

    mean_a, mean_b = blur(found), blur(truth)
    variance_a, variance_b = blur(found**2) - mean_a**2, blur(truth**2) - mean_b**2
    covariance = blur(found * truth) - mean_a * mean_b
    c1, c2 = (_K1 * peak) ** 2, (_K2 * peak) ** 2
    similarity = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    similarity /= (mean_a**2 + mean_b**2 + c1) * (variance_a + variance_b + c2)
    error = (found - truth)[mask]
    mean_square = float(np.mean(error**2))
    psnr = float("inf") if mean_square == 0 else 10.0 * np.log10(peak**2 / mean_square)
    return ImageScores(float(np.abs(error).mean()), float(psnr), float(similarity[mask].mean()))
