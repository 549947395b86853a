"""The whole path of a case: films to landmarks, surfaces and measurements, step by step."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..anatomy import FilmLandmarks
from ..errors import DetectionError, LandmarkError, LumbarBiplanarError, RegistrationError, StudyError
from ..imaging import Film
from ..measurement import Measurements, Vertebra, measure, vertebrae_from_reconstruction
from ..shape import ShapeModel, load_shape_model
from .case import Case
from .swapped import confidence, swap_hint

if TYPE_CHECKING:
    from ..network import Detection
    from ..registration import FilmEvidence, Options, Reconstruction, RegistrationState

# Share of a registration's usual work that is done when a stage begins and when it has used all its iterations.
_SHARES = {"initial": (0.0, 0.02), "landmarks": (0.02, 0.2), "coarse": (0.2, 0.6), "fine": (0.6, 1.0)}
# Errors of the network's lumbar-only image hang together over about a centimetre, and those of its landmarks within a
# vertebra; those of given ones do not. Chosen on films of two people outside every test (docs/registration.md).
NETWORK_SETTINGS = {
    "image_correlation_mm2": 100.0,
    "landmark_weight": 0.4,
    "prior_weight": 2.0,
    "fine_iterations": 0,  # an image this uncertain says nothing more at half the pixel
}
# Below this mean confidence a film is one that the network has trouble with.
UNSURE_CONFIDENCE = 0.5
# A true spine's lumbar-only image comes out at 0.6 to 1.1 of the bone that the vertebrae put there, noise at 0.2.
LEAST_GAIN = 0.3
STAGES = ("detection", "registration", "measurement")
Detector = Callable[..., "Detection"]


@dataclass(frozen=True, eq=False)
class CaseResult:
    """What came out of a case.

    Attributes:
        case: the input.
        model: shape model that was registered.
        detections: per view name, what the network found; without the films that needed no network.
        evidence: what the registration used, (AP, lateral).
        options: settings of the registration.
        reconstruction: poses, shapes and surfaces, RAS mm.
        vertebrae: what was measured on.
        measurements: the quantities.
        seconds: wall time of each of ``STAGES`` and "total".
        device: device of network and registration.
        warnings: what the user should know, of all stages.
    """

    case: Case
    model: ShapeModel
    detections: Mapping[str, Detection]
    evidence: tuple[FilmEvidence, FilmEvidence]
    options: Options
    reconstruction: Reconstruction
    vertebrae: tuple[Vertebra, ...]
    measurements: Measurements
    seconds: Mapping[str, float]
    device: str
    warnings: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Step:
    """Where a running case is.

    Attributes:
        stage: one of ``STAGES``.
        message: what is being done, for people.
        fraction: share of the stage that is done, 0 to 1.
        state: the registration's state, to draw, or None.
        result: set in the last step only.
    """

    stage: str
    message: str
    fraction: float
    state: RegistrationState | None = None
    result: CaseResult | None = None


@dataclass
class _Run:
    """What a running case has gathered."""

    warnings: list[str]
    detections: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


def run_case(
    case: Case,
    *,
    model: ShapeModel | None = None,
    options: Options | None = None,
    device: str = "auto",
    weights: str | None = None,
    detector: Detector | None = None,
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
    run = _Run(list(case.warnings))
    find = _finder(detector, device, weights)
    yield from _detect(case, find, run)
    evidence = _evidence(case, run)
    options = default_options(case) if options is None else options
    run.seconds["detection"] = time.perf_counter() - begin
    try:
        reconstruction = yield from _register(model, evidence, options, device)
    except (LandmarkError, RegistrationError) as error:
        hint = swap_hint(case.films, run.detections, find) if run.detections else ""
        raise type(error)(f"{error} {hint}".strip()) from error
    _check_agreement(case, reconstruction)
    run.seconds["registration"] = reconstruction.seconds
    run.warnings += reconstruction.warnings
    if hint := _suspicion(case, run, find, reconstruction):
        run.warnings.append(hint)
    yield Step("measurement", "measuring", 0.0)
    started = time.perf_counter()
    vertebrae = vertebrae_from_reconstruction(model, reconstruction)
    measurements = measure(vertebrae)
    run.seconds["measurement"] = time.perf_counter() - started
    run.seconds["total"] = time.perf_counter() - begin
    result = CaseResult(
        case,
        model,
        run.detections,
        evidence,
        options,
        reconstruction,
        vertebrae,
        measurements,
        run.seconds,
        device,
        tuple(dict.fromkeys(run.warnings)),
    )
    yield Step("measurement", "done", 1.0, reconstruction.final_state, result)


def reconstruct_case(case: Case, **options: Any) -> CaseResult:
    """Run the whole path and return the result; arguments and errors as in :func:`run_case`."""
    result = None
    for step in run_case(case, **options):
        result = step.result
    if result is None:
        raise StudyError("The case ended without a result. Run it again.")
    return result


def default_options(case: Case) -> Options:
    """Return the settings of the registration that suit the origin of a case's lumbar-only images."""
    from ..registration import Options

    if all(film.view.name in case.lumbar_mm for film in case.films):
        return Options()
    return Options(**NETWORK_SETTINGS)


