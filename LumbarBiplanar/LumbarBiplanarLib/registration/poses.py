"""Pose and shape of one vertebra as the solver sees it.

A vertebra's unknowns are ordered: rotation vector (3, rad, about RAS axes through the vertebra's origin), translation
(3, mm, RAS), log-scale (1), then mode coefficients. An update is applied on the left: R <- exp(w) R.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from ..anatomy import Level
from ..geometry import rotation_from_vector
from ..shape.model import ShapeModel
from .algebra import product

POSE_UNKNOWNS = 7
_coarse_bases: list[tuple[ShapeModel, PointBasis]] = []


@dataclass(frozen=True, eq=False)
class VertebraState:
    """Similarity pose and mode coefficients of one vertebra.

    Attributes:
        level: which vertebra.
        rotation: (3, 3) rotation from the vertebra frame to RAS.
        translation_mm: (3,) origin of the vertebra frame in RAS.
        log_scale: natural logarithm of the scale.
        coefficients: (M,) mode coefficients in standard deviations.
    """

    level: Level
    rotation: np.ndarray
    translation_mm: np.ndarray
    log_scale: float
    coefficients: np.ndarray

    @property
    def scale(self) -> float:
        """Scale of the similarity."""
        return float(np.exp(self.log_scale))

    @property
    def ras_from_vertebra(self) -> np.ndarray:
        """(4, 4) similarity from the vertebra frame to RAS."""
        matrix = np.eye(4)
        matrix[:3, :3] = self.scale * self.rotation
        matrix[:3, 3] = self.translation_mm
        return matrix

    @classmethod
    def from_matrix(cls, level: Level, ras_from_vertebra: np.ndarray, coefficients: np.ndarray) -> VertebraState:
        """Return the state of a (4, 4) similarity and (M,) coefficients."""
        linear = np.asarray(ras_from_vertebra, dtype=np.float64)[:3, :3]
        scale = np.cbrt(np.linalg.det(linear))
        translation = np.array(ras_from_vertebra[:3, 3], dtype=np.float64)
        return cls(level, linear / scale, translation, float(np.log(scale)), np.array(coefficients, dtype=np.float64))

    def stepped(self, step: np.ndarray) -> VertebraState:
        """Return the state after a step (7 + m,); modes beyond the first m keep their coefficients."""
        coefficients = self.coefficients.copy()
        coefficients[: len(step) - POSE_UNKNOWNS] += step[POSE_UNKNOWNS:]
        # The product of many small rotations drifts off the rotation group; the SVD brings it back.
        left, _, right = np.linalg.svd(rotation_from_vector(step[:3]) @ self.rotation)
        return replace(
            self,
            rotation=left @ right,
            translation_mm=self.translation_mm + step[3:6],
            log_scale=self.log_scale + float(step[6]),
            coefficients=coefficients,
        )


@dataclass(frozen=True, eq=False)
class PointBasis:
    """Points that move linearly with the mode coefficients: a mesh, or the landmarks.

    Attributes:
        mean_mm: {level: (K, 3)} mean positions in the vertebra frame.
        modes_mm: (K, 3, M) displacement per unit standard deviation.
    """

    mean_mm: dict[Level, np.ndarray]
    modes_mm: np.ndarray

    def only(self, row: int) -> PointBasis:
        """Return the basis of one of the points, K = 1."""
        return PointBasis(
            {level: mean[row : row + 1] for level, mean in self.mean_mm.items()}, self.modes_mm[row : row + 1]
        )

    def shaped(self, state: VertebraState) -> np.ndarray:
        """Return the (K, 3) points in the vertebra frame."""
        flat = self.modes_mm.reshape(-1, self.modes_mm.shape[2])
        return self.mean_mm[state.level] + product(flat, state.coefficients).reshape(-1, 3)

    def posed(self, state: VertebraState) -> np.ndarray:
        """Return the (K, 3) points in RAS, mm; read-only."""
        return _posed(self, state)

    def tangents(self, state: VertebraState, modes: int) -> np.ndarray:
        """Return (K, 3, 7 + modes): derivative of the RAS points with respect to the unknowns of ``state``."""
        offsets = self.posed(state) - state.translation_mm
        result = np.zeros((len(offsets), 3, POSE_UNKNOWNS + modes))
        x, y, z = offsets.T
        result[:, 1, 0], result[:, 2, 0] = -z, y
        result[:, 0, 1], result[:, 2, 1] = z, -x
        result[:, 0, 2], result[:, 1, 2] = -y, x
        result[:, :, 3:6] = np.eye(3)
        result[:, :, 6] = offsets
        result[:, :, POSE_UNKNOWNS:] = (state.scale * state.rotation) @ self.modes_mm[:, :, :modes]
        return result


@lru_cache(maxsize=64)
def _posed(basis: PointBasis, state: VertebraState) -> np.ndarray:
    # Every term asks for the same vertebrae's landmarks: ten times per trial of the solver.
    points = basis.shaped(state) @ (state.scale * state.rotation).T + state.translation_mm
    points.setflags(write=False)
    return points


def vertex_basis(model: ShapeModel, vertices: np.ndarray | None = None) -> PointBasis:
    """Return the basis of the model's vertices, or of those at the indices ``vertices``."""
    chosen = slice(None) if vertices is None else vertices
    mean = {level: np.asarray(model.mean_points_mm[i][chosen], np.float64) for i, level in enumerate(model.levels)}
    modes = np.asarray(model.modes_mm)[:, chosen].astype(np.float64)
    return PointBasis(mean, np.ascontiguousarray(np.moveaxis(modes, 0, -1)))


def coarse_basis(model: ShapeModel) -> PointBasis:
    """Return the basis of the model's coarse mesh; the last two are kept, because making one takes a while."""
    for known, basis in _coarse_bases:
        if known is model:
            return basis
    basis = vertex_basis(model, np.asarray(model.coarse_vertices))
    _coarse_bases.insert(0, (model, basis))
    del _coarse_bases[2:]
    return basis


def landmark_basis(model: ShapeModel) -> PointBasis:
    """Return the basis of the model's landmarks: each is the mean of its four vertices."""
    vertices = np.asarray(model.landmark_vertices)
    mean = {
        level: np.asarray(model.mean_points_mm[i], np.float64)[vertices].mean(axis=1)
        for i, level in enumerate(model.levels)
    }
    # Only what is wanted is made float64: all vertices take twenty times as long, and this is asked for often.
    modes = np.asarray(model.modes_mm)[:, vertices].astype(np.float64).mean(axis=2)
    return PointBasis(mean, np.ascontiguousarray(np.moveaxis(modes, 0, -1)))
