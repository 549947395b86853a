"""The headless Slicer shows films, moves landmarks by mouse and closes scenes as Slicer does."""

from __future__ import annotations

import numpy as np
import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")


@pytest.fixture
def film(scene):
    """A film of 500 x 800 pixels of 0.5 mm, centred at (0, -150, 0), with a bright square in its middle."""
    import slicer.util

    pixels = np.full((1, 800, 500), 1000.0)
    pixels[0, 300:500, 200:300] = 3000.0
    ras_from_ijk = np.array([[-0.5, 0, 0, 124.75], [0, 0, -1, -150], [0, -0.5, 0, 199.75], [0, 0, 0, 1]])
    node = slicer.util.addVolumeFromArray(pixels, ras_from_ijk, "film")
    node.GetDisplayNode().SetAutoWindowLevel(0)
    node.GetDisplayNode().SetWindowLevel(4000, 2000)
    return node


@pytest.fixture
def ap_view(app, film):
    view = app.view("AP")
    view.logic.GetSliceCompositeNode().SetBackgroundVolumeID(film.GetID())
    view.node.RotateToVolumePlane(film)
    view.logic.FitSliceToBackground()
    view.logic.SnapSliceOffsetToIJK()
    return view


def test_the_film_views_have_the_names_that_the_module_gives_them(app):
    assert app.view("AP").node.GetID() == "vtkMRMLSliceNodeLumbarAP"
    assert app.view("lateral").node.GetID() == "vtkMRMLSliceNodeLumbarLateral"
    assert [view.node.GetLayoutName() for view in app.board.shown()] == ["LumbarAP", "LumbarLateral", "1"]


def test_a_film_is_drawn_with_its_window_and_level(ap_view):
    picture = ap_view.pixels()
    height, width, _ = picture.shape
    assert picture[height // 2, width // 2].tolist() == pytest.approx([191] * 3, abs=2)
    assert picture[height // 8, width // 2].tolist() == pytest.approx([64] * 3, abs=2)


def test_a_landmark_dragged_with_the_mouse_moves_in_the_plane_of_its_film(app, scene, ap_view):
    landmarks = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode")
    landmarks.CreateDefaultDisplayNodes()
    landmarks.AddControlPointWorld((-20.0, -150.0, 90.0), "L3")
    counts = {"Start": 0, "Modified": 0, "End": 0}

    def count(name):
        counts[name] += 1

    Node = slicer.vtkMRMLMarkupsNode
    landmarks.AddObserver(Node.PointStartInteractionEvent, lambda *_: count("Start"))
    landmarks.AddObserver(Node.PointModifiedEvent, lambda *_: count("Modified"))
    landmarks.AddObserver(Node.PointEndInteractionEvent, lambda *_: count("End"))
    assert ap_view.pixel_of((-20, -150, 90)) == (232, 464)
    app.drag("AP", (-20, -150, 90), ap_view.ras_of((252, 474)))
    moved = np.array(landmarks.GetNthControlPointPositionWorld(0))
    assert moved == pytest.approx([-32.5, -150, 96.25], abs=0.5)
    assert counts["Start"] == counts["End"] == 1 and counts["Modified"] >= 5


def test_a_change_is_drawn_by_the_event_loop_and_not_more_often_than_the_view_allows(app, scene, ap_view):
    app.process_events(until=lambda: not ap_view.render_pending)
    ap_view.maximum_update_rate = 10.0
    try:
        drawn = ap_view.frames
        landmarks = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode")
        landmarks.CreateDefaultDisplayNodes()
        for step in range(20):
            landmarks.AddControlPointWorld((step, -150.0, 0.0))
        assert ap_view.frames <= drawn + 1 and ap_view.render_pending
        app.process_events(until=lambda: not ap_view.render_pending)
        assert ap_view.frames <= drawn + 2
    finally:
        ap_view.maximum_update_rate = 60.0


def test_a_view_that_the_layout_hides_is_not_drawn_by_itself(app, scene, ap_view):
    red = app.view("Red")
    drawn = red.frames
    scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode").CreateDefaultDisplayNodes()
    app.process_events(until=lambda: not red.render_pending)
    assert red.frames == drawn


def test_closing_the_scene_takes_the_film_away_and_keeps_the_views(app, scene, ap_view, capfd):
    ap_view.pixels()
    app.clear()
    assert scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 0
    assert app.view("AP") is ap_view and not ap_view.pixels().any()
    assert "ERR" not in capfd.readouterr().err
