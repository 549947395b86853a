"""Resampling an image from the pixels of one view to those of another with the same projection."""

from __future__ import annotations

import numpy as np

from ..errors import GeometryError
from ..geometry import View


def resample_image(image: np.ndarray, source: View, target: View, outside: float | None = None) -> np.ndarray:
    """Resample an image to the pixel grid of another view of the same source and detector.

    Linear interpolation; where the new pixel is the larger one, a triangle as wide as two new pixels averages
    (the anti-aliased bilinear filter of Pillow).

    Args:
        image: (..., H, W) values on ``source``'s pixels; leading axes are channels.
        source: view of the image.
        target: view that differs from ``source`` only in principal point, size and spacing (crop, resample, resize).
        outside: value beyond the source image; None repeats its edge.

    Returns:
        (..., target height, target width) float32.

    Raises:
        GeometryError: if the two views do not share model, pose and source-detector distance, or the image does not
            have the size of ``source``.
    """
    same = source.model == target.model and abs(source.focal_mm - target.focal_mm) <= 1e-6 * source.focal_mm
    if not same or not np.allclose(source.camera_from_ras, target.camera_from_ras, rtol=0, atol=1e-6):
        raise GeometryError(f"An image of {source.name} cannot be resampled to {target.name}: the projections differ.")
    image = np.asarray(image, dtype=np.float32)
    if image.shape[-2:] != source.shape:
        raise GeometryError(f"The image is {image.shape[-2:]}, its view {source.shape} (height, width).")
    fill = 0.0 if outside is None else float(outside)
    across, along = (_axis_weights(source, target, axis, outside is None) for axis in (0, 1))
    flat = (image - fill).reshape(-1, *source.shape)
    planes = [(across @ (along @ plane).T).T for plane in flat]
    return (np.stack(planes) + fill).reshape(image.shape[:-2] + target.shape).astype(np.float32)


def _axis_weights(source: View, target: View, axis: int, repeat_edge: bool):
    """Return the sparse (target size, source size) float32 weights along one axis; rows sum to 1 inside the image."""
    from scipy.sparse import csr_matrix

    scale = target.spacing_mm[axis] / source.spacing_mm[axis]
    n_target, n_source = target.size_px[axis], source.size_px[axis]
    middle = target.pixels_on(source, np.repeat(np.arange(n_target)[:, None], 2, axis=1))[:, axis]
    radius = max(scale, 1.0)
    offsets = np.arange(int(np.ceil(2 * radius)) + 1)
    columns = np.floor(middle - radius).astype(int)[:, None] + 1 + offsets
    weights = np.maximum(0.0, 1.0 - np.abs(columns - middle[:, None]) / radius)
    weights /= weights.sum(axis=1, keepdims=True)
    if repeat_edge:
        columns = np.clip(columns, 0, n_source - 1)
    else:
        inside = (columns >= 0) & (columns < n_source)
        weights, columns = np.where(inside, weights, 0.0), np.where(inside, columns, 0)
    rows = np.repeat(np.arange(n_target), len(offsets))
    return csr_matrix((weights.ravel().astype(np.float32), (rows, columns.ravel())), shape=(n_target, n_source))
