"""The epipolar line lies where the landmark must be on the other film, and nowhere else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")

from landmark_films import film_nodes, pair_of, show

COLOR = (1.0, 0.0, 1.0)


@pytest.fixture(params=["pinhole", "slot", "oblique"])
def pair(request):
    return pair_of(request.param)


@pytest.fixture
def films(app, scene, pair):
    films = film_nodes(scene, pair)
    for film in films.values():
        show(app, film)
    return films


@pytest.fixture
def line(films):
    from LumbarBiplanarLib.mrml.epipolar import EpipolarLine

    line = EpipolarLine(films)
    yield line
    line.remove()


def line_nodes(scene):
    nodes = slicer.util.getNodesByClass("vtkMRMLModelNode", scene)
    return [node for node in nodes if node.GetAttribute("LumbarBiplanar.Role") == "epipolar-line"]


def drawn_pixels(scene, view):
    """Return the points of the visible line on a film, in its pixels."""
    from LumbarBiplanarLib.mrml.films import pixel_of_ras

    for node in line_nodes(scene):
        if node.GetAttribute("LumbarBiplanar.View") == view.name and node.GetDisplayVisibility():
            return pixel_of_ras(view, slicer.util.arrayFromModelPoints(node).astype(float))
    return None


def distance_px(pixels, point):
    """Return how far a point is from a polyline (n, 2)."""
    first, second = pixels[:-1], pixels[1:]
    along = np.clip(((point - first) * (second - first)).sum(1) / ((second - first) ** 2).sum(1), 0, 1)
    return np.linalg.norm(first + along[:, None] * (second - first) - point, axis=1).min()


@pytest.mark.parametrize("name", ["AP", "lateral"])
def test_the_line_goes_through_the_true_place_on_the_other_film(scene, pair, films, line, name):
    here, there = pair.views if name == "AP" else pair.views[::-1]
    point = here.rays(np.array([130.0, 190.0]))
    point = point[0] + point[1] * 0.8 * here.focal_mm
    line.show(name, tuple(here.project(point)), COLOR)
    pixels = drawn_pixels(scene, there)
    true = there.project(point)
    assert distance_px(pixels, true) < 0.01
    assert (pixels >= -0.51).all() and (pixels <= np.array(there.size_px) - 0.49).all()
    assert drawn_pixels(scene, here) is None


def test_the_line_follows_what_the_registration_has_corrected_until_the_geometry_is_changed(scene, pair, films, line):
    from LumbarBiplanarLib.geometry.frames import rigid
    from LumbarBiplanarLib.mrml.film_nodes import keep_corrected_view, set_film_view

    stated = pair.lateral
    point = pair.ap.rays(np.array([130.0, 190.0]))
    point = point[0] + point[1] * 0.8 * pair.ap.focal_mm
    corrected = replace(stated, camera_from_ras=stated.camera_from_ras @ rigid(np.eye(3), [0.0, 0.0, 6.0]))
    keep_corrected_view(films["lateral"], corrected)
    keep_corrected_view(films["AP"], pair.ap)
    line.show("AP", (130.0, 190.0), COLOR)
    assert distance_px(drawn_pixels(scene, stated), corrected.project(point)) < 0.01
    assert distance_px(drawn_pixels(scene, stated), stated.project(point)) > 2.0
    set_film_view(films["lateral"], stated)
    line.show("AP", (130.0, 190.0), COLOR)
    assert distance_px(drawn_pixels(scene, stated), stated.project(point)) < 0.01


def test_the_line_is_seen_on_the_other_film_only(app, pair, films, line):
    def magenta(name):
        picture = app.view(name).pixels().astype(int)
        return int(((picture[..., 0] > 150) & (picture[..., 2] > 150) & (picture[..., 1] < 90)).sum())

    assert magenta("AP") == magenta("lateral") == 0
    line.show("AP", (130.0, 190.0), COLOR)
    assert magenta("AP") == 0 and magenta("lateral") > 100
    line.show("lateral", (130.0, 190.0), COLOR)
    assert magenta("AP") > 100 and magenta("lateral") == 0
    line.hide()
    assert magenta("AP") == magenta("lateral") == 0


def test_a_line_that_misses_the_other_film_is_not_drawn(scene, pair, films, line):
    line.show("AP", (130.0, -9000.0), COLOR)
    assert drawn_pixels(scene, pair.lateral) is None and not line.visible
    line.show("AP", (float("nan"), 5.0), COLOR)
    assert not line.visible


def test_the_line_is_not_saved_and_leaves_nothing_behind(scene, pair, films, line):
    nodes = scene.GetNumberOfNodes()
    line.show("AP", (130.0, 190.0), COLOR)
    (model,) = line_nodes(scene)
    assert not model.GetSaveWithScene() and not model.GetDisplayNode().GetSaveWithScene()
    assert model.GetHideFromEditors() and not model.GetSelectable()
    line.remove()
    assert scene.GetNumberOfNodes() == nodes
    line.show("AP", (130.0, 190.0), COLOR)
    scene.RemoveNode(line_nodes(scene)[0])
    line.show("AP", (131.0, 190.0), COLOR)
    assert line.visible


def test_clipping_keeps_the_parts_inside_and_ends_them_on_the_edge():
    from LumbarBiplanarLib.mrml.epipolar import inside_film

    view = pair_of("pinhole").ap
    width, height = view.size_px
    crossing = np.array([[-10.0, 50.0], [10.0, 50.0], [width + 20.0, 50.0], [width + 20.0, 70.0], [5.0, 70.0]])
    parts = inside_film(crossing, view)
    assert [part[[0, -1]].tolist() for part in parts] == [
        [[-0.5, 50.0], [width - 0.5, 50.0]],
        [[width - 0.5, 70.0], [5.0, 70.0]],
    ]
    assert inside_film(np.array([[-10.0, -10.0], [-10.0, 500.0]]), view) == []
    assert inside_film(np.array([[np.inf, 3.0], [4.0, 5.0]]), view) == []
    whole = np.array([[1.0, 1.0], [2.0, 3.0], [width - 1.0, height - 1.0]])
    assert len(inside_film(whole, view)) == 1 and np.allclose(inside_film(whole, view)[0], whole)
