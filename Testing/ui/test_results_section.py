"""The section Measure and export: table, markups where a measurement was taken, and files written only when allowed."""

from __future__ import annotations

import csv
import zipfile

import numpy as np
import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")

import known_network
from LumbarBiplanarLib.anatomy import Level
from LumbarBiplanarLib.measurement import rows, title_text
from LumbarBiplanarLib.registration import Quality
from LumbarBiplanarLib.study.results import FILES

MEASUREMENT, LEVEL, VALUE = range(3)


class Desk:
    """The panel with a result of the sample study; made once, and again after a test that has changed it."""

    panel = None
    steps: tuple = ()

    @classmethod
    def laid(cls, app):
        """Return the panel of a short run of all steps."""
        if cls.panel is None:
            app.unload_module()
            app.clear()
            panel = app.open_module().panel
            panel.logic.detector = known_network.detect
            panel.logic.loadSampleStudy()
            app.process_events()
            with pytest.MonkeyPatch.context() as patch:
                cls.quicken(patch)
                app.click(panel.ui.runAllButton)
                app.process_events(until=lambda: not panel.runner.running, timeout_s=600)
            app.process_events()
            assert panel.logic.result() is not None, app.messages
            cls.panel = panel
        return cls.panel

    @classmethod
    def quicken(cls, patch):
        """Let a registration from the beginning run once and be repeated; going on from a state is real."""
        from LumbarBiplanarLib.mrml import case_run

        register_case = case_run.register_case

        def register(*arguments, **options):
            if options.get("start") is not None:
                yield from register_case(*arguments, **options)
                return
            if not cls.steps:
                cls.steps = tuple(register_case(*arguments, **options))
            yield cls.steps[-1]

        known_network.quicken(patch, iterations=0)
        patch.setattr(case_run, "register_case", register)


@pytest.fixture
def app(slicer_session):
    """The headless Slicer as the test before has left it; errors and open questions fail the test."""
    yield slicer_session
    errors, left = list(slicer_session.python_errors), slicer_session.answers.left
    slicer_session.reset_user()
    if errors:
        raise AssertionError(f"{len(errors)} exceptions in slots or observers, the first of them above") from errors[0]
    assert not left, f"{left} answers prepared in app.answers were not asked for"


@pytest.fixture(scope="module", autouse=True)
def leave_it_clean(slicer_session):
    """Close the module and the scene at the end."""
    yield
    Desk.panel = None
    slicer_session.unload_module()
    slicer_session.clear()
    slicer_session.reset_user()


@pytest.fixture
def done(app):
    """The panel with a result, for tests that leave it as it is."""
    return Desk.laid(app)


@pytest.fixture
def changing(app, monkeypatch):
    """The panel with a result, for a test that changes or closes the case."""
    panel = Desk.laid(app)
    Desk.quicken(monkeypatch)
    yield panel
    Desk.panel = None


@pytest.fixture
def empty_panel(app):
    """The panel of a module that was just opened."""
    Desk.panel = None
    app.unload_module()
    app.clear()
    panel = app.open_module().panel
    app.process_events()
    return panel


@pytest.fixture
def markups(app):
    from LumbarBiplanarLib.mrml import measurement_markups

    return measurement_markups


def row_of(panel, title, level):
    table = panel.ui.measurementTable
    for row in range(table.rowCount):
        if table.item(row, MEASUREMENT).text().startswith(title) and table.item(row, LEVEL).text() == level:
            return row
    raise AssertionError(f"no row {title} {level}")


def choose(panel, app, title, level):
    panel.ui.measurementTable.selectRow(row_of(panel, title, level))
    app.process_events()
    return row_of(panel, title, level)


def export_buttons(panel):
    names = ("copy", "exportCsv", "exportReport", "exportSurfaces", "exportCase", "saveScene")
    return [getattr(panel.ui, f"{name}Button") for name in names]


def test_without_a_result_nothing_can_be_written_and_every_button_says_why(empty_panel):
    panel = empty_panel
    for button in export_buttons(panel):
        assert not button.enabled
        assert "no result yet" in button.toolTip
    assert panel.ui.measurementTable.rowCount == 0
    assert panel.ui.warningsLabel.text == ""


