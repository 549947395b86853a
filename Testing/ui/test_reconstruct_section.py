"""The section Reconstruct: it runs and cancels, says what it lacks, and goes on when landmarks move."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")
pytest.importorskip("torch", reason="detection and registration need PyTorch")

from panel_driver import nodes, vertebra_points, wait_until_done

import known_network
from LumbarBiplanarLib.anatomy import Level


class Desk:
    """The open module with the sample study, and what a person does with it."""

    def __init__(self, app, widget, monkeypatch):
        known_network.quicken(monkeypatch, iterations=3)
        self.app, self.panel = app, widget.panel
        self.ui, self.logic = self.panel.ui, self.panel.logic
        self.logic.detector = known_network.detect
        self.starts = []
        steps = self.logic.registerSteps

        def noted(device=None, start="auto"):
            self.starts.append(start)
            return steps(device, start)

        self.logic.registerSteps = noted

    @property
    def section(self):
        return next(item for item in self.panel.sections if type(item).__name__ == "ReconstructSection")

    def load(self, landmarks=True):
        self.app.click(self.ui.sampleStudyButton)
        if landmarks:
            self.logic.detect()
        self.app.process_events()

    def press(self):
        self.app.click(self.ui.reconstructButton)

    def until_drawn(self):
        """Go on until outlines of a running registration are on the films."""
        self.app.process_events(until=lambda: nodes(self.app.scene, "silhouette"), timeout_s=300)
        assert self.panel.runner.running

    def finish(self):
        wait_until_done(self.app, self.panel)

    def move(self, level=Level.L3, name="spinous_tip", by=(4.0, 3.0)):
        """Move a landmark of the lateral film by some pixels, as the section Correct reports it."""
        at = self.logic.landmarks("lateral")[level, name].position_px
        self.logic.moveLandmark("lateral", level, name, (at[0] + by[0], at[1] + by[1]))
        self.panel.landmark_moved("lateral", level, name)


@pytest.fixture
def desk(app, module_widget, monkeypatch):
    return Desk(app, module_widget, monkeypatch)


def shown(scene, role):
    return [node for node in nodes(scene, role) if node.GetDisplayNode().GetVisibility()]


def test_the_button_says_what_is_missing_until_it_can_be_pressed(desk):
    button = desk.ui.reconstructButton
    assert not button.enabled and "Load an AP" in button.toolTip
    desk.load(landmarks=False)
    assert not button.enabled and "no landmarks yet" in button.toolTip
    desk.logic.detect()
    desk.panel.changed()
    desk.app.process_events()
    assert button.enabled and button.text == "Reconstruct" and "Fit the shape model" in button.toolTip


def test_without_pytorch_the_section_says_so_and_offers_to_install_it(desk):
    desk.load()
    assert desk.ui.installTorchButton.visible is False and "PyTorch" in desk.ui.deviceLabel.text
    with desk.app.torch.without_torch():
        desk.panel.changed()
        desk.app.process_events()
        assert not desk.ui.installTorchButton.isHidden()
        assert not desk.ui.reconstructButton.enabled and "PyTorch" in desk.ui.reconstructButton.toolTip
        desk.app.click(desk.ui.installTorchButton)
        assert len(desk.app.messages) == 1 and "PyTorch extension" in desk.app.messages[0].text
    desk.panel.changed()
    desk.app.process_events()
    assert desk.ui.reconstructButton.enabled


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RuntimeError("CUDA unknown error\nCompile with TORCH_USE_CUDA_DSA"), "CUDA unknown error"),
        (AssertionError(), "AssertionError"),
    ],
)
def test_a_gpu_driver_that_fails_is_told_and_does_not_bring_the_panel_down(app, monkeypatch, error, reason):
    import torch

    from LumbarBiplanarLib.ui.torch_setup import TorchSetup

    asked = []

    def fail(number):
        asked.append(number)
        raise error

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", fail)
    setup = TorchSetup()
    assert f"cannot be used ({reason}). Choose the device CPU" in setup.line()
    assert setup.line() == setup.line() and len(asked) == 1


def test_a_pytorch_that_is_just_being_loaded_is_not_asked_for_its_device(app, monkeypatch):
    from LumbarBiplanarLib.ui.torch_setup import TorchSetup

    half = types.ModuleType("torch")
    half.__spec__ = types.SimpleNamespace(_initializing=True)
    monkeypatch.setitem(sys.modules, "torch", half)
    assert "the device is looked up when it is first used" in TorchSetup().line()


def test_a_run_shows_outlines_surfaces_and_residual_and_ends_with_the_result(desk):
    desk.load()
    desk.press()
    assert desk.ui.reconstructButton.text == "Cancel" and not desk.ui.deviceComboBox.enabled
    assert "last finished one stays" in desk.ui.reconstructButton.toolTip
    desk.until_drawn()
    assert len(shown(desk.app.scene, "silhouette")) == 10 and len(shown(desk.app.scene, "vertebra-preview")) == 5
    assert "Landmarks: AP" in desk.ui.residualLabel.text and "Stage:" in desk.ui.residualLabel.text
    desk.finish()
    assert len(vertebra_points(desk.app.scene)) == 5 and not shown(desk.app.scene, "vertebra-preview")
    text = desk.ui.residualLabel.text
    assert text.endswith("Done.") and "mm of bone" in text and "lateral" in text
    assert desk.ui.reconstructButton.text == "Reconstruct" and desk.ui.deviceComboBox.enabled
    assert not desk.app.messages


def test_cancel_of_the_first_run_leaves_nothing(desk):
    desk.load()
    count = desk.app.scene.GetNumberOfNodes()
    desk.press()
    desk.until_drawn()
    desk.press()
    assert not desk.panel.runner.running
    assert desk.app.scene.GetNumberOfNodes() == count and desk.logic.result() is None
    assert desk.ui.reconstructButton.text == "Reconstruct" and desk.ui.residualLabel.text == ""


def test_cancel_of_a_later_run_brings_the_last_result_back(desk):
    desk.load()
    desk.press()
    desk.finish()
    before, text = vertebra_points(desk.app.scene), desk.ui.residualLabel.text
    names = {node.GetID() for node in shown(desk.app.scene, "silhouette")}
    desk.move()
    desk.section._forget()
    desk.press()
    desk.app.process_events(until=lambda: shown(desk.app.scene, "vertebra-preview"), timeout_s=300)
    assert not shown(desk.app.scene, "vertebra")
    desk.press()
    assert not nodes(desk.app.scene, "vertebra-preview")
    assert len(shown(desk.app.scene, "vertebra")) == 5
    assert {node.GetID() for node in shown(desk.app.scene, "silhouette")} == names
    for level, points in vertebra_points(desk.app.scene).items():
        assert np.array_equal(points, before[level])
    desk.app.process_events()
    assert desk.ui.residualLabel.text == text


def test_a_moved_landmark_goes_on_from_the_result_and_many_moves_are_one_refit(desk):
    desk.load()
    desk.press()
    desk.finish()
    first = desk.logic.result().reconstruction.final_state
    before = vertebra_points(desk.app.scene)
    del desk.starts[:]
    for step in range(4):
        desk.move(by=(2.0, 1.0 + step))
    assert desk.starts == []
    desk.app.process_events(until=lambda: desk.panel.runner.running, timeout_s=60)
    desk.finish()
    assert len(desk.starts) == 1 and desk.starts[0] is first
    moved = {
        level: float(np.abs(points - before[level]).max()) for level, points in vertebra_points(desk.app.scene).items()
    }
    assert moved[Level.L3] > 0.5


def test_a_landmark_moved_during_a_run_is_taken_up_from_the_state_reached(desk):
    desk.load()
    desk.press()
    desk.until_drawn()
    reached = desk.logic.presentState()
    desk.move()
    desk.app.process_events(until=lambda: len(desk.starts) == 2, timeout_s=60)
    assert desk.starts[0] is None
    assert desk.starts[1] is not None and desk.starts[1].evidence == reached.evidence
    assert desk.ui.reconstructButton.text == "Cancel"
    desk.finish()
    result = desk.logic.result().reconstruction
    observation = result.final_state.evidence[1].landmarks[Level.L3, "spinous_tip"]
    assert observation.corrected and len(vertebra_points(desk.app.scene)) == 5


def test_a_moved_landmark_changes_nothing_where_there_is_nothing_to_go_on_from_or_refit_is_off(desk):
    desk.load()
    desk.move()
    desk.app.process_events()
    assert not desk.panel.runner.running
    desk.press()
    desk.finish()
    desk.ui.refitCheckBox.setChecked(False)
    desk.app.process_events()
    desk.move()
    for _ in range(200):
        desk.app.process_events()
    assert len(desk.starts) == 1 and not desk.panel.runner.running


def test_live_outlines_can_be_switched_off_and_on_during_a_run(desk):
    desk.load()
    desk.press()
    desk.until_drawn()
    desk.ui.liveOverlayCheckBox.setChecked(False)
    assert not shown(desk.app.scene, "silhouette") and desk.panel.runner.running
    desk.ui.liveOverlayCheckBox.setChecked(True)
    desk.app.process_events(until=lambda: shown(desk.app.scene, "silhouette"), timeout_s=300)
    assert desk.panel.runner.running
    desk.finish()
    assert len(shown(desk.app.scene, "silhouette")) == 10
    desk.ui.liveOverlayCheckBox.setChecked(False)
    desk.app.process_events()
    assert not shown(desk.app.scene, "silhouette")
    desk.ui.liveOverlayCheckBox.setChecked(True)
    desk.app.process_events()
    assert len(shown(desk.app.scene, "silhouette")) == 10


def test_the_posterior_weight_reaches_the_registration(desk):
    from LumbarBiplanarLib.anatomy import Region

    desk.load()
    desk.ui.posteriorWeightComboBox.setCurrentIndex(2)
    desk.app.process_events()
    desk.press()
    desk.finish()
    weights = desk.logic.result().options.region_weights
    assert weights[Region.TRANSVERSE] == weights[Region.SPINOUS] == 4.0 and weights[Region.BODY] == 1.0


def test_an_error_of_a_run_is_told_once_and_the_panel_stays_usable(desk):
    desk.load()
    good = type(desk.logic).registerSteps

    def broken(device=None, start="auto"):
        steps = good(desk.logic, device, start)
        yield next(steps)
        raise ValueError("the films do not belong together")

    desk.logic.registerSteps = broken
    desk.press()
    desk.finish()
    assert [message.text for message in desk.app.messages] == ["Unexpected error: the films do not belong together"]
    assert desk.ui.reconstructButton.enabled and desk.ui.reconstructButton.text == "Reconstruct"
    assert not nodes(desk.app.scene, "silhouette")


@pytest.mark.parametrize("how", ["close the scene", "leave the module", "delete a film"])
def test_a_run_ends_with_what_it_works_on(desk, how):
    desk.load()
    desk.press()
    desk.until_drawn()
    if how == "close the scene":
        desk.app.clear()
    elif how == "leave the module":
        desk.app.leave_module()
    else:
        desk.app.scene.RemoveNode(desk.panel.parameters.lateralFilm)
    desk.app.process_events(until=lambda: not desk.panel.runner.running, timeout_s=60)
    for _ in range(5):
        desk.app.process_events()
    assert not nodes(desk.app.scene, "vertebra-preview") and not nodes(desk.app.scene, "vertebra")
    assert len(desk.app.messages) <= 1
