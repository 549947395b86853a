"""What a decoder hands over: pixels as stored, and what the file says about them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .film import Polarity
from .spacing import FilmSpacing


@dataclass(frozen=True)
class RawImage:
    """What a file holds, before anything is decided about it.

    Attributes:
        pixels: (H, W) values as stored (after a DICOM rescale), in the type stored where numpy has it.
        bits: bits stored per pixel.
        polarity: what the file itself says about bone, or None.
        spacing: what the file itself says about pixel size.
        notes: what was done to the pixels, and what the file says that is worth a look.
        direction: patient directions of increasing column and row as DICOM letters, for example ("L", "F"), or None.
        projection: DICOM view position in capitals ("AP", "PA", "LL", "RL", "LAT", "LLO" ...), or None.
        header: the entries of a DICOM file but for its pixels (``dicom_tags.open_dicom``); None of other files.
    """

    pixels: np.ndarray
    bits: int
    polarity: Polarity | None = None
    spacing: FilmSpacing = field(default_factory=FilmSpacing)
    notes: tuple[str, ...] = ()
    direction: tuple[str, str] | None = None
    projection: str | None = None
    header: Any = None
