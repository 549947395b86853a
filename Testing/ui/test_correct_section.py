"""The section Correct: landmarks are listed, found, moved, set, unset, reset and taken back, by mouse and keyboard."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed")
pytest.importorskip("PySide6", reason="PySide6 is not installed")

LEVEL, LANDMARK, FILM, CONFIDENCE, RESIDUAL, STATE = range(6)


class Desk:
    """The open module with the sample study and its landmarks, and what a person does with them."""

    def __init__(self, app, widget, study):
        from LumbarBiplanarLib.mrml import landmarks

        self.app, self.widget, self.lists = app, widget, landmarks
        self.panel, self.logic, self.ui = widget.panel, widget.logic, widget.panel.ui
        self.logic.loadSampleStudy()
        self.logic.loadLandmarks(study / "truth" / "landmarks.json")
        self.given = {name: self.logic.landmarks(name) for name in ("AP", "lateral")}
        self.moved = []
        self.panel.landmark_moved = lambda *key: self.moved.append(key)
        app.process_events()

    def start_over(self):
        """Put everything back to where a fresh desk is."""
        parameters = self.panel.parameters
        parameters.lockLandmarks = parameters.showLandmarkLabels = False
        parameters.showEpipolarLine = True
        self.section._scene.cancel_placing()
        for name, landmarks in self.given.items():
            self.lists.write_landmarks_to_node(self.node(name), self.logic.filmNode(name), landmarks, False)
        self.section._scene.history.forget()
        self.section._scene.chosen = None
        self.filter()
        if self.section._table._column or self.section._table._descending:
            header = self.table._living().horizontalHeader()
            header.sectionClicked.emit(LANDMARK)
            header.sectionClicked.emit(LEVEL)
        self.section.refresh()
        self.app.process_events()
        self.moved.clear()

    @property
    def section(self):
        return next(item for item in self.panel.sections if type(item).__name__ == "CorrectSection")

    @property
    def table(self):
        return self.ui.landmarkTable

    def node(self, name):
        return self.logic.landmarkNode(name)

    def row(self, name, level, landmark):
        """Return the number of a landmark's row."""
        from LumbarBiplanarLib.anatomy import parse_level

        return self.section._table.keys.index((name, self.lists.index_of(parse_level(level), landmark)))

    def texts(self, row):
        return [self.table.item(row, column).text() for column in range(6)]

    def choose(self, name, level, landmark):
        row = self.row(name, level, landmark)
        self.table.setCurrentCell(row, LANDMARK)
        self.app.process_events()
        return row

    def filter(self, film=0, level=0, show=0):
        self.ui.landmarkFilmComboBox.setCurrentIndex(film)
        self.ui.landmarkLevelComboBox.setCurrentIndex(level)
        self.ui.landmarkShowComboBox.setCurrentIndex(show)
        self.app.process_events()

    def unchanged(self):
        return all(dict(self.logic.landmarks(name)) == dict(self.given[name]) for name in self.given)

    def loner(self, name):
        """Return a shown landmark that stands apart, so that the mouse takes hold of no other."""
        items = [item for item in self.given[name].visible().values()]
        pixels = np.array([item.position_px for item in items])
        gaps = np.linalg.norm(pixels[:, None] - pixels, axis=-1) + 1e9 * np.eye(len(pixels))
        return items[int(gaps.min(axis=1).argmax())]

    def drag(self, name, item, by_px, **how):
        view = self.lists.view_of_list(self.node(name))
        start = np.array(item.position_px)
        ends = view.detector_points_ras_mm(np.array([start, start + by_px]))
        self.app.drag(name, *ends, **how)
        return start + by_px

    def press_key(self, key):
        from PySide6.QtTest import QTest

        widget = self.table._living()
        window = widget.window()
        window.show()
        window.activateWindow()
        widget.setFocus()
        self.app.process_events()
        QTest.keySequence(widget, key)
        self.app.process_events()


@pytest.fixture(scope="module")
def laid_out(slicer_session, sample_study):
    """One open module for all tests of this file that leave scene and module as they are: opening it takes a second."""
    from headless_slicer import fixtures

    fixtures._reset(slicer_session)
    yield Desk(slicer_session, slicer_session.open_module(), sample_study)
    fixtures._reset(slicer_session)


