"""Whole workflows in the real panel: two films to measurements, correction, interruption, scene and module changes."""

from __future__ import annotations

import numpy as np
import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")
pytest.importorskip("torch", reason="PyTorch is not installed")

import panel_driver as user

from LumbarBiplanarLib.anatomy import LUMBAR_LEVELS, Level


@pytest.fixture
def panel(app, module_widget, monkeypatch):
    """The panel with both films of the sample study, a network that knows the truth, and few iterations."""
    user.use_known_network(module_widget.panel, monkeypatch)
    user.load_sample_study(app, module_widget.panel)
    return module_widget.panel


@pytest.fixture(scope="module")
def finished_scene(tmp_path_factory):
    """Where the first test that needs a finished case puts its scene for the others."""
    return tmp_path_factory.mktemp("finished") / "case.mrb"


@pytest.fixture
def done(app, panel, finished_scene):
    """The panel after Run all steps, or with the scene that was saved after it."""
    if finished_scene.exists():
        app.load_scene(finished_scene)
        user.wait_until_done(app, panel)
    else:
        user.run_all(app, panel)
        app.save_scene(finished_scene)
    assert not app.messages, app.messages
    return panel


def test_one_button_leads_from_two_films_to_measurements(app, scene, done):
    assert set(user.vertebra_points(scene)) == set(LUMBAR_LEVELS)
    assert len(user.nodes(scene, "silhouette")) == 10 and len(user.nodes(scene, "landmarks")) == 2
    texts = [" ".join(row) for row in user.table_texts(done.ui.measurementTable)]
    assert any(text.startswith("Lordosis") for text in texts)
    assert done.ui.runAllButton.enabled and done.ui.exportCaseButton.enabled


def test_the_outlines_are_drawn_on_the_film_where_the_bones_are(app, scene, done):
    view = app.view("AP")
    shown = view.pixels().astype(int)
    for node in user.nodes(scene, "silhouette"):
        node.GetDisplayNode().SetVisibility(False)
    changed = (np.abs(view.pixels().astype(int) - shown).max(axis=2) > 40).sum()
    assert changed > 500  # the outlines of five vertebrae are a few thousand pixels long


def test_a_dragged_landmark_is_kept_and_the_outlines_follow(app, scene, done):
    before = user.vertebra_points(scene)
    node = done.parameters.apLandmarks
    index = next(i for i in range(node.GetNumberOfControlPoints()) if node.GetNthControlPointLabel(i).startswith("L3"))
    start = np.array(node.GetNthControlPointPositionWorld(index))
    app.drag("AP", start, start + (12.0, 0.0, 8.0))
    user.wait_for_refit(app, done)
    moved = np.array(node.GetNthControlPointPositionWorld(index))
    assert np.linalg.norm(moved - start) > 8.0
    assert sum(item.corrected for item in done.logic.landmarks("AP").values()) == 1
    after = user.vertebra_points(scene)
    change = {level: np.abs(after[level] - before[level]).max() for level in after}
    assert change[Level.L3] > 0.05 and not app.messages


def test_cancel_leaves_the_films_and_a_panel_that_runs_again(app, scene, panel):
    user.start_and_go_into_registration(app, panel)
    app.click(panel.ui.runAllButton)
    user.wait_until_done(app, panel, timeout_s=10)
    assert panel.parameters.reconstruction is None and not user.vertebra_points(scene)
    user.run_all(app, panel)
    assert set(user.vertebra_points(scene)) == set(LUMBAR_LEVELS) and not app.messages


def test_a_scene_closed_in_the_middle_of_a_run_leaves_an_empty_scene_and_a_usable_panel(app, scene, panel):
    user.start_and_go_into_registration(app, panel)
    app.clear()
    assert not user.running(panel)
    app.process_events()
    for role in ("film", "landmarks", "lumbar-image", "silhouette", "vertebra", "measurements"):
        assert not user.nodes(scene, role), role
    assert not panel.ui.runAllButton.enabled and panel.parameters is not None
    user.load_sample_study(app, panel)
    user.run_all(app, panel)
    assert set(user.vertebra_points(scene)) == set(LUMBAR_LEVELS) and not app.messages


