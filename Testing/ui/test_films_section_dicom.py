"""Choosing films in the DICOM database: what is listed, what is suggested, what cannot be chosen."""

from __future__ import annotations

import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")
pydicom = pytest.importorskip("pydicom")

from dicom_films import write_film, write_study

OTHER_STUDY = "1.2.826.0.1.3680043.8.498.2"


@pytest.fixture
def browser(app):
    from LumbarBiplanarLib.ui import dicom_browser

    return dicom_browser


@pytest.fixture
def database(app, tmp_path):
    for path in write_study(tmp_path, pydicom):
        app.dicom_database._add(path)
    return app.dicom_database


@pytest.fixture
def chooser(browser, database):
    made = browser.FilmChooser(browser.radiographs(database))
    yield made
    made.dialog.deleteLater()


def can_accept(chooser) -> bool:
    import qt

    return chooser.buttons.button(qt.QDialogButtonBox.Ok).enabled


def test_radiographs_are_listed_and_nothing_else(browser, database, tmp_path):
    database._add(write_film(tmp_path / "run.dcm", pydicom, "AP", OTHER_STUDY, 9, Modality="XA", NumberOfFrames=8))
    database._add(write_film(tmp_path / "old.dcm", pydicom, "AP", OTHER_STUDY, 10, StudyDate="20240301", Modality="CR"))
    found = browser.radiographs(database)
    assert [item.path for item in found[:2]] == [str(tmp_path / name) for name in ("ap.dcm", "lateral.dcm")]
    assert found[2].path == str(tmp_path / "old.dcm") and len(found) == 3, "newest first; no CT, no run of frames"
    item = found[0]
    assert (item.patient, item.date, item.view_position) == ("Doe Jane (17)", "2026-01-02", "AP")
    assert (item.description, item.size, item.modality) == ("L-spine AP", "60 x 50", "DX")


def test_a_missing_or_closed_database_lists_nothing(browser):
    class Closed:
        isOpen = False  # noqa: N815

    assert browser.radiographs(None) == [] == browser.radiographs(Closed())


def test_the_films_of_one_study_are_suggested_by_their_view_positions(browser, chooser, tmp_path):
    assert chooser.chosen() == {"AP": str(tmp_path / "ap.dcm"), "lateral": str(tmp_path / "lateral.dcm")}
    assert can_accept(chooser) and chooser.message.text == ""


def test_films_that_state_no_position_are_not_guessed(browser, database, tmp_path):
    database._clear()
    for name in ("a", "b"):
        database._add(write_film(tmp_path / f"{name}.dcm", pydicom, "", OTHER_STUDY, 4))
    chooser = browser.FilmChooser(browser.radiographs(database))
    assert chooser.chosen() == {} and not can_accept(chooser)
    assert "Choose the AP and the lateral film" in chooser.message.text
    chooser.use_as(1, "lateral")
    assert can_accept(chooser) and list(chooser.chosen()) == ["lateral"]


def test_two_films_for_one_view_cannot_be_taken(chooser):
    chooser.use_as(1, "AP")
    assert not can_accept(chooser) and "Two films are chosen as the AP film" in chooser.message.text
    chooser.use_as(0, None)
    assert can_accept(chooser)


def test_films_of_two_patients_cannot_be_taken(browser, database, tmp_path):
    database._add(write_film(tmp_path / "x.dcm", pydicom, "LL", OTHER_STUDY, 5, PatientID="18", StudyDate="20250101"))
    chooser = browser.FilmChooser(browser.radiographs(database))
    chooser.use_as(1, None)
    chooser.use_as(2, "lateral")
    assert not can_accept(chooser) and "different patients" in chooser.message.text


def test_a_cancelled_dialog_chooses_nothing(app, browser, database):
    app.answers.dialog(lambda dialog: False)
    assert browser.choose_films() is None
    assert app.messages == []
