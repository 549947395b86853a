"""Spines to simulate failures on: real vertebrae of several people stacked in a random posture, or one person's own.

Most people in the open data show only a few lumbar vertebrae. A spine for calibration takes its levels from several of
them, brought to one size; all of them are left out of the shape model that is then registered to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..anatomy import LANDMARK_NAMES, LUMBAR_LEVELS, Level
from ..errors import StudyError
from ..geometry import FilmPair, similarity_fit, standard_pair, transform_points
from ..shape.building import vertebra_from_points
from ..shape.model import ShapeModel
from ..shape.pipeline import Collection
from ..shape.surfaces import Surface
from ..training.posture import sample_posture

# Who shows which level in a spine for calibration, L1 to L5. Nobody of them is among the people of the accuracy tables.
SPINES = (
    ("verse007", "verse007", "verse007", "verse006", "verse006"),
    ("verse016", "verse007", "l3subregions", "verse006", "verse006"),
    ("ref20", "verse007", "verse007", "verse006", "verse006"),
)
CALIBRATION_SUBJECTS = tuple(sorted({name for spine in SPINES for name in spine}))
TEST_SUBJECTS = ("vhm", "verse004", "verse009", "verse010", "wholebodyct")
_SIZE_SD, _LEVEL_SIZE_SD = 0.05, 0.015
_FILM_PX, _SPACING_MM = ((360, 600), (400, 600)), 0.6


@dataclass(frozen=True, eq=False)
class SimulatedSpine:
    """True vertebrae in correspondence with the shape model.

    Attributes:
        name: whose vertebrae they are.
        model: shape model without any of these people.
        points_ras_mm: {level: (V, 3)} vertices, RAS mm.
    """

    name: str
    model: ShapeModel
    points_ras_mm: Mapping[Level, np.ndarray]

    @property
    def surfaces(self) -> dict[Level, Surface]:
        """The true surfaces."""
        return {level: Surface(points, self.model.faces) for level, points in self.points_ras_mm.items()}

    @property
    def landmarks_ras_mm(self) -> dict[Level, np.ndarray]:
        """{level: (20, 3)} true landmarks."""
        return {level: self.model.landmarks(points) for level, points in self.points_ras_mm.items()}

    def pair(self, model: str, angle_deg: float) -> FilmPair:
        """Return films that show the whole spine, 0.6 mm pixels."""
        corners = np.concatenate(list(self.points_ras_mm.values()))
        center = (corners.min(axis=0) + corners.max(axis=0)) / 2
        return standard_pair(tuple(center), angle_deg=angle_deg, size_px=_FILM_PX, spacing_mm=_SPACING_MM, model=model)


def own_spine(collection: Collection, model: ShapeModel, subject: str) -> SimulatedSpine:
    """Return the spine of one person as it stood in their CT.

    Raises:
        StudyError: if the collection has nobody of that name.
    """
    found = {item.specimen.level: item.points_mm for item in collection.registered if item.specimen.subject == subject}
    if not found:
        raise StudyError(f"Nobody called {subject} in the data; there are {', '.join(collection.subjects)}.")
    return SimulatedSpine(subject, model, {level: found[level] for level in LUMBAR_LEVELS if level in found})


def stacked_spine(
    collection: Collection, model: ShapeModel, subjects: Sequence[str], rng: np.random.Generator
) -> SimulatedSpine:
    """Return a spine of vertebrae of several people, in a random posture and size, every other time mirrored.

    Args:
        collection: vertebrae in correspondence.
        model: shape model without these people; gives the size that the vertebrae are brought to.
        subjects: who gives L1, L2, ... L5.
        rng: random numbers.

    Raises:
        StudyError: if somebody lacks the level asked of them.
    """
    known = {(item.specimen.subject, item.specimen.level): item.points_mm for item in collection.registered}
    mirrored = rng.random() < 0.5
    shapes = {}
    for level, subject in zip(LUMBAR_LEVELS, subjects, strict=True):
        if (subject, level) not in known:
            raise StudyError(f"{subject} shows no {level.name}; choose somebody else for this level.")
        points = known[subject, level]
        if mirrored:
            points = points[model.mirror] * np.array([-1.0, 1.0, 1.0])
        points = transform_points(vertebra_from_points(points, model.landmark_vertices), points)
        scale = np.cbrt(np.linalg.det(similarity_fit(points, model.mean(level))[:3, :3]))
        shapes[level] = points * scale
    upward = LUMBAR_LEVELS[::-1]
    ends = [LANDMARK_NAMES.index(f"{end}_endplate_centre") for end in ("superior", "inferior")]
    endplates = np.stack([model.landmarks(shapes[level])[ends] for level in upward])
    scales = np.exp(rng.normal(0.0, _SIZE_SD) + rng.normal(0.0, _LEVEL_SIZE_SD, len(upward)))
    poses, _ = sample_posture(rng, endplates, scales)
    placed = {level: transform_points(pose, shapes[level]) for level, pose in zip(upward, poses, strict=True)}
    name = "+".join(dict.fromkeys(subjects))
    return SimulatedSpine(name, model, {level: placed[level] for level in LUMBAR_LEVELS})
