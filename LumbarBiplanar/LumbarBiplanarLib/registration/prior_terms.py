"""Prior terms: how likely a shape is, and how neighboring vertebrae lie to each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..anatomy import LANDMARK_NAMES, LUMBAR_LEVELS, Level
from ..geometry import vector_from_rotation
from ..geometry.frames import cross_matrix
from .algebra import product
from .least_squares import NormalEquations, Unknowns
from .poses import PointBasis, VertebraState

_UPPER_POINT = LANDMARK_NAMES.index("inferior_endplate_centre")
_LOWER_POINT = LANDMARK_NAMES.index("superior_endplate_centre")
# Expected extension of a vertebra against the one below it, degrees, keyed by the upper one: means between recumbent
# and standing (Troyanovich 1997), with a spread wide enough for both and for scoliosis.
_EXTENSION_DEG = {Level.L1: 4.0, Level.L2: 6.0, Level.L3: 9.0, Level.L4: 13.0}
_ROTATION_SD_DEG = np.array([8.0, 6.0, 5.0])
_DISC_MM = np.array([0.0, 0.0, 8.0])
_DISC_SD_MM = np.array([2.5, 3.0, 3.0])
_CAUCHY = 3.0


def _correlation_precision(levels: list[Level], correlation: float) -> np.ndarray:
    """Return the (L, L) inverse of the correlation matrix correlation^|distance between levels|."""
    index = np.array([level.index for level in levels], dtype=float)
    return np.linalg.inv(correlation ** np.abs(index[:, None] - index[None, :])) if correlation else np.eye(len(levels))


@dataclass(frozen=True, eq=False)
class ShapePrior:
    """Squared Mahalanobis length of mode coefficients and log-scales, correlated between levels of one person.

    Attributes:
        weight: weight of the term.
        log_scale_sd: standard deviation of the log-scale.
        coefficient_correlation, scale_correlation: correlation between neighboring levels.
        center: vertebrae about which the prior lies; None means the model's mean shape and scale.
    """

    weight: float
    log_scale_sd: float
    coefficient_correlation: float
    scale_correlation: float
    center: tuple[VertebraState, ...] | None = None
    name: str = "shape prior"

    def _parts(self, unknowns: Unknowns) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        levels = [item.level for item in unknowns.vertebrae]
        modes = self.weight * _correlation_precision(levels, self.coefficient_correlation)
        scales = self.weight * _correlation_precision(levels, self.scale_correlation) / self.log_scale_sd**2
        coefficients = np.stack([item.coefficients for item in unknowns.vertebrae])
        log_scales = np.array([item.log_scale for item in unknowns.vertebrae])
        if self.center is not None:
            coefficients = coefficients - np.stack([item.coefficients for item in self.center])
            log_scales = log_scales - np.array([item.log_scale for item in self.center])
        return modes, scales, coefficients, log_scales

    def cost(self, unknowns: Unknowns) -> float:
        """Return the cost at a point."""
        modes, scales, coefficients, log_scales = self._parts(unknowns)
        return 0.5 * float(np.sum(coefficients * (modes @ coefficients)) + log_scales @ scales @ log_scales)

    def add(self, equations: NormalEquations, unknowns: Unknowns) -> None:
        """Add cost, gradient and Hessian at a point."""
        modes, scales, coefficients, log_scales = self._parts(unknowns)
        layout, diagonal = equations.layout, np.arange(equations.layout.modes)
        for a in range(layout.vertebrae):
            start = layout.vertebra(a).start
            equations.gradient[start + 6] += scales[a] @ log_scales
            equations.gradient[start + 7 : layout.vertebra(a).stop] += (modes[a] @ coefficients)[: layout.modes]
            for b in range(layout.vertebrae):
                other = layout.vertebra(b).start
                equations.hessian[start + 6, other + 6] += scales[a, b]
                equations.hessian[start + 7 + diagonal, other + 7 + diagonal] += modes[a, b]
        equations.costs[self.name] = self.cost(unknowns)


@dataclass(frozen=True, eq=False)
class CorrectionPrior:
    """Squared Mahalanobis length of the corrections of the geometry: the stated numbers are more or less right."""

    name: str = "correction prior"

    def cost(self, unknowns: Unknowns) -> float:
        """Return the cost at a point."""
        found = unknowns.corrections
        return 0.5 * float(np.sum(found.precision * found.values**2))

    def add(self, equations: NormalEquations, unknowns: Unknowns) -> None:
        """Add cost, gradient and Hessian at a point."""
        block, found = equations.layout.corrections, unknowns.corrections
        if equations.layout.shared:
            equations.gradient[block] += found.precision * found.values
            equations.hessian[block, block] += np.diag(found.precision)
        equations.costs[self.name] = self.cost(unknowns)


@dataclass(frozen=True, eq=False)
class IntervalPrior:
    """Weak prior on the disc between neighbors and on their relative rotation, with a Cauchy loss.

    The disc vector runs from the superior endplate centre of the lower vertebra to the inferior endplate centre of the
    upper one, in the frame of the lower; the rotation is that of the upper seen from the lower.

    Attributes:
        landmarks: landmarks of the model.
        weight: weight of the term.
    """

    landmarks: PointBasis
    weight: float
    name: str = "interval prior"

    def _pairs(self, unknowns: Unknowns) -> list[int]:
        levels = [LUMBAR_LEVELS.index(item.level) for item in unknowns.vertebrae]
        return [i for i in range(len(levels) - 1) if levels[i + 1] == levels[i] + 1]

    def _residuals(self, upper: VertebraState, lower: VertebraState) -> tuple[np.ndarray, np.ndarray]:
        gap = self.landmarks.posed(upper)[_UPPER_POINT] - self.landmarks.posed(lower)[_LOWER_POINT]
        expected = np.array([np.deg2rad(_EXTENSION_DEG[upper.level]), 0.0, 0.0])
        turn = vector_from_rotation(lower.rotation.T @ upper.rotation) - expected
        return (lower.rotation.T @ gap - _DISC_MM) / _DISC_SD_MM, turn / np.deg2rad(_ROTATION_SD_DEG)

    def lengths(self, vertebrae: Sequence[VertebraState]) -> dict[tuple[Level, Level], tuple[float, float]]:
        """Return {(upper, lower): Mahalanobis lengths of the residuals of disc and rotation}, for neighbors only."""
        unknowns = Unknowns(tuple(vertebrae))
        found = {}
        for i in self._pairs(unknowns):
            upper, lower = unknowns.vertebrae[i], unknowns.vertebrae[i + 1]
            disc, turn = (float(np.linalg.norm(residual)) for residual in self._residuals(upper, lower))
            found[upper.level, lower.level] = disc, turn
        return found

    def cost(self, unknowns: Unknowns) -> float:
        """Return the cost at a point."""
        total = 0.0
        for i in self._pairs(unknowns):
            for residual in self._residuals(unknowns.vertebrae[i], unknowns.vertebrae[i + 1]):
                total += 0.5 * _CAUCHY**2 * float(np.log1p(residual @ residual / _CAUCHY**2))
        return self.weight * total

    def add(self, equations: NormalEquations, unknowns: Unknowns) -> None:
        """Add cost, gradient and Hessian at a point."""
        layout = equations.layout
        for i in self._pairs(unknowns):
            upper, lower = unknowns.vertebrae[i], unknowns.vertebrae[i + 1]
            both = slice(layout.vertebra(i).start, layout.vertebra(i + 1).stop)
            jacobians = self._jacobians(upper, lower, layout.modes)
            for residual, jacobian in zip(self._residuals(upper, lower), jacobians, strict=True):
                slope = self.weight / (1.0 + residual @ residual / _CAUCHY**2)
                equations.gradient[both] += slope * (jacobian.T @ residual)
                equations.hessian[both, both] += slope * product(jacobian.T, jacobian)
        equations.costs[self.name] = self.cost(unknowns)

    def _jacobians(self, upper: VertebraState, lower: VertebraState, modes: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the (3, 2P) derivatives of the two residuals with respect to both vertebrae."""
        block = 7 + modes
        turned = lower.rotation.T
        gap = self.landmarks.posed(upper)[_UPPER_POINT] - self.landmarks.posed(lower)[_LOWER_POINT]
        disc = np.zeros((3, 2 * block))
        disc[:, :block] = turned @ self.landmarks.only(_UPPER_POINT).tangents(upper, modes)[0]
        disc[:, block:] = -turned @ self.landmarks.only(_LOWER_POINT).tangents(lower, modes)[0]
        disc[:, block : block + 3] += turned @ cross_matrix(gap)
        turn = np.zeros((3, 2 * block))
        vector = vector_from_rotation(turned @ upper.rotation)
        turn[:, :3] = _inverse_right_jacobian(vector) @ upper.rotation.T
        turn[:, block : block + 3] = -turn[:, :3]
        return disc / _DISC_SD_MM[:, None], turn / np.deg2rad(_ROTATION_SD_DEG)[:, None]


def _inverse_right_jacobian(vector: np.ndarray) -> np.ndarray:
    """Return the inverse right Jacobian of SO(3) (Sola, Deray, Atchuthan 2018, equation 144)."""
    angle = float(np.linalg.norm(vector))
    skew = cross_matrix(vector)
    if angle < 1e-6:
        return np.eye(3) + 0.5 * skew
    factor = 1.0 / angle**2 - (1.0 + np.cos(angle)) / (2.0 * angle * np.sin(angle))
    return np.eye(3) + 0.5 * skew + factor * skew @ skew
