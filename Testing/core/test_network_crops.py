"""Crops show a vertebra where the mean vertebra would be, and what is found in them comes back to the film."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from LumbarBiplanarLib.network.crops import (
    CROP_PX,
    apply,
    crop_channels,
    crop_template,
    fit_similarity,
    invert,
    path_unit_mm,
    pixels_per_mm,
    sample,
)
from LumbarBiplanarLib.network.first_stage import mean_landmarks_mm


def similarity(scale: float, degrees: float, shift) -> np.ndarray:
    factor = scale * np.exp(1j * np.radians(degrees))
    return np.array([[factor.real, -factor.imag, shift[0]], [factor.imag, factor.real, shift[1]]])


@pytest.mark.parametrize("view", ["AP", "lateral"])
def test_the_mean_vertebra_fits_in_its_crop_with_room_around_it(view):
    places = crop_template(mean_landmarks_mm(), view)
    assert (places > 8).all() and (places < np.array(CROP_PX) - 9).all()


def test_a_similarity_is_found_again_and_undone():
    true = similarity(1.3, 12.0, (40.0, -7.0))
    points = np.random.default_rng(1).uniform(0, 100, (20, 2))
    found = fit_similarity(points, apply(true, points))
    np.testing.assert_allclose(found, true, atol=1e-9)
    np.testing.assert_allclose(apply(invert(true), apply(true, points)), points, atol=1e-9)
    assert pixels_per_mm(true) == pytest.approx(1.3)


def test_points_without_weight_do_not_matter():
    true = similarity(0.8, -5.0, (3.0, 4.0))
    points = np.random.default_rng(2).uniform(0, 100, (20, 2))
    seen = apply(true, points)
    seen[0] += 500.0
    weights = np.ones(20)
    weights[0] = 0.0
    np.testing.assert_allclose(fit_similarity(points, seen, weights), true, atol=1e-9)


def test_what_is_sampled_is_where_the_matrix_says():
    y, x = torch.meshgrid(torch.arange(90.0), torch.arange(120.0), indexing="ij")
    matrix = similarity(0.5, 20.0, (30.0, 12.0))
    window = sample(torch.stack([x, y]), matrix[None], (40, 30))[0]
    rows, columns = np.mgrid[:30, :40]
    expected = apply(matrix, np.stack([columns, rows], axis=-1).astype(float))
    inside = (expected >= 0).all(axis=-1) & (expected <= (119, 89)).all(axis=-1)
    assert inside.sum() > 500
    np.testing.assert_allclose(window.numpy().transpose(1, 2, 0)[inside], expected[inside], atol=1e-3)


def test_outside_the_image_is_its_border_or_nothing():
    image = torch.full((1, 20, 20), 3.0)
    away = similarity(1.0, 0.0, (100.0, 100.0))[None]
    assert (sample(image, away, (8, 8)) == 3.0).all()
    assert (sample(image, away, (8, 8), "zeros") == 0.0).all()


def test_channels_do_not_depend_on_the_window_of_the_film():
    crop = torch.rand(2, 1, CROP_PX[1], CROP_PX[0], generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(crop_channels(crop), crop_channels(7.0 * crop + 40.0), atol=2e-3, rtol=1e-3)


def test_a_vertebra_that_looks_large_is_half_large_and_half_magnified():
    small, large = (path_unit_mm(similarity(scale, 0.0, (0, 0)), 1.0) for scale in (1.0, 4.0))
    assert large / small == pytest.approx(2.0)
