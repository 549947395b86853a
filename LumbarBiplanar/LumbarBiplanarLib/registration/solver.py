"""The registration itself: a generator of states, from landmarks to surfaces."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Generator, Iterator

from ..anatomy import LUMBAR_LEVELS
from ..errors import RegistrationError
from ..rendering.device import resolve_device
from ..rendering.threads import limited_steps
from ..shape.model import ShapeModel
from .continuation import changed_landmarks, images_changed, pinned_evidence, starting_vertebrae
from .corrections import NO_CORRECTIONS
from .evidence import FilmEvidence, check_evidence
from .initialization import initial_poses
from .options import Options
from .stages import Stages
from .state import Reconstruction, RegistrationState


def register(
    model: ShapeModel,
    evidence: tuple[FilmEvidence, FilmEvidence],
    options: Options | None = None,
    device: str = "auto",
    start: RegistrationState | None = None,
) -> Iterator[RegistrationState]:
    """Register the shape model to two films, yielding a state after every iteration.

    Stop by no longer asking for states, or close the generator; hand the last state back as ``start`` to go on, also
    with other landmarks or images. With ``start`` only what has changed is solved again: landmarks that were moved
    first pull their own vertebra along, then the image stage is run from there.

    Args:
        model: ShapeModel.
        evidence: AP and lateral film.
        options: settings; None means the defaults.
        device: "auto", "cpu" or "cuda".
        start: state to go on from.

    Yields:
        RegistrationState; the last one has ``done`` set.

    Raises:
        LandmarkError: if landmarks are impossible or too few.
        RegistrationError: if an image cannot be used, the films are swapped or do not fit the geometry, or the solver
            diverges before it has a usable state.
    """
    for state in register_finely(model, evidence, options, device, start):
        if state is not None:
            yield state


def register_finely(
    model: ShapeModel,
    evidence: tuple[FilmEvidence, FilmEvidence],
    options: Options | None = None,
    device: str = "auto",
    start: RegistrationState | None = None,
) -> Iterator[RegistrationState | None]:
    """Do what ``register`` does in smaller parts: between two states None is yielded every few hundredths of a second.

    For a caller with a window, which must not wait for an iteration to answer a click. Arguments, states and errors are
    those of ``register``.
    """
    options = Options() if options is None else options
    check_evidence(evidence)
    # The limit must not reach what the caller computes between two states.
    yield from limited_steps(_states(model, evidence, options, device, start), options.threads)


def _states(
    model: ShapeModel,
    evidence: tuple[FilmEvidence, FilmEvidence],
    options: Options,
    device: str,
    start: RegistrationState | None,
) -> Iterator[RegistrationState | None]:
    stages = Stages(model, evidence, options, resolve_device(device))
    for film in evidence:
        if options.use_images and not film.has_bone:
            what = "no lumbar-only image" if film.lumbar_mm is None else "a lumbar-only image that shows nothing"
            instead = "the film itself is used" if film.is_raw else "its landmarks alone are used"
            stages.warn(f"The {film.view.name} film has {what}; {instead}. Expect errors of more than 1 mm.")
    if start is None:
        vertebrae, warnings = initial_poses(model, evidence)
        stages.warn(*warnings)
        stages.begin(vertebrae.values())
        yield stages.state("initial", 0)
        resume = "landmarks"
    else:
        resume = yield from _go_on(stages, start)
    if resume == "landmarks":
        yield from stages.landmarks()
    if stages.films:
        last = "fine" if options.fine_iterations else "coarse"
        if resume in ("landmarks", "coarse"):
            if len(stages.corrections):
                yield from stages.images("coarse", calibrate=True)
            if not len(stages.corrections) or stages.images_count_for_more:
                yield from stages.images("coarse")
        if last == "fine" or resume in ("fine", "refit"):
            yield from stages.images(last, refit=resume == "refit")
    yield from stages.final_state()


def _go_on(stages: Stages, start: RegistrationState) -> Generator[RegistrationState | None, None, str]:
    """Take over a state, refit about changed landmarks, and return the stage to resume with."""
    evidence, model = stages.evidence, stages.model
    shown = [level for level in LUMBAR_LEVELS if any(level in film.landmarks.levels for film in evidence)]
    known = starting_vertebrae(model, start, shown)
    vertebrae, warnings = initial_poses(model, evidence, known)
    stages.warn(*warnings)
    same_views = start.views == tuple(film.view for film in evidence)
    stages.begin(vertebrae.values(), start.corrections if same_views else NO_CORRECTIONS, start.image_fit)
    added = set(vertebrae) - set(known)
    changed = [
        changed_landmarks(before.landmarks, after.landmarks)
        for before, after in zip(start.evidence, evidence, strict=True)
    ]
    yield stages.state("initial", 0)
    if not stages.films or (start.stage in ("initial", "landmarks") and not start.done):
        return "landmarks"
    touched = {level for keys in changed for level, _ in keys} & set(known)
    if touched:
        chosen = [vertebrae[level] for level in vertebrae if level in touched]
        pinned = pinned_evidence(evidence, stages.landmark_points, chosen, changed, stages.corrections)
        yield from stages.landmarks(touched, pinned)
    if added:
        yield from stages.landmarks(added)
    saw_images = start.stage not in ("initial", "landmarks")
    ended = saw_images and (start.done or start.stage == "fine")
    if not ended or added or images_changed(start.evidence, evidence):
        return "coarse"
    return "refit" if touched and start.done else "fine"


def reconstruct(
    model: ShapeModel,
    evidence: tuple[FilmEvidence, FilmEvidence],
    options: Options | None = None,
    device: str = "auto",
    start: RegistrationState | None = None,
) -> Reconstruction:
    """Register to the end and return the result; arguments and errors as in ``register``."""
    begin = time.perf_counter()
    stages: Counter[str] = Counter()
    state = None
    for state in register(model, evidence, options, device, start):
        if not state.done and state.iteration:
            stages[state.stage] += 1
    if state is None or not state.done:
        raise RegistrationError("The registration ended without a result. Start it again with its default options.")
    return Reconstruction.from_state(state, stages, time.perf_counter() - begin, str(resolve_device(device)))
