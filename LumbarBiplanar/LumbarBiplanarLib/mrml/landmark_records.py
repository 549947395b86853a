"""What is known about one point of a landmark list, and the text in which its node keeps it.

A control point has a position, a status and a free text, its description. The description holds what the program last
wrote about the point, the pixel included. Where position or status disagree with it, a person has changed the point in
a view: nobody has to be listening at that moment for the change to be recognized later.
"""

from __future__ import annotations

import functools
import json
import math
from dataclasses import dataclass, replace

from ..anatomy import LANDMARK_NAMES, LUMBAR_LEVELS, LandmarkObservation, Level, opposite_side
from ..errors import LandmarkError

POINT_COUNT = len(LUMBAR_LEVELS) * len(LANDMARK_NAMES)

# A point is where the program put it if it is this near; a drag of a mouse moves it much further.
SAME_PIXEL = 1e-3

# LANDMARK_NAMES as they stand in labels: replaced one after the other.
_SHORT = (
    ("superior_articular_tip", "sup facet"),
    ("inferior_articular_tip", "inf facet"),
    ("superior_endplate", "sup"),
    ("inferior_endplate", "inf"),
    ("transverse_tip", "transv"),
    ("spinous", "spin"),
    ("pedicle", "ped"),
    ("centre", "mid"),
    ("anterior", "ant"),
    ("posterior", "post"),
    ("left", "L"),
    ("right", "R"),
    ("_", " "),
)


@dataclass(frozen=True)
class PointRecord:
    """One landmark of one film.

    Attributes:
        observation: the landmark as it stands; None if nobody has seen it on this film.
        detected: the landmark as it was detected, to go back to; None if it was not.
    """

    observation: LandmarkObservation | None = None
    detected: LandmarkObservation | None = None

    @property
    def shown(self) -> bool:
        """Whether the film shows the landmark, that is, whether the point has a position."""
        return self.observation is not None and self.observation.visible

    @property
    def corrected(self) -> bool:
        """Whether a person has set, moved or removed the landmark."""
        return self.observation is not None and self.observation.corrected

    def moved(self, index: int, position_px: tuple[float, float]) -> PointRecord:
        """Return the record after a person has put point ``index`` at a pixel."""
        level, name = key_of(index)
        return replace(self, observation=LandmarkObservation(level, name, position_px, corrected=True))

    def unset(self) -> PointRecord:
        """Return the record after a person has said that the film does not show the landmark."""
        if self.observation is None:
            return self
        return replace(self, observation=replace(self.observation, visible=False, corrected=True))

    def renamed(self, index: int) -> PointRecord:
        """Return the record as that of point ``index``."""
        level, name = key_of(index)
        known = (self.observation, self.detected)
        return PointRecord(*(None if item is None else replace(item, level=level, name=name) for item in known))

    def reset(self) -> PointRecord:
        """Return the record as it was detected: with nothing to see if it was not."""
        return replace(self, observation=self.detected)


def key_of(index: int) -> tuple[Level, str]:
    """Return the level and landmark of point ``index`` (0 to 99) of every landmark list."""
    if not 0 <= index < POINT_COUNT:
        raise LandmarkError(f"A landmark list has points 0 to {POINT_COUNT - 1}; there is no point {index}.")
    level, name = divmod(index, len(LANDMARK_NAMES))
    return LUMBAR_LEVELS[level], LANDMARK_NAMES[name]


def index_of(level: Level, name: str) -> int:
    """Return the point of a landmark list that is landmark ``name`` of ``level``.

    Raises:
        LandmarkError: for a level other than L1 to L5, or an unknown landmark.
    """
    if level not in LUMBAR_LEVELS:
        raise LandmarkError(f"A landmark list holds L1 to L5, not {getattr(level, 'name', level)}.")
    if name not in LANDMARK_NAMES:
        raise LandmarkError(f"Unknown landmark {name!r}; use one of {', '.join(LANDMARK_NAMES)}.")
    return LUMBAR_LEVELS.index(level) * len(LANDMARK_NAMES) + LANDMARK_NAMES.index(name)


def index_on_other_side(index: int) -> int:
    """Return the point of the same landmark on the other side of the vertebra; one in the middle is its own."""
    level, name = key_of(index)
    return index_of(level, opposite_side(name))


def label_of(index: int) -> str:
    """Return the label of point ``index`` on a film, short because there are a hundred: "L3 ped L", "L3 sup ant"."""
    level, name = key_of(index)
    for long, short in _SHORT:
        name = name.replace(long, short)
    return f"{level.name} {name}"


def same_pixel(first: tuple[float, float], second: tuple[float, float]) -> bool:
    """Return whether two pixels are the same but for rounding."""
    return math.dist(first, second) <= SAME_PIXEL


def description_of(record: PointRecord) -> str:
    """Return the description (JSON) of a point with this record; an unknown point has none."""
    if record.observation is None and record.detected is None:
        return ""
    values = {} if record.observation is None else _values(record.observation)
    if record.detected is not None:
        values["detected"] = _values(record.detected)
    return json.dumps(values)


def _values(item: LandmarkObservation) -> dict:
    return {
        "position_px": [float(value) for value in item.position_px],
        "confidence": float(item.confidence),
        "sigma_mm": None if item.sigma_mm is None else float(item.sigma_mm),
        "visible": bool(item.visible),
        "corrected": bool(item.corrected),
    }


@functools.lru_cache(maxsize=2048)
def record_of(description: str, index: int) -> PointRecord:
    """Return the record in the description of point ``index``; a text that is none of ours holds nothing."""
    try:
        values = json.loads(description) if description else {}
        detected = values.get("detected")
        return PointRecord(
            _observation(values, index) if "position_px" in values else None,
            None if detected is None else _observation(detected, index),
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        return PointRecord()


def _observation(values: dict, index: int) -> LandmarkObservation:
    level, name = key_of(index)
    x, y = (float(value) for value in values["position_px"])
    sigma = values.get("sigma_mm")
    return LandmarkObservation(
        level,
        name,
        (x, y),
        float(values.get("confidence", 1.0)),
        None if sigma is None else float(sigma),
        bool(values.get("visible", True)),
        bool(values.get("corrected", False)),
    )
