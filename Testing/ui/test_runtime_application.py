"""The headless Slicer's window, dialogs, .ui files and module life behave as a panel meets them in Slicer."""

from __future__ import annotations

import numpy as np
import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")

MODULE = """
import slicer
from slicer.ScriptedLoadableModule import *

class Toy(ScriptedLoadableModule):
    def __init__(self, parent):
        super().__init__(parent)
        parent.title = "Toy"

class ToyWidget(ScriptedLoadableModuleWidget):
    def setup(self):
        super().setup()
        import qt
        self.calls, self.button = ["setup"], qt.QPushButton("Go")
        self.layout.addWidget(self.button)
        scene = slicer.mrmlScene
        self.tags = [
            scene.AddObserver(getattr(scene, name), lambda *_, name=name: self.note(name))
            for name in ("StartCloseEvent", "EndCloseEvent")
        ]
    def note(self, what):
        self.calls.append((what, self.parent.isEntered))
    def enter(self): self.note("enter")
    def exit(self): self.note("exit")
    def cleanup(self):
        self.note("cleanup")
        for tag in self.tags:
            slicer.mrmlScene.RemoveObserver(tag)
"""


@pytest.fixture
def toy(app, tmp_path):
    path = tmp_path / "Toy.py"
    path.write_text(MODULE)
    yield app.open_module(path)
    app.unload_module("Toy")


def test_a_module_is_set_up_entered_left_and_cleaned_up_in_slicers_order(app, toy):
    assert slicer.modules.toy.title == "Toy" and slicer.modules.ToyWidget is toy
    app.leave_module()
    app.unload_module("Toy")
    assert toy.calls == ["setup", ("enter", True), ("exit", False), ("cleanup", False)]
    with pytest.raises(AttributeError):
        slicer.modules.toy  # noqa: B018


def test_a_scene_close_leaves_the_module_first_and_enters_it_last(app, toy):
    toy.calls.clear()
    app.clear()
    assert toy.calls == [("exit", False), ("StartCloseEvent", False), ("EndCloseEvent", False), ("enter", True)]


def test_an_error_in_setup_is_raised_to_the_test(app, tmp_path):
    path = tmp_path / "Toy.py"
    path.write_text(MODULE.replace('qt.QPushButton("Go")', 'qt.QPushButton("Go").text()'))
    try:
        with pytest.raises(TypeError, match="not callable"):
            app.open_module(path)
    finally:
        slicer.modules.ToyWidget.tags, slicer.modules.ToyWidget.calls = [], []
        app.unload_module("Toy")
        app.python_errors.clear()


def test_a_disabled_or_hidden_button_cannot_be_clicked(app, toy):
    seen = []
    toy.button.connect("clicked()", lambda: seen.append(1))
    app.click(toy.button)
    toy.button.enabled = False
    with pytest.raises(AssertionError, match="disabled"):
        app.click(toy.button)
    toy.button.enabled, toy.button.visible = True, False
    with pytest.raises(AssertionError, match="hidden"):
        app.click(toy.button)
    assert seen == [1]


def test_the_picture_shows_the_panel_beside_the_views(app, toy, tmp_path):
    import qt
    from PySide6.QtGui import QImage

    label = qt.QLabel("shown")
    label.setStyleSheet("background: #00ff00")
    toy.layout.addWidget(label)
    app.grab(tmp_path / "window.png", (1000, 600))
    picture = QImage(str(tmp_path / "window.png")).convertToFormat(QImage.Format.Format_RGB888)
    pixels = np.frombuffer(picture.constBits(), np.uint8).reshape(600, picture.bytesPerLine())[:, :3000]
    pixels = pixels.reshape(600, 1000, 3).astype(int)
    green = (pixels == (0, 255, 0)).all(axis=2)
    assert green[:, :470].any() and not green[:, 480:].any()
    assert pixels[:, 480:].std() > 10  # the views are there, not an empty area


def test_without_a_main_window_there_is_no_layout_manager_and_no_module_selector(app):
    import slicer.util

    with app.without_main_window():
        assert slicer.app.layoutManager() is None and slicer.util.mainWindow() is None
        with pytest.raises(RuntimeError, match="main window"):
            slicer.util.selectModule("Toy")
    assert slicer.app.layoutManager() is not None


def test_a_layout_is_read_by_slicers_layout_logic_and_an_unknown_one_is_the_conventional(app):
    manager = slicer.app.layoutManager()
    xml = """<layout type="horizontal"><item><view class="vtkMRMLSliceNode" singletontag="Mine">
    <property name="viewgroup" action="default">7</property></view></item></layout>"""
    node = manager.layoutLogic().GetLayoutNode()
    assert node.AddLayoutDescription(7999, xml)
    manager.setLayout(7999)
    assert manager.layout == 7999 and "Mine" in manager.sliceViewNames()
    widget = manager.sliceWidget("Mine")
    assert widget.mrmlSliceNode().GetViewGroup() == 7 and widget.isVisibleTo(widget.parent())
    manager.setLayout(7998)
    assert manager.layout == slicer.vtkMRMLLayoutNode.SlicerLayoutConventionalView
    assert manager.sliceWidget("Nobody") is None
    for wrong in ("layout", "threeDViewCount"):
        with pytest.raises(TypeError):
            getattr(manager, wrong)()


