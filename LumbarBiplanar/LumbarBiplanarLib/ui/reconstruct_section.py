"""The section Reconstruct: device, posterior weight, the button that runs and cancels, and the present residual."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import qt
from slicer.i18n import tr as _

if TYPE_CHECKING:
    from ..registration import RegistrationState
    from ..study import Step
    from .services import PanelServices

STAGES = ("registration", "measurement")
# A drag lets go of one landmark, an undo or a reset moves many at once: all that come within this time are one refit.
_COLLECT_MS = 30


class ReconstructSection:
    """Runs the registration, shows its residual, and continues it when landmarks move.

    Args:
        services: what the panel offers.
    """

    def __init__(self, services: PanelServices) -> None:
        self._services = services
        self._running = False
        self._wanted = False
        self._residual_of: Any = None
        self._collect = qt.QTimer()
        self._collect.setSingleShot(True)
        self._collect.setInterval(_COLLECT_MS)

    def connect(self) -> None:
        """Connect the signals of its widgets."""
        ui = self._services.ui
        ui.reconstructButton.connect("clicked()", self._on_button)
        ui.installTorchButton.connect("clicked()", self._on_install)
        ui.liveOverlayCheckBox.connect("toggled(bool)", self._on_overlay)
        self._collect.connect("timeout()", self._start_refit)

    def cleanup(self) -> None:
        """Disconnect and let go of everything; the form is about to be deleted."""
        ui = self._services.ui
        self._forget()
        self._collect.disconnect("timeout()", self._start_refit)
        ui.reconstructButton.disconnect("clicked()", self._on_button)
        ui.installTorchButton.disconnect("clicked()", self._on_install)
        ui.liveOverlayCheckBox.disconnect("toggled(bool)", self._on_overlay)

    def scene_closing(self) -> None:
        """Let go of nodes; the scene is about to lose them."""
        self._forget()
        self._services.ui.residualLabel.text = ""

    def refresh(self) -> None:
        """Set texts, enabled states and tooltips from the case."""
        ui, services = self._services.ui, self._services
        ready, why_not = services.torch.ready()
        ui.deviceLabel.text = services.torch.line()
        ui.installTorchButton.visible = not ready and not services.torch.needs_restart
        busy = services.runner.running
        self._running = self._running and busy
        for widget in (ui.deviceComboBox, ui.posteriorWeightComboBox):
            widget.enabled = services.parameters is not None and not busy
        for widget in (ui.liveOverlayCheckBox, ui.refitCheckBox):
            widget.enabled = services.parameters is not None
        self._refresh_button(ready, why_not, busy)
        if not busy:
            if self._wanted:
                self._collect.start()
            result = None if services.parameters is None else services.logic.result()
            self._show_residual(None if result is None else result.reconstruction.final_state)

    def _refresh_button(self, torch_ready: bool, why_not: str, busy: bool) -> None:
        button = self._services.ui.reconstructButton
        if self._running:
            button.text, button.enabled = _("Cancel"), True
            button.toolTip = _("Stop the reconstruction; the last finished one stays.")
            return
        button.text = _("Reconstruct")
        reason = why_not if not torch_ready else self._missing()
        if busy:
            reason = _("Another step is running; wait for it or cancel it.")
        button.enabled = not reason
        button.toolTip = reason or _(
            "Fit the shape model to the landmarks and lumbar-only images of both films. This button then cancels it."
        )

    def _missing(self) -> str:
        """Return what the case lacks for a reconstruction, in words; empty if nothing."""
        services = self._services
        if services.parameters is None:
            return _("Load an AP and a lateral film first.")
        ok, reason = services.logic.isReady()
        if not ok:
            return reason
        for view_name in ("AP", "lateral"):
            if services.logic.landmarkNode(view_name) is None:
                return _("The {view} film has no landmarks yet. Run Detect first, or load landmarks.").format(
                    view=view_name
                )
        return ""

    # -- running ---------------------------------------------------------------------------------------------------

    def _on_button(self, *_args: Any) -> None:
        if self._running and self._services.runner.running:
            self._forget()
            self._services.cancel()
        elif not self._services.runner.running:
            self._run(_("Reconstruct"), start=None)

    def refit(self) -> None:
        """Continue from the present state because landmarks have moved; several calls in a row make one refit.

        During a reconstruction the run goes on from the state it has reached. During any other step the refit waits for
        its end. Without a reconstruction to go on from nothing happens.
        """
        parameters = self._services.parameters
        if parameters is None or not parameters.refitOnMove or not self._services.torch.ready()[0]:
            return
        if self._present() is None and not self._services.runner.running:
            return
        self._wanted = True
        self._collect.start()

    def _present(self) -> RegistrationState | None:
        """Return the state to go on from: that of the run under way, else that of the last result."""
        logic = self._services.logic
        state = logic.presentState() if self._services.runner.running else None
        if state is not None:
            return state
        result = logic.result()
        return None if result is None else result.reconstruction.final_state

    def _start_refit(self) -> None:
        services = self._services
        if not self._wanted or services.parameters is None:
            return
        busy = services.runner.running
        if busy and services.logic.presentState() is None:
            return  # nothing to go on from yet; refresh asks again when it has ended
        state = self._present()
        self._wanted = False
        if state is None or self._missing():
            return
        if busy:
            self._running = False
            services.cancel()
        self._run(_("Refit"), start=state)

    def _run(self, title: str, start: RegistrationState | None) -> None:
        logic = self._services.logic
        self._wanted = False
        self._running = True
        self._running = self._services.start(
            title, lambda: logic.registerSteps(start=start), on_done=self._on_done, stages=STAGES
        )
        self.refresh()

    def show_step(self, step: Step) -> None:
        """Show the residual of a published step; the panel calls it while anything runs."""
        if step.state is not None:
            self._show_residual(step.state)

    def _on_done(self, _step: Step | None) -> None:
        self._running = False

    def _forget(self) -> None:
        self._collect.stop()
        self._running, self._wanted = False, False

    # -- widgets ---------------------------------------------------------------------------------------------------

    def _on_overlay(self, checked: bool = True, *_args: Any) -> None:
        if self._services.parameters is None:
            return
        # The parameter node may hear of the click after this section does.
        self._services.parameters.liveOverlay = bool(checked)
        logic = self._services.logic
        if not checked:
            logic.hideState()
        elif not self._services.runner.running:
            logic.restoreShown()

    def _on_install(self, *_args: Any) -> None:
        try:
            self._services.torch.install()
        except Exception as problem:
            self._services.error(_("Install PyTorch"), problem)
        self._services.changed()

    def _show_residual(self, state: RegistrationState | None) -> None:
        if state is self._residual_of and state is not None:
            return
        self._residual_of = state
        self._services.ui.residualLabel.text = "" if state is None else residual_text(state)


def residual_text(state: RegistrationState) -> str:
    """Return what the residuals of a state are, one line: landmarks per film, image per film, stage and iteration."""
    films = _("Landmarks: {values}.").format(values=_listed(state.landmark_residual_mm, _("{view} {value} mm")))
    parts = [films]
    if state.image_residual_mm:
        bone = _listed(state.image_residual_mm, _("{view} {value} mm of bone"))
        parts.append(_("Image: {values}.").format(values=bone))
    if state.done:
        parts.append(_("Done."))
    else:
        stage = {
            "initial": _("start"),
            "landmarks": _("landmarks"),
            "coarse": _("images, coarse"),
            "fine": _("images, fine"),
        }.get(state.stage, state.stage)
        parts.append(_("Stage: {stage}, iteration {number}.").format(stage=stage, number=state.iteration))
    return " ".join(parts)


def _listed(values: dict[str, float], pattern: str) -> str:
    return ", ".join(pattern.format(view=view, value=f"{value:.1f}") for view, value in values.items())
