"""The goals of docs/accuracy.md and whether the tables reach them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from .accuracy_figures import SHIFTS, TURNS, Tables, ratio
from .speed_benchmark import SpeedRow

_MAIN = "lumbar-only"
_SEPARATE = {"network, drawn": "network on drawn films", "network, CT": "network on films drawn from a CT of 3 mm"}


def goal_rows(tables: Tables, speed: Sequence[SpeedRow] = ()) -> list[list[str]]:
    """Return (goal, measured, "yes" or "no") of every goal of which the tables know something.

    Args:
        tables: of the benchmark of accuracy.
        speed: of that of speed, on a processor.
    """
    return [
        [
            f"{what} {_bound(low, high, unit)}",
            _measured(value, low, high, unit),
            "yes" if low <= value <= high else "no",
        ]
        for what, value, low, high, unit in itertools.chain(_goals(tables), _costs(speed))
        if np.isfinite(value)
    ]


def _bound(low: float, high: float, unit: str) -> str:
    return f"≤ {_text(high, unit)}" if low <= 0 else f"{low:g} to {_text(high, unit)}"


def _measured(value: float, low: float, high: float, unit: str) -> str:
    """Return the value with as many digits as it takes to see on which side of a bound it lies."""
    more = 0
    while (low <= round(value, _digits(unit) + more) <= high) != (low <= value <= high):
        more += 1
    return _text(value, unit, more)


def _digits(unit: str) -> int:
    return 0 if unit == "%" else 2


def _text(value: float, unit: str, more: int = 0) -> str:
    digits = _digits(unit) + more
    return f"{value:.{digits}f} {unit}".strip()


def _goals(tables: Tables) -> Iterator[tuple[str, float, float, float, str]]:
    """Yield (what, value, least, most, unit)."""
    main = tables.of(_MAIN)
    if found := main.errors():
        where = "true lumbar-only images with noise"
        yield f"{where}: mean", found.mean, 0.0, 0.60, "mm"
        yield f"{where}: RMS", found.rms, 0.0, 0.75, "mm"
        yield f"{where}: p95", found.p95, 0.0, 1.5, "mm"
        yield f"{where}: posterior", found.posterior, 0.0, 0.9, "mm"
        yield f"{where}: worst vertebra", found.worst, 0.0, 1.2, "mm"
        yield f"{where}: position, worst axis, mean", _worst(main, SHIFTS), 0.0, 0.4, "mm"
        yield f"{where}: orientation, worst axis, mean", _worst(main, TURNS), 0.0, 0.7, "°"
        surface, measured, _ = main.covered()
        yield f"{where}: 90 % intervals hold of the true surface", 100 * surface, 85.0, 95.0, "%"
        yield f"{where}: 90 % intervals hold of the measurements", 100 * measured, 85.0, 95.0, "%"
    for kind, what in _SEPARATE.items():
        own = tables.of(kind).named_right()
        if found := own.errors():
            yield f"{what}: mean", found.mean, 0.0, 0.80, "mm"
            yield f"{what}: posterior", found.posterior, 0.0, 1.2, "mm"
            yield f"{what}: 90 % intervals hold of the true surface", 100 * own.covered()[0], 85.0, 95.0, "%"
    base = tables.base()
    for angle in ("-3", "+3"):
        some = tables.of(f"wrong angle, calibrated: {angle}")
        yield f"angle wrong by {angle}°, calibrated: error × base", ratio(some, base), 0.0, 1.3, ""
    moved = tables.of("motion, modelled: 2 mm 1 deg")
    yield "motion of 2 mm and 1° between the films, modelled: error × base", ratio(moved, base), 0.0, 1.2, ""


def _costs(speed: Sequence[SpeedRow]) -> Iterator[tuple[str, float, float, float, str]]:
    """Yield the same of what the stages of the bundled study cost on two cores, medians of the runs."""

    def median(stage: str, name: str) -> float:
        values = [getattr(row, name) for row in speed if row.stage == stage and row.device == "cpu"]
        return float(np.median(values)) if values and None not in values else float("nan")

    given = "registration, images and landmarks given"
    yield f"bundled study: {given}", median(given, "seconds"), 0.0, 2.0, "s"
    yield f"bundled study: {given}, peak memory of the process", median(given, "peak_mb") / 1e3, 0.0, 1.0, "GB"
    for stage, most in (("a landmark moved, refit", 0.5), ("both films read", 1.5)):
        yield f"bundled study: {stage}", median(stage, "seconds"), 0.0, most, "s"


def _worst(tables: Tables, names: tuple[str, ...]) -> float:
    return max(tables.mean_absolute(name) for name in names)
