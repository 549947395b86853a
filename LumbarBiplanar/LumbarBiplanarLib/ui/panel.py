"""The panel: its sections, and the life of its parameter node through scenes and modules."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from ..errors import LumbarBiplanarError
from ..mrml.films import scene_films
from .correct_section import CorrectSection
from .detect_section import DetectSection
from .films_section import FilmsSection
from .job_runner import JobRunner
from .layout import FilmLayout
from .panel_run import PanelRun
from .parameter_binding import ParameterBinding
from .reconstruct_section import ReconstructSection
from .remembered_folder import remember_file, remembered_file
from .results_section import ResultsSection
from .torch_setup import TorchSetup

_WEIGHTS = "Weights"
# Of a ctkPathLineEdit: an empty path is no path to it, and only the second signal says that the user has cleared it.
_PATH_SIGNALS = ("currentPathChanged(QString)", "validInputChanged(bool)")
SECTIONS = (FilmsSection, DetectSection, CorrectSection, ReconstructSection, ResultsSection)


class Panel(PanelRun, VTKObservationMixin):
    """The form at work; implements ``PanelServices``.

    Args:
        form: the root widget of the form.
        ui: its widgets by name.
        logic: the ``CaseLogic``.
    """

    def __init__(self, form: Any, ui: SimpleNamespace, logic: Any) -> None:
        super().__init__()
        self.form, self.ui, self.logic = form, ui, logic
        self.parameters: Any = None
        self.torch = TorchSetup()
        self.runner = JobRunner()
        # A Slicer without a window has no views to lay out.
        self.layout = None if slicer.app.layoutManager() is None else FilmLayout()
        self.entered = False
        self._scene_added = True  # to a scene with films; it may have been before this was made
        self._binding: ParameterBinding | None = None
        self._hint = ""
        self._reconstruction: Any = None  # the last one that was there
        self._lost_with: tuple[Any, ...] | None = None  # films from which it was removed
        self._refresh_timer = qt.QTimer()
        self._refresh_timer.setSingleShot(True)
        self._refresh_timer.setInterval(0)
        self.sections = [section(self) for section in SECTIONS]

    # -- life ------------------------------------------------------------------------------------------------------

    def connect(self) -> None:
        """Connect the form, the sections and the scene; called once, after the form is made."""
        self._refresh_timer.connect("timeout()", self._refresh)
        self.ui.runAllButton.connect("clicked()", self._on_run_all)
        # The widget's own settingKey remembers no path by itself, and never that it was cleared.
        self.ui.weightsPathLineEdit.currentPath = remembered_file(_WEIGHTS)
        self.logic.weights = self.ui.weightsPathLineEdit.currentPath or None
        for signal in _PATH_SIGNALS:
            self.ui.weightsPathLineEdit.connect(signal, self._on_weights)
        for section in self.sections:
            section.connect()
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self._on_start_close)
        self.addObserver(scene, scene.EndCloseEvent, self._on_end_close)
        self.addObserver(scene, scene.StartImportEvent, self._on_start_import)
        self.addObserver(scene, scene.EndImportEvent, self._on_end_import)
        self.addObserver(scene, scene.NodeAboutToBeRemovedEvent, self._on_node_going)
        self.addObserver(scene, scene.NodeRemovedEvent, self._on_node_removed)
        self.changed()

    def enter(self) -> None:
        """Take up the case of the scene and show the films; called whenever the module is opened."""
        self.entered = True
        if self.layout is not None:
            self.layout.enter()
        self._use_scene()

    def exit(self) -> None:
        """Stop what runs and let go of the parameter node; called whenever another module is opened."""
        self.entered = False
        if self.runner.running:
            self.cancel()
        self._set_parameters(None)
        if self.layout is not None:
            self.layout.exit()
        self.changed()

    def cleanup(self) -> None:
        """Let go of everything; called before the form is deleted or the module reloaded."""
        self.entered = False
        self.runner.stop()
        self._refresh_timer.stop()
        self._refresh_timer.disconnect("timeout()", self._refresh)
        self.ui.runAllButton.disconnect("clicked()", self._on_run_all)
        for signal in _PATH_SIGNALS:
            self.ui.weightsPathLineEdit.disconnect(signal, self._on_weights)
        self._set_parameters(None)
        self.logic.clearShown()
        for section in self.sections:
            section.cleanup()
        if self.layout is not None:
            self.layout.cleanup()
        self.removeObservers()

    def changed(self) -> None:
        """Say that something in the case has changed; all sections refresh soon, once for many calls."""
        self._refresh_timer.start()

    def landmark_moved(self, view_name: str, level: Any, name: str) -> None:
        """Go on with the reconstruction after a person has changed a landmark, if the user wants that."""
        for section in self.sections:
            if hasattr(section, "refit"):
                section.refit()

    # -- parameter node --------------------------------------------------------------------------------------------

    def _use_scene(self) -> None:
        """Bind the form to the scene's parameter node and draw the result that it holds."""
        self._set_parameters(self.logic.parameters)
        if self._scene_added:
            self._scene_added = False
            self.logic.showOneCase()
        try:
            self.logic.showResult()
        except LumbarBiplanarError as problem:
            self.log(str(problem))
            self.status(str(problem))
        self.changed()

    def _set_parameters(self, parameters: Any) -> None:
        if self._binding is not None:
            self._binding.release()
        self.parameters, self._binding = parameters, None
        if parameters is not None:
            self._binding = ParameterBinding(parameters, self.ui, self.changed)

    # -- scene -----------------------------------------------------------------------------------------------------

    def _on_start_close(self, *_args: Any) -> None:
        self._scene_added = False
        self._let_go()
        for section in self.sections:
            section.scene_closing()

    def _on_end_close(self, *_args: Any) -> None:
        if self.entered:
            self._use_scene()
        self.changed()

    def _on_start_import(self, *_args: Any) -> None:
        self._scene_added = self._scene_added or bool(scene_films(slicer.mrmlScene))
        self._let_go()

    def _on_end_import(self, *_args: Any) -> None:
        if self.layout is not None:
            self.layout.restore_view_groups()
        if self.entered:
            self._use_scene()
            if self.layout is not None:
                self.layout.enter()  # the scene may bring another layout

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _on_node_going(self, _scene: Any, _event: Any, node: Any = None) -> None:
        for section in self.sections:
            if hasattr(section, "node_going"):
                section.node_going(node)

    def _on_node_removed(self, *_args: Any) -> None:
        if self.parameters is not None:
            self.changed()

    def _let_go(self) -> None:
        """Stop what runs and forget the scene's nodes: they are about to go, or others are about to come."""
        if self.runner.running:
            self.cancel()
        self._set_parameters(None)
        self.logic.sceneClosing()
        self._hint, self._reconstruction, self._lost_with = "", None, None

    # -- widgets ---------------------------------------------------------------------------------------------------

    def _on_weights(self, *_args: Any) -> None:
        path = self.ui.weightsPathLineEdit.currentPath
        self.logic.weights = path or None
        remember_file(_WEIGHTS, path)

    def _refresh(self) -> None:
        """Bring every widget up to date; an error of one section does not keep the others from it."""
        if self.parameters is not None and not slicer.mrmlScene.IsNodePresent(self.parameters.parameterNode):
            self._let_go()  # somebody deleted the parameter node: begin with a new one
            self._use_scene()
        first: Exception | None = None
        for refresh in (self._refresh_head, *(section.refresh for section in self.sections)):
            try:
                refresh()
            except Exception as problem:
                logging.exception("LumbarBiplanar: a part of the panel could not be brought up to date")
                first = first or problem
        if first is not None:
            raise first

    def _refresh_head(self) -> None:
        button = self.ui.runAllButton
        ok, reason = (False, "") if self.parameters is None else self.logic.isReady()
        if self.runner.running and self.parameters is not None and not ok:
            self.cancel()  # a film was deleted or exchanged under the run
        if self.runner.running:
            button.text, button.enabled = _("Cancel"), True
            button.toolTip = _("Stop: {title}").format(title=self._title)
            return
        films_there = ok
        if ok:
            ok, reason = self.torch.ready()
        self._show_hint(films_there, reason)
        button.text, button.enabled = _("Run all steps"), ok
        button.toolTip = reason or _("Find the landmarks on both films, reconstruct L1 to L5 and measure them.")

    def _is_lost(self) -> bool:
        """Return whether the case had a reconstruction that was removed, and log it once."""
        films = self.parameters.apFilm, self.parameters.lateralFilm
        if self._reconstruction is not None and self._reconstruction.GetScene() is None:
            self._reconstruction, self._lost_with = None, films
            self.log(_("The reconstruction of before was removed."))
        return self._lost_with == films

    def _show_hint(self, films_there: bool, reason: str) -> None:
        """Say what comes next, or why nothing can, whenever that has changed."""
        if self.parameters is None:
            return
        if self.parameters.reconstruction is not None:
            self._reconstruction, self._lost_with = self.parameters.reconstruction, None
        if films_there and self.parameters.reconstruction is not None:
            hint = _("Reconstructed. Look at the outlines, and drag landmarks that are off: the outlines follow.")
        elif films_there and not reason and self._is_lost():
            hint = _("The reconstruction of before was removed. Press Run all steps, or Reconstruct.")
        else:
            hint = reason or _("Both films are there. Press Run all steps.")
        if hint != self._hint:
            self._hint = hint
            self.status(hint)
