"""Where a measurement was taken is shown in 3D, at the right place, and goes without leaving anything behind."""

from __future__ import annotations

import numpy as np
import pytest
from measured_spine import measured

from LumbarBiplanarLib.anatomy import Level
from LumbarBiplanarLib.measurement import MeasuredGeometry, Measurement, Plane
from LumbarBiplanarLib.study.appearance import LEVEL_COLORS


@pytest.fixture
def markups(scene):
    from LumbarBiplanarLib.mrml import measurement_markups

    yield measurement_markups
    measurement_markups.clear(scene)


def of_class(nodes, name):
    return [node for node in nodes if node.IsA(f"vtkMRMLMarkups{name}Node")]


def ends(node):
    return np.array([node.GetNthControlPointPositionWorld(number) for number in range(node.GetNumberOfControlPoints())])


def test_a_disc_height_is_three_lines_and_the_two_endplates_it_faces(scene, markups):
    item = measured().find("disc_height_fyllos", "L3-L4")
    nodes = markups.show_measurement(scene, item)
    lines, planes = of_class(nodes, "Line"), of_class(nodes, "Plane")
    assert (len(lines), len(planes), len(nodes)) == (3, 2, 5)
    for node, (first, second) in zip(lines, item.geometry.lines):
        assert np.allclose(ends(node), [item.geometry.points_ras_mm[first], item.geometry.points_ras_mm[second]])


def test_a_plane_lies_on_its_endplate_and_is_as_large(scene, markups):
    item = measured().find("lordosis_l1_l5")
    planes = of_class(markups.show_measurement(scene, item), "Plane")
    for node, plane in zip(planes, item.geometry.planes.values()):
        assert np.allclose(node.GetOriginWorld(), plane.origin_ras_mm, atol=1e-6)
        assert abs(np.dot(node.GetNormalWorld(), plane.normal)) == pytest.approx(1.0, abs=1e-9)
        size = np.sort(np.array(node.GetSizeWorld())[:2])
        assert size == pytest.approx(np.sort(np.linalg.norm(plane.edges_mm, axis=1)), abs=1e-6)


def test_points_on_no_line_are_shown_too(scene, markups):
    geometry = MeasuredGeometry({"a": np.zeros(3), "b": np.ones(3), "c": np.full(3, 2.0)}, lines=(("a", "b"),))
    nodes = markups.show_measurement(scene, Measurement("k", "T", 1.0, "mm", (Level.L2,), "How.", geometry=geometry))
    (points,) = of_class(nodes, "Fiducial")
    assert np.allclose(ends(points), [[2.0, 2.0, 2.0]])


def test_a_plane_of_unknown_size_is_drawn_in_a_usual_one(scene, markups):
    plane = Plane(np.array([1.0, 2.0, 3.0]), np.array([0.0, 0.0, 1.0]))
    item = Measurement("k", "T", 1.0, "mm", (Level.L2,), "How.", geometry=MeasuredGeometry(planes={"x": plane}))
    (node,) = markups.show_measurement(scene, item)
    assert np.allclose(node.GetOriginWorld(), [1.0, 2.0, 3.0])
    assert min(np.array(node.GetSizeWorld())[:2]) > 20


def test_the_label_holds_value_and_unit_and_only_one_node_has_it(scene, markups):
    item = measured().find("slip", "L4-L5")
    nodes = markups.show_measurement(scene, item)
    labelled = [node for node in nodes if node.GetDisplayNode().GetPropertiesLabelVisibility()]
    assert [node.GetName() for node in labelled] == [f"L4-L5: {item.value:.1f} mm"]
    assert markups.label_text(measured().find("lordosis_l1_l5")).endswith("°")


def test_the_markups_own_length_which_is_not_the_value_is_not_shown(scene, markups):
    for node in markups.show_measurement(scene, measured().find("slip", "L4-L5")):
        count = node.GetNumberOfMeasurements()
        assert not any(node.GetNthMeasurement(number).GetEnabled() for number in range(count))


