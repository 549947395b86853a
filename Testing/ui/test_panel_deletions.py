"""Nodes that the user deletes under the panel's hands: no error in an observer, and a panel that works on."""

from __future__ import annotations

import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")
pytest.importorskip("torch", reason="detection and registration need PyTorch")

import panel_driver as user

import known_network

ROLES = ("film", "landmarks", "lumbar-image", "silhouette", "vertebra", "measurements", "reconstruction")


@pytest.fixture
def panel(app, module_widget, monkeypatch):
    user.use_known_network(module_widget.panel, monkeypatch)
    user.load_sample_study(app, module_widget.panel)
    return module_widget.panel


@pytest.fixture
def done(app, panel):
    known_network.finish(panel.logic)
    app.process_events()
    return panel


@pytest.mark.parametrize("role", ROLES)
def test_a_deleted_node_is_missed_or_made_again_but_breaks_nothing(app, scene, done, role):
    for node in user.nodes(scene, role):
        scene.RemoveNode(node)
    app.process_events()
    assert app.messages == [] and app.python_errors == []
    if role == "film":
        assert not done.ui.runAllButton.enabled
        user.load_sample_study(app, done)
        app.process_events()
    user.run_all(app, done)
    assert app.messages == []
    assert done.logic.result() is not None
    counts = {name: len(user.nodes(scene, name)) for name in ROLES}
    # A list of landmarks outlives its film: it may hold a person's work.
    assert counts["landmarks"] == (4 if role == "film" else 2)
    assert counts["vertebra"] == 5 and counts["silhouette"] == 10
    assert counts["measurements"] == counts["reconstruction"] == 1


@pytest.mark.parametrize("role", ["landmarks", "lumbar-image", "silhouette"])
def test_a_node_deleted_during_a_run_ends_in_a_result_or_in_words(app, scene, panel, role):
    user.start_and_go_into_registration(app, panel)
    for node in user.nodes(scene, role):
        scene.RemoveNode(node)
    user.wait_until_done(app, panel)
    assert app.python_errors == [] and len(app.messages) <= 1
    assert panel.ui.runAllButton.enabled
    app.messages.clear()
    user.run_all(app, panel)
    assert panel.logic.result() is not None and app.messages == []


def test_the_folder_of_the_case_can_be_deleted_as_a_whole(app, scene, done):
    from LumbarBiplanarLib.mrml.case_folder import case_folder

    folder = case_folder(scene, done.logic.filmNode("AP"), create=False)
    assert folder is not None
    slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene).RemoveItem(folder)
    app.process_events()
    assert app.python_errors == [] and app.messages == []
    assert done.logic.filmNode("AP") is None and not done.ui.runAllButton.enabled
    user.load_sample_study(app, done)
    user.run_all(app, done)
    assert done.logic.result() is not None


def test_the_parameter_node_itself_can_be_deleted(app, scene, done):
    scene.RemoveNode(done.parameters.parameterNode)
    app.process_events()
    assert app.python_errors == [] and app.messages == []
    user.load_sample_study(app, done)
    app.process_events()
    assert done.ui.runAllButton.enabled
    assert done.ui.apFilmSelector.currentNode() is done.logic.filmNode("AP")


def test_a_film_that_is_deleted_is_not_replaced_by_the_next_volume_of_the_list(app, scene, panel):
    lateral = panel.logic.filmNode("lateral")
    scene.RemoveNode(panel.logic.filmNode("AP"))
    app.process_events()
    assert panel.logic.filmNode("AP") is None and panel.ui.apFilmSelector.currentNode() is None
    assert panel.logic.filmNode("lateral") is lateral and panel.ui.lateralFilmSelector.currentNode() is lateral
    scene.RemoveNode(lateral)
    app.process_events()
    assert panel.logic.filmNode("lateral") is None and panel.ui.lateralFilmSelector.currentNode() is None
    assert app.messages == [] and app.python_errors == []


def test_a_list_whose_points_were_removed_empties_its_rows_and_can_be_found_again(app, scene, done):
    spoilt = done.logic.landmarkNode("AP")
    spoilt.SetFixedNumberOfControlPoints(False)
    spoilt.RemoveAllControlPoints()
    app.process_events()
    assert app.python_errors == [] and app.messages == []
    assert done.ui.landmarkTable.rowCount == 100 and not done.ui.reconstructButton.enabled
    app.click(done.ui.detectButton)
    user.wait_until_done(app, done)
    assert done.ui.landmarkTable.rowCount == 200 and app.messages == []
