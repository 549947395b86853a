"""Closed meshes of known shape."""

from __future__ import annotations

import numpy as np


def icosphere(levels: int, radius_mm: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Sphere around the origin, its triangles outward: 20 * 4**levels of them."""
    golden = (1 + 5**0.5) / 2
    points = [[a, b * golden, 0] for a in (-1, 1) for b in (-1, 1)]
    points = np.array(points + [[0, a, b] for a, b, _ in points] + [[b, 0, a] for a, b, _ in points], dtype=float)
    distances = np.linalg.norm(points[:, None] - points[None], axis=-1)
    close = np.isclose(distances, 2.0)
    faces = [
        (i, j, k) for i in range(12) for j in range(i) for k in range(j) if close[i, j] and close[j, k] and close[i, k]
    ]
    faces = np.array(faces)
    a, b, c = (points[faces[:, i]] for i in range(3))
    inward = np.einsum("ij,ij->i", np.cross(b - a, c - a), a) < 0
    faces[inward] = faces[inward][:, ::-1]
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    for _ in range(levels):
        points, faces = _subdivided(points, faces)
        points /= np.linalg.norm(points, axis=1, keepdims=True)
    return points * radius_mm, faces


def bumpy(levels: int, seed: int = 0, roughness_mm: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    """An irregular, non-convex closed surface about as large as a vertebra."""
    points, faces = icosphere(levels)
    rng = np.random.default_rng(seed)
    radius = np.ones(len(points))
    for _ in range(12):
        direction = rng.normal(size=3)
        direction /= np.linalg.norm(direction)
        radius += rng.uniform(-0.35, 0.5) * np.exp(-12 * (1 - points @ direction))
    return points * radius[:, None] * [30.0, 24.0, 18.0] + rng.uniform(-roughness_mm, roughness_mm, points.shape), faces


def torus(major_mm: float, minor_mm: float, around: int, across: int) -> tuple[np.ndarray, np.ndarray]:
    """Ring around the A axis."""
    u, v = np.meshgrid(np.arange(around) * 2 * np.pi / around, np.arange(across) * 2 * np.pi / across, indexing="ij")
    ring = major_mm + minor_mm * np.cos(v)
    points = np.stack([ring * np.cos(u), minor_mm * np.sin(v), ring * np.sin(u)], axis=-1).reshape(-1, 3)
    i, j = np.meshgrid(np.arange(around), np.arange(across), indexing="ij")
    corner = [(i + di) % around * across + (j + dj) % across for di, dj in ((0, 0), (1, 0), (1, 1), (0, 1))]
    faces = np.concatenate(
        [np.stack(corner[:3], -1).reshape(-1, 3), np.stack([corner[0], *corner[2:]], -1).reshape(-1, 3)]
    )
    return points, _outward(points, faces)


def box(half_mm, levels: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Box around the origin, 12 * 4**levels triangles."""
    points = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=float) * half_mm
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = np.array([triangle for a, b, c, d in quads for triangle in ((a, b, c), (a, c, d))])
    for _ in range(levels):
        points, faces = _subdivided(points, faces)
    return points, _outward(points, faces)


def _outward(points: np.ndarray, faces: np.ndarray) -> np.ndarray:
    a, b, c = (points[faces[:, i]] for i in range(3))
    return faces if np.einsum("ij,ij->", np.cross(a, b), c) > 0 else faces[:, ::-1].copy()


def _subdivided(points: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    unique, inverse = np.unique(edges, axis=0, return_inverse=True)
    ab, bc, ca = np.split(inverse.reshape(-1) + len(points), 3)
    a, b, c = faces.T
    parts = [np.stack(part, axis=-1) for part in ((a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca))]
    return np.concatenate([points, points[unique].mean(axis=1)]), np.concatenate(parts)
