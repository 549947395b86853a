"""The shape model as an object, and the one that comes with the module."""

from __future__ import annotations

import numpy as np
import pytest

from LumbarBiplanarLib.anatomy import LANDMARK_NAMES, LUMBAR_LEVELS, Level, Region
from LumbarBiplanarLib.errors import ShapeModelError
from LumbarBiplanarLib.resources import resource_path
from LumbarBiplanarLib.shape import load_shape_model
from LumbarBiplanarLib.shape.building import vertebra_from_points
from LumbarBiplanarLib.shape.surfaces import is_closed, signed_volume, vertex_areas, vertex_normals


@pytest.fixture(scope="module")
def model():
    return load_shape_model()


def test_zero_coefficients_give_the_mean(model):
    for level in LUMBAR_LEVELS:
        assert np.array_equal(model.instance(level, np.zeros(model.mode_count)), model.mean(level))


def test_an_instance_moves_by_its_modes(model):
    coefficients = np.zeros(model.mode_count)
    coefficients[[0, 40]] = 1.5, -2.0
    moved = model.instance(Level.L3, coefficients) - model.mean(Level.L3)
    assert np.allclose(moved, 1.5 * model.modes_mm[0] - 2.0 * model.modes_mm[40])


def test_projection_recovers_the_shape_of_an_instance(model):
    coefficients = np.random.default_rng(0).standard_normal(model.mode_count)
    points = model.instance(Level.L2, coefficients)
    again = model.instance(Level.L2, model.project(Level.L2, points))
    assert np.abs(again - points).max() < 0.1


def test_the_posterior_follows_what_was_seen_and_is_surer_there(model):
    rng = np.random.default_rng(1)
    points = model.instance(Level.L4, rng.standard_normal(model.mode_count))
    seen = np.flatnonzero(model.region_labels == Region.BODY)
    posterior = model.posterior(Level.L4, seen, points[seen], 0.2)
    found = model.instance(Level.L4, posterior.mean)
    assert np.linalg.norm(found[seen] - points[seen], axis=1).mean() < 0.2
    before, after = model.marginal_sd_mm(), model.marginal_sd_mm(posterior.covariance)
    assert after[seen].mean() < 0.25 * before[seen].mean()
    assert np.all(after <= before + 1e-9)
    unseen = model.region_labels == Region.SPINOUS
    assert after[unseen].mean() > 2.0 * after[seen].mean()


def test_the_posterior_of_noise_free_points_equals_gaussian_conditioning(model):
    small = model.truncated(5)
    vertices = np.array([10, 500, 900])
    points = small.mean(Level.L1)[vertices] + 1.0
    basis = small.modes_mm[:, vertices].reshape(5, -1).T
    gain = basis.T @ np.linalg.inv(basis @ basis.T + 0.3**2 * np.eye(9))
    expected = gain @ np.ones(9)
    posterior = small.posterior(Level.L1, vertices, points, 0.3)
    assert np.allclose(posterior.mean, expected)
    assert np.allclose(posterior.covariance, np.eye(5) - gain @ basis)


def test_wrong_arguments_are_refused_by_name(model):
    with pytest.raises(ShapeModelError, match="S1"):
        model.mean(Level.S1)
    with pytest.raises(ShapeModelError, match=str(model.mode_count)):
        model.instance(Level.L1, np.zeros(model.mode_count + 1))
    with pytest.raises(ShapeModelError, match="positive"):
        model.posterior(Level.L1, np.array([0]), np.zeros((1, 3)), 0.0)


def test_the_bundled_model_is_closed_symmetric_and_small(model):
    assert resource_path("ShapeModel", "lumbar.npz").stat().st_size < 12e6
    assert is_closed(model.faces)
    assert is_closed(model.coarse_faces)
    for level in LUMBAR_LEVELS:
        mean = model.mean(level)
        assert signed_volume(mean, model.faces) > 0
        assert signed_volume(mean[model.coarse_vertices], model.coarse_faces) > 0.99 * signed_volume(mean, model.faces)
        assert np.allclose(mean[model.mirror] * [-1, 1, 1], mean, atol=1e-3)


def test_the_bundled_model_was_built_without_the_sample_and_without_fractures(model):
    vertebrae = model.provenance["vertebrae"]
    assert "vhm L3" in vertebrae
    assert not any(name.startswith("wholebodyct") for name in vertebrae)
    assert not {"verse010 L1", "verse004 L1", "verse009 L3", "verse009 L5", "verse022 L1"} & set(vertebrae)


def test_the_means_stand_in_the_vertebra_frame(model):
    for level in LUMBAR_LEVELS:
        assert np.allclose(vertebra_from_points(model.mean(level), model.landmark_vertices), np.eye(4), atol=1e-3)


def test_landmarks_lie_where_their_names_say(model):
    for level in LUMBAR_LEVELS:
        mean = model.mean(level)
        at = dict(zip(LANDMARK_NAMES, model.landmarks(mean), strict=True))
        for name, point in at.items():
            if name.endswith("_right"):
                assert point[0] > 5
                assert np.allclose(at[name.replace("_right", "_left")], point * [-1, 1, 1], atol=1e-3)
        assert at["superior_endplate_anterior"][1] > 10 > -10 > at["superior_endplate_posterior"][1]
        assert at["spinous_tip"][1] < at["spinous_base"][1] < at["pedicle_left"][1] < 0
        assert at["transverse_tip_right"][0] == pytest.approx(mean[:, 0].max(), abs=0.5)
        assert at["superior_articular_tip_left"][2] > 8 > -8 > at["inferior_articular_tip_left"][2]
        assert np.array_equal(model.landmark(mean, "spinous_tip"), at["spinous_tip"])


def test_mean_dimensions_agree_with_published_ones(model):
    """Clouthier 2023 (J Biomech 146:111421), observed ranges of L2-L5 over 87 people."""
    for level in LUMBAR_LEVELS[1:]:
        at = dict(zip(LANDMARK_NAMES, model.landmarks(model.mean(level)), strict=True))
        depth = np.linalg.norm(at["superior_endplate_anterior"] - at["superior_endplate_posterior"])
        width = at["superior_endplate_right"][0] - at["superior_endplate_left"][0]
        height = np.linalg.norm(at["superior_endplate_anterior"] - at["inferior_endplate_anterior"])
        assert 29.5 < depth < 42.0
        assert 39.4 < width < 58.8
        assert 23.5 < height < 32.4


def test_endplates_face_up_and_down_and_belong_to_the_body(model):
    for level in LUMBAR_LEVELS:
        normals = vertex_normals(model.mean(level), model.faces)
        for label, sign in ((1, 1.0), (2, -1.0)):
            own = model.endplate_labels == label
            assert own.sum() > 150
            assert np.all(model.region_labels[own] == Region.BODY)
            assert (sign * normals[own, 2]).mean() > 0.85


def test_modes_are_smooth_and_residual_modes_contain_no_pose(model):
    extra = model.modes_mm[model.pca_count :]
    middle = model.mean_points_mm.mean(axis=0)
    edges = model.faces[:, :2]
    jump = np.linalg.norm(extra[:, edges[:, 0]] - extra[:, edges[:, 1]], axis=-1)
    assert jump.mean() < 0.25 * np.linalg.norm(extra, axis=-1).mean()
    area = vertex_areas(middle, model.faces)
    translation = np.abs(np.tensordot(extra, area / area.sum(), axes=(1, 0))).max()
    assert translation < 0.02 * np.sqrt((extra**2).mean() * 3)
    assert middle.shape == extra.shape[1:]
