"""What the network found on one film."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..anatomy import FilmLandmarks, Level
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
        weights: name and version of the weights.
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
