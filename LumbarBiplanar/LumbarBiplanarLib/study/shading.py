"""Pictures of surfaces without a graphics library: an orthographic z-buffer in numpy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ..shape.surfaces import Surface, vertex_normals

_OVERSAMPLING = 2
_FAR = np.inf
_EDGE = 1e-5
_GLOSS_SQUARINGS = 5  # the 32nd power
# Lights in the camera frame (x right, y down, z away from the eye), by direction towards the light.
_KEY_LIGHT = np.array([-0.45, -0.60, -0.66])
_FILL_LIGHT = np.array([0.75, 0.10, -0.65])


@dataclass(frozen=True)
class Eye:
    """An orthographic eye.

    Attributes:
        camera_from_ras: (3, 3) rotation; rows are the directions right, down and away from the eye, in RAS.
        center_ras_mm: (3,) point at the centre of the picture.
        size_px: (width, height) of the picture.
        mm_per_px: millimetres per pixel.
    """

    camera_from_ras: np.ndarray
    center_ras_mm: np.ndarray
    size_px: tuple[int, int]
    mm_per_px: float


def looking_along(direction_ras: Sequence[float]) -> np.ndarray:
    """Return the (3, 3) ``camera_from_ras`` of an eye that looks along ``direction_ras`` with cranial up."""
    away = np.asarray(direction_ras, dtype=np.float64)
    away = away / np.linalg.norm(away)
    down = np.array([0.0, 0.0, -1.0])
    down = down - away * (down @ away)
    down = down / np.linalg.norm(down)
    return np.stack([np.cross(down, away), down, away])


def shade(surfaces: Sequence[Surface], colors: Sequence[Sequence[float]], eye: Eye) -> np.ndarray:
    """Draw closed surfaces, lit and with soft contact shadows, on a transparent ground.

    Args:
        surfaces: what to draw.
        colors: (red, green, blue) from 0 to 1 per surface.
        eye: from where.

    Returns:
        (height, width, 4) float64 picture, red, green, blue and alpha from 0 to 1 (color not multiplied by alpha).
    """
    size = (eye.size_px[0] * _OVERSAMPLING, eye.size_px[1] * _OVERSAMPLING)
    starts = np.cumsum([0, *(len(surface.points_ras_mm) for surface in surfaces)])
    faces = np.concatenate([surface.faces + start for surface, start in zip(surfaces, starts[:-1], strict=True)])
    screen = np.concatenate([_to_screen(surface, eye, size) for surface in surfaces])
    normals = np.concatenate([vertex_normals(surface.points_ras_mm, surface.faces) for surface in surfaces])
    depth, seen, face, weights = _nearest(screen, faces, size)
    light, gloss = _lit(*(_interpolated(axis, faces, face, weights) for axis in eye.camera_from_ras @ normals.T))
    owner = np.repeat(np.arange(len(surfaces)), [len(surface.faces) for surface in surfaces])[face]
    picture = _reduced((shares[owner] * light + gloss for shares in np.transpose(colors)), seen, eye.size_px)
    shadow = _contact_shadow(_coarse(depth, eye.size_px), picture[..., 3] > 0, eye.mm_per_px)
    picture[..., :3] = np.clip(picture[..., :3] * shadow[..., None], 0.0, 1.0)
    return picture


def _to_screen(surface: Surface, eye: Eye, size: tuple[int, int]) -> np.ndarray:
    camera = (surface.points_ras_mm - eye.center_ras_mm) @ eye.camera_from_ras.T
    scale = _OVERSAMPLING / eye.mm_per_px
    return np.column_stack(
        [camera[:, 0] * scale + (size[0] - 1) / 2, camera[:, 1] * scale + (size[1] - 1) / 2, camera[:, 2]]
    ).astype(np.float32)


def _nearest(
    screen: np.ndarray, faces: np.ndarray, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the depth of all pixels, and of those in which something is seen: pixel, face, weights of its corners."""
    index, face, weights = _fragments(screen, faces, size)
    z = _interpolated(screen[:, 2], faces, face, weights)
    depth, winner = np.full(size[0] * size[1], _FAR, dtype=np.float32), np.full(size[0] * size[1], -1, dtype=np.int32)
    np.minimum.at(depth, index, z)
    nearest = np.flatnonzero(z <= depth[index])
    winner[index[nearest]] = nearest
    seen = np.flatnonzero(winner >= 0)
    return depth, seen, face[winner[seen]], weights[:, winner[seen]]


