"""Ray integration against paths known exactly."""

from __future__ import annotations

import numpy as np
import pytest

from LumbarBiplanarLib.errors import VolumeError
from LumbarBiplanarLib.geometry import View, rotation_from_vector, standard_pair, transform_points
from LumbarBiplanarLib.geometry.frames import rigid
from LumbarBiplanarLib.imaging import integrate_rays, integrate_volume

AFFINE = rigid(rotation_from_vector([0.3, -0.2, 0.5]) * (1.5, 2.0, 3.0), (-20.0, -30.0, -40.0))


def box_path_mm(low, high, origins, directions):
    """Length of lines inside an axis-aligned box, by the slab method."""
    with np.errstate(divide="ignore"):
        first, second = (low - origins) / directions, (high - origins) / directions
    near, far = np.minimum(first, second).max(-1), np.maximum(first, second).min(-1)
    return np.maximum(far - near, 0.0)


def brute_force(volume, ijk_from_ras, origins, directions, step_mm=0.002):
    """Sample every ray densely at midpoints."""
    t = np.arange(-60.0, 60.0, step_mm) + step_mm / 2
    sums = np.zeros(len(origins))
    for row, (origin, direction) in enumerate(zip(origins, directions, strict=True)):
        index = np.floor(transform_points(ijk_from_ras, origin + t[:, None] * direction) + 0.5).astype(int)
        inside = np.all((index >= 0) & (index < volume.shape), axis=1)
        sums[row] = volume[tuple(index[inside].T)].sum() * step_mm
    return sums


@pytest.mark.parametrize("model", ("pinhole", "slot"))
@pytest.mark.parametrize("angle", (60.0, 90.0))
def test_the_path_through_a_box_is_exact_in_both_models(model, angle):
    volume = np.zeros((20, 24, 28))
    volume[3:15, 5:20, 7:22] = 1.0
    pair = standard_pair(angle_deg=angle, size_px=((61, 83), (55, 91)), spacing_mm=1.3, model=model)
    for view in pair.views:
        columns, rows = np.meshgrid(np.arange(view.size_px[0]), np.arange(view.size_px[1]))
        origins, directions = view.rays(np.stack([columns, rows], axis=-1))
        # Voxel i of spacing 2 mm from -25 fills [2 i - 26, 2 i - 24].
        affine = np.diag([2.0, 2.0, 2.0, 1.0])
        affine[:3, 3] = -25.0
        low, high = np.array([3, 5, 7]) * 2.0 - 26, np.array([15, 20, 22]) * 2.0 - 26
        truth = box_path_mm(low, high, origins, directions)
        assert truth.max() > 20.0
        exact = integrate_volume(volume, np.linalg.inv(affine), view, dtype="float64")
        assert exact.dtype == np.float64 and np.abs(exact - truth).max() < 1e-9
        single = integrate_volume(volume, np.linalg.inv(affine), view)
        assert single.dtype == np.float32 and np.abs(single - truth).max() < 2e-3
        assert np.all(single[truth == 0.0] < 2e-3)


