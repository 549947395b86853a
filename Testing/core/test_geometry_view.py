"""View: projection, rays, Jacobian, crop and resample, in both models and in random poses."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle

import numpy as np
import pytest

from LumbarBiplanarLib.errors import GeometryError
from LumbarBiplanarLib.geometry import View, rotation_from_vector
from LumbarBiplanarLib.geometry.frames import rigid

MODELS = ("pinhole", "slot")


def random_view(model: str, seed: int = 0) -> View:
    rng = np.random.default_rng(seed)
    pose = rigid(rotation_from_vector(rng.normal(0, 2, 3)), rng.normal((0, 0, 900), 50))
    principal = tuple(rng.uniform(200, 500, 2))
    spacing = tuple(rng.uniform(0.1, 0.6, 2))
    view = View("AP", model, pose, rng.uniform(1000, 1400), principal, (640, 900), spacing, {"focal_mm": "header"})
    return view.turned_over() if seed % 2 else view


def points_in_front(view: View, count: int = 50, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    camera = rng.uniform((-150, -200, 500), (150, 200, 1000), (count, 3))
    return (camera - view.camera_from_ras[:3, 3]) @ view.camera_from_ras[:3, :3]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("seed", range(5))
def test_a_point_lies_on_the_ray_of_its_pixel(model, seed):
    view = random_view(model, seed)
    points = points_in_front(view).reshape(5, 10, 3)
    origins, directions = view.rays(view.project(points))
    assert np.allclose(np.linalg.norm(directions, axis=-1), 1.0, atol=1e-14)
    along = ((points - origins) * directions).sum(-1, keepdims=True)
    assert np.all(along > 0)
    assert np.abs(origins + along * directions - points).max() < 1e-9


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("seed", range(5))
def test_every_point_of_a_ray_projects_to_its_pixel(model, seed):
    view = random_view(model, seed)
    pixels = np.random.default_rng(seed).uniform(0, 600, (40, 2))
    origins, directions = view.rays(pixels)
    for depth in (300.0, 900.0, 1500.0):
        assert np.abs(view.project(origins + depth * directions) - pixels).max() < 1e-8
    assert np.abs(view.project(view.detector_points_ras_mm(pixels)) - pixels).max() < 1e-8


@pytest.mark.parametrize("model", MODELS)
def test_the_jacobian_agrees_with_central_differences(model):
    view = random_view(model, 3)
    points = points_in_front(view)
    step = 1e-2
    jacobian = view.jacobian(points)
    assert jacobian.shape == (50, 2, 3)
    for axis in range(3):
        shift = np.eye(3)[axis] * step
        difference = (view.project(points + shift) - view.project(points - shift)) / (2 * step)
        assert np.abs(difference - jacobian[..., axis]).max() < 1e-6


def test_a_slot_view_magnifies_across_but_not_along():
    view = View("AP", "slot", np.eye(4), 1300.0, (100.0, 200.0), (201, 401), (0.5, 0.25))
    for depth in (600.0, 918.0, 1300.0):
        pixel = view.project([20.0, 30.0, depth])
        assert pixel[0] == pytest.approx(100 + 20.0 * 1300 / depth / 0.5)
        assert pixel[1] == pytest.approx(200 + 30.0 / 0.25)
        assert view.pixel_size_at([20.0, 30.0, depth]) == pytest.approx([0.5 * depth / 1300, 0.25])
    pinhole = dataclasses.replace(view, model="pinhole")
    assert pinhole.pixel_size_at([20.0, 30.0, 918.0]) == pytest.approx([0.5 * 918 / 1300, 0.25 * 918 / 1300])
    assert pinhole.project([20.0, 30.0, 650.0])[1] == pytest.approx(200 + 60.0 / 0.25)


def test_slot_rays_leave_the_source_at_the_height_of_their_row():
    view = View("AP", "slot", np.eye(4), 1300.0, (100.0, 200.0), (201, 401), (0.5, 0.25))
    origins, directions = view.rays([[0.0, 0.0], [150.0, 400.0]])
    assert origins == pytest.approx(np.array([[0, -50.0, 0], [0, 50.0, 0]]))
    assert directions[:, 1] == pytest.approx(0.0)


@pytest.mark.parametrize("model", MODELS)
def test_a_crop_shows_the_same_points_shifted_by_whole_pixels(model):
    view = random_view(model, 4)
    points = points_in_front(view)
    crop = view.cropped(30, -12, 200, 300)
    assert crop.size_px == (200, 300)
    assert np.abs(crop.project(points) - (view.project(points) - (30, -12))).max() < 1e-10


@pytest.mark.parametrize("model", MODELS)
def test_resampling_keeps_the_corner_of_the_film_and_not_the_centre_of_its_first_pixel(model):
    view = random_view(model, 5)
    points = points_in_front(view)
    half = view.resampled((2 * view.spacing_mm[0], 2 * view.spacing_mm[1]))
    assert half.size_px == (320, 450)
    assert np.allclose(half.project(points), (view.project(points) + 0.5) / 2 - 0.5, atol=1e-9)
    assert np.allclose(half.detector_corners_ras_mm(), view.detector_corners_ras_mm(), atol=1e-9)
    # The center of a coarse pixel is the middle of its four fine pixels.
    fine = view.detector_points_ras_mm([[10, 20], [11, 20], [10, 21], [11, 21]]).mean(axis=0)
    assert np.allclose(half.detector_points_ras_mm([5, 10]), fine, atol=1e-9)


@pytest.mark.parametrize("factor", (0.3, 1.7, (0.5, 2.0)))
def test_resizing_keeps_the_outline_exactly_although_sizes_are_rounded(factor):
    view = random_view("pinhole", 6)
    other = view.resized(factor)
    assert np.allclose(other.detector_corners_ras_mm(), view.detector_corners_ras_mm(), atol=1e-9)
    assert other.provenance == view.provenance


def test_resampling_rounds_the_size_and_keeps_the_spacing_asked_for():
    view = View("AP", "pinhole", np.eye(4), 1000.0, (49.5, 49.5), (100, 100), (0.4, 0.4))
    other = view.resampled(0.7)
    assert other.spacing_mm == (0.7, 0.7)
    assert other.size_px == (57, 57)
    assert np.allclose(other.detector_corners_ras_mm()[0], view.detector_corners_ras_mm()[0])


def test_points_behind_the_source_are_told_by_in_front():
    view = View("AP", "pinhole", np.eye(4), 1000.0, (49.5, 49.5), (100, 100), (0.4, 0.4))
    points = np.array([[0, 0, 500.0], [0, 0, -500.0], [1.0, 0, 0]])
    assert view.in_front(points).tolist() == [True, False, False]
    assert view.depth_mm(points).tolist() == [500.0, -500.0, 0.0]
    assert np.isfinite(view.project(points)[:2]).all()


def test_contains_takes_the_outer_half_pixels_in():
    view = View("AP", "pinhole", np.eye(4), 1000.0, (49.5, 49.5), (100, 80), (0.4, 0.4))
    assert view.contains([[-0.5, -0.5], [99.5, 79.5], [-0.6, 3], [3, 80]]).tolist() == [True, True, False, False]


def test_a_view_cannot_be_changed():
    view = random_view("slot")
    with pytest.raises(dataclasses.FrozenInstanceError):
        view.focal_mm = 3.0
    with pytest.raises(ValueError, match="read-only"):
        view.camera_from_ras[0, 0] = 3.0
    with pytest.raises(TypeError):
        view.provenance["focal_mm"] = "guess"
    matrix = np.eye(4)
    own = View("AP", "slot", matrix, 1.0, (0, 0), (1, 1), (1, 1))
    matrix[0, 3] = 7.0
    assert own.camera_from_ras[0, 3] == 0.0


@pytest.mark.parametrize("model", MODELS)
def test_json_pickle_and_copy_give_back_exactly_the_same_view(model):
    view = random_view(model, 7)
    for other in (
        View.from_dict(json.loads(json.dumps(view.to_dict()))),
        pickle.loads(pickle.dumps(view)),
        copy.deepcopy(view),
    ):
        assert other == view and hash(other) == hash(view)
    assert view != dataclasses.replace(view, focal_mm=view.focal_mm + 1e-9)
    assert view.provenance["focal_mm"] == "header" and view.provenance["spacing_mm"] == "unknown"


@pytest.mark.parametrize("model", MODELS)
def test_a_film_turned_over_shows_the_same_points_in_columns_of_reverse_order(model):
    view = random_view(model, 4)
    points, over = points_in_front(view), view.turned_over()
    assert (view.mirrored, over.mirrored) == (False, True)
    assert np.allclose(over.project(points), view.project(points) * [-1, 1] + [639, 0], atol=1e-9)
    assert np.allclose(over.source_ras_mm, view.source_ras_mm) and np.allclose(over.beam_ras, view.beam_ras)
    assert np.array_equal(over.turned_over().camera_from_ras, view.camera_from_ras)


def test_a_view_of_the_mirrored_patient_shows_him_where_he_was():
    view = random_view("pinhole", 4)
    points, other = points_in_front(view), view.of_mirrored_patient()
    assert np.allclose(other.project(points * [-1, 1, 1]), view.project(points), atol=1e-9)
    assert other.of_mirrored_patient() == view and other.mirrored


GOOD = dict(
    name="AP", model="pinhole", camera_from_ras=np.eye(4), focal_mm=1000.0, principal_px=(1, 2), size_px=(3, 4),
    spacing_mm=(0.4, 0.4),
)  # fmt: skip


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("name", "", "name"),
        ("model", "fan", "'pinhole' or 'slot'.*'fan'"),
        ("camera_from_ras", np.diag([1.0, 1.0, 2.0, 1.0]), "not rigid"),
        ("camera_from_ras", np.diag([-1.0, 1.0, 1.0, 1.0]), 'mirrors the patient.*"mirrored": true'),
        ("mirrored", True, "does not mirror the patient"),
        ("mirrored", "no", "mirrored must be true or false, found 'no'"),
        ("camera_from_ras", np.eye(3), "shape"),
        ("camera_from_ras", np.full((4, 4), np.nan), "NaN"),
        ("camera_from_ras", [["a"] * 4] * 4, "four rows"),
        ("camera_from_ras", np.vstack([np.eye(4)[:3], [[0, 0, 1, 1]]]), "last row"),
        ("focal_mm", 0, "focal_mm must be a positive number.*found 0"),
        ("focal_mm", float("nan"), "nan"),
        ("focal_mm", "1000", "'1000'"),
        ("focal_mm", True, "True"),
        ("principal_px", (1, float("inf")), "finite"),
        ("principal_px", (1, 2, 3), "two numbers"),
        ("principal_px", "12", "two numbers"),
        ("size_px", (3, 0), "at least 1"),
        ("size_px", (3.5, 4), "whole"),
        ("size_px", 3, "two numbers"),
        ("spacing_mm", (0.4, -0.4), "positive"),
        ("spacing_mm", 0.4, "two numbers"),
        ("provenance", {"focal": "x"}, "unknown keys"),
        ("provenance", {"focal_mm": 3}, "text"),
    ],
)
def test_a_bad_number_is_refused_with_its_key_and_value(key, value, message):
    with pytest.raises(GeometryError, match=message):
        View(**{**GOOD, key: value})


def test_from_dict_refuses_missing_and_unknown_keys():
    good = View(**GOOD).to_dict()
    with pytest.raises(GeometryError, match="missing focal_mm"):
        View.from_dict({key: value for key, value in good.items() if key != "focal_mm"})
    with pytest.raises(GeometryError, match="unknown key focal_px"):
        View.from_dict({**good, "focal_px": 3})
    # Files written before films could be stored turned over say nothing of it.
    assert View.from_dict({key: value for key, value in good.items() if key != "mirrored"}) == View(**GOOD)
    with pytest.raises(GeometryError, match="must be an object"):
        View.from_dict([1, 2])
