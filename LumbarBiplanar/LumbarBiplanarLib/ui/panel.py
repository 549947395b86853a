"""The panel: its sections, what runs, what is said, and the life of its parameter node."""

from __future__ import annotations

import importlib
import logging
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import qt
import slicer
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from ..errors import LumbarBiplanarError
from .torch_setup import TorchSetup

if TYPE_CHECKING:
    from ..study import Step

SECTIONS = (
    ("films_section", "FilmsSection"),
    ("detect_section", "DetectSection"),
    ("correct_section", "CorrectSection"),
    ("reconstruct_section", "ReconstructSection"),
    ("results_section", "ResultsSection"),
)
STAGES = ("detection", "registration", "measurement")
_STAGE_SHARES = {"detection": 0.3, "registration": 0.65, "measurement": 0.05}
_SURFACES_EVERY_S = 0.1


class Panel(VTKObservationMixin):
    """The form at work; implements ``PanelServices``.

    Args:
        form: the root widget of the form.
        ui: its widgets by name.
        logic: the ``CaseLogic``.
    """

    def __init__(self, form: Any, ui: SimpleNamespace, logic: Any) -> None:
        VTKObservationMixin.__init__(self)
        self.form, self.ui, self.logic = form, ui, logic
        self.parameters: Any = None
        self.torch = TorchSetup()
        self.entered = False
        self._gui_tag: int | None = None
        self._title, self._stages, self._surfaces_shown = "", STAGES, 0.0
        self._on_done: Callable[[Step | None], None] | None = None
        self._refresh_timer = qt.QTimer()
        self._refresh_timer.setSingleShot(True)
        self._refresh_timer.setInterval(0)
        self.runner = _make("job_runner", "JobRunner")
        self.layout = _make("layout", "FilmLayout") if slicer.app.layoutManager() is not None else None
        self.sections = [made for name, kind in SECTIONS if (made := _make(name, kind, self)) is not None]

    # -- life ------------------------------------------------------------------------------------------------------

    def connect(self) -> None:
        """Connect the form, the sections and the scene; called once, after the form is made."""
        self._refresh_timer.connect("timeout()", self._refresh)
        self.ui.runAllButton.connect("clicked()", self._on_run_all)
        for section in self.sections:
            section.connect()
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self._on_start_close)
        self.addObserver(scene, scene.EndCloseEvent, self._on_end_close)
        self.addObserver(scene, scene.EndImportEvent, self._on_end_import)
        self.changed()

    def enter(self) -> None:
        """Take up the case of the scene and show the films; called whenever the module is opened."""
        self.entered = True
        self._use_scene()
        if self.layout is not None:
            self.layout.enter()

    def exit(self) -> None:
        """Stop what runs and let go of the scene; called whenever another module is opened."""
        self.entered = False
        if self.runner is not None and self.runner.running:
            self.cancel()
        self._set_parameters(None)
        if self.layout is not None:
            self.layout.exit()

    def cleanup(self) -> None:
        """Let go of everything; called before the form is deleted or the module reloaded."""
        self.entered = False
        if self.runner is not None:
            self.runner.stop()
        self._refresh_timer.stop()
        self._refresh_timer.disconnect("timeout()", self._refresh)
        self.ui.runAllButton.disconnect("clicked()", self._on_run_all)
        self._set_parameters(None)
        for section in self.sections:
            section.cleanup()
        self.removeObservers()

    def _use_scene(self) -> None:
        self._set_parameters(self.logic.renewParameters())
        self.changed()

    def _set_parameters(self, parameters: Any) -> None:
        if self.parameters is not None:
            if self._gui_tag is not None:
                self.parameters.disconnectGui(self._gui_tag)
            node = self.parameters.parameterNode
            if self.hasObserver(node, node.ModifiedEvent, self._on_parameters_modified):
                self.removeObserver(node, node.ModifiedEvent, self._on_parameters_modified)
        self.parameters, self._gui_tag = parameters, None
        if parameters is None:
            return
        self._gui_tag = parameters.connectParametersToGui(self._bound_widgets())
        node = parameters.parameterNode
        self.addObserver(node, node.ModifiedEvent, self._on_parameters_modified)

    def _bound_widgets(self) -> dict[str, Any]:
        """Return the widgets of the form by the parameter they show."""
        named = ((widget.property("SlicerParameterName"), widget) for widget in vars(self.ui).values())
        return {name: widget for name, widget in named if name}

    def _on_parameters_modified(self, *_args: Any) -> None:
        self.changed()

    def _on_start_close(self, *_args: Any) -> None:
        if self.runner is not None:
            self.runner.stop()
        self._set_parameters(None)
        for section in self.sections:
            section.scene_closing()
        self.logic.sceneClosing()

    def _on_end_close(self, *_args: Any) -> None:
        self._idle(_("Load an AP and a lateral film, or the sample study."))
        if self.entered:
            self._use_scene()

    def _on_end_import(self, *_args: Any) -> None:
        if self.layout is not None:
            self.layout.restore_view_groups()
        if self.entered:
            self._use_scene()

    # -- what the sections use -------------------------------------------------------------------------------------

    def status(self, text: str, fraction: float | None = None) -> None:
        """Show one line of text, and a share done (0 to 1) on the bar; None leaves the bar as it is."""
        self.ui.statusLabel.text = text
        if fraction is not None:
            self.ui.progressBar.value = round(100 * min(1.0, max(0.0, fraction)))

    def log(self, text: str) -> None:
        """Add a line to the panel's log and to Slicer's."""
        self.ui.logTextEdit.appendPlainText(f"{time.strftime('%H:%M:%S')} {text}")
        logging.info("LumbarBiplanar: %s", text)

    def error(self, title: str, exception: BaseException) -> None:
        """Tell the user of an error, once, in words; the details go to the log."""
        known = isinstance(exception, (LumbarBiplanarError, RuntimeError))
        text = str(exception) or type(exception).__name__
        if not known:
            text = _("Unexpected error: {text}").format(text=text)
        details = "".join(traceback.format_exception(type(exception), exception, exception.__traceback__))
        self.log(f"{title}: {text}" if known else f"{title}: {text}\n{details}")
        self.status(text)
        slicer.util.errorDisplay(text, windowTitle=title, detailedText=details)

    def changed(self) -> None:
        """Say that something in the case has changed; all sections refresh soon, once for many calls."""
        self._refresh_timer.start()

    def start(
        self,
        title: str,
        steps_factory: Callable[[], Iterator[Step]],
        *,
        on_done: Callable[[Step | None], None] | None = None,
        stages: Sequence[str] = STAGES,
    ) -> bool:
        """Run a generator of steps while the panel stays alive; see ``PanelServices``.

        Args:
            title: what is being done.
            steps_factory: called once to make the generator.
            on_done: called with the last step when all went well.
            stages: stages that the steps will go through, for the bar.
        """
        if self.runner.running:
            self.status(_("{title} is still running; cancel it first.").format(title=self._title))
            return False
        try:
            steps = steps_factory()
        except Exception as problem:
            self.error(title, problem)
            return False
        self._title, self._stages, self._on_done, self._surfaces_shown = title, tuple(stages), on_done, 0.0
        self.log(title)
        self.status(title, 0.0)
        self.runner.start(
            steps,
            publish=self._on_step,
            finished=self._on_finished,
            failed=self._on_failed,
            cancelled=self._on_cancelled,
        )
        self.changed()
        return True

    def cancel(self) -> None:
        """Stop what is running; the case is as the last finished step left it."""
        self.runner.cancel()

    # -- what runs -------------------------------------------------------------------------------------------------

    def _on_run_all(self) -> None:
        if self.runner.running:
            self.cancel()
        else:
            self.start(_("Run all steps"), self.logic.allSteps)

    def _on_step(self, step: Step) -> None:
        self.status(step.message, self._share(step))
        if step.state is None or self.parameters is None or not self.parameters.liveOverlay:
            return
        now = time.perf_counter()
        surfaces = step.state.done or now - self._surfaces_shown >= _SURFACES_EVERY_S
        if surfaces:
            self._surfaces_shown = now
        self.logic.showState(step.state, surfaces=surfaces)

    def _share(self, step: Step) -> float:
        total = sum(_STAGE_SHARES[name] for name in self._stages)
        before = 0.0
        for name in self._stages:
            if name == step.stage:
                return (before + step.fraction * _STAGE_SHARES[name]) / total
            before += _STAGE_SHARES[name]
        return 1.0

    def _on_finished(self, step: Step | None) -> None:
        self._idle(_("{title}: done.").format(title=self._title))
        if self._on_done is not None:
            self._on_done(step)

    def _on_failed(self, error: BaseException) -> None:
        self.logic.restoreShown()
        self._idle("")
        self.error(self._title, error)

    def _on_cancelled(self) -> None:
        self.logic.restoreShown()
        self._idle(_("{title}: cancelled.").format(title=self._title))

    def _idle(self, text: str) -> None:
        self.status(text, 0.0)
        if text:
            self.log(text)
        self.changed()

    def _refresh(self) -> None:
        """Bring every widget up to date; an error of one section does not keep the others from it."""
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
        if self.runner is not None and self.runner.running:
            button.text, button.enabled = _("Cancel"), True
            button.toolTip = _("Stop {title}.").format(title=self._title)
            return
        ok, reason = (False, "") if self.parameters is None else self.logic.isReady()
        if ok:
            ok, reason = self.torch.ready()
        button.text, button.enabled = _("Run all steps"), ok
        button.toolTip = reason or _("Find the landmarks on both films, reconstruct L1 to L5 and measure them.")


def _make(module: str, kind: str, *arguments: Any) -> Any:
    """Return an object of a class of this package, or None while the package has no such module."""
    name = f"{__package__}.{module}"
    if importlib.util.find_spec(name) is None:
        return None
    return getattr(importlib.import_module(name), kind)(*arguments)
