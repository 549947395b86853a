"""A small shape model of vertebra-like blobs, and evidence drawn from it, for tests of the registration.

Each vertebra is a star-shaped closed surface: an ellipsoid for the body with a spinous process, transverse and
articular processes drawn out of it; neighbors differ in size. Its modes are random smooth displacement fields.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from LumbarBiplanarLib.anatomy import LUMBAR_LEVELS, FilmLandmarks, LandmarkObservation, Level, Region, load_landmarks
from LumbarBiplanarLib.geometry import FilmPair, rotation_from_vector, standard_pair, transform_points
from LumbarBiplanarLib.registration import FilmEvidence
from LumbarBiplanarLib.registration.poses import VertebraState
from LumbarBiplanarLib.shape.model import ShapeModel

# Direction from the middle of the blob, length in mm, width in radians, region.
_PROCESSES = (
    ((0.0, -1.0, -0.35), 34.0, 0.30, Region.SPINOUS),
    ((0.95, -0.55, 0.1), 20.0, 0.26, Region.TRANSVERSE),
    ((-0.95, -0.55, 0.1), 20.0, 0.26, Region.TRANSVERSE),
    ((0.45, -0.65, 0.75), 14.0, 0.28, Region.ARTICULAR),
    ((-0.45, -0.65, 0.75), 14.0, 0.28, Region.ARTICULAR),
    ((0.4, -0.6, -0.9), 12.0, 0.28, Region.ARTICULAR),
    ((-0.4, -0.6, -0.9), 12.0, 0.28, Region.ARTICULAR),
)
_LANDMARK_DIRECTIONS = {
    "superior_endplate_centre": (0, 0, 1),
    "superior_endplate_anterior": (0, 1, 0.6),
    "superior_endplate_posterior": (0, -0.6, 0.9),
    "superior_endplate_left": (-1, 0, 0.5),
    "superior_endplate_right": (1, 0, 0.5),
    "inferior_endplate_centre": (0, 0, -1),
    "inferior_endplate_anterior": (0, 1, -0.6),
    "inferior_endplate_posterior": (0, -0.35, -0.9),
    "inferior_endplate_left": (-1, 0, -0.5),
    "inferior_endplate_right": (1, 0, -0.5),
    "pedicle_left": (-0.7, -0.3, 0.5),
    "pedicle_right": (0.7, -0.3, 0.5),
    "transverse_tip_left": (-0.95, -0.55, 0.1),
    "transverse_tip_right": (0.95, -0.55, 0.1),
    "spinous_tip": (0.0, -1.0, -0.35),
    "spinous_base": (0.0, -0.8, 0.15),
    "superior_articular_tip_left": (-0.45, -0.65, 0.75),
    "superior_articular_tip_right": (0.45, -0.65, 0.75),
    "inferior_articular_tip_left": (-0.4, -0.6, -0.9),
    "inferior_articular_tip_right": (0.4, -0.6, -0.9),
}


@functools.lru_cache(maxsize=1)
def phantom_model(modes: int = 12, pca_count: int = 8) -> ShapeModel:
    """Return the phantom shape model: 642 vertices, 1280 triangles, five levels."""
    directions, faces = _icosphere(3)
    radius, labels = _radii(directions)
    mean = directions * radius[:, None]
    scales = [0.92, 0.96, 1.0, 1.03, 1.06]
    landmarks = [int(np.argmax(directions @ _unit(_LANDMARK_DIRECTIONS[item.name]))) for item in load_landmarks()]
    return ShapeModel(
        levels=LUMBAR_LEVELS,
        mean_points_mm=np.stack([scale * mean for scale in scales]),
        faces=faces,
        modes_mm=_smooth_fields(mean, modes),
        pca_count=pca_count,
        log_scale_sd=0.08,
        coarse_vertices=np.arange(len(mean)),
        coarse_faces=faces,
        region_labels=labels,
        endplate_labels=np.zeros(len(mean), dtype=np.uint8),
        mirror=np.arange(len(mean)),
        landmark_vertices=np.repeat(np.array(landmarks)[:, None], 4, axis=1),
    )


def _unit(vector) -> np.ndarray:
    return np.asarray(vector, dtype=float) / np.linalg.norm(vector)


def _radii(directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    radius = 1.0 / np.linalg.norm(directions / [23.0, 16.0, 13.0], axis=1)
    labels = np.full(len(directions), Region.BODY, dtype=np.uint8)
    for direction, length, width, region in _PROCESSES:
        angle = np.arccos(np.clip(directions @ _unit(direction), -1.0, 1.0))
        radius += length * np.exp(-0.5 * (angle / width) ** 2)
        labels[angle < width] = region
    return radius, labels


def _icosphere(levels: int) -> tuple[np.ndarray, np.ndarray]:
    """Return unit directions and outward triangles of an icosahedron subdivided ``levels`` times."""
    golden = (1 + 5**0.5) / 2
    points = [(0, a, b * golden) for a in (-1, 1) for b in (-1, 1)]
    points = np.array([np.roll(point, shift) for shift in range(3) for point in points], dtype=float)
    faces = [
        triple
        for triple in combinations(range(12), 3)
        if all(np.isclose(np.linalg.norm(points[a] - points[b]), 2.0) for a, b in combinations(triple, 2))
    ]
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    for _ in range(levels):
        points, faces = _subdivided(points, faces)
    faces = np.array(faces)
    a, b, c = (points[faces[:, i]] for i in range(3))
    inward = np.sum(np.cross(b - a, c - a) * (a + b + c), axis=1) < 0
    faces[inward] = faces[inward][:, ::-1]
    return points, faces


def _subdivided(points: np.ndarray, faces) -> tuple[np.ndarray, list[tuple[int, int, int]]]:
    new, middle, result = list(points), {}, []

    def halfway(a: int, b: int) -> int:
        key = (min(a, b), max(a, b))
        if key not in middle:
            middle[key] = len(new)
            new.append(_unit(points[a] + points[b]))
        return middle[key]

    for a, b, c in faces:
        ab, bc, ca = halfway(a, b), halfway(b, c), halfway(c, a)
        result += [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
    return np.array(new), result


def _smooth_fields(points: np.ndarray, count: int) -> np.ndarray:
    """Return (count, V, 3) displacements of about 1 mm that vary over some 25 mm, later ones smaller."""
    rng = np.random.default_rng(5)
    fields = []
    for number in range(count):
        waves = rng.normal(size=(6, 3)) / 25.0
        phases = rng.uniform(0, 2 * np.pi, 6)
        amplitude = rng.normal(size=(6, 3)) * 0.45 * 0.9**number
        fields.append(np.cos(points @ waves.T + phases) @ amplitude)
    return np.stack(fields)


@dataclass(frozen=True, eq=False)
class Truth:
    """Posed vertices and landmarks from which evidence is drawn."""

    pair: FilmPair
    points_ras_mm: dict[Level, np.ndarray]
    landmarks_ras_mm: dict[Level, np.ndarray]
    ras_from_vertebra: dict[Level, np.ndarray]
    coefficients: dict[Level, np.ndarray]


def phantom_truth(
    seed: int = 0,
    *,
    levels: tuple[Level, ...] = LUMBAR_LEVELS,
    model: ShapeModel | None = None,
    geometry: str = "pinhole",
    angle_deg: float = 90.0,
    shape_sd: float = 0.8,
) -> Truth:
    """Draw a spine: random shapes (``shape_sd`` times the model's), sizes and poses on a curve, and its views."""
    model = phantom_model() if model is None else model
    rng = np.random.default_rng(seed)
    pair = standard_pair(angle_deg=angle_deg, size_px=((260, 460), (260, 460)), spacing_mm=0.8, model=geometry)
    points, landmarks, poses, coefficients = {}, {}, {}, {}
    for index, level in enumerate(LUMBAR_LEVELS):
        tilt = np.deg2rad([12.0 - 6.0 * index, 0.0, 0.0]) + np.deg2rad(3.0) * rng.normal(size=3)
        scale = np.exp(0.04 * rng.normal())
        shape = rng.normal(size=len(model.modes_mm)) * shape_sd
        pose = np.eye(4)
        pose[:3, :3] = scale * rotation_from_vector(tilt)
        pose[:3, 3] = [0.0, 8.0 - 4.0 * (index - 2) ** 2 / 2, 36.0 * (2 - index)] + rng.normal(size=3)
        if level in levels:
            poses[level], coefficients[level] = pose, shape
            points[level] = transform_points(pose, model.instance(level, shape))
            landmarks[level] = model.landmarks(points[level])
    return Truth(pair, points, landmarks, poses, coefficients)


def displaced_vertebrae(truth: Truth, rng: np.random.Generator) -> tuple[VertebraState, ...]:
    """Return the true vertebrae moved by about a millimetre, 2 degrees, 2 % and 0.3 deviations of each mode."""
    moved = []
    for level, pose in truth.ras_from_vertebra.items():
        coefficients = truth.coefficients[level]
        turn, shift, shape = (rng.normal(size=size) for size in (3, 3, len(coefficients)))
        step = np.r_[0.03 * turn, shift, 0.02, 0.3 * shape]
        moved.append(VertebraState.from_matrix(level, pose, coefficients).stepped(step))
    return tuple(moved)


def drawn_landmarks(truth: Truth, view, sigma_mm: float, rng: np.random.Generator) -> FilmLandmarks:
    """Project the true landmarks that the film shows and disturb them by ``sigma_mm`` per axis in the object plane."""
    found = []
    for level, points in truth.landmarks_ras_mm.items():
        pixels = view.project(points) + rng.normal(size=(len(points), 2)) * sigma_mm / view.pixel_size_at(points)
        for item, pixel in zip(load_landmarks(), pixels, strict=True):
            if item.visible_ap if view.name == "AP" else item.visible_lateral:
                found.append(LandmarkObservation(level, item.name, tuple(pixel)))
    return FilmLandmarks(found)


def drawn_evidence(
    truth: Truth,
    faces: np.ndarray,
    seed: int = 0,
    *,
    sigma_mm: tuple[float, float] = (1.87, 3.2),
    noise_mm: float = 2.0,
    background_mm: float = 4.0,
    gain: float = 0.92,
    images: bool = True,
    shell=None,
) -> tuple[FilmEvidence, FilmEvidence]:
    """Draw landmarks and lumbar-only images with noise, a smooth background and a gain, as a film pair would give."""
    import torch

    from LumbarBiplanarLib.rendering.path_length import render_path_length

    rng = np.random.default_rng(seed)
    stacked = torch.as_tensor(np.stack(list(truth.points_ras_mm.values())))
    clean = render_path_length(stacked, torch.as_tensor(faces.astype(np.int64)), truth.pair.views, shell=shell)
    films = []
    for view, image, sigma in zip(truth.pair.views, clean, sigma_mm, strict=True):
        landmarks = drawn_landmarks(truth, view, sigma, rng)
        if not images:
            films.append(FilmEvidence(view, landmarks))
            continue
        rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
        phase = rng.uniform(0, 2 * np.pi, 2)
        smooth = np.sin(columns * 0.8 / 40 + phase[0]) * np.cos(rows * 0.8 / 50 + phase[1])
        noisy = gain * image.numpy() + background_mm * smooth + noise_mm * rng.normal(size=image.shape)
        films.append(FilmEvidence(view, landmarks, noisy.astype(np.float32)))
    return tuple(films)
