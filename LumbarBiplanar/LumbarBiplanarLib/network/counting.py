"""Which vertebra is which: a place for each level that agrees with its landmarks and with its neighbors.

Every candidate place of every landmark votes for the middle of its vertebral body. Levels are then placed together:
in order down the film and about evenly spaced, so that one vertebra taken for its neighbor is noticed.
"""

from __future__ import annotations

import itertools

import numpy as np

# Votes scatter by this much around the body they belong to; far landmarks say less about it.
_VOTE_SD_MM, _FAR_MM = 9.0, 20.0
_CANDIDATES = 4
_LEAST_SCORE = 0.08
_APART_MM = 14.0
# Neighbouring bodies: usual distance, how far a spine strays from it and its parts from each other (logarithms).
USUAL_STEP_MM, _STEP_LOG_SD, _UNEVEN_LOG_SD = 33.5, 0.35, 0.2
_PENALTY = 0.08
_LARGEST_TILT = 0.8  # sideways over along


def place_levels(positions: np.ndarray, masses: np.ndarray, offsets: np.ndarray, pixel_mm: float) -> np.ndarray:
    """Return the middle of each vertebral body, NaN where a level is not on the film.

    Args:
        positions: (K, 5, 20, 2) candidate places of the landmarks, pixels.
        masses: (K, 5, 20) their probabilities.
        offsets: (5, 20, 2) from the middle of the body to each landmark in an upright patient, pixels.
        pixel_mm: mm of the object plane per pixel.

    Returns:
        (5, 2) pixels.
    """
    places, scores = [], []
    for k in range(5):
        place, score = body_candidates(positions[:, k], masses[:, k], offsets[k], pixel_mm)
        places.append(np.concatenate([place, np.full((1, 2), np.nan)]))
        scores.append(np.append(score, 0.0))
    choices = np.array(list(itertools.product(*(range(len(score)) for score in scores))))
    centers = np.stack([places[k][choices[:, k]] for k in range(5)], axis=1)
    total = sum(scores[k][choices[:, k]] for k in range(5)) - _PENALTY * _unevenness(centers * pixel_mm)
    return centers[int(np.argmax(total))]


def body_candidates(
    positions: np.ndarray, masses: np.ndarray, offsets: np.ndarray, pixel_mm: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return places (n, 2) where a level's body may be, pixels, and their scores (n,), 0 to 1, best first.

    Args:
        positions: (K, 20, 2) candidates of the level's landmarks, pixels.
        masses: (K, 20) their probabilities.
        offsets: (20, 2) from the body's middle to each landmark, pixels.
        pixel_mm: mm of the object plane per pixel.
    """
    votes = (positions - offsets).reshape(-1, 2) * pixel_mm
    share = 1.0 / (1.0 + (np.linalg.norm(offsets, axis=1) * pixel_mm / _FAR_MM) ** 2)
    weights = (masses * share / share.sum()).ravel()
    distance = np.linalg.norm(votes[:, None] - votes[None], axis=-1)
    kernel = weights * np.exp(-0.5 * (distance / _VOTE_SD_MM) ** 2)
    density = kernel.sum(axis=1)
    # One step of mean shift puts a candidate amid its votes.
    middles = kernel @ votes / np.maximum(density, 1e-12)[:, None]
    chosen: list[int] = []
    for k in np.argsort(-density):
        if len(chosen) == _CANDIDATES or density[k] < _LEAST_SCORE:
            break
        if all(np.linalg.norm(middles[k] - middles[other]) >= _APART_MM for other in chosen):
            chosen.append(int(k))
    return middles[chosen] / pixel_mm, density[chosen]


def _unevenness(centers_mm: np.ndarray) -> np.ndarray:
    """Return how unlikely (n,) the distances of the bodies (n, 5, 2) are; infinite where levels are out of order."""
    count = len(centers_mm)
    previous, at = np.full((count, 2), np.nan), np.zeros(count)
    steps = np.full((count, 4), np.nan)
    wrong = np.zeros(count, dtype=bool)
    for k in range(5):
        here = np.isfinite(centers_mm[:, k, 0])
        both = here & np.isfinite(previous[:, 0])
        gap = centers_mm[both, k] - previous[both]
        length = np.maximum(np.linalg.norm(gap, axis=1), 1e-6)
        wrong[both] |= (gap[:, 1] <= 0) | (np.abs(gap[:, 0]) > _LARGEST_TILT * length)
        if k:
            steps[both, k - 1] = np.log(length / (k - at[both]) / USUAL_STEP_MM)
        previous[here], at[here] = centers_mm[here, k], k
    known = np.isfinite(steps)
    number = known.sum(axis=1)
    filled = np.where(known, steps, 0.0)
    mean = filled.sum(axis=1) / np.maximum(number, 1)
    uneven = np.where(known, (filled - mean[:, None]) ** 2, 0.0).sum(axis=1) / _UNEVEN_LOG_SD**2
    unusual = np.where(number > 0, mean**2 / _STEP_LOG_SD**2, 0.0)
    return np.where(wrong, np.inf, uneven + unusual)
