"""A landmark list holds the landmarks of its film, whatever the film's geometry and whoever has changed them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed")

from landmark_films import film_nodes, landmarks_on, pair_of

from LumbarBiplanarLib.anatomy import LANDMARK_NAMES, FilmLandmarks, LandmarkObservation, Level
from LumbarBiplanarLib.errors import LandmarkError
from LumbarBiplanarLib.geometry.sides import with_left_side

MISSING_ONES = (3, 50, 99)


@pytest.fixture
def lists():
    """The functions under test; imported late, because they need Slicer's modules."""
    from LumbarBiplanarLib.mrml import landmarks

    return landmarks


@pytest.fixture(params=["pinhole", "slot", "oblique"])
def pair(request):
    return pair_of(request.param)


@pytest.fixture
def film(scene, pair):
    return film_nodes(scene, pair)["lateral"]


@pytest.fixture
def given(pair):
    return landmarks_on(pair.lateral, missing=MISSING_ONES)


def test_landmarks_come_back_exactly_from_a_list_in_any_geometry(scene, film, given, lists):
    node = lists.add_landmark_list(scene, film, given)
    assert dict(lists.landmarks_of_node(node, film)) == dict(given)
    assert node.GetNumberOfControlPoints() == lists.POINT_COUNT == 100
    assert [i for i in range(100) if node.GetNthControlPointPositionStatus(i) == lists.MISSING] == list(MISSING_ONES)


def test_points_lie_in_the_plane_of_the_film(scene, pair, film, given, lists):
    node = lists.add_landmark_list(scene, film, given)
    for index in (0, 42, 98):
        point = lists.point_ras_mm(node, index)
        assert pair.lateral.depth_mm(point) == pytest.approx(pair.lateral.focal_mm, abs=1e-6)
        pixel = given[lists.key_of(index)].position_px
        assert point == pytest.approx(pair.lateral.detector_points_ras_mm(np.array(pixel)), abs=1e-9)
    assert lists.point_ras_mm(node, 50) is None


def test_a_landmark_that_the_film_does_not_show_keeps_what_was_said_about_it(scene, film, lists):
    hidden = LandmarkObservation(Level.L2, "pedicle_left", (10.25, 20.5), 0.125, 2.5, visible=False)
    node = lists.add_landmark_list(scene, film, FilmLandmarks([hidden]))
    assert dict(lists.landmarks_of_node(node)) == {(Level.L2, "pedicle_left"): hidden}
    index = lists.index_of(Level.L2, "pedicle_left")
    assert node.GetNthControlPointPositionStatus(index) == lists.MISSING


def test_every_point_has_its_place_in_the_list(lists):
    for index in range(100):
        assert lists.index_of(*lists.key_of(index)) == index
    assert lists.key_of(0) == (Level.L1, LANDMARK_NAMES[0]) and lists.key_of(99) == (Level.L5, LANDMARK_NAMES[-1])
    assert len({lists.label_of(index) for index in range(100)}) == 100
    assert lists.label_of(lists.index_of(Level.L3, "pedicle_left")) == "L3 ped L"
    for wrong in ((Level.S1, "pedicle_left"), (Level.L1, "nose")):
        with pytest.raises(LandmarkError):
            lists.index_of(*wrong)
    with pytest.raises(LandmarkError):
        lists.key_of(100)


def test_a_point_that_somebody_moved_counts_as_corrected_though_nobody_listened(scene, film, given, lists):
    node = lists.add_landmark_list(scene, film, given)
    key = lists.key_of(42)
    view = lists.view_of_list(node)
    node.SetNthControlPointPositionWorld(42, *view.detector_points_ras_mm(np.array([31.4, 27.1])))
    found = lists.landmarks_of_node(node)
    assert found[key].position_px == pytest.approx((31.4, 27.1), abs=1e-9)
    assert (found[key].confidence, found[key].sigma_mm, found[key].visible, found[key].corrected) == (
        1.0,
        None,
        True,
        True,
    )
    assert {other: item for other, item in found.items() if other != key} == {
        other: item for other, item in given.items() if other != key
    }


def test_a_point_that_somebody_cleared_is_not_shown_and_counts_as_corrected(scene, film, given, lists):
    node = lists.add_landmark_list(scene, film, given)
    node.UnsetNthControlPointPosition(7)
    key = lists.key_of(7)
    assert lists.landmarks_of_node(node)[key] == replace(given[key], visible=False, corrected=True)
    assert key not in lists.landmarks_of_node(node).visible()
    assert lists.settle(node) == (7,)
    assert node.GetNthControlPointPositionStatus(7) == lists.MISSING
    assert lists.landmarks_of_node(node)[key] == replace(given[key], visible=False, corrected=True)