@pytest.fixture
def desk(laid_out):
    """The module with the sample study and its landmarks as they were given, nothing chosen, nothing locked."""
    laid_out.start_over()
    yield laid_out
    laid_out.app.main_window.hide()
    errors, left = list(laid_out.app.python_errors), laid_out.app.answers.left
    laid_out.app.reset_user()
    assert not errors, f"exceptions in slots or observers: {errors}"
    assert not left, f"{left} prepared answers were not asked for"


@pytest.fixture
def own_desk(app, module_widget, sample_study):
    """A module of its own, for what does not leave it as it was."""
    return Desk(app, module_widget, sample_study)


def test_every_landmark_of_both_films_has_a_row(desk):
    assert desk.table.rowCount == 200
    row = desk.row("AP", "L3", "pedicle_left")
    item = desk.given["AP"][desk.lists.key_of(50)]
    assert desk.texts(row) == ["L3", "Pedicle, left", "AP", f"{item.confidence:.2f}", "–", "detected"]


def test_a_drag_in_the_view_chooses_the_row_and_changes_it_when_it_ends(desk):
    item = desk.loner("AP")
    number = desk.row("AP", item.level.name, item.name)
    seen = []
    desk.drag("AP", item, (15.0, 6.0), between=lambda: seen.append(desk.texts(number)[STATE]))
    assert set(seen) == {"detected"}
    assert desk.table.currentRow() == number
    assert desk.texts(number)[STATE] == "corrected"
    assert desk.moved == [("AP", item.level, item.name)]
    assert desk.logic.landmarks("AP")[item.level, item.name].corrected
    assert desk.ui.undoLandmarkButton.enabled


def test_the_undo_button_takes_back_a_whole_drag(desk):
    item = desk.loner("lateral")
    desk.drag("lateral", item, (15.0, 6.0), steps=8)
    assert item.name.split("_")[0][:3] in desk.ui.undoLandmarkButton.toolTip
    desk.app.click(desk.ui.undoLandmarkButton)
    assert desk.unchanged() and not desk.ui.undoLandmarkButton.enabled
    assert desk.moved == [("lateral", item.level, item.name)] * 2


def test_delete_unsets_the_chosen_landmark_and_control_z_brings_it_back(desk):
    number = desk.choose("AP", "L3", "pedicle_left")
    desk.press_key("Delete")
    assert desk.texts(number)[STATE] == "not shown"
    assert (desk.given["AP"][desk.lists.key_of(50)].level, "pedicle_left") not in desk.logic.landmarks("AP").visible()
    desk.press_key("Ctrl+Z")
    assert desk.unchanged() and desk.texts(number)[STATE] == "detected"


def test_reset_puts_one_landmark_back_and_reset_all_all_of_them(desk):
    for name in desk.given:
        desk.logic.moveLandmark(name, "L2", "spinous_tip", (100.0, 100.0))
        desk.logic.moveLandmark(name, "L4", "spinous_tip", (100.0, 150.0))
    desk.app.process_events()
    number = desk.choose("AP", "L2", "spinous_tip")
    assert desk.texts(number)[STATE] == "corrected"
    desk.app.click(desk.ui.resetLandmarkButton)
    assert desk.texts(number)[STATE] == "detected" and not desk.ui.resetLandmarkButton.enabled
    desk.app.click(desk.ui.resetAllLandmarksButton)
    assert desk.unchanged() and not desk.ui.resetAllLandmarksButton.enabled
    desk.app.click(desk.ui.undoLandmarkButton)
    for name, corrected in (("AP", 1), ("lateral", 2)):
        assert sum(item.corrected for item in desk.logic.landmarks(name).values()) == corrected


def test_a_row_of_the_table_jumps_in_its_own_film_only(desk):
    slices = {name: desk.app.view(name).node for name in desk.given}
    before = {name: matrix_of(node) for name, node in slices.items()}
    desk.choose("AP", "L5", "transverse_tip_left")
    point = desk.lists.point_ras_mm(desk.node("AP"), desk.section._scene.chosen[1])
    after = matrix_of(slices["AP"])
    assert after[:3, 3] == pytest.approx(point, abs=0.6)
    assert (matrix_of(slices["lateral"]) == before["lateral"]).all()
    assert (after[:3, :3] == before["AP"][:3, :3]).all()


def matrix_of(slice_node):
    matrix = slice_node.GetSliceToRAS()
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])


def test_choosing_in_the_view_does_not_move_the_view(desk):
    node = desk.app.view("AP").node
    before = matrix_of(node)
    desk.drag("AP", desk.loner("AP"), (9.0, 4.0))
    assert (matrix_of(node) == before).all()


