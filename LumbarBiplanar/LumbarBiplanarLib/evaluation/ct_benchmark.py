"""How well known vertebrae are registered to two films: one row per case and vertebra, for ``register-ct``.

The true surfaces of a person are X-rayed, disturbed, and the same surfaces, made as wrong as a segmentation of a CT is,
are registered rigidly. Their own frame is that of the films, so the pose that should be found is the identity.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..anatomy import Level
from ..files import rounded, write_table
from ..geometry import (
    FilmPair,
    View,
    rotation_from_vector,
    similarity_fit,
    standard_pair,
    transform_points,
    vector_from_rotation,
)
from ..registration import FilmEvidence
from ..shape.subject import SubjectModel, rigid_ras_from_ct, subject_model
from ..shape.surfaces import vertex_normals
from .left_out import LeftOutPerson
from .synthetic_evidence import Disturbance, drawn_evidence, true_image

if TYPE_CHECKING:
    from ..registration import RegistrationState

_USUAL = Disturbance()
_STRONG = Disturbance(noise_mm=5.0, background_mm=8.0, gain=0.85)
_ROUGH_LENGTH_MM = 10.0
_FILM_PX, _PITCH_MM = ((480, 800), (520, 800)), 0.4
_WAVES = 40


@dataclass(frozen=True)
class CtCondition:
    """What a known vertebra is registered under.

    Attributes:
        name: what the table calls it.
        geometry, angle_deg: the true films.
        disturbance: of images and landmarks.
        start_mm, start_deg: how far every vertebra starts from its place; 0 starts from the landmarks, as the command
            does. A displaced start is found back by the images alone.
        offset_mm: the segmentation is too large (or, negative, too small) by this along its normals.
        rough_mm: standard deviation of smooth random errors of the segmentation along its normals.
        angle_error_deg: how much too large the stated angle between the films is.
        distance_error_mm: the same of both source-detector distances, source to patient wrong by the same factor.
    """

    name: str
    geometry: str = "pinhole"
    angle_deg: float = 90.0
    disturbance: Disturbance = _USUAL
    start_mm: float = 0.0
    start_deg: float = 0.0
    offset_mm: float = 0.0
    rough_mm: float = 0.0
    angle_error_deg: float = 0.0
    distance_error_mm: float = 0.0


CONDITIONS = (
    CtCondition("pinhole 90 degrees"),
    CtCondition("pinhole 75 degrees", angle_deg=75.0),
    CtCondition("slot 90 degrees", geometry="slot"),
    CtCondition("strong noise", disturbance=_STRONG),
    CtCondition("landmark errors doubled", disturbance=replace(_USUAL, landmark_sigma_mm=(3.74, 6.4))),
    CtCondition("start 5 mm, 5 degrees off, images alone", start_mm=5.0, start_deg=5.0),
    CtCondition("start 10 mm, 10 degrees off, images alone", start_mm=10.0, start_deg=10.0),
    CtCondition("segmentation 0.3 mm too large", offset_mm=0.3),
    CtCondition("segmentation 0.5 mm too large", offset_mm=0.5),
    CtCondition("segmentation 0.5 mm too small", offset_mm=-0.5),
    CtCondition("segmentation 0.4 mm rough", rough_mm=0.4),
    CtCondition("angle 1 degree wrong", angle_error_deg=1.0),
    CtCondition("angle 3 degrees wrong", angle_error_deg=3.0),
    CtCondition("source distances 20 mm wrong", distance_error_mm=20.0),
)


@dataclass(frozen=True)
class CtRow:
    """One vertebra of one case.

    Attributes:
        condition, subject, seed, level: which.
        geometry: model of the films and true angle between them, degrees.
        noise_mm: noise of an image pixel, mm of bone.
        landmark_sigma_ap_mm, landmark_sigma_lateral_mm: landmark errors per axis, object plane.
        start_mm, start_deg: distance and angle of a displaced start from the truth; empty for a start from landmarks.
        segmentation_mm, segmentation_rough_mm: simulated segmentation error.
        angle_error_deg, distance_error_mm: simulated errors of the stated geometry.
        right_mm, anterior_mm, cranial_mm: error of the middle of the vertebra along the RAS axes.
        about_right_deg, about_anterior_deg, about_cranial_deg: rotation vector of the error about the RAS axes.
        tre_mm: mean displacement of the points of the true surface.
        tre_relative_mm: the same after one rigid motion of all vertebrae together.
        seconds: processor time of the registration of all vertebrae.
    """

    condition: str
    subject: str
    seed: int
    level: str
    geometry: str
    noise_mm: float
    landmark_sigma_ap_mm: float
    landmark_sigma_lateral_mm: float
    start_mm: float | None
    start_deg: float | None
    segmentation_mm: float
    segmentation_rough_mm: float
    angle_error_deg: float
    distance_error_mm: float
    right_mm: float
    anterior_mm: float
    cranial_mm: float
    about_right_deg: float
    about_anterior_deg: float
    about_cranial_deg: float
    tre_mm: float
    tre_relative_mm: float
    seconds: float


def benchmark_register_ct(
    output_csv: str | Path,
    people: Iterable[LeftOutPerson],
    *,
    conditions: Sequence[CtCondition] = CONDITIONS,
    seeds: Sequence[int] = (0, 1),
    progress: Callable[[str], None] = lambda text: None,
) -> list[CtRow]:
    """Register every person's own vertebrae under every condition and seed; write the table after each person.

    Args:
        output_csv: table to write.
        people: people with their true surfaces, and a shape model without them.
        conditions: what to try.
        seeds: seeds of noise, landmark errors, starts and segmentation errors.
        progress: called with a line per case.

    Raises:
        ShapeModelError: if a surface is no vertebra.
    """
    rows: list[CtRow] = []
    for person in people:
        progress(f"{person.subject}: corresponding")
        subject = subject_model(person.model, person.surfaces)
        films: dict[tuple[str, float], tuple[FilmPair, list[np.ndarray]]] = {}
        for condition in conditions:
            key = condition.geometry, condition.angle_deg
            if key not in films:
                pair = film_pair(person, *key)
                films[key] = pair, [true_image(person.surfaces, view) for view in pair.views]
            for seed in seeds:
                rows += _case(person, subject, condition, *films[key], seed)
                errors = [row.tre_mm for row in rows[-len(subject.model.levels) :]]
                progress(f"{person.subject}, {condition.name}, seed {seed}: {np.mean(errors):.2f} mm")
        write_table(output_csv, CtRow, rows, rounded(4))
    return rows


def film_pair(person: LeftOutPerson, model: str, angle_deg: float) -> FilmPair:
    """Return films that show the whole lumbar spine of a person, 0.4 mm pixels."""
    corners = np.concatenate([surface.points_ras_mm for surface in person.surfaces.values()])
    center = tuple((corners.min(axis=0) + corners.max(axis=0)) / 2)
    return standard_pair(center, angle_deg=angle_deg, size_px=_FILM_PX, spacing_mm=_PITCH_MM, model=model)


def _case(
    person: LeftOutPerson, subject: SubjectModel, condition: CtCondition, pair: FilmPair, images, seed: int
) -> Iterator[CtRow]:
    from ..registration import Options, reconstruct
    from ..study.ct_registration import CT_SETTINGS

    rng = np.random.default_rng([seed, 31])
    drawn = [
        drawn_evidence(view, image, person.landmarks_ras_mm, condition.disturbance, rng)
        for view, image in zip(pair.views, images, strict=True)
    ]
    center = np.concatenate([item.points_ras_mm for item in person.surfaces.values()]).mean(axis=0)
    evidence = tuple(replace(film, view=_misstated(film.view, condition, center)) for film in drawn)
    segmented = _segmented(subject, condition, rng)
    start, options = None, Options(**CT_SETTINGS)
    if condition.start_mm or condition.start_deg:
        start = _displaced(segmented, evidence, condition, rng)
        options = replace(options, landmark_weight=0.0)
    begin = time.process_time()
    result = reconstruct(segmented.model, evidence, options, "cpu", start)
    seconds = time.process_time() - begin
    found = rigid_ras_from_ct(segmented, result.ras_from_vertebra)
    began = None if start is None else rigid_ras_from_ct(segmented, start.ras_from_vertebra)
    true = {level: person.surfaces[level].points_ras_mm for level in found}
    together = similarity_fit(
        np.concatenate([transform_points(found[level], true[level]) for level in found]),
        np.concatenate([true[level] for level in found]),
        with_scale=False,
    )
    for level, error in found.items():
        yield _row(person.subject, condition, seed, level, error, together, true[level], began, seconds)


def _row(subject, condition, seed, level, error, together, points, began, seconds) -> CtRow:
    middle = points.mean(axis=0)
    shift = transform_points(error, middle[None])[0] - middle
    turn = np.rad2deg(vector_from_rotation(error[:3, :3]))
    begin_mm = begin_deg = None
    if began is not None:
        begin_mm = float(np.linalg.norm(transform_points(began[level], middle[None])[0] - middle))
        begin_deg = float(np.rad2deg(np.linalg.norm(vector_from_rotation(began[level][:3, :3]))))
    moved = transform_points(error, points)
    return CtRow(
        condition.name,
        subject,
        seed,
        level.name,
        f"{condition.geometry} {condition.angle_deg:g}",
        condition.disturbance.noise_mm,
        *condition.disturbance.landmark_sigma_mm,
        begin_mm,
        begin_deg,
        condition.offset_mm,
        condition.rough_mm,
        condition.angle_error_deg,
        condition.distance_error_mm,
        *(float(value) for value in (*shift, *turn)),
        float(np.linalg.norm(moved - points, axis=1).mean()),
        float(np.linalg.norm(transform_points(together, moved) - points, axis=1).mean()),
        seconds,
    )


def _misstated(view: View, condition: CtCondition, center_ras_mm: np.ndarray) -> View:
    """Return the view as its geometry file would wrongly have it."""
    if condition.distance_error_mm:
        factor = 1.0 + condition.distance_error_mm / view.focal_mm
        camera = view.camera_from_ras.copy()
        camera[2, 3] += (factor - 1.0) * float(view.depth_mm(center_ras_mm))
        view = replace(view, focal_mm=view.focal_mm * factor, camera_from_ras=camera)
    if condition.angle_error_deg and view.name == "lateral":
        turn = rotation_from_vector(np.deg2rad([0.0, 0.0, -condition.angle_error_deg]))
        about = np.eye(4)
        about[:3, :3], about[:3, 3] = turn, center_ras_mm - turn @ center_ras_mm
        view = replace(view, camera_from_ras=view.camera_from_ras @ about)
    return view


def _segmented(subject: SubjectModel, condition: CtCondition, rng: np.random.Generator) -> SubjectModel:
    """Return the person's vertebrae with the errors of a segmentation along their normals."""
    if not condition.offset_mm and not condition.rough_mm:
        return subject
    points = []
    for mean in subject.model.mean_points_mm:
        waves = rng.standard_normal((_WAVES, 3)) / _ROUGH_LENGTH_MM
        phases = mean @ waves.T + rng.uniform(0.0, 2.0 * np.pi, _WAVES)
        rough = np.cos(phases).sum(axis=1) * np.sqrt(2.0 / _WAVES)
        along = condition.offset_mm + condition.rough_mm * rough
        points.append(mean + along[:, None] * vertex_normals(mean, subject.model.faces))
    return replace(subject, model=replace(subject.model, mean_points_mm=np.stack(points)))


