"""What one training film is made of: path lengths of its bones, its soft tissue, where its landmarks are; and its file.

Ingredients are costly to draw and can be mixed into many different films (``films.form_film``).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ..errors import StudyError
from ..files import atomic_path
from ..geometry import View
from ..imaging import integrate_volume, resample_image
from ..network.model import VIEW_NAMES
from ..rendering.path_length import render_path_length
from ..shape.surfaces import Surface
from .anatomy import SoftTissue
from .options import PITCH_MM

# The body of a training film comes from voxels of 3 mm: it is integrated at this pitch and interpolated.
_TISSUE_PITCH_MM = 2.0


@dataclass(frozen=True, eq=False)
class Ingredients:
    """One view of one spine.

    Attributes:
        view_name: "AP" or "lateral".
        level_mm: (5, h, w) float32 path length through each of L1 to L5, mm.
        other_mm: (h, w) float32 path length through all other bones drawn, mm.
        tissue: (h, w) float32 line integral of the attenuation of a body, or None.
        landmarks_px: (5, 20, 2) float32.
        pitch_mm: of the pixels, at the detector.
        view: how the film was taken; None in files that were written before it was kept.
    """

    view_name: str
    level_mm: np.ndarray
    other_mm: np.ndarray
    tissue: np.ndarray | None
    landmarks_px: np.ndarray
    pitch_mm: float = PITCH_MM
    view: View | None = None


def draw_ingredients(
    view: View,
    lumbar: Sequence[Surface],
    other: Sequence[Surface],
    landmarks_ras_mm: np.ndarray,
    tissue: SoftTissue | None = None,
) -> Ingredients:
    """Draw the ingredients of one film.

    Args:
        view: of the film.
        lumbar: closed surfaces of L1 to L5, RAS mm.
        other: closed surfaces of other bones.
        landmarks_ras_mm: (5, 20, 3).
        tissue: a body, or None.
    """
    level_mm = _path_lengths(lumbar, view)
    other_mm = _path_lengths(other, view).sum(axis=0) if other else np.zeros(view.shape, dtype=np.float32)
    soft = None
    if tissue is not None:
        coarse = view.resampled(_TISSUE_PITCH_MM) if view.spacing_mm[0] < _TISSUE_PITCH_MM else view
        drawn = integrate_volume(tissue.attenuation_per_mm, tissue.ijk_from_ras, coarse)
        soft = resample_image(np.asarray(drawn, dtype=np.float32).reshape(coarse.shape), coarse, view)
    landmarks = view.project(landmarks_ras_mm).astype(np.float32)
    return Ingredients(view.name, level_mm, other_mm, soft, landmarks, float(view.spacing_mm[0]), view)


def _path_lengths(surfaces: Sequence[Surface], view: View) -> np.ndarray:
    points = [torch.tensor(surface.points_ras_mm, dtype=torch.float32) for surface in surfaces]
    faces = [torch.tensor(np.asarray(surface.faces, dtype=np.int64)) for surface in surfaces]
    with torch.no_grad():
        (image,) = render_path_length(points, faces, [view], subsamples=1, per_mesh=True)
    return image.clamp(min=0).numpy()


def save_ingredients(path: str | Path, films: Sequence[Ingredients]) -> None:
    """Write one spine's AP and lateral ingredients as float16, levels only where they are; raises OutputError."""
    content = {}
    for film in films:
        key = film.view_name
        boxes = np.array([_box(image) for image in film.level_mm])
        filled = [image[y0:y1, x0:x1].ravel() for image, (y0, y1, x0, x1) in zip(film.level_mm, boxes, strict=True)]
        content |= {f"{key}_boxes": boxes, f"{key}_level_mm": np.concatenate(filled).astype(np.float16)}
        content |= {f"{key}_landmarks_px": film.landmarks_px, f"{key}_pitch_mm": np.float64(film.pitch_mm)}
        content[f"{key}_other_mm"] = film.other_mm.astype(np.float16)
        if film.view is not None:
            content[f"{key}_view"] = np.array(json.dumps(film.view.to_dict()))
        if film.tissue is not None:
            content[f"{key}_tissue"] = film.tissue.astype(np.float16)
    with atomic_path(path) as temporary, open(temporary, "wb") as stream:
        np.savez(stream, **content)


def _box(image: np.ndarray) -> tuple[int, int, int, int]:
    """Return first row, row after the last, first column, column after the last of what is not zero."""
    rows, columns = (np.flatnonzero(image.any(axis=axis)) for axis in (1, 0))
    return (rows[0], rows[-1] + 1, columns[0], columns[-1] + 1) if len(rows) else (0, 0, 0, 0)


def load_ingredients(path: str | Path, view_name: str) -> Ingredients:
    """Read one view of what ``save_ingredients`` wrote; raises StudyError for a damaged or foreign file."""
    if view_name not in VIEW_NAMES:
        raise ValueError(f"view_name must be one of {', '.join(VIEW_NAMES)}, found {view_name!r}.")
    try:
        with np.load(path) as archive:
            tissue = f"{view_name}_tissue"
            other = archive[f"{view_name}_other_mm"].astype(np.float32)
            return Ingredients(
                view_name,
                _unboxed(archive[f"{view_name}_level_mm"], archive[f"{view_name}_boxes"], other.shape),
                other,
                archive[tissue].astype(np.float32) if tissue in archive else None,
                archive[f"{view_name}_landmarks_px"],
                float(archive[f"{view_name}_pitch_mm"]),
                View.from_dict(json.loads(str(archive[key]))) if (key := f"{view_name}_view") in archive else None,
            )
    except Exception as error:
        raise StudyError(f"{path}: not ingredients of training films ({error}); delete it and start again.") from error


def _unboxed(filled: np.ndarray, boxes: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    images, start = np.zeros((len(boxes), *shape), dtype=np.float32), 0
    for image, (y0, y1, x0, x1) in zip(images, boxes, strict=True):
        count = (y1 - y0) * (x1 - x0)
        image[y0:y1, x0:x1] = filled[start : start + count].reshape(y1 - y0, x1 - x0)
        start += count
    return images
