"""Distances between surfaces: right on surfaces of known distance."""

from __future__ import annotations

import numpy as np
import pytest

from LumbarBiplanarLib.anatomy import Level, Region
from LumbarBiplanarLib.evaluation.metrics import misnamed_levels, rigid_alignment, summarized, two_way_distances
from LumbarBiplanarLib.geometry import rotation_from_vector, transform_points
from LumbarBiplanarLib.shape import Surface
from test_study_shading import ball


def potato(center=(0.0, 0.0, 0.0)):
    surface = ball((0, 0, 0), 1.0, rings=40)
    return Surface(
        surface.points_ras_mm * [25, 18, 12] + [3, 0, 0] * surface.points_ras_mm[:, 2:] + center, surface.faces
    )


def test_balls_one_inside_the_other_are_apart_by_the_difference_of_their_radii_both_ways():
    distances = two_way_distances(ball((0, 0, 0), 20.0, 60), ball((0, 0, 0), 22.0, 60))
    for part in (distances, distances.direction(True), distances.direction(False)):
        errors = part.summary()
        assert errors.mean == pytest.approx(2.0, abs=0.03)
        assert errors.rms == pytest.approx(2.0, abs=0.03)
        assert errors.p95 == pytest.approx(2.0, abs=0.03)
    assert distances.weights.sum() == pytest.approx(1.0)


def test_a_surface_is_at_no_distance_from_itself():
    assert two_way_distances(potato(), potato()).summary().max < 1e-9


def test_both_directions_are_measured():
    # A second ball that the truth lacks is seen only from the reconstruction.
    one, other = ball((0, 0, 0), 10.0), ball((60, 0, 0), 10.0)
    both = Surface(
        np.concatenate([one.points_ras_mm, other.points_ras_mm]),
        np.concatenate([one.faces, other.faces + len(one.points_ras_mm)]),
    )
    distances = two_way_distances(both, one)
    assert distances.direction(False).summary().max < 1e-9
    assert distances.direction(True).summary().mean > 20.0
    assert distances.summary().mean == pytest.approx(distances.direction(True).summary().mean / 2)


def test_dense_parts_of_a_mesh_count_by_their_area():
    true = ball((0, 0, 0), 20.0, 30)
    # Half of the ball moved: its mean distance must not depend on how densely the other half is meshed.
    coarse, fine = ball((0, 0, 0), 20.0, 20), ball((0, 0, 0), 20.0, 60)
    means = []
    for surface in (coarse, fine):
        points = surface.points_ras_mm + [0, 0, 5.0]
        means.append(two_way_distances(Surface(points, surface.faces), true).direction(True).summary().mean)
    assert means[0] == pytest.approx(means[1], rel=0.03)


def test_a_region_is_measured_by_itself():
    true = ball((0, 0, 0), 20.0, 40)
    labels = np.where(true.points_ras_mm[:, 2] > 0, int(Region.SPINOUS), int(Region.BODY))
    moved = true.points_ras_mm + np.where(labels == Region.SPINOUS, 3.0, 0.0)[:, None] * [0, 0, 1]
    distances = two_way_distances(Surface(moved, true.faces), true, labels)
    assert distances.of_regions([Region.BODY]).summary().mean < 0.2
    assert distances.of_regions([Region.SPINOUS]).summary().mean > 1.0
    assert distances.of_regions([Region.PEDICLE]) is None


def test_levels_count_alike_however_many_samples_they_have():
    small = two_way_distances(ball((0, 0, 0), 5.0, 10), ball((0, 0, 0), 6.0, 10))
    large = two_way_distances(ball((0, 0, 0), 20.0, 60), ball((0, 0, 0), 23.0, 60))
    expected = (small.summary().mean + large.summary().mean) / 2
    assert summarized([small, large]).mean == pytest.approx(expected)


def test_a_rigid_motion_is_found_and_a_size_is_kept():
    motion = np.eye(4)
    motion[:3, :3] = rotation_from_vector(np.array([0.05, -0.08, 0.1]))
    motion[:3, 3] = [2.0, -1.0, 3.0]
    true = {Level.L1: potato(), Level.L2: potato((0, 0, -35.0))}
    moved = {level: Surface(transform_points(motion, item.points_ras_mm), item.faces) for level, item in true.items()}
    back = rigid_alignment(moved, true)
    for level, item in moved.items():
        points = transform_points(back, item.points_ras_mm)
        assert np.abs(points - true[level].points_ras_mm).max() < 0.5
    assert np.allclose(back[:3, :3] @ back[:3, :3].T, np.eye(3))


def test_a_vertebra_under_the_name_of_its_neighbor_is_noticed():
    true = {Level.L1: potato((0, 0, 35.0)), Level.L2: potato(), Level.L3: potato((0, 0, -35.0))}
    shifted = {Level.L1: true[Level.L2], Level.L2: true[Level.L3]}
    assert misnamed_levels(shifted, true) == {Level.L1: Level.L2, Level.L2: Level.L3}
    assert misnamed_levels(true, true) == {}
