"""Overlays: outlines and landmarks at their place, and of a large film the part that matters."""

from __future__ import annotations

import numpy as np
import pytest

from LumbarBiplanarLib.anatomy import FilmLandmarks, LandmarkObservation, Level
from LumbarBiplanarLib.geometry import standard_pair
from LumbarBiplanarLib.imaging import Film, Polarity
from LumbarBiplanarLib.study.appearance import LEVEL_COLORS
from LumbarBiplanarLib.study.overlay import write_overlay

BOX = np.array([(0.0, 0.0), (60.0, 0.0), (60.0, 80.0), (0.0, 80.0)])


def film(size):
    rng = np.random.default_rng(0)
    view = standard_pair(size_px=(size, size), spacing_mm=0.5).ap
    pixels = rng.normal(1000, 10, (size[1], size[0])).astype(np.float32)
    return Film(pixels, view, Polarity.BONE_BRIGHT, None, None, 16)


def drawn(path, size, corner, landmarks=()):
    from PIL import Image

    items = FilmLandmarks(LandmarkObservation(Level.L3, name, position) for name, position in landmarks)
    write_overlay(path, film(size), {Level.L3: BOX + corner}, items, np.zeros(3), "Below the title.")
    return np.asarray(Image.open(path).convert("RGB")).astype(float) / 255


def colored(picture):
    """Rows and columns of the level's color."""
    color = np.array(LEVEL_COLORS[Level.L3])
    return np.nonzero((np.abs(picture - color) < 0.04).all(axis=-1))


def test_an_outline_lies_where_it_is_on_the_film(tmp_path):
    picture = drawn(tmp_path / "a.png", (120, 160), (30, 40))
    rows, columns = colored(picture)
    height = picture.shape[0] - 110  # without the title
    scale = height / 160
    assert rows.max() - 110 == pytest.approx((40 + 80 + 0.5) * scale, abs=3)
    inside = columns[rows > 110 + 45 * scale]  # the level's name stands higher up
    assert inside.max() == pytest.approx((30 + 60 + 0.5) * scale, abs=3)


def test_of_a_long_film_the_part_around_the_outlines_is_drawn(tmp_path):
    picture = drawn(tmp_path / "a.png", (700, 2000), (300, 900))
    rows, _columns = colored(picture)
    assert (rows.max() - rows.min()) / (picture.shape[0] - 110) == pytest.approx(80 / (80 * 1.8), abs=0.03)


def test_landmarks_outside_that_part_are_not_drawn_into_the_title(tmp_path):
    far = [("spinous_tip", (330.0, 855.0)), ("pedicle_left", (330.0, 300.0))]
    with_far = drawn(tmp_path / "a.png", (700, 2000), (300, 900), far)
    without = drawn(tmp_path / "b.png", (700, 2000), (300, 900))
    assert (with_far == without).all()


def test_a_landmark_is_marked_at_its_place(tmp_path):
    with_mark = drawn(tmp_path / "a.png", (120, 160), (30, 40), [("spinous_tip", (60.0, 80.0))])
    without = drawn(tmp_path / "b.png", (120, 160), (30, 40))
    rows, columns = np.nonzero(np.abs(with_mark - without).max(axis=-1) > 0.1)
    scale = (with_mark.shape[0] - 110) / 160
    assert rows.mean() - 110 == pytest.approx(80.5 * scale, abs=1.5)
    assert columns.mean() == pytest.approx(60.5 * scale, abs=1.5)
