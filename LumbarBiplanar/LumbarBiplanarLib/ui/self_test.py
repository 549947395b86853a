"""The module's own tests: they run in Slicer (Reload and Test, ctest), and without it on the tests' stand-in.

Only the study that comes with the module is used; nothing is downloaded or installed.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import slicer

from ..anatomy import LANDMARK_NAMES, LUMBAR_LEVELS, load_landmarks
from ..errors import FilmError, StudyError
from ..mrml.case_nodes import MODULE_NAME
from ..mrml.films import VIEW_NAMES
from ..mrml.logic import CaseLogic
from ..mrml.torch_ready import torch_problem
from ..resources import resource_path

# A run takes seconds; on a busy machine without a GPU it may take minutes.
_PATIENCE_S = 600.0


def module_widget() -> Any:
    """Open the module as a user does, and return its Python widget; without a main window only the widget is made."""
    if slicer.util.mainWindow() is not None:
        slicer.util.selectModule(MODULE_NAME)
    widget = slicer.util.getModuleWidget(MODULE_NAME)
    if not widget.panel.entered:
        widget.enter()
    return widget


def wait_until(condition: Callable[[], bool], what: str, patience_s: float = _PATIENCE_S) -> None:
    """Let Slicer work until a condition holds; raises AssertionError if it never does."""
    end = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"Waited {patience_s:.0f} s for: {what}")
        slicer.app.processEvents()
        time.sleep(0.002)


class SelfTests:
    """The tests, to be mixed into a ``unittest.TestCase``."""

    def setUp(self) -> None:
        """Begin with an empty scene."""
        slicer.mrmlScene.Clear()

    def tearDown(self) -> None:
        """Leave an empty scene."""
        slicer.mrmlScene.Clear()

    def test_the_library_finds_its_resources(self) -> None:
        """Resources lie beside the module file, where Slicer installs them, and list the landmarks."""
        folder = Path(slicer.util.modulePath(MODULE_NAME)).parent / "Resources"
        self.assertTrue(resource_path("Landmarks.json").samefile(folder / "Landmarks.json"))
        self.assertEqual([landmark.name for landmark in load_landmarks()], list(LANDMARK_NAMES))

    def test_films_lie_at_their_detectors(self) -> None:
        """A film's first pixel is where its view says; both films are one case and ready to run."""
        logic = CaseLogic()
        logic.loadSampleStudy()
        self.assertEqual(logic.isReady(), (True, ""))
        for name, view in zip(VIEW_NAMES, logic.geometry().views, strict=True):
            bounds = [0.0] * 6
            logic.filmNode(name).GetRASBounds(bounds)
            corner = view.detector_points_ras_mm((0.0, 0.0))
            for axis in range(3):
                self.assertGreaterEqual(corner[axis], bounds[2 * axis] - 1.0)
                self.assertLessEqual(corner[axis], bounds[2 * axis + 1] + 1.0)

    def test_wrong_input_is_refused_and_changes_nothing(self) -> None:
        """The same film twice, and a file that is no film, are refused; the films that are there stay."""
        logic = CaseLogic()
        ap, lateral = logic.loadSampleStudy()
        with self.assertRaises(FilmError):
            logic.loadFilm(resource_path("SampleStudy", "ap.png"), "lateral")
        with self.assertRaises(FilmError):
            logic.loadFilm(resource_path("SampleStudy", "geometry.json"), "AP")
        self.assertIs(logic.filmNode("AP"), ap)
        self.assertIs(logic.filmNode("lateral"), lateral)
        with self.assertRaises(StudyError):
            logic.exportCsv(Path(tempfile.gettempdir()) / "there_is_no_result.csv")

    def test_the_panel_follows_the_scene(self) -> None:
        """The button waits for films, is ready with them, and waits again after the scene was closed."""
        widget = module_widget()
        button = widget.ui.runAllButton
        wait_until(lambda: not button.enabled, "the button without films", 10.0)
        widget.logic.loadSampleStudy()
        if not torch_problem():
            wait_until(lambda: button.enabled, "the button with films", 10.0)
        slicer.mrmlScene.Clear()
        wait_until(lambda: not button.enabled, "the button after the scene was closed", 10.0)
        self.assertIsNone(widget.logic.filmNode("AP"))

    def test_a_case_from_films_to_a_loaded_scene(self) -> None:
        """Sample study, one button, a landmark moved, the refit, and the same result after saving and loading."""
        self._need_torch()
        widget = module_widget()
        logic, panel = widget.logic, widget.panel
        logic.loadSampleStudy()
        wait_until(lambda: widget.ui.runAllButton.enabled, "the button with films", 10.0)
        widget.ui.runAllButton.click()
        self.assertTrue(panel.runner.running)
        wait_until(lambda: not panel.runner.running, "the end of the run")
        result = logic.result()
        self.assertIsNotNone(result, widget.ui.statusLabel.text)
        self.assertEqual(result.reconstruction.levels, LUMBAR_LEVELS)
        self.assertGreater(logic.parameters.measurements.GetNumberOfRows(), 20)
        self._move_a_landmark(logic)
        refit = logic.register()
        self.assertIsNot(refit, result)
        self._save_and_load(logic, refit)

    def test_closing_the_scene_stops_a_run(self) -> None:
        """Nothing runs and nothing is left after the scene was closed in the middle."""
        self._need_torch()
        widget = module_widget()
        widget.logic.loadSampleStudy()
        self.assertTrue(widget.panel.start("Test", widget.logic.allSteps))
        slicer.app.processEvents()
        slicer.mrmlScene.Clear()
        self.assertFalse(widget.panel.runner.running)
        slicer.app.processEvents()
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLMarkupsFiducialNode"), 0)
        self.assertFalse(widget.logic.isReady()[0])

    def _move_a_landmark(self, logic: CaseLogic) -> None:
        level, name = LUMBAR_LEVELS[2], "superior_endplate_anterior"
        x, y = logic.landmarks("lateral")[level, name].position_px
        logic.moveLandmark("lateral", level, name, (x + 8.0, y))
        self.assertTrue(logic.landmarks("lateral")[level, name].corrected)
        self.assertFalse(logic.isResultCurrent())

    def _save_and_load(self, logic: CaseLogic, result: Any) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "case.mrb"
            logic.saveScene(path)
            slicer.mrmlScene.Clear()
            self.assertIsNone(logic.result())
            slicer.util.loadScene(str(path))
        again = CaseLogic().result()
        self.assertIsNotNone(again, CaseLogic().resultProblem())
        values = [item.value for item in result.measurements]
        for value, loaded in zip(values, [item.value for item in again.measurements], strict=True):
            self.assertAlmostEqual(value, loaded, places=6)

    def _need_torch(self) -> None:
        problem = torch_problem()
        if problem:
            self.skipTest(problem)
