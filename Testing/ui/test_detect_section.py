"""The section Detect: the button that runs and cancels, what it says per film, and the lumbar-only overlay."""

from __future__ import annotations

import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")

import known_network


@pytest.fixture
def panel(module_widget, app):
    """The panel with the sample study, and a network that finds the truth at once."""
    panel = module_widget.panel
    panel.logic.detector = known_network.detect
    app.process_events()
    return panel


def run(panel, app):
    app.click(panel.ui.detectButton)
    app.process_events(until=lambda: not panel.runner.running, timeout_s=120)
    app.process_events()


def press(box, key):
    """Choose as a user does: the list sends "activated" only then."""
    from PySide6 import QtCore, QtTest

    QtTest.QTest.keyClick(box._living(), getattr(QtCore.Qt.Key, key))


def foreground(app, name):
    return app.view(name).logic.GetSliceCompositeNode().GetForegroundVolumeID()


def test_without_films_the_button_says_what_is_missing(panel):
    ui = panel.ui
    assert not ui.detectButton.enabled and "film" in ui.detectButton.toolTip
    assert not ui.showLumbarImageCheckBox.enabled and not ui.lumbarOpacitySlider.enabled
    assert ui.detectStatusLabel.text == ""


def test_each_film_is_told_with_count_levels_confidence_and_weights(loaded, app):
    run(loaded, app)
    lines = loaded.ui.detectStatusLabel.text.splitlines()
    assert lines[0].startswith("AP film: 80 landmarks of L1 to L5, mean confidence 0.90.")
    assert lines[1].startswith("Lateral film: 70 landmarks of L1 to L5, mean confidence 0.90.")
    assert all("Network the truth." in line for line in lines)
    assert loaded.ui.detectButton.text == "Detect landmarks" and loaded.ui.detectButton.enabled
    assert app.messages == []


def test_choosing_other_level_names_reads_the_films_again(loaded, app):
    names = loaded.ui.levelNamesComboBox
    assert [names.itemText(row) for row in range(names.count)][2] == "As found"
    assert names.currentIndex == 2 and names.enabled
    press(names, "Key_Down")  # nothing was read yet, so nothing is read
    assert not loaded.runner.running and loaded.ui.detectStatusLabel.text == ""
    run(loaded, app)
    assert "of L2 to L5" in loaded.ui.detectStatusLabel.text
    press(names, "Key_Up")
    app.process_events(until=lambda: not loaded.runner.running, timeout_s=120)
    app.process_events()
    assert "of L1 to L5" in loaded.ui.detectStatusLabel.text
    assert app.messages == []


def test_notes_of_the_network_are_shown_with_their_film(loaded, app):
    from dataclasses import replace

    def detect(film, **options):
        return replace(known_network.detect(film, **options), notes=("L1 is cut off.",))

    loaded.logic.detector = detect
    run(loaded, app)
    assert "AP film: L1 is cut off." in loaded.ui.detectStatusLabel.text
    assert "Lateral film: L1 is cut off." in loaded.ui.detectStatusLabel.text


def test_a_corrected_landmark_is_counted(loaded, app):
    from LumbarBiplanarLib.anatomy import Level

    run(loaded, app)
    key = next(iter(loaded.logic.landmarks("AP").visible()))
    loaded.logic.moveLandmark("AP", Level[key[0].name], key[1], (10.0, 10.0))
    loaded.changed()
    app.process_events()
    assert "1 corrected" in loaded.ui.detectStatusLabel.text.splitlines()[0]


def test_while_it_runs_the_button_cancels_and_the_films_cannot_be_changed(loaded, app):
    seen = []

    def detect(film, **options):
        ui = loaded.ui
        loaded._refresh()
        seen.append((ui.detectButton.text, ui.loadApButton.enabled, ui.geometryTable.item(1, 1).flags()))
        app.click(ui.detectButton)
        return known_network.detect(film, **options)

    import qt

    loaded.logic.detector = detect
    run(loaded, app)
    assert len(seen) == 1, "the second film is not looked at any more"
    text, can_load, flags = seen[0]
    assert text == "Cancel" and not can_load and not flags & qt.Qt.ItemIsEditable
    assert loaded.ui.detectButton.text == "Detect landmarks" and loaded.ui.loadApButton.enabled
    assert app.messages == []


def test_a_film_without_a_spine_gives_one_message_and_a_usable_panel(loaded, app):
    from LumbarBiplanarLib.errors import DetectionError

    def detect(film, **options):
        raise DetectionError(f"{film.path.name}: no lumbar spine was found.")

    loaded.logic.detector = detect
    run(loaded, app)
    assert len(app.messages) == 1 and "ap.png" in app.messages[0].text
    assert loaded.ui.detectButton.enabled and loaded.ui.detectButton.text == "Detect landmarks"


def test_the_lumbar_image_is_laid_over_both_films_with_the_chosen_opacity(loaded, app):
    run(loaded, app)
    ui = loaded.ui
    assert ui.showLumbarImageCheckBox.enabled and foreground(app, "AP") is None
    app.click(ui.showLumbarImageCheckBox)
    app.process_events()
    assert foreground(app, "AP") == loaded.parameters.apLumbarImage.GetID()
    assert foreground(app, "lateral") == loaded.parameters.lateralLumbarImage.GetID()
    assert ui.lumbarOpacitySlider.enabled
    ui.lumbarOpacitySlider.value = 0.75
    app.process_events()
    assert app.view("AP").logic.GetSliceCompositeNode().GetForegroundOpacity() == pytest.approx(0.75)
    app.click(ui.showLumbarImageCheckBox)
    app.process_events()
    assert foreground(app, "AP") is None and foreground(app, "lateral") is None


def test_without_torch_the_button_says_so(loaded, app):
    with app.torch.without_torch():
        loaded.changed()
        app.process_events()
        assert not loaded.ui.detectButton.enabled
        assert "PyTorch" in loaded.ui.detectButton.toolTip


def test_a_closed_scene_clears_what_was_said(loaded, app):
    run(loaded, app)
    app.clear()
    assert loaded.ui.detectStatusLabel.text == "" and not loaded.ui.showLumbarImageCheckBox.enabled
