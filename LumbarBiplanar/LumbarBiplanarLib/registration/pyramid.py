"""One resolution level of an observed lumbar-only image: resampling, mask, pixel weights, background functions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ..geometry import View
from .algebra import product
from .evidence import FilmEvidence


@dataclass(frozen=True, eq=False)
class ImageLevel:
    """An observed image at one resolution, restricted to the pixels near the projected vertebrae.

    Attributes:
        view: view of the cropped, resampled image of h × w pixels.
        pixels: (n,) flat indices of the pixels used.
        position: (h * w,) position in ``pixels`` of every pixel, -1 where it is not used.
        observed: (n,) mm of bone.
        weights: (n,) weight of a pixel: its area over the correlation area × region weight × reliability.
        hats: (n, K) background functions.
        sigma: standard deviation of a residual, mm of bone; fixed within the level.
        turn: residual at which the pseudo-Huber loss turns linear, mm of bone; fixed within the level.
        background_sd_mm: standard deviation of a background node, mm of bone.
    """

    view: View
    pixels: torch.Tensor
    position: torch.Tensor
    observed: torch.Tensor
    weights: torch.Tensor
    hats: torch.Tensor
    sigma: float = 1.0
    turn: float = 1.0
    background_sd_mm: float = 8.0


def averaging_matrix(count: int, factor: float) -> tuple[np.ndarray, int]:
    """Return the (new, count) matrix that averages ``count`` pixels over windows ``factor`` pixels wide.

    Windows start at the outer edge of pixel 0; a last window that reaches past the end is dropped unless it is the
    only one.
    """
    new = max(1, int(count / factor + 1e-9))
    edges = np.minimum(np.arange(new + 1) * factor, count)
    low, high = edges[:-1, None], edges[1:, None]
    cell = np.arange(count)[None, :]
    overlap = np.clip(np.minimum(high, cell + 1) - np.maximum(low, cell), 0.0, None)
    return overlap / overlap.sum(axis=1, keepdims=True), new


def area_averaged(image: np.ndarray, view: View, factors: tuple[float, float]) -> tuple[np.ndarray, View]:
    """Resample an image to pixels ``factors`` (x, y) times as large by exact area averaging.

    Args:
        image: (h, w) image.
        view: its view.
        factors: new pixel over old pixel, at least 1.

    Returns:
        The (h', w') float32 image and its view: same projection, top-left corner kept.
    """
    across, width = averaging_matrix(image.shape[1], factors[0])
    down, height = averaging_matrix(image.shape[0], factors[1])
    resampled = product(product(down, np.asarray(image, dtype=np.float64)), across.T).astype(np.float32)
    spacing = [view.spacing_mm[i] * factors[i] for i in (0, 1)]
    return resampled, view.resampled(tuple(spacing)).cropped(0, 0, width, height)


def pixel_factors(view: View, center_ras_mm: np.ndarray, pixel_mm: float) -> tuple[float, float]:
    """Return (x, y): how many pixels of ``view`` make one of ``pixel_mm`` in the object plane; at least 1."""
    size = view.pixel_size_at(center_ras_mm)
    return tuple(max(1.0, float(pixel_mm / item)) for item in size)


def projected_window(view: View, points_ras_mm: np.ndarray, margin_mm: float) -> tuple[int, int, int, int] | None:
    """Return (x0, y0, width, height) of the window about projected points, or None if it misses the film."""
    margin = margin_mm / view.pixel_size_at(points_ras_mm.mean(axis=0)) + 2
    found = view.project(points_ras_mm)
    low = np.maximum(np.floor(found.min(axis=0) - margin), 0).astype(int)
    high = np.minimum(np.ceil(found.max(axis=0) + margin) + 1, view.size_px).astype(int)
    if np.any(high - low < 4):
        return None
    return int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1])


def dilated(mask: torch.Tensor, radius_px: tuple[float, float]) -> torch.Tensor:
    """Dilate a (h, w) bool mask by a box of the given half widths (x, y) in pixels."""
    kx, ky = (2 * max(0, round(item)) + 1 for item in radius_px)
    grown = torch.nn.functional.max_pool2d(mask[None, None].float(), (ky, kx), stride=1, padding=(ky // 2, kx // 2))
    return grown[0, 0] > 0.5


def hat_functions(pixels: torch.Tensor, width: int, height: int, node_px: tuple[float, float]) -> torch.Tensor:
    """Return (n, K) bilinear hats on a grid of nodes ``node_px`` (x, y) pixels apart, those that touch the pixels.

    At every pixel the hats add up to 1, but for those of which the pixels touch no more than a corner; they are left
    out.
    """
    column, row = pixels % width, pixels // width
    counts = [max(2, int(np.ceil((size - 1) / step)) + 1) for size, step in zip((width, height), node_px, strict=True)]
    x, y = column.double() / node_px[0], row.double() / node_px[1]
    i, j = x.floor().long().clamp(0, counts[0] - 2), y.floor().long().clamp(0, counts[1] - 2)
    fx, fy = x - i, y - j
    hats = torch.zeros(len(pixels), counts[0] * counts[1], dtype=torch.float32, device=pixels.device)
    rows = torch.arange(len(pixels), device=pixels.device)
    for dx, wx in ((0, 1 - fx), (1, fx)):
        for dy, wy in ((0, 1 - fy), (1, fy)):
            hats[rows, (j + dy) * counts[0] + i + dx] = (wx * wy).float()
    return hats[:, hats.sum(dim=0) > 1.0]


def region_weight_map(
    view: View, points_ras_mm: list[np.ndarray], vertex_weights: np.ndarray, radius_mm: float
) -> np.ndarray:
    """Return (h, w) weights: the largest weight of the vertices that project within ``radius_mm``, at least 1.

    Args:
        view: view of the image.
        points_ras_mm: (V, 3) vertices of each vertebra.
        vertex_weights: (V,) weight of every vertex.
        radius_mm: radius in the object plane, about the distance of neighboring vertices.
    """
    height, width = view.shape
    result = np.ones((height, width), dtype=np.float32)
    for value in np.unique(vertex_weights[vertex_weights != 1.0]):
        chosen = np.concatenate([points[vertex_weights == value] for points in points_ras_mm])
        pixel = np.rint(view.project(chosen)).astype(int)
        inside = np.all((pixel >= 0) & (pixel < [width, height]), axis=1)
        mask = torch.zeros(height, width, dtype=torch.bool)
        mask[pixel[inside, 1], pixel[inside, 0]] = True
        size = view.pixel_size_at(chosen.mean(axis=0))
        grown = dilated(mask, tuple(radius_mm / size)).numpy()
        result[grown] = np.maximum(result[grown], value) if value > 1 else np.minimum(result[grown], value)
    return result


def resampled_evidence(
    film: FilmEvidence, center_ras_mm: np.ndarray, pixel_mm: float
) -> tuple[np.ndarray, np.ndarray | None, View]:
    """Return (image, reliability or None, view) of what is used of a film, at ``pixel_mm`` in the object plane.

    Image and reliability have the shape (height, width) of the view; the centre has the shape (3,).
    """
    factors = pixel_factors(film.image_view, center_ras_mm, pixel_mm)
    image, view = area_averaged(film.raw if film.is_raw else film.lumbar_mm, film.image_view, factors)
    if film.reliability is None or film.is_raw:
        return image, None, view
    return image, area_averaged(film.reliability, film.image_view, factors)[0], view
