"""Outlines of projected meshes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from LumbarBiplanarLib.evaluation.renderer_checks import inside_polygon
from LumbarBiplanarLib.geometry import rotation_from_vector, standard_pair
from rendering_meshes import box, bumpy, icosphere, torus

torch = pytest.importorskip("torch")
from LumbarBiplanarLib.rendering import render_path_length, silhouettes


def views_of(model="pinhole"):
    return standard_pair(size_px=((300, 320), (310, 300)), spacing_mm=0.4, model=model).views


def bottom_up_area(outline: np.ndarray) -> float:
    x, y = outline.T
    return 0.5 * float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))


@pytest.mark.parametrize("model", ["pinhole", "slot"])
def test_every_point_of_a_spheres_outline_belongs_to_a_tangent_ray(model):
    center, radius = np.array([5.0, 7.0, -8.0]), 20.0
    points, faces = icosphere(5, radius)
    for view in views_of(model):
        outline = silhouettes(points + center, faces, view)
        origins, directions = view.rays(outline)
        along = np.sum((center - origins) * directions, axis=-1)
        distance = np.linalg.norm(origins + along[:, None] * directions - center, axis=-1)
        assert outline.shape == (240, 2)
        # 0.1 px of 0.4 mm at a magnification of about 1.2
        assert np.abs(distance - radius).max() < 0.1 * 0.4 / 1.2


def test_the_outline_of_an_ellipsoid_in_a_slot_scan_has_its_known_height():
    points, faces = icosphere(5)
    points = points * [30.0, 12.0, 18.0]
    view = views_of("slot")[0]
    outline = silhouettes(points, faces, view, count=1000)
    half_rows = 18.0 / view.spacing_mm[1]
    assert outline[:, 1].max() - view.principal_px[1] == pytest.approx(half_rows, abs=0.1)
    assert outline[:, 1].min() - view.principal_px[1] == pytest.approx(-half_rows, abs=0.1)


def test_outlines_are_closed_evenly_spaced_clockwise_and_start_at_the_top():
    for seed in range(4):
        points, faces = bumpy(3, seed)
        outline = silhouettes(points, faces, views_of()[1], count=200)
        steps = np.linalg.norm(np.roll(outline, -1, axis=0) - outline, axis=1)
        assert outline.shape == (200, 2)
        assert np.median(steps) > 0.95 * steps.max()  # chords are shorter than the arc only at corners
        assert outline[0, 1] == pytest.approx(outline[:, 1].min(), abs=1e-4)
        assert bottom_up_area(outline) > 0  # rows run down, so positive is clockwise on the screen


def test_the_outline_bounds_the_pixels_that_the_renderer_draws():
    for seed in range(3):
        points, faces = bumpy(3, seed)
        view = views_of()[seed % 2]
        outline = silhouettes(points, faces, view, count=2000)
        u, v = np.meshgrid(np.arange(view.size_px[0]), np.arange(view.size_px[1]))
        pixels = np.stack([u, v], axis=-1).reshape(-1, 2).astype(float)
        inside = inside_polygon(outline, pixels).reshape(u.shape)
        image = render_path_length(torch.tensor(points)[None], faces, [view])[0].numpy()
        assert (image[inside] > 0).mean() > 0.9999
        beyond = (image > 0) & ~inside
        distance = cKDTree(outline).query(np.stack([u, v], axis=-1)[beyond])[0]
        assert distance.max() < 1.0  # only pixels that the outline crosses


def test_a_small_motion_moves_the_outline_a_little():
    points, faces = bumpy(3)
    view = views_of()[0]
    before = silhouettes(points, faces, view)
    turn = rotation_from_vector(np.array([0.002, -0.001, 0.002]))
    after = silhouettes(points @ turn.T + [0.05, 0.0, -0.05], faces, view)
    assert np.linalg.norm(after - before, axis=1).max() < 3.0


def test_the_hole_of_a_ring_is_left_out():
    points, faces = torus(25.0, 6.0, 60, 24)
    view = views_of()[0]
    outline = silhouettes(points, faces, view)
    middle = view.project(np.zeros(3))
    assert np.linalg.norm(outline - middle, axis=1).min() > 31.0 / 0.4


def test_degenerate_directions_have_an_outline():
    """Box faces seen edge on, with vertices and edges over one another."""
    points, faces = box((20.0, 15.0, 10.0), levels=2)
    view = views_of("slot")[0]
    outline = silhouettes(points, faces, view, count=4000)
    width, height = np.ptp(outline, axis=0)
    assert height == pytest.approx(20.0 / view.spacing_mm[1], abs=1e-3)
    near = view.depth_mm(np.zeros(3)) - 15.0
    assert width == pytest.approx(40.0 * view.focal_mm / near / view.spacing_mm[0], abs=1e-3)


def test_crumpled_surfaces_still_have_an_outline():
    points, faces = bumpy(3)
    rng = np.random.default_rng(0)
    for _ in range(12):
        crumpled = points @ rotation_from_vector(rng.normal(size=3)).T + rng.normal(0.0, 2.0, points.shape)
        outline = silhouettes(crumpled, faces, views_of()[0])
        pixels = views_of()[0].project(crumpled)
        assert np.allclose(outline[0], pixels[np.argmin(pixels[:, 1])], atol=1e-3)
        assert np.ptp(outline[:, 0]) == pytest.approx(np.ptp(pixels[:, 0]), abs=2.0)


@pytest.mark.parametrize("model", ["pinhole", "slot"])
def test_a_film_turned_over_has_the_outline_turned_over_and_again_clockwise(model):
    points, faces = bumpy(3, 2)
    for view in standard_pair(size_px=((140, 140),) * 2, spacing_mm=0.8, model=model).views:
        outline, over = silhouettes(points, faces, view, 400), silhouettes(points, faces, view.turned_over(), 400)
        x, y = over.T
        assert np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y) > 0  # clockwise on the screen, where rows run down
        apart = np.linalg.norm((over * [-1, 1] + [139, 0])[:, None] - outline, axis=-1).min(axis=1)
        assert apart.max() < 0.5


def test_a_batch_equals_its_meshes():
    (a, faces), (b, _) = bumpy(2, 1), bumpy(2, 2)
    view = views_of()[0]
    together = silhouettes(torch.tensor(np.stack([a, b])), torch.tensor(faces), view, count=100)
    assert together.shape == (2, 100, 2)
    assert np.array_equal(together[1], silhouettes(b, faces, view, count=100))
    assert np.array_equal(together, silhouettes([a, b], [faces, faces], view, count=100))


def test_bad_input_is_named():
    points, faces = icosphere(1, 20.0)
    view = views_of()[0]
    with pytest.raises(ValueError, match="count"):
        silhouettes(points, faces, view, count=2)
    with pytest.raises(ValueError, match="in front of the X-ray source"):
        silhouettes(points + [0.0, 2000.0, 0.0], faces, view)
    with pytest.raises(ValueError, match="lists of faces"):
        silhouettes([points, points], [faces], view)
