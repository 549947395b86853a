"""The rows of one case of the benchmark of accuracy: registration, and what it is compared with."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

from ..anatomy import Level
from ..errors import LumbarBiplanarError, RegistrationError
from ..geometry import transform_points, vector_from_rotation
from ..measurement import vertebrae_from_reconstruction
from ..shape.sources import FRACTURED as FRACTURED_VERTEBRAE
from ..shape.surfaces import Surface, vertex_areas
from ..study.registering import register_case
from .accuracy_conditions import Condition
from .accuracy_evidence import Drawn, EvidenceSource
from .accuracy_rows import ABSOLUTE, DONE, FRACTURED, MISSING, RIGID, CaseRow, MeasurementRow, RegionRow, Rows
from .landmark_errors import landmark_figures
from .left_out import LeftOutPerson
from .measurement_errors import measurement_rows, true_values
from .memory import forget_peak, peak_mb
from .metrics import misnamed_levels, rigid_alignment
from .true_surface import TrueSurface

if TYPE_CHECKING:
    from ..registration import Reconstruction

_WITHIN_90 = 1.6449
_DIGITS = 8  # of a hash


@dataclass(frozen=True, eq=False)
class Truth:
    """What is true about a person.

    Attributes:
        person: the person.
        surfaces: {level: true surface with its samples}.
        measured: {(quantity, level): true value}, of whole spines and sound vertebrae as of the others.
    """

    person: LeftOutPerson
    surfaces: Mapping[Level, TrueSurface]
    measured: Mapping[tuple[str, str], float]

    @classmethod
    def of(cls, person: LeftOutPerson) -> Truth:
        """Sample and measure the person's vertebrae."""
        surfaces = {
            level: TrueSurface.of(person.model, surface, person.fitted_ras_mm[level])
            for level, surface in person.surfaces.items()
        }
        true = SimpleNamespace(
            levels=tuple(person.surfaces), faces=person.model.faces, points_ras_mm=person.points_ras_mm
        )
        return cls(person, surfaces, true_values(vertebrae_from_reconstruction(person.model, true)))


@dataclass(frozen=True, eq=False)
class Registered:
    """A registration and what it cost.

    Attributes:
        result: the registration.
        warnings: of the whole case.
        seconds, wall_s: processor and wall time.
        peak_mb: memory, or None if unknown.
    """

    result: Reconstruction
    warnings: tuple[str, ...]
    seconds: float
    wall_s: float
    peak_mb: float | None


def case_rows(truth: Truth, condition: Condition, seed: int, source: EvidenceSource, device: str = "cpu") -> Rows:
    """Draw, register and judge one case.

    An error of the product ends the case, not the benchmark: its rows then say which.

    Args:
        truth: of the person.
        condition: how the case is made.
        seed: which case.
        source: draws the evidence.
        device: device of the registration.

    Raises:
        StudyError: if the data that the condition needs is not there.
    """
    subject = truth.person.subject
    try:
        drawn = source.drawn(truth.person, condition, seed)
        done = registered(truth.person, drawn, device)
    except LumbarBiplanarError as error:
        if type(error).__name__ not in ("DetectionError", "LandmarkError", "RegistrationError"):
            raise
        outcome = type(error).__name__
        failed = [CaseRow(_name(condition, subject, x), subject, seed, x.name, outcome) for x in truth.surfaces]
        return Rows([], failed, [])
    measured = []
    if condition.intervals:
        case = condition.name, subject, seed
        measured = measurement_rows(truth.measured, truth.person.model, done.result, case, with_intervals=seed == 0)
    common = _common(truth, done, measured)
    misnamed = misnamed_levels(_surfaces(done.result), truth.person.surfaces)
    flags = _flags(done.result)
    regions, cases = [], []
    for level, true in truth.surfaces.items():
        name = _name(condition, subject, level)
        row = replace(common, condition=name, seed=seed, level=level.name)
        if level not in done.result.levels:
            cases.append(replace(row, outcome=MISSING))
            continue
        recovered = Surface(done.result.points_ras_mm[level], done.result.faces)
        true_from_recovered = rigid_alignment({level: recovered}, {level: true.truth})
        aligned = Surface(transform_points(true_from_recovered, recovered.points_ras_mm), recovered.faces)
        there = true.distances_mm_to(recovered)
        for alignment, surface, known in ((ABSOLUTE, recovered, there), (RIGID, aligned, None)):
            for region, values in true.errors_mm_of(surface, truth.person.model.region_labels, known).items():
                regions.append(
                    RegionRow(
                        name, subject, seed, level.name, region, alignment, values["mean"], values["rms"],
                        values["p95"], true.floor[region]["mean"], done.seconds, done.result.device,
                    )
                )  # fmt: skip
        shift, turn = pose_error(true_from_recovered, recovered)
        cases.append(
            replace(
                row,
                named_right=level not in misnamed,
                inside=_share_inside(done.result, level, true, there),
                **landmark_figures(done.result, level, truth.person.landmarks_ras_mm[level]),
                **dict(zip(("right_mm", "anterior_mm", "superior_mm"), shift.tolist(), strict=True)),
                **dict(
                    zip(("about_right_deg", "about_anterior_deg", "about_superior_deg"), turn.tolist(), strict=True)
                ),
                **flags.get(level, {}),
            )
        )
    return Rows(regions, cases, measured)


