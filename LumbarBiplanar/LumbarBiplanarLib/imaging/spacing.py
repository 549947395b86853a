"""What a film file itself says about the size of its pixels, and in which plane that holds."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class SpacingPlane(enum.Enum):
    """Plane in which a pixel size holds."""

    DETECTOR = "detector"
    OBJECT = "object"
    UNKNOWN = "unknown"
    NONE = "none"


@dataclass(frozen=True)
class FilmSpacing:
    """A pixel size as the file states it.

    Attributes:
        spacing_mm: (across, along), mm per pixel, or None if the file states nothing usable.
        plane: DETECTOR is what a View needs. OBJECT is a size calibrated in the patient (already divided by the
            magnification). UNKNOWN: the file gives a number without saying where it holds. NONE: no number.
        source: which entry of the file says so.
        focal_mm: source-detector distance if the file states it, or None.
    """

    spacing_mm: tuple[float, float] | None = None
    plane: SpacingPlane = SpacingPlane.NONE
    source: str = "nothing"
    focal_mm: float | None = None
