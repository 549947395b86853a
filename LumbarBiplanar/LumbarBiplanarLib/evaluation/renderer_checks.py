"""Answers to check the renderer with, independent of it: rays against triangles one by one, spheres, outlines."""

from __future__ import annotations

import numpy as np


def ray_cast_mm(points: np.ndarray, faces: np.ndarray, origins: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Return the path length of rays in a closed mesh: exits minus entries along each ray.

    Intersections as in Moeller and Trumbore, "Fast, minimum storage ray/triangle intersection", 1997.

    Args:
        points: (V, 3) vertices, mm.
        faces: (F, 3) triangles, outward.
        origins: (R, 3) where the rays begin, mm, outside the mesh.
        directions: (R, 3) unit vectors.

    Returns:
        (R,) mm; NaN for a ray that grazes an edge so that its entries and exits do not pair up.
    """
    a, b, c = (points[faces[:, i]] for i in range(3))
    result = np.empty(len(origins))
    for index, (origin, direction) in enumerate(zip(origins, directions, strict=True)):
        p = np.cross(direction, c - a)
        determinant = np.einsum("ij,ij->i", b - a, p)
        with np.errstate(divide="ignore", invalid="ignore"):
            u = np.einsum("ij,ij->i", origin - a, p) / determinant
            q = np.cross(origin - a, b - a)
            v = q @ direction / determinant
            at = np.einsum("ij,ij->i", c - a, q) / determinant
        hit = (u >= 0) & (v >= 0) & (u + v <= 1)
        entering = determinant[hit] > 0
        paired = 2 * int(entering.sum()) == int(hit.sum())
        result[index] = float(np.sum(np.where(entering, -at[hit], at[hit]))) if paired else np.nan
    return result


def sphere_mesh(radius_mm: float, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Return vertices (V, 3), mm, and outward triangles (F, 3) of a sphere around the origin; ``steps`` rows."""
    rows, n = steps - 1, 2 * steps
    polar, around = np.meshgrid(np.arange(1, steps) * np.pi / steps, np.arange(n) * np.pi / steps, indexing="ij")
    ring = np.stack([np.sin(polar) * np.cos(around), np.sin(polar) * np.sin(around), np.cos(polar)], axis=-1)
    points = radius_mm * np.concatenate([ring.reshape(-1, 3), [[0, 0, 1], [0, 0, -1]]])
    i, j = (index.reshape(-1) for index in np.meshgrid(np.arange(rows - 1), np.arange(n), indexing="ij"))
    corner = [i * n + j, (i + 1) * n + j, (i + 1) * n + (j + 1) % n, i * n + (j + 1) % n]
    top, bottom, k = np.full(n, rows * n), np.full(n, rows * n + 1), np.arange(n)
    last = (rows - 1) * n
    parts = [corner[:3], [corner[0], *corner[2:]], [top, k, (k + 1) % n], [bottom, last + (k + 1) % n, last + k]]
    return points, np.concatenate([np.stack(part, axis=-1) for part in parts])


def inside_polygon(outline: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Return (P,) bool: whether pixels (P, 2) lie inside the closed polyline (n, 2), by even and odd crossings."""
    inside = np.zeros(len(pixels), dtype=bool)
    for (x0, y0), (x1, y1) in zip(outline, np.roll(outline, -1, axis=0), strict=True):
        between = (pixels[:, 1] >= min(y0, y1)) & (pixels[:, 1] < max(y0, y1))
        inside[between] ^= pixels[between, 0] < x0 + (pixels[between, 1] - y0) * (x1 - x0) / (y1 - y0)
    return inside
