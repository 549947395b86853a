"""Dense correspondence: a template is laid onto a vertebra, first rigidly, then by Gaussian radial basis functions.

The order is that of Yu et al. 2025 (arXiv 2503.14573): an anatomical frame, ICP, then a non-rigid registration with
Gaussian RBFs, here from coarse to fine and with closest points sought in both directions, so that the template also
reaches into the tips of the processes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from ..geometry.frames import rotation_from_vector, similarity_fit, transform_points
from .surfaces import Surface, vertex_areas, vertex_normals

# Sagittal tilts to start from: L1 leans back and L5 forward by up to some 30 degrees in a lordotic spine.
_START_TILTS_DEG = (-30.0, -15.0, 0.0, 15.0, 30.0)


@dataclass(frozen=True)
class Stage:
    """One step of the coarse-to-fine deformation.

    Attributes:
        width_mm: standard deviation of the Gaussian basis functions.
        centers: number of basis functions, spread evenly over the template.
        stiffness: weight of the bending penalty against the mean squared distance.
        iterations: closest-point iterations.
        reach_mm: pairs further apart than this are ignored.
    """

    width_mm: float
    centers: int
    stiffness: float
    iterations: int
    reach_mm: float


STAGES = (
    Stage(30.0, 60, 1e-2, 12, 25.0),
    Stage(18.0, 150, 5e-3, 12, 15.0),
    Stage(11.0, 350, 2e-3, 12, 10.0),
    Stage(7.0, 800, 1e-3, 10, 6.0),
    Stage(4.5, 1600, 1e-3, 6, 4.0),
)


def farthest_points(points: np.ndarray, count: int) -> np.ndarray:
    """Return the indices (count,) of points spread evenly over ``points`` (N, 3), any unit, from the first one on."""
    chosen = np.zeros(min(count, len(points)), dtype=int)
    distance = np.full(len(points), np.inf)
    for k in range(1, len(chosen)):
        distance = np.minimum(distance, np.linalg.norm(points - points[chosen[k - 1]], axis=1))
        chosen[k] = int(distance.argmax())
    return chosen


def _sampled(surface: Surface, count: int) -> tuple[np.ndarray, np.ndarray]:
    normals = vertex_normals(surface.points_ras_mm, surface.faces)
    index = thinned(surface.points_ras_mm, count)
    return surface.points_ras_mm[index], normals[index]


def thinned(points: np.ndarray, count: int) -> np.ndarray:
    """Return about ``count`` indices that thin ``points`` (N, 3), mm, to an even density (one point per grid cell)."""
    if len(points) <= count:
        return np.arange(len(points))
    low, high = 0.1, np.ptp(points, axis=0).max()
    for _ in range(25):
        cell = 0.5 * (low + high)
        _, index = np.unique(np.floor(points / cell).astype(int), axis=0, return_index=True)
        low, high = (cell, high) if len(index) > count else (low, cell)
    return np.sort(index)


def align(points_mm: np.ndarray, faces: np.ndarray, target: Surface, *, iterations: int = 40) -> np.ndarray:
    """Lay a vertebra onto another by similarity ICP from several sagittal tilts.

    Args:
        points_mm: (V, 3) vertices of the moving vertebra, axes along RAS.
        faces: (F, 3) its triangles.
        target: the vertebra to meet, axes roughly along RAS.
        iterations: closest-point iterations per start.

    Returns:
        (4, 4) target_from_moving, a similarity.
    """
    moving, moving_normals = _sampled(Surface(points_mm, faces), 1200)
    fixed, fixed_normals = _sampled(target, 4000)
    tree = cKDTree(fixed)
    best, best_error = np.eye(4), np.inf
    size = np.sqrt(np.var(fixed, axis=0).sum() / np.var(moving, axis=0).sum())
    for tilt_deg in _START_TILTS_DEG:
        pose = np.eye(4)
        pose[:3, :3] = size * rotation_from_vector(np.array([np.deg2rad(tilt_deg), 0.0, 0.0]))
        pose[:3, 3] = fixed.mean(axis=0) - pose[:3, :3] @ moving.mean(axis=0)
        for step in range(iterations):
            pose, error = _icp_step(pose, moving, moving_normals, fixed, fixed_normals, tree, step / iterations)
        if error < best_error:
            best, best_error = pose, error
    return best


def _icp_step(pose, moving, moving_normals, fixed, fixed_normals, tree, progress):
    moved = transform_points(pose, moving)
    normals = moving_normals @ pose[:3, :3].T
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    near, index = tree.query(moved)
    back, back_index = cKDTree(moved).query(fixed[::3])
    source = np.concatenate([moving, moving[back_index]])
    goal = np.concatenate([fixed[index], fixed[::3]])
    agree = np.concatenate(
        [
            np.einsum("ij,ij->i", normals, fixed_normals[index]),
            np.einsum("ij,ij->i", normals[back_index], fixed_normals[::3]),
        ]
    )
    distance = np.concatenate([near, back])
    cut = np.quantile(distance, 0.95 - 0.1 * progress)
    weight = ((distance <= cut) & (agree > 0.3)).astype(float)
    error = float(np.quantile(distance, 0.8))
    return similarity_fit(source, goal, weights=weight), error


def deform(
    points_mm: np.ndarray,
    faces: np.ndarray,
    target: Surface,
    *,
    stages: tuple[Stage, ...] = STAGES,
    pull_back: bool = True,
) -> np.ndarray:
    """Deform a template onto a surface with Gaussian radial basis functions, from coarse to fine.

    Args:
        points_mm: (V, 3) vertices of the template, already aligned to ``target`` (same frame).
        faces: (F, 3) its triangles.
        target: the surface to meet.
        stages: widths, numbers and stiffness of the basis functions.
        pull_back: let points of the target pull the template too; off for a target with parts missing or ragged.

    Returns:
        (V, 3) deformed vertices.
    """
    fixed, fixed_normals = _sampled(target, 20000)
    tree = cKDTree(fixed)
    reverse = thinned(fixed, 3000)
    area = vertex_areas(points_mm, faces)
    current = np.array(points_mm, dtype=float)
    for stage in stages:
        rest = current.copy()
        center = rest[farthest_points(rest, stage.centers)]
        basis = np.exp(-0.5 * squared_distances(rest, center) / stage.width_mm**2)
        gram = np.exp(-0.5 * squared_distances(center, center) / stage.width_mm**2)
        bending = stage.stiffness * gram + 1e-9 * np.eye(len(center))
        for _ in range(stage.iterations):
            goal, weight = _goals(
                current, faces, area, tree, fixed, fixed_normals, stage, reverse if pull_back else None
            )
            weighted = basis * weight[:, None]
            normal = basis.T @ weighted + weight.sum() * bending
            coefficients = np.linalg.solve(normal, weighted.T @ (goal - rest))
            current = rest + basis @ coefficients
    return current


def squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return squared distances (A, B) between points (A, 3) and (B, 3)."""
    squared = (a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2.0 * a @ b.T
    return np.maximum(squared, 0.0)


def _goals(current, faces, area, tree, fixed, fixed_normals, stage, reverse):
    """Where each vertex should go and how much that counts.

    Point-to-plane towards the closest target point, averaged with the target points whose closest vertex it is.
    """
    normals = vertex_normals(current, faces)
    distance, index = tree.query(current)
    offset = fixed[index] - current
    # Only the part along the target's normal: sliding along the surface is left to the smoothness of the field.
    along = np.einsum("ij,ij->i", offset, fixed_normals[index])[:, None] * fixed_normals[index]
    offset = np.where((distance < 2.0)[:, None], along, offset)
    agree = np.einsum("ij,ij->i", normals, fixed_normals[index])
    weight = np.where((distance < stage.reach_mm) & (agree > 0.3), area, 0.0)
    total, total_weight = offset * weight[:, None], weight
    if reverse is not None:
        back, vertex = cKDTree(current).query(fixed[reverse])
        pull = fixed[reverse] - current[vertex]
        agree = np.einsum("ij,ij->i", normals[vertex], fixed_normals[reverse])
        # Close pairs carry no news beyond the forward search; far ones are what it misses.
        amount = np.where((back < stage.reach_mm) & (agree > 0.3) & (back > 1.0), area.mean(), 0.0)
        total = total + np.stack([np.bincount(vertex, amount * pull[:, k], len(current)) for k in range(3)], axis=1)
        total_weight = total_weight + np.bincount(vertex, amount, len(current))
    goal = current + total / np.maximum(total_weight, 1e-9)[:, None]
    return goal, total_weight
