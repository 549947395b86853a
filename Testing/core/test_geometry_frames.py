"""Rotation vectors, transforms and the similarity fit."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from LumbarBiplanarLib.errors import GeometryError
from LumbarBiplanarLib.geometry import (
    ras_from_lps,
    rotation_from_vector,
    similarity_fit,
    transform_points,
    vector_from_rotation,
)
from LumbarBiplanarLib.geometry.frames import rigid


@pytest.mark.parametrize("angle", (0.0, 1e-12, 1e-7, 1e-3, 1.0, 3.0, np.pi - 1e-7, np.pi))
def test_rotation_vectors_agree_with_scipy_and_come_back_at_every_angle(angle):
    axes = np.random.default_rng(0).normal(size=(4, 5, 3))
    vectors = angle * axes / np.linalg.norm(axes, axis=-1, keepdims=True)
    rotations = rotation_from_vector(vectors)
    expected = Rotation.from_rotvec(vectors.reshape(-1, 3)).as_matrix().reshape(4, 5, 3, 3)
    assert np.abs(rotations - expected).max() < 1e-14
    back = vector_from_rotation(rotations)
    assert np.abs(rotation_from_vector(back) - rotations).max() < 1e-13
    if angle < np.pi:
        assert np.abs(back - vectors).max() < 1e-12


def test_points_are_transformed_by_one_matrix_or_by_one_each():
    rng = np.random.default_rng(1)
    matrices = np.stack(
        [
            rigid(rotation_from_vector(v), t)
            for v, t in zip(rng.normal(size=(4, 3)), rng.normal(size=(4, 3)), strict=True)
        ]
    )
    points = rng.normal(size=(4, 3))
    each = transform_points(matrices, points)
    assert np.allclose(each, [transform_points(m, p) for m, p in zip(matrices, points, strict=True)])
    assert np.allclose(transform_points(ras_from_lps, [1.0, 2.0, 3.0]), [-1.0, -2.0, 3.0])


@pytest.mark.parametrize("with_scale", (True, False))
@pytest.mark.parametrize("count", (3, 40))
def test_a_similarity_is_found_back_exactly(with_scale, count):
    rng = np.random.default_rng(2)
    source = rng.normal(0, 20, (count, 3))
    scale = 1.3 if with_scale else 1.0
    truth = rigid(scale * rotation_from_vector([0.4, -2.0, 1.0]), (100.0, -50.0, 3.0))
    found = similarity_fit(source, transform_points(truth, source), rng.uniform(0.1, 1, count), with_scale)
    assert np.abs(found - truth).max() < 1e-10


def test_a_similarity_never_mirrors_and_heeds_weights():
    rng = np.random.default_rng(3)
    source = rng.normal(size=(30, 3))
    fit = similarity_fit(source, source * (-1, 1, 1))
    assert np.linalg.det(fit[:3, :3]) > 0
    target = source.copy()
    target[0] += 100.0
    weights = np.ones(30)
    weights[0] = 0.0
    assert np.allclose(similarity_fit(source, target, weights), np.eye(4), atol=1e-12)


def test_a_similarity_is_refused_where_points_do_not_determine_it():
    line = np.outer(np.arange(5.0), (1, 2, 3))
    with pytest.raises(GeometryError, match="one line"):
        similarity_fit(line, line)
    with pytest.raises(GeometryError, match="equal size"):
        similarity_fit(line, line[:3])
    with pytest.raises(GeometryError, match="NaN"):
        similarity_fit(line, line * np.nan)
    with pytest.raises(GeometryError, match="weights"):
        similarity_fit(line, line, -np.ones(5))
