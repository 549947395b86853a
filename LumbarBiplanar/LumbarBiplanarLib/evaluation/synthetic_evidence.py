"""Film evidence drawn from known surfaces: true lumbar-only images and landmarks, then made as imperfect as wished."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..anatomy import FilmLandmarks, LandmarkObservation, Level, load_landmarks
from ..geometry import FilmPair, View
from ..registration import FilmEvidence
from ..shape.surfaces import Surface


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
    """

    landmark_sigma_mm: tuple[float, float] = (1.87, 3.2)
    noise_mm: float = 2.0
    background_mm: float = 4.0
    background_length_mm: float = 40.0
    gain: float = 0.92


def true_images(surfaces: Mapping[Level, Surface], pair: FilmPair) -> list[np.ndarray]:
    """Return the (h, w) lumbar-only image in mm of bone of each view: path length through the closed surfaces."""
    import torch

    from ..rendering import render_path_length

    total = [np.zeros(view.shape) for view in pair.views]
    for surface in surfaces.values():
        points = torch.as_tensor(surface.points_ras_mm)[None]
        images = render_path_length(points, torch.as_tensor(surface.faces), pair.views, subsamples=4)
        for sum_, image in zip(total, images, strict=True):
            sum_ += image.numpy()
    return total


def drawn_evidence(
    pair: FilmPair,
    images: list[np.ndarray],
    landmarks_ras_mm: Mapping[Level, np.ndarray],
    disturbance: Disturbance,
    seed: int,
) -> tuple[FilmEvidence, FilmEvidence]:
    """Draw disturbed landmarks and lumbar-only images.

    Args:
        pair: the views.
        images: true lumbar-only images, one per view.
        landmarks_ras_mm: {level: (20, 3)} true landmarks, RAS mm; NaN where a vertebra lacks one.
        disturbance: how much is added.
        seed: of the random numbers.

    Returns:
        Evidence of the AP and the lateral film. A film shows the landmarks that Landmarks.json calls visible there.
    """
    rng = np.random.default_rng(seed)
    center = np.nanmean(np.concatenate(list(landmarks_ras_mm.values())), axis=0)
    films = []
    for view, image, sigma in zip(pair.views, images, disturbance.landmark_sigma_mm, strict=True):
        landmarks = _landmarks(view, landmarks_ras_mm, sigma, rng)
        background = disturbance.background_mm * smooth_field(view, center, disturbance.background_length_mm, rng)
        noise = disturbance.noise_mm * rng.standard_normal(image.shape)
        films.append(FilmEvidence(view, landmarks, (disturbance.gain * image + background + noise).astype(np.float32)))
    return tuple(films)


def _landmarks(view: View, landmarks_ras_mm, sigma_mm: float, rng: np.random.Generator) -> FilmLandmarks:
    found = []
    for level, points in landmarks_ras_mm.items():
        errors = rng.standard_normal((len(points), 2)) * sigma_mm / view.pixel_size_at(points)
        pixels = view.project(points) + errors
        for item, pixel in zip(load_landmarks(), pixels, strict=True):
            if (item.visible_ap if view.name == "AP" else item.visible_lateral) and np.all(np.isfinite(pixel)):
                found.append(LandmarkObservation(level, item.name, (float(pixel[0]), float(pixel[1]))))
    return FilmLandmarks(found)


def smooth_field(view: View, center_ras_mm: np.ndarray, length_mm: float, rng: np.random.Generator) -> np.ndarray:
    """Return a (h, w) random field of variance 1 that varies over ``length_mm`` in the plane of ``center_ras_mm``.

    A sum of 60 plane waves with normal wave vectors: its covariance tends to a Gaussian of that length.
    """
    height, width = view.shape
    size = view.pixel_size_at(center_ras_mm)
    x, y = np.arange(width) * size[0], np.arange(height) * size[1]
    field = np.zeros((height, width))
    waves = 60
    for wave, phase in zip(rng.standard_normal((waves, 2)) / length_mm, rng.uniform(0, 2 * np.pi, waves), strict=True):
        field += np.cos(wave[0] * x[None, :] + wave[1] * y[:, None] + phase)
    return field * np.sqrt(2.0 / waves)
