"""How alike two images are: mean absolute error, peak signal-to-noise ratio, structural similarity, perception."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_WINDOW_SIGMA_PX = 1.5
_K1, _K2 = 0.01, 0.03
_GRADIENT_FLOOR = 170.0 / 255.0**2  # of the reference, for images of 8 bits


@dataclass(frozen=True)
class ImageScores:
    """Likeness of two images.

    Attributes:
        mae: mean absolute error, unit of the images.
        psnr_db: peak signal-to-noise ratio against the largest true value.
        ssim: mean structural similarity, at most 1.
        perceptual: gradient magnitude similarity deviation (Xue et al. 2014, IEEE TIP 23:684), 0 for equal images.
    """

    mae: float
    psnr_db: float
    ssim: float
    perceptual: float


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
    perceptual = _gradient_deviation(found, truth, peak, mask)
    return ImageScores(float(np.abs(error).mean()), float(psnr), float(similarity[mask].mean()), perceptual)


def _gradient_deviation(found: np.ndarray, truth: np.ndarray, peak: float, mask: np.ndarray) -> float:
    """Return the standard deviation of the similarity of the gradients' magnitudes."""
    from scipy.ndimage import prewitt

    magnitudes = [np.hypot(prewitt(image, 0), prewitt(image, 1)) / 3.0 for image in (found, truth)]
    floor = _GRADIENT_FLOOR * peak**2
    a, b = magnitudes
    return float(((2 * a * b + floor) / (a**2 + b**2 + floor))[mask].std())
