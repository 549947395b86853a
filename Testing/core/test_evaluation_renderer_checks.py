"""The answers that the renderer's benchmark compares with."""

from __future__ import annotations

import numpy as np

from LumbarBiplanarLib.evaluation.renderer_checks import inside_polygon, ray_cast_mm, sphere_mesh
from LumbarBiplanarLib.shape.surfaces import is_closed
from rendering_meshes import box


def test_rays_through_a_box_have_its_length():
    points, faces = box((3.0, 4.0, 5.0))
    origins = np.array([[-50.0, 0.3, 0.2], [-50.0, 4.5, 0.0], [0.1, 0.2, 60.0]])
    directions = np.array([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])
    assert np.allclose(ray_cast_mm(points, faces, origins, directions), [6.0, 0.0, 10.0])


def test_the_sphere_is_closed_round_and_outward():
    points, faces = sphere_mesh(20.0, 30)
    assert is_closed(faces)
    assert np.allclose(np.linalg.norm(points, axis=1), 20.0)
    a, b, c = (points[faces[:, i]] for i in range(3))
    volume = np.einsum("ij,ij->", np.cross(a, b), c) / 6
    assert 0.98 < volume / (4 / 3 * np.pi * 20.0**3) < 1.0


def test_inside_a_polygon_with_a_notch():
    outline = np.array([[0, 0], [10, 0], [10, 10], [5, 4], [0, 10]], dtype=float)
    assert inside_polygon(outline, np.array([[5.0, 2.0], [5.0, 8.0], [1.0, 7.0], [-1.0, 5.0]])).tolist() == [
        True,
        False,
        True,
        False,
    ]