def _displaced(
    subject: SubjectModel,
    evidence: tuple[FilmEvidence, FilmEvidence],
    condition: CtCondition,
    rng: np.random.Generator,
) -> RegistrationState:
    """Return a state in which every vertebra is displaced and turned about its origin, in random directions."""
    from ..registration import RegistrationState

    poses: dict[Level, np.ndarray] = {}
    for level, true in subject.ct_from_vertebra.items():
        axis, way = (vector / np.linalg.norm(vector) for vector in rng.standard_normal((2, 3)))
        pose = true.copy()
        pose[:3, :3] = rotation_from_vector(np.deg2rad(condition.start_deg) * axis) @ pose[:3, :3]
        pose[:3, 3] += condition.start_mm * way
        poses[level] = pose
    none: Mapping[str, float] = {}
    return RegistrationState(
        subject.model, evidence, "coarse", 0, False, none, poses,
        {level: np.zeros(len(subject.model.modes_mm)) for level in poses}, {},
    )  # fmt: skip


def summarize(rows: Sequence[CtRow]) -> list[tuple[str, int, float, float, float, float, float]]:
    """Return per condition: name, vertebrae, mean and largest TRE, mean TRE relative to each other, RMS pose errors.

    The pose errors are root mean squares per axis, in mm and degrees.
    """
    found = []
    for condition in dict.fromkeys(row.condition for row in rows):
        own = [row for row in rows if row.condition == condition]
        tre = [row.tre_mm for row in own]
        shift = np.array([(row.right_mm, row.anterior_mm, row.cranial_mm) for row in own])
        turn = np.array([(row.about_right_deg, row.about_anterior_deg, row.about_cranial_deg) for row in own])
        found.append(
            (
                condition,
                len(own),
                float(np.mean(tre)),
                float(np.max(tre)),
                float(np.mean([row.tre_relative_mm for row in own])),
                float(np.sqrt(np.mean(shift**2))),
                float(np.sqrt(np.mean(turn**2))),
            )
        )
    return found
