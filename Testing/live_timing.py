"""Times the live registration in the headless Slicer; one row per condition.

    python Testing/live_timing.py --output docs/benchmarks/live_registration.csv

It opens the real panel, loads the sample study, finds the landmarks with the network, and presses the real buttons. The
views are drawn off-screen by whatever OpenGL the machine has, without multisampling, at the size that three views have
in a window of 1300 pixels. It does not prove what Slicer's own window adds; on the same two cores that was 10 ms a
frame and view (docs/registration.md).

Wall times mean little on a machine that does something else: ``busy`` is how much longer than its processor time a loop
took that ran right before and after the condition, 1 on a quiet machine.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import time
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

TESTING = Path(__file__).resolve().parent
VIEW_SIZE = (424, 875)
VIEWS = ("AP", "lateral", "3D")
PATIENCE_S = 600.0
# A loop that takes so much longer than its processor time runs on a machine that is as good as idle.
QUIET = 1.15


@dataclass(frozen=True)
class Row:
    """One condition; what does not apply to it is None.

    Attributes:
        condition: what was run.
        busy: wall over processor time of a loop beside it; 1 means that nothing else ran.
        seconds: what the condition is about: the registration from its first step to its last state, or the answer.
        states: states of the solver; states_per_s, solver_ms_per_state the same as a rate, and without drawing.
        updates: times that new outlines were put into the scene; updates_per_s the same as a rate.
        solver_ms_per_update, mrml_ms_per_update, rendering_ms_per_update, rest_ms_per_update: where the time between
            two updates went: computing, outlines and nodes, frames of all views, Qt and panel.
        cpu_ms_per_update: processor time of the process between two updates, all of its threads.
        longest_step_ms, longest_wait_ms: longest step of the generator; longest time in which no click is answered.
        frames: frames of all views.
    """

    condition: str
    busy: float | None = None
    seconds: float | None = None
    states: int | None = None
    states_per_s: float | None = None
    solver_ms_per_state: float | None = None
    updates: int | None = None
    updates_per_s: float | None = None
    solver_ms_per_update: float | None = None
    mrml_ms_per_update: float | None = None
    rendering_ms_per_update: float | None = None
    rest_ms_per_update: float | None = None
    cpu_ms_per_update: float | None = None
    longest_step_ms: float | None = None
    longest_wait_ms: float | None = None
    frames: int | None = None


class Stopwatch:
    """Takes the time of one run: wraps the generator of steps and the panel's publication."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.solver_s = self.mrml_s = self.longest_step_s = self.longest_wait_s = 0.0
        self.states: list = []
        self.updates = 0
        self.began = self.ended = 0.0
        self.result_s: float | None = None
        self._drawn = None
        self._stopped = False

    def steps(self, steps):
        """Pass steps on and take the time of each until the registration has ended."""
        self.began, self.cpu = time.perf_counter(), time.process_time()
        self.frames, self.rendering_s = self.bench.rendered()
        try:
            while True:
                began = time.perf_counter()
                step = next(steps, None)
                self._note_step(step, time.perf_counter() - began)
                if step is None:
                    return
                yield step
        finally:
            steps.close()

    def _note_step(self, step, seconds: float) -> None:
        self.longest_step_s = max(self.longest_step_s, seconds)
        if step is not None and step.result is not None and self.result_s is None:
            self.result_s = time.perf_counter() - self.began
        if self._stopped:
            return
        self.solver_s += seconds
        if step is not None and step.state is not None and (not self.states or step.state is not self.states[-1]):
            self.states.append(step.state)

    def publish(self, publish):
        """Return the panel's publication with its time taken."""

        def timed(step):
            began = time.perf_counter()
            publish(step)
            if self._stopped:
                return
            self.mrml_s += time.perf_counter() - began
            if step.state is not None and step.state is not self._drawn:
                self._drawn = step.state
                self.updates += 1
            if step.state is not None and step.state.done:
                self._stopped = True

        return timed

    def wait(self, until) -> None:
        """Run the event loop as an application does until ``until()``, and note its longest turn."""
        begin = turn = time.perf_counter()
        while not until():
            self.bench.app.qt.processEvents()
            now = time.perf_counter()
            self.longest_wait_s, turn = max(self.longest_wait_s, now - turn), now
            if self._stopped and not self.ended:
                self._close()
            if now - begin > PATIENCE_S:
                raise SystemExit("The run did not end in time.")

    def _close(self) -> None:
        """Take the times when the last state has been drawn."""
        self.ended = time.perf_counter()
        frames, rendering_s = self.bench.rendered()
        self.frames, self.rendering_s = frames - self.frames, rendering_s - self.rendering_s
        self.cpu = time.process_time() - self.cpu

    def row(self, condition: str) -> Row:
        """Return the row of the run."""
        seconds, count = self.ended - self.began, max(1, self.updates)
        rest = seconds - self.solver_s - self.mrml_s - self.rendering_s
        return Row(
            condition,
            seconds=seconds,
            states=len(self.states),
            states_per_s=len(self.states) / seconds,
            solver_ms_per_state=1e3 * self.solver_s / len(self.states),
            updates=self.updates,
            updates_per_s=self.updates / seconds,
            solver_ms_per_update=1e3 * self.solver_s / count,
            mrml_ms_per_update=1e3 * self.mrml_s / count,
            rendering_ms_per_update=1e3 * self.rendering_s / count,
            rest_ms_per_update=1e3 * rest / count,
            cpu_ms_per_update=1e3 * self.cpu / count,
            longest_step_ms=1e3 * self.longest_step_s,
            longest_wait_ms=1e3 * self.longest_wait_s,
            frames=self.frames,
        )


