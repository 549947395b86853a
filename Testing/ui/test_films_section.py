"""The section Films: loading, choosing, exchanging, geometry by typing, and one message for each mistake."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")

from films_desk import AP, LATERAL, WHERE_FROM, cell, only_message, origin, type_into

from LumbarBiplanarLib.geometry.settings import KEYS
from LumbarBiplanarLib.imaging import Polarity


def film_views():
    return {name: slicer.mrmlScene.GetNodeByID(f"vtkMRMLSliceNode{tag}") for name, tag in TAGS.items()}


TAGS = {"AP": "LumbarAP", "lateral": "LumbarLateral"}


def background(app, name):
    return app.view(name).logic.GetSliceCompositeNode().GetBackgroundVolumeID()


def test_the_sample_study_fills_views_table_and_texts(loaded, app):
    parameters = loaded.parameters
    assert background(app, "AP") == parameters.apFilm.GetID()
    assert background(app, "lateral") == parameters.lateralFilm.GetID()
    assert loaded.ui.geometryTable.rowCount == len(KEYS)
    assert cell(loaded, "Beam angle", AP) == "85"
    assert cell(loaded, "Calibrated", AP) == "yes"
    assert cell(loaded, "Film size", LATERAL) == "360 x 374"
    assert origin(loaded, "Source–detector").startswith("geometry.json")
    assert loaded.ui.geometryStatusLabel.text.startswith("Geometry: geometry.json, calibrated")
    assert all(node.GetSliceVisible() for node in film_views().values())
    assert app.messages == []


def test_an_empty_panel_offers_loading_only(panel):
    ui = panel.ui
    assert ui.loadApButton.enabled and ui.sampleStudyButton.enabled and ui.loadDicomButton.enabled
    for button in (ui.swapFilmsButton, ui.loadGeometryButton, ui.saveGeometryButton, ui.standardGeometryButton):
        assert not button.enabled and "Load the AP and the lateral film first" in button.toolTip
    assert ui.geometryTable.rowCount == 0
    assert ui.geometryStatusLabel.text == "Geometry: none yet."


def test_file_dialogs_open_where_the_last_one_was_closed(panel, app, sample_study):
    import qt

    assert qt.QSettings().value("LumbarBiplanar/Folder/Films") is None
    app.answers.file(str(sample_study / "ap.png"))
    app.click(panel.ui.loadApButton)
    assert "AP film: ap.png loaded." in panel.ui.logTextEdit.plainText
    from LumbarBiplanarLib.ui.remembered_folder import remembered_folder

    assert remembered_folder("Films") == str(sample_study)
    qt.QSettings().setValue("LumbarBiplanar/Folder/Films", str(sample_study / "gone"))
    assert remembered_folder("Films") == ""


def test_swapping_exchanges_films_and_views(loaded, app):
    ap, lateral = loaded.parameters.apFilm, loaded.parameters.lateralFilm
    app.click(loaded.ui.swapFilmsButton)
    app.process_events()
    assert loaded.parameters.apFilm is lateral and loaded.parameters.lateralFilm is ap
    assert background(app, "AP") == lateral.GetID() and background(app, "lateral") == ap.GetID()
    assert app.messages == []


def test_the_same_file_twice_gives_one_message_and_keeps_the_case(loaded, app, sample_study):
    lateral = loaded.parameters.lateralFilm
    app.answers.file(str(sample_study / "ap.png"))
    app.click(loaded.ui.loadLateralButton)
    app.process_events()
    assert "same image" in only_message(app)
    assert loaded.parameters.lateralFilm is lateral


@pytest.mark.parametrize("name", ("notes.txt", "empty.png", "cut.png", "gone.png"))
def test_a_wrong_file_gives_one_message_with_its_name(panel, app, tmp_path, sample_study, name):
    path = tmp_path / name
    if name == "notes.txt":
        path.write_text("no film")
    elif name == "empty.png":
        path.write_bytes(b"")
    elif name == "cut.png":
        path.write_bytes((sample_study / "ap.png").read_bytes()[:5000])
    app.answers.file(str(path))
    app.click(panel.ui.loadApButton)
    app.process_events()
    assert name in only_message(app)
    assert panel.parameters.apFilm is None
    assert panel.ui.loadApButton.enabled


def test_a_cancelled_dialog_changes_nothing_and_says_nothing(loaded, app):
    before = loaded.logic.geometry()
    for button in (loaded.ui.loadApButton, loaded.ui.loadGeometryButton, loaded.ui.saveGeometryButton):
        app.answers.file("")
        app.click(button)
    app.process_events()
    assert loaded.logic.geometry() == before and app.messages == []


def test_a_volume_of_slicer_is_copied_when_it_is_chosen(loaded, app):
    values = np.random.default_rng(1).integers(0, 4000, (1, 374, 400)).astype(np.int16)
    volume = slicer.util.addVolumeFromArray(values, name="from PACS")
    loaded.ui.apFilmSelector.setCurrentNode(volume)
    app.process_events()
    film = loaded.parameters.apFilm
    assert film is not volume and film.GetName() == "from PACS (AP film)"
    assert loaded.ui.apFilmSelector.currentNode() is film
    assert np.array_equal(slicer.util.arrayFromVolume(volume), values)
    assert origin(loaded, "Source–detector").startswith("geometry.json"), "the geometry fits and stays"
    assert app.messages == []


def test_a_volume_that_cannot_be_a_film_is_put_back_with_one_message(loaded, app):
    film = loaded.parameters.apFilm
    volume = slicer.util.addVolumeFromArray(np.random.default_rng(1).random((5, 30, 40)), name="CT")
    loaded.ui.apFilmSelector.setCurrentNode(volume)
    app.process_events()
    assert "CT has 40 x 30 x 5 voxels" in only_message(app)
    assert loaded.parameters.apFilm is film and loaded.ui.apFilmSelector.currentNode() is film


def test_the_lateral_film_chosen_as_ap_film_too_gives_one_message(loaded, app):
    ap, lateral = loaded.parameters.apFilm, loaded.parameters.lateralFilm
    loaded.ui.apFilmSelector.setCurrentNode(lateral)
    app.process_events()
    assert "lateral film already" in only_message(app)
    assert loaded.parameters.apFilm is ap and loaded.parameters.lateralFilm is lateral


def test_polarity_is_chosen_per_film_and_automatic_says_what_the_file_states(loaded, app):
    box = loaded.ui.apPolarityComboBox
    assert "Here that is: bone bright" in box.toolTip
    press_down(box, 2)
    app.process_events()
    assert loaded.logic.case().films[0].polarity is Polarity.BONE_DARK
    assert loaded.logic.case().films[1].polarity is Polarity.BONE_BRIGHT
    assert box.currentIndex == 2
    assert loaded.parameters.apFilm.GetDisplayNode().GetColorNodeID() == "vtkMRMLColorTableNodeInvertedGrey"


def press_down(box, times):
    from PySide6 import QtCore, QtTest

    for _ in range(times):
        QtTest.QTest.keyClick(box._living(), QtCore.Qt.Key.Key_Down)


def test_removing_a_film_empties_its_view_only(loaded, app):
    lateral = loaded.parameters.lateralFilm
    slicer.mrmlScene.RemoveNode(loaded.parameters.apFilm)
    app.process_events()
    app.view("AP").logic.GetSliceCompositeNode().SetBackgroundVolumeID(lateral.GetID())  # Slicer does that by itself
    app.process_events()
    assert background(app, "AP") is None
    assert background(app, "lateral") == lateral.GetID()
    assert "the AP film is missing" in loaded.ui.geometryStatusLabel.text
    assert not loaded.ui.swapFilmsButton.enabled and loaded.ui.loadApButton.enabled
    assert not app.view("AP").node.GetSliceVisible()


def test_a_closed_scene_leaves_an_empty_and_usable_section(loaded, app):
    app.clear()
    assert loaded.ui.geometryTable.rowCount == 0
    assert background(app, "AP") is None and background(app, "lateral") is None
    app.click(loaded.ui.sampleStudyButton)
    app.process_events()
    assert cell(loaded, "Beam angle", AP) == "85" and app.messages == []


def test_a_loaded_scene_brings_films_geometry_and_their_views_back(loaded, app, tmp_path):
    type_into(app, loaded, "Source–detector", AP, "1150")
    geometry = loaded.logic.geometry()
    app.save_scene(tmp_path / "case.mrb")
    app.clear()
    app.load_scene(tmp_path / "case.mrb")
    app.process_events()
    assert loaded.logic.geometry() == geometry
    assert "AP: typed by the user" in origin(loaded, "Source–detector")
    assert background(app, "AP") == loaded.parameters.apFilm.GetID()
    assert [film_views()[name].GetViewGroup() for name in TAGS] == [101, 102]


def test_a_scene_with_another_layout_is_shown_in_the_films_layout_and_gets_its_own_back(loaded, app, tmp_path):
    manager = slicer.app.layoutManager()
    manager.setLayout(6)
    app.save_scene(tmp_path / "case.mrb")
    app.load_scene(tmp_path / "case.mrb")
    app.process_events()
    assert manager.layout == 7351
    assert background(app, "AP") == loaded.parameters.apFilm.GetID()
    app.leave_module()
    assert manager.layout == 6


def test_two_films_named_by_the_dicom_database(panel, app, tmp_path):
    pydicom = pytest.importorskip("pydicom")
    from dicom_films import write_study

    for path in write_study(tmp_path, pydicom):
        app.dicom_database._add(path)
    shutil.rmtree(tmp_path / "nothing", ignore_errors=True)
    app.answers.dialog(lambda dialog: True)
    app.click(panel.ui.loadDicomButton)
    app.process_events()
    geometry = panel.logic.geometry()
    assert geometry.ap.spacing_mm == (0.4, 0.4) and geometry.ap.focal_mm == 1150
    assert origin(panel, "Source–detector") == "Distance Source to Detector (0018,1110)"
    assert cell(panel, "Source–detector", WHERE_FROM) == "tag"
    assert app.messages == []


def test_an_empty_dicom_database_says_what_to_do(panel, app):
    app.click(panel.ui.loadDicomButton)
    app.process_events()
    assert "holds no radiographs" in only_message(app) and "DICOM module" in only_message(app)


def shown_name(app, panel, tmp_path, name):
    """What can be read in a film's selector, in the panel at its usual width."""
    app.grab_panel(tmp_path / "panel.png")
    return getattr(panel.ui, f"{name}FilmSelector")._living()._combo.shown_text()


