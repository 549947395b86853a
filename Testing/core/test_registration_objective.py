"""The objective's derivatives against finite differences, in double precision."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from LumbarBiplanarLib.anatomy import LUMBAR_LEVELS
from LumbarBiplanarLib.registration import Options, image_equations, reconstruct
from LumbarBiplanarLib.registration import image_term as image_term_module
from LumbarBiplanarLib.registration.image_setup import image_term, mesh_projector
from LumbarBiplanarLib.registration.landmark_term import LandmarkTerm, sightings_of
from LumbarBiplanarLib.registration.least_squares import Layout, NormalEquations, Unknowns, drained
from LumbarBiplanarLib.registration.poses import landmark_basis, vertex_basis
from LumbarBiplanarLib.registration.prior_terms import IntervalPrior, ShapePrior
from LumbarBiplanarLib.registration.pyramid import area_averaged, averaging_matrix, hat_functions
from registration_phantom import displaced_vertebrae, drawn_evidence, phantom_model, phantom_truth

LEVELS = LUMBAR_LEVELS[1:4]


@pytest.fixture(scope="module")
def scene():
    """A spine of three vertebrae, evidence drawn from it, and unknowns some mm away from the truth."""
    model, truth = phantom_model(), phantom_truth(0, levels=LEVELS)
    evidence = drawn_evidence(truth, model.faces, 0)
    rng = np.random.default_rng(1)
    vertebrae = displaced_vertebrae(truth, rng)
    return model, evidence, vertebrae


def check_gradient(term, unknowns, modes, *, step=1e-5, tolerance=1e-5):
    layout = Layout(len(unknowns.vertebrae), modes, tuple(len(item) for item in unknowns.nuisance))
    equations = NormalEquations(layout)
    term.add(equations, unknowns)
    assert equations.cost == pytest.approx(term.cost(unknowns), rel=1e-9)
    rng = np.random.default_rng(0)
    scale = np.linalg.norm(equations.gradient)
    for _ in range(6):
        direction = rng.normal(size=layout.size)
        direction[[layout.vertebra(i).start + k for i in range(layout.vertebrae) for k in (0, 1, 2, 6)]] *= 0.02
        high, low = (term.cost(unknowns.stepped(layout, sign * step * direction)) for sign in (1, -1))
        numeric = (high - low) / (2 * step)
        analytic = float(equations.gradient @ direction)
        assert numeric == pytest.approx(analytic, abs=tolerance * scale * np.linalg.norm(direction))
    eigenvalues = np.linalg.eigvalsh(equations.hessian)
    assert eigenvalues[0] > -1e-8 * eigenvalues[-1]


def test_the_landmark_term_has_the_gradient_of_its_cost(scene):
    model, evidence, vertebrae = scene
    sightings = {
        item.level: [sightings_of(film, item.level, item.translation_mm, Options()) for film in evidence]
        for item in vertebrae
    }
    check_gradient(LandmarkTerm(landmark_basis(model), sightings, 2.5), Unknowns(vertebrae), 5)


def test_the_shape_prior_has_the_gradient_of_its_cost(scene):
    _, _, vertebrae = scene
    check_gradient(ShapePrior(0.7, 0.08, 0.4, 0.8), Unknowns(vertebrae), 5)
    check_gradient(ShapePrior(0.7, 0.08, 0.0, 0.8, center=vertebrae[::-1]), Unknowns(vertebrae), 12)


def test_the_interval_prior_has_the_gradient_of_its_cost(scene):
    model, _, vertebrae = scene
    check_gradient(IntervalPrior(landmark_basis(model), 1.3), Unknowns(vertebrae), 5)


@pytest.mark.parametrize("pixel_mm", [3.2, 1.6])
def test_the_image_term_has_the_gradient_of_its_cost(scene, pixel_mm):
    model, evidence, vertebrae = scene
    projector = replace(mesh_projector(model, Options(), torch.device("cpu")), dtype=torch.float64)
    term, unknowns = image_term(model, projector, evidence, vertebrae, Options(), pixel_mm, 8.0)
    check_gradient(term, unknowns, 5, step=1e-6, tolerance=1e-4)


def test_an_image_term_that_goes_on_keeps_derivatives_and_hessian_but_not_the_gradient(scene):
    model, evidence, vertebrae = scene
    projector = mesh_projector(model, Options(), torch.device("cpu"))
    term, start = image_term(model, projector, evidence, vertebrae, Options(), 3.2, 8.0)
    layout = Layout(len(vertebrae), 5, tuple(len(item) for item in start.nuisance))

    def at(unknowns, of, again=False):
        equations = NormalEquations(layout)
        drained(of.add_slowly(equations, unknowns, again))
        return equations

    first = at(start, term)
    moved = start.stepped(layout, -0.1 * np.linalg.solve(first.hessian + np.eye(layout.size), first.gradient))
    kept, new = at(moved, term, again=True), at(moved, replace(term))
    np.testing.assert_array_equal(kept.hessian, first.hessian)
    assert kept.cost == pytest.approx(new.cost, rel=1e-6) and kept.cost < first.cost
    off = [np.linalg.norm(item.gradient - new.gradient) for item in (kept, first)]
    assert off[0] < 0.8 * off[1]
    here = at(start, term, again=True)
    np.testing.assert_allclose(here.gradient, first.gradient, atol=1e-4 * np.abs(first.gradient).max())
    # With derivatives of its own it has a Hessian of its own.
    np.testing.assert_allclose(at(moved, term).hessian, new.hessian)


@pytest.fixture
def few_steps(monkeypatch):
    """Let this processor compute as a GPU does, in few large steps."""
    for module in (image_equations, image_term_module):
        monkeypatch.setattr(module, "few_large_steps", lambda device: True)


def image_equations_of(scene, again=False):
    model, evidence, vertebrae = scene
    projector = mesh_projector(model, Options(), torch.device("cpu"))
    term, start = image_term(model, projector, evidence, vertebrae, Options(), 3.2, 8.0)
    layout = Layout(len(vertebrae), 5, tuple(len(item) for item in start.nuisance))
    equations = NormalEquations(layout)
    term.add(equations, start)
    if again:
        equations = NormalEquations(layout)
        drained(term.add_slowly(equations, start, again=True))
    return equations


@pytest.mark.parametrize("again", [False, True])
def test_few_large_steps_give_the_equations_of_many_small_ones(scene, again, request):
    small = image_equations_of(scene, again)
    request.getfixturevalue("few_steps")
    large = image_equations_of(scene, again)
    assert large.cost == pytest.approx(small.cost, rel=1e-6)
    np.testing.assert_allclose(large.gradient, small.gradient, atol=1e-5 * np.abs(small.gradient).max())
    np.testing.assert_allclose(large.hessian, small.hessian, atol=1e-5 * np.abs(small.hessian).max())


@pytest.mark.parametrize("options", [Options(), Options(calibrate_angle_sd_deg=3.0, density_sd=0.1)])
def test_a_registration_in_few_large_steps_ends_where_others_do(options, request):
    model, truth = phantom_model(), phantom_truth(0, levels=LEVELS)
    evidence = drawn_evidence(truth, model.faces, 0)
    small = reconstruct(model, evidence, options, "cpu")
    request.getfixturevalue("few_steps")
    large = reconstruct(model, evidence, options, "cpu")
    for level in LEVELS:
        np.testing.assert_allclose(large.points_ras_mm[level], small.points_ras_mm[level], atol=2e-3)


def test_the_path_length_of_all_vertebrae_is_that_of_each_together(scene):
    model, evidence, vertebrae = scene
    projector = mesh_projector(model, Options(), torch.device("cpu"))
    term, start = image_term(model, projector, evidence, vertebrae, Options(), 3.2, 8.0)
    for number, vertebra in enumerate(vertebrae):
        alone = term.images(replace(start, vertebrae=(vertebra,)))
        for level, image, lengths in zip(term.levels, alone, term.lengths(start), strict=True):
            torch.testing.assert_close(image.reshape(-1)[level.pixels], lengths[number])


def test_the_tangents_are_the_derivative_of_the_points(scene):
    model, _, vertebrae = scene
    basis = vertex_basis(model, np.arange(0, 642, 37))
    rng = np.random.default_rng(2)
    direction = rng.normal(size=7 + 4)
    step = 1e-6
    high, low = (basis.posed(vertebrae[0].stepped(sign * step * direction)) for sign in (1, -1))
    np.testing.assert_allclose((high - low) / (2 * step), basis.tangents(vertebrae[0], 4) @ direction, atol=1e-6)


@pytest.mark.parametrize("factor", [1.0, 2.0, 3.3])
def test_area_averaging_keeps_the_mean_and_a_ramp(factor):
    matrix, count = averaging_matrix(40, factor)
    assert count == int(40 / factor)
    np.testing.assert_allclose(matrix.sum(axis=1), 1.0)
    centers = (np.arange(count) + 0.5) * factor - 0.5
    np.testing.assert_allclose(matrix @ np.arange(40.0), centers, atol=0.06 if factor % 1 else 1e-9)


def test_a_resampled_image_shows_the_same_place_in_its_view():
    truth = phantom_truth(0)
    view = truth.pair.ap
    x = np.arange(view.size_px[0])[None, :] * np.ones((view.size_px[1], 1))
    y = np.arange(view.size_px[1])[:, None] * np.ones((1, view.size_px[0]))
    small_x, small = area_averaged(x, view, (2.3, 1.7))
    small_y, _ = area_averaged(y, view, (2.3, 1.7))
    point = truth.landmarks_ras_mm[LEVELS[0]][3]
    column, row = np.rint(small.project(point)).astype(int)
    near = small.rays(np.array([column, row], dtype=float))
    expected = view.project(near[0] + near[1] * 900.0)
    np.testing.assert_allclose([small_x[row, column], small_y[row, column]], expected, atol=0.1)


def test_the_background_hats_add_up_to_one():
    pixels = torch.arange(0, 60 * 90, 7)
    hats = hat_functions(pixels, 60, 90, (12.5, 17.0))
    total = hats.sum(dim=1)
    assert float(total.max()) <= 1.0 + 1e-6
    assert float((total > 0.999).float().mean()) > 0.9
