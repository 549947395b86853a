"""A soft lumbar-only image gets its outlines from the film, whatever the film's unit, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from LumbarBiplanarLib.imaging import resample_image
from LumbarBiplanarLib.registration import sharpened
from network_phantom import phantom_view


@pytest.fixture(scope="module")
def bone():
    """A block of bone with slanted edges on a film of 1.2 mm pixels, and its view."""
    view = phantom_view("AP")
    rows, columns = np.indices(view.shape)
    inside = (abs(columns - 0.2 * rows - 90) < 25) & (abs(rows + 0.1 * columns - 190) < 22)
    return view, 30.0 * ndimage.gaussian_filter(inside.astype(float), 0.7)


def soft(view, image):
    """The image as a network would draw it: coarser, and soft."""
    coarse = view.resampled(1.5)
    return resample_image(ndimage.gaussian_filter(image, 1.2), view, coarse, outside=0.0), coarse


def error_mm(view, truth, image, image_view):
    off = image - resample_image(truth, view, image_view, outside=0.0)
    return float(abs(off[(image > 1.0) | (off < -1.0)]).mean())


def film_of(view, truth):
    """Bone in soft tissue that varies over some centimetres."""
    tissue = ndimage.gaussian_filter(np.random.default_rng(1).standard_normal(view.shape), 30.0)
    return truth + 40.0 * tissue / tissue.std()


def test_outlines_come_from_the_film(bone):
    view, truth = bone
    image, coarse = soft(view, truth)
    result, fine = sharpened(film_of(view, truth), view, image, coarse)
    assert fine.spacing_mm[0] == pytest.approx(0.75) and result.shape == fine.shape and result.dtype == np.float32
    before = error_mm(view, truth, resample_image(image, coarse, fine, outside=0.0), fine)
    assert error_mm(view, truth, result, fine) < 0.8 * before


def test_the_unit_of_the_film_does_not_matter(bone):
    view, truth = bone
    image, coarse = soft(view, truth)
    film = film_of(view, truth)
    first, other = (sharpened(density, view, image, coarse)[0] for density in (film, 0.003 * film + 7.0))
    np.testing.assert_allclose(first, other, atol=0.02)


def test_a_film_without_that_bone_changes_little(bone):
    view, truth = bone
    image, coarse = soft(view, truth)
    inverted, _ = sharpened(-truth, view, image, coarse)
    constant, fine = sharpened(np.ones(view.shape), view, image, coarse)
    expected = resample_image(image, coarse, fine, outside=0.0)
    np.testing.assert_allclose(inverted, expected, atol=1e-3)
    np.testing.assert_allclose(constant, expected, atol=1e-3)


def test_metal_changes_the_image_by_millimetres_only(bone):
    view, truth = bone
    image, coarse = soft(view, truth)
    film = film_of(view, truth)
    film[180:184, 100:160] += 4000.0
    result, fine = sharpened(film, view, image, coarse)
    assert abs(result - resample_image(image, coarse, fine, outside=0.0)).max() <= 8.0


def test_an_image_without_bone_stays_empty(bone):
    view, truth = bone
    result, fine = sharpened(truth, view, np.zeros((50, 40), np.float32), view.resampled(1.5).cropped(0, 0, 40, 50))
    assert not result.any() and result.shape == fine.shape