def test_names_of_usual_length_can_be_read_in_full(loaded, app, tmp_path):
    assert shown_name(app, loaded, tmp_path, "ap") == "ap (AP film)"
    assert shown_name(app, loaded, tmp_path, "lateral") == "lateral (lateral film)"
    loaded.parameters.apFilm.SetName("IM-0001-0002 (AP film)")
    assert shown_name(app, loaded, tmp_path, "ap") == "IM-0001-0002 (AP film)"


def test_a_long_name_keeps_both_ends_and_its_tooltip_says_all_of_it(loaded, app, tmp_path):
    selector, name = loaded.ui.apFilmSelector, f"lumbar spine {'1.2.840.' * 20} (AP film)"
    width = loaded.form.minimumSizeHint.width()
    loaded.parameters.apFilm.SetName(name)
    app.process_events()
    shown = shown_name(app, loaded, tmp_path, "ap")
    assert shown.startswith("lumbar") and "…" in shown and shown.endswith("film)")
    assert f"{name}. Film to use" in selector.toolTip
    assert loaded.form.minimumSizeHint.width() == width, "a long name does not make the panel wider"
    loaded.ui.apFilmSelector.setCurrentNode(None)
    app.process_events()
    assert "Film to use" in selector.toolTip and "lumbar" not in selector.toolTip
