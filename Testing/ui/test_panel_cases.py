"""The panel in a scene with several cases: added from a file, chosen in the selectors."""

from __future__ import annotations

import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")
pytest.importorskip("torch", reason="detection and registration need PyTorch")

from panel_driver import load_sample_study, nodes, use_known_network

import known_network


@pytest.fixture
def panel(app, module_widget, monkeypatch, tmp_path):
    """The panel with a case that has a result; ``case.mrb`` holds a second one, also with a result."""
    panel = module_widget.panel
    use_known_network(panel, monkeypatch)
    load_sample_study(app, panel)
    panel.logic.useStandardGeometry()
    known_network.finish(panel.logic)
    app.process_events()
    app.save_scene(tmp_path / "case.mrb")
    app.clear()
    load_sample_study(app, panel)
    known_network.finish(panel.logic)
    app.process_events()
    return panel


def films_shown(scene, *roles: str) -> set[str]:
    shown = [node for role in roles for node in nodes(scene, role) if node.GetDisplayNode().GetVisibility()]
    return {node.GetNodeReferenceID("LumbarBiplanar.Film") for node in shown}


@pytest.mark.parametrize("open_module", [True, False], ids=["in the open module", "before the module is opened"])
def test_a_scene_that_is_added_shows_its_own_case_only(app, panel, scene, tmp_path, open_module):
    roles = ("landmarks", "silhouette", "vertebra")
    first = {panel.parameters.apFilm.GetID(), panel.parameters.lateralFilm.GetID()}
    assert films_shown(scene, *roles) == first
    if not open_module:
        app.leave_module()
    app.load_scene(tmp_path / "case.mrb", clear=False)
    if not open_module:
        app.open_module()
    app.process_events()
    second = {panel.parameters.apFilm.GetID(), panel.parameters.lateralFilm.GetID()}
    assert films_shown(scene, *roles) == second and not first & second
    assert len(nodes(scene, "reconstruction")) == 2 and len(nodes(scene, "vertebra")) == 10


def test_a_surface_of_a_waiting_case_that_was_saved_visible_is_visible_again(app, panel, scene, tmp_path):
    app.load_scene(tmp_path / "case.mrb", clear=False)
    app.process_events()
    compared = next(node for node in nodes(scene, "vertebra") if not node.GetDisplayNode().GetVisibility())
    compared.GetDisplayNode().SetVisibility(True)
    app.save_scene(tmp_path / "both.mrb")
    app.load_scene(tmp_path / "both.mrb")
    app.process_events()
    assert sum(bool(node.GetDisplayNode().GetVisibility()) for node in nodes(scene, "vertebra")) == 6


def test_of_a_case_that_was_added_twice_each_copy_stays_whole(app, panel, scene, tmp_path):
    fields = ("apFilm", "lateralFilm", "apLandmarks", "lateralLandmarks", "reconstruction")
    app.load_scene(tmp_path / "case.mrb", clear=False)
    app.process_events()
    first = {field: getattr(panel.parameters, field) for field in fields}
    app.load_scene(tmp_path / "case.mrb", clear=False)
    app.process_events()
    assert not any(getattr(panel.parameters, field) is node for field, node in first.items())
    panel.ui.apFilmSelector.setCurrentNode(first["apFilm"])
    for _round in range(3):
        app.process_events()
    assert {field: getattr(panel.parameters, field) for field in fields} == first
    assert app.messages == []


@pytest.mark.parametrize("selector", ["apFilmSelector", "lateralFilmSelector"])
def test_a_film_chosen_from_another_case_brings_the_whole_case(app, panel, scene, tmp_path, selector):
    films = panel.parameters.apFilm, panel.parameters.lateralFilm
    geometry = panel.ui.geometryStatusLabel.text
    measured = panel.logic.result().measurements.find("lordosis_l1_l5").value
    app.load_scene(tmp_path / "case.mrb", clear=False)
    app.process_events()
    assert panel.ui.geometryStatusLabel.text != geometry
    chosen = films[selector == "lateralFilmSelector"]
    getattr(panel.ui, selector).setCurrentNode(chosen)
    for _round in range(3):
        app.process_events()
    assert (panel.parameters.apFilm, panel.parameters.lateralFilm) == films
    assert (panel.ui.apFilmSelector.currentNode(), panel.ui.lateralFilmSelector.currentNode()) == films
    assert panel.ui.geometryStatusLabel.text == geometry
    assert panel.logic.result().measurements.find("lordosis_l1_l5").value == pytest.approx(measured)
    assert panel.ui.measurementTable.rowCount > 20
    assert films_shown(scene, "landmarks", "silhouette") == {film.GetID() for film in films}
    assert len(nodes(scene, "reconstruction")) == 2
    views = {name: panel.layout.slice_logic(name).GetSliceCompositeNode() for name in ("AP", "lateral")}
    assert tuple(view.GetBackgroundVolumeID() for view in views.values()) == tuple(film.GetID() for film in films)
    assert app.messages == []


def test_one_film_of_a_case_can_be_taken_out_of_its_selector(app, panel):
    panel.ui.lateralFilmSelector.setCurrentNode(None)
    for _round in range(3):
        app.process_events()
    assert panel.parameters.lateralFilm is None and panel.parameters.apFilm is not None


def test_undo_takes_back_nothing_in_a_case_that_waits(app, panel, tmp_path):
    panel.parameters.refitOnMove = False
    panel.logic.moveLandmark("AP", "L3", "pedicle_left", (150.0, 160.0))
    app.process_events()
    assert panel.ui.undoLandmarkButton.enabled
    app.leave_module()
    app.open_module()
    assert panel.ui.undoLandmarkButton.enabled, "the case is the same"
    app.load_scene(tmp_path / "case.mrb", clear=False)
    app.process_events()
    assert not panel.ui.undoLandmarkButton.enabled
