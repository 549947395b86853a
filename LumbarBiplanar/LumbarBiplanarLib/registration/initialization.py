"""Initial poses: triangulated landmarks, a robust similarity per vertebra, neighbors for the levels that lack them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..anatomy import LANDMARK_NAMES, LUMBAR_LEVELS, Level, load_landmarks
from ..errors import GeometryError, LandmarkError, RegistrationError
from ..geometry import rotation_from_vector, similarity_fit, transform_points, triangulate, vector_from_rotation
from ..geometry.limits import nearest_to_beams
from ..geometry.source_doubt import source_doubt
from ..shape.model import ShapeModel
from .evidence import FilmEvidence
from .poses import PointBasis, VertebraState, landmark_basis

_FEWEST = 3
_ROBUST_MM = 4.0
_DISC_MM = 9.0
_LARGE_MISFIT_MM = 9.0
_IMPOSSIBLE_MISFIT_MM = 18.0


@dataclass(frozen=True, eq=False)
class SpatialLandmarks:
    """Triangulated landmarks of one level.

    Attributes:
        rows: (n,) indices into LANDMARK_NAMES.
        points_ras_mm: (n, 3) points.
        gap_mm: (n,) distance between the two rays.
        weights: (n,) weights.
    """

    rows: np.ndarray
    points_ras_mm: np.ndarray
    gap_mm: np.ndarray
    weights: np.ndarray


def triangulated_landmarks(evidence: tuple[FilmEvidence, FilmEvidence], level: Level) -> SpatialLandmarks | None:
    """Triangulate the landmarks of ``level`` that both films show; None if there are none.

    Raises:
        LandmarkError: if a point comes out behind the source of a film or behind its detector.
    """
    shown = [{name: item for (at, name), item in film.landmarks.items() if at is level and item.visible}
             for film in evidence]  # fmt: skip
    names = [name for name in LANDMARK_NAMES if name in shown[0] and name in shown[1]]
    if not names:
        return None
    pixels = np.array([[film[name].position_px for name in names] for film in shown], dtype=np.float64)
    try:
        points, gap = triangulate([film.view for film in evidence], pixels)
    except GeometryError as error:
        raise LandmarkError(f"The landmarks of {level.name} give no point in space: {error}") from error
    _check_depth(evidence, level, names, points)
    rows = np.array([LANDMARK_NAMES.index(name) for name in names])
    default = load_landmarks()
    weights = [
        min(film[name].confidence for film in shown)
        / (default[row].sigma_ap_mm ** 2 + default[row].sigma_lateral_mm ** 2)
        for row, name in zip(rows, names, strict=True)
    ]
    return SpatialLandmarks(rows, points, gap, np.maximum(np.array(weights), 1e-6))


def _check_depth(evidence, level: Level, names: list[str], points: np.ndarray) -> None:
    for film in evidence:
        depth = film.view.depth_mm(points)
        wrong = np.flatnonzero(~((depth > 0) & (depth < film.view.focal_mm)))
        if len(wrong):
            first = wrong[0]
            side = "behind the source" if depth[first] <= 0 else "behind the detector"
            raise LandmarkError(
                f"The {level.name} {names[first]} lies {side} of the {film.view.name} film (depth {depth[first]:.0f} "
                f"mm, source to detector {film.view.focal_mm:.0f} mm). Check that the geometry belongs to these films, "
                "that the films are not swapped, and that the landmark is on the same vertebra in both."
            )


def robust_similarity(source: np.ndarray, target: np.ndarray, weights: np.ndarray, with_scale: bool) -> np.ndarray:
    """Fit a similarity with Cauchy weights on the residuals (scale 4 mm), so that single outliers do not turn it.

    Args:
        source, target: (n, 3) corresponding points, mm.
        weights: (n,) weights.
        with_scale: whether the scale is free.

    Returns:
        (4, 4) target_from_source.
    """
    used = weights
    for _ in range(8):
        matrix = similarity_fit(source, target, used, with_scale)
        residual = np.linalg.norm(transform_points(matrix, source) - target, axis=1)
        used = weights / (1.0 + (residual / _ROBUST_MM) ** 2)
    return matrix


def _spread_mm(points: np.ndarray) -> float:
    """Return the second largest extent (standard deviation, mm) of points; near 0 if they lie on one line."""
    return float(np.linalg.svd(points - points.mean(axis=0), compute_uv=False)[1] / np.sqrt(len(points)))


def _fitted(
    basis: PointBasis, level: Level, seen: SpatialLandmarks, log_scale_sd: float
) -> tuple[np.ndarray, float] | None:
    """Return (ras_from_vertebra, rms residual in mm), or None if the landmarks do not fix a pose."""
    source = basis.mean_mm[level][seen.rows]
    if len(seen.rows) < _FEWEST or _spread_mm(source) < 3.0:
        return None
    try:
        matrix = robust_similarity(source, seen.points_ras_mm, seen.weights, len(seen.rows) >= 8)
    except GeometryError:
        return None
    scale = np.cbrt(np.linalg.det(matrix[:3, :3]))
    if abs(np.log(scale)) > 2.5 * log_scale_sd:
        matrix = robust_similarity(source, seen.points_ras_mm, seen.weights, False)
    residual = transform_points(matrix, source) - seen.points_ras_mm
    return matrix, float(np.sqrt(np.median(np.sum(residual**2, axis=1))))


def initial_poses(
    model: ShapeModel,
    evidence: tuple[FilmEvidence, FilmEvidence],
    known: dict[Level, VertebraState] | None = None,
) -> tuple[dict[Level, VertebraState], list[str]]:
    """Place the mean vertebrae of all levels that at least one film shows.

    Args:
        model: shape model.
        evidence: AP and lateral film.
        known: levels that already have a pose; they are kept and serve as neighbors, and their landmarks are looked at
            like the others'.

    Returns:
        {level: state}, cranial first, with zero coefficients for new levels, and warnings.

    Raises:
        LandmarkError: if a landmark is impossible, or no level has enough landmarks to start from.
        RegistrationError: if the films are swapped or do not fit the geometry.
    """
    basis, warnings = landmark_basis(model), []
    zero = np.zeros(len(model.modes_mm))
    placed = dict(known or {})
    wanted = [level for level in LUMBAR_LEVELS if level in model.levels and _shown(evidence, level)]
    seen = {level: triangulated_landmarks(evidence, level) for level in wanted}
    fits = {level: _fitted(basis, level, item, model.log_scale_sd) for level, item in seen.items() if item is not None}
    fits = {level: fit for level, fit in fits.items() if fit is not None}
    if fits:
        warnings += _check_consistency(model, basis, evidence, fits, seen)
    for level, (matrix, _) in fits.items():
        if level not in placed:
            placed[level] = VertebraState.from_matrix(level, matrix, zero)
    if not placed:
        raise LandmarkError(_too_few(evidence, seen))
    for level in _nearest_first([level for level in wanted if level not in placed], list(placed)):
        placed[level] = _from_neighbors(basis, placed, level, zero)
    for level in LUMBAR_LEVELS:
        if level in wanted and level not in fits:
            warnings.append(
                f"{level.name} has too few landmarks seen in both films to place it alone; where it starts comes from "
                "its neighbors. Add landmarks on this level to make sure."
            )
        elif level in model.levels and level not in wanted:
            warnings.append(f"{level.name} has no landmark in either film and is left out. Place landmarks to add it.")
    return {level: placed[level] for level in wanted}, warnings


def _shown(evidence: tuple[FilmEvidence, FilmEvidence], level: Level) -> bool:
    return any(level in film.landmarks.levels for film in evidence)


def _too_few(evidence, seen: dict[Level, SpatialLandmarks | None]) -> str:
    count = ", ".join(f"{level.name} {0 if item is None else len(item.rows)}" for level, item in seen.items())
    total = [len(film.landmarks.visible()) for film in evidence]
    return (
        f"Too few landmarks to start: AP shows {total[0]}, lateral {total[1]}, and the number seen in both films is "
        f"{count or 'none'}. At least one vertebra needs {_FEWEST} landmarks, not on one line, in both films."
    )


def _nearest_first(levels: list[Level], placed: list[Level]) -> list[Level]:
    return sorted(levels, key=lambda level: (min(abs(level.index - other.index) for other in placed), level.index))


def _from_neighbors(
    basis: PointBasis, placed: dict[Level, VertebraState], level: Level, zero: np.ndarray
) -> VertebraState:
    above = max((item for item in placed if item.index < level.index), key=lambda item: item.index, default=None)
    below = min((item for item in placed if item.index > level.index), key=lambda item: item.index, default=None)
    if above is not None and below is not None:
        upper, lower = placed[above], placed[below]
        part = (level.index - above.index) / (below.index - above.index)
        turn = vector_from_rotation(upper.rotation.T @ lower.rotation)
        rotation = upper.rotation @ rotation_from_vector(part * turn)
        origin = (1 - part) * upper.translation_mm + part * lower.translation_mm
        return VertebraState(level, rotation, origin, (1 - part) * upper.log_scale + part * lower.log_scale, zero)
    near = placed[above if above is not None else below]
    gap = _stack_offset_mm(basis, near.level, level)
    origin = near.translation_mm + near.scale * near.rotation @ gap
    return VertebraState(level, near.rotation, origin, near.log_scale, zero)


def _stack_offset_mm(basis: PointBasis, near: Level, level: Level) -> np.ndarray:
    """Return the (3,) origin of ``level`` in the frame of ``near``, mean vertebrae stacked with discs of 9 mm."""
    step = 1 if level.index > near.index else -1
    top, bottom = (LANDMARK_NAMES.index(f"{side}_endplate_centre") for side in ("superior", "inferior"))
    offset, at = np.zeros(3), near
    while at is not level:
        following = LUMBAR_LEVELS[LUMBAR_LEVELS.index(at) + step]
        leave, enter = (bottom, top) if step > 0 else (top, bottom)
        offset = offset + basis.mean_mm[at][leave] - basis.mean_mm[following][enter] - [0.0, 0.0, step * _DISC_MM]
        at = following
    return offset


def _check_consistency(model: ShapeModel, basis: PointBasis, evidence, fits, seen) -> list[str]:
    """Return a warning, or raise RegistrationError, if the landmarks contradict the geometry; try swapped films too."""
    misfit = float(np.median([rms for _, rms in fits.values()]))
    gap = float(np.median(np.concatenate([seen[level].gap_mm for level in fits])))
    if max(misfit, gap) < _LARGE_MISFIT_MM:
        return _source_doubt(evidence)
    found = f"the vertebrae miss their landmarks by {misfit:.0f} mm and the rays by {gap:.0f} mm (median)"
    others = {what: _misfit_mm(model, basis, other, list(fits)) for what, other in _mistaken(*evidence).items()}
    what, remedy = min(others, key=others.__getitem__)
    other = others[what, remedy]
    if other < 0.5 * max(misfit, gap):
        raise RegistrationError(
            f"{what} are probably exchanged: {found}, but only by {other:.0f} mm the other way round. {remedy}"
        )
    text = (
        f"The landmarks do not fit the geometry: {found}. Check the geometry file, the left-right orientation of the "
        "films, and that both films name the same levels."
    )
    if max(misfit, gap) > _IMPOSSIBLE_MISFIT_MM:
        raise RegistrationError(text)
    return [text]


def _source_doubt(evidence: tuple[FilmEvidence, FilmEvidence]) -> list[str]:
    """Return a warning if the landmarks speak for an AP film taken from the other side (``source_doubt``).

    Landmarks that were fitted to both films in the geometry as it is (``network.together``) speak for that.
    """
    shown = [film.landmarks.visible() for film in evidence]
    keys = [key for key in shown[0] if key in shown[1]]
    if not keys:
        return []
    kinds = dict(zip(LANDMARK_NAMES, load_landmarks(), strict=True))
    center = nearest_to_beams([film.view for film in evidence])
    pixels, sigma_px = [], []
    for film, landmarks, usual in zip(evidence, shown, ("sigma_ap_mm", "sigma_lateral_mm"), strict=True):
        items = [landmarks[key] for key in keys]
        sigma_mm = [getattr(kinds[item.name], usual) if item.sigma_mm is None else item.sigma_mm for item in items]
        pixels.append([item.position_px for item in items])
        sigma_px.append(np.array(sigma_mm) / film.view.pixel_size_at(center).mean())
    told = source_doubt([film.view for film in evidence], np.array(pixels), np.array(sigma_px))
    return [told] if told else []


def _mistaken(ap: FilmEvidence, lateral: FilmEvidence) -> dict[tuple[str, str], tuple[FilmEvidence, FilmEvidence]]:
    """Return what may have been mistaken for each other: {(what, remedy): the evidence the other way round}."""
    sides = (
        "Left and right are the patient's: name the landmarks so, or state in the geometry what is on the film's left."
    )
    mirrored = [FilmEvidence(film.view, film.landmarks.with_sides_exchanged()) for film in (ap, lateral)]
    return {
        ("The films", "Give the AP film as AP and the lateral film as lateral."): (
            FilmEvidence(ap.view, lateral.landmarks),
            FilmEvidence(lateral.view, ap.landmarks),
        ),
        ("Left and right of the AP landmarks", sides): (mirrored[0], lateral),
        ("Left and right of the lateral landmarks", sides): (ap, mirrored[1]),
        ("Left and right of the landmarks of both films", sides): (mirrored[0], mirrored[1]),
    }


def _misfit_mm(model: ShapeModel, basis: PointBasis, evidence, levels: list[Level]) -> float:
    values = []
    for level in levels:
        try:
            item = triangulated_landmarks(evidence, level)
        except LandmarkError:
            return float("inf")
        fit = None if item is None else _fitted(basis, level, item, model.log_scale_sd)
        if fit is not None:
            values.append(max(fit[1], float(np.median(item.gap_mm))))
    return float(np.median(values)) if values else float("inf")
