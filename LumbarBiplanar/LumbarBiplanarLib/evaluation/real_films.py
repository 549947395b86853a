"""Real AP radiographs with a box around each vertebra: are the lumbar vertebrae found, and in the right order?

The films are of whole spines, contrast-equalised and without pixel size. None has ever been trained on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..anatomy import LUMBAR_LEVELS
from ..errors import DetectionError, StudyError
from ..geometry import standard_pair
from ..imaging import Film, Polarity

REAL_FILE = "network_real_films.csv"
_ENDS = (0, 5)  # the centres of the endplates, in the order of LANDMARK_NAMES
_LEVELS = 5
# Median distance of lumbar body centres that a film is scaled to, mm in the object plane, and what a film magnifies.
_STEP_MM, _MAGNIFICATION = 33.5, 1.22
# The lumbar part of the film that is shown to the network, in box heights above and below the boxes.
_ABOVE, _BELOW, _ASIDE = 2.5, 2.5, 3.0


@dataclass(frozen=True)
class RealFilmRow:
    """One lumbar box of a real film.

    Attributes:
        film: name of the file.
        level: of the box, the lowest box of a film being L5.
        found: whether a vertebra's centre was found inside the box.
        right_order: whether it was one of a run of vertebrae found in the order of the boxes, whatever their names.
        right_name: whether it had the box's name.
        shown: "whole", the whole film, or "part", its lumbar part.
    """

    film: str
    level: str
    found: bool
    right_order: bool
    right_name: bool
    shown: str


def real_films(folder: str | Path) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield (name, grey values (h, w), boxes (n, 4): left, top, right, bottom in pixels, cranial first) of each film.

    Raises:
        StudyError: if there is none.
    """
    from PIL import Image

    found = sorted((Path(folder) / "images").glob("*.jpg"))
    if not found:
        raise StudyError(f"{folder}: no radiographs (images/*.jpg, labels/*.txt) here.")
    for path in found:
        image = np.asarray(Image.open(path).convert("L"), dtype=np.float32)
        rows = np.loadtxt(Path(folder) / "labels" / f"{path.stem}.txt", ndmin=2)[:, 1:]
        size = np.array([image.shape[1], image.shape[0]])
        middle, half = rows[:, :2] * size, 0.5 * rows[:, 2:] * size
        boxes = np.concatenate([middle - half, middle + half], axis=1)
        yield path.name.split("_jpg")[0], image, boxes[np.argsort(boxes[:, 1])]


def evaluate_real_film(name: str, image: np.ndarray, boxes: np.ndarray, *, whole: bool, **how) -> list[RealFilmRow]:
    """Detect the spine on a real film and compare the bodies' centres with its lowest five boxes.

    Args:
        name: of the film.
        image: (h, w).
        boxes: (n, 4), n at least 5.
        whole: show the network the whole film, or its lumbar part.
        how: device and weights of ``network.detect``.
    """
    from ..network import detect

    lumbar = boxes[-_LEVELS:]
    centers = 0.5 * (lumbar[:, :2] + lumbar[:, 2:])
    pixel_mm = _STEP_MM * _MAGNIFICATION / float(np.median(np.linalg.norm(np.diff(centers, axis=0), axis=1)))
    corner = np.zeros(2)
    if not whole:
        image, corner = _lumbar_part(image, lumbar)
    size = (image.shape[1], image.shape[0])
    view = standard_pair(size_px=(size, size), spacing_mm=pixel_mm, sdd_mm=1100.0).views[0]
    try:
        detection = detect(Film(np.ascontiguousarray(image), view, Polarity.BONE_BRIGHT), **how)
        found = _bodies(detection) + corner
    except DetectionError:
        found = np.full((_LEVELS, 2), np.nan)
    return _rows(name, found, lumbar, "whole" if whole else "part")


def _lumbar_part(image: np.ndarray, lumbar: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the lumbar part of a film and its top-left corner (2,)."""
    height = float(np.median(lumbar[:, 3] - lumbar[:, 1]))
    top, bottom = lumbar[0, 1] - _ABOVE * height, lumbar[-1, 3] + _BELOW * height
    left, right = lumbar[:, 0].min() - _ASIDE * height, lumbar[:, 2].max() + _ASIDE * height
    y0, x0 = (max(0, int(value)) for value in (top, left))
    return image[y0 : int(bottom) + 1, x0 : int(right) + 1], np.array([x0, y0], dtype=float)


def _bodies(detection) -> np.ndarray:
    """Return the middle of each body (5, 2), pixels, NaN where a level was not found."""
    from ..anatomy import LANDMARK_NAMES

    bodies = np.full((_LEVELS, 2), np.nan)
    for k, level in enumerate(LUMBAR_LEVELS):
        ends = [detection.landmarks.get((level, LANDMARK_NAMES[i])) for i in _ENDS]
        if all(end is not None for end in ends) and level in detection.levels:
            bodies[k] = np.mean([end.position_px for end in ends], axis=0)
    return bodies


def _rows(name: str, found: np.ndarray, boxes: np.ndarray, shown: str) -> list[RealFilmRow]:
    inside = np.array([[bool((f >= b[:2]).all() and (f <= b[2:]).all()) for f in found] for b in boxes])
    in_box = {i: int(np.flatnonzero(inside[i])[0]) for i in range(_LEVELS) if inside[i].any()}
    # The renaming that most boxes agree on; the boxes that follow it are in order.
    shifts = [k - i for i, k in in_box.items()]
    usual = max(set(shifts), key=shifts.count) if shifts else None
    return [
        RealFilmRow(
            name, LUMBAR_LEVELS[i].name, i in in_box, i in in_box and in_box[i] - i == usual, in_box.get(i) == i, shown
        )
        for i in range(_LEVELS)
    ]
