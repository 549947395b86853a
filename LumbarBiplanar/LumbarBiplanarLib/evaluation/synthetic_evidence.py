"""Film evidence drawn from known surfaces: true lumbar-only images and landmarks, then made as imperfect as wished."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..anatomy import LANDMARK_NAMES, FilmLandmarks, LandmarkObservation, Level, load_landmarks
from ..geometry import View
from ..registration import FilmEvidence
from ..shape.surfaces import Surface

_WAVES = 60
_TIPS = ("transverse_tip_left", "transverse_tip_right", "spinous_tip")
_TIP_MM = 9.0  # how far round the tip of a process the image of a missing one is thinned


@dataclass(frozen=True)
class Disturbance:
    """What separates the evidence from the truth.

    Attributes:
        landmark_sigma_mm: standard deviation per axis in the object plane, AP and lateral. The defaults are the
            errors of Yu et al. 2025 (2.34 mm AP, 4.03 mm lateral mean distance) as normal deviations per axis.
        noise_mm: standard deviation of the noise of a pixel, mm of bone.
        background_mm: standard deviation of the smooth background, mm of bone.
        background_length_mm: length over which it varies (object plane).
        gain: factor on the bone.
        bone_sd: standard deviation of a smooth factor on the bone, as a decomposition errs.
        bone_length_mm: length over which that varies.
        missing_share: share of the transverse and spinous processes that the image lacks.
    """

    landmark_sigma_mm: tuple[float, float] = (1.87, 3.2)
    noise_mm: float = 2.0
    background_mm: float = 4.0
    background_length_mm: float = 40.0
    gain: float = 0.92
    bone_sd: float = 0.0
    bone_length_mm: float = 15.0
    missing_share: float = 0.0

    def scaled(self, factor: float) -> Disturbance:
        """Return ``factor`` times the errors: of landmarks, noise, background, and of the gain's distance from 1."""
        return Disturbance(
            (factor * self.landmark_sigma_mm[0], factor * self.landmark_sigma_mm[1]),
            factor * self.noise_mm,
            factor * self.background_mm,
            self.background_length_mm,
            1.0 + factor * (self.gain - 1.0),
            factor * self.bone_sd,
            self.bone_length_mm,
            min(1.0, factor * self.missing_share),
        )


def true_image(surfaces: Mapping[Level, Surface], view: View, shell=None) -> np.ndarray:
    """Return the (h, w) lumbar-only image in mm of bone: path length through the closed surfaces.

    Args:
        surfaces: {level: surface, RAS mm}.
        view: the view.
        shell: rendering.Shell of the bones, or None for bone of one density.
    """
    import torch

    from ..rendering import render_path_length

    points = [torch.as_tensor(surface.points_ras_mm) for surface in surfaces.values()]
    faces = [torch.as_tensor(surface.faces) for surface in surfaces.values()]
    (image,) = render_path_length(points, faces, [view], subsamples=4, shell=shell)
    return image.numpy()


def drawn_evidence(
    view: View,
    image: np.ndarray,
    landmarks_ras_mm: Mapping[Level, np.ndarray],
    disturbance: Disturbance,
    rng: np.random.Generator,
) -> FilmEvidence:
    """Draw disturbed landmarks and a disturbed lumbar-only image of one film.

    Args:
        view: of the film.
        image: (h, w) true lumbar-only image.
        landmarks_ras_mm: {level: (20, 3)} true landmarks.
        disturbance: how much is added.
        rng: random numbers.

    Returns:
        Evidence with the landmarks that Landmarks.json calls visible on such a film.
    """
    center = np.mean(np.concatenate(list(landmarks_ras_mm.values())), axis=0)
    sigma = disturbance.landmark_sigma_mm[0 if view.name == "AP" else 1]
    landmarks = drawn_landmarks(view, landmarks_ras_mm, sigma, rng)
    background = disturbance.background_mm * smooth_field(view, center, disturbance.background_length_mm, rng)
    noise = disturbance.noise_mm * rng.standard_normal(image.shape)
    bone = disturbance.gain * image
    if disturbance.bone_sd:
        bone *= 1.0 + disturbance.bone_sd * smooth_field(view, center, disturbance.bone_length_mm, rng)
    if disturbance.missing_share:
        bone *= _without_tips(view, landmarks_ras_mm, disturbance.missing_share, rng)
    return FilmEvidence(view, landmarks, (bone + background + noise).astype(np.float32))


def drawn_landmarks(
    view: View, landmarks_ras_mm: Mapping[Level, np.ndarray], sigma_mm: float, rng: np.random.Generator
) -> FilmLandmarks:
    """Return those of {level: (20, 3)} landmarks that a film shows, disturbed by ``sigma_mm`` in the object plane."""
    found = []
    for level, points in landmarks_ras_mm.items():
        errors = rng.standard_normal((len(points), 2)) * sigma_mm / view.pixel_size_at(points)
        pixels = view.project(points) + errors
        for item, pixel in zip(load_landmarks(), pixels, strict=True):
            if item.visible_ap if view.name == "AP" else item.visible_lateral:
                found.append(LandmarkObservation(level, item.name, (float(pixel[0]), float(pixel[1]))))
    return FilmLandmarks(found)


def smooth_field(view: View, center_ras_mm: np.ndarray, length_mm: float, rng: np.random.Generator) -> np.ndarray:
    """Return a (h, w) random field of variance 1 that varies over ``length_mm`` in the plane of ``center_ras_mm``.

    A sum of 60 plane waves with normal wave vectors: its covariance tends to a Gaussian of that length.
    """
    height, width = view.shape
    size = view.pixel_size_at(center_ras_mm)
    waves, phases = rng.standard_normal((_WAVES, 2)) / length_mm, rng.uniform(0, 2 * np.pi, _WAVES)
    across = np.outer(waves[:, 0], np.arange(width) * size[0])
    down = np.outer(waves[:, 1], np.arange(height) * size[1]) + phases[:, None]
    # cos(a + b), summed over the waves
    field = np.cos(down).T @ np.cos(across) - np.sin(down).T @ np.sin(across)
    return field * np.sqrt(2.0 / _WAVES)


def _without_tips(view: View, landmarks_ras_mm, share: float, rng: np.random.Generator) -> np.ndarray:
    """Return a (h, w) factor, 1 but near the tips of a random share of the transverse and spinous processes."""
    factor = np.ones(view.shape)
    rows, columns = np.indices(view.shape)
    for points in landmarks_ras_mm.values():
        for name in _TIPS:
            if rng.uniform() < share:
                tip = points[LANDMARK_NAMES.index(name)]
                (u, v), size = view.project(tip), view.pixel_size_at(tip)
                squared = ((columns - u) * size[0]) ** 2 + ((rows - v) * size[1]) ** 2
                factor *= 1.0 - np.exp(-0.5 * squared / _TIP_MM**2)
    return factor