def test_the_table_shows_every_measurement_once_under_headings(done):
    table, measurements = done.ui.measurementTable, done.logic.result().measurements
    rows = range(table.rowCount)
    headings = [table.item(row, 0).text() for row in rows if not table.item(row, LEVEL).text()]
    assert headings[:3] == ["Alignment", "Segment L1-L2", "Segment L2-L3"]
    assert headings[-1] == "Vertebra L5"
    assert table.rowCount == len(measurements) + len(headings)
    slip = measurements.find("slip", "L4-L5")
    row = row_of(done, title_text(slip), "L4-L5")
    assert table.item(row, VALUE).text().split(" ±")[0] == f"{slip.value:.1f}"
    assert table.item(row, VALUE).text().endswith(" mm")
    assert slip.definition in table.item(row, MEASUREMENT).toolTip()
    for button in export_buttons(done):
        assert button.enabled and "no result" not in button.toolTip


def test_a_chosen_measurement_is_shown_where_it_was_taken_and_goes_when_it_is_not_wanted(done, app, markups):
    scene, camera = slicer.mrmlScene, app.view("3D").camera_node
    away = np.array(camera.GetPosition()) - camera.GetFocalPoint()
    choose(done, app, "Disc height (Fyllos)", "L3-L4")
    item = done.logic.result().measurements.find("disc_height_fyllos", "L3-L4")
    assert len(markups.shown(scene)) == 5
    assert np.allclose(camera.GetFocalPoint(), markups.center_of(item.geometry))
    assert np.allclose(np.array(camera.GetPosition()) - camera.GetFocalPoint(), away)
    choose(done, app, "Middle body height", "L2")
    assert markups.shown(scene)[0].GetName().startswith("L2: ")
    assert len(markups.shown(scene)) == 1
    done.ui.showMeasurementMarkupsCheckBox.click()
    app.process_events()
    assert markups.shown(scene) == []
    done.ui.showMeasurementMarkupsCheckBox.click()
    app.process_events()
    assert len(markups.shown(scene)) == 1


def test_a_new_result_keeps_the_choice_and_moves_its_markups(changing, app, markups):
    done = changing
    choose(done, app, "Middle body height", "L2")
    before = done.logic.result()
    x, y = done.logic.landmarks("AP")[(Level.L2, "pedicle_left")].position_px
    done.parameters.refitOnMove = False
    done.logic.moveLandmark("AP", Level.L2, "pedicle_left", (x + 6.0, y))
    done.logic.register()
    done.changed()
    app.process_events()
    assert done.logic.result() is not before
    table = done.ui.measurementTable
    assert table.currentRow() == row_of(done, "Middle body height", "L2")
    (line,) = markups.shown(slicer.mrmlScene)
    item = done.logic.result().measurements.find("body_height_middle", "L2")
    top = line.GetNthControlPointPositionWorld(0)
    assert np.allclose(top, item.geometry.points_ras_mm["superior"])


def test_landmarks_moved_after_the_result_are_said(changing, app):
    done = changing
    done.parameters.refitOnMove = False
    assert "Landmarks were changed" not in done.ui.warningsLabel.text
    done.logic.moveLandmark("AP", Level.L3, "pedicle_left", (200.0, 180.0))
    done.changed()
    app.process_events()
    assert "Landmarks were changed after this result" in done.ui.warningsLabel.text


