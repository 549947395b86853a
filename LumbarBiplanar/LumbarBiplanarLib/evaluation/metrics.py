"""How far a reconstruction is from the truth: distances from surface to surface, both ways, weighted by area.

Every level, and within it every direction, counts alike, so that neither a dense mesh nor a large vertebra dominates.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from ..anatomy import Level, Region
from ..geometry import rotation_from_vector, transform_points
from ..shape.surfaces import Surface, surface_distances, vertex_areas, vertex_normals

_SAMPLES = 4500
_ALIGN_SAMPLES = 600
_ALIGN_ITERATIONS = 20
_ALIGN_DONE_MM = 5e-3
POSTERIOR = tuple(region for region in Region if region is not Region.BODY)


@dataclass(frozen=True)
class Errors:
    """Summary of distances in mm."""

    mean: float
    rms: float
    p95: float
    max: float

    def as_dict(self) -> dict[str, float]:
        """Return the numbers by name, rounded to a micrometre."""
        return {"mean": _round(self.mean), "rms": _round(self.rms), "p95": _round(self.p95), "max": _round(self.max)}


@dataclass(frozen=True, eq=False)
class Distances:
    """Distances between two surfaces, sampled at vertices.

    Attributes:
        mm: (n,) distances, those from the reconstruction to the truth first.
        weights: (n,) their share; each direction adds up to one half.
        regions: (n,) ``Region`` of each sample, or None.
        forward: how many of them run from the reconstruction to the truth.
    """

    mm: np.ndarray
    weights: np.ndarray
    regions: np.ndarray | None
    forward: int

    def of_regions(self, regions: Iterable[Region]) -> Distances | None:
        """Return the distances in some regions, the directions balanced again; None if there are none."""
        if self.regions is None:
            return None
        chosen = np.isin(self.regions, [int(region) for region in regions])
        ahead = np.arange(len(self.mm)) < self.forward
        weights = np.zeros(len(self.mm))
        parts = [chosen & ahead, chosen & ~ahead]
        parts = [part for part in parts if self.weights[part].sum() > 0]
        if not parts:
            return None
        for part in parts:
            weights[part] = self.weights[part] / self.weights[part].sum() / len(parts)
        return Distances(self.mm[chosen], weights[chosen], self.regions[chosen], int((chosen & ahead).sum()))

    def direction(self, forward: bool) -> Distances:
        """Return the distances of one direction alone."""
        part = slice(0, self.forward) if forward else slice(self.forward, None)
        weights = self.weights[part] / self.weights[part].sum()
        return Distances(self.mm[part], weights, None if self.regions is None else self.regions[part], 0)

    def summary(self) -> Errors:
        """Return mean, root mean square, 95th percentile and maximum."""
        return summarized([self])


def summarized(parts: Iterable[Distances]) -> Errors:
    """Summarize the distances of several vertebrae, each counting alike."""
    parts = list(parts)
    mm = np.concatenate([part.mm for part in parts])
    weights = np.concatenate([part.weights / part.weights.sum() for part in parts]) / len(parts)
    order = np.argsort(mm)
    place = min(int(np.searchsorted(np.cumsum(weights[order]), 0.95)), len(mm) - 1)
    return Errors(
        float(weights @ mm), float(np.sqrt(weights @ mm**2)), float(mm[order][place]), float(mm.max(initial=0.0))
    )


def two_way_distances(recovered: Surface, truth: Surface, region_labels: np.ndarray | None = None) -> Distances:
    """Measure from each surface's vertices to the other surface.

    Args:
        recovered, truth: closed surfaces in one frame, mm.
        region_labels: (V,) ``Region`` of each vertex of ``recovered``; the truth takes that of the nearest vertex.
    """
    ours, our_weights = _samples(recovered, _SAMPLES)
    theirs, their_weights = _samples(truth, _SAMPLES)
    there, _ = surface_distances(ours, truth)
    back, _ = surface_distances(theirs, recovered)
    regions = None
    if region_labels is not None:
        tree = cKDTree(recovered.points_ras_mm)
        regions = np.concatenate([region_labels[tree.query(points)[1]] for points in (ours, theirs)])
    weights = np.concatenate([our_weights, their_weights]) / 2.0
    return Distances(np.concatenate([there, back]), weights, regions, len(ours))


def rigid_alignment(recovered: Mapping[Level, Surface], truth: Mapping[Level, Surface]) -> np.ndarray:
    """Return the rigid (4, 4) that brings reconstructed surfaces closest to the true ones: closest points, both ways.

    All levels move together; sizes stay. Distances are taken along the surface normals, which converges in a few
    steps (Chen and Medioni 1992, Image Vis Comput 10:145).
    """
    moved = np.eye(4)
    ours = {level: _samples(surface, _ALIGN_SAMPLES) for level, surface in recovered.items()}
    theirs = {level: _samples(truth[level], _ALIGN_SAMPLES) for level in recovered}
    weights = np.concatenate([share for level in recovered for _, share in (ours[level], theirs[level])])
    normals = {level: (_Normals(surface), _Normals(truth[level])) for level, surface in recovered.items()}
    for _ in range(_ALIGN_ITERATIONS):
        back = np.linalg.inv(moved)
        pairs = []
        for level, surface in recovered.items():
            here, goal = transform_points(moved, ours[level][0]), theirs[level][0]
            there = surface_distances(here, truth[level])[1]
            pairs.append((here, there, normals[level][1].at(there)))
            foot = surface_distances(transform_points(back, goal), surface)[1]
            turned = normals[level][0].at(foot) @ moved[:3, :3].T
            pairs.append((transform_points(moved, foot), goal, turned))
        step = _plane_step(*(np.concatenate(part) for part in zip(*pairs, strict=True)), weights)
        points = np.concatenate([pair[0] for pair in pairs])
        change = np.linalg.norm(transform_points(step, points) - points, axis=1).max()
        moved = step @ moved
        if change < _ALIGN_DONE_MM:
            break
    return moved


class _Normals:
    """Unit normals of a surface at points on it: those of the nearest vertices."""

    def __init__(self, surface: Surface) -> None:
        self._tree = cKDTree(surface.points_ras_mm)
        self._normals = vertex_normals(surface.points_ras_mm, surface.faces)

    def at(self, points_mm: np.ndarray) -> np.ndarray:
        return self._normals[self._tree.query(points_mm)[1]]


def _plane_step(points: np.ndarray, goals: np.ndarray, normals: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the small rigid motion (4, 4) of ``points`` that best brings them to the planes through ``goals``."""
    middle = points.mean(axis=0)
    rows = np.hstack([np.cross(points - middle, normals), normals])
    offsets = np.einsum("ij,ij->i", goals - points, normals)
    # Along a direction in which the surfaces slide on themselves nothing moves.
    root = np.sqrt(weights)
    turn_shift = np.linalg.lstsq(rows * root[:, None], offsets * root, rcond=1e-4)[0]
    step = np.eye(4)
    step[:3, :3] = rotation_from_vector(turn_shift[:3])
    step[:3, 3] = middle + turn_shift[3:] - step[:3, :3] @ middle
    return step


def misnamed_levels(recovered: Mapping[Level, Surface], truth: Mapping[Level, Surface]) -> dict[Level, Level]:
    """Return {level as named: true level} for reconstructed vertebrae that lie on another vertebra's place."""
    centers = {level: surface.points_ras_mm.mean(axis=0) for level, surface in truth.items()}
    found = {}
    for level, surface in recovered.items():
        center = surface.points_ras_mm.mean(axis=0)
        nearest = min(centers, key=lambda other: np.linalg.norm(centers[other] - center))
        if nearest is not level:
            found[level] = nearest
    return found


def _samples(surface: Surface, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return about ``count`` evenly picked vertices (n, 3) and their share (n,) of the area, adding up to 1."""
    areas = vertex_areas(surface.points_ras_mm, surface.faces)
    chosen = np.arange(0, len(areas), max(1, len(areas) // count))
    return surface.points_ras_mm[chosen], areas[chosen] / areas[chosen].sum()


def _round(value: float) -> float:
    return round(float(value), 3)
