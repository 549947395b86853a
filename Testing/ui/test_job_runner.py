"""Long work runs in small pieces, publishes its latest step, and ends in exactly one way."""

from __future__ import annotations

import itertools
import time

import pytest

from LumbarBiplanarLib.ui.job_runner import JobRunner


class Clock:
    """Time that passes only when told."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class Timer:
    """A zero timer that fires when the test says so."""

    def __init__(self):
        self.slot, self.active = None, False

    def setInterval(self, milliseconds):
        assert milliseconds == 0

    def connect(self, signal, slot):
        assert signal == "timeout()"
        self.slot = slot

    def disconnect(self, signal, slot):
        assert slot == self.slot
        self.slot = None

    def start(self):
        self.active = True

    def stop(self):
        self.active = False

    def fire(self, times=1):
        for _ in range(times):
            if self.active:
                self.slot()


class Bench:
    """A runner, its timer and its clock, and what it has told."""

    def __init__(self):
        self.clock, self.timer = Clock(), Timer()
        self.runner = JobRunner(lambda: self.timer, self.clock)
        self.published, self.ends = [], []
        self.publish = self.published.append

    def start(self, steps, **options):
        self.runner.start(
            steps,
            publish=lambda step: self.publish(step),
            finished=lambda last: self.ends.append(("finished", last)),
            failed=lambda error: self.ends.append(("failed", error)),
            cancelled=lambda: self.ends.append(("cancelled", None)),
            **options,
        )

    def work(self, count, seconds=0.002):
        """Yield numbers, each after some work."""
        for number in range(count):
            self.clock.now += seconds
            yield number


@pytest.fixture
def bench():
    return Bench()


def test_a_tick_takes_steps_for_its_budget_and_at_least_one(bench):
    bench.start(bench.work(1000), budget_s=0.01)
    began = bench.clock.now
    bench.timer.fire()
    assert bench.clock.now - began == pytest.approx(0.011, abs=0.0015)
    bench.runner.stop()
    bench.start(bench.work(1000, seconds=0.05), budget_s=0.01)
    began = bench.clock.now
    bench.timer.fire()
    assert bench.clock.now - began == pytest.approx(0.05)


def test_only_the_latest_step_is_published_and_not_too_often(bench):
    bench.start(bench.work(200), budget_s=0.01, publish_every_s=0.1)
    bench.timer.fire(1000)
    assert len(bench.published) <= 6
    assert bench.published == sorted(set(bench.published)) and bench.published[-1] == 199


def test_the_last_step_is_published_though_the_time_is_not_up(bench):
    bench.start(bench.work(3), publish_every_s=10.0)
    bench.timer.fire(5)
    assert bench.published[-1] == 2 and bench.ends == [("finished", 2)]


def test_a_step_is_not_published_twice(bench):
    bench.start(bench.work(1), publish_every_s=0.0)
    bench.timer.fire(5)
    assert bench.published == [0]


def test_work_without_steps_finishes(bench):
    bench.start(iter(()))
    bench.timer.fire()
    assert bench.ends == [("finished", None)] and not bench.timer.active


def test_slow_drawing_is_done_less_often(bench):
    shown = []

    def publish(step):
        shown.append(bench.clock.now)
        bench.clock.now += 0.06

    bench.publish = publish
    bench.start(bench.work(4000), publish_every_s=0.075)
    for _ in range(400):
        drawn = len(shown)
        bench.timer.fire()
        if len(shown) > drawn:
            bench.clock.now += 0.06  # the frame, in the event loop
    gaps = [after - before for before, after in itertools.pairwise(shown)]
    assert min(gaps) >= 0.15 - 1e-9 and max(gaps) < 0.17


def test_an_error_of_a_step_stops_the_timer_and_is_told_once(bench):
    def broken():
        yield 1
        raise ValueError("no such film")

    bench.start(broken(), publish_every_s=10.0)
    bench.timer.fire(5)
    assert not bench.timer.active and not bench.runner.running
    assert [(kind, str(error)) for kind, error in bench.ends] == [("failed", "no such film")]


def test_an_error_while_drawing_ends_the_run_and_closes_the_work(bench):
    closed = []

    def steps():
        try:
            yield from bench.work(100)
        finally:
            closed.append(True)

    def publish(step):
        raise RuntimeError("the node is gone")

    bench.publish = publish
    bench.start(steps())
    bench.timer.fire(5)
    assert [str(error) for _, error in bench.ends] == ["the node is gone"] and closed == [True]
    assert not bench.timer.active


def test_cancel_closes_the_work_before_it_is_told(bench):
    order = []

    def steps():
        try:
            yield from bench.work(100)
        finally:
            order.append("closed")

    bench.start(steps())
    bench.runner._cancelled = lambda: order.append("cancelled")
    bench.timer.fire()
    bench.runner.cancel()
    bench.timer.fire(3)
    assert order == ["closed", "cancelled"] and not bench.runner.running and not bench.timer.active


def test_cancel_from_within_a_step_waits_for_the_step(bench):
    def steps():
        for number in range(10):
            if number == 2:
                bench.runner.cancel()
                assert bench.ends == []
            yield number

    bench.start(steps())
    bench.timer.fire(3)
    assert bench.ends == [("cancelled", None)] and not bench.runner.running


def test_cancel_from_a_publication_ends_the_run_once(bench):
    def publish(step):
        bench.runner.cancel()

    bench.publish = publish
    bench.start(bench.work(1))
    bench.timer.fire(3)
    assert bench.ends == [("cancelled", None)]


def test_the_timer_is_not_entered_again_by_an_event_loop_inside_a_callback(bench):
    def publish(step):
        bench.published.append(step)
        bench.timer.fire(3)

    bench.publish = publish
    bench.start(bench.work(50), publish_every_s=0.0)
    bench.timer.fire()
    assert len(bench.published) == 1


def test_the_end_of_a_run_may_start_the_next(bench):
    runs = []

    def again(last):
        runs.append(last)
        if len(runs) < 3:
            begin()

    def begin():
        bench.runner.start(
            iter([len(runs)]), publish=lambda step: None, finished=again, failed=pytest.fail, cancelled=pytest.fail
        )

    begin()
    bench.timer.fire(10)
    assert runs == [0, 1, 2]


def test_two_runs_at_once_are_refused(bench):
    bench.start(bench.work(5))
    with pytest.raises(RuntimeError, match="running already"):
        bench.start(bench.work(5))


def test_stop_tells_nobody_and_lets_go_of_the_timer(bench):
    bench.start(bench.work(100))
    bench.timer.fire()
    bench.runner.stop()
    assert bench.ends == [] and bench.timer.slot is None and not bench.timer.active
    bench.runner.stop()
    bench.start(bench.work(1))
    bench.timer.fire(2)
    assert bench.ends == [("finished", 0)]


def test_an_error_after_stop_is_not_told(bench):
    def publish(step):
        bench.runner.stop()
        raise RuntimeError("the node is gone")

    bench.publish = publish
    bench.start(bench.work(5))
    bench.timer.fire()
    assert bench.ends == [] and not bench.runner.running


def test_work_in_the_real_event_loop_leaves_time_for_other_events(app):
    import qt

    beats = []
    heart = qt.QTimer()
    heart.setInterval(5)
    heart.connect("timeout()", lambda: beats.append(time.perf_counter()))
    ends = []

    def steps():
        for number in range(30):
            time.sleep(0.01)
            yield number

    runner = JobRunner()
    heart.start()
    runner.start(steps(), publish=lambda step: None, finished=ends.append, failed=pytest.fail, cancelled=pytest.fail)
    app.process_events(until=lambda: bool(ends), timeout_s=60)
    heart.stop()
    assert ends == [29] and len(beats) >= 10
    runner.stop()
