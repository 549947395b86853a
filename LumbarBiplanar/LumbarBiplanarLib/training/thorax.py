"""What stands above a lumbar spine: thoracic vertebrae and those of the neck, made of an L1, and ribs, which are tubes.

On real films vertebrae go on above T11. A network that had never seen them would count down from the last one drawn.
Films of the whole spine, as of slot scanners, show all of them.
"""

from __future__ import annotations

import numpy as np

from ..anatomy import LANDMARK_NAMES
from ..geometry.frames import rotation_from_vector
from ..shape.surfaces import Surface
from .anatomy import tube
from .posture import NECK_STEP_DEG, THORACIC_COUNT, THORACIC_STEP_DEG

# Size of T12, T11, ... T1, C7, ... C4 along x (right), y (anterior) and z (cranial) against L1. Bodies become narrower
# and lower going up, to T6 their depth changes little.
ABOVE_FACTORS = (
    (0.93, 0.95, 0.93),
    (0.88, 0.92, 0.90),
    (0.83, 0.90, 0.87),
    (0.79, 0.88, 0.84),
    (0.76, 0.87, 0.81),
    (0.74, 0.86, 0.79),
    (0.72, 0.85, 0.77),
    (0.70, 0.80, 0.75),
    (0.68, 0.74, 0.72),
    (0.68, 0.68, 0.70),
    (0.70, 0.62, 0.67),
    (0.73, 0.57, 0.64),
    (0.62, 0.54, 0.54),
    (0.58, 0.52, 0.50),
    (0.56, 0.51, 0.49),
    (0.55, 0.50, 0.49),
)
TO_T6 = 7
_MISSING_SHARE = 0.1
_SHORT_MM = ((60.0, 150.0), (130.0, 220.0))  # of the ribs of T12 and T11
_CHEST_WIDE_MM, _CHEST_DEEP_MM, _CHEST_AHEAD_MM = (115.0, 150.0), (80.0, 110.0), 45.0
_CHEST_SHARES = (1.0, 1.0, 1.0, 1.0, 1.0, 0.95, 0.88, 0.78, 0.65, 0.5)  # of these, around T10, T9, ... T1
_DROP, _ENDS_DEG = (0.3, 0.65), (20.0, 65.0)
_SIDES = {side: LANDMARK_NAMES.index(f"transverse_tip_{side}") for side in ("left", "right")}
_PEDICLES = {side: LANDMARK_NAMES.index(f"pedicle_{side}") for side in ("left", "right")}
_SUPERIOR, _INFERIOR = (LANDMARK_NAMES.index(f"{side}_endplate_centre") for side in ("superior", "inferior"))


def stacked_above(first: Surface, landmarks: np.ndarray, count: int = TO_T6) -> tuple[list[Surface], np.ndarray]:
    """Put vertebrae made of a person's L1 above that spine: T12 to T6, or as many as are asked for.

    Args:
        first: surface of L1, RAS mm.
        landmarks: (5, 20, 3) of L1 to L5, RAS mm.
        count: how many, at most ``len(ABOVE_FACTORS)``.

    Returns:
        Surfaces and landmarks (count, 20, 3), cranial first.
    """
    bodies = landmarks[:2, [_SUPERIOR, _INFERIOR]].mean(axis=1)
    step, at, lean = bodies[0] - bodies[1], bodies[0], np.eye(3)
    right = landmarks[0, _SIDES["right"]] - landmarks[0, _SIDES["left"]]
    right /= np.linalg.norm(right)
    forward, back = (rotation_from_vector(np.radians(step) * right) for step in (THORACIC_STEP_DEG, NECK_STEP_DEG))
    surfaces, marks = [], []
    for i, factors in enumerate(ABOVE_FACTORS[:count]):
        at = at + lean @ step * (factors[2] if i else 1.0)
        if i >= 2:
            lean = (forward if i < THORACIC_COUNT else back) @ lean
        size = float(np.mean(factors))
        surfaces.append(Surface(at + size * (first.points_ras_mm - bodies[0]) @ lean.T, first.faces))
        marks.append(at + size * (landmarks[0] - bodies[0]) @ lean.T)
    return surfaces[::-1], np.stack(marks[::-1])


def random_ribs(landmarks: np.ndarray, rng: np.random.Generator) -> list[Surface]:
    """Return tubes like the ribs of thoracic vertebrae, some missing.

    Args:
        landmarks: (n, 20, 3) of the vertebrae, cranial first, T12 last.
        rng: source of randomness.
    """
    ribs = []
    for marks, lengths_mm in zip(landmarks[::-1], _SHORT_MM, strict=False):
        if rng.random() >= _MISSING_SHARE:
            ribs += short_ribs(marks, lengths_mm, rng)
    return ribs + chest_ribs(landmarks[: -len(_SHORT_MM)], rng)


def chest_ribs(landmarks: np.ndarray, rng: np.random.Generator) -> list[Surface]:
    """Return tubes around the chest, a left and a right one from each of the vertebrae with landmarks (n, 20, 3).

    The vertebrae are T10 and those above it, up to T1, cranial first.
    """
    if not len(landmarks):
        return []
    wide, deep = rng.uniform(*_CHEST_WIDE_MM), rng.uniform(*_CHEST_DEEP_MM)
    return [
        rib
        for marks, share in zip(landmarks[::-1], _CHEST_SHARES, strict=False)
        for rib in _around_chest(marks, share * wide, share * deep, rng)
    ]


def short_ribs(landmarks: np.ndarray, lengths_mm: tuple[float, float], rng: np.random.Generator) -> list[Surface]:
    """Return a left and a right rib that end beside the body, at the landmarks (20, 3) of a vertebra."""
    ribs = []
    for side, sign in (("left", -1.0), ("right", 1.0)):
        length, slope = rng.uniform(*lengths_mm), rng.uniform(0.35, 0.75)
        t = np.linspace(0.0, 1.0, 14)[:, None]
        path = _head(landmarks, side) + t * length * np.array([sign * np.cos(slope), 0.0, -np.sin(slope)])
        path[:, 1:2] += -18.0 * np.sin(np.pi * np.minimum(1.2 * t, 1.0)) + 70.0 * t**2 * length / 180.0
        ribs.append(tube(path, rng.uniform(2.5, 4.0)))
    return ribs


def _around_chest(landmarks: np.ndarray, wide: float, deep: float, rng: np.random.Generator) -> list[Surface]:
    """Return a left and a right rib along an ellipse around the chest, falling towards the front."""
    middle = landmarks[[_SUPERIOR, _INFERIOR]].mean(axis=0) + (0.0, _CHEST_AHEAD_MM, 0.0)
    drop, end = rng.uniform(*_DROP), np.radians(rng.uniform(*_ENDS_DEG))
    ribs = []
    for side, sign in (("left", -1.0), ("right", 1.0)):
        head = _head(landmarks, side)
        begin = -np.arccos(np.clip(sign * (head[0] - middle[0]) / wide, 0.05, 0.95))
        angle = np.linspace(begin, end, 20)[:, None]
        path = middle + np.concatenate([sign * wide * np.cos(angle), deep * np.sin(angle), 0.0 * angle], axis=1)
        path += (head - path[0]) * np.linspace(1.0, 0.0, 20)[:, None] ** 2
        path[:, 2] = head[2] - drop * deep * (angle - begin)[:, 0]
        ribs.append(tube(path, rng.uniform(2.5, 4.0)))
    return ribs


def _head(landmarks: np.ndarray, side: str) -> np.ndarray:
    return 0.6 * landmarks[_SIDES[side]] + 0.4 * landmarks[_PEDICLES[side]]
