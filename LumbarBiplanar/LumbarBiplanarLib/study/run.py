"""The whole path of a case: films to landmarks, surfaces and measurements, step by step."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..errors import StudyError
from ..shape import ShapeModel, load_shape_model
from .case import Case
from .detecting import Detector, check_device, detect_case, finder
from .registering import default_options, register_case
from .steps import STAGES, CaseResult, Step

if TYPE_CHECKING:
    from ..registration import Options

__all__ = [
    "STAGES",
    "CaseResult",
    "Step",
    "check_device",
    "default_options",
    "detect_case",
    "reconstruct_case",
    "register_case",
    "run_case",
]


def run_case(
    case: Case,
    *,
    model: ShapeModel | None = None,
    options: Options | None = None,
    device: str = "auto",
    weights: str | None = None,
    detector: Detector | None = None,
    level_shift: int = 0,
) -> Iterator[Step]:
    """Run the whole path, yielding after every step; the caller may draw, stop asking, or close the generator.

    Args:
        case: films, geometry and what replaces the network's work.
        model: shape model; None means the module's.
        options: settings of the registration; None means the defaults, for a network's image with
            ``NETWORK_SETTINGS``.
        device: "auto", "cpu" or "cuda".
        weights: weights file of the network; None means the module's.
        detector: replaces ``network.detect``.
        level_shift: as for ``detect_case``.

    Yields:
        Steps; the last one carries the result.

    Raises:
        StudyError: if the device cannot be used.
        DetectionError: if a film shows no lumbar spine and no landmarks were given for it.
        LandmarkError, RegistrationError, MeasurementError, WeightsError, ShapeModelError: as the stages raise them.
    """
    begin = time.perf_counter()
    device = check_device(device)
    model = load_shape_model() if model is None else model
    found = None
    how = {"device": device, "weights": weights, "detector": detector, "model": model, "level_shift": level_shift}
    for found in detect_case(case, **how):
        yield found
    detection = time.perf_counter() - begin
    for step in register_case(
        case,
        found.detections,
        model=model,
        options=options,
        device=device,
        find=finder(detector, device, weights),
        warnings=found.warnings,
    ):
        if step.result is None:
            yield step
            continue
        seconds = {"detection": detection, **step.result.seconds, "total": time.perf_counter() - begin}
        yield replace(step, result=replace(step.result, seconds=seconds))


def reconstruct_case(case: Case, **options: Any) -> CaseResult:
    """Run the whole path and return the result; arguments and errors as in :func:`run_case`."""
    result = None
    for step in run_case(case, **options):
        result = step.result
    if result is None:
        raise StudyError("The case ended without a result. Run it again.")
    return result
