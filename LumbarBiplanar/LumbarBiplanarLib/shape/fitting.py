"""Fitting the shape model to a surface that is known: the model's floor, and true landmarks on a person's vertebra."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from ..anatomy import Level
from ..geometry.frames import cross_matrix, rotation_from_vector, transform_points
from .correspondence import STAGES, align, deform, thinned
from .model import ShapeModel
from .surfaces import Surface, vertex_areas, vertex_normals


@dataclass(frozen=True)
class SurfaceFit:
    """A vertebra of the model laid onto a surface.

    Attributes:
        level: which vertebra.
        ras_from_vertebra: (4, 4) similarity.
        coefficients: (M,) in standard deviations.
        points_ras_mm: (V, 3) the fitted vertices.
    """

    level: Level
    ras_from_vertebra: np.ndarray
    coefficients: np.ndarray
    points_ras_mm: np.ndarray


def fit_to_surface(
    model: ShapeModel, level: Level, surface: Surface, *, sigma_mm: float = 0.5, iterations: int = 40
) -> SurfaceFit:
    """Fit pose, size and coefficients to a surface by Gauss-Newton on closest points in both directions.

    Args:
        model: the shape model.
        level: the level to fit.
        surface: the vertebra in RAS mm, roughly upright.
        sigma_mm: how far a fitted surface may lie from the measured one; balances data and prior.
        iterations: closest-point iterations.

    Returns:
        The fit; its vertices are ``ras_from_vertebra`` applied to ``model.instance(level, coefficients)``.
    """
    pose = align(model.mean(level), model.faces, surface)
    coefficients = np.zeros(model.mode_count)
    fixed = surface.points_ras_mm
    fixed_normals = vertex_normals(fixed, surface.faces)
    dense = thinned(fixed, 20000)
    fixed, fixed_normals = fixed[dense], fixed_normals[dense]
    tree, reverse = cKDTree(fixed), thinned(fixed, 2500)
    area = vertex_areas(model.mean(level), model.faces)
    # One independent measurement per 9 mm^2: neighbouring vertices err together.
    weight_scale = area.sum() / 9.0 / (sigma_mm**2)
    for step in range(iterations):
        local = model.instance(level, coefficients)
        current = transform_points(pose, local)
        rows = _pairs(current, model.faces, area / area.sum(), tree, fixed, fixed_normals, reverse, step / iterations)
        pose, coefficients = _gauss_newton(model, pose, coefficients, local, rows, weight_scale)
    points = transform_points(pose, model.instance(level, coefficients))
    return SurfaceFit(level, pose, coefficients, points)


def correspond(model: ShapeModel, level: Level, surface: Surface) -> np.ndarray:
    """Return the model's vertices (V, 3) on a known surface, RAS mm: the fit, then finer stages of free deformation.

    ``model.landmarks`` of the result are the true landmarks of that vertebra.
    """
    return deform(fit_to_surface(model, level, surface).points_ras_mm, model.faces, surface, stages=STAGES[2:])


def _pairs(current, faces, share, tree, fixed, fixed_normals, reverse, progress):
    """Vertices, directions, signed distances and weights of the point-to-plane equations, both ways."""
    normals = vertex_normals(current, faces)
    reach = 12.0 * (1.0 - progress) + 3.0
    distance, index = tree.query(current)
    agree = np.einsum("ij,ij->i", normals, fixed_normals[index])
    forward = (distance < reach) & (agree > 0.3)
    gap = np.einsum("ij,ij->i", fixed[index] - current, fixed_normals[index])
    vertices = [np.flatnonzero(forward)]
    directions, gaps, weights = [fixed_normals[index][forward]], [gap[forward]], [share[forward]]
    back, vertex = cKDTree(current).query(fixed[reverse])
    agree = np.einsum("ij,ij->i", normals[vertex], fixed_normals[reverse])
    far = (back > 1.5) & (back < reach) & (agree > 0.3)
    pull = fixed[reverse][far] - current[vertex[far]]
    length = np.linalg.norm(pull, axis=1)
    vertices.append(vertex[far])
    directions.append(pull / length[:, None])
    gaps.append(length)
    weights.append(np.full(int(far.sum()), 1.0 / len(reverse)))
    gap_all, weight_all = np.concatenate(gaps), np.concatenate(weights)
    # Cauchy weights (scale 1 mm): parts that the surface lacks must not bend the rest.
    return np.concatenate(vertices), np.concatenate(directions), gap_all, weight_all / (1.0 + gap_all**2)


def _gauss_newton(model, pose, coefficients, local, rows, weight_scale):
    vertices, directions, gaps, weights = rows
    linear = pose[:3, :3]
    turned = local[vertices] @ linear.T
    jacobian = np.empty((len(vertices), 7 + model.mode_count))
    jacobian[:, :3] = np.einsum("ij,ijk->ik", directions, -cross_matrix(turned))
    jacobian[:, 3:6] = directions
    jacobian[:, 6] = np.einsum("ij,ij->i", directions, turned)
    modes = model.modes_mm[:, vertices]
    jacobian[:, 7:] = np.einsum("ij,kij->ik", directions @ linear, modes, optimize=True)
    weighted = jacobian * (weight_scale * weights)[:, None]
    normal = jacobian.T @ weighted
    gradient = weighted.T @ gaps
    index = np.arange(7, 7 + model.mode_count)
    normal[index, index] += 1.0
    gradient[index] -= coefficients
    log_scale = np.log(np.cbrt(np.linalg.det(linear)))
    normal[6, 6] += 1.0 / model.log_scale_sd**2
    gradient[6] -= log_scale / model.log_scale_sd**2
    normal[:7, :7] += 1e-6 * np.eye(7)
    step = np.linalg.solve(normal, gradient)
    moved = np.eye(4)
    moved[:3, :3] = np.exp(step[6]) * rotation_from_vector(step[:3]) @ linear
    moved[:3, 3] = pose[:3, 3] + step[3:6]
    return moved, coefficients + step[7:]