def test_settling_writes_down_moves_once_and_brings_points_back_into_the_film(scene, pair, film, given, lists):
    node = lists.add_landmark_list(scene, film, given)
    point = lists.point_ras_mm(node, 12) - 30.0 * pair.lateral.beam_ras + 4.0 * pair.lateral.camera_from_ras[0, :3]
    node.SetNthControlPointPositionWorld(12, *point)
    assert lists.settle(node) == (12,)
    assert lists.settle(node) == ()
    assert pair.lateral.depth_mm(lists.point_ras_mm(node, 12)) == pytest.approx(pair.lateral.focal_mm, abs=1e-6)
    pixel = given[lists.key_of(12)].position_px
    assert lists.pixel_of_point(node, 12) == pytest.approx((pixel[0] + 4.0 / 0.8, pixel[1]), abs=1e-6)
    assert node.GetNthControlPointSelected(12) and not node.GetNthControlPointSelected(13)


def test_a_point_dragged_off_the_film_is_kept(scene, film, given, lists):
    node = lists.add_landmark_list(scene, film, given)
    lists.set_landmark(node, *lists.key_of(5), (-40.0, 1000.0))
    assert lists.landmarks_of_node(node)[lists.key_of(5)].position_px == (-40.0, 1000.0)


def test_points_keep_their_pixels_when_the_geometry_of_the_film_changes(scene, film, given, lists, pair):
    from LumbarBiplanarLib.mrml.films import set_film_view

    node = lists.add_landmark_list(scene, film, given)
    moved = pair.lateral.detector_points_ras_mm(np.array([55.5, 66.25]))
    node.SetNthControlPointPositionWorld(20, *moved)
    before = dict(lists.landmarks_of_node(node))
    other = replace(pair.lateral, focal_mm=pair.lateral.focal_mm * 1.1, spacing_mm=(0.7, 0.6))
    set_film_view(film, other)
    assert lists.landmarks_of_node(node)[lists.key_of(20)].position_px == pytest.approx((55.5, 66.25), abs=1e-9)
    assert lists.follow_film(node, film) and not lists.follow_film(node, film)
    after = dict(lists.landmarks_of_node(node))
    assert after.keys() == before.keys()
    assert all(after[key] == item for key, item in before.items() if not item.corrected)
    assert after[lists.key_of(20)].position_px == pytest.approx((55.5, 66.25), abs=1e-9)
    expected = other.detector_points_ras_mm(np.array(given[lists.key_of(0)].position_px))
    assert lists.point_ras_mm(node, 0) == pytest.approx(expected, abs=1e-9)


def test_left_is_right_once_the_film_shows_the_patient_the_other_way_round(scene, film, given, lists, pair):
    from LumbarBiplanarLib.mrml.films import set_film_view

    node = lists.add_landmark_list(scene, film, given)
    lists.set_landmark(node, Level.L3, "pedicle_left", (11.0, 12.0))
    before = lists.landmarks_of_node(node)
    from_the_right = with_left_side(pair.lateral, "back", np.zeros(3))
    # Facing right, stored turned over: the source is where it was, and so are left and right on the film.
    for view, exchanged in ((from_the_right, True), (pair.lateral, False), (pair.lateral.turned_over(), False)):
        set_film_view(film, view)
        lists.follow_film(node, film)
        after = lists.landmarks_of_node(node)
        assert after == (before.with_sides_exchanged() if exchanged else before)
        assert after[Level.L3, "pedicle_right" if exchanged else "pedicle_left"].position_px == (11.0, 12.0)
        index = lists.index_of(Level.L1, "transverse_tip_left")
        expected = view.detector_points_ras_mm(np.array(after[Level.L1, "transverse_tip_left"].position_px))
        assert lists.point_ras_mm(node, index) == pytest.approx(expected, abs=1e-9)


def test_a_new_detection_leaves_corrected_landmarks_alone(scene, pair, film, given, lists):
    node = lists.add_landmark_list(scene, film, given)
    lists.set_landmark(node, *lists.key_of(1), (11.0, 12.0))
    lists.unset_landmark(node, *lists.key_of(2))
    again = landmarks_on(pair.lateral, seed=9)
    lists.write_landmarks_to_node(node, film, again)
    found = lists.landmarks_of_node(node)
    assert found[lists.key_of(1)].position_px == (11.0, 12.0) and found[lists.key_of(1)].corrected
    assert not found[lists.key_of(2)].visible
    assert all(found[lists.key_of(index)] == again[lists.key_of(index)] for index in range(3, 100))
    lists.reset_landmarks(node)
    assert dict(lists.landmarks_of_node(node)) == dict(again)


def test_a_new_detection_can_replace_everything(scene, pair, film, given, lists):
    node = lists.add_landmark_list(scene, film, given)
    lists.set_landmark(node, *lists.key_of(1), (11.0, 12.0))
    fewer = landmarks_on(pair.lateral, seed=9, missing=range(40, 100))
    lists.write_landmarks_to_node(node, film, fewer, keep_corrected=False)
    assert dict(lists.landmarks_of_node(node)) == dict(fewer)


def test_reset_goes_back_to_the_detection_and_to_nothing_where_there_was_none(scene, film, given, lists):
    node = lists.add_landmark_list(scene, film, given)
    for index in (0, 3, 4):
        lists.set_landmark(node, *lists.key_of(index), (100.0, 100.0))
    lists.reset_landmarks(node, [lists.key_of(0), lists.key_of(3)])
    found = lists.landmarks_of_node(node)
    assert found[lists.key_of(0)] == given[lists.key_of(0)]
    assert lists.key_of(3) not in found and lists.point_ras_mm(node, 3) is None
    assert found[lists.key_of(4)].position_px == (100.0, 100.0)
    lists.reset_landmarks(node)
    assert dict(lists.landmarks_of_node(node)) == dict(given)


