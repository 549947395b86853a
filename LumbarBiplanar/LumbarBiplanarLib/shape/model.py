"""The statistical shape model of L1-L5.

A vertebra of level l is ``mean_l + sum_k c_k mode_k`` in the vertebra frame, with standard normal coefficients c. The
modes are shared by the levels: first principal components of what the people differ in, then smooth Gaussian-process
modes of small amplitude for what so few people cannot show. Size and place are no modes but the similarity pose that
takes the vertebra frame into the patient.

Vertebra frame: origin midway between the endplate centres, x to the patient's right, y anterior, z from the inferior
to the superior endplate centre, mm (the axes of ISO 2631 / SRS, named as RAS).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from ..anatomy import LANDMARK_NAMES, Level
from ..errors import ShapeModelError


def checked_coefficients(coefficients: np.ndarray, mode_count: int) -> np.ndarray:
    """Return coefficients (m,) as float64; raises ShapeModelError for another shape or more than ``mode_count``."""
    coefficients = np.asarray(coefficients, dtype=np.float64)
    if coefficients.ndim != 1 or len(coefficients) > mode_count:
        raise ShapeModelError(
            f"{coefficients.shape} coefficients for a model of {mode_count} modes; give at most that many."
        )
    return coefficients


@dataclass(frozen=True)
class Posterior:
    """A normal distribution of coefficients.

    Attributes:
        mean: (M,) expected coefficients.
        covariance: (M, M).
    """

    mean: np.ndarray
    covariance: np.ndarray


@dataclass(frozen=True)
class ShapeModel:
    """Mean, modes and names of the lumbar vertebrae; immutable.

    Attributes:
        levels: L levels, cranial first.
        mean_points_mm: (L, V, 3) float64, mean vertices in the vertebra frame.
        faces: (F, 3) int64, closed, counter-clockwise from outside, for every level.
        modes_mm: (M, V, 3) float64, displacement per standard deviation.
        pca_count: how many of the modes are principal components; the rest are Gaussian-process modes.
        log_scale_sd: standard deviation of the logarithm of the pose's scale.
        region_labels: (V,) uint8, ``Region`` of each vertex.
        endplate_labels: (V,) uint8, 1 superior, 2 inferior endplate, 0 neither.
        landmark_vertices: (20, 4) int64; a landmark is the mean of its four vertices, in the order of LANDMARK_NAMES.
        mirror: (V,) int64, the vertex that is each vertex's mirror image.
        coarse_vertices: (Vc,) int64, the vertices of a thinner closed mesh for fast rendering.
        coarse_faces: (Fc, 3) int64, its faces over ``coarse_vertices``.
        provenance: what the model was built from: people, vertebrae, settings.
        sha256: hash of the file it was read from, None for a model in memory.
        file: name of that file; None for the model of the module and for one in memory.
    """

    levels: tuple[Level, ...]
    mean_points_mm: np.ndarray
    faces: np.ndarray
    modes_mm: np.ndarray
    pca_count: int
    log_scale_sd: float
    region_labels: np.ndarray
    endplate_labels: np.ndarray
    landmark_vertices: np.ndarray
    mirror: np.ndarray
    coarse_vertices: np.ndarray
    coarse_faces: np.ndarray
    provenance: Mapping[str, object] = field(default_factory=dict)
    sha256: str | None = None
    file: str | None = None

    @property
    def mode_count(self) -> int:
        """M, the number of modes."""
        return len(self.modes_mm)

    @property
    def vertex_count(self) -> int:
        """V, the number of vertices of a vertebra."""
        return self.mean_points_mm.shape[1]

    def mean(self, level: Level) -> np.ndarray:
        """Return the mean vertebra of ``level``: (V, 3) mm in the vertebra frame."""
        return self.mean_points_mm[self._row(level)]

    def instance(self, level: Level, coefficients: np.ndarray) -> np.ndarray:
        """Return the vertebra with the given coefficients.

        Args:
            level: which vertebra.
            coefficients: (m,) with m <= M, in standard deviations; missing ones are zero.

        Returns:
            (V, 3) vertices in mm, vertebra frame.

        Raises:
            ShapeModelError: for more coefficients than modes.
        """
        coefficients = checked_coefficients(coefficients, self.mode_count)
        return self.mean(level) + np.tensordot(coefficients, self.modes_mm[: len(coefficients)], axes=1)

    def landmarks(self, points: np.ndarray) -> np.ndarray:
        """Return the landmarks (..., 20, 3) of a vertebra given by its vertices (..., V, 3), in the same frame."""
        return points[..., self.landmark_vertices, :].mean(axis=-2)

    def landmark(self, points: np.ndarray, name: str) -> np.ndarray:
        """Return one landmark (..., 3) of a vertebra given by its vertices (..., V, 3), in the same frame."""
        return points[..., self.landmark_vertices[LANDMARK_NAMES.index(name)], :].mean(axis=-2)

    def project(self, level: Level, points_mm: np.ndarray) -> np.ndarray:
        """Return the coefficients (M,) whose instance is closest to ``points_mm`` (V, 3), vertebra frame.

        The prior, against 0.1 mm of noise, keeps overlapping modes apart.
        """
        return self.posterior(level, np.arange(self.vertex_count), points_mm, 0.1).mean

    def posterior(
        self, level: Level, vertices: np.ndarray, points_mm: np.ndarray, sigma_mm: float | np.ndarray
    ) -> Posterior:
        """Condition the model on some of its vertices (Gaussian-process regression; Lüthi et al. 2018, TPAMI 40:1860).

        Args:
            level: which vertebra.
            vertices: (n,) indices of the observed vertices.
            points_mm: (n, 3) where they were seen, vertebra frame.
            sigma_mm: standard deviation of the observation per coordinate, one number or (n,).

        Returns:
            The posterior of the coefficients.

        Raises:
            ShapeModelError: if the shapes do not fit or sigma is not positive.
        """
        vertices = np.asarray(vertices)
        points = np.asarray(points_mm, dtype=np.float64)
        if points.shape != (len(vertices), 3):
            raise ShapeModelError(f"{len(vertices)} vertices but points of shape {points.shape}; give (n, 3).")
        sigma = np.broadcast_to(np.asarray(sigma_mm, dtype=np.float64), (len(vertices),))
        if not np.all(sigma > 0):
            raise ShapeModelError(f"sigma_mm must be positive; found {sigma.min()}.")
        weight = np.repeat(1.0 / sigma, 3)
        basis = self.modes_mm[:, vertices].reshape(self.mode_count, -1).T * weight[:, None]
        offset = (points - self.mean(level)[vertices]).ravel() * weight
        covariance = np.linalg.inv(basis.T @ basis + np.eye(self.mode_count))
        return Posterior(covariance @ (basis.T @ offset), covariance)

    def marginal_sd_mm(self, covariance: np.ndarray | None = None) -> np.ndarray:
        """Return the standard deviation (V, 3) of the vertices in mm, for the prior or a posterior covariance."""
        basis = self.modes_mm.reshape(self.mode_count, -1)
        if covariance is None:
            variance = (basis**2).sum(axis=0)
        else:
            variance = np.einsum("kv,kl,lv->v", basis, covariance, basis, optimize=True)
        return np.sqrt(variance).reshape(-1, 3)

    def truncated(self, mode_count: int) -> ShapeModel:
        """Return the model with its first ``mode_count`` modes only."""
        return replace(self, modes_mm=self.modes_mm[:mode_count], pca_count=min(self.pca_count, mode_count))

    def _row(self, level: Level) -> int:
        try:
            return self.levels.index(level)
        except ValueError:
            known = ", ".join(known.name for known in self.levels)
            raise ShapeModelError(f"The shape model has no level {level.name}; it has {known}.") from None
