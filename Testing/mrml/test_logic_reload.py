"""The reconstruction node: a result survives its session, exactly, and one that cannot be used is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("torch", reason="a registration to be stored needs PyTorch")

import known_network
from LumbarBiplanarLib.anatomy import Level
from LumbarBiplanarLib.errors import StudyError


@pytest.fixture
def logic(app, monkeypatch):
    known_network.quicken(monkeypatch)
    return known_network.finished_logic()


def edited(logic, change):
    """Another logic on the scene whose reconstruction node was changed."""
    from LumbarBiplanarLib.mrml.logic import CaseLogic

    node = logic.parameters.reconstruction
    content = json.loads(node.GetText())
    change(content)
    node.SetText(json.dumps(content))
    return CaseLogic()


def test_a_result_is_the_same_when_it_is_read_from_the_scene(logic):
    from LumbarBiplanarLib.mrml.logic import CaseLogic

    before, after = logic.result(), CaseLogic().result()
    assert after is not before
    assert after.reconstruction.levels == before.reconstruction.levels
    for level in before.reconstruction.levels:
        first, second = (item.reconstruction.points_ras_mm[level] for item in (before, after))
        assert np.array_equal(first, second)
        outline = after.reconstruction.final_state.silhouettes_px["AP"][level]
        assert np.abs(outline - before.reconstruction.final_state.silhouettes_px["AP"][level]).max() <= 0.005
    assert [item.to_dict() for item in after.measurements] == [item.to_dict() for item in before.measurements]
    assert sum(item.interval is not None for item in after.measurements) > 50
    assert after.options == before.options and after.warnings == before.warnings
    assert after.reconstruction.landmark_residual_mm == pytest.approx(before.reconstruction.landmark_residual_mm)
    assert dict(after.seconds) == dict(before.seconds)
    assert after.quality == before.quality and set(after.quality) == set(before.reconstruction.levels)


def test_a_loaded_result_is_exported_with_the_same_standard_deviations(logic, tmp_path):
    from LumbarBiplanarLib.mrml.logic import CaseLogic

    logic.exportCase(tmp_path / "before")
    CaseLogic().exportCase(tmp_path / "after")
    first, second = (json.loads((tmp_path / name / "reconstruction.json").read_text()) for name in ("before", "after"))
    assert first["levels"] == second["levels"] and "pose_sd" in first["levels"]["L3"]
    first, second = (read_point_data(tmp_path / name / "L3.vtp") for name in ("before", "after"))
    assert first.keys() == second.keys() and first["sd_mm"].min() > 0
    np.testing.assert_allclose(second["sd_mm"], first["sd_mm"], atol=1e-4)


def read_point_data(path):
    import vtk
    from vtk.util.numpy_support import vtk_to_numpy

    reader = vtk.vtkXMLPolyDataReader()
    reader.SetFileName(str(path))
    reader.Update()
    data = reader.GetOutput().GetPointData()
    return {data.GetArrayName(k): vtk_to_numpy(data.GetArray(k)) for k in range(data.GetNumberOfArrays())}


def test_reading_a_result_needs_no_torch(logic, monkeypatch):
    import sys

    from LumbarBiplanarLib.mrml.logic import CaseLogic

    monkeypatch.setitem(sys.modules, "torch", None)
    result = CaseLogic().result()
    assert result is not None and result.reconstruction.final_state.silhouettes_px["lateral"]


def test_a_loaded_result_is_gone_on_from_when_a_landmark_moves(logic):
    from LumbarBiplanarLib.mrml.logic import CaseLogic

    again = CaseLogic()
    assert again.isResultCurrent()
    assert again._state_to_go_on_from(again._options(again.case())) is None
    level, name = Level.L4, "inferior_endplate_posterior"
    x, y = again.landmarks("lateral")[level, name].position_px
    again.moveLandmark("lateral", level, name, (x, y + 5.0))
    assert not again.isResultCurrent()
    state = again._state_to_go_on_from(again._options(again.case()))
    assert state is again.result().reconstruction.final_state
    assert [film.lumbar_mm is not None for film in state.evidence] == [True, True]
    assert again.register(device="cpu") is again.result()
    assert again.isResultCurrent()


def test_a_result_of_another_shape_model_is_refused_but_left_in_the_scene(logic, app):
    other = edited(logic, lambda content: content["shape_model"].update(sha256="0" * 64))
    assert other.result() is None
    assert "another shape model" in other.resultProblem()
    with pytest.raises(StudyError, match="another shape model"):
        other.showResult()
    with pytest.raises(StudyError, match="another shape model"):
        other.exportCsv("never.csv")
    assert other.parameters.reconstruction is not None
    assert other.parameters.measurements.GetNumberOfRows() > 20
    assert other.register(device="cpu") is other.result()
    assert other.resultProblem() == ""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda content: content.update(version=99), "another version"),
        (lambda content: content.update(format="something else"), "holds no reconstruction"),
        (lambda content: content.pop("levels"), "damaged"),
        (lambda content: content["films"]["AP"].pop("view"), "damaged"),
        (lambda content: content["levels"].update(L9={}), "damaged"),
        (lambda content: content["quality"]["L3"].pop("flag"), "damaged"),
        (lambda content: content["certainty"][0].update(interval=[1.0]), "damaged"),
        (lambda content: content["deviations"]["L3"]["surface_mm"].pop(), "damaged"),
    ],
)
def test_a_damaged_result_is_said_to_be_damaged(logic, change, said):
    other = edited(logic, change)
    assert other.result() is None
    assert said in other.resultProblem()


def test_a_result_of_before_intervals_were_stored_has_none(logic):
    other = edited(logic, lambda content: content.pop("certainty"))
    assert other.result() is not None and all(item.interval is None for item in other.result().measurements)


def test_a_text_that_is_no_json_is_no_result(logic):
    from LumbarBiplanarLib.mrml.logic import CaseLogic

    logic.parameters.reconstruction.SetText("not JSON")
    assert CaseLogic().result() is None
    assert "holds no reconstruction" in CaseLogic().resultProblem()


def test_a_lumbar_image_that_was_exchanged_since_is_noticed(logic):
    from LumbarBiplanarLib.mrml.logic import CaseLogic

    other = CaseLogic()
    node = other.lumbarImageNode("AP")
    from LumbarBiplanarLib.mrml.films import pixels_of

    pixels_of(node)[:] *= 0.5
    node.GetImageData().Modified()
    evidence = other.result().reconstruction.final_state.evidence
    assert evidence[0].lumbar_mm is None and evidence[1].lumbar_mm is not None


def test_the_scene_file_holds_the_result_itself(logic, app, tmp_path):
    from LumbarBiplanarLib.mrml.logic import CaseLogic

    text = logic.parameters.reconstruction.GetText()
    app.scene.SetURL(str(tmp_path / "case.mrml"))
    app.scene.Commit()
    app.clear()
    assert CaseLogic().result() is None
    app.scene.SetURL(str(tmp_path / "case.mrml"))
    app.scene.Connect()
    assert CaseLogic().parameters.reconstruction.GetText() == text


def test_what_was_said_of_the_geometry_stays_with_the_result_that_was_made_with_it(logic):
    from LumbarBiplanarLib.mrml.logic import CaseLogic

    assert not logic.settingsChanged()
    logic.setGeometrySettings(logic.geometrySettings().edited("calibrated", None, "no"))
    for present in (logic, CaseLogic()):
        assert present.settingsChanged() and present.result().case.pair.calibrated
        assert not present.geometry().calibrated
    other = edited(logic, lambda content: content["geometry"].update(calibrated="perhaps"))
    assert other.result() is None and "damaged" in other.resultProblem()
