"""What was read on both films of a patient, made to agree: the names of the levels, then the landmarks of each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..anatomy import LUMBAR_LEVELS
from ..errors import GeometryError
from ..shape.model import ShapeModel
from .naming import agreed_names, median_gap_mm, naming_evidence
from .pair_fit import Sighting, fit_vertebra
from .reading import LEAST_SEEN, Reading
from .refinement import first_crops, look_closely

_BODY = [0, 5]
# Rays to the middle of a body pass each other at 0.2 to 0.8 mm if the geometry is true and the patient stood still
# (films of random spines); what passes farther is not one spine in one place. The fit alone would not notice: it
# meets halfway up to some 20 mm.
_APART_MM = 4.0
# Above this misfit per coordinate the two films do not show one vertebra in one place.
_LARGEST_MISFIT = 9.0

Readings = tuple[Reading, Reading]


def read_together(model: ShapeModel, readings: Readings) -> Readings:
    """Return both readings with names that agree and with landmarks fitted to both films.

    Where the films cannot be of one spine in one place, each film's own landmarks are kept, and a note says so.

    Args:
        model: shape model, the prior of the fit; levels that it lacks are not fitted.
        readings: of the AP and the lateral film.
    """
    try:
        named = _with_agreed_names(readings)
        gap_mm = median_gap_mm(_views(named), *_centers(named))
    except GeometryError:
        return _noted(readings, "The films were taken in the same direction, so each was read by itself.")
    if gap_mm is None:
        return readings
    if gap_mm > _APART_MM:
        return _noted(
            readings,
            f"The two films do not show one spine in one place: rays to the same vertebra pass each other at "
            f"{gap_mm:.0f} mm. Each film was read by itself. Check the geometry and the names of the levels, and "
            "whether the patient moved between the films.",
        )
    return _fitted(model, named)


def _views(readings: Readings):
    return tuple(reading.film.view for reading in readings)


def _centers(readings: Readings) -> tuple[np.ndarray, np.ndarray]:
    """Return for each film (5, 2), the middles of the bodies, pixels; NaN where a level was not found."""
    bodies = (reading.close.landmarks_px[:, _BODY].mean(axis=1) for reading in readings)
    return tuple(
        np.where(reading.close.found[:, None], body, np.nan) for reading, body in zip(readings, bodies, strict=True)
    )


def _noted(readings: Readings, *notes: str) -> Readings:
    return tuple(replace(reading, notes=(*reading.notes, *notes)) for reading in readings)


def _with_agreed_names(readings: Readings) -> Readings:
    """Rename the levels of a film that names them otherwise than the other film does, and look again."""
    evidence = tuple(naming_evidence(reading.look) for reading in readings)
    shifts = agreed_names(_views(readings), _centers(readings), evidence)
    return tuple(
        _renamed(reading, shift) if shift else reading for reading, shift in zip(readings, shifts, strict=True)
    )


def _renamed(reading: Reading, shift: int) -> Reading:
    view, networks = reading.film.view, reading.networks
    starts = {k + shift: crop for k, crop in first_crops(reading.look, view).items() if 0 <= k + shift < 5}
    if not starts or networks.refiner is None:
        return reading
    close = look_closely(networks.refiner, view, reading.image, reading.look, networks.device, starts)
    way = "down" if shift > 0 else "up"
    note = f"The levels of the {view.name} film were renamed one {way}, as on the other film."
    return replace(reading, close=close, notes=(*reading.notes, note)) if close.found.any() else reading


def _fitted(model: ShapeModel, readings: Readings) -> Readings:
    """Return the readings with the landmarks of every level on both films from a fit to both."""
    parts = [[reading.close.landmarks_px.copy(), reading.close.covariances.copy()] for reading in readings]
    notes: list[str] = []
    seen = [reading.seen for reading in readings]
    for k, level in enumerate(LUMBAR_LEVELS):
        if level not in model.levels or min(int(item[k].sum()) for item in seen) < LEAST_SEEN:
            continue
        sightings = [
            Sighting(reading.film.view, reading.close.landmarks_px[k], reading.close.covariances[k], item[k])
            for reading, item in zip(readings, seen, strict=True)
        ]
        try:
            fit = fit_vertebra(model, level, sightings)
        except (GeometryError, np.linalg.LinAlgError):
            continue
        if max(fit.misfit) > _LARGEST_MISFIT:
            notes.append(f"{level.name} is not at one place on the two films: check its landmarks and the geometry.")
            continue
        for part, reading in zip(parts, readings, strict=True):
            part[0][k], part[1][k] = fit.on_film(reading.film.view)
    fitted = tuple(
        replace(reading, close=replace(reading.close, landmarks_px=part[0], covariances=part[1]))
        for reading, part in zip(readings, parts, strict=True)
    )
    return _noted(fitted, *notes)
