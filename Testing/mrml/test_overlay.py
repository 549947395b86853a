"""Outlines lie on their film, are drawn in their own view and in 3D, and leave nothing behind."""

from __future__ import annotations

import numpy as np
import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")

from LumbarBiplanarLib.anatomy import Level
from LumbarBiplanarLib.geometry import standard_pair
from LumbarBiplanarLib.imaging import Film, Polarity

YELLOW = Level.L3


@pytest.fixture
def films(scene):
    from LumbarBiplanarLib.mrml.films import add_film

    pair = standard_pair(size_px=((300, 400), (300, 400)), spacing_mm=1.0)
    pixels = np.tile(np.linspace(0, 50, 300, dtype=np.float32), (400, 1))
    return {view.name: add_film(scene, Film(pixels, view, Polarity.BONE_BRIGHT)) for view in pair.views}


@pytest.fixture
def silhouettes(scene, films):
    from LumbarBiplanarLib.mrml.overlay import Silhouettes

    return Silhouettes(scene, films)


def show_film(app, name, film):
    view = app.view(name)
    view.logic.GetSliceCompositeNode().SetBackgroundVolumeID(film.GetID())
    view.node.RotateToVolumePlane(film)
    view.logic.FitSliceToBackground()
    view.logic.SnapSliceOffsetToIJK()
    return view


def square(center, half=40.0, count=240):
    """Outline of a square, starting at its upper left corner."""
    corners = np.array([[-half, -half], [half, -half], [half, half], [-half, half], [-half, -half]])
    at = np.arange(count) * (4.0 / count)
    return np.stack([np.interp(at, np.arange(5), corners[:, axis]) for axis in range(2)], axis=1) + center


def yellow_pixels(picture):
    red, green, blue = (picture[..., channel].astype(int) for channel in range(3))
    return np.argwhere((red > 150) & (green > 130) & (blue < 140) & (red > blue + 60))


def film_point(view, pixel):
    return view.detector_points_ras_mm(np.asarray(pixel, dtype=float))


def test_an_outline_is_drawn_where_its_pixels_lie_on_the_film(app, films, silhouettes):
    from LumbarBiplanarLib.mrml.films import view_of_node

    view = show_film(app, "AP", films["AP"])
    silhouettes.update({"AP": {YELLOW: square((120.0, 250.0))}})
    found = yellow_pixels(view.pixels())
    assert len(found) > 200
    film_view = view_of_node(films["AP"])
    corners = [view.pixel_of(film_point(film_view, corner)) for corner in ((80, 210), (160, 290))]
    (left, first), (right, last) = corners
    low, high = found.min(axis=0), found.max(axis=0)
    height = view.pixels().shape[0]
    rows = sorted((height - 1 - first, height - 1 - last)) if first > last else sorted((first, last))
    assert [low[1], high[1]] == pytest.approx(sorted((left, right)), abs=3)
    assert high[0] - low[0] == pytest.approx(rows[1] - rows[0], abs=4)


def test_an_outline_is_seen_in_its_own_view_and_in_3d_only(app, films, silhouettes):
    ap, lateral = (show_film(app, name, films[name]) for name in ("AP", "lateral"))
    silhouettes.update({"AP": {YELLOW: square((150.0, 200.0))}, "lateral": {}})
    assert len(yellow_pixels(ap.pixels())) > 200
    assert len(yellow_pixels(lateral.pixels())) == 0
    space = app.view("3D")
    center = film_point_of(films["AP"], (150.0, 200.0))
    space.look(center + np.array([0.0, 600.0, 0.0]), center, (0.0, 0.0, 1.0))
    assert len(yellow_pixels(space.pixels())) > 100


def film_point_of(film, pixel):
    from LumbarBiplanarLib.mrml.films import view_of_node

    return film_point(view_of_node(film), pixel)


def test_moving_an_outline_keeps_node_topology_and_memory(films, silhouettes, scene):
    silhouettes.update({"AP": {YELLOW: square((120.0, 200.0))}})
    node = silhouettes.nodes["AP", YELLOW]
    polydata, lines, count = node.GetPolyData(), node.GetPolyData().GetLines().GetMTime(), scene.GetNumberOfNodes()
    silhouettes.update({"AP": {YELLOW: square((140.0, 200.0))}})
    assert node.GetPolyData() is polydata and polydata.GetLines().GetMTime() == lines
    assert scene.GetNumberOfNodes() == count
    moved = np.array(polydata.GetPoint(0))
    assert moved == pytest.approx(film_point_of(films["AP"], (100.0, 160.0)), abs=0.6)