def test_a_random_volume_agrees_with_dense_sampling_in_every_direction():
    rng = np.random.default_rng(0)
    volume = rng.uniform(size=(7, 9, 5))
    ijk_from_ras = np.linalg.inv(AFFINE)
    center = transform_points(AFFINE, (np.array(volume.shape) - 1) / 2)
    directions = rng.normal(size=(60, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    origins = center + rng.normal(0, 3, (60, 3))
    exact = integrate_rays(volume, ijk_from_ras, origins, directions, dtype="float64").numpy()
    assert np.abs(exact - brute_force(volume, ijk_from_ras, origins, directions)).max() < 0.01
    far = integrate_rays(volume, ijk_from_ras, origins - 900 * directions, directions, dtype="float64").numpy()
    assert np.abs(exact - far).max() < 1e-9
    single = integrate_rays(volume, ijk_from_ras, origins - 900 * directions, directions).numpy()
    assert np.abs(exact - single).max() < 1e-3


@pytest.mark.parametrize("sign", (1.0, -1.0))
@pytest.mark.parametrize("axis", (0, 1, 2))
def test_rays_parallel_to_an_axis_give_the_sums_of_the_voxels(axis, sign):
    volume = np.random.default_rng(1).uniform(size=(4, 5, 6))
    others = [other for other in range(3) if other != axis]
    grid = np.stack(np.meshgrid(*(np.arange(volume.shape[other]) for other in others), indexing="ij"), axis=-1)
    origins = np.zeros((*grid.shape[:2], 3))
    origins[..., others] = grid + 0.25
    directions = np.zeros_like(origins)
    directions[..., axis] = sign
    sums = integrate_rays(volume, np.eye(4), origins.reshape(-1, 3), directions.reshape(-1, 3), dtype="float64")
    assert np.allclose(sums.numpy().reshape(grid.shape[:2]), volume.sum(axis=axis), atol=1e-12)


def test_a_ray_in_the_plane_between_two_voxels_counts_one_of_them_once():
    volume = np.ones((4, 4, 4))
    volume[2] = 10.0
    origins, directions = np.array([[1.5, 1.2, 0.0], [1.5, 1.5, 0.0]]), np.array([[0.0, 0.0, 1.0]] * 2)
    assert integrate_rays(volume, np.eye(4), origins, directions, dtype="float64").tolist() == [40.0, 40.0]


def test_a_diagonal_ray_through_voxel_corners_has_the_full_length():
    volume = np.ones((8, 8, 8))
    direction = np.ones((1, 3)) / np.sqrt(3)
    for dtype in ("float32", "float64"):
        path = integrate_rays(volume, np.eye(4), np.full((1, 3), 3.5), direction, dtype=dtype)
        assert float(path[0]) == pytest.approx(8 * np.sqrt(3), rel=1e-6)


def test_rays_that_miss_the_volume_give_zero():
    volume = np.ones((4, 4, 4))
    origins = np.array([[10.0, 0, 0], [0.0, 4.0, 0.0]])
    directions = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    assert integrate_rays(volume, np.eye(4), origins, directions).tolist() == [0.0, 0.0]


def test_several_quantities_share_the_rays_and_equal_one_at_a_time():
    volumes = np.random.default_rng(2).uniform(size=(3, 9, 8, 7))
    view = standard_pair(size_px=((40, 50), (40, 50)), spacing_mm=0.8).lateral
    ijk_from_ras = np.linalg.inv(np.diag([3.0, 3.0, 3.0, 1.0]))
    together = integrate_volume(volumes, ijk_from_ras, view, dtype="float64")
    assert together.shape == (3, 50, 40) and together.max() > 5.0
    for volume, image in zip(volumes, together, strict=True):
        assert np.abs(integrate_volume(volume, ijk_from_ras, view, dtype="float64") - image).max() < 1e-12


def test_the_size_of_the_batches_changes_nothing(monkeypatch):
    from LumbarBiplanarLib.imaging import integration

    volume = np.random.default_rng(3).uniform(size=(9, 8, 7))
    view = View("AP", "slot", np.array(standard_pair().ap.camera_from_ras), 1100.0, (20, 25), (41, 51), (0.8, 0.8))
    whole = integrate_volume(volume, np.eye(4) / 2 + np.diag([0, 0, 0, 0.5]), view)
    monkeypatch.setattr(integration, "_SLABS_PER_CHUNK", {"cpu": 100})
    assert np.array_equal(whole, integrate_volume(volume, np.eye(4) / 2 + np.diag([0, 0, 0, 0.5]), view))
    assert whole.max() > 0


def test_a_volume_of_two_axes_is_refused():
    with pytest.raises(VolumeError, match=r"\(4, 4\)"):
        integrate_rays(np.ones((4, 4)), np.eye(4), np.zeros((1, 3)), np.ones((1, 3)))