def _fragments(
    screen: np.ndarray, faces: np.ndarray, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return pixel, face and weights of the face's corners for every pixel centre in a triangle that faces the eye."""
    corners = screen[faces]
    edge1, edge2 = corners[:, 1, :2] - corners[:, 0, :2], corners[:, 2, :2] - corners[:, 0, :2]
    area = edge1[:, 0] * edge2[:, 1] - edge1[:, 1] * edge2[:, 0]
    low = np.ceil(corners[..., :2].min(axis=1)).astype(np.int32)
    span = np.floor(corners[..., :2].max(axis=1)).astype(np.int32) - low + 1
    facing = area < -1e-9  # of a closed surface only what faces the eye is seen (y points down)
    reach = np.where(facing, np.maximum(span.max(axis=1), 0), 0)
    parts = []
    # Triangles of like size share one block of candidate pixels, so that nothing loops over triangles.
    for bottom, top in ((0, 2), (2, 4), (4, 6), (6, 9), (9, 13), (13, 19), (19, 28), (28, 64), (64, 4096)):
        chosen = np.flatnonzero((reach > bottom) & (reach <= top))
        for rows in np.array_split(chosen, max(1, len(chosen) * min(top, 256) ** 2 // 200_000)):
            if len(rows):
                block = int(reach[rows].max())
                parts.append(_fill(rows, block, low, corners, edge1, edge2, area, size))
    if not parts:
        return np.empty(0, dtype=int), np.empty(0, dtype=int), np.empty((3, 0), dtype=np.float32)
    return tuple(np.concatenate([part[k] for part in parts], axis=-1) for k in range(3))


def _fill(rows, block, low, corners, edge1, edge2, area, size) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    offset_y, offset_x = (grid.ravel().astype(np.int32) for grid in np.mgrid[0:block, 0:block])
    x = low[rows, :1] + offset_x
    y = low[rows, 1:] + offset_y
    dx, dy = x.astype(np.float32) - corners[rows, 0, :1], y.astype(np.float32) - corners[rows, 0, 1:2]
    second = (dx * edge2[rows, 1:] - dy * edge2[rows, :1]) / area[rows, None]
    third = (dy * edge1[rows, :1] - dx * edge1[rows, 1:]) / area[rows, None]
    first = 1.0 - second - third
    inside = (first >= -_EDGE) & (second >= -_EDGE) & (third >= -_EDGE)
    inside &= (x >= 0) & (x < size[0]) & (y >= 0) & (y < size[1])
    found = np.flatnonzero(inside)
    weights = np.stack([part.ravel()[found] for part in (first, second, third)])
    pixels = y.ravel()[found].astype(np.int64) * size[0] + x.ravel()[found]
    return pixels, rows[found // block**2], weights


def _interpolated(values: np.ndarray, faces: np.ndarray, face: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return (n,) the values (V,) of the vertices at points of faces, given as weights (3, n) of the corners."""
    return sum(weight * values[corner][face] for weight, corner in zip(weights, faces.T, strict=True))


def _lit(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the light (n,) on normals and the gloss: Blinn-Phong with a key light, a fill light and a darker limb."""
    scale = np.where(z > 0, -1.0, 1.0) / np.maximum(np.sqrt(x * x + y * y + z * z), 1e-12)
    x, y, z = x * scale, y * scale, z * scale

    def towards(direction: np.ndarray) -> np.ndarray:
        a, b, c = direction / np.linalg.norm(direction)
        return np.maximum(a * x + b * y + c * z, 0.0)

    half = _KEY_LIGHT / np.linalg.norm(_KEY_LIGHT) + np.array([0.0, 0.0, -1.0])
    gloss = towards(half)
    for _ in range(_GLOSS_SQUARINGS):
        gloss *= gloss
    limb = 0.72 + 0.28 * np.clip(-z / 0.45, 0.0, 1.0)
    return (0.34 + 0.58 * towards(_KEY_LIGHT) + 0.22 * towards(_FILL_LIGHT)) * limb, 0.16 * gloss


def _contact_shadow(depth: np.ndarray, covered: np.ndarray, mm_per_px: float) -> np.ndarray:
    """Darken what lies behind its surroundings (screen-space occlusion over 2.5 and 7 mm)."""
    from scipy import ndimage

    if not covered.any():
        return np.ones_like(depth)
    far = depth[covered].max() + 10.0
    filled = np.where(covered, depth, far)
    shadow = np.ones_like(depth)
    for radius_mm, strength in ((2.5, 0.30), (7.0, 0.35)):
        near = np.minimum(filled, far)
        behind = np.clip(filled - ndimage.gaussian_filter(near, radius_mm / mm_per_px), 0.0, 2.5 * radius_mm)
        shadow *= 1.0 - strength * behind / (2.5 * radius_mm)
    return shadow


def _coarse(depth: np.ndarray, size_px: tuple[int, int]) -> np.ndarray:
    """Return the nearest depth (h, w) of each block of ``_OVERSAMPLING`` squared pixels."""
    rows = depth.reshape(size_px[1], _OVERSAMPLING, -1).min(axis=1)
    return rows.reshape(size_px[1], size_px[0], _OVERSAMPLING).min(axis=2).astype(np.float64)


def _reduced(channels: Iterable[np.ndarray], seen: np.ndarray, size_px: tuple[int, int]) -> np.ndarray:
    """Return the picture (h, w, 4): per block of ``_OVERSAMPLING`` squared pixels mean color and share of ``seen``."""
    width, height = size_px
    y, x = np.divmod(seen, width * _OVERSAMPLING)
    block = y // _OVERSAMPLING * width + x // _OVERSAMPLING
    count = np.bincount(block, minlength=width * height)
    sums = [np.bincount(block, weights=channel, minlength=width * height) for channel in channels]
    means = [total / np.maximum(count, 1) for total in sums]
    return np.stack([*means, count / _OVERSAMPLING**2], axis=-1).reshape(height, width, 4)
