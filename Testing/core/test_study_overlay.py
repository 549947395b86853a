"""Overlays: outlines and landmarks at their place, and of a large film the part that matters."""

from __future__ import annotations

import numpy as np
import pytest

from evaluation_phantom import spine
from LumbarBiplanarLib.anatomy import FilmLandmarks, LandmarkObservation, Level
from LumbarBiplanarLib.geometry import standard_pair
from LumbarBiplanarLib.imaging import Film, Polarity
from LumbarBiplanarLib.study import overlay
from LumbarBiplanarLib.study.appearance import LEVEL_COLORS
from LumbarBiplanarLib.study.canvas import Canvas
from LumbarBiplanarLib.study.overlay import write_overlay
from LumbarBiplanarLib.study.spine_picture import write_spine_picture

BOX = np.array([(0.0, 0.0), (60.0, 0.0), (60.0, 80.0), (0.0, 80.0)])


@pytest.fixture
def said(monkeypatch):
    """All that is written on pictures: (words, x, anchor, length, width of the picture)."""
    found, text = [], Canvas.text

    def noted(canvas, at, words, size, *others, **options):
        found.append(
            (words, at[0], options.get("anchor"), canvas.text_width(words.split("\n")[0], size), canvas.size_px[0])
        )
        text(canvas, at, words, size, *others, **options)

    monkeypatch.setattr(Canvas, "text", noted)
    return found


def film(size):
    rng = np.random.default_rng(0)
    view = standard_pair(size_px=(size, size), spacing_mm=0.5).ap
    pixels = rng.normal(1000, 10, (size[1], size[0])).astype(np.float32)
    return Film(pixels, view, Polarity.BONE_BRIGHT, None, None, 16)


def drawn(path, size, corner, landmarks=(), flag="ok"):
    from PIL import Image

    items = FilmLandmarks(LandmarkObservation(Level.L3, name, position) for name, position in landmarks)
    write_overlay(path, film(size), {Level.L3: BOX + corner}, items, np.zeros(3), "Below the title.", {Level.L3: flag})
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


def test_an_outline_that_leaves_the_film_is_not_drawn_over_the_title(tmp_path):
    rows, _columns = colored(drawn(tmp_path / "a.png", (120, 160), (30, -40)))
    assert rows.size and rows.min() >= 110


def test_a_refused_level_has_a_dashed_outline_and_its_name_says_so(tmp_path, said):
    ink = {}
    for flag, name in (("ok", "L3"), ("check", "L3 (?)"), ("refuse", "L3 (!) do not use")):
        picture = drawn(tmp_path / "a.png", (120, 160), (30, 40), flag=flag)
        assert name in [words for words, *_ in said]
        columns = colored(picture[-500:])[1]  # below the name
        ink[flag] = len(columns)
    assert ink["check"] == ink["ok"]
    assert 0.4 * ink["ok"] < ink["refuse"] < 0.8 * ink["ok"]


@pytest.mark.parametrize("left", [-20, 5, 70])
def test_a_long_name_stays_on_the_picture(tmp_path, said, left):
    drawn(tmp_path / "a.png", (120, 160), (left, 40), flag="refuse")
    _words, x, anchor, length, width = next(item for item in said if "do not use" in item[0])
    first = x - length if anchor == "rm" else x
    assert first >= 0 and first + length <= width


def test_through_a_refused_vertebra_one_sees_the_others(tmp_path, said):
    from PIL import Image

    surfaces = spine()
    pictures = {}
    for flag in ("ok", "refuse"):
        said.clear()
        write_spine_picture(tmp_path / "s.png", surfaces, "Spine", {**dict.fromkeys(surfaces, "ok"), Level.L3: flag})
        pictures[flag] = np.asarray(Image.open(tmp_path / "s.png").convert("RGB")).astype(float) / 255
        assert any("Not for clinical use." in words for words, *_ in said)
    words = [item[0] for item in said]
    assert "L3 (!)" in words and any("half transparent: do not use" in text for text in words)
    level_color = np.array(LEVEL_COLORS[Level.L3])
    shown = {flag: np.linalg.norm(picture - 0.85 * level_color, axis=-1) < 0.15 for flag, picture in pictures.items()}
    assert shown["refuse"].sum() < 0.2 * shown["ok"].sum()
    assert (pictures["ok"][shown["ok"]].mean(axis=0) < pictures["refuse"][shown["ok"]].mean(axis=0))[2]


def test_a_spine_of_which_all_is_refused_is_still_drawn(tmp_path):
    surfaces = spine()
    write_spine_picture(tmp_path / "s.png", surfaces, "Spine", dict.fromkeys(surfaces, "refuse"))
    assert (tmp_path / "s.png").stat().st_size > 10000


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


@pytest.mark.parametrize(("size", "width_px"), [((374, 400), (35.7, 35.7)), ((900, 700), (150.0, 80.0))])
def test_what_is_slow_in_a_fine_film_is_found_without_a_filter_as_wide_as_the_film(monkeypatch, size, width_px):
    import scipy.ndimage

    y, x = np.mgrid[: size[0], : size[1]] / max(size)
    image = 30000.0 * (1.0 + np.sin(7.0 * x + 3.0 * y)) + np.random.default_rng(1).normal(0.0, 3000.0, size)
    goal = scipy.ndimage.gaussian_filter(image, width_px, mode="nearest")
    used, own = [], scipy.ndimage.gaussian_filter

    def noted(image, sigma, **how):
        used.append(max(sigma))
        return own(image, sigma, **how)

    monkeypatch.setattr(scipy.ndimage, "gaussian_filter", noted)
    found = overlay._slow(image, list(width_px))
    assert found.shape == image.shape and np.abs(found - goal).max() < 0.015 * np.ptp(image)
    assert len(used) == 1 and used[0] <= 40.0