@pytest.mark.parametrize(("film", "level", "rows"), [(0, 0, 200), (1, 0, 100), (2, 0, 100), (0, 3, 40), (2, 5, 20)])
def test_the_table_lists_one_film_or_one_level(desk, film, level, rows):
    desk.filter(film, level)
    assert desk.table.rowCount == rows
    films = {desk.texts(row)[FILM] for row in range(rows)}
    levels = {desk.texts(row)[LEVEL] for row in range(rows)}
    assert films == [{"AP", "Lat."}, {"AP"}, {"Lat."}][film]
    assert levels == ({"L1", "L2", "L3", "L4", "L5"} if level == 0 else {f"L{level}"})


def test_the_table_lists_what_is_shown_or_what_should_be_checked(desk):
    hidden = sum(not record.shown for name in desk.given for record in desk.section._scene.records(name))
    desk.filter(show=1)
    assert desk.table.rowCount == 200 - hidden
    node, view = desk.node("AP"), desk.lists.view_of_list(desk.node("AP"))
    record = desk.lists.read_record(node, 0)
    unsure = replace(record.observation, confidence=0.3)
    outside = view.detector_points_ras_mm(np.array([-30.0, 40.0]))
    desk.lists.write_records(node, {0: desk.lists.PointRecord(unsure, unsure)})
    node.SetNthControlPointPositionWorld(1, *outside)
    desk.app.process_events()
    desk.filter(show=2)
    assert desk.table.rowCount == 2
    assert [desk.texts(row)[STATE] for row in (0, 1)] == ["check", "check"]
    assert "not sure" in desk.table.item(0, 0).toolTip() and "outside" in desk.table.item(1, 0).toolTip()


def test_a_landmark_taken_in_the_view_is_listed_even_if_the_table_lists_others(desk):
    item = desk.loner("AP")
    desk.filter(film=2, level=1)
    desk.drag("AP", item, (9.0, 4.0))
    assert desk.table.currentRow() == desk.row("AP", item.level.name, item.name)
    assert desk.texts(desk.table.currentRow())[STATE] == "corrected"


def test_a_click_on_a_column_sorts_by_its_numbers_and_keeps_the_choice(desk):
    number = desk.choose("AP", "L3", "pedicle_left")
    key = desk.section._table.keys[number]
    header = desk.table._living().horizontalHeader()
    for descending in (False, True):
        header.sectionClicked.emit(CONFIDENCE)
        values = [row.order[CONFIDENCE] for row in desk.section._table._rows]
        assert values == sorted(values, reverse=descending)
        assert desk.section._table.keys[desk.table.currentRow()] == key
    assert desk.texts(0)[CONFIDENCE] >= desk.texts(10)[CONFIDENCE]


def test_residuals_come_from_the_reconstruction_and_vanish_for_what_was_moved_since(desk, monkeypatch):
    from LumbarBiplanarLib.anatomy import Level

    key = (Level.L3, "pedicle_left")
    state = SimpleNamespace(
        landmark_residuals={"AP": {key: (2.34, 0.5), (Level.L1, "pedicle_left"): (11.0, 4.0)}},
        evidence=tuple(
            SimpleNamespace(view=film.view, landmarks=desk.given[film.view.name]) for film in desk.logic.case().films
        ),
    )
    result = SimpleNamespace(reconstruction=SimpleNamespace(final_state=state))
    monkeypatch.setattr(desk.logic, "result", lambda: result)
    desk.section.refresh()
    assert desk.texts(desk.row("AP", "L3", "pedicle_left"))[RESIDUAL] == "2.3"
    far = desk.row("AP", "L1", "pedicle_left")
    assert desk.texts(far)[RESIDUAL:] == ["11.0", "check"] and "11.0 mm" in desk.table.item(far, 0).toolTip()
    assert desk.texts(desk.row("lateral", "L3", "pedicle_left"))[RESIDUAL] == "–"
    desk.logic.moveLandmark("AP", "L3", "pedicle_left", (80.0, 90.0))
    desk.section.refresh()
    assert desk.texts(desk.row("AP", "L3", "pedicle_left"))[RESIDUAL] == "–"


