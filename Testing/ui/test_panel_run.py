"""What the panel does around a run: button and bar, hints, and one understandable message for whatever goes wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")
pytest.importorskip("torch", reason="detection and registration need PyTorch")

from panel_driver import nodes

import known_network
from LumbarBiplanarLib.errors import RegistrationError
from LumbarBiplanarLib.study.steps import Step


@pytest.fixture
def panel(app, module_widget, monkeypatch):
    """The panel with both films of the sample study and a network that knows the truth."""
    known_network.quicken(monkeypatch)
    module_widget.logic.detector = known_network.detect
    app.click(module_widget.ui.sampleStudyButton)
    app.process_events()
    return module_widget.panel


@pytest.fixture
def done(app, panel):
    """The same with a result."""
    known_network.finish(panel.logic)
    app.process_events()
    return panel


def idle(app, panel, timeout_s=300.0):
    app.process_events(until=lambda: not panel.runner.running, timeout_s=timeout_s)
    for _round in range(3):
        app.process_events()


def only_message(app):
    assert len(app.messages) == 1, [message.text for message in app.messages]
    return app.messages[0].text


def steps_that(*actions):
    """A run of one step per action; an action that is an exception is raised."""
    for number, action in enumerate(actions):
        if isinstance(action, BaseException):
            raise action
        yield Step("registration", str(action), number / len(actions))


def test_the_hint_says_what_comes_next(app, module_widget):
    app.process_events()
    ui = module_widget.ui
    assert "Load an AP and a lateral film" in ui.statusLabel.text
    assert not ui.runAllButton.enabled and "Load an AP" in ui.runAllButton.toolTip
    app.click(ui.sampleStudyButton)
    app.process_events()
    assert "Run all steps" in ui.statusLabel.text and ui.runAllButton.enabled
    with app.torch.without_torch():
        module_widget.panel.changed()
        app.process_events()
        assert "PyTorch" in ui.statusLabel.text and "Run all steps" not in ui.statusLabel.text
    module_widget.panel.changed()
    app.process_events()
    assert "Run all steps" in ui.statusLabel.text
    known_network.finish(module_widget.logic)
    app.process_events()
    assert "drag landmarks" in ui.statusLabel.text


def test_an_empty_table_of_landmarks_shows_all_its_columns(app, panel, tmp_path):
    app.grab(tmp_path / "window.png", (1340, 640))
    assert panel.ui.landmarkTable.rowCount == 0
    assert panel.ui.landmarkTable.horizontalScrollBar().maximum == 0


def test_the_button_cancels_while_something_runs_and_the_bar_follows(app, panel):
    shown = []

    def run():
        for step in steps_that("one", "two", "three", "four"):
            shown.append((panel.ui.runAllButton.text, panel.ui.progressBar.value))
            yield step

    assert panel.start("A run", run, stages=("registration", "measurement"))
    app.process_events()
    idle(app, panel)
    assert panel.ui.runAllButton.text == "Run all steps" and panel.ui.progressBar.value == 0
    assert len(shown) == 4
    assert panel.start("A run", lambda: endless(), stages=("registration",))
    app.process_events()
    assert panel.ui.runAllButton.text == "Cancel" and "A run" in panel.ui.runAllButton.toolTip
    assert panel.ui.statusLabel.text == "Going on"
    app.click(panel.ui.runAllButton)
    idle(app, panel)
    assert "cancelled" in panel.ui.logTextEdit.plainText
    assert app.messages == []


def drawn(app):
    roles = ("silhouette", "vertebra-preview", "vertebra")
    return [len(nodes(app.scene, role)) for role in roles]


@pytest.mark.parametrize("while_running", [False, True])
def test_a_panel_that_goes_leaves_nothing_in_the_scene_but_the_result(app, done, while_running):
    result = nodes(app.scene, "vertebra")
    state = done.logic.result().reconstruction.final_state
    shift = np.zeros((4, 4))
    shift[:3, 3] = 5.0
    moved = {level: matrix + shift for level, matrix in state.ras_from_vertebra.items()}
    done.logic.showState(replace(state, ras_from_vertebra=moved))
    if not while_running:
        done.logic._live[1].finish(state)
    assert drawn(app) == [10, 5, 5]
    app.unload_module()
    assert drawn(app) == [0, 0, 5] and nodes(app.scene, "vertebra") == result
    assert all(node.GetDisplayVisibility() for node in result)
    app.open_module()
    app.process_events()
    assert drawn(app)[0] == 10


def endless():
    while True:
        yield Step("registration", "going on", 0.5)


def test_the_bar_counts_the_stages_of_the_run(panel):
    panel._stages = ("registration", "measurement")
    shares = [panel._share(Step(*step)) for step in (("registration", "", 0.0), ("registration", "", 1.0))]
    assert shares[0] == 0.0 and shares[1] == pytest.approx(0.65 / 0.70)
    panel._stages = ("detection",)
    assert panel._share(Step("detection", "", 0.5)) == pytest.approx(0.5)


def test_a_second_run_is_not_started_over_the_first(app, panel):
    assert panel.start("The first", endless)
    assert not panel.start("The second", endless)
    assert "The first is still running" in panel.ui.statusLabel.text
    panel.cancel()
    assert not panel.runner.running


@pytest.mark.parametrize("when", ["at once", "in a step"])
def test_an_error_is_one_message_in_words_and_the_panel_goes_on(app, panel, when):
    problem = RegistrationError("The two films do not fit each other. Check the geometry.")

    def factory():
        if when == "at once":
            raise problem
        return steps_that("fine", problem)

    panel.start("A run", factory)
    idle(app, panel)
    assert "do not fit each other" in only_message(app)
    assert "do not fit each other" in panel.ui.statusLabel.text
    assert "A run: The two films" in panel.ui.logTextEdit.plainText
    assert "Traceback" not in panel.ui.logTextEdit.plainText
    assert panel.ui.runAllButton.enabled and panel.ui.runAllButton.text == "Run all steps"
    assert panel.ui.progressBar.value == 0


def test_an_error_nobody_foresaw_says_so_and_leaves_its_place_in_the_log(app, panel):
    panel.start("A run", lambda: steps_that(ZeroDivisionError("division by zero")))
    idle(app, panel)
    assert only_message(app).startswith("Unexpected error: division by zero")
    assert "Traceback" in panel.ui.logTextEdit.plainText
    assert panel.ui.runAllButton.enabled


def test_swapped_films_are_recognized_and_can_be_swapped_back(app, panel):
    app.click(panel.ui.swapFilmsButton)
    app.process_events()
    app.click(panel.ui.runAllButton)
    idle(app, panel)
    assert "exchanged" in only_message(app)
    app.messages.clear()
    app.click(panel.ui.swapFilmsButton)
    app.process_events()
    app.click(panel.ui.runAllButton)
    idle(app, panel)
    assert panel.logic.result() is not None and app.messages == []


def test_films_without_a_geometry_run_with_an_assumed_one_and_a_warning(app, panel, sample_study):
    app.click(panel.ui.standardGeometryButton)
    app.process_events()
    app.click(panel.ui.runAllButton)
    idle(app, panel)
    if panel.logic.result() is None:  # the assumed distances may be too far off for a fit
        only_message(app)
        app.messages.clear()
    else:
        assert any("not calibrated" in warning for warning in panel.logic.result().warnings)
    assert panel.ui.runAllButton.enabled


def test_without_torch_the_panel_explains_itself_and_films_can_be_loaded(app, module_widget):
    with app.torch.without_torch():
        module_widget.panel.changed()
        app.process_events()
        app.click(module_widget.ui.sampleStudyButton)
        app.process_events()
        ui = module_widget.ui
        assert not ui.runAllButton.enabled and "PyTorch" in ui.runAllButton.toolTip
        assert "PyTorch is missing" in ui.deviceLabel.text
        assert module_widget.logic.filmNode("AP") is not None
    module_widget.panel.changed()
    app.process_events()
    assert module_widget.ui.runAllButton.enabled
    assert app.messages == []


def test_warnings_of_a_result_are_in_the_log(app, panel, monkeypatch):
    from dataclasses import replace

    def noted(film, device="auto", weights=None):
        return replace(known_network.detect(film), notes=("Not found: T12.",))

    panel.logic.detector = noted
    app.click(panel.ui.runAllButton)
    idle(app, panel)
    assert "AP film: Not found: T12." in panel.ui.logTextEdit.plainText


def test_the_weights_file_of_the_panel_is_that_of_the_logic(app, panel, tmp_path):
    assert panel.logic.weights is None
    panel.ui.weightsPathLineEdit.currentPath = str(tmp_path / "mine.pt")
    assert panel.logic.weights == str(tmp_path / "mine.pt")
    panel.ui.weightsPathLineEdit.currentPath = ""
    assert panel.logic.weights is None


def test_the_weights_file_is_remembered_until_it_is_cleared(app, panel, tmp_path):
    def after_a_new_start():
        app.unload_module()
        return app.open_module().panel

    mine = tmp_path / "mine.pt"
    mine.write_bytes(b"weights")
    panel.ui.weightsPathLineEdit.currentPath = str(mine)
    panel = after_a_new_start()
    assert panel.ui.weightsPathLineEdit.currentPath == panel.logic.weights == str(mine)
    panel.ui.weightsPathLineEdit.currentPath = str(tmp_path / "mine")  # while another one is being typed
    panel = after_a_new_start()
    assert panel.logic.weights == str(mine)
    mine.rename(tmp_path / "away.pt")
    panel = after_a_new_start()
    assert panel.ui.weightsPathLineEdit.currentPath == "" and panel.logic.weights is None
    (tmp_path / "away.pt").rename(mine)
    panel = after_a_new_start()
    assert panel.logic.weights == str(mine), "a drive that was not there for once"
    panel.ui.weightsPathLineEdit.currentPath = ""
    assert after_a_new_start().logic.weights is None


def test_loading_torch_is_said_before_it_keeps_the_window_busy():
    from LumbarBiplanarLib.ui.panel_run import _after_loading_torch

    done = []

    def work():
        done.append("loaded")
        yield "a step"

    steps = _after_loading_torch(work(), "detection")
    first, second = next(steps), next(steps)
    assert "Loading PyTorch" in first.message and first.stage == second.stage == "detection" and not done
    assert next(steps) == "a step" and done


def test_a_result_of_another_shape_model_is_explained_and_its_table_stays(app, done, scene, tmp_path):
    text = done.parameters.reconstruction.GetText()
    sha = done.logic.shapeModel().sha256
    done.parameters.reconstruction.SetText(text.replace(sha, "0" * 64))
    rows = done.parameters.measurements.GetNumberOfRows()
    app.save_scene(tmp_path / "old.mrb")
    app.clear()
    app.load_scene(tmp_path / "old.mrb")
    idle(app, done)
    assert "another shape model" in done.ui.logTextEdit.plainText
    assert done.parameters.measurements.GetNumberOfRows() == rows
    assert done.ui.reconstructButton.enabled and app.messages == []


def test_leaving_and_coming_back_shows_the_case_again(app, done):
    app.leave_module()
    assert done.parameters is None
    module = app.open_module()
    app.process_events()
    assert module.panel is done and done.parameters.apFilm is not None
    assert done.ui.apFilmSelector.currentNode() is done.parameters.apFilm
    assert "drag landmarks" in done.ui.statusLabel.text


def test_opening_the_module_again_and_again_leaves_no_observer_behind(app, panel):
    node = panel.parameters.parameterNode

    def observers():
        # Tags are counted up: what is left is what HasObserver still finds among all that were ever given.
        probe = node.AddObserver("ModifiedEvent", lambda *_: None)
        node.RemoveObserver(probe)
        return sum(node.GetCommand(tag) is not None for tag in range(probe))

    app.leave_module()
    before = observers()
    for _round in range(3):
        app.open_module()
        app.process_events()
        assert observers() > before
        app.leave_module()
    assert observers() == before


def test_choices_of_the_panel_are_kept_in_the_scene(app, done, tmp_path):
    from LumbarBiplanarLib.mrml.parameters import PosteriorWeight

    done.ui.posteriorWeightComboBox.currentIndex = 2
    done.ui.lumbarOpacitySlider.value = 0.75
    app.process_events()
    assert done.parameters.posteriorWeight is PosteriorWeight.FOUR
    app.save_scene(tmp_path / "case.mrb")
    app.clear()
    app.process_events()
    assert done.parameters.posteriorWeight is PosteriorWeight.ONE
    app.load_scene(tmp_path / "case.mrb")
    app.process_events()
    assert done.parameters.posteriorWeight is PosteriorWeight.FOUR
    assert done.parameters.lumbarOpacity == pytest.approx(0.75)
    assert done.ui.posteriorWeightComboBox.currentIndex == 2