def test_loaded_corrections_keep_the_detection_to_go_back_to(scene, film, given, lists):
    node = lists.add_landmark_list(scene, film, given)
    key = lists.key_of(6)
    loaded = given.moved(*key, (70.0, 80.0))
    lists.write_landmarks_to_node(node, film, loaded, keep_corrected=False)
    assert dict(lists.landmarks_of_node(node)) == dict(loaded)
    lists.reset_landmarks(node, [key])
    assert lists.landmarks_of_node(node)[key] == given[key]


def test_writing_tells_the_observers_of_the_list_once(scene, film, given, lists):
    import slicer

    node = lists.add_landmark_list(scene, film, given)
    told = []
    node.AddObserver(slicer.vtkMRMLMarkupsNode.PointModifiedEvent, lambda *_: told.append(1))
    lists.reset_landmarks(node)
    lists.set_landmark(node, Level.L4, "spinous_tip", (9.0, 9.0))
    assert len(told) == 2


def test_landmarks_can_be_locked_one_by_one_or_all(scene, film, given, lists):
    node = lists.add_landmark_list(scene, film, given)
    lists.set_locked(node, True, [lists.key_of(8)])
    assert node.GetNthControlPointLocked(8) and not node.GetNthControlPointLocked(9) and not node.GetLocked()
    lists.set_locked(node, True)
    assert node.GetLocked()
    lists.set_locked(node, False)
    assert not node.GetLocked() and node.GetNthControlPointLocked(8)


@pytest.mark.parametrize("text", ["seen by Dr X", "[1, 2]", '{"position_px": "here"}', '{"position_px": [1]}', "null"])
def test_a_description_that_somebody_has_overwritten_does_no_harm(scene, film, given, lists, text):
    node = lists.add_landmark_list(scene, film, given)
    pixel = given[lists.key_of(30)].position_px
    node.SetNthControlPointDescription(30, text)
    found = lists.landmarks_of_node(node)[lists.key_of(30)]
    assert found.position_px == pytest.approx(pixel) and found.corrected and found.confidence == 1.0


def test_a_node_that_is_no_landmark_list_is_refused_with_its_name(scene, lists):
    node = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "my own points")
    with pytest.raises(LandmarkError, match="my own points"):
        lists.landmarks_of_node(node)
    assert not lists.is_landmark_list(node) and not lists.is_landmark_list(None)


def test_impossible_pixels_are_refused(scene, film, given, lists):
    node = lists.add_landmark_list(scene, film, given)
    with pytest.raises(LandmarkError, match="finite"):
        lists.set_landmark(node, Level.L1, "spinous_tip", (float("nan"), 3.0))
    assert dict(lists.landmarks_of_node(node)) == dict(given)


def test_the_list_of_a_film_is_found_by_its_film(scene, pair, lists):
    films = film_nodes(scene, pair)
    nodes = {name: lists.add_landmark_list(scene, film) for name, film in films.items()}
    assert {name: lists.find_landmark_list(film) for name, film in films.items()} == nodes
    assert dict(lists.landmarks_of_node(nodes["AP"])) == {}
    scene.RemoveNode(nodes["AP"])
    assert lists.find_landmark_list(films["AP"]) is None


def test_everything_survives_saving_and_loading_the_scene(scene, film, given, lists, tmp_path):
    import slicer

    node = lists.add_landmark_list(scene, film, given)
    lists.set_landmark(node, *lists.key_of(1), (11.125, 12.0625))
    lists.unset_landmark(node, *lists.key_of(2))
    node.UnsetNthControlPointPosition(4)
    lists.set_locked(node, True, [lists.key_of(8)])
    before = lists.read_records(node)
    storage = node.CreateDefaultStorageNode()
    scene.AddNode(storage)
    node.SetAndObserveStorageNodeID(storage.GetID())
    storage.SetFileName(str(tmp_path / "landmarks.mrk.json"))
    assert storage.WriteData(node)
    name, reference = node.GetName(), film.GetID()
    scene.SetRootDirectory(str(tmp_path))
    scene.SetURL(str(tmp_path / "case.mrml"))
    assert scene.Commit()
    scene.Clear(0)
    scene.SetURL(str(tmp_path / "case.mrml"))
    scene.Connect()
    loaded = slicer.util.getFirstNodeByClassByName("vtkMRMLMarkupsFiducialNode", name, scene=scene)
    assert lists.is_landmark_list(loaded) and loaded.GetFixedNumberOfControlPoints()
    assert lists.read_records(loaded) == before
    assert loaded.GetNodeReferenceID(lists.FILM_REFERENCE) == reference
    assert loaded.GetNthControlPointLocked(8) and loaded.GetNthControlPointSelected(1)
    lists.reset_landmarks(loaded)
    assert dict(lists.landmarks_of_node(loaded)) == dict(given)
