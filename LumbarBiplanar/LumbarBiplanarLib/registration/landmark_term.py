"""Landmark term: reprojection error with a Cauchy loss.

For a landmark seen at pixel p with standard deviation s (pixels per axis) and weight w,
    cost = w c^2 / 2 · log(1 + |r|^2 / c^2),   r = (projection - p) / s,
a robust least-squares term whose influence falls off beyond c standard deviations. A landmark that a person has set
keeps a quadratic loss: it is never outvoted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..anatomy import LANDMARK_NAMES, Level, load_landmarks
from ..geometry import View
from .algebra import product
from .corrections import Corrections
from .evidence import FilmEvidence
from .least_squares import Layout, NormalEquations, Unknowns
from .options import Options
from .poses import PointBasis, VertebraState


@dataclass(frozen=True, eq=False)
class Sightings:
    """Landmarks of one level on one film, as arrays.

    Attributes:
        view: view of the film.
        rows: (n,) indices into LANDMARK_NAMES.
        pixels: (n, 2) positions in pixels of the film.
        sigma_mm: (n,) standard deviation per axis in the object plane.
        sigma_px: (n, 2) the same in pixels of the film.
        weights: (n,) weights.
        firm: (n,) True where a person has set the landmark.
    """

    view: View
    rows: np.ndarray
    pixels: np.ndarray
    sigma_mm: np.ndarray
    sigma_px: np.ndarray
    weights: np.ndarray
    firm: np.ndarray


def sightings_of(evidence: FilmEvidence, level: Level, near_ras_mm: np.ndarray, options: Options) -> Sightings:
    """Collect the visible landmarks of one level on one film.

    Args:
        evidence: the film.
        level: which vertebra.
        near_ras_mm: (3,) a point near the vertebra; there mm of object plane are turned into pixels.
        options: gives region weights and the sigma of corrected landmarks.

    Returns:
        The landmarks; the weight of each is its own weight × its region's weight × its confidence.
    """
    defaults = {item.name: item for item in load_landmarks()}
    seen = [item for item in evidence.landmarks.visible().values() if item.level is level and item.confidence > 0]
    sigma, weights = [], []
    for item in seen:
        default = defaults[item.name]
        usual = default.sigma_ap_mm if evidence.view.name == "AP" else default.sigma_lateral_mm
        if item.corrected:
            usual = options.corrected_sigma_mm
        sigma.append(item.sigma_mm if item.sigma_mm is not None else usual)
        firm = options.corrected_weight if item.corrected else 1.0
        weights.append(firm * default.weight * options.region_weights.get(default.region, 1.0) * item.confidence)
    sigma_mm = np.array(sigma, dtype=np.float64)
    return Sightings(
        evidence.view,
        np.array([LANDMARK_NAMES.index(item.name) for item in seen], dtype=int),
        np.array([item.position_px for item in seen], dtype=np.float64).reshape(-1, 2),
        sigma_mm,
        sigma_mm[:, None] / evidence.view.pixel_size_at(near_ras_mm),
        np.array(weights, dtype=np.float64),
        np.array([item.corrected for item in seen], dtype=bool),
    )


@dataclass(frozen=True, eq=False)
class LandmarkTerm:
    """Reprojection error of the landmarks of all vertebrae on all films.

    Attributes:
        basis: landmarks of the model.
        sightings: {level: sightings, one per film}.
        cauchy: c of the loss, in standard deviations.
        weight: weight of the term.
    """

    basis: PointBasis
    sightings: Mapping[Level, Sequence[Sightings]]
    cauchy: float
    weight: float = 1.0
    name: str = "landmarks"

    def _whitened(self, vertebra: VertebraState, seen: Sightings, corrections: Corrections) -> np.ndarray:
        """Return (n, 2) residuals in standard deviations."""
        points = self.basis.posed(corrections.in_view(seen.view.name, vertebra))
        return (corrections.view(seen.view).project(points[seen.rows]) - seen.pixels) / seen.sigma_px

    def cost(self, unknowns: Unknowns) -> float:
        """Return the cost at a point."""
        total = 0.0
        for vertebra in unknowns.vertebrae:
            for seen in self.sightings.get(vertebra.level, ()):
                residual = self._whitened(vertebra, seen, unknowns.corrections)
                total += float(np.sum(seen.weights * self._loss(residual, seen.firm)[0]))
        return self.weight * total

    def add(self, equations: NormalEquations, unknowns: Unknowns) -> None:
        """Add cost, gradient and Hessian at a point."""
        total, layout, corrections = 0.0, equations.layout, unknowns.corrections
        for index, vertebra in enumerate(unknowns.vertebrae):
            block = layout.vertebra(index)
            for seen in self.sightings.get(vertebra.level, ()):
                if not len(seen.rows):
                    continue
                residual = self._whitened(vertebra, seen, corrections)
                loss, slope = self._loss(residual, seen.firm)
                weights = self.weight * np.repeat(seen.weights * slope, 2)
                jacobian = self._jacobian(vertebra, seen, corrections, layout)
                columns = np.r_[block, layout.corrections] if layout.shared else block
                where = np.ix_(columns, columns) if layout.shared else (block, block)
                equations.gradient[columns] += jacobian.T @ (weights * residual.ravel())
                equations.hessian[where] += product(jacobian.T, weights[:, None] * jacobian)
                total += float(np.sum(seen.weights * loss))
        equations.costs[self.name] = self.weight * total

    def _jacobian(
        self, vertebra: VertebraState, seen: Sightings, corrections: Corrections, layout: Layout
    ) -> np.ndarray:
        """Return (2 n, block + shared): derivatives of the residuals by the vertebra's and the shared unknowns."""
        name, view = seen.view.name, corrections.view(seen.view)
        moved = corrections.in_view(name, vertebra)
        points = self.basis.posed(moved)[seen.rows]
        tangents = self.basis.tangents(moved, layout.modes)[seen.rows]
        jacobian = (view.jacobian(points) / seen.sigma_px[:, :, None]) @ tangents
        jacobian = jacobian.reshape(-1, layout.block)
        if not len(corrections):
            return jacobian
        by_own, by_shared = corrections.derivatives(name, vertebra, layout.modes)
        own, shared = jacobian @ by_own, jacobian @ by_shared
        if not layout.shared:
            return own
        for column in corrections.distances(name):
            change = (view.project(points) - view.principal_px) / view.focal_mm / seen.sigma_px
            if view.model == "slot":  # heights are not magnified
                change[:, 1] = 0.0
            shared[:, column] = change.ravel()
        return np.concatenate([own, shared], axis=1)

    def _loss(self, residual: np.ndarray, firm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return loss (n,) and its derivative with respect to half the squared residual (n,)."""
        squared = np.sum(residual**2, axis=1)
        ratio = squared / self.cauchy**2
        loss = np.where(firm, 0.5 * squared, 0.5 * self.cauchy**2 * np.log1p(ratio))
        return loss, np.where(firm, 1.0, 1.0 / (1.0 + ratio))

    def residuals_mm(self, unknowns: Unknowns) -> dict[str, dict[tuple[Level, str], tuple[float, float]]]:
        """Return {view name: {(level, landmark): (residual in mm of object plane, in standard deviations)}}."""
        found: dict[str, dict[tuple[Level, str], tuple[float, float]]] = {}
        for vertebra in unknowns.vertebrae:
            for seen in self.sightings.get(vertebra.level, ()):
                residual = self._whitened(vertebra, seen, unknowns.corrections)
                length = np.linalg.norm(residual, axis=1)
                entries = found.setdefault(seen.view.name, {})
                for row, value, sigma in zip(seen.rows, length, seen.sigma_mm, strict=True):
                    entries[vertebra.level, LANDMARK_NAMES[row]] = (float(value * sigma), float(value))
        return found
