"""Known vertebrae, for example from a CT, registered rigidly to two films: the reference that films are judged by."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..anatomy import LUMBAR_LEVELS, FilmLandmarks, Level
from ..errors import StudyError
from ..files import write_json
from ..geometry.frames import transform_points
from ..shape import load_shape_model
from ..shape.label_masks import read_labels, told_labels, whole_vertebrae
from ..shape.subject import SubjectModel, rigid_ras_from_ct, subject_model
from ..shape.surfaces import Surface, oriented_alike, oriented_outward, read_surface, surface_file, write_surface
from .case import Case
from .detecting import detect_case
from .evidence import evidence_of
from .pictures import write_pictures
from .registering import default_options, register_case
from .results import record, write_measurements, write_used_landmarks
from .steps import CaseResult, Step

FORMAT = "LumbarBiplanar CT registration"
VERSION = 1
# What is left between the person's own mesh and a whole surface, blocky masks of 3 mm included, is less.
_USUAL_GAP_MM = 0.6
# Neighbours are some 35 mm apart; surfaces that are all in frames of their own, about their middles, are not.
_OUT_OF_ORDER_MM = 15.0
# Vertebrae that cannot change their shape are solved quickly, and may start far off: coarse images until they stand.
# Their steps, of poses alone, do not fall short.
CT_SETTINGS: dict[str, Any] = {"coarse_iterations": 40, "coarse_tolerance_mm": 0.1, "image_relaxation": 1.0}


@dataclass(frozen=True, eq=False)
class CtRegistration:
    """Known vertebrae in the frame of the films.

    Attributes:
        result: the registration, with the person's own vertebrae for a shape model.
        subject: the person's vertebrae.
        surfaces: {level: surface in its own frame, as it was given}.
        ras_from_ct: {level: (4, 4)} rigid, from the frame of the surfaces to RAS mm of the films.
    """

    result: CaseResult
    subject: SubjectModel
    surfaces: Mapping[Level, Surface]
    ras_from_ct: Mapping[Level, np.ndarray]


def read_vertebrae(
    source: str | Path,
    *,
    lps: bool = False,
    labels: Mapping[Level, int] | None = None,
    note: Callable[[str], None] = lambda text: None,
) -> dict[Level, Surface]:
    """Read the vertebrae of a person.

    Args:
        source: folder with L1.vtp, L2.vtp ... (or .vtk, .stl, .ply, .obj), or a label mask.
        lps: the surfaces of the folder that state no frame are LPS instead of RAS.
        labels: {level: value of its label in the mask}; None takes the names of a segmentation of 3D Slicer, or tells
            VerSe's from TotalSegmentator's by the labels that are there.
        note: called with a line for what is there and not used, or doubtful.

    Returns:
        {level: surface}, mm, RAS.

    Raises:
        StudyError: if there is no vertebra, or the surfaces are not in order from head to feet.
        ShapeModelError: if a file cannot be read, or it cannot be told which labels the vertebrae have.
    """
    source = Path(source)
    if source.is_dir():
        files = {level: surface_file(source, level.name) for level in LUMBAR_LEVELS}
        read = {level: read_surface(path, lps=lps) for level, path in files.items() if path}
        _check_order(source, read)
        found = {level: oriented_outward(oriented_alike(surface)) for level, surface in read.items()}
    else:
        volume = read_labels(source)
        found = whole_vertebrae(volume, told_labels(volume) if labels is None else labels, note)
    if not found:
        raise StudyError(
            f"{source} holds no whole lumbar vertebra: give a folder with L1.vtp ... L5.vtp (or .vtk, .stl, .ply, "
            ".obj), or a mask of whole vertebrae, with --labels if it has labels of its own."
        )
    return found


def _check_order(source: Path, surfaces: Mapping[Level, Surface]) -> None:
    heights = {level.name: float(surface.points_ras_mm[:, 2].mean()) for level, surface in surfaces.items()}
    if any(upper < lower - _OUT_OF_ORDER_MM for upper, lower in itertools.pairwise(heights.values())):
        found = ", ".join(f"{name} at {height:.0f}" for name, height in heights.items())
        raise StudyError(
            f"{source}: the vertebrae are not in order from head to feet: {found} mm. Name the files by their levels; "
            "they are in the frame that they state, else RAS, or LPS with --lps."
        )


def register_ct(
    case: Case,
    surfaces: Mapping[Level, Surface],
    *,
    device: str = "auto",
    weights: str | None = None,
    level_shift: int = 0,
    progress: Callable[[str], None] = lambda text: None,
) -> Iterator[Step | CtRegistration]:
    """Register every vertebra rigidly to both films, yielding steps and at last the result.

    Args:
        case: the films; landmarks and lumbar-only images that it does not give come from the network.
        surfaces: {level: surface, mm}, axes roughly RAS; a standing film and a lying CT differ in posture, so each
            level moves on its own.
        device: "auto", "cpu" or "cuda".
        weights: weights file of the network; None means the module's.
        level_shift: as for ``detect_case``.
        progress: called with a line per prepared level.

    Yields:
        Steps, then one CtRegistration.

    Raises:
        ShapeModelError: if a surface is not the vertebra it is said to be.
        StudyError: if the films show a level that has no surface, or show none of them.
        DetectionError, LandmarkError, RegistrationError, MeasurementError: as the stages raise them.
    """
    subject = subject_model(load_shape_model(), surfaces, progress)
    found = None
    for found in detect_case(case, device=device, weights=weights, level_shift=level_shift):
        yield found
    landmarks = _landmarks_of(case, found.detections, subject)
    result = None
    for step in register_case(
        case,
        found.detections,
        landmarks=landmarks,
        model=subject.model,
        options=replace(default_options(case), **CT_SETTINGS),
        device=device,
        warnings=(*found.warnings, *_gap_warnings(subject)),
        intervals=False,
    ):
        result = step.result
        yield step
    poses = result.reconstruction.ras_from_vertebra
    yield CtRegistration(result, subject, dict(surfaces), rigid_ras_from_ct(subject, poses))


def _gap_warnings(subject: SubjectModel) -> list[str]:
    return [
        f"{level.name}: the whole vertebra that was registered in place of the given surface is {gap:.1f} mm from it "
        "on average (0.1 to 0.3 is usual): the surface lacks a part of the vertebra, or has more than that. Look at it."
        for level, gap in subject.gap_mm.items()
        if gap > _USUAL_GAP_MM
    ]


def _landmarks_of(case: Case, detections, subject: SubjectModel) -> dict[str, FilmLandmarks]:
    """Return the landmarks of each film; raise StudyError if they are not those of the vertebrae at hand."""
    evidence = {item.view.name: item.landmarks for item in evidence_of(case, detections)}
    shown = {level for landmarks in evidence.values() for level in landmarks.levels}
    lacking = [level.name for level in LUMBAR_LEVELS if level in shown and level not in subject.model.levels]
    if lacking:
        raise StudyError(
            f"The films show {', '.join(lacking)}, of which no surface was given: their bone would pull the others "
            "aside. Give all vertebrae that the films show, or films and landmarks that show fewer."
        )
    return evidence


def write_ct_registration(found: CtRegistration, folder: str | Path) -> None:
    """Write surfaces, transforms, landmarks, measurements and pictures into an existing folder.

    The surfaces are those given, moved rigidly; RAS mm of the films.

    Raises:
        StudyError: if a file cannot be written.
    """
    folder, result = Path(folder), found.result
    for level, matrix in found.ras_from_ct.items():
        given = found.surfaces[level]
        moved = Surface(transform_points(matrix, given.points_ras_mm), given.faces)
        write_surface(folder / f"{level.name}.vtp", moved)
        write_surface(folder / f"{level.name}.stl", moved)
    write_used_landmarks(result, folder / "landmarks.json")
    write_measurements(result, folder / "measurements.csv")
    write_pictures(result, folder)
    content = record(result, result.seconds)
    for level, entry in content["levels"].items():
        entry.pop("coefficients")
        entry["ras_from_ct"] = found.ras_from_ct[Level[level]]
        entry["surface_gap_mm"] = round(found.subject.gap_mm[Level[level]], 3)
    write_json(folder / "ct_registration.json", {**content, "format": FORMAT, "version": VERSION})


def registered(steps: Iterator[Step | CtRegistration]) -> CtRegistration:
    """Run :func:`register_ct` to its end and return the result.

    Raises:
        StudyError: if it ends without one; and what ``register_ct`` raises.
    """
    found = deque(steps, maxlen=1)
    if not found or not isinstance(found[0], CtRegistration):
        raise StudyError("The registration ended without a result. Run it again.")
    return found[0]
