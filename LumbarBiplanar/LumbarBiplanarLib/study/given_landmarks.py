"""How far landmarks that were given for a film agree with what the network sees on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ..anatomy import LUMBAR_LEVELS, FilmLandmarks
from ..geometry import View
from ..geometry.limits import nearest_to_beams
from .case import Case

if TYPE_CHECKING:
    from ..network import Detection

# Of its landmarks nine in ten are nearer to the true ones; those of neighboring vertebrae are some 33 mm apart.
_SAME_MM, _ELSEWHERE_MM = 10.0, 20.0
_LARGEST_SHIFT = 2
_FEWEST = 4


def given_doubts(case: Case, detections: Mapping[str, Detection]) -> list[str]:
    """Return a sentence for every film whose given landmarks the network contradicts in their names or their place.

    Args:
        case: films and, if they were given, landmarks.
        detections: per view name, what the network found.
    """
    if case.landmarks is None:
        return []
    said = []
    center = nearest_to_beams(case.pair.views)
    for film in case.films:
        name = film.view.name
        if name not in detections:
            continue
        offs = _distances_mm(case.landmarks[name].landmarks, detections[name].landmarks, film.view, center)
        if 0 not in offs or offs[0] < _ELSEWHERE_MM:
            continue
        shift = min(offs, key=offs.__getitem__)
        if offs[shift] <= _SAME_MM:
            here, there = (LUMBAR_LEVELS[max(0, by)].name for by in (shift, -shift))
            said.append(
                f"{name} film: the network gives the levels other names than the landmarks that were given: what these "
                f"call {here} it calls {there}. Count the vertebrae, and rename the levels in the file if they are off."
            )
        else:
            said.append(
                f"{name} film: the landmarks that were given lie {offs[0]:.0f} mm (median) from where the network sees "
                "them. Check that they are pixels of this very film and belong to this patient."
            )
    return said


def _distances_mm(given: FilmLandmarks, seen: FilmLandmarks, view: View, center: np.ndarray) -> dict[int, float]:
    """Return per renaming the median distance in the object plane; with 1 the network's L1 is held against L2."""
    shown, pixel_mm = seen.visible(), view.pixel_size_at(center)
    offs = {}
    for shift in range(-_LARGEST_SHIFT, _LARGEST_SHIFT + 1):
        found = []
        for (level, name), item in given.visible().items():
            row = LUMBAR_LEVELS.index(level) - shift
            other = shown.get((LUMBAR_LEVELS[row], name)) if 0 <= row < len(LUMBAR_LEVELS) else None
            if other is not None:
                off_px = np.subtract(item.position_px, other.position_px)
                found.append(float(np.linalg.norm(off_px * pixel_mm)))
        if len(found) >= _FEWEST:
            offs[shift] = float(np.median(found))
    return offs
