"""Finding the lumbar spine on one film, of any size, spacing and contrast, or on both films of a pair together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from ..anatomy import LANDMARK_NAMES, LUMBAR_LEVELS, FilmLandmarks, LandmarkObservation, Level
from ..errors import DetectionError
from ..imaging import Film
from ..rendering.threads import side_by_side
from ..shape.model import ShapeModel
from ..shape.storage import load_shape_model
from .detection import Detection
from .first_stage import stretched
from .fitted_look import fitted_vertebrae, look_at_fitted, mirrored
from .model import VIEW_NAMES
from .naming import naming_doubt
from .reading import Reading, load_networks, read
from .self_check import checked
from .showing import way_of_showing
from .together import read_together
from .weights import registered_name

# Standard deviations of a film read by itself are too small by this factor, found on 24 pairs of films of random spines
# (84 % of the errors then are within the 90 % interval, misread levels included).
_FILM_SIGMA_FACTOR = 1.1
_LEAST_SIGMA_MM = 0.3
# Counting goes wrong by one level, now and then by two.
LARGEST_SHIFT = 2


def detect(film: Film, device: str | torch.device = "auto", weights: str | Path | None = None) -> Detection:
    """Find L1 to L5 on a film: the lumbar-only image, and the landmarks with confidence and sigma.

    The film is resampled to the pitch of the training. Where the vertebrae then turn out much larger or smaller than
    those of the training, or nothing is found, it is run again at a pitch that suits them. Then each vertebra is
    looked at closely.

    Args:
        film: the film; ``film.view.name`` says whether it is the AP or the lateral one.
        device: "auto", "cpu", "cuda" or a torch device.
        weights: weights file of the first stage, used alone; or a folder with ``spine.pt`` and ``refine.pt``; None
            means the module's own.

    Raises:
        DetectionError: if no lumbar spine is found.
        WeightsError: if the weights cannot be used.
        ValueError: if the view is neither AP nor lateral, or the device cannot be used.
    """
    reading = read(load_networks(weights, device), film)
    covariances = _FILM_SIGMA_FACTOR**2 * reading.close.covariances
    doubt = naming_doubt([reading.names], [0])
    notes = (*reading.notes, doubt) if doubt else reading.notes
    alone = replace(reading, close=replace(reading.close, covariances=covariances), notes=notes)
    return replace(_detection(alone), reading=reading)


def detect_pair(
    films: tuple[Film, Film],
    device: str | torch.device = "auto",
    weights: str | Path | None = None,
    model: ShapeModel | None = None,
    level_shift: int = 0,
) -> tuple[Detection, Detection]:
    """Find L1 to L5 on both films of a patient, each with what the other shows: ``detect``, then ``join``.

    Each film is read on a thread of its own.

    Args:
        films: AP, then lateral.
        device: "auto", "cpu", "cuda" or a torch device.
        weights: as for ``detect``.
        model: shape model; None means the module's own.
        level_shift: as for ``join``.

    Raises:
        DetectionError: if no lumbar spine is found on a film, or the films are not AP and lateral.
        WeightsError: if the weights cannot be used.
        ValueError: if the device cannot be used.
    """
    if tuple(film.view.name for film in films) != VIEW_NAMES:
        raise DetectionError("A pair is the AP film, then the lateral film; exchange or rename them.")
    networks = load_networks(weights, device)
    mirrored_patient = way_of_showing(films[1].view).mirrored_patient
    with side_by_side(2) as workers:
        first, second = workers.map(partial(read, networks, mirrored_patient=mirrored_patient), films)
    return _joined((first, second), model, level_shift)


def join(
    detections: tuple[Detection, Detection], model: ShapeModel | None = None, level_shift: int = 0
) -> tuple[Detection, Detection]:
    """Return what ``detect`` found on the AP and the lateral film of a patient as both films together show it.

    The names of the levels are made to agree, and the landmarks of every level found on both are those of the shape
    model fitted to both films. The films must have been taken with the patient in one place, and their views must be
    true; where they disagree, each film's own landmarks are kept, and a note says so. The films are not read again,
    but for the levels of a film that has to be renamed.

    Args:
        detections: of the AP, then of the lateral film. Those that ``detect`` did not make, or that have been joined
            before, are returned as they are, but for their names.
        model: shape model; None means the module's own.
        level_shift: -2 to 2, how a person has the levels renamed who sees that all are off: 1 calls L2 what was called
            L1, and so on. The films are then looked at again with these names.

    Raises:
        DetectionError: if nothing is left with these names.
        ValueError: if ``level_shift`` cannot be meant.
    """
    if abs(level_shift) > LARGEST_SHIFT:
        raise ValueError(f"level_shift must be {-LARGEST_SHIFT} to {LARGEST_SHIFT}, found {level_shift}.")
    readings = tuple(detection.reading for detection in detections)
    if not all(isinstance(reading, Reading) for reading in readings):
        return detections if not level_shift else tuple(item.renamed(level_shift) for item in detections)
    return _joined(readings, model, level_shift)


def look_again(
    film: Film,
    detection: Detection,
    surfaces_mm: Mapping[Level, np.ndarray],
    model: ShapeModel,
    device: str | torch.device = "auto",
) -> Detection:
    """Return a detection with the lumbar-only image that the network draws when it is shown a registered spine.

    Its landmarks stay. So does all of it if other weights than the module's made it, if they cannot be shown a model,
    or if a vertebra is not seen where the registration has it.

    Args:
        film: the film.
        detection: what was found on it.
        surfaces_mm: (V, 3) vertices of the model, RAS mm, of each level registered.
        model: their shape model.
        device: "auto", "cpu", "cuda" or a torch device.

    Raises:
        WeightsError: if the weights cannot be used.
        ValueError: if the device cannot be used.
    """
    if detection.weights != registered_name():
        return detection
    networks = load_networks(None, device)
    if not networks.can_be_shown_models:
        return detection
    fitted = fitted_vertebrae(model, {LUMBAR_LEVELS.index(level): points for level, points in surfaces_mm.items()})
    showing, faces = way_of_showing(film.view), model.coarse_faces
    film, coarse = showing.of(film), showing.of(detection.lumbar_view)
    if showing.mirrored_patient:
        fitted, faces = mirrored(fitted), faces[:, ::-1].copy()
    close = look_at_fitted(networks.refiner, film.view, stretched(film), coarse, fitted, faces, networks.device)
    if not close.found[list(fitted)].all():
        return detection
    level_mm = close.level_mm[..., ::-1].copy() if showing.turned_over else close.level_mm
    return replace(detection, lumbar_mm=level_mm.sum(axis=0), lumbar_level_mm=level_mm, reading=None)


def _joined(
    readings: tuple[Reading, Reading], model: ShapeModel | None, level_shift: int
) -> tuple[Detection, Detection]:
    model = load_shape_model() if model is None else model
    mirrored_patient = readings[1].showing.mirrored_patient
    if readings[0].showing.mirrored_patient != mirrored_patient:
        # Both films are to be of one patient: the AP film is read again.
        readings = read(readings[0].networks, readings[0].given, mirrored_patient), readings[1]
    return tuple(_detection(reading) for reading in read_together(model, readings, level_shift))


def _detection(reading: Reading) -> Detection:
    film, close, look = reading.film, reading.close, reading.look
    pixel_mm = np.asarray(look.pixel_mm) * np.asarray(film.view.spacing_mm) / look.view.spacing_mm
    variances = close.variances * pixel_mm**2
    sigma_mm = np.maximum(np.sqrt(variances.mean(axis=2)), _LEAST_SIGMA_MM)
    seen = reading.seen
    confidences, doubts = checked(reading)
    observations = [
        LandmarkObservation(
            level,
            name,
            (float(close.landmarks_px[k, i, 0]), float(close.landmarks_px[k, i, 1])),
            float(np.clip(confidences[k, i], 0.0, 1.0)),
            float(sigma_mm[k, i]),
            bool(seen[k, i]),
        )
        for k, level in enumerate(LUMBAR_LEVELS)
        if close.found[k]
        for i, name in enumerate(LANDMARK_NAMES)
    ]
    notes = [*reading.notes, *doubts]
    missing = [level.name for k, level in enumerate(LUMBAR_LEVELS) if not close.found[k]]
    if missing:
        notes.append(f"Not found on the {film.view.name} film: {', '.join(missing)}.")
    detection = Detection(
        film.view,
        close.level_mm.sum(axis=0),
        look.view,
        FilmLandmarks(observations),
        close.level_mm,
        tuple(notes),
        reading.networks.name,
        reading.networks.device.type,
    )
    return replace(reading.showing.of(detection), view=reading.given.view)