def test_set_places_the_chosen_landmark_with_the_next_click(desk):
    from headless_slicer import mouse

    desk.logic.unsetLandmark("AP", "L3", "pedicle_left")
    number = desk.choose("AP", "L3", "pedicle_left")
    desk.moved.clear()
    desk.app.click(desk.ui.setLandmarkButton)
    assert "Click" in desk.ui.statusLabel.text and desk.texts(number)[STATE] == "not shown"
    view = desk.app.view("AP")
    view.render()
    pixel = np.array(
        view.pixel_of(desk.lists.view_of_list(desk.node("AP")).detector_points_ras_mm(np.array([60.0, 70.0])))
    )
    mouse.move(view, pixel - 4)
    mouse.click(view, pixel)
    desk.app.process_events()
    assert desk.texts(number)[STATE] == "corrected" and desk.ui.setLandmarkButton.text == "Set"
    assert desk.logic.landmarks("AP")[desk.lists.key_of(50)].position_px == pytest.approx((60, 70), abs=1.5)
    assert len(desk.moved) == 1
    desk.app.click(desk.ui.undoLandmarkButton)
    assert desk.texts(number)[STATE] == "not shown"


def test_setting_can_be_given_up_by_the_button_or_by_choosing_another(desk):
    desk.choose("AP", "L3", "pedicle_left")
    for give_up in (lambda: desk.app.click(desk.ui.setLandmarkButton), lambda: desk.choose("AP", "L4", "spinous_tip")):
        desk.choose("AP", "L3", "pedicle_left")
        desk.app.click(desk.ui.setLandmarkButton)
        assert desk.ui.setLandmarkButton.text == "Stop setting"
        give_up()
        assert desk.ui.setLandmarkButton.text == "Set"
        assert desk.unchanged() and desk.moved == []
        assert "as it was" in desk.ui.statusLabel.text


def test_the_lock_protects_against_mouse_buttons_and_keys(desk):
    desk.choose("AP", "L3", "pedicle_left")
    desk.app.click(desk.ui.lockLandmarksCheckBox)
    for button in ("set", "unset", "reset", "undo"):
        widget = getattr(desk.ui, f"{button}LandmarkButton")
        assert not widget.enabled and "locked" in widget.toolTip
    desk.drag("AP", desk.loner("AP"), (15.0, 6.0))
    desk.press_key("Delete")
    assert desk.unchanged() and desk.node("AP").GetLocked() and desk.node("lateral").GetLocked()
    desk.app.click(desk.ui.lockLandmarksCheckBox)
    assert not desk.node("AP").GetLocked() and desk.ui.unsetLandmarkButton.enabled


def test_names_and_epipolar_line_follow_their_boxes(desk):
    display = desk.node("AP").GetDisplayNode()
    assert not display.GetPointLabelsVisibility()
    desk.app.click(desk.ui.showLandmarkLabelsCheckBox)
    assert display.GetPointLabelsVisibility()
    desk.choose("AP", "L3", "pedicle_left")
    assert [node.GetAttribute("LumbarBiplanar.View") for node in shown(desk, "epipolar-line")] == ["lateral"]
    desk.app.click(desk.ui.showEpipolarCheckBox)
    assert shown(desk, "epipolar-line") == []
    desk.app.click(desk.ui.showEpipolarCheckBox)
    desk.choose("lateral", "L3", "pedicle_left")
    assert [node.GetAttribute("LumbarBiplanar.View") for node in shown(desk, "epipolar-line")] == ["AP"]
    desk.logic.unsetLandmark("lateral", "L3", "pedicle_left")
    desk.app.process_events()
    assert shown(desk, "epipolar-line") == []


def shown(desk, role):
    import slicer

    nodes = slicer.util.getNodesByClass("vtkMRMLModelNode", desk.app.scene)
    return [node for node in nodes if node.GetAttribute("LumbarBiplanar.Role") == role and node.GetDisplayVisibility()]


def test_the_epipolar_line_moves_with_the_drag(desk):
    import slicer

    item, ends = desk.loner("AP"), []

    def look():
        (node,) = shown(desk, "epipolar-line")
        ends.append(tuple(slicer.util.arrayFromModelPoints(node)[0]))

    desk.drag("AP", item, (8.0, 25.0), between=look)
    assert len(set(ends)) >= 4


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


def test_refreshing_two_hundred_unchanged_rows_is_cheap(desk):
    import time

    desk.section.refresh()
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        desk.section.refresh()
        times.append(time.perf_counter() - begin)
    assert min(times) < 0.1


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
