"""What a film file itself says about the size of its pixels, and in which plane that holds."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from ..geometry import View


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

    def disagreement(self, view: View) -> str | None:
        """Return a note if the file contradicts distance or spacing of the view by more than 1 %, else None."""
        return " ".join(filter(None, (self._distance_note(view), self._spacing_note(view)))) or None

    def _distance_note(self, view: View) -> str | None:
        if self.focal_mm is None or abs(self.focal_mm / view.focal_mm - 1.0) <= 0.01:
            return None
        return (
            f"The file states a source-detector distance of {self.focal_mm:g} mm, the geometry has "
            f"{view.focal_mm:g} mm; the geometry is used."
        )

    def _spacing_note(self, view: View) -> str | None:
        if self.spacing_mm is None:
            return None
        ratios = [stated / used for stated, used in zip(self.spacing_mm, view.spacing_mm, strict=True)]
        if self.plane is SpacingPlane.OBJECT:
            # A size in the patient is the detector's pitch or smaller; only a larger one is a contradiction.
            wrong = max(ratios) > 1.01
        else:
            wrong = any(abs(ratio - 1.0) > 0.01 for ratio in ratios)
        if not wrong:
            return None
        stated, used = (f"{pair[0]:.4g} x {pair[1]:.4g}" for pair in (self.spacing_mm, view.spacing_mm))
        return (
            f"The file states {stated} mm per pixel ({self.source}; {self.plane.value} plane), the geometry has {used} "
            "mm at the detector; the geometry is used."
        )
