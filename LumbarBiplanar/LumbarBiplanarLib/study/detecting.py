"""The first half of a case's path: the network on its films."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import numpy as np

from ..errors import DetectionError
from ..imaging import Film
from ..shape.model import ShapeModel
from .case import Case
from .steps import Step
from .swapped import confidence, refusal

if TYPE_CHECKING:
    from ..network import Detection
    from ..network.other_view import ViewLook

# Below this mean confidence, or above this usual deviation of its landmarks (per axis, so that nine of ten are within
# 7 mm), a film is one that the network has trouble with.
UNSURE_CONFIDENCE, UNSURE_SIGMA_MM = 0.5, 3.3
Detector = Callable[..., "Detection"]
# Share of the detection that is done when both films have been read, each by itself.
_READ_SHARE = 0.95
# A caller with a window gets to answer a click this often while films are read.
_PATIENCE_S = 0.04


def detect_case(
    case: Case,
    *,
    device: str = "auto",
    weights: str | None = None,
    detector: Detector | None = None,
    model: ShapeModel | None = None,
    level_shift: int = 0,
) -> Iterator[Step]:
    """Run the network on the films of a case that need it, yielding before and after each; close it to cancel.

    A film needs no network if its landmarks and its lumbar-only image were given, or the case forbids it. If no
    landmarks were given, what was found on each film is at last made to agree with the other (``network.join``), which
    takes a moment.

    Args:
        case: films, geometry and what replaces the network's work.
        device: "auto", "cpu" or "cuda".
        weights: weights file of the network; None means the module's.
        detector: replaces ``network.detect``; what it returns is not made to agree.
        model: shape model that tells what a vertebra looks like on both films; None means the module's.
        level_shift: -2 to 2, renames all levels that the network finds: 1 calls L2 what it calls L1, and so on. It has
            no say in landmarks that were given.

    Yields:
        Steps; those that follow a film carry what was found so far, the last one all of it as it is to be used.

    Raises:
        StudyError: if the device cannot be used.
        DetectionError: if a film shows no lumbar spine and no landmarks were given for it.
        WeightsError: if the weights cannot be used.
    """
    device = check_device(device)
    find, look = finder(detector, device, weights), view_teller(detector, device, weights)
    found: dict[str, Detection] = {}
    warnings: list[str] = []
    given = case.landmarks is not None
    films = [film for film in case.films if case.use_network and not (given and film.view.name in case.lumbar_mm)]
    # What replaces the network need not bear being called twice at once.
    together = len(films) == 2 and detector is None
    with _two_readers() if together else nullcontext() as workers:
        under_way = {film.view.name: workers.submit(find, film) for film in films} if together else {}
        for film in films:
            name, number = film.view.name, case.films.index(film)
            step = Step("detection", f"{name} film: landmarks and lumbar-only image", _READ_SHARE * number / 2)
            yield step
            failed = None
            try:
                found[name] = (yield from _waited_for(under_way[name], step)) if together else find(film)
            except DetectionError as error:
                failed = error
            if not given and (refused := refusal(case.films, name, found, find, look, failed)):
                raise refused from failed
            if failed is not None:
                warnings.append(f"{failed} Its landmarks were given, so the film itself serves as its image.")
            share = _READ_SHARE * (number + 1) / 2
            yield Step("detection", f"{name} film: done", share, detections=dict(found), warnings=tuple(warnings))
    if not given:
        yield Step("detection", "both films together", _READ_SHARE, detections=dict(found), warnings=tuple(warnings))
        found = _joined(case, found, model, level_shift)
    yield Step("detection", "done", 1.0, detections=dict(found), warnings=tuple(warnings))


def _two_readers() -> AbstractContextManager[ThreadPoolExecutor]:
    from ..rendering.threads import side_by_side  # needs PyTorch, which a case that brings its evidence does not

    return side_by_side(2)


def _waited_for(under_way: Future, step: Step) -> Generator[Step, None, Detection]:
    """Yield a step several times a second until something is done; return what it found or raise what it raised."""
    while not under_way.done():
        wait([under_way], _PATIENCE_S)
        yield step
    return under_way.result()


def _joined(
    case: Case, found: Mapping[str, Detection], model: ShapeModel | None, level_shift: int
) -> dict[str, Detection]:
    """Return what was found, as both films together show it if both were read, with the names that were asked for."""
    from ..network import join
    from ..rendering.threads import limited_threads

    names = [film.view.name for film in case.films]
    if not all(name in found for name in names):
        return {name: item.renamed(level_shift) for name, item in found.items()}
    with limited_threads(1):
        return dict(zip(names, join(tuple(found[name] for name in names), model, level_shift), strict=True))


def detection_warnings(case: Case, detections: Mapping[str, Detection]) -> list[str]:
    """Return what the user should know about what the network found on the films of a case."""
    warnings = []
    for film in case.films:
        name, detection = film.view.name, detections.get(film.view.name)
        if detection is None:
            continue
        warnings += [f"{name} film: {note}" for note in detection.notes]
        sure = confidence(detection)
        sigmas = [item.sigma_mm for item in detection.landmarks.visible().values() if item.sigma_mm is not None]
        sigma_mm = float(np.median(sigmas)) if sigmas else 0.0
        if case.landmarks is None and (sure < UNSURE_CONFIDENCE or sigma_mm > UNSURE_SIGMA_MM):
            why = f"confidence {sure:.2f}" if sure < UNSURE_CONFIDENCE else f"landmarks within some {sigma_mm:.0f} mm"
            warnings.append(f"{name} film: the network is unsure of it ({why}); check every landmark and outline.")
    return warnings


def finder(detector: Detector | None, device: str, weights: str | None) -> Callable[[Film], Detection]:
    """Return the function that runs the network, or what replaces it, on a film."""

    def find(film: Film) -> Detection:
        from ..network import detect
        from ..rendering.threads import limited_threads

        # A film takes under a second on one thread; on busy cores two threads wait for each other a hundred times that.
        with limited_threads(1):
            return (detector or detect)(film, device=device, weights=weights)

    return find


def view_teller(
    detector: Detector | None, device: str, weights: str | None
) -> Callable[[Film, Detection | None], ViewLook | None]:
    """Return the function that tells which view a film looks like; what replaces the network tells nothing of it."""

    def look(film: Film, detection: Detection | None) -> ViewLook | None:
        from ..network import look_at_view
        from ..rendering.threads import limited_threads

        if detector is not None:
            return None
        with limited_threads(1):
            return look_at_view(film, None if detection is None else detection.reading, device, weights)

    return look


def check_device(device: str) -> str:
    """Return the device that ``device`` means, "cpu" or "cuda"; raises StudyError if it cannot be used."""
    from ..rendering.device import resolve_device

    return str(resolve_device(device))
