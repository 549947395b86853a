"""Pictures of surfaces without a graphics library: an orthographic z-buffer in numpy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..shape.surfaces import Surface, vertex_normals

_OVERSAMPLING = 2
_FAR = np.inf
_EDGE = 1e-5
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
    width, height = (side * _OVERSAMPLING for side in eye.size_px)
    depth = np.full(width * height, _FAR)
    normal = np.zeros((width * height, 3))
    owner = np.full(width * height, -1)
    for number, surface in enumerate(surfaces):
        screen, normals = _to_screen(surface, eye, width, height)
        index, z, n = _fragments(screen, normals, surface.faces, width, height)
        nearer = np.full(width * height, _FAR)
        np.minimum.at(nearer, index, z)
        front = (z <= nearer[index]) & (z < depth[index])
        depth[index[front]], normal[index[front]], owner[index[front]] = z[front], n[front], number
    seen = np.flatnonzero(owner >= 0)
    color = np.zeros((width * height, 3))
    color[seen] = _lit(np.asarray(colors, dtype=np.float64)[owner[seen]], normal[seen])
    depth, covered = depth.reshape(height, width), (owner >= 0).reshape(height, width)
    picture = _reduced(color.reshape(height, width, 3), covered.astype(np.float64))
    shadow = _contact_shadow(*_coarse(depth, covered), eye.mm_per_px)
    picture[..., :3] = np.clip(picture[..., :3] * shadow[..., None], 0.0, 1.0)
    return picture


def _to_screen(surface: Surface, eye: Eye, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    camera = (surface.points_ras_mm - eye.center_ras_mm) @ eye.camera_from_ras.T
    scale = _OVERSAMPLING / eye.mm_per_px
    screen = np.column_stack(
        [camera[:, 0] * scale + (width - 1) / 2, camera[:, 1] * scale + (height - 1) / 2, camera[:, 2]]
    ).astype(np.float32)
    return screen, vertex_normals(surface.points_ras_mm, surface.faces) @ eye.camera_from_ras.T


def _fragments(
    screen: np.ndarray, normals: np.ndarray, faces: np.ndarray, width: int, height: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return pixel index, depth and interpolated normal of every pixel centre inside a triangle that faces the eye."""
    corners = screen[faces]
    edge1, edge2 = corners[:, 1, :2] - corners[:, 0, :2], corners[:, 2, :2] - corners[:, 0, :2]
    area = edge1[:, 0] * edge2[:, 1] - edge1[:, 1] * edge2[:, 0]
    facing = area < -1e-9  # of a closed surface only what faces the eye is seen (y points down)
    corners, faces, area, edge1, edge2 = (item[facing] for item in (corners, faces, area, edge1, edge2))
    low = np.ceil(corners[..., :2].min(axis=1)).astype(np.int32)
    span = np.floor(corners[..., :2].max(axis=1)).astype(np.int32) - low + 1
    reach = np.maximum(span.max(axis=1), 0)
    parts = []
    # Triangles of like size share one block of candidate pixels, so that nothing loops over triangles.
    for bottom, top in ((0, 2), (2, 4), (4, 6), (6, 9), (9, 13), (13, 19), (19, 28), (28, 64), (64, 4096)):
        chosen = np.flatnonzero((reach > bottom) & (reach <= top))
        for rows in np.array_split(chosen, max(1, len(chosen) * min(top, 256) ** 2 // 1_000_000)):
            if len(rows):
                block = int(reach[rows].max())
                parts.append(_fill(rows, block, low, corners, edge1, edge2, area, (width, height)))
    if not parts:
        return np.empty(0, dtype=int), np.empty(0), np.empty((0, 3))
    face, index, weights = (np.concatenate([part[k] for part in parts]) for k in range(3))
    z = np.einsum("nk,nk->n", weights, corners[face][..., 2])
    n = np.einsum("nk,nkc->nc", weights, normals[faces[face]])
    return index, z, n / np.maximum(np.linalg.norm(n, axis=1, keepdims=True), 1e-12)


def _fill(rows, block, low, corners, edge1, edge2, area, size) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    offset_y, offset_x = (grid.ravel().astype(np.int32) for grid in np.mgrid[0:block, 0:block])
    x = low[rows, :1] + offset_x
    y = low[rows, 1:] + offset_y
    dx, dy = x.astype(np.float32) - corners[rows, 0, :1], y.astype(np.float32) - corners[rows, 0, 1:2]
    second = (dx * edge2[rows, 1:] - dy * edge2[rows, :1]) / area[rows, None]
    third = (dy * edge1[rows, :1] - dx * edge1[rows, 1:]) / area[rows, None]
    first = 1.0 - second - third
    row, column = np.nonzero((first >= -_EDGE) & (second >= -_EDGE) & (third >= -_EDGE))
    x, y = x[row, column], y[row, column]
    weights = np.column_stack([part[row, column] for part in (first, second, third)])
    kept = (x >= 0) & (x < size[0]) & (y >= 0) & (y < size[1])
    return rows[row][kept], (y.astype(np.int64) * size[0] + x)[kept], weights[kept]


def _lit(color: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """Blinn-Phong shading with a key light, a fill light and a darker limb."""
    normal = np.where(normal[:, 2:] > 0, -normal, normal)
    key = np.clip(normal @ (_KEY_LIGHT / np.linalg.norm(_KEY_LIGHT)), 0.0, None)
    fill = np.clip(normal @ (_FILL_LIGHT / np.linalg.norm(_FILL_LIGHT)), 0.0, None)
    half = _KEY_LIGHT / np.linalg.norm(_KEY_LIGHT) + np.array([0.0, 0.0, -1.0])
    gloss = np.clip(normal @ (half / np.linalg.norm(half)), 0.0, None) ** 32
    limb = 0.72 + 0.28 * np.clip(-normal[:, 2] / 0.45, 0.0, 1.0)
    light = (0.34 + 0.58 * key + 0.22 * fill) * limb
    return color * light[:, None] + 0.16 * gloss[:, None]


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


def _coarse(depth: np.ndarray, covered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the nearest depth of each block of ``_OVERSAMPLING`` squared pixels, and whether anything is there."""
    height, width = (side // _OVERSAMPLING for side in depth.shape)
    shape = (height, _OVERSAMPLING, width, _OVERSAMPLING)
    return depth.reshape(shape).min(axis=(1, 3)), covered.reshape(shape).any(axis=(1, 3))


def _reduced(color: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Average blocks of ``_OVERSAMPLING`` squared pixels, colors weighted by coverage."""
    height, width = (side // _OVERSAMPLING for side in alpha.shape)
    shape = (height, _OVERSAMPLING, width, _OVERSAMPLING)
    cover = alpha.reshape(shape).mean(axis=(1, 3))
    weighted = (color * alpha[..., None]).reshape(*shape, 3).mean(axis=(1, 3))
    return np.concatenate([weighted / np.maximum(cover, 1e-9)[..., None], cover[..., None]], axis=-1)