def test_a_film_deleted_in_the_middle_of_a_run_stops_it(app, scene, panel):
    user.start_and_go_into_registration(app, panel)
    scene.RemoveNode(panel.parameters.apFilm)
    user.wait_until_done(app, panel, timeout_s=20)
    assert panel.parameters.apFilm is None and not panel.ui.runAllButton.enabled
    assert len(app.messages) <= 1


def test_another_module_opened_in_the_middle_of_a_run_stops_it(app, scene, panel):
    user.start_and_go_into_registration(app, panel)
    app.leave_module()
    assert not user.running(panel)
    app.open_module()
    user.run_all(app, panel)
    assert set(user.vertebra_points(scene)) == set(LUMBAR_LEVELS) and not app.messages


def test_a_saved_scene_brings_the_whole_case_back(app, scene, done, tmp_path):
    films = {name: node.GetName() for name, node in (("AP", done.parameters.apFilm),)}
    measured, points = user.table_texts(done.ui.measurementTable), user.vertebra_points(scene)
    app.save_scene(tmp_path / "case.mrb")
    app.clear()
    assert not done.ui.exportCaseButton.enabled
    app.load_scene(tmp_path / "case.mrb")
    user.wait_until_done(app, done)
    assert done.parameters.apFilm.GetName() == films["AP"] and done.ui.apFilmSelector.currentNode() is not None
    assert user.table_texts(done.ui.measurementTable) == measured
    restored = user.vertebra_points(scene)
    assert set(restored) == set(points)
    assert max(np.abs(restored[level] - points[level]).max() for level in points) < 1e-3
    groups = [app.view(name).node.GetViewGroup() for name in ("AP", "lateral")]
    assert groups == [101, 102]  # Slicer saves them as true or false
    assert len(user.nodes(scene, "film")) == 2 and len(user.nodes(scene, "silhouette")) in (0, 10)
    assert done.ui.exportCaseButton.enabled and not app.messages


def test_a_loaded_case_can_be_corrected_further(app, scene, done, tmp_path):
    app.save_scene(tmp_path / "case.mrb")
    app.load_scene(tmp_path / "case.mrb")
    user.wait_until_done(app, done)
    before = user.vertebra_points(scene)
    node = done.parameters.lateralLandmarks
    index = next(i for i in range(100) if node.GetNthControlPointPositionStatus(i) == 2)
    start = np.array(node.GetNthControlPointPositionWorld(index))
    app.drag("lateral", start, start + (0.0, 10.0, 10.0))
    user.wait_for_refit(app, done)
    after = user.vertebra_points(scene)
    assert max(np.abs(after[level] - before[level]).max() for level in after) > 0.05
    assert not app.messages


def test_the_users_layout_comes_back_when_the_module_is_left(app, module_widget):
    assert slicer.app.layoutManager().layout == 7351
    app.leave_module()
    assert slicer.app.layoutManager().layout == 3
    app.open_module()
    slicer.app.layoutManager().setLayout(6)
    app.leave_module()
    assert slicer.app.layoutManager().layout == 6  # the user chose it himself


def test_the_panel_is_made_without_a_main_window_and_with_other_scenes(app):
    """What Slicer's generic module test asks for."""
    with app.without_main_window():
        page = app.load_module().widgetRepresentation()
        assert not app.python_errors
        for other in (None, slicer.vtkMRMLScene(), app.scene):
            page.setMRMLScene(other)
            app.process_events()


def test_cleanup_leaves_no_observer_and_no_timer(app, done):
    panel = done
    app.unload_module()
    assert panel.Observations == [] and not panel.runner.running
    app.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "another")
    app.clear()
    assert not app.python_errors
