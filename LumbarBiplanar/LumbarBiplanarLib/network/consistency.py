"""Which of the landmarks found agree with each other: within a vertebra, and the vertebrae along the spine.

A vertebra far from the source is seen by an affine camera (2 x 4). Fitted robustly to a vertebra's landmarks, with the
mean vertebra as its shape and an upright patient as its prior, it tells landmarks that fit from those that do not.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from .counting import place_levels
from .decoding import Peaks

LEAST_CONFIDENCE = 0.15
LEAST_LANDMARKS = 4
BODY_LANDMARKS = [0, 5]  # the centres of the endplates; between them is the middle of the body
_REACH_MM = 7.0  # an anatomical landmark lies this far (one standard deviation) from the mean vertebra's
_REJECT_MM = 22.0
_CAMERA_SD = 0.22  # how far a camera's entries stray from those of an upright patient of mean size, relative
# Body centres of neighbouring levels, in mm of the object plane; below, two levels name the same vertebra.
_LEAST_GAP_MM, _LARGEST_GAP_MM = 14.0, 62.0


@dataclass(frozen=True)
class Choice:
    """One place for each landmark, and whether it can be believed.

    Attributes:
        positions: (5, 20, 2) pixels of the network's image.
        confidences: (5, 20) 0 to 1.
        sigmas: (5, 20) standard deviation per axis, pixels of the network's image.
        visible: (5, 20) bool: on the film and in agreement with the rest of its vertebra.
        centers: (5, 2) middle of each vertebral body, NaN where the level was not found.
        cameras: (5, 2, 4) affine camera of each level's mean vertebra, pixel = camera[:, :3] @ point_mm + camera[:, 3].
        notes: levels given up, and why.
    """

    positions: np.ndarray
    confidences: np.ndarray
    sigmas: np.ndarray
    visible: np.ndarray
    centers: np.ndarray
    cameras: np.ndarray
    notes: tuple[str, ...]


def upright_camera(view_name: str, from_behind: bool = False) -> np.ndarray:
    """Return the (2, 3) directions, right and down on the film, in the frame of an upright vertebra."""
    across = (-1.0, 0.0, 0.0) if view_name == "AP" else (0.0, -1.0, 0.0)
    return np.array([np.negative(across) if from_behind else across, (0.0, 0.0, -1.0)])


def choose_landmarks(
    peaks: Peaks,
    template_mm: np.ndarray,
    view_name: str,
    pixel_mm: float,
    inside: np.ndarray,
    from_behind: bool = False,
) -> Choice:
    """Choose a place for each landmark and reject what does not fit.

    Args:
        peaks: candidate places.
        template_mm: (5, 20, 3) landmarks of the mean vertebrae, vertebra frame.
        view_name: "AP" or "lateral".
        pixel_mm: mm of the object plane per pixel of the network's image.
        inside: (K, 5, 20) bool, whether each candidate lies on the film.
        from_behind: whether the patient's left is on the left of the film.
    """
    masses = np.where(inside, peaks.masses, 0.0)
    bodies = template_mm[:, BODY_LANDMARKS].mean(axis=1)
    prior = upright_camera(view_name, from_behind) / pixel_mm
    middles = place_levels(peaks.positions, masses, (template_mm - bodies[:, None]) @ prior.T, pixel_mm)
    levels = [_fit_level(peaks, masses, k, template_mm[k], middles[k], prior, pixel_mm) for k in range(5)]
    positions, confidences, sigmas, visible, cameras = (np.stack(part) for part in zip(*levels, strict=True))
    centers = cameras[:, :, 3] + np.einsum("kij,kj->ki", cameras[:, :, :3], bodies)
    found = visible.sum(axis=1) >= LEAST_LANDMARKS
    score = np.where(visible, confidences, 0.0).sum(axis=1)
    kept, notes = order_levels(centers, score, found, pixel_mm)
    visible &= kept[:, None]
    return Choice(positions, confidences, sigmas, visible, np.where(kept[:, None], centers, np.nan), cameras, notes)


def _fit_level(peaks, masses, k, template, middle, prior, pixel_mm):
    """Return position, confidence, sigma, visibility (each by landmark) and camera (2, 4) of one level."""
    row = np.arange(len(template))
    absent = not np.isfinite(middle[0])
    start = peaks.positions[0, k].mean(axis=0) if absent else middle
    camera = np.concatenate([prior, (start - prior @ template[BODY_LANDMARKS].mean(axis=0))[:, None]], axis=1)
    for _ in range(3):
        predicted = template @ camera[:, :3].T + camera[:, 3]
        off = np.linalg.norm(peaks.positions[:, k] - predicted, axis=-1) * pixel_mm
        # A less likely place is taken if it fits its vertebra much better than the likeliest.
        near = np.where(off <= _REJECT_MM, masses[:, k], 0.0)
        best = (near / (1.0 + (off / _REACH_MM) ** 2)).argmax(axis=0)
        position, mass = peaks.positions[best, k, row], near[best, row]
        camera = fit_camera(position, mass, template, prior, camera, pixel_mm)
    off = np.linalg.norm(position - template @ camera[:, :3].T - camera[:, 3], axis=-1) * pixel_mm
    visible = (mass >= LEAST_CONFIDENCE) & (off <= _REJECT_MM) & (not absent)
    return position, mass, peaks.sigmas[best, k, row], visible, camera


def fit_camera(
    positions: np.ndarray,
    weights: np.ndarray,
    template_mm: np.ndarray,
    prior: np.ndarray,
    start: np.ndarray,
    pixel_mm: float,
) -> np.ndarray:
    """Fit an affine camera to landmarks, robustly (Cauchy loss, iterated least squares).

    Args:
        positions: (n, 2) landmarks, pixels.
        weights: (n,).
        template_mm: (n, 3) the same landmarks of the mean vertebra.
        prior: (2, 3) camera of an upright patient, pixels per mm.
        start: (2, 4) camera to start from.
        pixel_mm: mm of the object plane per pixel.

    Returns:
        (2, 4); pixel = camera[:, :3] @ point_mm + camera[:, 3].
    """
    camera = start
    design = np.concatenate([template_mm, np.ones((len(template_mm), 1))], axis=1)
    stiffness = np.diag([(pixel_mm / _CAMERA_SD) ** 2] * 3 + [1e-9])
    for _ in range(10):
        residual = np.linalg.norm(positions - design @ camera.T, axis=1) * pixel_mm
        weight = weights / (1.0 + (residual / _REACH_MM) ** 2) * (pixel_mm / _REACH_MM) ** 2
        normal = design.T @ (weight[:, None] * design) + stiffness
        right = design.T @ (weight[:, None] * positions) + stiffness[:, :3] @ prior.T
        camera = np.linalg.solve(normal, right).T
    return camera


def order_levels(
    centers: np.ndarray, score: np.ndarray, found: np.ndarray, pixel_mm: float
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return which levels stand in order, cranial above caudal, no two in one place, and notes on the others.

    Of the selections in which neighbours are far enough apart that with the largest sum of ``score`` is kept.
    """
    best, best_score = np.zeros(5, dtype=bool), 0.0
    for choice in range(1 << 5):
        kept = np.array([bool(choice >> k & 1) for k in range(5)])
        if (kept & ~found).any():
            continue
        rows = np.flatnonzero(kept)
        steps = np.diff(rows)
        down = np.diff(centers[rows, 1]) * pixel_mm
        gaps = np.linalg.norm(np.diff(centers[rows], axis=0), axis=1) * pixel_mm
        if (down < 0.5 * _LEAST_GAP_MM * steps).any() or (gaps < _LEAST_GAP_MM * steps).any():
            continue
        total = float(score[rows].sum())
        if total > best_score:
            best, best_score = kept, total
    notes = [f"L{k + 1} was given up: it stands where another level is." for k in np.flatnonzero(found & ~best)]
    rows = np.flatnonzero(best)
    for above, below in itertools.pairwise(rows):
        gap = float(np.linalg.norm(centers[below] - centers[above])) * pixel_mm
        if gap > _LARGEST_GAP_MM * (below - above):
            notes.append(f"L{above + 1} and L{below + 1} are {gap:.0f} mm apart: check the names of the levels.")
    return best, tuple(notes)
