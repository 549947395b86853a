"""Both films of a vertebra at once: the shape model placed so that its landmarks are where the two films show them.

The lateral film shows plainly what the AP film hardly shows (how far a vertebra leans forward), and the other way
round; and a landmark is at one height on both. The estimate is the posterior mean of a Gauss-Newton fit: pose, and
the 60 coordinates of the landmarks with the shape model as their prior.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..anatomy import Level
from ..geometry import View, rotation_from_vector, transform_points
from ..geometry.frames import rigid
from ..geometry.triangulation import triangulate
from ..shape.model import ShapeModel

# What a person's landmarks have beyond the shape model, mm; how far patients are turned from upright, and how far
# vertebrae stray from the model's size.
_BEYOND_MODEL_MM = 0.8
_TURN_SD_RAD, _LOG_SCALE_SD = 0.5, 0.1
_ITERATIONS = 12
_ENOUGH_MM = 0.01
_POSE = 7
# A film whose landmarks misfit more than its covariance allows counts for less (Student's t, degrees of freedom).
_FREEDOM = 8.0


@dataclass(frozen=True, eq=False)
class Sighting:
    """The landmarks of one vertebra on one film.

    Attributes:
        view: of the film.
        pixels: (20, 2).
        covariance: (40, 40) of their errors, pixels squared, x and y in turn.
        seen: (20,) bool, landmarks that count.
    """

    view: View
    pixels: np.ndarray
    covariance: np.ndarray
    seen: np.ndarray


@dataclass(frozen=True, eq=False)
class VertebraFit:
    """A vertebra's landmarks.

    Attributes:
        points_ras_mm: (20, 3).
        covariance: (60, 60), mm squared.
        misfit: of each film, Mahalanobis distance squared per coordinate seen; about 1 if the films agree.
        ras_from_vertebra: (4, 4) similarity.
        shape_mm: (20, 3) the landmarks in the vertebra frame.
    """

    points_ras_mm: np.ndarray
    covariance: np.ndarray
    misfit: tuple[float, ...]
    ras_from_vertebra: np.ndarray
    shape_mm: np.ndarray

    def surface_mm(self, model: ShapeModel, level: Level) -> np.ndarray:
        """Return the vertices (V, 3) of the model, RAS mm, that are most probable with these landmarks."""
        modes, covariance = _landmark_prior(model)
        off = (self.shape_mm - model.landmarks(model.mean(level))).ravel()
        coefficients = modes @ np.linalg.solve(covariance, off)
        return transform_points(self.ras_from_vertebra, model.instance(level, coefficients))

    def on_film(self, view: View) -> tuple[np.ndarray, np.ndarray]:
        """Return the landmarks (20, 2) and the covariance (40, 40) of their errors on a film, pixels."""
        jacobian = np.zeros((40, 60))
        for i, block in enumerate(view.jacobian(self.points_ras_mm)):
            jacobian[2 * i : 2 * i + 2, 3 * i : 3 * i + 3] = block
        return view.project(self.points_ras_mm), jacobian @ self.covariance @ jacobian.T


def fit_vertebra(model: ShapeModel, level: Level, sightings: Sequence[Sighting]) -> VertebraFit:
    """Return the landmarks of a vertebra as two or more films together show them.

    Args:
        model: shape model.
        level: which vertebra.
        sightings: of each film; at least one landmark must be seen on all.

    Raises:
        GeometryError: if the films' rays are parallel, or no landmark is on all films.
    """
    mean = model.landmarks(model.mean(level))
    # Its columns, times standard normal numbers, make landmarks deviate from the mean.
    root = np.linalg.cholesky(_landmark_prior(model)[1])
    both = np.all([sighting.seen for sighting in sightings], axis=0)
    middle = np.stack([sighting.pixels[both].mean(axis=0) for sighting in sightings])
    translation = triangulate([sighting.view for sighting in sightings], middle)[0] - mean[both].mean(axis=0)
    rotation, log_scale, coefficients = np.eye(3), 0.0, np.zeros(root.shape[1])
    turned = np.zeros(3)
    weighted = [_whitener(s) for s in sightings]
    for _ in range(_ITERATIONS):
        shape = mean + (root @ coefficients).reshape(-1, 3)
        placed = np.exp(log_scale) * shape @ rotation.T
        points = placed + translation
        tangents = _tangents(placed, rotation, log_scale, root)
        normal, right = _prior_terms(turned, log_scale, coefficients)
        misfits = []
        for sighting, whitener in zip(sightings, weighted, strict=True):
            on_film = sighting.view.jacobian(points)[:, :, :, None]
            slope = whitener @ (on_film * tangents[:, None]).sum(axis=2).reshape(40, -1)[_rows(sighting.seen)]
            off = whitener @ (sighting.pixels - sighting.view.project(points)).ravel()[_rows(sighting.seen)]
            distance = float(off @ off)
            weight = min(1.0, (_FREEDOM + len(off)) / (_FREEDOM + distance))
            normal += weight * slope.T @ slope
            right += weight * slope.T @ off
            misfits.append(distance / max(len(off), 1))
        step = np.linalg.solve(normal, right)
        rotation = rotation_from_vector(step[:3]) @ rotation
        turned = turned + step[:3]
        translation, log_scale = translation + step[3:6], log_scale + step[6]
        coefficients = coefficients + step[_POSE:]
        if np.abs(tangents @ step).max() < _ENOUGH_MM:
            break
    shape = mean + (root @ coefficients).reshape(-1, 3)
    points = np.exp(log_scale) * shape @ rotation.T + translation
    flat = tangents.reshape(60, -1)
    matrix = rigid(np.exp(log_scale) * rotation, translation)
    return VertebraFit(points, flat @ np.linalg.solve(normal, flat.T), tuple(misfits), matrix, shape)


def _landmark_prior(model: ShapeModel) -> tuple[np.ndarray, np.ndarray]:
    """Return the modes (M, 60) at the landmarks, and the covariance (60, 60) of landmarks about the mean."""
    modes = model.landmarks(model.modes_mm).reshape(model.mode_count, -1)
    return modes, modes.T @ modes + _BEYOND_MODEL_MM**2 * np.eye(modes.shape[1])


def _tangents(placed: np.ndarray, rotation: np.ndarray, log_scale: float, root: np.ndarray) -> np.ndarray:
    """Return (20, 3, 67): what moving each unknown does to each landmark, mm."""
    turns = np.stack([np.cross(axis, placed) for axis in np.eye(3)], axis=-1)
    shifts = np.broadcast_to(np.eye(3), (len(placed), 3, 3))
    modes = np.exp(log_scale) * np.einsum("ij,njk->nik", rotation, root.reshape(len(placed), 3, -1))
    return np.concatenate([turns, shifts, placed[:, :, None], modes], axis=-1)


def _prior_terms(turned: np.ndarray, log_scale: float, coefficients: np.ndarray):
    precision = np.concatenate(
        [np.full(3, _TURN_SD_RAD**-2), np.full(3, 1e-9), [_LOG_SCALE_SD**-2], np.ones(len(coefficients))]
    )
    values = np.concatenate([turned, np.zeros(3), [log_scale], coefficients])
    return np.diag(precision), -precision * values


def _rows(seen: np.ndarray) -> np.ndarray:
    return np.repeat(seen, 2)


def _whitener(sighting: Sighting) -> np.ndarray:
    """Return the matrix that makes the errors of the landmarks seen independent and of unit variance."""
    rows = _rows(sighting.seen)
    lower = np.linalg.cholesky(sighting.covariance[np.ix_(rows, rows)])
    return np.linalg.inv(lower)
