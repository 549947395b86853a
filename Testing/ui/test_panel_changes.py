"""What the panel says when something is changed under a result: settings that it was not made with, and its loss."""

from __future__ import annotations

import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")
pytest.importorskip("torch", reason="detection and registration need PyTorch")

import panel_driver as user

import known_network


@pytest.fixture
def done(app, module_widget, monkeypatch):
    panel = module_widget.panel
    user.use_known_network(panel, monkeypatch)
    user.load_sample_study(app, panel)
    known_network.finish(panel.logic)
    app.process_events()
    return panel


def test_settings_that_were_changed_after_the_result_are_told(done, app):
    from LumbarBiplanarLib.mrml.parameters import PosteriorWeight

    said = "Settings differ from those that this result was made with"
    assert said not in done.ui.warningsLabel.text
    settings = done.logic.geometrySettings()
    done.logic.setGeometrySettings(settings.edited("simultaneous", None, "no"))
    done.changed()
    app.process_events()
    assert said in done.ui.warningsLabel.text
    done.logic.setGeometrySettings(settings)
    done.changed()
    app.process_events()
    assert said not in done.ui.warningsLabel.text
    done.parameters.posteriorWeight = PosteriorWeight.EIGHT
    app.process_events()
    assert said in done.ui.warningsLabel.text
    user.run_all(app, done)
    assert said not in done.ui.warningsLabel.text and app.messages == []


@pytest.mark.parametrize("another", [False, True], ids=["other geometry", "another film"])
def test_a_reconstruction_that_is_removed_is_said_to_be(done, app, tmp_path, another):
    import numpy as np
    from PIL import Image

    from LumbarBiplanarLib.resources import resource_path

    if another:
        with Image.open(resource_path("SampleStudy", "ap.png")) as film:
            pixels = np.array(film)
        pixels[0, 0] ^= 1
        Image.fromarray(pixels).save(tmp_path / "retake.png")
        app.answers.file(tmp_path / "retake.png")
        app.click(done.ui.loadApButton)
    else:
        done.logic.setGeometrySettings(done.logic.geometrySettings().edited("focal_mm", "AP", "1150"))
    for _round in range(3):
        app.process_events()
    assert done.logic.result() is None and "was removed" in done.ui.statusLabel.text
    assert done.ui.logTextEdit.toPlainText().count("The reconstruction of before was removed.") == 1
    user.load_sample_study(app, done)
    app.process_events()
    assert done.ui.statusLabel.text == "Both films are there. Press Run all steps."


def test_a_case_that_waits_has_not_lost_its_reconstruction(done, app):
    user.load_sample_study(app, done)
    for _round in range(3):
        app.process_events()
    assert "removed" not in done.ui.statusLabel.text + done.ui.logTextEdit.toPlainText()
    assert len(user.nodes(app.scene, "reconstruction")) == 1


def test_a_film_that_another_module_has_moved_goes_back_to_its_detector(done, app):
    import vtk

    film, before, after = done.logic.filmNode("AP"), vtk.vtkMatrix4x4(), vtk.vtkMatrix4x4()
    film.GetIJKToRASMatrix(before)
    transform = app.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    moved = vtk.vtkMatrix4x4()
    moved.SetElement(0, 3, 50.0)
    transform.SetMatrixTransformToParent(moved)
    film.SetAndObserveTransformNodeID(transform.GetID())
    film.HardenTransform()
    app.process_events()
    film.GetIJKToRASMatrix(after)
    assert [after.GetElement(row, 3) for row in range(3)] == [before.GetElement(row, 3) for row in range(3)]
    assert done.logic.isResultCurrent() and app.messages == []


def test_a_copy_of_a_film_can_be_chosen_and_has_no_landmarks_of_the_first(done, app):
    film = done.logic.filmNode("AP")
    known = dict(done.logic.landmarks("AP"))
    copy = app.scene.AddNewNodeByClass(film.GetClassName(), "filtered")
    copy.Copy(film)
    copy.SetName("filtered")
    slicer.util.arrayFromVolume(copy)[:10] = 0
    for chosen in (copy, film):
        done.ui.apFilmSelector.setCurrentNode(chosen)
        for _round in range(3):
            app.process_events()
        assert done.logic.filmNode("AP") is chosen and done.ui.apFilmSelector.currentNode() is chosen
        assert done.logic.result() is None and app.messages == []
        assert (done.logic.landmarkNode("AP") is None) == (chosen is copy)
    assert dict(done.logic.landmarks("AP")) == known