def test_they_are_locked_hidden_from_lists_seen_in_3d_only_and_not_saved(scene, markups, tmp_path):
    nodes = markups.show_measurement(scene, measured().find("slip", "L4-L5"))
    for node in nodes:
        display = node.GetDisplayNode()
        assert node.GetLocked() and node.GetHideFromEditors()
        assert display.GetVisibility() and display.GetVisibility3D() and not display.GetVisibility2D()
        assert not display.GetHandlesInteractive()
        assert not node.GetSaveWithScene() and not display.GetSaveWithScene()
    scene.SetURL(str(tmp_path / "scene.mrml"))
    scene.Commit()
    assert "measurement-markup" not in (tmp_path / "scene.mrml").read_text()


def test_they_have_a_lighter_color_of_their_level(scene, markups):
    for node in markups.show_measurement(scene, measured().find("lordosis_l1_l5")):
        level = Level[node.GetAttribute("LumbarBiplanar.Level")]
        color = np.array(LEVEL_COLORS[level])
        shown = np.array(node.GetDisplayNode().GetSelectedColor())
        assert np.argsort(shown).tolist() == np.argsort(color).tolist()
        assert (shown > color).all()
    levels = {node.GetAttribute("LumbarBiplanar.Level") for node in markups.shown(scene)}
    assert levels == {"L1", "L5"}


def test_another_measurement_takes_the_place_of_the_first_and_nothing_is_left(scene, markups):
    before = scene.GetNumberOfNodes()
    for item in measured()[::5]:
        markups.show_measurement(scene, item)
    last = len(markups.shown(scene))
    assert 0 < last < 8
    markups.clear(scene)
    assert markups.shown(scene) == []
    assert scene.GetNumberOfNodes() == before


def test_a_user_s_own_markups_stay(scene, markups):
    import slicer

    own = slicer.vtkMRMLMarkupsLineNode()
    scene.AddNode(own)
    markups.show_measurement(scene, measured().find("slip", "L4-L5"))
    markups.clear(scene)
    assert scene.IsNodePresent(own)
    scene.RemoveNode(own)


def test_the_lines_are_seen_in_the_3d_view_and_not_on_the_films(app, scene, markups):
    view, film = app.view("3D"), app.view("AP")
    item = measured().find("body_height_middle", "L3")
    middle = markups.center_of(item.geometry)
    view.look(middle + np.array([-200.0, 0.0, 0.0]), middle)
    view.render()
    film.render()
    before, before_film = view.pixels().astype(int), film.pixels()
    markups.show_measurement(scene, item)
    view.render()
    film.render()
    changed = np.abs(view.pixels().astype(int) - before).max(axis=-1) > 40
    height = view.pixels().shape[0]
    for point in item.geometry.points_ras_mm.values():
        x, y = view.pixel_of(point)
        assert changed[height - 1 - y - 4 : height - 1 - y + 5, x - 4 : x + 5].any()
    assert (film.pixels() == before_film).all()


def test_centering_moves_the_camera_and_keeps_direction_and_distance(app, scene, markups):
    view = app.view("3D")
    view.look((0.0, 400.0, 30.0), (0.0, 0.0, 0.0))
    camera = view.camera_node
    before = np.array(camera.GetPosition()) - camera.GetFocalPoint()
    assert markups.center_view(scene, view.node, (10.0, -20.0, 30.0))
    assert np.allclose(camera.GetFocalPoint(), (10.0, -20.0, 30.0))
    assert np.allclose(np.array(camera.GetPosition()) - camera.GetFocalPoint(), before)


def test_a_measurement_without_a_place_shows_nothing(scene, markups):
    item = Measurement("k", "T", 1.0, "mm", (Level.L2,), "How.")
    assert markups.show_measurement(scene, item) == []
    assert markups.center_of(item.geometry) is None
