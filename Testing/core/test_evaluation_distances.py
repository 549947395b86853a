"""How distances are summarized and aligned, on surfaces whose distances can be worked out."""

from __future__ import annotations

import numpy as np
import pytest

from evaluation_phantom import lump, moved, sphere, spine
from LumbarBiplanarLib.anatomy import Level, Region
from LumbarBiplanarLib.evaluation.metrics import rigid_alignment, two_way_distances
from LumbarBiplanarLib.geometry import rotation_from_vector
from LumbarBiplanarLib.shape.surfaces import Surface


def rigid(vector_deg, translation_mm) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = rotation_from_vector(np.deg2rad(vector_deg))
    matrix[:3, 3] = translation_mm
    return matrix


def test_mean_root_mean_square_and_maximum_of_a_shifted_sphere_are_those_of_the_formula():
    shifted = moved(sphere(20.0), rigid((0.0, 0.0, 0.0), (0.0, 0.0, 2.0)))
    found = two_way_distances(shifted, sphere(20.0)).summary()
    # To first order the distance is 2 |cos(angle to the shift)|: mean 1, root mean square 2/sqrt(3), 95 % below 1.9.
    assert found.mean == pytest.approx(1.0, abs=0.05)
    assert found.rms == pytest.approx(2.0 / np.sqrt(3.0), abs=0.05)
    assert found.p95 == pytest.approx(1.9, abs=0.05)
    assert found.max == pytest.approx(2.0, abs=0.05)


def test_a_part_that_was_not_reconstructed_shows_in_the_direction_from_the_truth():
    truth = sphere(20.0)
    kept = truth.faces[(truth.points_ras_mm[truth.faces][..., 2] < 0.0).all(axis=1)]
    used, index = np.unique(kept, return_inverse=True)
    half = Surface(truth.points_ras_mm[used], index.reshape(-1, 3))
    found = two_way_distances(half, truth)
    assert found.direction(True).summary().max < 0.01
    assert found.direction(False).summary().max == pytest.approx(20.0 * np.sqrt(2.0), abs=1.5)
    assert found.summary().mean == pytest.approx(found.direction(False).summary().mean / 2.0, abs=0.01)


def test_the_directions_within_a_region_stay_apart():
    truth = sphere(20.0)
    upper = truth.points_ras_mm[:, 2] > 0.0
    labels = np.where(upper, int(Region.SPINOUS), int(Region.BODY)).astype(np.uint8)
    larger = Surface(truth.points_ras_mm * 1.1, truth.faces)
    part = two_way_distances(larger, truth, labels).of_regions([Region.SPINOUS])
    assert part.weights[: part.forward].sum() == pytest.approx(0.5)
    assert part.weights[part.forward :].sum() == pytest.approx(0.5)
    assert part.summary().mean == pytest.approx(2.0, abs=0.1)


def test_alignment_undoes_a_motion_of_the_whole_spine_to_a_hundredth_of_a_millimetre():
    truth = spine()
    motion = rigid((3.0, -4.0, 5.0), (4.0, -3.0, 2.0))
    displaced = {level: moved(surface, motion) for level, surface in truth.items()}
    matrix = rigid_alignment(displaced, truth)
    np.testing.assert_allclose(matrix[:3, :3].T @ matrix[:3, :3], np.eye(3), atol=1e-9)
    for level, surface in displaced.items():
        gap = np.linalg.norm(moved(surface, matrix).points_ras_mm - truth[level].points_ras_mm, axis=1)
        assert gap.max() < 0.01


def test_alignment_does_not_hide_a_wrong_size():
    larger = Surface(lump().points_ras_mm * 1.1, lump().faces)
    matrix = rigid_alignment({Level.L3: larger}, {Level.L3: lump()})
    assert np.linalg.det(matrix[:3, :3]) == pytest.approx(1.0)
    assert two_way_distances(moved(larger, matrix), lump()).summary().mean > 0.8


def test_alignment_moves_all_levels_together():
    truth = spine()
    apart = dict(truth)
    apart[Level.L5] = moved(truth[Level.L5], rigid((0.0, 0.0, 0.0), (0.0, 6.0, 0.0)))
    matrix = rigid_alignment(apart, truth)
    assert two_way_distances(moved(apart[Level.L5], matrix), truth[Level.L5]).summary().mean > 1.0


def test_alignment_of_a_surface_that_slides_on_itself_does_not_diverge():
    displaced = {Level.L1: sphere(20.0, (1.0, 2.0, -1.0), 24)}
    matrix = rigid_alignment(displaced, {Level.L1: sphere(20.0, resolution=24)})
    np.testing.assert_allclose(moved(displaced[Level.L1], matrix).points_ras_mm.mean(axis=0), 0.0, atol=0.05)