def check_device(device: str) -> str:
    """Return the device that ``device`` means, "cpu" or "cuda"; raises StudyError if it cannot be used."""
    from ..rendering.device import resolve_device

    try:
        return str(resolve_device(device))
    except LumbarBiplanarError:
        raise
    except ValueError as error:
        raise StudyError(str(error)) from None


def _finder(detector: Detector | None, device: str, weights: str | None) -> Callable[[Film], Detection]:
    def find(film: Film) -> Detection:
        from ..network import detect
        from ..registration.threads import limited_threads

        # A film takes under a second on one thread; on busy cores two threads wait for each other a hundred times that.
        with limited_threads(1):
            return (detector or detect)(film, device=device, weights=weights)

    return find


def _detect(case: Case, find: Callable[[Film], Detection], run: _Run) -> Iterator[Step]:
    """Run the network on the films that need it."""
    for number, film in enumerate(case.films):
        name = film.view.name
        if case.landmarks is not None and name in case.lumbar_mm:
            continue
        yield Step("detection", f"{name} film: landmarks and lumbar-only image", number / 2)
        try:
            run.detections[name] = find(film)
        except DetectionError as error:
            if case.landmarks is None:
                raise DetectionError(f"{error} {swap_hint(case.films, run.detections, find)}".strip()) from error
            run.warnings.append(f"{error} Its landmarks were given, so it is used without a lumbar-only image.")
            continue
        run.warnings += [f"{name} film: {note}" for note in run.detections[name].notes]
        sure = confidence(film, find, run.detections[name])
        if case.landmarks is None and sure < UNSURE_CONFIDENCE:
            run.warnings.append(
                f"{name} film: the network is unsure of it (confidence {sure:.2f}); check every landmark and outline."
            )
    yield Step("detection", "done", 1.0)


def _evidence(case: Case, run: _Run) -> tuple[FilmEvidence, FilmEvidence]:
    from ..registration import FilmEvidence

    found = []
    for film in case.films:
        name, detection = film.view.name, run.detections.get(film.view.name)
        if case.landmarks is not None:
            landmarks = case.landmarks[name].landmarks
        else:
            landmarks = FilmLandmarks() if detection is None else detection.landmarks
        if name in case.lumbar_mm:
            image, view = case.lumbar_mm[name], film.view
        elif detection is not None:
            image, view = detection.lumbar_mm, detection.lumbar_view
        else:
            image, view = None, None
        found.append(FilmEvidence(film.view, landmarks, image, view))
    return tuple(found)


def _register(model, evidence, options, device):
    """Run the registration, yielding a step per state; return the reconstruction."""
    from ..registration import Reconstruction, register

    begin = time.perf_counter()
    iterations: Counter[str] = Counter()
    limits = {
        "landmarks": options.landmark_iterations,
        "coarse": options.coarse_iterations,
        "fine": options.fine_iterations,
    }
    for state in register(model, evidence, options, device):
        if not state.done and state.iteration:
            iterations[state.stage] += 1
        low, high = _SHARES.get(state.stage, (0.0, 1.0))
        share = low + (high - low) * min(1.0, state.iteration / max(1, limits.get(state.stage, 1)))
        yield Step("registration", f"{state.stage}, cost {state.cost:.0f}", 1.0 if state.done else share, state)
    return Reconstruction.from_state(state, iterations, time.perf_counter() - begin, device)


def _check_agreement(case: Case, reconstruction: Reconstruction) -> None:
    """Raise DetectionError if the network's landmarks and lumbar-only image of a film do not show the same spine."""
    for film in case.films:
        name = film.view.name
        gain = reconstruction.gain.get(name, 1.0)
        if case.landmarks is None and name not in case.lumbar_mm and gain < LEAST_GAIN:
            raise DetectionError(
                f"{film.path or name}: no lumbar spine was found: where the landmarks would put the vertebrae, the "
                f"lumbar-only image holds {100 * gain:.0f} % of their bone. Check that it is the {name} film, its "
                "polarity and its pixel spacing, or give the landmarks with --landmarks."
            )


def _suspicion(case: Case, run: _Run, find, reconstruction: Reconstruction) -> str:
    """Say so if the result looks as if the films were swapped and the network agrees; costs nothing otherwise."""
    residual = reconstruction.landmark_residual_mm
    if not run.detections or max(residual.values(), default=0.0) < 12.0:
        return ""
    return swap_hint(case.films, run.detections, find)
