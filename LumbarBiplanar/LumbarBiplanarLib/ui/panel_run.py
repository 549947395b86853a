"""What the panel does while something runs: progress, live display, and the end of it."""

from __future__ import annotations

import logging
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import slicer
from slicer.i18n import tr as _

from ..errors import LumbarBiplanarError
from ..study.quality_text import quality_sentences
from ..study.steps import STAGES, Step

# Share of the usual time of all steps that a stage takes.
_STAGE_SHARES = {"detection": 0.3, "registration": 0.65, "measurement": 0.05}


class PanelRun:
    """Part of ``Panel``: status, log, errors, and the one run at a time.

    It uses ``ui``, ``logic``, ``parameters``, ``runner``, ``sections`` and ``changed()`` of the panel.
    """

    def __init__(self) -> None:
        super().__init__()
        self._title, self._stages = "", STAGES
        self._on_done: Callable[[Step | None], None] | None = None

    # -- what is said ----------------------------------------------------------------------------------------------

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
        expected = isinstance(exception, (LumbarBiplanarError, RuntimeError))
        text = str(exception) or type(exception).__name__
        details = "".join(traceback.format_exception(type(exception), exception, exception.__traceback__))
        if not expected:
            text = _("Unexpected error: {text}").format(text=text)
        self.log(f"{title}: {text}" if expected else f"{title}: {text}\n{details}")
        self.status(text, 0.0)
        slicer.util.errorDisplay(text, windowTitle=title, detailedText=details)

    # -- what runs -------------------------------------------------------------------------------------------------

    def start(
        self,
        title: str,
        steps_factory: Callable[[], Iterator[Step]],
        *,
        on_done: Callable[[Step | None], None] | None = None,
        stages: Sequence[str] = STAGES,
    ) -> bool:
        """Run a generator of steps while the panel stays alive.

        Args:
            title: what is being done, for status and log.
            steps_factory: called once to make the generator; its errors are shown like those of the steps.
            on_done: called with the last step when all went well.
            stages: stages that the steps will go through, for the bar.

        Returns:
            False if nothing was started: something else is running, or the generator could not be made.
        """
        if self.runner.running:
            self.status(_("{title} is still running; cancel it first.").format(title=self._title))
            return False
        try:
            steps = steps_factory()
        except Exception as problem:
            self.error(title, problem)
            return False
        self._title, self._stages, self._on_done = title, tuple(stages), on_done
        self.log(title)
        self.status(title, 0.0)
        self.runner.start(
            steps if "torch" in sys.modules else _after_loading_torch(steps, self._stages[0]),
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

    def _on_run_all(self, *_args: Any) -> None:
        if self.runner.running:
            self.cancel()
        else:
            self.start(_("Run all steps"), self.logic.allSteps)

    def _on_step(self, step: Step) -> None:
        self.status(step.message[:1].upper() + step.message[1:], self._share(step))
        if step.detections:
            self.changed()
        for section in self.sections:
            if hasattr(section, "show_step"):
                section.show_step(step)
        live = self.parameters is not None and self.parameters.liveOverlay
        if live and step.state is not None and step.result is None:
            self.logic.showState(step.state)

    def _share(self, step: Step) -> float:
        """Return the share of all stages of this run that is done."""
        total = sum(_STAGE_SHARES[name] for name in self._stages)
        before = 0.0
        for name in self._stages:
            if name == step.stage:
                return (before + step.fraction * _STAGE_SHARES[name]) / total
            before += _STAGE_SHARES[name]
        return 1.0

    def _on_finished(self, step: Step | None) -> None:
        self._end_run(_("{title}: done.").format(title=self._title))
        if step is not None and step.result is not None:
            for warning in (*quality_sentences(step.result.quality), *step.result.warnings):
                self.log(warning)
        if self._on_done is not None:
            self._on_done(step)

    def _on_failed(self, error: BaseException) -> None:
        self.logic.restoreShown()
        self._end_run("")
        self.error(self._title, error)

    def _on_cancelled(self) -> None:
        self.logic.restoreShown()
        self._end_run(_("{title}: cancelled.").format(title=self._title))

    def _end_run(self, text: str) -> None:
        self.status(text, 0.0)
        if text:
            self.log(text)
        self.changed()


def _after_loading_torch(steps: Iterator[Step], stage: str) -> Iterator[Step]:
    """Say that PyTorch is being loaded, let the window show it, and go on: loading keeps it busy for seconds."""
    for _round in range(2):
        time.sleep(0.015)  # longer than the runner's turn, which therefore ends here
        yield Step(stage, _("Loading PyTorch…"), 0.0)
    yield from steps
