"""What one training film is made of: path lengths of its bones, its soft tissue, where its landmarks are; and its file.

Ingredients are costly to draw and can be mixed into many different films (``films.form_film``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ..errors import StudyError
from ..files import atomic_path
from ..geometry import View
from ..imaging import integrate_volume
from ..network.model import VIEW_NAMES
from ..rendering.path_length import render_path_length
from ..shape.surfaces import Surface
from .anatomy import SoftTissue


@dataclass(frozen=True, eq=False)
class Ingredients:
    """One view of one spine.

    Attributes:
        view_name: "AP" or "lateral".
        level_mm: (5, h, w) float32 path length through each of L1 to L5, mm.
        other_mm: (h, w) float32 path length through all other bones drawn, mm.
        tissue: (h, w) float32 line integral of the attenuation of a body, or None.
        landmarks_px: (5, 20, 2) float32.
    """

    view_name: str
    level_mm: np.ndarray
    other_mm: np.ndarray
    tissue: np.ndarray | None
    landmarks_px: np.ndarray


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
        drawn = integrate_volume(tissue.attenuation_per_mm, tissue.ijk_from_ras, view)
        soft = np.asarray(drawn, dtype=np.float32).reshape(view.shape)
    landmarks = view.project(landmarks_ras_mm).astype(np.float32)
    return Ingredients(view.name, level_mm, other_mm, soft, landmarks)


def _path_lengths(surfaces: Sequence[Surface], view: View) -> np.ndarray:
    points = [torch.tensor(surface.points_ras_mm, dtype=torch.float32) for surface in surfaces]
    faces = [torch.tensor(np.asarray(surface.faces, dtype=np.int64)) for surface in surfaces]
    with torch.no_grad():
        (image,) = render_path_length(points, faces, [view], subsamples=1, per_mesh=True)
    return image.clamp(min=0).numpy()


def save_ingredients(path: str | Path, films: Sequence[Ingredients]) -> None:
    """Write one spine's AP and lateral ingredients as float16; raises OutputError."""
    content = {}
    for film in films:
        key = film.view_name
        content |= {f"{key}_level_mm": film.level_mm.astype(np.float16), f"{key}_landmarks_px": film.landmarks_px}
        content[f"{key}_other_mm"] = film.other_mm.astype(np.float16)
        if film.tissue is not None:
            content[f"{key}_tissue"] = film.tissue.astype(np.float16)
    with atomic_path(path) as temporary, open(temporary, "wb") as stream:
        np.savez(stream, **content)


def load_ingredients(path: str | Path, view_name: str) -> Ingredients:
    """Read one view of what ``save_ingredients`` wrote; raises StudyError for a damaged or foreign file."""
    if view_name not in VIEW_NAMES:
        raise ValueError(f"view_name must be one of {', '.join(VIEW_NAMES)}, found {view_name!r}.")
    try:
        with np.load(path) as archive:
            tissue = f"{view_name}_tissue"
            return Ingredients(
                view_name,
                archive[f"{view_name}_level_mm"].astype(np.float32),
                archive[f"{view_name}_other_mm"].astype(np.float32),
                archive[tissue].astype(np.float32) if tissue in archive else None,
                archive[f"{view_name}_landmarks_px"],
            )
    except Exception as error:
        raise StudyError(f"{path}: not ingredients of training films ({error}); delete it and start again.") from error
