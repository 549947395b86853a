"""How far the landmarks of a reconstruction, and those that it was made from, lie from the true ones on each film."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..anatomy import LANDMARK_NAMES, Level
from ..geometry import View

if TYPE_CHECKING:
    from ..registration import Reconstruction

WITHIN_MM = 2.0


def landmark_figures(result: Reconstruction, level: Level, true_ras_mm: np.ndarray) -> dict[str, float | None]:
    """Return the figures of a vertebra's landmarks, by their names in ``CaseRow``.

    Args:
        result: a registration that has the vertebra.
        level: which one.
        true_ras_mm: (20, 3) its true landmarks.
    """
    found: dict[str, float | None] = {}
    for film in result.final_state.evidence:
        name, view = film.view.name.lower(), film.view
        ours = object_plane_mm(view, view.project(result.landmarks_ras_mm[level]), true_ras_mm)
        seen = [item for item in film.landmarks.visible().values() if item.level is level]
        rows = [LANDMARK_NAMES.index(item.name) for item in seen]
        pixels = np.array([item.position_px for item in seen]).reshape(-1, 2)
        given = object_plane_mm(view, pixels, true_ras_mm[rows])
        found |= {
            f"landmarks_{name}_mm": float(ours.mean()),
            f"within_2_mm_{name}": float((ours <= WITHIN_MM).mean()),
            f"evidence_{name}_mm": float(given.mean()) if len(given) else None,
        }
    return found


def object_plane_mm(view: View, pixels: np.ndarray, true_ras_mm: np.ndarray) -> np.ndarray:
    """Return (n,) distances in mm of (n, 2) pixels from true points (n, 3), where the points stand."""
    if not len(pixels):
        return np.zeros(0)
    return np.linalg.norm((pixels - view.project(true_ras_mm)) * view.pixel_size_at(true_ras_mm), axis=1)
