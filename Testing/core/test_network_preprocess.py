"""The network sees every film the same way, whatever its window; the way is frozen, since weights depend on it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from LumbarBiplanarLib.network.preprocess import even_contrast, gaussian_blur, network_channels


def picture() -> torch.Tensor:
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(48.0), indexing="ij")
    disc = ((x - 20) ** 2 + (y - 30) ** 2 < 90).float()
    return (100 + 0.5 * y + 20 * torch.sin(x / 5) * torch.cos(y / 7) + 60 * disc)[None, None]


# What the code that the first weights were trained with gave for the picture above, at every 21st row, 17th column.
FROZEN = [
    [
        [-0.81259, -0.92183, -0.60136],
        [-0.58816, -0.48001, -0.79727],
        [-0.36372, -0.46861, -0.16091],
        [-0.13929, -0.03976, -0.33175],
    ],
    [
        [-0.30313, -0.39999, 0.045],
        [-0.13613, -0.04082, -0.37725],
        [-0.08057, -0.24519, 0.16867],
        [0.22487, 0.33051, -0.1935],
    ],
    [
        [-0.77835, -0.25387, 0.22577],
        [0.13258, -0.25054, -0.2936],
        [-0.33404, -0.3809, 0.11361],
        [0.64426, 0.30555, -0.28264],
    ],
]


def test_the_channels_are_those_the_weights_were_trained_with():
    channels = network_channels(picture())[0]
    np.testing.assert_allclose(channels[:, ::21, ::17].numpy(), FROZEN, atol=2e-5)
    np.testing.assert_allclose(channels.mean((1, 2)).numpy(), [-0.3529009, 0.0388318, -0.0072662], atol=1e-5)
    np.testing.assert_allclose(channels.std((1, 2)).numpy(), [0.4793956, 0.4992529, 0.3656348], atol=1e-5)


@pytest.mark.parametrize(("gain", "offset"), [(1e-3, 0.0), (257.0, -4e4), (1.0, 1e4)])
def test_the_units_of_the_film_do_not_matter(gain, offset):
    torch.testing.assert_close(
        network_channels(gain * picture() + offset), network_channels(picture()), atol=2e-3, rtol=0
    )


def test_slow_shading_hardly_changes_the_narrow_channel():
    y = torch.linspace(0, 1, 64)[None, None, :, None]
    even = even_contrast(picture() / 50, 7.0)
    shaded = even_contrast(picture() / 50 + 1.0 * y, 7.0)
    away = (slice(None), slice(None), slice(12, -12), slice(12, -12))
    assert (even - shaded)[away].abs().mean() < 0.15


def test_a_constant_picture_gives_finite_channels():
    assert torch.isfinite(network_channels(torch.full((1, 1, 32, 32), 7.0))).all()


def test_the_blur_keeps_the_mean_of_a_picture_and_spreads_a_point():
    point = torch.zeros(1, 1, 41, 41)
    point[0, 0, 20, 20] = 1.0
    blurred = gaussian_blur(point, 3.0)
    rows = torch.arange(41.0) - 20
    assert blurred.sum() == pytest.approx(1.0, abs=1e-5)
    assert float((blurred.sum((0, 1, 3)) * rows**2).sum()) ** 0.5 == pytest.approx(3.0, rel=0.03)
    assert gaussian_blur(point, 0.0) is point