def registered(person: LeftOutPerson, drawn: Drawn, device: str = "cpu") -> Registered:
    """Register what was drawn with the model built without the person.

    Raises:
        DetectionError, LandmarkError, RegistrationError: as the product raises them.
    """
    from ..registration import reconstruct

    knows_peak = forget_peak()
    processor, wall = time.process_time(), time.perf_counter()
    if drawn.case is None:
        result = reconstruct(person.model, drawn.evidence, drawn.options, device)
        warnings = result.warnings
    else:
        *_, step = register_case(
            drawn.case,
            drawn.detections,
            model=person.model,
            options=drawn.options,
            device=device,
            warnings=drawn.warnings,
            intervals=False,
        )
        result, warnings = step.result.reconstruction, step.result.warnings
    times = time.process_time() - processor, time.perf_counter() - wall
    return Registered(result, warnings, *times, peak_mb() if knows_peak else None)


def pose_error(true_from_recovered: np.ndarray, recovered: Surface) -> tuple[np.ndarray, np.ndarray]:
    """Return how far a vertebra lies (3,) mm from, and is turned (3,) degrees against, its true place.

    Args:
        true_from_recovered: (4, 4) rigid motion that brings the reconstructed surface onto the true one.
        recovered: the reconstructed surface, RAS mm; the shift is that of its centre of area.
    """
    area = vertex_areas(recovered.points_ras_mm, recovered.faces)
    center = area @ recovered.points_ras_mm / area.sum()
    turn = vector_from_rotation(true_from_recovered[:3, :3].T)
    return center - transform_points(true_from_recovered, center[None])[0], np.rad2deg(turn)


def _name(condition: Condition, subject: str, level: Level) -> str:
    return f"{FRACTURED if (subject, level) in FRACTURED_VERTEBRAE else ''}{condition.name}"


def _surfaces(result: Reconstruction) -> dict[Level, Surface]:
    return {level: Surface(points, result.faces) for level, points in result.points_ras_mm.items()}


def _common(truth: Truth, done: Registered, measured: list[MeasurementRow]) -> CaseRow:
    """Return a row with what belongs to the whole case."""
    result = done.result
    inside = [row.inside for row in measured if row.inside is not None]
    return CaseRow(
        condition="",
        subject=truth.person.subject,
        seed=0,
        level="",
        outcome=DONE,
        intervals=len(inside),
        intervals_inside=sum(inside),
        gain_ap=result.gain.get("AP"),
        gain_lateral=result.gain.get("lateral"),
        corrections="; ".join(_corrections(result)),
        warnings=len(done.warnings),
        seconds=done.seconds,
        wall_s=done.wall_s,
        peak_mb=done.peak_mb,
        model=(truth.person.model.sha256 or "")[:_DIGITS],
    )


def _corrections(result: Reconstruction) -> Iterator[str]:
    units = {item.name: item.unit for item in result.corrections.unknowns}
    for name, value in result.corrections.reported().items():
        sd = result.correction_sd.get(name)
        yield f"{name} {value:.3f} {'?' if sd is None else f'{sd:.3f}'} {units[name]}".strip()


def _flags(result: Reconstruction) -> dict[Level, dict]:
    from ..registration import assess

    try:
        found = assess(result.final_state)
    except RegistrationError:  # no posterior, so nothing to judge by
        return {}
    return {level: {"flag": item.flag, "bad_probability": item.probability} for level, item in found.items()}


def _share_inside(result: Reconstruction, level: Level, true: TrueSurface, distances_mm: np.ndarray) -> float | None:
    """Return the share (by area) of the true surface within the 90 % interval of the reconstruction; None if unknown.

    A sample of the true surface counts with the standard deviation of the reconstructed vertex nearest to it.
    """
    try:
        sd = result.final_state.posterior.vertex_sd_mm(level)
    except RegistrationError:
        return None
    nearest = cKDTree(result.points_ras_mm[level]).query(true.samples)[1]
    inside = distances_mm <= _WITHIN_90 * sd[nearest]
    return float(true.weights[inside].sum() / true.weights.sum())
