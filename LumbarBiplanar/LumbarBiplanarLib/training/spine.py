"""Random spines: shapes of the vertebrae from L5 (now and then one more below it) to T11, each in its place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..anatomy import LANDMARK_NAMES, Level
from ..geometry.frames import transform_points
from ..shape.model import ShapeModel
from .posture import PostureRanges, sample_posture

# T12 and T11 are made of L1: smaller along x, y and z.
_THORACIC_FACTORS = ((0.93, 0.95, 0.93), (0.88, 0.92, 0.9))
_LEVELS = (Level.L5, Level.L4, Level.L3, Level.L2, Level.L1, Level.L1, Level.L1)
# A sixth lumbar vertebra, or a first sacral one that is free: VerSe has about one such person in twenty.
_SIXTH_SHARE = 0.05
_SIZE_SD, _LEVEL_SIZE_SD = 0.08, 0.02
_SHARED, _OWN = 0.55, 0.83  # of the coefficients: what a person's vertebrae share, and each one's own
_RESIDUAL_FACTOR = 0.8
_OBLIQUE_SHARE, _OBLIQUE = 0.15, PostureRanges(whole_deg=(8.0, 5.0, 14.0))  # a patient turned in the beam
_WEDGE_SHARE, _WEDGE = 0.08, (0.1, 0.35)
_WEDGE_FROM_MM, _WEDGE_LENGTH_MM = -18.0, 30.0
_SUPERIOR, _INFERIOR = (LANDMARK_NAMES.index(f"{side}_endplate_centre") for side in ("superior", "inferior"))


@dataclass(frozen=True, eq=False)
class Spine:
    """A spine in RAS mm.

    Attributes:
        points: (7 or 8, V, 3) vertices of T11, T12, L1 ... L5, cranial first, and of a sixth lumbar vertebra, if any.
        landmarks: (7 or 8, 20, 3).
        ras_from_sacrum: (4, 4) rigid, frame of the sacral endplate.
        size: of this person, about 1.
    """

    points: np.ndarray
    landmarks: np.ndarray
    ras_from_sacrum: np.ndarray
    size: float

    def moved(self, shift_mm: np.ndarray) -> Spine:
        """Return the spine shifted by (3,) mm."""
        sacrum = self.ras_from_sacrum.copy()
        sacrum[:3, 3] += shift_mm
        return Spine(self.points + shift_mm, self.landmarks + shift_mm, sacrum, self.size)

    @property
    def lumbar_points(self) -> np.ndarray:
        """Vertices (5, V, 3) of L1 to L5."""
        return self.points[2:7]

    @property
    def lumbar_landmarks(self) -> np.ndarray:
        """Landmarks (5, 20, 3) of L1 to L5."""
        return self.landmarks[2:7]

    @property
    def other_points(self) -> np.ndarray:
        """Vertices (2 or 3, V, 3) of T11, T12 and a sixth lumbar vertebra, if any."""
        return np.concatenate([self.points[:2], self.points[7:]])


def random_spine(model: ShapeModel, rng: np.random.Generator) -> Spine:
    """Draw a person's vertebrae from the shape model, some of them wedged, and stack them in a random posture."""
    size = float(np.exp(rng.normal(0.0, _SIZE_SD)))
    shared = rng.standard_normal(model.mode_count)
    first = -1 if rng.random() < _SIXTH_SHARE else 0
    shapes = [_vertebra(model, rng, shared, i) for i in range(first, len(_LEVELS))]
    scales = size * np.exp(rng.normal(0.0, _LEVEL_SIZE_SD, len(shapes)))
    landmarks = [model.landmarks(shape) for shape in shapes]
    endplates = np.array([marks[[_SUPERIOR, _INFERIOR]] for marks in landmarks])
    ranges = _OBLIQUE if rng.random() < _OBLIQUE_SHARE else PostureRanges()
    poses, sacrum = sample_posture(rng, endplates, scales, ranges)
    placed = np.stack([transform_points(pose, shape) for pose, shape in zip(poses, shapes, strict=True)])
    marked = np.stack([transform_points(pose, marks) for pose, marks in zip(poses, landmarks, strict=True)])
    return Spine(placed[::-1].copy(), marked[::-1].copy(), sacrum, size)


def _vertebra(model: ShapeModel, rng: np.random.Generator, shared: np.ndarray, i: int) -> np.ndarray:
    """Return the vertices (V, 3) of the i-th vertebra above L5 (0), or of a sixth lumbar one (-1), in its own frame."""
    coefficients = _SHARED * shared + _OWN * rng.standard_normal(model.mode_count)
    coefficients[model.pca_count :] *= _RESIDUAL_FACTOR
    points = model.instance(_LEVELS[max(i, 0)], coefficients)
    if i >= 5:
        return points * np.array(_THORACIC_FACTORS[i - 5])
    if rng.random() < _WEDGE_SHARE:
        # A wedge fracture: the body loses height towards its front.
        forward = np.clip((points[:, 1] - _WEDGE_FROM_MM) / _WEDGE_LENGTH_MM, 0.0, 1.0)
        points = points.copy()
        points[:, 2] *= 1.0 - forward * rng.uniform(*_WEDGE)
    return points
