"""From landmarks to poses: the start of a registration, and what it refuses."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from LumbarBiplanarLib.anatomy import LUMBAR_LEVELS, FilmLandmarks, LandmarkObservation, Level
from LumbarBiplanarLib.errors import LandmarkError, RegistrationError
from LumbarBiplanarLib.geometry.limits import nearest_to_beams
from LumbarBiplanarLib.geometry.sides import with_source_side
from LumbarBiplanarLib.registration import FilmEvidence, Options, initial_poses, reconstruct, register
from registration_phantom import drawn_evidence, drawn_landmarks, phantom_model, phantom_truth


def landmark_evidence(truth, sigma_mm=0.0, seed=0):
    rng = np.random.default_rng(seed)
    return tuple(FilmEvidence(view, drawn_landmarks(truth, view, sigma_mm, rng)) for view in truth.pair.views)


def keep(evidence, wanted):
    """Return evidence with only the landmarks for which wanted(view name, level, name) holds."""
    return tuple(
        FilmEvidence(
            film.view,
            FilmLandmarks(
                item for (level, name), item in film.landmarks.items() if wanted(film.view.name, level, name)
            ),
        )
        for film in evidence
    )


def pose_error_mm(state, truth, level):
    return np.linalg.norm(state.ras_from_vertebra[level][:3, 3] - truth.ras_from_vertebra[level][:3, 3])


def surface_error_mm(points_ras_mm, truth):
    return {
        level: float(np.linalg.norm(points - truth.points_ras_mm[level], axis=1).mean())
        for level, points in points_ras_mm.items()
    }


@pytest.mark.parametrize(("geometry", "angle_deg"), [("pinhole", 90.0), ("slot", 75.0)])
def test_exact_landmarks_of_mean_vertebrae_give_back_the_pose(geometry, angle_deg):
    model = phantom_model()
    truth = phantom_truth(3, geometry=geometry, angle_deg=angle_deg, shape_sd=0.0)
    states, warnings = initial_poses(model, landmark_evidence(truth))
    assert tuple(states) == LUMBAR_LEVELS
    assert not warnings
    for level in LUMBAR_LEVELS:
        np.testing.assert_allclose(states[level].ras_from_vertebra, truth.ras_from_vertebra[level], atol=1e-5)


def test_the_landmark_solve_improves_on_the_initial_poses():
    model = phantom_model()
    initial, solved = [], []
    for seed in range(4):
        truth = phantom_truth(seed)
        states = list(register(model, drawn_evidence(truth, model.faces, seed, images=False), Options()))
        initial += surface_error_mm(states[0].points_ras_mm, truth).values()
        solved += surface_error_mm(states[-1].points_ras_mm, truth).values()
        assert [state.stage for state in states[:2]] == ["initial", "landmarks"]
    assert np.mean(solved) < 0.9 * np.mean(initial)
    assert np.mean(solved) < 2.2


def test_a_gross_outlier_does_not_move_the_vertebra():
    model, truth = phantom_model(), phantom_truth(1)
    clean = landmark_evidence(truth, sigma_mm=0.5)
    ap = clean[0]
    item = ap.landmarks[Level.L3, "pedicle_left"]
    x, y = item.position_px
    wrong = LandmarkObservation(Level.L3, item.name, (x + 40.0, y - 50.0))
    bad = (FilmEvidence(ap.view, ap.landmarks.with_observation(wrong)), clean[1])
    result = reconstruct(model, bad)
    assert surface_error_mm(result.points_ras_mm, truth)[Level.L3] < 1.5
    (warning,) = (text for text in result.warnings if "outvoted" in text)
    assert warning.startswith("On the AP film these landmarks") and "L3 left pedicle, centre (" in warning


def test_a_level_without_landmarks_is_absent_and_said():
    model, truth = phantom_model(), phantom_truth(2, levels=LUMBAR_LEVELS[1:])
    result = reconstruct(model, landmark_evidence(truth, 1.0))
    assert result.levels == LUMBAR_LEVELS[1:]
    assert set(result.points_ras_mm) == set(LUMBAR_LEVELS[1:])
    assert any("L1" in text and "left out" in text for text in result.warnings)


@pytest.mark.parametrize("poor", [Level.L3, Level.L5])
def test_a_level_seen_in_one_film_only_starts_from_its_neighbors(poor):
    model, truth = phantom_model(), phantom_truth(2)
    evidence = keep(landmark_evidence(truth, 0.5), lambda view, level, _: view == "AP" or level is not poor)
    states, warnings = initial_poses(model, evidence)
    offset = states[poor].translation_mm - truth.ras_from_vertebra[poor][:3, 3]
    assert np.linalg.norm(offset) < 20.0
    assert any(poor.name in text and "neighbors" in text for text in warnings)
    result = reconstruct(model, evidence)
    solved = result.ras_from_vertebra[poor][:3, 3] - truth.ras_from_vertebra[poor][:3, 3]
    # The AP film fixes x and z; y, along its beam, comes from the neighbors alone.
    assert np.linalg.norm(solved[[0, 2]]) < 2.0
    assert abs(solved[1]) < 12.0


def test_a_landmark_that_is_not_a_number_is_named():
    truth = phantom_truth(0)
    ap, lateral = landmark_evidence(truth)
    broken = ap.landmarks.with_observation(LandmarkObservation(Level.L4, "spinous_tip", (float("nan"), 3.0)))
    with pytest.raises(LandmarkError, match="AP landmark L4 spinous_tip.*Place or remove"):
        next(register(phantom_model(), (FilmEvidence(ap.view, broken), lateral)))


def test_landmarks_behind_the_source_are_refused_with_their_level():
    truth = phantom_truth(0)
    views = truth.pair.views
    # A point 300 mm beyond the AP source projects onto both films, mirrored: no film can show it.
    point = views[0].source_ras_mm - 300.0 * views[0].beam_ras + [5.0, 0.0, 8.0]
    names = ("spinous_tip", "pedicle_left", "pedicle_right", "spinous_base")
    films = []
    for view in views:
        shifted = [point + np.array([9.0 * i, 4.0 * i * i, 5.0 * i]) for i in range(len(names))]
        found = [
            LandmarkObservation(Level.L2, name, tuple(view.project(item)))
            for name, item in zip(names, shifted, strict=True)
        ]
        films.append(FilmEvidence(view, FilmLandmarks(found)))
    with pytest.raises(LandmarkError, match=r"L2 pedicle_left lies behind the source of the AP film \(depth -\d+ mm"):
        next(register(phantom_model(), tuple(films)))


def test_too_few_landmarks_say_how_many_are_needed():
    truth = phantom_truth(0)
    few = keep(landmark_evidence(truth), lambda view, level, name: name in ("spinous_tip", "spinous_base"))
    with pytest.raises(LandmarkError, match="Too few landmarks.*needs 3"):
        next(register(phantom_model(), few))


def test_films_without_any_landmark_are_refused():
    truth = phantom_truth(0)
    empty = tuple(FilmEvidence(view, FilmLandmarks()) for view in truth.pair.views)
    with pytest.raises(LandmarkError, match="AP shows 0, lateral 0"):
        next(register(phantom_model(), empty))


def test_swapped_films_are_recognized():
    truth = phantom_truth(0)
    ap, lateral = landmark_evidence(truth, 1.0)
    swapped = (FilmEvidence(ap.view, lateral.landmarks), FilmEvidence(lateral.view, ap.landmarks))
    with pytest.raises(RegistrationError, match="The films are probably exchanged"):
        next(register(phantom_model(), swapped))


@pytest.mark.parametrize(("films", "whose"), [((0,), "the AP landmarks"), ((0, 1), "the landmarks of both films")])
def test_exchanged_names_of_left_and_right_are_recognized(films, whose):
    evidence = list(landmark_evidence(phantom_truth(0), 1.0))
    for film in films:
        evidence[film] = replace(evidence[film], landmarks=evidence[film].landmarks.with_sides_exchanged())
    with pytest.raises(RegistrationError, match=f"Left and right of {whose} are probably exchanged.*patient's"):
        next(register(phantom_model(), tuple(evidence)))


def test_landmarks_of_a_film_taken_from_the_other_side_are_told():
    ap, lateral = landmark_evidence(phantom_truth(0), 1.0)
    told = "fits a source at the patient's front, not at the back"
    middle = nearest_to_beams([ap.view, lateral.view])
    behind = replace(ap, view=with_source_side(ap.view, "back", middle))
    for film, expected in ((ap, False), (behind, True)):
        _, warnings = initial_poses(phantom_model(), (film, lateral))
        assert any(told in warning for warning in warnings) is expected


def test_films_that_name_different_levels_are_refused():
    truth = phantom_truth(0)
    ap, lateral = landmark_evidence(truth, 1.0)
    below = dict(itertools.pairwise(LUMBAR_LEVELS))
    moved = FilmLandmarks(
        LandmarkObservation(below[level], name, item.position_px)
        for (level, name), item in ap.landmarks.items()
        if level in below
    )
    with pytest.raises(RegistrationError, match="do not fit the geometry.*name the same levels"):
        next(register(phantom_model(), (FilmEvidence(ap.view, moved), lateral)))


def test_films_in_the_wrong_order_are_refused():
    ap, lateral = landmark_evidence(phantom_truth(0))
    with pytest.raises(RegistrationError, match="AP, then lateral"):
        next(register(phantom_model(), (lateral, ap)))


def test_a_hidden_landmark_carries_no_weight():
    model, truth = phantom_model(), phantom_truth(0)
    ap, lateral = landmark_evidence(truth, 1.0)
    hidden = LandmarkObservation(Level.L2, "spinous_tip", (0.0, 0.0), visible=False)
    without = FilmLandmarks(item for key, item in ap.landmarks.items() if key != (Level.L2, "spinous_tip"))
    a = reconstruct(model, (FilmEvidence(ap.view, ap.landmarks.with_observation(hidden)), lateral))
    b = reconstruct(model, (FilmEvidence(ap.view, without), lateral))
    np.testing.assert_array_equal(a.points_ras_mm[Level.L2], b.points_ras_mm[Level.L2])
