"""Landmarks that do not fit their vertebra are given up, and so are levels that stand in one place."""

from __future__ import annotations

import numpy as np
import pytest

from LumbarBiplanarLib.geometry.frames import rotation_from_vector
from LumbarBiplanarLib.network.consistency import choose_landmarks, fit_camera, order_levels, upright_camera
from LumbarBiplanarLib.network.counting import place_levels
from LumbarBiplanarLib.network.decoding import Peaks
from LumbarBiplanarLib.network.first_stage import mean_landmarks_mm

PIXEL_MM = 1.23


def project(points_mm: np.ndarray, view: str, turn_deg=(0.0, 0.0, 0.0), size: float = 1.0) -> np.ndarray:
    rotation = rotation_from_vector(np.radians(turn_deg))
    return size * points_mm @ rotation.T @ upright_camera(view).T / PIXEL_MM


def spine(view: str, rng: np.random.Generator, noise_mm: float = 2.0) -> np.ndarray:
    """Landmarks (5, 20, 2) of a spine whose vertebrae are turned at random, in pixels."""
    template = mean_landmarks_mm()
    found = np.empty((5, 20, 2))
    for k in range(5):
        turn = rng.normal(0.0, (10.0, 6.0, 8.0))
        found[k] = project(template[k], view, turn, rng.uniform(0.85, 1.2)) + (100.0, 60.0 + 30.0 * k)
    return found + rng.normal(0.0, noise_mm / PIXEL_MM, found.shape)


def peaks_of(first: np.ndarray, second: np.ndarray | None = None, masses=(0.8, 0.1)) -> Peaks:
    second = np.full_like(first, 5.0) if second is None else second
    shape = (2, 5, 20)
    mass = np.broadcast_to(np.reshape(masses, (2, 1, 1)), shape).copy()
    return Peaks(np.stack([first, second]), mass, np.ones(shape))


def choose(peaks: Peaks, view: str):
    return choose_landmarks(peaks, mean_landmarks_mm(), view, PIXEL_MM, np.ones((2, 5, 20), dtype=bool))


@pytest.mark.parametrize("view", ["AP", "lateral"])
def test_landmarks_of_turned_vertebrae_are_all_kept(view):
    rng = np.random.default_rng(1)
    for _ in range(5):
        choice = choose(peaks_of(spine(view, rng)), view)
        assert choice.visible.mean() > 0.98
        assert choice.notes == ()


@pytest.mark.parametrize("view", ["AP", "lateral"])
def test_a_landmark_on_the_neighboring_vertebra_is_rejected(view):
    points = spine(view, np.random.default_rng(2), 1.0)
    points[2, 14, 1] += 34.0 / PIXEL_MM
    choice = choose(peaks_of(points), view)
    assert not choice.visible[2, 14]
    assert choice.visible.sum() == 99


def test_the_second_place_is_taken_when_only_it_fits():
    points = spine("lateral", np.random.default_rng(3), 1.0)
    wrong = points.copy()
    wrong[1, 14] += (0.0, 40.0)
    choice = choose(peaks_of(wrong, points, (0.5, 0.4)), "lateral")
    np.testing.assert_allclose(choice.positions[1, 14], points[1, 14])
    assert choice.confidences[1, 14] == 0.4
    assert choice.visible.all()


def test_a_level_nobody_is_confident_of_is_not_found():
    peaks = peaks_of(spine("AP", np.random.default_rng(4)))
    peaks.masses[:, 0] = 0.02
    choice = choose(peaks, "AP")
    assert not choice.visible[0].any()
    assert np.isnan(choice.centers[0]).all()
    assert choice.visible[1:].all()


def test_a_candidate_off_the_film_does_not_count():
    peaks = peaks_of(spine("AP", np.random.default_rng(5)))
    inside = np.ones((2, 5, 20), dtype=bool)
    inside[:, 4] = False
    choice = choose_landmarks(peaks, mean_landmarks_mm(), "AP", PIXEL_MM, inside)
    assert not choice.visible[4].any()