def test_the_quality_stands_above_the_warnings_and_marks_the_values(done, app, monkeypatch):
    from dataclasses import replace

    result = done.logic.result()
    assert done.ui.warningsLabel.text.startswith("• Quality: ")
    assert done.ui.warningsLabel.text.split("\n")[-1].startswith("• L5-S1 is not reconstructed")
    plain = done.ui.measurementTable.item(row_of(done, "Slip", "L4-L5"), VALUE).text()
    quality = {level: Quality("ok", (), 0.001) for level in result.reconstruction.levels}
    quality[Level.L5] = Quality("refuse", ("Its landmarks are off. Look at it.",), 0.97)
    monkeypatch.setattr(done.logic, "result", lambda: replace(result, quality=quality))
    done.changed()
    app.process_events()
    lines = done.ui.warningsLabel.text.split("\n")
    assert lines[0] == "• Quality: L1, L2, L3, L4 ok; L5 refuse."
    assert lines[1].startswith("• L5: do not use (97 % likely to be more than 2 mm off). Its landmarks are off.")
    slip = done.ui.measurementTable.item(row_of(done, "Slip", "L4-L5"), VALUE)
    assert slip.text() == f"{plain.removesuffix(' (?)')} (!)" and "do not use this value" in slip.toolTip()
    assert "(!)" not in done.ui.measurementTable.item(row_of(done, "Slip", "L3-L4"), VALUE).text()
    monkeypatch.undo()
    done.changed()
    app.process_events()
    assert done.ui.measurementTable.item(row_of(done, "Slip", "L4-L5"), VALUE).text() == plain


def test_the_table_is_copied_for_a_spreadsheet(done, app):
    app.click(done.ui.copyButton)
    lines = slicer.app.clipboard().text().rstrip("\n").split("\n")
    assert lines[0].split("\t")[:3] == ["Measurement", "Level", "Value"]
    assert {len(line.split("\t")) for line in lines} == {8}
    for line in lines[1:]:
        float(line.split("\t")[2])  # with a decimal point
    stated = [row["definition"] for row in rows(done.logic.result().measurements)]
    assert [line.split("\t")[-1] for line in lines[1:]] == stated and any("world RAS" in text for text in stated)


