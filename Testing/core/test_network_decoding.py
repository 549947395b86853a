"""Heatmaps become positions finer than a pixel, with a confidence and a spread that mean what they say."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from LumbarBiplanarLib.network.decoding import TARGET_SIGMA, find_peaks, landmark_probabilities

HEIGHT, WIDTH = 64, 48


def blob(x: float, y: float, sigma: float = TARGET_SIGMA) -> torch.Tensor:
    """A normalized Gaussian at (x, y) of the heatmap."""
    rows, columns = torch.arange(HEIGHT)[:, None], torch.arange(WIDTH)[None, :]
    value = torch.exp(-0.5 * ((rows - y) ** 2 + (columns - x) ** 2) / sigma**2)
    return value / value.sum()


def logits(probability: torch.Tensor) -> torch.Tensor:
    """Logits of one landmark's probabilities; what is missing to 1 falls on "not on this film"."""
    absent = 1.0 - float(probability.sum())
    return torch.log(probability.clamp(min=1e-12) / max(absent, 1e-6))


def heatmaps(probability: torch.Tensor) -> torch.Tensor:
    return landmark_probabilities(logits(probability)[None]).expand(100, HEIGHT, WIDTH)


def test_probabilities_and_the_chance_of_absence_add_up_to_one():
    values = torch.randn(3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0)) * 4
    expected = torch.softmax(torch.cat([values.flatten(1), torch.zeros(3, 1)], dim=1), dim=1)[:, :-1]
    torch.testing.assert_close(landmark_probabilities(values).flatten(1), expected)


def test_probabilities_of_huge_logits_are_finite():
    assert torch.isfinite(landmark_probabilities(torch.full((1, 4, 4), 5000.0))).all()
    assert landmark_probabilities(torch.full((1, 4, 4), -5000.0)).sum() == 0


@pytest.mark.parametrize(("x", "y"), [(20.0, 30.0), (20.37, 30.81), (7.5, 50.25)])
def test_the_position_is_found_finer_than_a_pixel(x, y):
    peaks = find_peaks(heatmaps(0.97 * blob(x, y)))
    # A heatmap pixel covers two of the image, and both begin at -0.5.
    np.testing.assert_allclose(peaks.positions[0, 2, 7], ((x + 0.5) * 2 - 0.5, (y + 0.5) * 2 - 0.5), atol=0.05)
    assert peaks.masses[0, 2, 7] == pytest.approx(0.97, abs=0.01)


def test_the_spread_beyond_the_target_is_the_standard_deviation():
    sharp = find_peaks(heatmaps(0.99 * blob(20, 30))).sigmas[0, 0, 0]
    wide = find_peaks(heatmaps(0.99 * blob(20, 30, math.hypot(TARGET_SIGMA, 1.0)))).sigmas[0, 0, 0]
    assert sharp < 0.5
    assert wide == pytest.approx(2.0, rel=0.1)


def test_a_landmark_that_is_not_on_the_film_has_no_confidence():
    peaks = find_peaks(landmark_probabilities(torch.full((100, HEIGHT, WIDTH), -20.0)))
    assert peaks.masses.max() < 1e-3
    assert np.isfinite(peaks.positions).all()


def test_two_places_are_given_with_their_shares_the_likelier_first():
    peaks = find_peaks(heatmaps(0.3 * blob(10, 15) + 0.6 * blob(30, 45)))
    np.testing.assert_allclose(peaks.positions[:2, 0, 0], [[60.5, 90.5], [20.5, 30.5]], atol=0.1)
    np.testing.assert_allclose(peaks.masses[:2, 0, 0], [0.6, 0.3], atol=0.02)


def test_one_noisy_pixel_does_not_win_over_a_broad_place():
    broad = 0.6 * blob(30, 45)
    broad[10, 10] = 1.2 * float(broad.max())
    peaks = find_peaks(heatmaps(broad))
    np.testing.assert_allclose(peaks.positions[0, 0, 0], (60.5, 90.5), atol=0.1)
