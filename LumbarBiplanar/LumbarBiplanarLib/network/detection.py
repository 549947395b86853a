"""What the network found on one film."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from ..anatomy import LUMBAR_LEVELS, FilmLandmarks, Level
from ..geometry import View


@dataclass(frozen=True, eq=False)
class Detection:
    """The lumbar spine of one film.

    Attributes:
        view: view of the film; the landmarks are in its pixels.
        lumbar_mm: (h, w) float32, mm of ray inside L1 to L5, on the pixels of ``lumbar_view``.
        lumbar_view: the film's view at the network's resolution; it may reach past the film.
        landmarks: every landmark the network looked for, with position, confidence, sigma and whether it is visible.
        lumbar_level_mm: (5, h, w) float32, ``lumbar_mm`` for each of L1 to L5, or None.
        notes: what a reader should know, for example levels that are not on the film.
        weights: name and version of the weights, as ``Networks.name``.
        device: where the network ran, "cpu" or "cuda".
        reading: what ``join`` needs to read both films of a patient together; None once that is done, or if the
            detection does not come from ``detect``.
    """

    view: View
    lumbar_mm: np.ndarray
    lumbar_view: View
    landmarks: FilmLandmarks
    lumbar_level_mm: np.ndarray | None = None
    notes: tuple[str, ...] = ()
    weights: str = ""
    device: str = "cpu"
    reading: object | None = field(default=None, repr=False)

    @property
    def levels(self) -> tuple[Level, ...]:
        """Levels found on the film, cranial first."""
        return self.landmarks.levels

    def of_mirrored_patient(self) -> Detection:
        """Return the detection on this very film of the mirrored patient: left and right are exchanged."""
        return replace(
            self,
            view=self.view.of_mirrored_patient(),
            lumbar_view=self.lumbar_view.of_mirrored_patient(),
            landmarks=self.landmarks.with_sides_exchanged(),
        )

    def turned_over(self) -> Detection:
        """Return the detection on the film turned over left to right."""
        last = self.view.size_px[0] - 1
        landmarks = FilmLandmarks(
            replace(item, position_px=(last - item.position_px[0], item.position_px[1]))
            for item in self.landmarks.values()
        )
        levels = self.lumbar_level_mm
        return replace(
            self,
            view=self.view.turned_over(),
            lumbar_mm=np.ascontiguousarray(self.lumbar_mm[:, ::-1]),
            lumbar_view=self.lumbar_view.turned_over(),
            landmarks=landmarks,
            lumbar_level_mm=None if levels is None else np.ascontiguousarray(levels[..., ::-1]),
        )

    def renamed(self, level_shift: int) -> Detection:
        """Return the detection with other names: 1 calls L2 what was called L1, and so on; what has none is left out.

        The film is not read again (``join`` does that), so the level that is new at the other end is not found.
        """
        if not level_shift:
            return self
        landmarks = FilmLandmarks(
            replace(item, level=LUMBAR_LEVELS[row])
            for item in self.landmarks.values()
            if 0 <= (row := LUMBAR_LEVELS.index(item.level) + level_shift) < len(LUMBAR_LEVELS)
        )
        if self.lumbar_level_mm is None:
            return replace(self, landmarks=landmarks, reading=None)
        images = shifted_rows(self.lumbar_level_mm, level_shift)
        lumbar_mm = images.sum(axis=0)
        return replace(self, landmarks=landmarks, lumbar_mm=lumbar_mm, lumbar_level_mm=images, reading=None)


def shifted_rows(values: np.ndarray, by: int) -> np.ndarray:
    """Return (5, ...) values with row k at k + ``by``; rows that nothing comes to are zero."""
    shifted = np.zeros_like(values)
    first, last = max(0, by), len(values) + min(0, by)
    shifted[first:last] = values[first - by : last - by]
    return shifted