def test_files_are_written_where_the_user_says_and_the_folder_is_remembered(done, app, tmp_path):
    app.answers.file(tmp_path / "mine")  # without a suffix
    app.click(done.ui.exportCsvButton)
    with open(tmp_path / "mine.csv", newline="", encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == len(done.logic.result().measurements)
    app.answers.file(tmp_path / "report.html")
    app.click(done.ui.exportReportButton)
    assert "not for clinical use" in (tmp_path / "report.html").read_text(encoding="utf-8")
    app.answers.file(tmp_path / "scene.mrb")
    app.click(done.ui.saveSceneButton)
    assert (tmp_path / "scene.mrb").stat().st_size > 1000
    assert str(tmp_path / "scene.mrb") in done.ui.statusLabel.text
    assert app.messages == []
    from LumbarBiplanarLib.ui.remembered_folder import remembered_folder

    assert remembered_folder("Results") == str(tmp_path)


def test_giving_up_in_a_dialog_writes_nothing(done, app, tmp_path):
    for button in export_buttons(done)[1:]:
        app.answers.file("")
        app.click(button)
    assert list(tmp_path.iterdir()) == []
    assert app.messages == []


def test_a_file_without_its_suffix_does_not_replace_another_unasked(done, app, tmp_path):
    (tmp_path / "mine.csv").write_text("keep")
    app.answers.file(tmp_path / "mine")
    app.answers.box("Cancel")
    app.click(done.ui.exportCsvButton)
    assert (tmp_path / "mine.csv").read_text() == "keep"
    app.answers.file(tmp_path / "mine")
    app.answers.box("Ok")
    app.click(done.ui.exportCsvButton)
    assert (tmp_path / "mine.csv").read_text().startswith("key,")


def test_the_scene_is_one_file_with_its_data_and_its_suffix_is_in_small_letters(done, app, tmp_path):
    (tmp_path / "case.mrb").write_text("keep")
    app.answers.file(tmp_path / "case.MRB")
    app.answers.box("Cancel")
    app.click(done.ui.saveSceneButton)
    assert (tmp_path / "case.mrb").read_text() == "keep", "not the name that the dialog has asked about"
    app.answers.file(tmp_path / "case.MRB")
    app.answers.box("Ok")
    app.click(done.ui.saveSceneButton)
    with zipfile.ZipFile(tmp_path / "case.mrb") as bundle:
        assert len([name for name in bundle.namelist() if name.endswith(".nrrd")]) == 4
    assert [path.name for path in tmp_path.iterdir()] == ["case.mrb"]
    assert app.answers.asked[-1][2] == "Scene with its data (*.mrb)"


def test_a_folder_that_is_not_empty_is_asked_about_and_other_files_stay(done, app, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "L1.stl").write_text("old")
    app.answers.file(tmp_path)
    app.answers.box("Cancel")
    app.click(done.ui.exportSurfacesButton)
    assert (tmp_path / "L1.stl").read_text() == "old"
    assert "L1.stl" in app.messages[-1].text and "notes.txt" not in app.messages[-1].text
    app.answers.file(tmp_path)
    app.answers.box("Ok")
    app.click(done.ui.exportSurfacesButton)
    assert (tmp_path / "L1.stl").stat().st_size > 1000
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 11


def test_the_case_folder_holds_everything(done, app, tmp_path):
    app.answers.file(tmp_path / "case")
    app.click(done.ui.exportCaseButton)
    absent = [pattern for pattern in FILES if not list((tmp_path / "case").glob(pattern))]
    assert absent == ["ct_registration.json"]  # of the other kind of result
    assert app.messages == []


def test_a_place_that_cannot_be_written_to_is_one_message_and_the_panel_goes_on(done, app, tmp_path):
    (tmp_path / "file").write_text("x")
    app.answers.file(tmp_path / "file" / "measurements.csv")
    app.click(done.ui.exportCsvButton)
    assert len(app.messages) == 1 and "measurements.csv" in app.messages[0].text
    app.click(done.ui.copyButton)


class BusyCursor:
    """Slicer's wait cursor works off events before the work begins; here the event that comes then is a given one."""

    def __init__(self, event):
        self._event = event

    def __call__(self):
        return self

    def __enter__(self):
        event, self._event = self._event, lambda: None
        event()

    def __exit__(self, *_args):
        pass


def test_a_click_while_a_file_is_written_asks_for_no_other_one(done, app, monkeypatch, tmp_path):
    app.answers.file(tmp_path / "mine.csv")
    monkeypatch.setattr(slicer.util, "WaitCursor", BusyCursor(done.ui.exportReportButton.click))
    app.click(done.ui.exportCsvButton)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.csv"]
    app.answers.file(tmp_path / "report.html")
    app.click(done.ui.exportReportButton)
    assert (tmp_path / "report.html").is_file() and app.messages == []


def test_a_scene_that_is_closed_before_a_file_is_written_is_no_error(changing, app, monkeypatch, tmp_path):
    app.answers.file(tmp_path / "mine.csv")
    monkeypatch.setattr(slicer.util, "WaitCursor", BusyCursor(app.clear))
    app.click(changing.ui.exportCsvButton)
    assert list(tmp_path.iterdir()) == [] and app.messages == []


def test_closing_the_scene_empties_the_section(changing, app, markups):
    done = changing
    choose(done, app, "Middle body height", "L2")
    app.clear()
    app.process_events()
    assert done.ui.measurementTable.rowCount == 0
    assert not done.ui.copyButton.enabled
    assert markups.shown(slicer.mrmlScene) == []
    assert app.messages == []


def test_a_loaded_scene_shows_and_writes_the_result_again(changing, app, tmp_path):
    done = changing
    measured = {(item.key, item.level): item.value for item in done.logic.result().measurements}
    app.save_scene(tmp_path / "case.mrb")
    app.load_scene(tmp_path / "case.mrb")
    app.process_events()
    again = {(item.key, item.level): item.value for item in done.logic.result().measurements}
    assert again.keys() == measured.keys()
    assert np.allclose(list(again.values()), list(measured.values()), atol=1e-6)
    assert done.ui.measurementTable.rowCount > len(measured)
    app.answers.file(tmp_path / "report.html")
    app.click(done.ui.exportReportButton)
    assert f"{again['lordosis_l1_l5', 'L1-L5']:.1f}" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert app.messages == []


def test_the_tip_of_a_button_is_read_as_it_was_set(app):
    import qt

    from LumbarBiplanarLib.ui.results_section import _plain

    button = qt.QPushButton()
    button.toolTip = "Save L1 & L2, if < 5 mm"
    assert _plain(button.toolTip) == "Save L1 & L2, if < 5 mm"
