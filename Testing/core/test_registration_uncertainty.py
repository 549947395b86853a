"""The posterior of a registration: its size against the errors that are made, and what it is made of."""

from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest

from LumbarBiplanarLib.anatomy import LUMBAR_LEVELS, Level
from LumbarBiplanarLib.errors import RegistrationError
from LumbarBiplanarLib.registration import Options, reconstruct, register
from LumbarBiplanarLib.registration.corrections import Correction, Corrections
from LumbarBiplanarLib.registration.least_squares import Layout
from LumbarBiplanarLib.registration.uncertainty import _FLOOR_MM, Posterior, laplace_posterior
from LumbarBiplanarLib.shape.surfaces import vertex_normals
from registration_phantom import drawn_evidence, phantom_model, phantom_truth

LANDMARKS_ONLY = Options(use_images=False)


@pytest.fixture(scope="module")
def with_images():
    model, truth = phantom_model(), phantom_truth(7)
    return model, truth, reconstruct(model, drawn_evidence(truth, model.faces, 7))


def test_only_the_last_state_has_a_posterior():
    model, truth = phantom_model(), phantom_truth(1)
    states = list(register(model, drawn_evidence(truth, model.faces, 1), LANDMARKS_ONLY))
    assert all(state.posterior is None for state in states[:-1])
    assert states[-1].posterior.levels == LUMBAR_LEVELS


def test_a_position_is_as_far_off_as_the_landmarks_let_it_expect():
    model, scores = phantom_model(), []
    for seed in range(12):
        truth = phantom_truth(seed)
        result = reconstruct(model, drawn_evidence(truth, model.faces, seed), LANDMARKS_ONLY)
        posterior = result.final_state.posterior
        for level in LUMBAR_LEVELS:
            off = result.ras_from_vertebra[level][:3, 3] - truth.ras_from_vertebra[level][:3, 3]
            scores.append(off / posterior.pose_sd(level)[1])
    scores = np.abs(np.concatenate(scores))
    assert 0.8 < np.mean(scores < 1.645) < 0.98  # 90 % if all is as assumed


def test_images_make_a_reconstruction_surer_than_landmarks_alone(with_images):
    model, truth, result = with_images
    alone = reconstruct(model, drawn_evidence(truth, model.faces, 7), LANDMARKS_ONLY).final_state.posterior
    both = result.final_state.posterior
    for level in LUMBAR_LEVELS:
        assert both.vertex_sd_mm(level).mean() < 0.8 * alone.vertex_sd_mm(level).mean()


def test_what_the_model_cannot_express_is_what_it_left_of_people_left_out(repository):
    with open(repository / "docs" / "benchmarks" / "shape_model.csv", encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if (row["condition"], row["modes"]) == ("sound", "all")]
    for region, floor_mm in _FLOOR_MM.items():
        left = [float(row["mean_mm"]) for row in rows if row["region"] == region.name.lower()]
        assert len(left) > 20
        assert floor_mm == pytest.approx(np.mean(left), abs=0.015)


def test_samples_spread_as_the_standard_deviations_say(with_images):
    _, _, result = with_images
    posterior = result.final_state.posterior
    points = result.points_ras_mm[Level.L3]
    normals = vertex_normals(points, np.asarray(result.faces))
    drawn = np.stack([sample[Level.L3] for sample in posterior.samples(150, seed=3)])
    off = np.einsum("nvx,vx->nv", drawn - points, normals)
    assert np.median(off.std(axis=0) / posterior.vertex_sd_mm(Level.L3)) == pytest.approx(1.0, abs=0.12)
    assert np.abs(off.mean(axis=0)).max() < 0.3


def test_the_same_seed_gives_the_same_samples(with_images):
    posterior = with_images[2].final_state.posterior
    first, again = (next(posterior.samples(1, seed=5))[Level.L1] for _ in range(2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, next(posterior.samples(1, seed=6))[Level.L1])


def test_evidence_that_is_known_to_be_worse_than_it_says_widens_poses_and_shapes():
    model, truth = phantom_model(), phantom_truth(2)
    evidence = drawn_evidence(truth, model.faces, 2)
    usual, wider = (
        reconstruct(model, evidence, replace(LANDMARKS_ONLY, posterior_sd_factor=factor)).final_state.posterior
        for factor in (1.0, 2.0)
    )
    for before, after in zip(usual.pose_sd(Level.L2), wider.pose_sd(Level.L2), strict=True):
        np.testing.assert_allclose(after, 2.0 * before, rtol=1e-6)
    assert (wider.vertex_sd_mm(Level.L2) < 2.0 * usual.vertex_sd_mm(Level.L2)).all()  # the model's own part stays
    with pytest.raises(RegistrationError, match="posterior_sd_factor"):
        Options(posterior_sd_factor=0.0)


def test_a_level_that_was_not_reconstructed_has_no_uncertainty(with_images):
    with pytest.raises(RegistrationError, match="S1 was not reconstructed"):
        with_images[2].final_state.posterior.vertex_sd_mm(Level.S1)


def test_evidence_that_leaves_a_pose_open_has_no_posterior(with_images):
    model, _, result = with_images

    class Nothing:
        name = "nothing"

        def add(self, equations, unknowns):
            assert isinstance(equations.layout, Layout)

    from LumbarBiplanarLib.registration.least_squares import Unknowns

    with pytest.raises(RegistrationError, match="does not determine"):
        laplace_posterior(model, [Nothing()], Unknowns(result.final_state.posterior.vertebrae))


def test_films_never_make_the_geometry_known_less_well_than_it_was():
    unknowns = (Correction("distance_ap", "mm", 20.0, view="AP"), Correction("angle", "deg", np.deg2rad(3.0)))
    corrections = Corrections(unknowns, np.zeros(2))
    covariance = np.diag([28.0, np.deg2rad(1.5)]) ** 2
    posterior = Posterior(phantom_model(), (), np.zeros((0, 0)), corrections, covariance)
    assert posterior.correction_sd() == pytest.approx({"distance_ap": 20.0, "angle": 1.5})