def test_another_number_of_points_gives_another_closed_line(silhouettes):
    for count in (240, 60, 100):
        silhouettes.update({"AP": {YELLOW: square((120.0, 200.0), count=count)}})
        polydata = silhouettes.nodes["AP", YELLOW].GetPolyData()
        ids = polydata.GetCell(0).GetPointIds()
        assert polydata.GetNumberOfPoints() == count and polydata.GetNumberOfCells() == 1
        assert [ids.GetId(0), ids.GetId(count)] == [0, 0] and ids.GetNumberOfIds() == count + 1


def test_a_vertebra_that_is_no_longer_there_is_hidden(silhouettes):
    silhouettes.update({"AP": {Level.L1: square((120.0, 100.0)), Level.L2: square((120.0, 200.0))}})
    silhouettes.update({"AP": {Level.L2: square((120.0, 200.0))}})
    visible = {key[1]: bool(node.GetDisplayNode().GetVisibility()) for key, node in silhouettes.nodes.items()}
    assert visible == {Level.L1: False, Level.L2: True}


def test_outlines_can_be_hidden_and_shown_while_they_move(app, films, silhouettes):
    view = show_film(app, "AP", films["AP"])
    silhouettes.set_visible(False)
    silhouettes.update({"AP": {YELLOW: square((120.0, 200.0))}})
    assert len(yellow_pixels(view.pixels())) == 0
    silhouettes.set_visible(True)
    assert len(yellow_pixels(view.pixels())) > 200


def test_outlines_are_not_saved_and_not_listed(silhouettes):
    silhouettes.update({"AP": {YELLOW: square((120.0, 200.0))}})
    node = silhouettes.nodes["AP", YELLOW]
    assert not node.GetSaveWithScene() and not node.GetDisplayNode().GetSaveWithScene() and node.GetHideFromEditors()


def test_an_outline_the_user_deleted_comes_back_and_a_film_that_is_gone_is_left_out(scene, films, silhouettes):
    silhouettes.update({"AP": {YELLOW: square((120.0, 200.0))}})
    scene.RemoveNode(silhouettes.nodes["AP", YELLOW])
    silhouettes.update({"AP": {YELLOW: square((120.0, 200.0))}})
    assert scene.IsNodePresent(silhouettes.nodes["AP", YELLOW])
    assert silhouettes.nodes["AP", YELLOW].GetDisplayNode().GetVisibility()
    scene.RemoveNode(films["lateral"])
    silhouettes.update({"AP": {}, "lateral": {YELLOW: square((120.0, 200.0))}})
    assert ("lateral", YELLOW) not in silhouettes.nodes


def test_remove_takes_models_and_their_display_nodes_away(scene, silhouettes):
    count = scene.GetNumberOfNodes()
    silhouettes.update({name: {YELLOW: square((120.0, 200.0))} for name in ("AP", "lateral")})
    assert scene.GetNumberOfNodes() == count + 4
    silhouettes.remove()
    assert scene.GetNumberOfNodes() == count
    silhouettes.update({"AP": {YELLOW: square((120.0, 200.0))}})
    assert scene.GetNumberOfNodes() == count + 2


def test_a_second_object_does_not_double_the_outlines(scene, films, silhouettes):
    from LumbarBiplanarLib.mrml.overlay import Silhouettes

    silhouettes.update({"AP": {YELLOW: square((120.0, 200.0))}})
    count = scene.GetNumberOfNodes()
    Silhouettes(scene, films).update({"AP": {YELLOW: square((120.0, 200.0))}})
    assert scene.GetNumberOfNodes() == count


def test_two_objects_that_draw_in_turn_leave_one_outline_per_vertebra(scene, films, silhouettes):
    from LumbarBiplanarLib.mrml.overlay import SILHOUETTE_ROLE, Silhouettes, nodes_of_role

    outlines = {"AP": {YELLOW: square((120.0, 200.0))}}
    silhouettes.update(outlines)
    another = Silhouettes(scene, films)
    for drawing in (another, silhouettes, another):
        drawing.update(outlines)
        drawn = list(drawing.nodes.values())
        assert len(drawn) == 1 and drawn[0].GetDisplayNode().GetVisibility()
        assert nodes_of_role(scene, "vtkMRMLModelNode", SILHOUETTE_ROLE) == drawn


def test_closing_the_scene_in_the_middle_breaks_nothing(app, scene, silhouettes):
    silhouettes.update({"AP": {YELLOW: square((120.0, 200.0))}})
    app.clear()
    silhouettes.update({"AP": {YELLOW: square((120.0, 200.0))}})
    silhouettes.set_visible(False)
    silhouettes.remove()
    assert silhouettes.nodes == {}