def test_message_boxes_are_kept_and_a_question_without_an_answer_is_an_error(app):
    import slicer.util

    from headless_slicer.dialogs import UnansweredError

    slicer.util.errorDisplay("The film is too small", detailedText="trace")
    assert [(m.kind, m.text, m.details) for m in app.messages] == [("error", "The film is too small", "trace")]
    app.answers.box("No")
    assert not slicer.util.confirmYesNoDisplay("Overwrite?")
    with pytest.raises(UnansweredError, match="Overwrite"):
        slicer.util.confirmOkCancelDisplay("Overwrite?")
    app.python_errors.clear()
    with app.testing_mode():
        slicer.util.errorDisplay("only logged")
    assert len(app.messages) == 3


def test_file_dialogs_return_a_text_as_in_pythonqt(app):
    import qt

    app.answers.file("/films/ap.png")
    assert qt.QFileDialog.getOpenFileName(None, "Load", "", "Films (*.png)") == "/films/ap.png"
    assert app.answers.asked == [("getOpenFileName", "Load", "Films (*.png)")]


def test_an_own_dialog_is_used_by_the_test_and_accepted_or_not(app):
    import qt

    dialog = qt.QDialog()
    line = qt.QLineEdit(dialog)

    def type_in(opened):
        assert opened is dialog
        line.text = "typed"
        return True

    app.answers.dialog(type_in)
    assert dialog.exec_() == qt.QDialog.Accepted and line.text == "typed"


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('name="collapsed"', 'name="colapsed"', "has no property colapsed"),
        ('class="ctkSliderWidget"', 'class="ctkSlidingWidget"', "ctkSlidingWidget"),
        ("setMRMLScene(vtkMRMLScene*)", "setScene(vtkMRMLScene*)", "has no slot"),
        ("mrmlSceneChanged(vtkMRMLScene*)", "sceneChanged(vtkMRMLScene*)", "has no signal"),
        ("<receiver>apFilmSelector<", "<receiver>apSelector<", "which there is not"),
        ('name="lateralFilmSelector"', 'name="apFilmSelector"', "same name"),
    ],
)
def test_a_ui_file_with_an_unknown_name_is_refused(app, tmp_path, sample_study, old, new, complaint):
    import slicer.util

    text = (sample_study.parent / "UI" / "LumbarBiplanar.ui").read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "wrong.ui").write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ValueError, match=complaint):
        slicer.util.loadUI(str(tmp_path / "wrong.ui"))


def test_a_node_selector_without_a_scene_is_disabled_and_empty(app, scene):
    scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "film")
    selector = slicer.qMRMLNodeComboBox()
    selector.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    assert not selector.enabled and selector.currentNode() is None
    selector.setMRMLScene(scene)
    assert selector.enabled and selector.currentNode().GetName() == "film"
    scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "mask")
    assert selector.nodeCount() == 2
    selector.showChildNodeTypes = False
    assert selector.nodeCount() == 1


def test_pytorch_and_its_extension_can_be_there_or_not(app):
    import importlib.util

    with pytest.raises(ModuleNotFoundError):
        import PyTorchUtils
    app.torch.install(agrees=False)
    import PyTorchUtils

    assert PyTorchUtils.PyTorchUtilsLogic().installTorch(askConfirmation=True) is None
    assert app.torch.calls == [{"ask": True, "requirement": None}]
    with app.torch.without_torch():
        assert importlib.util.find_spec("torch") is None and not PyTorchUtils.PyTorchUtilsLogic().torchInstalled()
        with pytest.raises(ImportError):
            import torch  # noqa: F401


def test_settings_are_kept_apart_from_the_users_own(app):
    import qt

    qt.QSettings().setValue("LumbarBiplanar/Weights", "x.pt")
    assert str(app.temporary_folder) in qt.QSettings().fileName()


def test_a_path_that_is_cleared_is_told_by_the_other_signal_only_as_in_ctk(app):
    import ctk

    edit, told = ctk.ctkPathLineEdit(), []
    edit.connect("currentPathChanged(QString)", told.append)
    edit.connect("validInputChanged(bool)", told.append)
    edit.currentPath = "a.pt"
    edit.currentPath = ""
    assert told == ["a.pt", True, False]
    edit.nameFilters = ["Weights (*.pt)"]
    edit.currentPath = "a.txt"
    edit.currentPath = "b.pt"
    assert told[3:] == ["b.pt", True]
