"""Landmarks as seen on one film."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from ..errors import LandmarkError
from .landmarks import LANDMARK_NAMES, opposite_side
from .levels import Level

_POSITIONS = {name: position for position, name in enumerate(LANDMARK_NAMES)}


@dataclass(frozen=True)
class LandmarkObservation:
    """One landmark on one film.

    Attributes:
        level, name: which landmark.
        position_px: (x, y), pixel coordinates of the film (x right, y down, (0, 0) is the centre of the first pixel).
        confidence: 0 to 1, the detector's own; 1 for a point set by a person.
        sigma_mm: standard deviation per axis in the object plane in mm; None means the landmark's default.
        visible: False if the film does not show it; such an observation carries no weight.
        corrected: True once a person has set or moved it.
    """

    level: Level
    name: str
    position_px: tuple[float, float]
    confidence: float = 1.0
    sigma_mm: float | None = None
    visible: bool = True
    corrected: bool = False


class FilmLandmarks(Mapping[tuple[Level, str], LandmarkObservation]):
    """Immutable collection of the landmarks of one film, keyed by (level, name).

    What was not seen is absent. Iteration is in the order of levels, then of ``LANDMARK_NAMES``.
    """

    _visible: FilmLandmarks | None = None

    def __init__(self, observations: Iterable[LandmarkObservation] = ()) -> None:
        """Collect ``observations``; raises LandmarkError for an unknown name or one given twice."""
        found: dict[tuple[Level, str], LandmarkObservation] = {}
        for item in observations:
            if item.name not in LANDMARK_NAMES:
                raise LandmarkError(f"Unknown landmark {item.name!r}; use one of {', '.join(LANDMARK_NAMES)}.")
            key = (item.level, item.name)
            if key in found:
                raise LandmarkError(f"The landmark {item.level.name} {item.name} is given twice; remove one.")
            found[key] = item
        order = sorted(found, key=lambda key: (key[0].index, _POSITIONS[key[1]]))
        self._items = {key: found[key] for key in order}

    def with_sides_exchanged(self) -> FilmLandmarks:
        """Return the landmarks with left named right and right named left."""
        return FilmLandmarks(replace(item, name=opposite_side(item.name)) for item in self._items.values())

    def __getitem__(self, key: tuple[Level, str]) -> LandmarkObservation:
        return self._items[key]

    def __iter__(self) -> Iterator[tuple[Level, str]]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    @property
    def levels(self) -> tuple[Level, ...]:
        """Levels with at least one visible landmark, cranial first."""
        seen = {item.level for item in self._items.values() if item.visible}
        return tuple(sorted(seen, key=lambda level: level.index))

    def visible(self) -> FilmLandmarks:
        """Return the landmarks that the film shows."""
        if self._visible is None:
            self._visible = FilmLandmarks(item for item in self._items.values() if item.visible)
        return self._visible

    def with_observation(self, observation: LandmarkObservation) -> FilmLandmarks:
        """Return a copy in which ``observation`` replaces, or joins, the landmark of its level and name."""
        return FilmLandmarks({**self._items, (observation.level, observation.name): observation}.values())

    def moved(self, level: Level, name: str, position_px: tuple[float, float]) -> FilmLandmarks:
        """Return a copy in which a person has put one landmark at ``position_px`` (certain, visible, corrected)."""
        old = self._items.get((level, name), LandmarkObservation(level, name, position_px))
        new = replace(old, position_px=position_px, confidence=1.0, sigma_mm=None, visible=True, corrected=True)
        return self.with_observation(new)
