"""How long each stage takes on this machine, on the bundled study: one row per stage and repeat.

It needs no open data, so that anybody can tell what a computer or a GPU is worth.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..anatomy import Level
from ..files import rounded, write_table
from ..resources import resource_path
from ..shape import load_shape_model
from ..study.case import Case, load_case
from ..study.detecting import check_device, detect_case
from ..study.registering import register_case
from ..study.run import run_case
from ..study.steps import CaseResult, Step
from .memory import forget_peak, peak_mb

# What a person drags: a landmark in the middle of the spine, by so many pixels of the film.
_MOVED, _MOVED_PX = (Level.L3, "superior_endplate_anterior"), 6.0
SPEED_FILE = "speed.csv"
_IMAGE_STAGES = ("coarse", "fine")


@dataclass(frozen=True)
class SpeedRow:
    """One run of one stage; what does not apply to it is None.

    Attributes:
        stage: what was run.
        device: "cpu", or the name of the GPU.
        threads: processor threads of torch outside the registration, which takes one.
        repeat: 1 and up; a run that is not in the table came before.
        seconds, cpu_seconds: on the clock, and of the processor.
        iterations: of the solver, with images.
        iteration_ms: median time from one of these to the next of the same resolution.
        peak_mb: most memory of the process during the run, 10^6 bytes.
        gpu_peak_mb: the same on the GPU, of torch's tensors.
    """

    stage: str
    device: str
    threads: int
    repeat: int
    seconds: float
    cpu_seconds: float
    iterations: int | None = None
    iteration_ms: float | None = None
    peak_mb: float | None = None
    gpu_peak_mb: float | None = None


def benchmark_speed(
    output_csv: str | Path,
    *,
    device: str = "auto",
    repeats: int = 5,
    progress: Callable[[str, int, int], None] = lambda *_: None,
) -> list[SpeedRow]:
    """Run every stage of the bundled study ``repeats`` times, after once that does not count, and write the table.

    Args:
        output_csv: file to write; replaced if it exists.
        device: "auto", "cpu" or "cuda".
        repeats: rows per stage.
        progress: called with (stage, runs done, of how many).

    Raises:
        StudyError: if the device cannot be used.
        OutputError: if the table cannot be written.
    """
    device = check_device(device)
    stages = _Study(device).stages()
    rows, total = [], len(stages) * (1 + repeats)
    for number, (stage, run) in enumerate(stages):
        for repeat in range(1 + repeats):
            progress(stage, number * (1 + repeats) + repeat, total)
            row = _timed(stage, device, repeat, run)
            if repeat:
                rows.append(row)
    write_table(output_csv, SpeedRow, rows, rounded(4))
    return rows


def summarize(rows: Sequence[SpeedRow]) -> list[tuple]:
    """Return (stage, device, median seconds, median processor seconds, median ms per iteration or None) per stage."""
    found = []
    for stage, device in dict.fromkeys((row.stage, row.device) for row in rows):
        own = [row for row in rows if (row.stage, row.device) == (stage, device)]
        times = (statistics.median(getattr(row, key) for row in own) for key in ("seconds", "cpu_seconds"))
        iteration = [row.iteration_ms for row in own if row.iteration_ms is not None]
        found.append((stage, device, *times, statistics.median(iteration) if iteration else None))
    return found


class _Study:
    """The bundled study, read once, and what the stages hand to each other."""

    def __init__(self, device: str) -> None:
        sample = resource_path("SampleStudy")
        films = (sample / "ap.png", sample / "lateral.png", sample / "geometry.json")
        self._device, self._model = device, load_shape_model()
        self._raw = load_case(*films)
        self._given = load_case(
            *films,
            landmarks=sample / "truth" / "landmarks.json",
            lumbar_ap=sample / "lumbar_ap.nrrd",
            lumbar_lateral=sample / "lumbar_lateral.nrrd",
        )

    def stages(self) -> list[tuple[str, Callable[[], Iterable[Step]]]]:
        """Return names and generators of steps; the network's work is done here once, for those that go on from it."""
        found = _last(self._read()).detections
        result = _last(self._registered(self._raw, found)).result
        dragged = self._dragged(found)
        return [
            ("both films read", self._read),
            ("registration, images and landmarks given", lambda: self._registered(self._given, {})),
            ("registration, images and landmarks of the network", lambda: self._registered(self._raw, found)),
            ("a landmark moved, refit", lambda: self._refitted(found, dragged, result)),
            ("all, from films to intervals", self._whole),
        ]

    def _read(self) -> Iterator[Step]:
        return detect_case(self._raw, device=self._device, model=self._model)

    def _registered(self, case: Case, detections) -> Iterator[Step]:
        return register_case(case, detections, model=self._model, device=self._device, intervals=False)

    def _dragged(self, detections) -> dict:
        marks = detections["AP"].landmarks
        x, y = marks[_MOVED].position_px
        return {
            "AP": marks.moved(*_MOVED, (x, y + _MOVED_PX)),
            "lateral": detections["lateral"].landmarks,
        }

    def _refitted(self, detections, landmarks, result: CaseResult) -> Iterator[Step]:
        return register_case(
            self._raw,
            detections,
            landmarks=landmarks,
            model=self._model,
            device=self._device,
            start=result.reconstruction.final_state,
            intervals=False,
        )

    def _whole(self) -> Iterator[Step]:
        return run_case(self._raw, device=self._device, model=self._model)


def _last(steps: Iterable[Step]) -> Step:
    *_, last = steps
    return last


def _timed(stage: str, device: str, repeat: int, run: Callable[[], Iterable[Step]]) -> SpeedRow:
    import torch

    on_gpu = device.startswith("cuda")
    if on_gpu:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    known = forget_peak()
    wall, cpu = time.perf_counter(), time.process_time()
    at: dict[tuple[str, int], float] = {}
    for step in run():
        if step.state is not None and step.state.stage in _IMAGE_STAGES:
            # A state that is told twice, as it is when it is the last one, counts when it was new.
            at.setdefault((step.state.stage, step.state.iteration), time.perf_counter())
    if on_gpu:
        torch.cuda.synchronize()
    seconds, cpu_seconds = time.perf_counter() - wall, time.process_time() - cpu
    return SpeedRow(
        stage,
        torch.cuda.get_device_name() if on_gpu else device,
        torch.get_num_threads(),
        repeat,
        seconds,
        cpu_seconds,
        len(at) or None,
        _iteration_ms(at),
        peak_mb() if known else None,
        torch.cuda.max_memory_allocated() / 1e6 if on_gpu else None,
    )


def _iteration_ms(at: dict[tuple[str, int], float]) -> float | None:
    gaps = [1000.0 * (at[stage, k] - at[stage, k - 1]) for stage, k in at if (stage, k - 1) in at]
    return statistics.median(gaps) if gaps else None
