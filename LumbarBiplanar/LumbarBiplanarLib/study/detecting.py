"""The first half of a case's path: the network on its films."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from ..errors import DetectionError, LumbarBiplanarError, StudyError
from ..imaging import Film
from .case import Case
from .steps import Step
from .swapped import confidence, swap_hint

if TYPE_CHECKING:
    from ..network import Detection

# Below this mean confidence a film is one that the network has trouble with.
UNSURE_CONFIDENCE = 0.5
Detector = Callable[..., "Detection"]


def detect_case(
    case: Case,
    *,
    device: str = "auto",
    weights: str | None = None,
    detector: Detector | None = None,
) -> Iterator[Step]:
    """Run the network on the films of a case that need it, yielding before and after each; close it to cancel.

    A film needs no network if its landmarks and its lumbar-only image were given.

    Args:
        case: films, geometry and what replaces the network's work.
        device: "auto", "cpu" or "cuda".
        weights: weights file of the network; None means the module's.
        detector: replaces ``network.detect``.

    Yields:
        Steps; those that follow a film carry what was found so far, the last one all of it.

    Raises:
        StudyError: if the device cannot be used.
        DetectionError: if a film shows no lumbar spine and no landmarks were given for it.
        WeightsError: if the weights cannot be used.
    """
    find = finder(detector, check_device(device), weights)
    found: dict[str, Detection] = {}
    warnings: list[str] = []
    for number, film in enumerate(case.films):
        name = film.view.name
        if case.landmarks is not None and name in case.lumbar_mm:
            continue
        yield Step("detection", f"{name} film: landmarks and lumbar-only image", number / 2)
        try:
            found[name] = find(film)
        except DetectionError as error:
            if case.landmarks is None:
                raise DetectionError(f"{error} {swap_hint(case.films, found, find)}".strip()) from error
            warnings.append(f"{error} Its landmarks were given, so it is used without a lumbar-only image.")
        yield Step(
            "detection", f"{name} film: done", (number + 1) / 2, detections=dict(found), warnings=tuple(warnings)
        )
    yield Step("detection", "done", 1.0, detections=dict(found), warnings=tuple(warnings))


def detection_warnings(case: Case, detections: Mapping[str, Detection]) -> list[str]:
    """Return what the user should know about what the network found on the films of a case."""
    warnings = []
    for film in case.films:
        name, detection = film.view.name, detections.get(film.view.name)
        if detection is None:
            continue
        warnings += [f"{name} film: {note}" for note in detection.notes]
        sure = confidence(detection)
        if case.landmarks is None and sure < UNSURE_CONFIDENCE:
            warnings.append(
                f"{name} film: the network is unsure of it (confidence {sure:.2f}); check every landmark and outline."
            )
    return warnings


def finder(detector: Detector | None, device: str, weights: str | None) -> Callable[[Film], Detection]:
    """Return the function that runs the network, or what replaces it, on a film."""

    def find(film: Film) -> Detection:
        from ..network import detect
        from ..registration.threads import limited_threads

        # A film takes under a second on one thread; on busy cores two threads wait for each other a hundred times that.
        with limited_threads(1):
            return (detector or detect)(film, device=device, weights=weights)

    return find


def check_device(device: str) -> str:
    """Return the device that ``device`` means, "cpu" or "cuda"; raises StudyError if it cannot be used."""
    from ..rendering.device import resolve_device

    try:
        return str(resolve_device(device))
    except LumbarBiplanarError:
        raise
    except ValueError as error:
        raise StudyError(str(error)) from None
