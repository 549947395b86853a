"""Film pairs of a known spine as a registration is given them, before and after something went wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..anatomy import FilmLandmarks, LandmarkObservation, Level, load_landmarks
from ..geometry import FilmPair, View, rotation_from_vector
from ..registration import FilmEvidence
from ..shape.surfaces import Surface
from .quality_people import SimulatedSpine
from .synthetic_evidence import smooth_field, true_image

EVIDENCE = ("given", "network", "landmarks")
# Landmark errors of given evidence per axis (Yu et al. 2025, as in synthetic_evidence), and of the network's; the
# network's share half of their variance within a vertebra, and it believes itself somewhat surer than it is. Evidence
# of landmarks alone, without lumbar-only images, has those of people.
_SIGMA_MM = {"given": (1.87, 3.2), "network": (1.3, 1.8), "landmarks": (1.3, 1.8)}
_SHARED, _TRUST = 0.5, 0.85
_NOISE_MM, _BACKGROUND_MM, _BACKGROUND_LENGTH_MM = 2.0, 4.0, 40.0
# The network's image is blurred and wrong over about a centimetre where there is bone.
_BLUR_MM, _DRAWN_MM, _DRAWN_LENGTH_MM = 1.2, 3.5, 9.0


@dataclass(eq=False)
class Draft:
    """A film pair under way from truth to evidence; what goes wrong changes it in place.

    Attributes:
        kind: one of ``EVIDENCE``: how landmarks and lumbar-only images err.
        spine: the truth.
        views: views as the registration is told, AP and lateral.
        bone: per film {level: (h, w) path length in mm}.
        landmarks: per film {(level, landmark): (x, y) pixels}.
        sigma_mm: per film, stated standard deviation; None leaves it to Landmarks.json.
        center_ras_mm: middle of the spine.
        images: whether the films come with lumbar-only images.
        gain: per film, factor on the bone.
        wrong_mm: per film, standard deviation of smooth errors of the image on top of the usual ones.
        shift_px: per film, columns and rows by which the image is displaced.
        aligned: True if no registration could know where the spine was: its error is taken after moving it as a whole.
    """

    kind: str
    spine: SimulatedSpine
    views: list[View]
    bone: list[dict[Level, np.ndarray]]
    landmarks: list[dict[tuple[Level, str], tuple[float, float]]]
    sigma_mm: list[float | None]
    center_ras_mm: np.ndarray
    images: bool = True
    gain: list[float] = field(default_factory=lambda: [0.92, 0.92])
    wrong_mm: list[float] = field(default_factory=lambda: [0.0, 0.0])
    shift_px: list[tuple[int, int]] = field(default_factory=lambda: [(0, 0), (0, 0)])
    aligned: bool = False

    def pixel_mm(self, film: int) -> float:
        """Return the mm of object that a pixel covers at the middle of the spine."""
        return float(np.mean(self.views[film].pixel_size_at(self.center_ras_mm)))

    def evidence(self, rng: np.random.Generator) -> tuple[FilmEvidence, FilmEvidence]:
        """Return what the registration is given."""
        films = []
        for number, view in enumerate(self.views):
            landmarks = FilmLandmarks(
                LandmarkObservation(level, name, position, sigma_mm=self.sigma_mm[number])
                for (level, name), position in self.landmarks[number].items()
            )
            films.append(FilmEvidence(view, landmarks, self._image(number, rng) if self.images else None))
        return films[0], films[1]

    def _image(self, film: int, rng: np.random.Generator) -> np.ndarray:
        from scipy import ndimage

        view = self.views[film]
        bone = sum(self.bone[film].values(), np.zeros(view.shape))
        x, y = self.shift_px[film]
        bone = ndimage.shift(bone, (y, x), order=1)
        if self.kind == "network":
            bone = ndimage.gaussian_filter(bone, _BLUR_MM / self.pixel_mm(film))
            near = ndimage.gaussian_filter((bone > 1.0).astype(float), 3.0 / self.pixel_mm(film))
            errors = _DRAWN_MM * near * _field(view, self.center_ras_mm, _DRAWN_LENGTH_MM, rng)
        else:
            errors = _BACKGROUND_MM * _field(view, self.center_ras_mm, _BACKGROUND_LENGTH_MM, rng)
            errors = errors + _NOISE_MM * rng.standard_normal(view.shape)
        if self.wrong_mm[film]:
            errors = errors + self.wrong_mm[film] * _field(view, self.center_ras_mm, 15.0, rng)
        return (self.gain[film] * bone + errors).astype(np.float32)


def _field(view: View, center_ras_mm: np.ndarray, length_mm: float, rng: np.random.Generator) -> np.ndarray:
    """Return what ``smooth_field`` does, drawn on a quarter of the rows and columns: it varies too slowly for more."""
    from scipy import ndimage

    coarse = smooth_field(view.resized(0.25), center_ras_mm, length_mm, rng)
    factors = [whole / part for whole, part in zip(view.shape, coarse.shape, strict=True)]
    return ndimage.zoom(coarse, factors, order=1)


def bone_images(surfaces: Mapping[Level, Surface], pair: FilmPair) -> list[dict[Level, np.ndarray]]:
    """Return, per film, {level: (h, w) path length in mm of bone}."""
    return [{level: true_image({level: surface}, view) for level, surface in surfaces.items()} for view in pair.views]


def draft(
    kind: str,
    spine: SimulatedSpine,
    pair: FilmPair,
    bone: list[dict[Level, np.ndarray]],
    rng: np.random.Generator,
    lateral: Mapping[Level, np.ndarray] | None = None,
) -> Draft:
    """Return a film pair with the usual errors and nothing wrong yet.

    Args:
        kind: one of ``EVIDENCE``.
        spine: the truth.
        pair: the true views.
        bone: as :func:`bone_images` gives it.
        rng: random numbers.
        lateral: {level: (20, 3)} landmarks at the time of the lateral film, if the patient has moved; RAS mm.
    """
    times = (spine.landmarks_ras_mm, lateral or spine.landmarks_ras_mm)
    center = np.concatenate(list(spine.points_ras_mm.values())).mean(axis=0)
    marks, sigmas = [], []
    for view, points, sigma in zip(pair.views, times, _SIGMA_MM[kind], strict=True):
        marks.append(_marks(view, points, sigma, _SHARED if kind == "network" else 0.0, rng))
        sigmas.append(_TRUST * sigma if kind == "network" else None)
    images = kind != "landmarks"
    return Draft(kind, spine, list(pair.views), [dict(item) for item in bone], marks, sigmas, center, images)


def _marks(view: View, landmarks, sigma_mm: float, shared: float, rng) -> dict[tuple[Level, str], tuple[float, float]]:
    found: dict[tuple[Level, str], tuple[float, float]] = {}
    for level, points in landmarks.items():
        common = np.sqrt(shared) * rng.standard_normal((1, 2))
        errors = (common + np.sqrt(1.0 - shared) * rng.standard_normal((len(points), 2))) * sigma_mm
        pixels = view.project(points) + errors / view.pixel_size_at(points)
        for item, pixel in zip(load_landmarks(), pixels, strict=True):
            if item.visible_ap if view.name == "AP" else item.visible_lateral:
                found[level, item.name] = (float(pixel[0]), float(pixel[1]))
    return found


def moved_landmarks(
    spine: SimulatedSpine, turn_deg: np.ndarray, shift_mm: np.ndarray
) -> tuple[dict[Level, np.ndarray], dict[Level, Surface]]:
    """Return landmarks and surfaces after the patient has turned about the middle of the spine and moved.

    Args:
        spine: the truth.
        turn_deg: (3,) rotation vector about the RAS axes.
        shift_mm: (3,) RAS.

    Returns:
        {level: (20, 3)} landmarks and {level: surface}, RAS mm.
    """
    center = np.concatenate(list(spine.points_ras_mm.values())).mean(axis=0)
    rotation = rotation_from_vector(np.deg2rad(turn_deg))
    surfaces = {
        level: Surface((points - center) @ rotation.T + center + shift_mm, spine.model.faces)
        for level, points in spine.points_ras_mm.items()
    }
    return {level: spine.model.landmarks(item.points_ras_mm) for level, item in surfaces.items()}, surfaces


def options_of(kind: str) -> Any:
    """Return the registration's settings for a kind of evidence."""
    from ..registration import Options
    from ..study.registering import NETWORK_SETTINGS

    return Options(**NETWORK_SETTINGS) if kind == "network" else Options()
