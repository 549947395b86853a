"""Whether the lumbar-only image and the landmarks of a film tell the same: two answers of the network, one vertebra.

The image of each level is drawn by other layers than its landmarks are, and the first stage draws it without knowing
how the levels will be counted. So a landmark set that slid off its bone, or was given its neighbor's name, shows as
bone that lies elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import ConvexHull, QhullError

from ..anatomy import LUMBAR_LEVELS
from .detection import shifted_rows
from .reading import Reading

_MARGIN_MM = 5.0  # bone reaches past the hull of the landmarks by about this much
_BONE_MM = 2.0  # less is the network's haze
# Of levels whose landmarks are right one in a hundred is below these (held-out training films, docs/network.md).
LEAST_UNDER = 0.95
LEAST_FILLED = 0.7
LEAST_NAMED = 0.45


@dataclass(frozen=True)
class Agreement:
    """What the images say of the landmarks of one level.

    Attributes:
        under: share of the level's bone, by thickness, that lies under the hull of its landmarks.
        filled: share of the hull that shows bone of the level.
        named: share of the bone under the hull that the first stage's images give this level; 1 if they show none.
        other: level that they give most of it.
    """

    under: float
    filled: float
    named: float
    other: int

    @property
    def share(self) -> float:
        """1 if image and landmarks agree, less the more they do not."""
        tests = (self.under / LEAST_UNDER, self.filled / LEAST_FILLED, self.named / LEAST_NAMED)
        return float(min(1.0, *tests))


def checked(reading: Reading) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the confidences (5, 20) of a film's landmarks, lower where its images contradict them, and notes on it.

    Args:
        reading: of a film, with the landmarks that will be told.
    """
    confidences, notes = reading.close.confidences.copy(), []
    networks = reading.networks
    if "images" not in (networks.refiner or networks.spine).config.tasks:
        return confidences, ()
    for k in np.flatnonzero(reading.close.found):
        agreement = agreement_of(reading, int(k))
        if agreement is None or agreement.share >= 1.0:
            continue
        confidences[k] *= 0.5 * agreement.share
        notes.append(_note(int(k), agreement))
    return confidences, tuple(notes)


def agreement_of(reading: Reading, level: int) -> Agreement | None:
    """Return how the images agree with the landmarks of a level (row in LUMBAR_LEVELS), None if too few are shown."""
    look, close, view = reading.look, reading.close, reading.film.view
    pixel_mm = float(np.mean(look.pixel_mm))
    places = view.pixels_on(look.view, close.landmarks_px[level][reading.seen[level]])
    try:
        hull = ConvexHull(places)
    except (QhullError, ValueError):
        return None
    rows, columns = np.indices(look.view.shape)
    pixels = np.stack([columns, rows], axis=-1).astype(float)
    outside = (pixels @ hull.equations[:, :2].T + hull.equations[:, 2]).max(axis=-1) * pixel_mm
    own = np.where(close.level_mm[level] >= _BONE_MM, close.level_mm[level], 0.0)
    near = outside <= _MARGIN_MM
    total = float(own.sum())
    under = float(own[near].sum()) / total if total > 0 else 0.0
    filled = float((own[outside <= 0] > 0).mean())
    first = np.where(look.level_mm >= _BONE_MM, look.level_mm, 0.0)[:, outside <= 0].sum(axis=1)
    # The first stage knows nothing of names that a person has given, and has no image of what is L1 or L5 only then.
    first = shifted_rows(first, reading.told_shift)
    drawn = 0 <= level - reading.told_shift < len(first)
    named = float(first[level] / first.sum()) if drawn and first.sum() > 0 else 1.0
    return Agreement(under, filled, named, int(first.argmax()))


def _note(level: int, agreement: Agreement) -> str:
    name = LUMBAR_LEVELS[level].name
    if agreement.named < LEAST_NAMED and agreement.other != level:
        return (
            f"The landmarks of {name} stand where the lumbar-only image of the whole film shows "
            f"{LUMBAR_LEVELS[agreement.other].name}: check which vertebra it is."
        )
    return (
        f"The landmarks of {name} and its lumbar-only image disagree: {100 * agreement.under:.0f} % of its bone lies "
        f"under its landmarks, and bone fills {100 * agreement.filled:.0f} % of their outline. Check the landmarks of "
        f"{name}."
    )
