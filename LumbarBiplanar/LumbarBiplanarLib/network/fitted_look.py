"""A last look at each vertebra, by a network that is also shown what a fitted model looks like on the film.

One film shows some of a vertebra's outlines badly and hides others; a model fitted to both films knows about where they
are, and what shapes vertebrae have. What the network then has to find is by how much the model is off.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from ..anatomy import LANDMARK_NAMES, opposite_side
from ..geometry import View
from ..rendering.path_length import render_path_length
from ..shape.model import ShapeModel
from .crops import crop_template, fit_similarity
from .facing import seen_from_behind
from .first_stage import mean_landmarks_mm
from .refine_model import SpineRefiner
from .refinement import LEAST_PRESENCE, CloseLook, collected, fine_film, read_levels


@dataclass(frozen=True, eq=False)
class FittedVertebra:
    """A vertebra of a model fitted to the films, RAS mm.

    Attributes:
        points_mm: (V, 3) vertices of a closed mesh.
        landmarks_mm: (20, 3).
    """

    points_mm: np.ndarray
    landmarks_mm: np.ndarray


def fitted_vertebrae(model: ShapeModel, surfaces_mm: Mapping[int, np.ndarray]) -> dict[int, FittedVertebra]:
    """Return what the network is shown of a model's surfaces (V, 3), RAS mm, by row in LUMBAR_LEVELS."""
    vertices = np.asarray(model.coarse_vertices)
    return {k: FittedVertebra(points[vertices], model.landmarks(points)) for k, points in surfaces_mm.items()}


def mirrored(fitted: Mapping[int, FittedVertebra]) -> dict[int, FittedVertebra]:
    """Return the vertebrae of the patient mirrored at x = 0 of RAS; who draws them turns their triangles over."""
    turned = np.array([-1.0, 1.0, 1.0])
    other = [LANDMARK_NAMES.index(opposite_side(name)) for name in LANDMARK_NAMES]
    return {k: FittedVertebra(item.points_mm * turned, item.landmarks_mm[other] * turned) for k, item in fitted.items()}


def look_at_fitted(
    refiner: SpineRefiner,
    view: View,
    image: np.ndarray,
    coarse: View,
    fitted: Mapping[int, FittedVertebra],
    faces: np.ndarray,
    device: torch.device,
) -> CloseLook:
    """Look at each vertebra where a fitted model has it.

    Args:
        refiner: the second stage's network, made for fitted models.
        view: of the film.
        image: (h, w) of ``first_stage.stretched``.
        coarse: the first stage's view of it.
        fitted: the model's vertebrae, by row in LUMBAR_LEVELS.
        faces: (F, 3) of their meshes.
        device: where the network is.
    """
    fine, pixels = fine_film(view, image, coarse, device)
    template = crop_template(mean_landmarks_mm(), view.name)
    points = torch.tensor(np.stack([item.points_mm for item in fitted.values()]), dtype=torch.float32, device=device)
    triangles = torch.tensor(np.asarray(faces, dtype=np.int64), device=device)
    with torch.no_grad():
        (paths,) = render_path_length(points, triangles, [fine], subsamples=1, per_mesh=True)
    total = paths.sum(dim=0)
    places, behind = {k: fine.project(item.landmarks_mm) for k, item in fitted.items()}, seen_from_behind(view)
    matrices = {k: fit_similarity(template[k], at, turned_over=behind) for k, at in places.items()}
    shown = {k: torch.stack([own, total - own]) for k, own in zip(fitted, paths, strict=True)}
    read = read_levels(refiner, pixels, view.name, matrices, shown, float(fine.spacing_mm[0]))
    read = {k: item for k, item in read.items() if item.confidences.mean() >= LEAST_PRESENCE}
    return collected(read, {k: matrices[k] for k in read}, fine, view, coarse)
