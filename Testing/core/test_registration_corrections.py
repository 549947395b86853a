"""Geometry that is wrong, and patients who move: derivatives, what is found, and how it is reported."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from LumbarBiplanarLib.anatomy import LUMBAR_LEVELS
from LumbarBiplanarLib.geometry import GeometrySettings
from LumbarBiplanarLib.registration import Options, reconstruct
from LumbarBiplanarLib.registration.checks import correction_notes
from LumbarBiplanarLib.registration.corrections import Corrections
from LumbarBiplanarLib.registration.free_corrections import free_corrections
from LumbarBiplanarLib.registration.image_setup import image_term, mesh_projector
from LumbarBiplanarLib.registration.landmark_term import LandmarkTerm, sightings_of
from LumbarBiplanarLib.registration.least_squares import Layout, NormalEquations, Unknowns
from LumbarBiplanarLib.registration.poses import landmark_basis
from LumbarBiplanarLib.registration.prior_terms import CorrectionPrior
from registration_phantom import displaced_vertebrae, drawn_evidence, phantom_model, phantom_truth

LEVELS = LUMBAR_LEVELS[1:4]
EVERYTHING = Options(
    calibrate_angle_sd_deg=3.0,
    calibrate_pose_sd_deg=1.0,
    calibrate_pose_sd_mm=1.0,
    calibrate_distance_sd_mm=20.0,
    motion_sd_deg=1.0,
    motion_sd_mm=2.0,
    level_motion_sd_deg=0.5,
    level_motion_sd_mm=0.5,
    density_sd=0.15,
)


@pytest.fixture(scope="module", params=["pinhole", "slot"])
def scene(request):
    """Three vertebrae, evidence drawn from them, and unknowns away from the truth with all corrections at work."""
    model, truth = phantom_model(), phantom_truth(0, levels=LEVELS, geometry=request.param)
    evidence = drawn_evidence(truth, model.faces, 0)
    rng = np.random.default_rng(1)
    vertebrae = displaced_vertebrae(truth, rng)
    middle = vertebrae[1].translation_mm + 4.0
    free = free_corrections(EVERYTHING, truth.pair.views, LEVELS, middle)
    values = np.array([item.prior_sd for item in free.unknowns]) * rng.normal(size=len(free))
    return model, evidence, vertebrae, replace(free, values=values)


def check_gradient(term, unknowns, modes, *, step=1e-5, tolerance=1e-5):
    layout = Layout(
        len(unknowns.vertebrae), modes, tuple(len(item) for item in unknowns.nuisance), len(unknowns.corrections)
    )
    equations = NormalEquations(layout)
    term.add(equations, unknowns)
    assert equations.cost == pytest.approx(term.cost(unknowns), rel=1e-9)
    for column, item in enumerate(unknowns.corrections.unknowns):
        direction = np.zeros(layout.size)
        direction[layout.corrections.start + column] = item.prior_sd
        high, low = (term.cost(unknowns.stepped(layout, sign * step * direction)) for sign in (1, -1))
        analytic = float(equations.gradient @ direction)
        scale = np.sqrt(equations.hessian[layout.corrections, layout.corrections][column, column] * equations.cost)
        assert (high - low) / (2 * step) == pytest.approx(analytic, abs=tolerance * scale * item.prior_sd), item.name
    direction = np.random.default_rng(0).normal(size=layout.size) * 0.02
    direction[layout.corrections] = 0.0
    high, low = (term.cost(unknowns.stepped(layout, sign * step * direction)) for sign in (1, -1))
    assert (high - low) / (2 * step) == pytest.approx(float(equations.gradient @ direction), rel=1e-3)
    eigenvalues = np.linalg.eigvalsh(equations.hessian)
    assert eigenvalues[0] > -1e-8 * eigenvalues[-1]


def test_the_landmark_term_has_the_gradient_of_its_cost(scene):
    model, evidence, vertebrae, corrections = scene
    sightings = {
        item.level: [sightings_of(film, item.level, item.translation_mm, Options()) for film in evidence]
        for item in vertebrae
    }
    term = LandmarkTerm(landmark_basis(model), sightings, 2.5)
    check_gradient(term, Unknowns(vertebrae, (), corrections), 5, tolerance=1e-4)


def test_the_image_term_has_the_gradient_of_its_cost(scene):
    model, evidence, vertebrae, corrections = scene
    projector = replace(mesh_projector(model, Options(), torch.device("cpu")), dtype=torch.float64)
    term, unknowns = image_term(model, projector, evidence, vertebrae, Options(), 1.6, 8.0, corrections)
    assert unknowns.corrections is corrections
    check_gradient(term, unknowns, 5, step=1e-5, tolerance=2e-3)


def test_the_prior_has_the_gradient_of_its_cost(scene):
    _, _, vertebrae, corrections = scene
    check_gradient_of = Unknowns(vertebrae, (), corrections)
    layout = Layout(3, 5, (), len(corrections))
    equations = NormalEquations(layout)
    CorrectionPrior().add(equations, check_gradient_of)
    expected = corrections.values / np.array([item.prior_sd for item in corrections.unknowns]) ** 2
    np.testing.assert_allclose(equations.gradient[layout.corrections], expected)
    assert CorrectionPrior().cost(check_gradient_of) == pytest.approx(0.5 * expected @ corrections.values)


def test_corrections_come_back_from_json(scene):
    corrections = scene[3]
    again = Corrections.from_dict(corrections.to_dict())
    assert again.reported() == corrections.reported()
    np.testing.assert_array_equal(again.lateral_from_ap, corrections.lateral_from_ap)
    moved, before = (item.in_view("lateral", scene[2][0]) for item in (again, corrections))
    np.testing.assert_array_equal(moved.translation_mm, before.translation_mm)
    assert again.densities(LEVELS) == pytest.approx(corrections.densities(LEVELS))


def test_every_correction_is_named_in_words(scene):
    corrections = scene[3]
    titles = {item.name: item.title for item in corrections.unknowns}
    assert titles["angle"] == "angle between the beams"
    assert titles["distance_lateral"] == "source-detector distance of the lateral film"
    assert titles["lateral_rotation_a"] == "rotation of the lateral view about A"
    assert titles["motion_translation_s"] == "shift of the patient along S"
    assert titles[f"motion_{LEVELS[0].name}_rotation_r"] == f"rotation of {LEVELS[0].name} about R"
    assert titles[f"density_{LEVELS[0].name}"] == f"density of {LEVELS[0].name}"
    note = correction_notes(corrections, None)[0]
    assert all(item.title in note for item in corrections.unknowns if item.level is None)
    assert note.endswith("R, A and S are the axes to the patient's right, front and head.")


def test_the_corrected_view_shows_a_point_where_the_moved_vertebra_does(scene):
    model, evidence, vertebrae, corrections = scene
    alike = Corrections(
        tuple(item for item in corrections.unknowns if item.level is None),
        np.array([v for item, v in zip(corrections.unknowns, corrections.values, strict=True) if item.level is None]),
        corrections.center_ras_mm,
    )
    basis = landmark_basis(model)
    for film in evidence:
        shown = alike.view(film.view).project(basis.posed(alike.in_view(film.view.name, vertebrae[0])))
        seen = alike.corrected_view(film.view).project(basis.posed(vertebrae[0]))
        np.testing.assert_allclose(seen, shown, atol=1e-6)


def turned(pair, degrees):
    """The pair with another angle between the beams than it states."""
    return GeometrySettings.from_pair(pair).edited("angle_deg", None, f"{pair.angle_deg + degrees}").pair


def seen_with(stated, evidence):
    """Evidence as somebody sees it who believes the stated views."""
    return tuple(replace(film, view=view) for film, view in zip(evidence, stated.views, strict=True))


def surface_error_mm(result, truth):
    return np.mean(
        [
            np.linalg.norm(result.points_ras_mm[level] - points, axis=1).mean()
            for level, points in truth.points_ras_mm.items()
        ]
    )


@pytest.fixture(scope="module")
def wrong_angle():
    """Films at 94 degrees that are stated to be at 90, and the spine."""
    model, truth = phantom_model(), phantom_truth(3)
    stated = truth.pair
    evidence = drawn_evidence(replace(truth, pair=turned(stated, 4.0)), model.faces, 3)
    return model, truth, seen_with(stated, evidence)


def test_a_wrong_angle_is_found_with_its_uncertainty_and_the_surfaces_are_better_for_it(wrong_angle):
    model, truth, evidence = wrong_angle
    believed = reconstruct(model, evidence, Options(), "cpu")
    assert not any("corrected" in text for text in believed.warnings)
    assert not len(believed.corrections)
    result = reconstruct(model, evidence, Options(calibrate_angle_sd_deg=3.0), "cpu")
    found, sd = result.corrections.reported()["angle"], result.correction_sd["angle"]
    assert 0.1 < sd < 2.0
    assert found == pytest.approx(4.0, abs=3 * sd)
    assert found > 2.0
    assert surface_error_mm(result, truth) < 0.9 * surface_error_mm(believed, truth)
    (note,) = [text for text in result.warnings if "corrected from the films" in text]
    assert note.endswith(f"themselves: angle between the beams {found:+.2f} ± {sd:.2f} degrees.")


def test_going_on_keeps_the_angle_and_draws_outlines_where_the_film_shows_the_vertebrae(wrong_angle):
    model, truth, evidence = wrong_angle
    options = Options(calibrate_angle_sd_deg=3.0, fine_iterations=0)
    first = reconstruct(model, evidence, options, "cpu")
    point = truth.landmarks_ras_mm[LUMBAR_LEVELS[0]][0]
    true_view = turned(truth.pair, 4.0).lateral
    landmarks = evidence[1].landmarks.moved(
        LUMBAR_LEVELS[0], "superior_endplate_centre", tuple(true_view.project(point))
    )
    again = reconstruct(
        model, (evidence[0], replace(evidence[1], landmarks=landmarks)), options, "cpu", first.final_state
    )
    assert again.corrections.reported() == first.corrections.reported()
    assert "landmarks" in again.iterations
    outlines = again.final_state.silhouettes_px["lateral"]
    corrected = again.final_state.corrected_views[1]
    points = np.concatenate(list(again.final_state.coarse_points_ras_mm.values()))
    drawn, shown = np.concatenate(list(outlines.values())), corrected.project(points)
    for end in (np.min, np.max):
        np.testing.assert_allclose(end(drawn, axis=0), end(shown, axis=0), atol=1.0)
    spread = corrected.project(points) - evidence[1].view.project(points)
    assert np.abs(spread).max() > 2.0  # the stated view would draw them elsewhere


def test_a_patient_who_moved_is_found_and_the_ap_film_stays_the_reference():
    model, truth = phantom_model(), phantom_truth(4)
    shift = np.array([0.0, 0.0, 3.0])
    after = replace(
        truth,
        points_ras_mm={level: points + shift for level, points in truth.points_ras_mm.items()},
        landmarks_ras_mm={level: points + shift for level, points in truth.landmarks_ras_mm.items()},
    )
    evidence = (drawn_evidence(truth, model.faces, 4)[0], drawn_evidence(after, model.faces, 4)[1])
    options = Options(motion_sd_deg=1.0, motion_sd_mm=2.0, level_motion_sd_deg=0.2, level_motion_sd_mm=0.2)
    result, believed = (reconstruct(model, evidence, item, "cpu") for item in (options, Options()))
    found, sd = result.corrections.reported(), result.correction_sd
    name = "motion_translation_s"
    assert found[name] == pytest.approx(3.0, abs=max(0.5, 3 * sd[name]))
    assert found[name] > 2.0
    assert surface_error_mm(result, truth) < surface_error_mm(believed, truth)


def test_nothing_is_corrected_unless_it_is_asked_for():
    assert not len(free_corrections(Options(), phantom_truth(0).pair.views, LEVELS, np.zeros(3)))
