"""Marks are drawn where they are asked for, with smooth edges."""

from __future__ import annotations

import numpy as np
import pytest

from LumbarBiplanarLib.study import canvas as drawing
from LumbarBiplanarLib.study.canvas import Canvas, resized


@pytest.fixture
def canvas():
    return Canvas((100, 60), (0.0, 0.0, 0.0))


def centroid(canvas, channel=0):
    weights = canvas.pixels()[..., channel].astype(float)
    y, x = np.mgrid[0:60, 0:100] + 0.5
    return (weights * x).sum() / weights.sum(), (weights * y).sum() / weights.sum()


def test_a_picture_is_put_where_its_corner_is_said_to_be(canvas):
    canvas.fill(np.ones((10, 20)), (30, 40))
    rows, columns = np.nonzero(canvas.pixels()[..., 0])
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (40, 49, 30, 49)


def test_a_transparent_picture_leaves_the_ground(canvas):
    picture = np.zeros((10, 10, 4))
    picture[..., 1], picture[..., 3] = 1.0, 0.5
    canvas.fill(picture, (0, 0))
    assert canvas.pixels()[5, 5].tolist() == pytest.approx([0, 128, 0], abs=2)


@pytest.mark.parametrize("mark", ["line", "closed", "circle", "cross"])
def test_a_mark_is_centered_where_it_belongs_and_has_smooth_edges(canvas, mark):
    if mark == "line":
        canvas.line(np.array([(20.0, 30.0), (80.0, 30.0)]), (1, 1, 1), 3.0)
    elif mark == "closed":
        canvas.line(np.array([(30.0, 20.0), (70.0, 20.0), (70.0, 40.0), (30.0, 40.0)]), (1, 1, 1), 3.0, closed=True)
    elif mark == "circle":
        canvas.circle((50.0, 30.0), 15.0, (1, 1, 1), 3.0)
    else:
        canvas.cross((50.0, 30.0), 10.0, (1, 1, 1), 3.0)
    assert centroid(canvas) == pytest.approx((50.0, 30.0), abs=0.6)
    if mark == "circle":
        values = canvas.pixels()[..., 0]
        assert ((values > 30) & (values < 220)).sum() > 20


def test_a_line_covers_its_width(canvas):
    canvas.line(np.array([(10.0, 30.0), (90.0, 30.0)]), (1, 1, 1), 4.0)
    assert canvas.pixels()[:, 50, 0].sum() / 255 == pytest.approx(4.0, abs=0.5)


@pytest.mark.parametrize(("anchor", "side"), [("lm", 1), ("rm", -1)])
def test_text_begins_or_ends_at_its_anchor_and_its_width_is_known(canvas, anchor, side):
    canvas.text((50, 30), "L4", 20, (1, 1, 1), anchor=anchor)
    columns = np.nonzero(canvas.pixels()[..., 0].max(axis=0) > 60)[0]
    width = canvas.text_width("L4", 20)
    assert columns.max() - columns.min() == pytest.approx(width, abs=4)
    edge = columns.min() if side > 0 else columns.max()
    assert edge == pytest.approx(50, abs=3)


def test_a_box_lies_behind_its_text(canvas):
    canvas.text((50, 30), "L4", 20, (1, 1, 1), anchor="mm", box=(1.0, 0.0, 0.0))
    pixels = canvas.pixels()
    red = (pixels[..., 0] > 200) & (pixels[..., 1] < 60)
    white = pixels.min(axis=-1) > 200
    assert red.sum() > white.sum() > 10


@pytest.mark.parametrize("strip", [1, 7, 60])
def test_marks_and_ground_are_the_same_in_whatever_strips_they_are_put_together(canvas, monkeypatch, strip):
    canvas.fill(np.random.default_rng(0).random((60, 100, 3)), (0, 0))
    canvas.line(np.array([(3.0, 2.0), (90.0, 57.0)]), (1.0, 0.4, 0.0, 0.6), 3.0)
    canvas.text((10, 30), "L4", 40, (1, 1, 1), box=(1.0, 0.0, 0.0, 0.5))
    expected = canvas.pixels()
    monkeypatch.setattr(drawing, "_STRIP_PX", strip)
    assert np.array_equal(canvas.pixels(), expected)


def test_enlarging_keeps_values_and_place():
    image = np.zeros((20, 30))
    image[10, 20] = 1.0
    large = resized(image, (90, 60))
    assert large.shape == (60, 90)
    row, column = np.unravel_index(large.argmax(), large.shape)
    assert (row, column) == (31, 61)
    assert large.min() == 0.0 and large.max() > 0.7


def test_the_file_is_written_whole(canvas, tmp_path):
    from PIL import Image

    canvas.write(tmp_path / "a.png")
    assert Image.open(tmp_path / "a.png").size == (100, 60)
    assert [item.name for item in tmp_path.iterdir()] == ["a.png"]
