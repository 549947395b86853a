"""The stand-in for Slicer's parameter node wrapper binds, stores and forgets as Slicer's was seen to do."""

import enum
from pathlib import Path
from typing import Annotated

import numpy as np
import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")


class Mode(enum.Enum):
    FAST = 1
    EXACT = 2

    def label(self):
        return self.name.capitalize()


@pytest.fixture
def Parameters(app):
    from slicer.parameterNodeWrapper import Choice, WithinRange, parameterNodeWrapper

    @parameterNodeWrapper
    class Parameters:
        film: slicer.vtkMRMLScalarVolumeNode
        mode: Mode = Mode.EXACT
        opacity: Annotated[float, WithinRange(0, 1)] = 0.5
        count: int = 3
        note: str = "none"
        shown: bool = True
        weights: Path = Path("weights.pt")
        side: Annotated[str, Choice(["left", "right"])] = "left"

    return Parameters


@pytest.fixture
def node(scene):
    return scene.AddNewNodeByClass("vtkMRMLScriptedModuleNode")


def modified_events(node):
    events = []
    node.AddObserver("ModifiedEvent", lambda *_: events.append(1))
    return events


def test_defaults_are_stored_and_read_back_with_their_types(Parameters, node):
    parameters = Parameters(node)
    assert (parameters.film, parameters.mode, parameters.opacity) == (None, Mode.EXACT, 0.5)
    assert (parameters.count, parameters.note, parameters.shown) == (3, "none", True)
    assert (parameters.weights, parameters.side) == (Path("weights.pt"), "left")
    assert node.GetParameter("mode") == "EXACT"  # enumerations are stored by name


def test_a_second_wrapper_sees_what_the_first_one_wrote(Parameters, node):
    first, second = Parameters(node), Parameters(node)
    first.opacity, first.mode = 0.25, Mode.FAST
    assert (second.opacity, second.mode) == (0.25, Mode.FAST)


def test_values_of_another_type_and_out_of_range_are_refused(Parameters, node):
    parameters = Parameters(node)
    for name, value in (("count", np.int64(3)), ("opacity", np.float32(0.5)), ("note", 5), ("mode", "FAST")):
        with pytest.raises(TypeError):
            setattr(parameters, name, value)
    for name, value in (("opacity", 1.5), ("side", "middle"), ("count", None)):
        with pytest.raises(ValueError):
            setattr(parameters, name, value)
    parameters.opacity = 1  # a whole number is a number
    assert parameters.opacity == 1.0


def test_one_write_is_one_event_and_several_can_be_joined(Parameters, node):
    import slicer.util

    parameters, events = Parameters(node), None
    events = modified_events(node)
    parameters.count = 4
    assert len(events) == 1
    with slicer.util.NodeModify(parameters):
        parameters.count, parameters.note = 5, "joined"
    assert len(events) == 2


def test_a_removed_node_leaves_none(Parameters, node, scene):
    parameters = Parameters(node)
    parameters.film = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    scene.RemoveNode(parameters.film)
    assert parameters.film is None


@pytest.fixture
def widgets(app, scene):
    import ctk
    import qt

    made = {
        "film": slicer.qMRMLNodeComboBox(),
        "mode": qt.QComboBox(),
        "opacity": ctk.ctkSliderWidget(),
        "count": qt.QSpinBox(),
        "note": qt.QLineEdit(),
        "shown": qt.QCheckBox(),
        "weights": ctk.ctkPathLineEdit(),
        "side": qt.QComboBox(),
    }
    made["film"].noneEnabled = True
    made["film"].setMRMLScene(scene)
    for name, widget in made.items():
        widget.setProperty("SlicerParameterName", name)
    return type("Ui", (), made)(), made


def gui_of(widgets):
    gui = type("Ui", (), {})()
    vars(gui).update(widgets[1])
    return gui


def test_a_bound_widget_shows_the_field_and_writes_it(Parameters, node, scene, widgets):
    parameters, gui = Parameters(node), gui_of(widgets)
    film = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "film")
    tag = parameters.connectParametersToGui(vars(gui))
    assert (gui.mode.currentText, gui.opacity.value, gui.opacity.maximum) == ("Exact", 0.5, 1.0)
    gui.mode.currentIndex, gui.opacity.value, gui.count.value = 0, 0.75, 9
    gui.note.text, gui.shown.checked, gui.weights.currentPath = "typed", False, "other.pt"
    gui.film.setCurrentNode(film)
    assert (parameters.mode, parameters.opacity, parameters.count) == (Mode.FAST, 0.75, 9)
    assert (parameters.note, parameters.shown, parameters.weights) == ("typed", False, Path("other.pt"))
    assert parameters.film.GetID() == film.GetID()
    parameters.side = "right"
    assert gui.side.currentText == "right"
    parameters.disconnectGui(tag)
    gui.count.value = 1
    assert parameters.count == 9


def test_what_connect_gui_binds_cannot_be_undone_as_in_slicer(Parameters, node, scene, widgets):
    parameters, gui = Parameters(node), gui_of(widgets)
    assert parameters.connectGui(gui) is None
    gui.count.value = 9
    assert parameters.count == 9


@pytest.mark.parametrize("name", ["QRadioButton", "QPlainTextEdit", "QProgressBar", "QGroupBox"])
def test_a_widget_that_slicer_does_not_bind_is_refused(Parameters, node, name):
    import qt

    with pytest.raises(RuntimeError, match="binds no widget"):
        Parameters(node).connectParametersToGui({"shown": getattr(qt, name)()})


def test_a_subclass_of_a_bound_widget_is_refused(Parameters, node):
    import qt

    class MyBox(qt.QCheckBox):
        pass

    with pytest.raises(RuntimeError, match="binds no widget of class MyBox"):
        Parameters(node).connectParametersToGui({"shown": MyBox()})


def test_an_unknown_parameter_name_is_refused(Parameters, node):
    import qt

    with pytest.raises(ValueError, match="no parameter 'visible'"):
        Parameters(node).connectParametersToGui({"visible": qt.QCheckBox()})


def test_node_fields_stay_none_when_a_gui_is_bound_during_a_scene_load(app, scene, Parameters, widgets, tmp_path):
    parameter_node = slicer.vtkMRMLScriptedModuleNode()
    parameter_node.SetSingletonTag("Trap")
    parameter_node = scene.AddNode(parameter_node)
    parameters = Parameters(parameter_node)
    parameters.film = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "film")
    app.save_scene(tmp_path / "trap.mrb")
    gui = gui_of(widgets)
    parameters.connectGui(gui)
    app.load_scene(tmp_path / "trap.mrb")
    parameter_node = scene.GetSingletonNode("Trap", "vtkMRMLScriptedModuleNode")
    assert parameter_node.GetNodeReference("film") is not None
    assert parameters.film is None and gui.film.currentNode() is None  # what Slicer was seen to do
    assert Parameters(parameter_node).film.GetName() == "film"  # the cure: a new wrapper


def test_a_scene_close_brings_the_defaults_back_while_the_gui_stays_bound(app, scene, Parameters, widgets):
    parameter_node = slicer.vtkMRMLScriptedModuleNode()
    parameter_node.SetSingletonTag("Closed")
    parameters = Parameters(scene.AddNode(parameter_node))
    gui = gui_of(widgets)
    parameters.connectGui(gui)
    parameters.count, parameters.mode = 9, Mode.FAST
    app.clear()
    assert (parameters.count, parameters.mode, gui.count.value, gui.mode.currentText) == (3, Mode.EXACT, 3, "Exact")
    gui.count.value = 5
    assert parameters.count == 5
