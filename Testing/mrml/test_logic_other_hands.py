"""What people and scripts do to a case beside the panel: in other modules of Slicer, and at the Python console."""

from __future__ import annotations

import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")
pytest.importorskip("torch", reason="detection and registration need PyTorch")

import vtk

import known_network
from LumbarBiplanarLib.errors import LandmarkError, StudyError
from LumbarBiplanarLib.imaging import Polarity


@pytest.fixture
def logic(app, monkeypatch):
    known_network.quicken(monkeypatch)
    return known_network.finished_logic()


@pytest.fixture
def console(logic):
    from LumbarBiplanarLib.mrml.logic import CaseLogic

    return CaseLogic()


def test_a_transform_over_the_nodes_of_a_case_moves_no_landmark_on_its_film(logic, app):
    transform = app.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    moved = vtk.vtkMatrix4x4()
    moved.SetElement(0, 3, 50.0)
    moved.SetElement(1, 3, -40.0)
    transform.SetMatrixTransformToParent(moved)
    before = {name: dict(logic.landmarks(name)) for name in ("AP", "lateral")}
    for name in before:
        for node in (logic.filmNode(name), logic.landmarkNode(name)):
            node.SetAndObserveTransformNodeID(transform.GetID())
    assert {name: dict(logic.landmarks(name)) for name in before} == before
    assert logic.isResultCurrent()
    x, y = before["AP"][next(iter(before["AP"]))].position_px
    logic.moveLandmark("AP", *next(iter(before["AP"])), (x + 3.0, y))
    assert logic.landmarks("AP")[next(iter(before["AP"]))].position_px == pytest.approx((x + 3.0, y))


def test_a_list_whose_points_were_removed_holds_no_landmarks_and_is_replaced(logic):
    spoilt = logic.landmarkNode("AP")
    spoilt.SetFixedNumberOfControlPoints(False)
    spoilt.RemoveAllControlPoints()
    assert logic.landmarkNode("AP") is None and not logic.isResultCurrent()
    with pytest.raises(LandmarkError, match="no landmarks yet"):
        logic.landmarks("AP")
    logic.detect(device="cpu")
    assert logic.landmarkNode("AP") not in (None, spoilt) and len(logic.landmarks("AP").visible()) > 50


@pytest.mark.parametrize(
    "change",
    [
        lambda logic: logic.setGeometrySettings(logic.geometrySettings().edited("focal_mm", "AP", "1200")),
        lambda logic: logic.setPolarity("lateral", Polarity.BONE_DARK),
    ],
    ids=["geometry", "polarity"],
)
@pytest.mark.parametrize("steps", ["registerSteps", "detectSteps"])
def test_a_run_on_films_that_are_read_otherwise_by_now_leaves_nothing(logic, console, change, steps):
    run = getattr(logic, steps)(device="cpu")
    next(run)
    change(console)
    with pytest.raises(StudyError, match="was changed during the run"):
        list(run)
    assert logic.result() is None and console.result() is None


def test_films_that_are_swapped_under_a_run_leave_none_of_its_surfaces(logic, console, app):
    for step in logic.registerSteps(device="cpu", start=None):
        if step.state is not None:
            logic.showState(step.state)
            break
    console.swapFilms()
    logic.showState(step.state)
    logic.restoreShown()
    models = slicer.util.getNodesByClass("vtkMRMLModelNode", app.scene)
    roles = {node.GetAttribute("LumbarBiplanar.Role") for node in models}
    assert not roles & {"vertebra", "vertebra-preview", "silhouette"}


@pytest.mark.parametrize("shown", [True, False], ids=["drawn once more", "given up"])
def test_another_case_that_is_gone_to_under_a_run_is_seen_alone(logic, console, app, shown):
    for step in logic.registerSteps(device="cpu", start=None):
        if step.state is not None:
            logic.showState(step.state)
            break
    ap, _lateral = console.loadSampleStudy()
    if shown:
        logic.showState(step.state)
    logic.restoreShown()
    models = slicer.util.getNodesByClass("vtkMRMLModelNode", app.scene)
    seen = [node for node in models if node.GetDisplayNode() is not None and node.GetDisplayNode().GetVisibility()]
    films = {node.GetNodeReference("LumbarBiplanar.Film") for node in seen if node.GetAttribute("LumbarBiplanar.Role")}
    assert films <= {ap}
    logic.useVolume(app.scene.GetFirstNodeByName("L3").GetNodeReference("LumbarBiplanar.Film"), "AP")
    assert all(logic.scene.GetFirstNodeByName(f"L{k}").GetDisplayNode().GetVisibility() for k in range(1, 6))


@pytest.mark.parametrize("wrong", [{"outputFolder": "full"}, {"device": "tpu"}], ids=["folder", "device"])
def test_one_call_that_cannot_end_well_is_refused_before_a_film_is_loaded(console, sample_study, tmp_path, wrong):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    if "outputFolder" in wrong:
        wrong = {"outputFolder": tmp_path / "full"}
    result, nodes = console.result(), console.scene.GetNumberOfNodes()
    with pytest.raises(StudyError, match="is not empty|device is"):
        console.process(*(sample_study / name for name in ("ap.png", "lateral.png", "geometry.json")), **wrong)
    assert console.result() is result and console.scene.GetNumberOfNodes() == nodes
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["mine.txt"]
