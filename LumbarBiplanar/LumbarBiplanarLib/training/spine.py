"""Random spines: vertebrae from L5 (now and then one more below it) to T6, or up to the neck, each in its place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..anatomy import LANDMARK_NAMES, LUMBAR_LEVELS
from ..geometry.frames import transform_points
from ..shape.model import ShapeModel
from .fractures import fractured
from .posture import THORACIC_COUNT, PostureRanges, sample_posture
from .thorax import ABOVE_FACTORS, TO_T6

_LEVELS = LUMBAR_LEVELS[::-1]
# Most spines go on to where any film ends; the others end lower, so that counting from the top is no use.
_TO_T6_SHARE, _LEAST_THORACIC = 0.65, 2
# A sixth lumbar vertebra, or a first sacral one that is free: VerSe has about one such person in twenty.
_SIXTH_SHARE = 0.05
_SIZE_SD, _LEVEL_SIZE_SD = 0.08, 0.02
_SHARED, _OWN = 0.55, 0.83  # of the coefficients: what a person's vertebrae share, and each one's own
_RESIDUAL_FACTOR = 0.8
_OBLIQUE_SHARE, _OBLIQUE = 0.15, PostureRanges(whole_deg=(8.0, 5.0, 14.0))  # a patient turned in the beam
# A third of the people have brittle bones: fractures come several to a person.
_BRITTLE_SHARE, _FRACTURED_SHARES = 0.35, (0.04, 0.3)
_SUPERIOR, _INFERIOR = (LANDMARK_NAMES.index(f"{side}_endplate_centre") for side in ("superior", "inferior"))


@dataclass(frozen=True, eq=False)
class Spine:
    """A spine in RAS mm.

    Attributes:
        points: (N, V, 3) vertices of what is above L1, of L1 ... L5, cranial first, and of a sixth lumbar vertebra, if
            any.
        landmarks: (N, 20, 3).
        above: how many vertebrae there are above L1; the last one is T12.
        ras_from_sacrum: (4, 4) rigid, frame of the sacral endplate.
        size: of this person, about 1.
    """

    points: np.ndarray
    landmarks: np.ndarray
    above: int
    ras_from_sacrum: np.ndarray
    size: float

    def moved(self, shift_mm: np.ndarray) -> Spine:
        """Return the spine shifted by (3,) mm."""
        sacrum = self.ras_from_sacrum.copy()
        sacrum[:3, 3] += shift_mm
        return Spine(self.points + shift_mm, self.landmarks + shift_mm, self.above, sacrum, self.size)

    @property
    def lumbar_points(self) -> np.ndarray:
        """Vertices (5, V, 3) of L1 to L5."""
        return self.points[self.above : self.above + len(LUMBAR_LEVELS)]

    @property
    def lumbar_landmarks(self) -> np.ndarray:
        """Landmarks (5, 20, 3) of L1 to L5."""
        return self.landmarks[self.above : self.above + len(LUMBAR_LEVELS)]

    @property
    def other_points(self) -> np.ndarray:
        """Vertices (n, V, 3) of the vertebrae above L1 and of a sixth lumbar one, if any."""
        return np.concatenate([self.points[: self.above], self.points[self.above + len(LUMBAR_LEVELS) :]])

    @property
    def thoracic_landmarks(self) -> np.ndarray:
        """Landmarks (n, 20, 3) of the thoracic vertebrae."""
        return self.landmarks[max(0, self.above - THORACIC_COUNT) : self.above]


def random_spine(model: ShapeModel, rng: np.random.Generator, *, whole: bool = False) -> Spine:
    """Draw a person's vertebrae from the shape model, some of them fractured, and stack them in a random posture.

    Args:
        model: shape model.
        rng: source of randomness.
        whole: go on to C4 instead of ending at T6 or lower.
    """
    size = float(np.exp(rng.normal(0.0, _SIZE_SD)))
    shared = rng.standard_normal(model.mode_count)
    first = -1 if rng.random() < _SIXTH_SHARE else 0
    if whole:
        above = len(ABOVE_FACTORS)
    else:
        above = TO_T6 if rng.random() < _TO_T6_SHARE else int(rng.integers(_LEAST_THORACIC, TO_T6))
    brittle = rng.random() < _BRITTLE_SHARE
    shapes, met = zip(
        *(_vertebra(model, rng, shared, i, _FRACTURED_SHARES[brittle]) for i in range(first, len(_LEVELS) + above)),
        strict=True,
    )
    scales = size * np.exp(rng.normal(0.0, _LEVEL_SIZE_SD, len(shapes)))
    landmarks = [model.landmarks(shape) for shape in shapes]
    endplates = np.array([model.landmarks(shape)[[_SUPERIOR, _INFERIOR]] for shape in met])
    ranges = _OBLIQUE if rng.random() < _OBLIQUE_SHARE else PostureRanges()
    poses, sacrum = sample_posture(rng, endplates, scales, ranges)
    placed = np.stack([transform_points(pose, shape) for pose, shape in zip(poses, shapes, strict=True)])
    marked = np.stack([transform_points(pose, marks) for pose, marks in zip(poses, landmarks, strict=True)])
    return Spine(placed[::-1].copy(), marked[::-1].copy(), above, sacrum, size)


def _vertebra(
    model: ShapeModel, rng: np.random.Generator, shared: np.ndarray, i: int, fractured_share: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return vertices (V, 3) of the i-th vertebra above L5 (0), or of a sixth lumbar one (-1), and as discs meet it.

    Both are in the vertebra's own frame; they differ where a fractured endplate has a dent that the disc fills.
    """
    coefficients = _SHARED * shared + _OWN * rng.standard_normal(model.mode_count)
    coefficients[model.pca_count :] *= _RESIDUAL_FACTOR
    points = model.instance(_LEVELS[min(max(i, 0), len(_LEVELS) - 1)], coefficients)
    shapes = fractured(points, rng) if rng.random() < fractured_share else (points, points)
    factors = np.array(ABOVE_FACTORS[i - len(_LEVELS)] if i >= len(_LEVELS) else (1.0, 1.0, 1.0))
    return shapes[0] * factors, shapes[1] * factors
