"""The section Correct with files, scenes that close and load, and lists that are deleted."""

from __future__ import annotations

import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed")
pytest.importorskip("PySide6", reason="PySide6 is not installed")

from correct_desk import STATE, shown


def test_landmarks_are_saved_and_loaded_with_their_corrections(desk, tmp_path):
    item = desk.loner("AP")
    desk.drag("AP", item, (15.0, 6.0))
    moved = desk.logic.landmarks("AP")[item.level, item.name]
    desk.app.answers.file(str(tmp_path / "mine.json"))
    desk.app.click(desk.ui.saveLandmarksButton)
    assert "mine.json" in desk.ui.statusLabel.text
    desk.app.click(desk.ui.resetAllLandmarksButton)
    assert desk.unchanged()
    desk.app.answers.file(str(tmp_path / "mine.json"))
    desk.app.click(desk.ui.loadLandmarksButton)
    found = desk.logic.landmarks("AP")[item.level, item.name]
    assert found.corrected and found.position_px == pytest.approx(moved.position_px, abs=1e-3)
    assert desk.texts(desk.row("AP", item.level.name, item.name))[STATE] == "corrected"


def test_a_file_that_is_no_landmark_file_gives_one_message_and_changes_nothing(desk, tmp_path):
    wrong = tmp_path / "wrong.json"
    wrong.write_text("{}")
    desk.app.answers.file(str(wrong))
    desk.app.click(desk.ui.loadLandmarksButton)
    assert len(desk.app.messages) == 1 and "wrong.json" in str(desk.app.messages[0])
    assert desk.unchanged() and desk.ui.saveLandmarksButton.enabled


def test_saving_under_a_name_without_ending_overwrites_nothing(desk, tmp_path):
    (tmp_path / "mine.json").write_text("precious")
    desk.app.answers.file(str(tmp_path / "mine"))
    desk.app.click(desk.ui.saveLandmarksButton)
    assert (tmp_path / "mine.json").read_text() == "precious" and len(desk.app.messages) == 1


def test_without_landmarks_every_button_says_why_it_is_off(app, module_widget):
    app.process_events()
    ui = module_widget.panel.ui
    names = ("setLandmark", "unsetLandmark", "undoLandmark", "resetLandmark", "resetAllLandmarks")
    for name in (*names, "loadLandmarks", "saveLandmarks"):
        button = getattr(ui, f"{name}Button")
        assert not button.enabled and button.toolTip
    assert ui.landmarkTable.rowCount == 0


def test_deleting_a_list_empties_its_rows_and_harms_nothing(own_desk):
    own_desk.choose("AP", "L3", "pedicle_left")
    own_desk.app.click(own_desk.ui.setLandmarkButton)
    own_desk.app.scene.RemoveNode(own_desk.node("AP"))
    own_desk.app.process_events()
    assert own_desk.table.rowCount == 100 and not own_desk.ui.setLandmarkButton.enabled
    assert not own_desk.ui.saveLandmarksButton.enabled
    own_desk.choose("lateral", "L3", "pedicle_left")
    assert own_desk.ui.unsetLandmarkButton.enabled


def test_closing_the_scene_in_the_middle_of_setting_leaves_an_empty_usable_panel(own_desk, sample_study):
    own_desk.choose("AP", "L3", "pedicle_left")
    own_desk.app.click(own_desk.ui.setLandmarkButton)
    own_desk.app.clear()
    assert own_desk.table.rowCount == 0 and not own_desk.ui.undoLandmarkButton.enabled
    own_desk.logic.loadSampleStudy()
    own_desk.logic.loadLandmarks(sample_study / "truth" / "landmarks.json")
    own_desk.app.process_events()
    assert own_desk.table.rowCount == 200


def test_landmarks_are_back_after_the_scene_was_saved_and_loaded(own_desk, tmp_path):
    item = own_desk.loner("AP")
    own_desk.drag("AP", item, (15.0, 6.0))
    before = {name: dict(own_desk.logic.landmarks(name)) for name in own_desk.given}
    own_desk.app.save_scene(tmp_path / "case.mrb")
    own_desk.app.clear()
    own_desk.app.load_scene(tmp_path / "case.mrb")
    assert {name: dict(own_desk.logic.landmarks(name)) for name in own_desk.given} == before
    assert own_desk.table.rowCount == 200
    assert own_desk.texts(own_desk.row("AP", item.level.name, item.name))[STATE] == "corrected"
    here = before["AP"][item.level, item.name]
    own_desk.moved.clear()
    own_desk.drag("AP", here, (-12.0, -5.0))
    assert own_desk.moved == [("AP", item.level, item.name)]


def test_leaving_the_module_takes_rings_and_lines_away_and_coming_back_brings_them(own_desk):
    own_desk.choose("AP", "L3", "pedicle_left")
    assert shown(own_desk, "landmark-rings") and shown(own_desk, "epipolar-line")
    own_desk.app.leave_module()
    assert shown(own_desk, "landmark-rings") == shown(own_desk, "epipolar-line") == []
    own_desk.lists.set_landmark(own_desk.node("AP"), *own_desk.lists.key_of(50), (60.0, 70.0))
    own_desk.app.process_events()
    assert own_desk.moved == []
    own_desk.app.open_module()
    assert shown(own_desk, "landmark-rings")
    assert own_desk.texts(own_desk.row("AP", "L3", "pedicle_left"))[STATE] == "corrected"
