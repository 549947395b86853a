"""A film of a spine for the network: the mean of the shape model with its thoracic neighbors in a plain body."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from LumbarBiplanarLib.anatomy import LUMBAR_LEVELS, Level
from LumbarBiplanarLib.evaluation.network_films import Person
from LumbarBiplanarLib.geometry import View, standard_pair
from LumbarBiplanarLib.imaging import Film, Polarity, expose
from LumbarBiplanarLib.shape.storage import load_shape_model
from LumbarBiplanarLib.shape.surfaces import Surface
from LumbarBiplanarLib.training.ingredients import draw_ingredients
from LumbarBiplanarLib.training.spine import random_spine
from LumbarBiplanarLib.training.thorax import random_ribs

BONE_PER_MM, TISSUE_PER_MM = 0.02, 0.019


@dataclass(frozen=True, eq=False)
class PhantomFilm:
    film: Film
    landmarks_px: dict[Level, np.ndarray]  # (20, 2) of each level
    lumbar_mm: np.ndarray
    pixel_mm: float


def phantom_view(name: str, *, size_px=(260, 380), spacing_mm: float = 1.2, model: str = "pinhole") -> View:
    pair = standard_pair(size_px=(size_px, size_px), spacing_mm=spacing_mm, model=model, sdd_mm=1150.0)
    return pair.views[0 if name == "AP" else 1]


def phantom_film(view: View, seed: int = 1) -> PhantomFilm:
    """A film of a random spine and ribs in a trunk of water, bone bright."""
    model, rng = load_shape_model(), np.random.default_rng(seed)
    spine = random_spine(model, rng)
    spine = spine.moved(-spine.lumbar_landmarks.mean(axis=(0, 1)))
    lumbar, neighbors = (
        [Surface(points[model.coarse_vertices], model.coarse_faces) for points in some]
        for some in (spine.lumbar_points, spine.other_points)
    )
    other = [*neighbors, *random_ribs(spine.thoracic_landmarks, rng)]
    parts = draw_ingredients(view, lumbar, other, spine.lumbar_landmarks)
    columns = (np.arange(view.size_px[0]) - view.principal_px[0]) * view.spacing_mm[0] / 1.25
    depth_mm = 240.0 * np.sqrt(np.clip(1.0 - (columns / 170.0) ** 2, 0.05, 1.0))
    bone = parts.level_mm.sum(axis=0) + parts.other_mm
    attenuation = TISSUE_PER_MM * depth_mm[None, :] + BONE_PER_MM * bone
    pixels = expose(attenuation, view, rng, photons=1e6, blur_mm=0.5)
    landmarks = dict(zip(LUMBAR_LEVELS, parts.landmarks_px.astype(float), strict=True))
    pixel_mm = float(view.pixel_size_at(np.zeros(3)).mean())
    return PhantomFilm(Film(pixels, view, Polarity.BONE_BRIGHT), landmarks, parts.level_mm.sum(axis=0), pixel_mm)


def errors_mm(phantom: PhantomFilm, detection, shift_px=(0.0, 0.0)) -> dict[Level, np.ndarray]:
    """Distances of the visible landmarks of each level found from the true ones, in mm of the object plane."""
    found: dict[Level, list[float]] = {}
    for (level, _), item in detection.landmarks.visible().items():
        index = [key[1] for key in detection.landmarks if key[0] is level].index(item.name)
        offset = np.array(item.position_px) - phantom.landmarks_px[level][index] + shift_px
        found.setdefault(level, []).append(float(np.linalg.norm(offset)) * phantom.pixel_mm)
    return {level: np.array(values) for level, values in found.items()}


def drawn_person(seed: int = 21) -> Person:
    """A person whose spine is a random one of the shape model, on its coarse mesh."""
    model = load_shape_model()
    spine = random_spine(model, np.random.default_rng(seed))
    coarse = [Surface(points[model.coarse_vertices], model.coarse_faces) for points in spine.lumbar_points]
    return Person(
        "somebody",
        dict(zip(LUMBAR_LEVELS, coarse, strict=True)),
        dict(zip(LUMBAR_LEVELS, spine.lumbar_landmarks, strict=True)),
    )