class Bench:
    """The panel with the sample study, its landmarks found."""

    def __init__(self, truth: bool) -> None:
        import headless_slicer

        self.app = headless_slicer.start()
        self.widget = self.app.open_module()
        self.panel, self.logic = self.widget.panel, self.widget.logic
        if truth:
            import known_network

            self.logic.detector = known_network.detect
        self.logic.loadSampleStudy()
        self.logic.detect(device="cpu")
        self.app.process_events()
        for name in VIEWS:
            self.app.view(name).set_size(*VIEW_SIZE)
        self.settle()

    def settle(self) -> None:
        """Let the event loop run until nothing is left to draw."""
        end = time.perf_counter() + 1.0
        self.app.process_events(until=lambda: time.perf_counter() > end, timeout_s=PATIENCE_S)

    def rendered(self) -> tuple[int, float]:
        """Return the frames of all views so far, and the seconds they took."""
        views = [self.app.view(name) for name in VIEWS]
        return sum(view.frames for view in views), sum(view.seconds_rendering for view in views)

    def watched(self) -> Stopwatch:
        """Return a stopwatch for the next run."""
        watch = Stopwatch(self)
        kind = type(self.logic)
        self.logic.registerSteps = lambda *args, **more: watch.steps(kind.registerSteps(self.logic, *args, **more))
        self.panel._on_step = watch.publish(type(self.panel)._on_step.__get__(self.panel))
        return watch

    # -- conditions ------------------------------------------------------------------------------------------------

    def solver_alone(self) -> Row:
        """Run the same registration in a plain loop, without event loop, panel or scene."""
        from LumbarBiplanarLib.registration import register_finely

        result = self.logic.result()
        begin, longest, states = time.perf_counter(), 0.0, 0
        steps = register_finely(result.model, result.evidence, result.options, "cpu")
        while True:
            began = time.perf_counter()
            state = next(steps, steps)
            longest = max(longest, time.perf_counter() - began)
            if state is steps:
                break
            states += state is not None
        seconds = time.perf_counter() - begin
        return Row(
            "solver alone, nothing drawn",
            seconds=seconds,
            states=states,
            states_per_s=states / seconds,
            solver_ms_per_state=1e3 * seconds / states,
            longest_step_ms=1e3 * longest,
        )

    def reconstruct(self, live: bool) -> Row:
        """Press Reconstruct and wait for the result."""
        self.panel.parameters.liveOverlay = live
        self.settle()
        watch = self.watched()
        self.app.click(self.panel.ui.reconstructButton)
        watch.wait(lambda: not self.panel.runner.running)
        self.settle()
        drawn = "both films and 3D drawn" if live else "outlines switched off"
        row = watch.row(f"Reconstruct, {drawn}")
        return row if live else replace(row, updates=None, updates_per_s=None)

    def refit(self) -> list[Row]:
        """Drag a landmark of L3 by 4 mm and take the time from the button's release on."""
        self.panel.parameters.liveOverlay = self.panel.parameters.refitOnMove = True
        self.settle()
        view, node = self.app.view("lateral"), self.logic.landmarkNode("lateral")
        watch = self.watched()
        index = 2 * 20 + 2
        at = list(node.GetNthControlPointPositionWorld(index))
        self.app.drag("lateral", at, (at[0], at[1] + 4.0, at[2] + 1.0), between=lambda: None)
        released = time.perf_counter()
        if not self.panel.runner.running:
            self.app.process_events(until=lambda: self.panel.runner.running, timeout_s=PATIENCE_S)
        watch.wait(lambda: watch.updates > 0)
        first = time.perf_counter() - released
        watch.wait(lambda: watch.ended or not self.panel.runner.running)
        rest = time.perf_counter() - released
        watch.wait(lambda: watch.result_s is not None or not self.panel.runner.running)
        self.app.process_events(until=lambda: not view.render_pending, timeout_s=PATIENCE_S)
        done = time.perf_counter() - released
        watch.wait(lambda: not self.panel.runner.running)
        answers = (("outlines move", first), ("outlines at rest", rest), ("result stored and measured", done))
        return [Row(f"landmark let go until {what}", seconds=value) for what, value in answers]

    def cancel(self) -> Row:
        """Press the button again in the middle of the image stage and wait until the last result is shown."""
        self.panel.parameters.liveOverlay = True
        self.settle()
        watch = self.watched()
        self.app.click(self.panel.ui.reconstructButton)
        watch.wait(lambda: any(state.stage == "coarse" for state in watch.states))
        begin = time.perf_counter()
        self.app.click(self.panel.ui.reconstructButton)
        views = [self.app.view(name) for name in VIEWS]
        self.app.process_events(until=lambda: not any(view.render_pending for view in views), timeout_s=PATIENCE_S)
        seconds = time.perf_counter() - begin
        assert not self.panel.runner.running and not self.app.python_errors and not self.app.messages
        return Row("Cancel pressed until the last result is shown", seconds=seconds)


