"""Surfaces are drawn without a graphics library: right place and size, the nearer one in front, lit from one side."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from LumbarBiplanarLib.shape import Surface
from LumbarBiplanarLib.study.shading import Eye, looking_along, shade


def ball(center, radius, rings=24):
    theta = np.linspace(0, np.pi, rings + 1)[1:-1]
    phi = np.linspace(0, 2 * np.pi, 2 * rings, endpoint=False)
    grid = np.array([[np.sin(t) * np.cos(p), np.sin(t) * np.sin(p), np.cos(t)] for t in theta for p in phi])
    points = np.concatenate([grid, [[0, 0, 1], [0, 0, -1]]])
    n, faces = len(phi), []
    for row in range(len(theta)):
        for k in range(n):
            a, b = row * n + k, row * n + (k + 1) % n
            if row + 1 < len(theta):
                faces += [[a, a + n, b + n], [a, b + n, b]]
            if row == 0:
                faces.append([len(grid), a, b])
            if row == len(theta) - 1:
                faces.append([len(grid) + 1, b, a])
    return Surface(points * radius + center, np.array(faces))


def eye(direction=(0, -1, 0), size=(120, 100)):
    return Eye(looking_along(direction), np.zeros(3), size, 0.5)


def test_an_eye_from_the_front_has_the_patient_s_right_on_the_left_and_cranial_up():
    right, down, away = looking_along((0.0, -1.0, 0.0))
    assert np.allclose(right, [-1, 0, 0])
    assert np.allclose(down, [0, 0, -1])
    assert np.allclose(away, [0, -1, 0])


def test_a_ball_covers_its_disc_and_nothing_else():
    picture = shade([ball((0, 0, 0), 15.0)], [(1, 0, 0)], eye())
    alpha = picture[..., 3]
    y, x = np.mgrid[0:100, 0:120]
    radius = np.hypot(x - 59.5, y - 49.5) * 0.5
    assert alpha[radius < 14.3].min() == 1.0
    assert alpha[radius > 15.7].max() == 0.0
    assert alpha.sum() * 0.25 == pytest.approx(np.pi * 15.0**2, rel=0.02)


def test_a_ball_to_the_patient_s_left_and_above_is_drawn_right_and_up():
    alpha = shade([ball((-15, 0, 10), 4.0)], [(1, 1, 1)], eye())[..., 3]
    rows, columns = np.nonzero(alpha > 0.5)
    assert columns.mean() == pytest.approx(59.5 + 30, abs=0.6)
    assert rows.mean() == pytest.approx(49.5 - 20, abs=0.6)


def test_the_nearer_surface_hides_the_farther_one_in_either_order():
    near, far = ball((0, 20, 0), 8.0), ball((0, -20, 0), 12.0)
    for order in ((0, 1), (1, 0)):
        surfaces, colors = [(near, far)[k] for k in order], [((1, 0, 0), (0, 0, 1))[k] for k in order]
        picture = shade(surfaces, colors, eye())
        red, blue = picture[50, 60], picture[50, 60 + 20]
        assert red[0] > 2 * red[2]
        assert blue[2] > 2 * blue[0]


def test_the_side_towards_the_light_is_brighter():
    picture = shade([ball((0, 0, 0), 15.0)], [(0.8, 0.8, 0.8)], eye())
    assert picture[49 - 12, 60 - 12, 0] > picture[49 + 16, 60 + 12, 0] + 0.1


def test_surfaces_beside_each_other_are_drawn_as_each_alone():
    right, left = ball((20, 0, 0), 9.0), ball((-20, 0, 0), 9.0, rings=40)
    together = shade([right, left], [(1, 0, 0), (0, 0, 1)], eye())
    alone = shade([right], [(1, 0, 0)], eye()), shade([left], [(0, 0, 1)], eye())
    np.testing.assert_allclose(together[:, :60], alone[0][:, :60], atol=1e-9)
    np.testing.assert_allclose(together[:, 60:], alone[1][:, 60:], atol=1e-9)


def test_a_picture_is_drawn_in_little_memory():
    """Only what is seen of the surfaces gets a normal and a color: 380 bytes per pixel, else 840."""
    surface, large = ball((0, 0, 0), 48.0, rings=60), Eye(looking_along((0, -1, 0)), np.zeros(3), (400, 400), 0.25)
    shade([surface], [(1, 1, 1)], large)
    tracemalloc.start()
    try:
        shade([surface], [(1, 1, 1)], large)
        used = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert used < 500 * 400 * 400
