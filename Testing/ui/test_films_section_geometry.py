"""The geometry of the films in the panel: typing, origins, loading and saving."""

from __future__ import annotations

import json

import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")

from films_desk import AP, LATERAL, QUANTITY, WHERE_FROM, cell, only_message, origin, row_of, type_into


def test_two_films_without_geometry_get_a_usual_one_that_says_what_is_assumed(panel, app, sample_study):
    app.answers.file(str(sample_study / "ap.png"))
    app.click(panel.ui.loadApButton)
    app.process_events()
    assert "the lateral film is missing" in panel.ui.geometryStatusLabel.text
    app.answers.file(str(sample_study / "lateral.png"))
    app.click(panel.ui.loadLateralButton)
    app.process_events()
    assert cell(panel, "Calibrated", AP) == "no"
    text = panel.ui.geometryStatusLabel.text
    assert "not calibrated" in text and "Assumed:" in text and "detector pitch" in text
    item = panel.ui.geometryTable.item(row_of(panel, "Source–isocenter"), AP)
    assert item.font().italic() and "This number is assumed" in item.toolTip()
    assert app.messages == []


def test_where_a_number_comes_from_is_a_word_that_the_column_shows_whole(loaded, app):
    table = loaded.ui.geometryTable
    type_into(app, loaded, "Source–detector", AP, "1200")
    assert cell(loaded, "Source–detector", WHERE_FROM) == "typed/file"
    assert cell(loaded, "Calibrated", WHERE_FROM) == "file"
    app.click(loaded.ui.standardGeometryButton)
    app.process_events()
    assert cell(loaded, "Source–isocenter", WHERE_FROM) == "assumed"
    assert origin(loaded, "Source–isocenter") == "assumed: usual place of the patient"
    widths = [table.fontMetrics().horizontalAdvance(word) for word in ("typed/file", "assumed/typed")]
    assert max(widths) + 6 <= table.columnWidth(WHERE_FROM)


def test_a_pa_film_is_told_by_what_lies_on_its_left_and_where_the_source_is(loaded, app):
    from LumbarBiplanarLib.mrml.films import view_of_node

    film = loaded.parameters.apFilm
    beam = view_of_node(film).beam_ras
    assert (cell(loaded, "Left of", AP), cell(loaded, "Left of", LATERAL)) == ("right", "front")
    assert (cell(loaded, "Source is", AP), cell(loaded, "Source is", LATERAL)) == ("front", "left")
    type_into(app, loaded, "Left of", AP, "front")
    assert "type right or left" in only_message(app)
    assert cell(loaded, "Left of", AP) == "right"
    type_into(app, loaded, "Left of", AP, "L")
    assert cell(loaded, "Left of", AP) == "left" and cell(loaded, "Beam angle", AP) == "85"
    assert origin(loaded, "Left of").startswith("AP: typed by the user")
    # The file knows where the source is: from there, what lies on the left is stored turned over.
    assert view_of_node(film).mirrored and view_of_node(film).beam_ras == pytest.approx(beam)
    type_into(app, loaded, "Source is", AP, "back")
    assert not view_of_node(film).mirrored and view_of_node(film).beam_ras == pytest.approx(-beam)
    assert cell(loaded, "Left of", AP) == "left" and cell(loaded, "Beam angle", AP) == "85"


def test_a_number_typed_into_the_table_moves_the_film_and_says_who_typed_it(loaded, app):
    before = app.view("AP").node.GetSliceOffset()
    type_into(app, loaded, "Source–detector", AP, "1200 mm")
    assert loaded.logic.geometry().ap.focal_mm == 1200
    assert cell(loaded, "Source–detector", AP) == "1200"
    assert "AP: typed by the user" in origin(loaded, "Source–detector")
    assert app.view("AP").node.GetSliceOffset() == pytest.approx(before - 100.0), "farther behind the patient"
    type_into(app, loaded, "Beam angle", AP, "90")
    assert loaded.logic.geometry().angle_deg == pytest.approx(90)
    type_into(app, loaded, "Simultaneous", AP, "no")
    assert loaded.logic.geometry().simultaneous is False
    assert app.messages == []


@pytest.mark.parametrize(
    ("title", "text", "message"),
    [
        ("Source–detector", "110", "110 is impossible"),
        ("Source–detector", "far", "'far' is not a number"),
        ("Source–isocenter", "1200", "must be below the source-detector distance"),
        ("Pitch across", "-0.7", "-0.7 is impossible"),
        ("Projection", "fisheye", "type pinhole"),
        ("Beam angle", "3", "3 is impossible; it must lie between 20 and 160"),
        ("Calibrated", "perhaps", "type yes or no"),
    ],
)
def test_an_impossible_number_is_refused_once_and_the_old_one_comes_back(loaded, app, title, text, message):
    before, old = loaded.logic.geometry(), cell(loaded, title, AP)
    type_into(app, loaded, title, AP, text)
    assert message in only_message(app)
    assert cell(loaded, title, AP) == old
    assert loaded.logic.geometry() == before


def test_the_film_size_and_the_origins_cannot_be_typed(loaded):
    import qt

    table = loaded.ui.geometryTable
    for title, column in (
        ("Film size", AP),
        ("Beam angle", LATERAL),
        ("Beam angle", WHERE_FROM),
        ("Projection", QUANTITY),
    ):
        assert not table.item(row_of(loaded, title), column).flags() & qt.Qt.ItemIsEditable
    assert table.item(row_of(loaded, "Beam angle"), AP).flags() & qt.Qt.ItemIsEditable


def test_geometry_is_saved_and_loaded_again_and_must_fit_the_films(loaded, app, tmp_path):
    type_into(app, loaded, "Pitch across", LATERAL, "0.71")
    saved = loaded.logic.geometry()
    app.answers.file(str(tmp_path / "mine"))
    app.click(loaded.ui.saveGeometryButton)
    app.click(loaded.ui.standardGeometryButton)
    app.process_events()
    assert loaded.logic.geometry() != saved
    app.answers.file(str(tmp_path / "mine.json"))
    app.click(loaded.ui.loadGeometryButton)
    app.process_events()
    assert loaded.logic.geometry() == saved and app.messages == []
    values = json.loads((tmp_path / "mine.json").read_text())
    values["views"][0]["size_px"] = [500, 500]
    (tmp_path / "other.json").write_text(json.dumps(values))
    app.answers.file(str(tmp_path / "other.json"))
    app.click(loaded.ui.loadGeometryButton)
    app.process_events()
    assert "400 x 374" in only_message(app) and "500 x 500" in only_message(app)
    assert loaded.logic.geometry() == saved


def test_an_existing_file_is_not_overwritten_by_a_name_without_suffix(loaded, app, tmp_path):
    (tmp_path / "mine.json").write_text("precious")
    app.answers.file(str(tmp_path / "mine"))
    app.answers.box("Cancel")
    app.click(loaded.ui.saveGeometryButton)
    app.process_events()
    assert (tmp_path / "mine.json").read_text() == "precious"


def test_the_geometry_fits_into_the_panel_without_scrolling_sideways(loaded, app, tmp_path):
    app.grab(tmp_path / "window.png", (1340, 640))
    assert loaded.ui.geometryTable.horizontalScrollBar().maximum == 0
