"""What was read on both films of a patient, made to agree: the names of the levels, then the landmarks of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ..anatomy import LUMBAR_LEVELS
from ..errors import DetectionError, GeometryError
from ..geometry.source_doubt import source_doubt
from ..rendering.threads import side_by_side
from ..shape.model import ShapeModel
from .consistency import BODY_LANDMARKS
from .detection import shifted_rows
from .fitted_look import fitted_vertebrae, look_at_fitted
from .naming import agreed_names, median_gap_mm, naming_doubt
from .pair_fit import Sighting, VertebraFit, fit_vertebra
from .reading import LEAST_SEEN, Reading
from .refinement import first_crops, look_closely

# Rays to the middle of a body pass each other at 0.2 to 0.8 mm if the geometry is true and the patient stood still
# (films of random spines); what passes farther is not one spine in one place. The fit alone would not notice: it
# meets halfway up to some 20 mm.
_APART_MM = 4.0
# Above this misfit per coordinate the two films do not show one vertebra in one place.
_LARGEST_MISFIT = 9.0
# What is read with a model in view leans on what was read before, and a fit to it is surer than it should be: standard
# deviations are too small by this factor (24 pairs of films of random spines; 86 % of the errors then are within the
# 90 % interval).
_LEANING = 1.5

Readings = tuple[Reading, Reading]


def read_together(model: ShapeModel, readings: Readings, level_shift: int = 0) -> Readings:
    """Return both readings with names that agree and with landmarks fitted to both films.

    Where the films cannot be of one spine in one place, each film's own landmarks are kept, and a note says so.

    Args:
        model: shape model, the prior of the fit; levels that it lacks are not fitted.
        readings: of the AP and the lateral film.
        level_shift: renaming of all levels by a person, once they agree: 1 calls L2 what was called L1, and so on.
    """
    evidence = tuple(reading.names for reading in readings)
    try:
        agreed = agreed_names(_views(readings), _centers(readings), evidence)
        named = _all_renamed(readings, agreed, level_shift)
        gap_mm = median_gap_mm(_views(named), *_centers(named))
    except GeometryError:
        alone = _all_renamed(readings, (0, 0), level_shift)
        return _noted(alone, "The films were taken in the same direction, so each was read by itself.")
    if gap_mm is not None and gap_mm <= _APART_MM:
        doubt = None if level_shift else naming_doubt(evidence, agreed)
        about_source = _source_doubt(named)
        ap, lateral = _noted(_fitted(model, named), *([doubt] if doubt else []))
        return (replace(ap, notes=(*ap.notes, about_source)) if about_source else ap), lateral
    alone = named if agreed == (0, 0) else _all_renamed(readings, (0, 0), level_shift)
    if gap_mm is None:
        return alone
    return _noted(
        alone,
        f"The two films do not show one spine in one place: rays to the same vertebra pass each other at "
        f"{gap_mm:.0f} mm. Each film was read by itself. Check that both films are of this patient, the geometry "
        "and the names of the levels, and whether the patient moved between the films.",
    )


def _views(readings: Readings):
    return tuple(reading.film.view for reading in readings)


def _centers(readings: Readings) -> tuple[np.ndarray, np.ndarray]:
    """Return for each film (5, 2), the middles of the bodies, pixels; NaN where a level was not found."""
    bodies = (reading.close.landmarks_px[:, BODY_LANDMARKS].mean(axis=1) for reading in readings)
    return tuple(
        np.where(reading.close.found[:, None], body, np.nan) for reading, body in zip(readings, bodies, strict=True)
    )


def _source_doubt(readings: Readings) -> str | None:
    """Return ``source_doubt`` by all landmarks that each film shows by itself."""
    both = readings[0].seen & readings[1].seen
    pixels = np.stack([reading.close.landmarks_px[both] for reading in readings])
    variances = np.stack([reading.close.variances[both] for reading in readings])
    return source_doubt(_views(readings), pixels, np.sqrt(variances.mean(axis=-1)))


def _noted(readings: Readings, *notes: str) -> Readings:
    return tuple(replace(reading, notes=(*reading.notes, *notes)) for reading in readings)


def _all_renamed(readings: Readings, agreed: tuple[int, int], told: int) -> Readings:
    return tuple(_renamed(reading, shift, told) for reading, shift in zip(readings, agreed, strict=True))


def _renamed(reading: Reading, agreed: int, told: int) -> Reading:
    """Rename the levels of a film as the other film has it and as a person wants it, and look again."""
    view, networks, shift = reading.film.view, reading.networks, agreed + told
    if not agreed and not told:
        return reading
    starts = {k + shift: crop for k, crop in first_crops(reading.look, view).items() if 0 <= k + shift < 5}
    close = None
    if networks.refiner is None:
        names = ("found", "landmarks_px", "covariances", "confidences", "level_mm")
        close = replace(reading.close, **{name: shifted_rows(getattr(reading.close, name), shift) for name in names})
    elif starts:
        close = look_closely(networks.refiner, view, reading.image, reading.look, networks.device, starts)
    if close is None or not close.found.any():
        if not told:
            return reading
        raise DetectionError(
            f"No vertebra of the {view.name} film is left, or none is seen, with its levels renamed {_way(told)}. "
            "Leave the names as they were found, or place the landmarks by hand."
        )
    notes = list(reading.notes)
    if agreed:
        notes.append(f"The levels of the {view.name} film were renamed {_way(agreed)}, as on the other film.")
    if told:
        notes.append(f"All levels were renamed {_way(told)}, as you asked.")
    return replace(reading, close=close, notes=tuple(notes), told_shift=told)


def _way(shift: int) -> str:
    return f"{'one' if abs(shift) == 1 else 'two'} {'down' if shift > 0 else 'up'}"


def _fitted(model: ShapeModel, readings: Readings) -> Readings:
    """Return the readings with the landmarks of every level on both films from a fit to both.

    A network that can be shown a fitted model then looks once more, at what was fitted, and that is fitted in turn.
    """
    fits, notes = _fits(model, readings)
    factor = 1.0
    networks = readings[0].networks
    if fits and networks.can_be_shown_models:
        with side_by_side(2) as workers:
            again = tuple(workers.map(lambda reading: _looked_again(model, reading, fits), readings))
        closer, more = _fits(model, again)
        factor = _LEANING
        readings, fits, notes = again, fits | closer, notes if set(closer) == set(fits) else [*notes, *more]
    return _noted(tuple(_on_film(reading, fits, factor) for reading in readings), *dict.fromkeys(notes))


def _fits(model: ShapeModel, readings: Readings) -> tuple[dict[int, VertebraFit], list[str]]:
    """Return what fits both films, by row in LUMBAR_LEVELS, and notes on what does not."""
    fits: dict[int, VertebraFit] = {}
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
        fits[k] = fit
    return fits, notes


def _looked_again(model: ShapeModel, reading: Reading, fits: Mapping[int, VertebraFit]) -> Reading:
    """Return the reading with what the network sees of the fitted levels when it is shown the model there."""
    surfaces = {k: fit.surface_mm(model, LUMBAR_LEVELS[k]) for k, fit in fits.items()}
    fitted = fitted_vertebrae(model, surfaces)
    networks, close = reading.networks, reading.close
    arguments = (reading.film.view, reading.image, reading.look.view, fitted, model.coarse_faces, networks.device)
    new = look_at_fitted(networks.refiner, *arguments)

    def chosen(name: str) -> np.ndarray:
        before, after = getattr(close, name), getattr(new, name)
        return np.where(new.found.reshape(-1, *[1] * (before.ndim - 1)), after, before)

    parts = {name: chosen(name) for name in ("landmarks_px", "covariances", "confidences", "level_mm")}
    # The first image knows nothing of the model, the second leans on it: surfaces come out best from the mean of both.
    parts["level_mm"] = 0.5 * (close.level_mm + parts["level_mm"])
    return replace(reading, close=replace(close, **parts))


def _on_film(reading: Reading, fits: Mapping[int, VertebraFit], factor: float) -> Reading:
    """Return the reading with the landmarks of the fit, their standard deviations ``factor`` times the fit's."""
    landmarks, covariances = reading.close.landmarks_px.copy(), reading.close.covariances.copy()
    for k, fit in fits.items():
        landmarks[k], covariance = fit.on_film(reading.film.view)
        covariances[k] = factor**2 * covariance
    return replace(reading, close=replace(reading.close, landmarks_px=landmarks, covariances=covariances))
