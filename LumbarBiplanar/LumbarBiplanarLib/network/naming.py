"""Which vertebra is which, by both films: the bodies stand at the same heights on both, so their names must agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..geometry import View
from ..geometry.triangulation import triangulate
from .first_stage import FirstLook

_NEAR_MM = 12.0
_BODY_MM, _LEAST_BONE_MM = 10.0, 10.0
_SHIFTS = (0, -1, 1)  # where nothing speaks for another name, names are kept
# Bodies of one vertebra are this near on both films; with the names one off they are some 33 mm apart.
_AGREE_MM = 11.0
# Where another renaming has this share of the evidence that the names have, they are not sure. Of 60 hard films of 30
# development spines two were above it, the one that was misnamed (0.40) and one that was not; the median is 0.01.
_DOUBTFUL_SHARE = 0.3


def naming_evidence(look: FirstLook) -> dict[int, float]:
    """Return how much a film speaks for each renaming, 0 to 2: 1 means that what was called L1 is L2, and so on.

    The probability that the first stage gave each landmark of the new name within 12 mm of its place, and the share
    that the image of the new name has of the bone within 10 mm of the body's middle, means over the levels that have a
    name then. (Sums would speak against names with which a level at the end is no lumbar one.)
    """
    centers, peaks, bone = look.choice.centers, look.peaks, look.level_mm
    pixel_mm = float(np.mean(look.pixel_mm))
    rows, columns = np.indices(bone.shape[1:])
    found = np.flatnonzero(np.isfinite(centers[:, 0]))
    evidence = {}
    for shift in _SHIFTS:
        each = []
        for k in found:
            if not 0 <= k + shift < len(centers):
                continue
            off = peaks.positions[:, k + shift] - look.choice.positions[k]
            near = np.linalg.norm(off, axis=-1) * pixel_mm < _NEAR_MM
            mass = np.where(near, peaks.masses[:, k + shift], 0.0).sum() / near.shape[-1]
            body = np.hypot(columns - centers[k, 0], rows - centers[k, 1]) * pixel_mm < _BODY_MM
            # Where the images show hardly any bone they have nothing to say.
            share = bone[k + shift][body].sum() / max(bone[:, body].sum(), _LEAST_BONE_MM * max(1, body.sum()))
            each.append(float(mass + share))
        evidence[shift] = float(np.mean(each)) if each else 0.0
    return evidence


def naming_doubt(evidence: Sequence[Mapping[int, float]], shifts: Sequence[int]) -> str | None:
    """Return a sentence if what films show speaks for other names nearly as much as for those they have, or None.

    Args:
        evidence: of each film, ``naming_evidence``.
        shifts: by how much the levels of each film have been renamed.
    """

    def total(more: int) -> float:
        return sum(each.get(shift + more, 0.0) for each, shift in zip(evidence, shifts, strict=True))

    other = max((1, -1), key=total)
    if total(other) <= _DOUBTFUL_SHARE * total(0):
        return None
    way, example = ("down", "L1 would be L2") if other > 0 else ("up", "L2 would be L1")
    return (
        f"The names of the levels are not sure: part of what is seen speaks for one level {way} ({example}). Count the "
        "vertebrae, and rename all levels if they are off."
    )


def agreed_names(
    views: tuple[View, View], centers_px: tuple[np.ndarray, np.ndarray], evidence: tuple[dict[int, float], ...]
) -> tuple[int, int]:
    """Return by how much to rename the levels of each film so that both agree, (0, 0) if they do or nothing can.

    Args:
        views: of the two films.
        centers_px: of each film (5, 2), middles of the bodies, NaN where a level was not found.
        evidence: of each film, ``naming_evidence``.
    """
    best, best_score = (0, 0), -np.inf
    for first in _SHIFTS:
        for second in _SHIFTS:
            gap = median_gap_mm(views, centers_px[0], centers_px[1], second - first)
            if gap is not None and gap <= _AGREE_MM:
                score = evidence[0][first] + evidence[1][second]
                if score > best_score:
                    best, best_score = (first, second), score
    return best


def median_gap_mm(views: tuple[View, View], first: np.ndarray, second: np.ndarray, offset: int = 0) -> float | None:
    """Return how far rays to the bodies of one level pass each other, median over the levels, mm; None without any.

    Args:
        views: of the two films.
        first, second: of each film (5, 2), middles of the bodies, NaN where a level was not found.
        offset: renaming of the second film less renaming of the first; with it level k - offset of the second film
            gets the name of level k of the first.

    Raises:
        GeometryError: if the rays are parallel.
    """
    gaps = []
    for k in range(len(first)):
        other = k - offset
        if 0 <= other < len(second) and np.isfinite(first[k, 0]) and np.isfinite(second[other, 0]):
            gaps.append(float(triangulate(views, np.stack([first[k], second[other]]))[1]))
    return float(np.median(gaps)) if gaps else None
