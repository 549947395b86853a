"""One landmark is placed with the next click into its film; given up, nothing has happened."""

from __future__ import annotations

import numpy as np
import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")

from landmark_films import film_nodes, landmarks_on, pair_of, show

from headless_slicer import mouse

MISSING_ONES = (3, 50, 99)


@pytest.fixture
def lists():
    from LumbarBiplanarLib.mrml import landmarks

    return landmarks


@pytest.fixture
def pair():
    return pair_of("oblique")


@pytest.fixture
def films(app, scene, pair):
    films = film_nodes(scene, pair)
    for film in films.values():
        show(app, film)
    return films


@pytest.fixture
def nodes(scene, films, pair, lists):
    return {
        view.name: lists.add_landmark_list(scene, films[view.name], landmarks_on(view, missing=MISSING_ONES))
        for view in pair.views
    }


@pytest.fixture
def ended():
    return []


@pytest.fixture
def placing(nodes, ended):
    from LumbarBiplanarLib.mrml.landmark_placing import LandmarkPlacing

    placing = LandmarkPlacing(ended.append)
    yield placing
    placing.cancel()


@pytest.fixture
def interaction(scene):
    return scene.GetNodeByID("vtkMRMLInteractionNodeSingleton")


def click(app, view_name, ras):
    view = app.view(view_name)
    view.render()
    pixel = np.array(view.pixel_of(ras))
    mouse.move(view, pixel - 5)
    mouse.click(view, pixel)
    app.process_events()


def in_place_mode(interaction):
    return interaction.GetCurrentInteractionMode() == slicer.vtkMRMLInteractionNode.Place


@pytest.mark.parametrize("index", [50, 10], ids=["not shown before", "shown before"])
def test_the_next_click_places_the_landmark_and_ends_place_mode(
    app, nodes, placing, ended, interaction, lists, pair, index
):
    before = lists.read_records(nodes["AP"])
    placing.start(nodes["AP"], index)
    assert in_place_mode(interaction) and placing.point == (nodes["AP"], index)
    click(app, "AP", pair.ap.detector_points_ras_mm(np.array([151.0, 202.0])))
    assert ended == [True] and not in_place_mode(interaction) and placing.point is None
    found = lists.read_records(nodes["AP"])
    assert found[index].observation.position_px == pytest.approx((151.0, 202.0), abs=1.5)
    assert found[index].corrected and found[index].detected == before[index].detected
    assert [i for i in range(100) if found[i] != before[i]] == [index]
    assert nodes["AP"].GetNumberOfControlPoints() == 100


@pytest.mark.parametrize("index", [50, 10], ids=["not shown before", "shown before"])
@pytest.mark.parametrize("way", ["mode", "cancel", "other list", "hover first"])
def test_giving_up_leaves_everything_as_it_was(app, scene, nodes, placing, ended, interaction, lists, pair, index, way):
    before = lists.read_records(nodes["AP"])
    placing.start(nodes["AP"], index)
    if way == "hover first":
        view = app.view("AP")
        view.render()
        mouse.move(view, view.pixel_of(pair.ap.detector_points_ras_mm(np.array([151.0, 202.0]))))
        assert nodes["AP"].GetNthControlPointPositionStatus(index) == lists.PREVIEW
    if way == "cancel":
        placing.cancel()
    elif way == "other list":
        other = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "mine")
        scene.GetNodeByID("vtkMRMLSelectionNodeSingleton").SetActivePlaceNodeID(other.GetID())
    else:
        interaction.SwitchToViewTransformMode()
    app.process_events()
    assert ended == [False] and placing.point is None
    lists.settle(nodes["AP"])
    assert lists.read_records(nodes["AP"]) == before
    assert nodes["AP"].GetNthControlPointPositionStatus(50) == lists.MISSING


def test_a_click_into_the_other_film_does_not_place_it_there(app, nodes, placing, ended, lists, pair):
    before = {name: lists.read_records(node) for name, node in nodes.items()}
    placing.start(nodes["AP"], 50)
    click(app, "lateral", pair.lateral.detector_points_ras_mm(np.array([151.0, 202.0])))
    placing.cancel()
    for name, node in nodes.items():
        lists.settle(node)
        assert lists.read_records(node) == before[name]
    assert ended == [False]


def test_other_points_left_undefined_are_not_filled_in_its_stead(app, nodes, placing, ended, lists, pair):
    nodes["AP"].UnsetNthControlPointPosition(7)
    placing.start(nodes["AP"], 50)
    click(app, "AP", pair.ap.detector_points_ras_mm(np.array([151.0, 202.0])))
    assert ended == [True]
    assert nodes["AP"].GetNthControlPointPositionStatus(7) == lists.MISSING
    assert nodes["AP"].GetNthControlPointPositionStatus(50) == lists.DEFINED


def test_what_slicers_place_mode_was_set_to_before_is_set_again(scene, app, nodes, placing, lists, pair):
    selection = scene.GetNodeByID("vtkMRMLSelectionNodeSingleton")
    mine = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "mine")
    selection.SetReferenceActivePlaceNodeClassName("vtkMRMLMarkupsFiducialNode")
    selection.SetActivePlaceNodeID(mine.GetID())
    interaction = scene.GetNodeByID("vtkMRMLInteractionNodeSingleton")
    interaction.SetPlaceModePersistence(1)
    placing.start(nodes["AP"], 50)
    click(app, "AP", pair.ap.detector_points_ras_mm(np.array([151.0, 202.0])))
    assert selection.GetActivePlaceNodeID() == mine.GetID() and interaction.GetPlaceModePersistence() == 1
    interaction.SetPlaceModePersistence(0)


def test_deleting_the_list_or_closing_the_scene_ends_placing(app, scene, nodes, placing, ended, interaction):
    placing.start(nodes["AP"], 50)
    scene.RemoveNode(nodes["AP"])
    assert ended == [False]
    placing.start(nodes["lateral"], 50)
    app.clear()
    assert ended == [False, False] and placing.point is None


def test_starting_another_point_gives_up_the_first(nodes, placing, ended, lists):
    before = lists.read_records(nodes["AP"])
    placing.start(nodes["AP"], 50)
    placing.start(nodes["lateral"], 3)
    assert ended == [False] and placing.point == (nodes["lateral"], 3)
    assert lists.read_records(nodes["AP"]) == before