def test_two_levels_in_one_place_leave_the_surer_one():
    points = spine("AP", np.random.default_rng(6))
    points[3] = points[2] + 1.0
    peaks = peaks_of(points)
    peaks.masses[0, 3] = 0.4
    choice = choose(peaks, "AP")
    assert choice.visible[2].any() and not choice.visible[3].any()


def test_levels_out_of_order_leave_the_best_selection_in_order():
    centers = np.array([[100.0, 60.0], [100.0, 30.0], [100.0, 90.0], [100.0, 120.0], [100.0, 150.0]]) / PIXEL_MM
    kept, notes = order_levels(centers, np.array([5.0, 9.0, 9.0, 9.0, 9.0]), np.ones(5, dtype=bool), PIXEL_MM)
    assert kept.tolist() == [False, True, True, True, True]
    assert len(notes) == 1 or any("L1" in note for note in notes)


def test_a_gap_of_two_vertebrae_between_neighbors_is_reported():
    centers = np.array([[100.0, 0.0], [100.0, 32.0], [100.0, 100.0], [100.0, 132.0], [100.0, 164.0]]) / PIXEL_MM
    kept, notes = order_levels(centers, np.ones(5), np.ones(5, dtype=bool), PIXEL_MM)
    assert kept.all()
    assert any("L2 and L3" in note for note in notes)


def test_the_camera_withstands_a_third_of_wrong_landmarks():
    template = mean_landmarks_mm()[2]
    rng = np.random.default_rng(7)
    points = project(template, "AP", (5.0, 3.0, 10.0)) + (90.0, 100.0)
    wrong = rng.choice(20, 6, replace=False)
    disturbed = points.copy()
    disturbed[wrong] += rng.uniform(25, 60, (6, 2))
    prior = upright_camera("AP") / PIXEL_MM
    start = np.concatenate([prior, [[95.0], [92.0]]], axis=1)
    camera = fit_camera(disturbed, np.ones(20), template, prior, start, PIXEL_MM)
    error = np.linalg.norm(template @ camera[:, :3].T + camera[:, 3] - points, axis=1) * PIXEL_MM
    assert np.median(error) < 4.0


def test_a_level_the_network_puts_on_its_neighbor_is_moved_to_its_own_vertebra():
    # L3 is seen twice: stronger on L2, weaker where it is; the other levels leave no room on L2.
    points = spine("lateral", np.random.default_rng(8), 1.0)
    first, second = points.copy(), np.full_like(points, 5.0)
    first[2] = points[1] + (points[2] - points[1]).mean(axis=0) * 0.02
    second[2] = points[2]
    choice = choose(peaks_of(first, second, (0.5, 0.35)), "lateral")
    assert choice.visible[2].sum() >= 18
    shown = choice.visible[2]
    np.testing.assert_allclose(choice.positions[2][shown], points[2][shown], atol=1e-9)


def test_levels_are_placed_in_order_down_the_film():
    template = mean_landmarks_mm()
    bodies = template[:, [0, 5]].mean(axis=1)
    offsets = (template - bodies[:, None]) @ upright_camera("AP").T / PIXEL_MM
    points = spine("AP", np.random.default_rng(9))
    centers = place_levels(points[None], np.full((1, 5, 20), 0.7), offsets, PIXEL_MM)
    assert np.linalg.norm(centers - points[:, [0, 5]].mean(axis=1), axis=1).max() * PIXEL_MM < 6
    upside_down = place_levels(points[None, ::-1], np.full((1, 5, 20), 0.7), offsets, PIXEL_MM)
    assert np.isfinite(upside_down[:, 0]).sum() == 1


def test_without_any_confidence_no_level_is_placed():
    rng = np.random.default_rng(10)
    centers = place_levels(
        rng.uniform(0, 200, (3, 5, 20, 2)), np.full((3, 5, 20), 0.02), np.zeros((5, 20, 2)), PIXEL_MM
    )
    assert np.isnan(centers).all()
