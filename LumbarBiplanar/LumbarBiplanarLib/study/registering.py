"""The second half of a case's path: landmarks and lumbar-only images to surfaces and measurements."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Generator, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import DetectionError, LandmarkError, MeasurementError, RegistrationError
from ..imaging import Film
from ..measurement import Measurements, Spread, measure, vertebrae_from_reconstruction
from ..shape import ShapeModel, load_shape_model
from .case import Case
from .detecting import check_device, detection_warnings, finder
from .doubts import doubted
from .evidence import Evidence, Landmarks, evidence_of, evidence_with_model_in_view, waits_for_model
from .geometry_settings import geometry_settings
from .given_landmarks import given_doubts
from .steps import CaseResult, Step
from .swapped import swap_hint
from .turned import turned_hint

if TYPE_CHECKING:
    from ..network import Detection
    from ..registration import Options, Reconstruction, RegistrationState

# Share of a registration's usual work that is done when a stage begins and when it has used all its iterations.
_SHARES = {"initial": (0.0, 0.02), "landmarks": (0.02, 0.2), "coarse": (0.2, 0.6), "fine": (0.6, 1.0)}
_WORDS = {
    "initial": "placing the vertebrae",
    "landmarks": "fitting to the landmarks",
    "coarse": "fitting to the images",
    "fine": "fitting to the images, fine",
}
# Errors of the network's lumbar-only image hang together over some millimetres, as a background over more, and those of
# its landmarks within a vertebra; those of given ones do not. Chosen on films of random spines (docs/registration.md).
NETWORK_SETTINGS: dict[str, Any] = {
    "image_correlation_mm2": 16.0,
    "background_grid_mm": 15.0,
    "background_sd_mm": 6.0,
    "landmark_weight": 0.6,
    "corrected_weight": 10.0,  # such an image does not outvote it either; more bends vertebrae after a hand's errors
    "prior_weight": 2.0,
    # Nine of ten surface points are then within the 90 % interval.
    "posterior_sd_factor": 2.2,
    "fine_iterations": 0,  # an image this uncertain says nothing more at half the pixel
    "image_relaxation": 1.0,  # landmarks and prior have much to say, and steps do not fall short
    "coarse_modes": None,  # and no fine stage brings in the modes that the coarse one leaves out
    # What starts far off takes longer to get there.
    "coarse_iterations": 12,
    # A spine that is nearly in place follows a moved landmark at a third of the cost.
    "refit_iterations": 3,
    "refit_reuse": 3,
}
# A film that serves as its own image says nothing more at half the pixel either (docs/registration.md).
# Longer steps were tried on lumbar-only images alone.
RAW_SETTINGS: dict[str, Any] = {"fine_iterations": 0, "image_relaxation": 1.0}
# A true spine's lumbar-only image comes out at 0.6 to 1.1 of the bone that the vertebrae put there, noise at 0.2.
LEAST_GAIN = 0.3
# The films are looked at again after so many iterations with images, when the vertebrae are nearly in place.
BEFORE_LOOKING = 4
# The width of an interval from so many samples is within 14 % of that from many.
INTERVAL_SAMPLES = 24


def register_case(
    case: Case,
    detections: Mapping[str, Detection],
    *,
    landmarks: Landmarks | None = None,
    model: ShapeModel | None = None,
    options: Options | None = None,
    device: str = "auto",
    start: RegistrationState | None = None,
    find: Callable[[Film], Detection] | None = None,
    warnings: tuple[str, ...] = (),
    intervals: bool = True,
) -> Iterator[Step]:
    """Register the shape model to the films of a case and measure it, yielding after every iteration.

    Args:
        case: films, geometry and what replaces the network's work.
        detections: per view name, what the network found.
        landmarks: per view name, landmarks that replace those of the detection and of the case, for example after
            a person has corrected them.
        model: shape model; None means the module's.
        options: settings of the registration; None means ``default_options(case)``.
        device: "auto", "cpu" or "cuda".
        start: state to go on from; only what has changed since is solved again.
        find: runs the network on a film, to tell whether a failure comes of swapped films; None means the module's.
        warnings: what the detection had to say, for the result.
        intervals: find out how sure the measurements are and how far each level can be trusted, which takes a second or
            two.

    Yields:
        Steps; the last one carries the result. With ``intervals`` an earlier one carries it without them.

    Raises:
        StudyError: if the device cannot be used.
        DetectionError: if landmarks and lumbar-only image of the network do not show the same spine.
        LandmarkError, RegistrationError, MeasurementError, ShapeModelError: as the stages raise them.
    """
    from ..registration import assess

    begin = time.perf_counter()
    device = check_device(device)
    model = load_shape_model() if model is None else model
    options = default_options(case) if options is None else options
    find = finder(None, device, None) if find is None else find
    evidence = evidence_of(case, detections, landmarks, None if start is None else start.evidence)
    look = None
    if options.use_images and waits_for_model(detections, evidence):
        look = partial(evidence_with_model_in_view, case, detections, model=model, device=device)
        if start is not None and start.done:
            look, start, evidence = None, *_as_before_it_was_stored(start, look, case, detections, landmarks, evidence)
    said = [*case.warnings, *warnings, *detection_warnings(case, detections), *given_doubts(case, detections)]
    try:
        reconstruction = yield from _register(model, evidence, options, device, start, look)
    except (LandmarkError, RegistrationError) as error:
        hint = swap_hint(case.films, detections, find) if detections else ""
        raise type(error)(f"{error} {hint}".strip()) from error
    state = reconstruction.final_state
    _check_agreement(case, reconstruction)
    said += reconstruction.warnings
    if hint := _suspicion(case, detections, find, reconstruction):
        said.append(hint)
    yield Step("measurement", "measuring", 0.0)
    started = time.perf_counter()
    vertebrae = vertebrae_from_reconstruction(model, reconstruction)
    try:
        measurements = measure(vertebrae)
    except MeasurementError as error:
        raise MeasurementError(
            f"The vertebrae came out where none can be: {error} Check the landmarks (their film, levels and sides, and "
            "that they are pixels) and the geometry."
        ) from error
    now = time.perf_counter()
    seconds = {"registration": reconstruction.seconds, "measurement": now - started, "total": now - begin}
    if hint := turned_hint(vertebrae, measurements):
        said.append(hint)
    told = tuple(dict.fromkeys(said))
    found = dict(detections)
    result = CaseResult(
        case, model, found, state.evidence, options, reconstruction, vertebrae, measurements, seconds, device, told
    )
    if intervals:
        yield Step("measurement", "measured", 0.1, state, result)
        measurements, told = yield from _sure(result, state)
        quality = doubted(assess(state), state)
        measurements = replace(measurements, flags={level: item.flag for level, item in quality.items()})
        seconds["measurement"] = time.perf_counter() - started
        seconds["total"] = time.perf_counter() - begin
        result = replace(result, measurements=measurements, warnings=told, quality=quality)
    yield Step("measurement", "done", 1.0, state, result)


def _as_before_it_was_stored(
    start: RegistrationState, look, case: Case, detections, landmarks, evidence: Evidence
) -> tuple[RegistrationState, Evidence]:
    """Return a finished state, and evidence to refit it to, with images drawn with a model in view.

    A scene holds what the network found at first, and its registration was made of what was drawn in the middle of it.
    """
    if any(item.model_in_view for item in evidence):
        return start, evidence
    start = replace(start, evidence=look(start))
    return start, evidence_of(case, detections, landmarks, start.evidence)


def _sure(result: CaseResult, state: RegistrationState) -> Generator[Step, None, tuple[Measurements, tuple[str, ...]]]:
    """Measure random reconstructions, yielding a step for each; return measurements with intervals, and warnings."""
    what = "finding out how sure the measurements are"
    steps = state.posterior_slowly()
    try:
        while True:
            try:
                next(steps)
            except StopIteration as end:
                posterior = end.value
                break
            yield Step("measurement", what, 0.1, state)
    except RegistrationError as error:
        return result.measurements, (*result.warnings, str(error))
    spread, impossible = Spread(result.vertebrae), []
    for number, points in enumerate(posterior.samples(INTERVAL_SAMPLES)):
        try:
            spread.add(points)
        except MeasurementError as error:
            impossible.append(str(error))
        share = (number + 1) / INTERVAL_SAMPLES
        yield Step("measurement", what, 0.1 + 0.9 * share, state)
    if impossible:
        # Those that can be measured are the less uncertain ones: an interval from them alone would be too narrow.
        said = (
            "The result is so uncertain that no interval can be given: of spines as likely as it "
            f"{len(impossible)} of {INTERVAL_SAMPLES} cannot be measured (first: {impossible[0]}) Add landmarks."
        )
        return result.measurements, (*result.warnings, said)
    return spread.applied_to(result.measurements), result.warnings


def default_options(case: Case, calibrate: Collection[str] | None = None, motion: bool | None = None) -> Options:
    """Return the settings of the registration that suit a case's lumbar-only images and its geometry.

    Args:
        case: films, geometry and what replaces the network's work.
        calibrate, motion: what to correct in the geometry; None leaves it to the geometry (``geometry_settings``).
    """
    from ..registration import Options

    free = geometry_settings(case.pair, calibrate, motion)
    if all(film.view.name in case.lumbar_mm for film in case.films):
        return Options(**free)
    return Options(**(NETWORK_SETTINGS if case.use_network else RAW_SETTINGS), **free)


def _register(model, evidence, options, device, start, look):
    """Run the registration, yielding every few hundredths of a second the latest state; return the reconstruction."""
    from ..registration import Reconstruction

    begin = time.perf_counter()
    iterations: Counter[str] = Counter()
    limits = {
        "landmarks": options.landmark_iterations,
        "coarse": options.coarse_iterations,
        "fine": options.fine_iterations,
    }
    state, reached, message = None, 0.0, "preparing"
    for found in _states(model, evidence, options, device, start, look):
        if found is None:
            yield Step("registration", message, reached, state)
            continue
        state = found
        if not state.done and state.iteration:
            iterations[state.stage] += 1
        low, high = _SHARES.get(state.stage, (0.0, 1.0))
        share = low + (high - low) * min(1.0, state.iteration / max(1, limits.get(state.stage, 1)))
        # Going on from a state may refit single vertebrae one after the other; the bar does not run backwards.
        reached = 1.0 if state.done else max(reached, share)
        message = _WORDS.get(state.stage, state.stage)
        yield Step("registration", message, reached, state)
    if state is None:
        raise RegistrationError("The registration ended without a result. Start it again with its default options.")
    return Reconstruction.from_state(state, iterations, time.perf_counter() - begin, device)


def _states(
    model: ShapeModel, evidence: Evidence, options: Options, device: str, start: RegistrationState | None, look
) -> Iterator[RegistrationState | None]:
    """Yield states as ``register_finely`` does; in the middle, ``look`` turns one into evidence to go on with.

    Iterations before that count among those that the options allow. With ``look`` None there is one registration from
    ``start`` to its end.
    """
    from ..registration import register_finely

    if look is not None:
        states = register_finely(model, evidence, options, device, start)
        for found in states:
            if found is not None:
                start = found
                if start.done or (start.stage == "coarse" and start.iteration >= BEFORE_LOOKING):
                    break
            yield found
        states.close()
        yield None if start.done else start
        evidence = look(start)
        options = replace(options, coarse_iterations=max(1, options.coarse_iterations - BEFORE_LOOKING))
        yield None
    yield from register_finely(model, evidence, options, device, start)


def _check_agreement(case: Case, reconstruction: Reconstruction) -> None:
    """Raise DetectionError if the network's landmarks and lumbar-only image of a film do not show the same spine."""
    for film in case.films:
        name = film.view.name
        gain = reconstruction.gain.get(name, 1.0)
        if case.landmarks is None and name not in case.lumbar_mm and gain < LEAST_GAIN:
            raise DetectionError(
                f"{film.path or name}: no lumbar spine was found: where the landmarks would put the vertebrae, the "
                f"lumbar-only image holds {100 * gain:.0f} % of their bone. Check that it is the {name} film, its "
                "polarity and its pixel spacing, or give the landmarks in a file."
            )


def _suspicion(case: Case, detections: Mapping[str, Detection], find, reconstruction: Reconstruction) -> str:
    """Say so if the result looks as if the films were swapped and the network agrees; costs nothing otherwise."""
    residual = reconstruction.landmark_residual_mm
    if not detections or max(residual.values(), default=0.0) < 12.0:
        return ""
    return swap_hint(case.films, detections, find)
