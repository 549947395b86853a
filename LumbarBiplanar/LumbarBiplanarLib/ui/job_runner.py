"""Runs long work in the main thread, a few hundredths of a second at a time, while the window stays alive.

Slicer's Python threads stand still while the window waits for the mouse, and its event loop must not be run from within
an event. So the work is a generator that a timer steps: every tick takes steps for a short time and goes back to the
event loop, which draws and answers clicks. Drawing can take longer than a step; therefore only the latest step is
published, and not more often than the views can follow.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

# Share of the time that drawing may take before it is done less often, and the least rate that leaves.
_DRAWING_SHARE = 0.8
_SLOWEST_S = 0.4


class JobRunner:
    """Steps one generator at a time with a timer of the event loop.

    A run ends in exactly one way: ``finished``, ``failed`` or ``cancelled`` is called once, after the timer has been
    stopped and the generator closed, so that each of them may start the next run. ``stop`` calls none of them.

    Example::

        runner = JobRunner()
        runner.start(logic.registerSteps(), publish=show, finished=done, failed=report, cancelled=restore)
        ...
        runner.cancel()
    """

    def __init__(
        self, make_timer: Callable[[], Any] | None = None, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        """Prepare; the timer is made with the first run.

        Args:
            make_timer: makes a timer that is called like qt.QTimer; None means that.
            clock: tells the time in seconds.
        """
        self._make_timer = make_timer or _qt_timer
        self._clock = clock
        self._timer: Any = None
        self._steps: Iterator[Any] | None = None
        self._inside = False
        self._ending: Callable[[], None] | None = None

    @property
    def running(self) -> bool:
        """Whether a generator is being stepped."""
        return self._steps is not None

    def start(
        self,
        steps: Iterator[Any],
        *,
        publish: Callable[[Any], None],
        finished: Callable[[Any], None],
        failed: Callable[[BaseException], None],
        cancelled: Callable[[], None],
        budget_s: float = 0.01,
        publish_every_s: float = 0.075,
    ) -> None:
        """Run a generator.

        Args:
            steps: the work.
            publish: called with the latest step, at most every ``publish_every_s`` and with the last one.
            finished: called with the last step, None if there was none.
            failed: called with the error of a step or of ``publish``.
            cancelled: called after ``cancel``.
            budget_s: a tick takes steps until this much time has passed, at least one.
            publish_every_s: least time from one publication to the next. Where drawing takes longer than the solver
                can spare, the time is stretched.

        Raises:
            RuntimeError: if something is running.
        """
        if self.running:
            raise RuntimeError("Something is running already; cancel it or wait for its end.")
        self._steps = steps
        self._publish, self._finished, self._failed, self._cancelled = publish, finished, failed, cancelled
        self._budget_s, self._every_s = budget_s, publish_every_s
        self._last: Any = None
        self._fresh = False
        self._published_at: float | None = None
        self._drawing_s = 0.0
        self._measuring_from: float | None = None
        self._ending = None
        if self._timer is None:
            self._timer = self._make_timer()
            self._timer.setInterval(0)
            self._timer.connect("timeout()", self._tick)
        self._timer.start()

    def cancel(self) -> None:
        """Give the run up; ``cancelled`` is called at once, or when the step under way returns."""
        if self.running:
            self._end(self._cancelled)

    def stop(self) -> None:
        """Give the run up without telling anybody, and let go of the timer: for the end of scene, panel or program."""
        if self.running:
            self._end(lambda: None)
        if self._timer is not None:
            self._timer.stop()
            self._timer.disconnect("timeout()", self._tick)
            self._timer = None

    # -- one tick --------------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        # A message box that a callback opens runs an event loop of its own, and the timer in it.
        if self._inside or not self.running:
            return
        self._inside = True
        steps = self._steps
        try:
            self._note_drawing_time()
            done = self._take_steps(steps)
            if self._ending is None and self._fresh and (done or self._due()):
                self._show_last()
            if done and self._ending is None:
                last, finished = self._last, self._finished
                self._ending = lambda: finished(last)
        except Exception as error:  # whatever a step raises ends the run and reaches the user once
            failed, caught = self._failed, error
            # An error on the way out of a run that was given up is none of the user's.
            self._ending = self._ending or (lambda: failed(caught))
        finally:
            self._inside = False
        if self._ending is not None and self._steps is steps:
            self._end(self._ending)

    def _take_steps(self, steps: Iterator[Any]) -> bool:
        """Take steps until the time is up; return whether the generator has ended."""
        begin = self._clock()
        while self._ending is None:
            try:
                self._last = next(steps)
            except StopIteration:
                return True
            self._fresh = True
            if self._clock() - begin >= self._budget_s:
                break
        return False

    def _due(self) -> bool:
        if self._published_at is None:
            return True
        wait = max(self._every_s, min(self._drawing_s / _DRAWING_SHARE, _SLOWEST_S))
        return self._clock() - self._published_at >= wait

    def _show_last(self) -> None:
        self._published_at = self._clock()
        self._fresh = False
        self._publish(self._last)
        self._measuring_from = self._published_at

    def _note_drawing_time(self) -> None:
        """Measure how long the last publication has kept the event loop from coming back: nodes and frames."""
        if self._measuring_from is not None:
            self._drawing_s = self._clock() - self._measuring_from
            self._measuring_from = None

    def _end(self, callback: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.stop()
        if self._inside:
            # A generator cannot be closed from within its own step; the tick does it when the step returns.
            self._ending = callback
            return
        steps, self._steps, self._ending, self._last = self._steps, None, None, None
        try:
            if hasattr(steps, "close"):
                steps.close()
        finally:
            callback()


def _qt_timer() -> Any:
    import qt

    return qt.QTimer()
