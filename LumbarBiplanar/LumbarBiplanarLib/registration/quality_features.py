"""What the quality of a reconstructed vertebra is judged by: misfits that a failed registration leaves behind.

Each feature is 0 or more and grows with doubt. One that cannot be had (no image, no neighbor) is absent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ..anatomy import LANDMARK_NAMES, Level, load_landmarks
from ..errors import GeometryError, RegistrationError
from .checks import MEDIAN_OF_NORMAL_PAIR, OUTVOTED_SD
from .evidence import FilmEvidence
from .landmark_term import LandmarkTerm, sightings_of
from .least_squares import Layout, NormalEquations, Unknowns
from .options import Options
from .poses import VertebraState, landmark_basis
from .prior_terms import IntervalPrior
from .state import RegistrationState

# Scatter of a landmark that a person has set: the solver follows it more closely than anyone can place it.
_PLACED_SIGMA_MM = 1.5
_FEWEST_SIGHTINGS = 4


def quality_features(state: RegistrationState) -> dict[Level, dict[str, float]]:
    """Return the features of every level of a finished registration; finds the posterior if it is not known yet.

    Features of a level, the worse film counting:
        image_mm: root mean square image residual where the vertebra projects, mm of bone.
        image_ratio: the same against the median of all levels of the film.
        outside: share of the vertebra's surface that lies beyond the edge of the film or of its lumbar-only image.
        unseen: share of the landmarks usual on a film that are not there.
        tension_sd: how many standard deviations, per pose unknown, the landmarks alone would move the vertebra: the
            score statistic of the landmark term (Rao 1948, Proc Camb Phil Soc 44:50).
        landmark_sd: median landmark residual over what its standard deviation lets expect.
        landmark_outliers: share of the landmarks more than four standard deviations off.
        landmark_shift_mm, landmark_shift_x_mm: length of the mean residual vector, and of its part across the film, in
            the object plane.
        epipolar_mm, epipolar_shift_mm: root mean square, and absolute mean, of the signed distance between the rays
            of the two films through one landmark.
        shape_sd: root mean square mode coefficient.
        size_sd: absolute log-scale in standard deviations of the model.
        disc_sd, turn_sd: Mahalanobis length of the interval prior's residuals, the worse neighbor counting.
        surface_sd_mm: mean standard deviation of the surface along its normal.
    Features of a case, the same for each level: absolute logarithm of the gain of the worse film; medians over the
    levels of image_mm, landmark_sd, epipolar_shift_mm, landmark_shift_x_mm, shape_sd and size_sd; the largest disc_sd
    or turn_sd; no_image, the number of films without a lumbar-only image.

    Args:
        state: the last state of a registration.

    Returns:
        {level: {feature: value}}.
    """
    spread = _surface_sd(state)
    if len(state.corrections):
        state = _with_corrected_films(state)
    vertebrae = [
        VertebraState.from_matrix(level, matrix, state.coefficients[level])
        for level, matrix in state.ras_from_vertebra.items()
    ]
    intervals = _intervals(state, vertebrae)
    found: dict[Level, dict[str, float]] = {}
    for item in vertebrae:
        level = item.level
        values = {
            **_image(state, level),
            **_coverage(state, item),
            **_tension(state, item),
            **_landmarks(state, item),
            **_epipolar(state.evidence, level),
            **intervals.get(level, {}),
            "shape_sd": float(np.sqrt(np.mean(item.coefficients**2))),
            "size_sd": abs(item.log_scale) / state.model.log_scale_sd,
        }
        if level in spread:
            values["surface_sd_mm"] = spread[level]
        found[level] = values
    of_case = _of_case(state, found)
    return {level: {**values, **of_case} for level, values in found.items()}


def _with_corrected_films(state: RegistrationState) -> RegistrationState:
    """Return the state with the films as the registration has corrected them, for what is projected onto them."""
    films = tuple(
        replace(
            film,
            view=state.corrections.corrected_view(film.view),
            lumbar_view=None if film.lumbar_view is None else state.corrections.corrected_view(film.lumbar_view),
        )
        for film in state.evidence
    )
    return replace(state, evidence=films)


def _image(state: RegistrationState, level: Level) -> dict[str, float]:
    residuals = [found for found in state.level_image_residual_mm.values() if level in found]
    if not residuals:
        return {}
    ratios = [found[level] / max(float(np.median(list(found.values()))), 1e-3) for found in residuals]
    return {"image_mm": max(found[level] for found in residuals), "image_ratio": max(ratios)}


def _coverage(state: RegistrationState, vertebra: VertebraState) -> dict[str, float]:
    points = state.coarse_points_ras_mm[vertebra.level]
    outside, unseen = [], []
    for film in state.evidence:
        views = {film.view, film.image_view} if film.lumbar_mm is not None else {film.view}
        outside.append(max(float(np.mean(~view.contains(view.project(points)))) for view in views))
        usual = [item.visible_ap if film.view.name == "AP" else item.visible_lateral for item in load_landmarks()]
        seen = sum(item.level is vertebra.level for item in film.landmarks.visible().values())
        unseen.append(max(0.0, 1.0 - seen / sum(usual)))
    return {"outside": max(outside), "unseen": max(unseen)}


def _tension(state: RegistrationState, vertebra: VertebraState) -> dict[str, float]:
    options = Options()
    sightings = [sightings_of(film, vertebra.level, vertebra.translation_mm, options) for film in state.evidence]
    if sum(len(item.rows) for item in sightings) < _FEWEST_SIGHTINGS:
        return {}
    term = LandmarkTerm(landmark_basis(state.model), {vertebra.level: sightings}, options.landmark_cauchy)
    equations = NormalEquations(Layout(1, 0))
    term.add(equations, Unknowns((vertebra,)))
    # The size is held by its prior; a pose that few landmarks leave open has no score.
    hessian = equations.hessian + np.diag([1e-6] * 6 + [state.model.log_scale_sd**-2.0])
    score = float(equations.gradient @ np.linalg.solve(hessian, equations.gradient))
    return {"tension_sd": float(np.sqrt(max(score, 0.0) / len(hessian)))}


def _landmarks(state: RegistrationState, vertebra: VertebraState) -> dict[str, float]:
    points = landmark_basis(state.model).posed(vertebra)
    spread, outliers, shift, across = [], [], [], []
    for film in state.evidence:
        seen = [item for item in film.landmarks.visible().values() if item.level is vertebra.level]
        if not seen:
            continue
        rows = [LANDMARK_NAMES.index(item.name) for item in seen]
        pixels = np.array([item.position_px for item in seen], dtype=np.float64)
        off_mm = (film.view.project(points[rows]) - pixels) * film.view.pixel_size_at(vertebra.translation_mm)
        deviations = np.linalg.norm(off_mm, axis=1) / _sigmas(film, seen)
        spread.append(float(np.median(deviations)) / MEDIAN_OF_NORMAL_PAIR)
        outliers.append(float(np.mean(deviations > OUTVOTED_SD)))
        mean = np.median(off_mm, axis=0) if len(seen) > 2 else off_mm.mean(axis=0)
        shift.append(float(np.linalg.norm(mean)))
        across.append(float(abs(mean[0])))
    if not spread:
        return {}
    return {
        "landmark_sd": max(spread),
        "landmark_outliers": max(outliers),
        "landmark_shift_mm": max(shift),
        "landmark_shift_x_mm": max(across),
    }


def _sigmas(film: FilmEvidence, seen) -> np.ndarray:
    """Return the (n,) standard deviations per axis in mm of the object plane."""
    usual = {item.name: item.sigma_ap_mm if film.view.name == "AP" else item.sigma_lateral_mm
             for item in load_landmarks()}  # fmt: skip
    return np.array(
        [_PLACED_SIGMA_MM if item.corrected else (item.sigma_mm or usual[item.name]) for item in seen], dtype=np.float64
    )


def _epipolar(evidence: tuple[FilmEvidence, FilmEvidence], level: Level) -> dict[str, float]:
    shown = [{name: item.position_px for (at, name), item in film.landmarks.visible().items() if at is level}
             for film in evidence]  # fmt: skip
    names = [name for name in LANDMARK_NAMES if all(name in film for film in shown)]
    if len(names) < 3:
        return {}
    gap = signed_gap_mm(evidence, *(np.array([film[name] for name in names]) for film in shown))
    return {"epipolar_mm": float(np.sqrt(np.mean(gap**2))), "epipolar_shift_mm": float(abs(np.median(gap)))}


def signed_gap_mm(evidence: tuple[FilmEvidence, FilmEvidence], ap_px: np.ndarray, lateral_px: np.ndarray) -> np.ndarray:
    """Return the signed distances (n,) in mm between the rays through corresponding pixels (n, 2) of both films.

    The sign is that along the common perpendicular, which for upright films points up or down: a film that is shifted
    shows as a mean that is not 0, where random errors of the landmarks cancel.
    """
    (first, along_first), (second, along_second) = (
        film.view.rays(pixels) for film, pixels in zip(evidence, (ap_px, lateral_px), strict=True)
    )
    normal = np.cross(along_first, along_second)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    return np.einsum("nx,nx->n", second - first, normal)


def _intervals(state: RegistrationState, vertebrae: list[VertebraState]) -> dict[Level, dict[str, float]]:
    lengths = IntervalPrior(landmark_basis(state.model), 1.0).lengths(vertebrae)
    found: dict[Level, dict[str, float]] = {}
    for levels, (disc, turn) in lengths.items():
        for level in levels:
            before = found.get(level, {"disc_sd": 0.0, "turn_sd": 0.0})
            found[level] = {"disc_sd": max(before["disc_sd"], disc), "turn_sd": max(before["turn_sd"], turn)}
    return found


def _surface_sd(state: RegistrationState) -> dict[Level, float]:
    """Return the mean standard deviation of each surface in mm; nothing where the posterior cannot be had."""
    try:
        posterior = state.posterior
    except (RegistrationError, GeometryError):
        return {}
    if posterior is None:
        return {}
    return {level: float(np.mean(posterior.vertex_sd_mm(level))) for level in posterior.levels}


def _of_case(state: RegistrationState, levels: Mapping[Level, Mapping[str, float]]) -> dict[str, float]:
    def median(name: str) -> dict[str, float]:
        values = [item[name] for item in levels.values() if name in item]
        return {} if not values else {"value": float(np.median(values))}

    sources = {
        "case_image_mm": "image_mm",
        "case_landmark_sd": "landmark_sd",
        "case_epipolar_shift_mm": "epipolar_shift_mm",
        "case_shift_x_mm": "landmark_shift_x_mm",
        "case_shape_sd": "shape_sd",
        "case_size_sd": "size_sd",
    }
    found = {name: value["value"] for name, source in sources.items() if (value := median(source))}
    worst = [max(item["disc_sd"], item["turn_sd"]) for item in levels.values() if "disc_sd" in item]
    if worst:
        found["worst_interval_sd"] = max(worst)
    if state.gain:
        found["gain_log"] = max(abs(float(np.log(max(value, 0.01)))) for value in state.gain.values())
    found["no_image"] = float(sum(film.view.name not in state.image_residual_mm for film in state.evidence))
    return found