def calibration() -> float:
    """Return wall over processor time of a loop of small products, 1 on a machine that does nothing else."""
    import numpy as np

    matrix = np.random.default_rng(0).normal(size=(200, 200))
    wall, cpu = time.perf_counter(), time.process_time()
    while time.process_time() - cpu < 0.3:
        matrix @ matrix
    return (time.perf_counter() - wall) / (time.process_time() - cpu)


def measured(name: str, call, repeats: int, patience_s: float) -> list[Row]:
    """Run a condition several times, each when the machine is quiet or patience ends; return the quietest run."""
    runs = []
    for _ in range(repeats):
        end = time.perf_counter() + patience_s
        while (before := calibration()) > QUIET and time.perf_counter() < end:
            time.sleep(1.0)
        rows = call()
        busy = 0.5 * (before + calibration())
        runs.append([replace(row, busy=busy) for row in (rows if isinstance(rows, list) else [rows])])
        print(name, " ".join(f"{row.seconds:.2f} s" for row in runs[-1]), f"busy {busy:.1f}", flush=True)
    return min(runs, key=lambda rows: rows[0].busy)


def write(rows: list[Row], path: Path) -> None:
    """Write the table; it is complete or not there."""
    from LumbarBiplanarLib.files import atomic_path

    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow([item.name for item in fields(Row)])
        for row in rows:
            values = asdict(row).values()
            table.writerow(["" if v is None else f"{v:.4g}" if isinstance(v, float) else v for v in values])


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True, help="CSV file to write")
    parser.add_argument("--repeats", type=int, default=3, help="runs per condition; the quietest is written")
    parser.add_argument("--patience", type=float, default=20.0, help="seconds to wait for a quiet machine before a run")
    parser.add_argument("--truth", action="store_true", help="true landmarks and lumbar-only images, no network")
    arguments = parser.parse_args()
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    sys.path[:0] = [str(TESTING / "headless"), str(TESTING.parent / "LumbarBiplanar")]
    bench, repeats = Bench(arguments.truth), arguments.repeats
    bench.reconstruct(True)  # everything that is prepared once
    calls = {
        "alone": bench.solver_alone,
        "off": lambda: bench.reconstruct(False),
        "live": lambda: bench.reconstruct(True),
        "refit": bench.refit,
        "cancel": bench.cancel,
    }
    rows = [row for name, call in calls.items() for row in measured(name, call, repeats, arguments.patience)]
    write(rows, arguments.output)
    alone, live = rows[0], rows[2]
    print(f"{live.updates_per_s:.1f} updates/s; the solver runs at {live.states_per_s / alone.states_per_s:.2f} of its")
    print("rate without display; a click waits for at most", f"{live.longest_wait_ms:.0f} ms")


if __name__ == "__main__":
    main()
