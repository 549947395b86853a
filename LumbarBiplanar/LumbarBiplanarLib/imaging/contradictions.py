"""How far what a film file says of its geometry contradicts the view that it is used with."""

from __future__ import annotations

from datetime import datetime

import numpy as np

from ..geometry import View
from ..geometry.sides import SOURCE_OF_VIEW_POSITION, SOURCE_SIDE_NUMBER, SOURCES, source_side
from ..geometry.standard import FilmFacts, direction_note
from .spacing import SpacingPlane

_FRONTAL, _LATERAL = {"AP", "PA"}, {"LL", "RL", "LAT"}
_OBLIQUE = {"LLO", "RLO", "LAO", "RAO", "LPO", "RPO"}
_STRAIGHT = 0.36  # tangent of 20 degrees
_TOLERANCE = 0.01  # relative, of lengths
_AT_ONCE_S = 60.0  # clocks, and the travel of a slot scanner


def notes_on_view(facts: FilmFacts, view: View) -> tuple[str, ...]:
    """Return a note for everything in which a film's file contradicts its view; the view is used all the same.

    Distance and pixel size are compared to 1 %, besides them View Position and the directions of columns and rows. That
    the file's own statements have the film stored turned over is told, too.
    """
    lengths = " ".join(filter(None, (_distance_note(facts, view), _spacing_note(facts, view))))
    return tuple(filter(None, (lengths, _orientation_note(facts, view), direction_note(view, facts))))


def notes_on_pair(ap: FilmFacts, lateral: FilmFacts, simultaneous: bool) -> tuple[str, ...]:
    """Return a note if the files of two films say that these are of two patients, or were not taken at one time.

    Args:
        ap, lateral: what the files state.
        simultaneous: whether the geometry has both films taken at once.
    """
    notes, both = [], f"{ap.file} and {lateral.file}"
    if None not in (ap.patient, lateral.patient) and ap.patient != lateral.patient:
        notes.append(
            f"{both} state different patients (Patient ID (0010,0020)). Choose films of one patient, unless their IDs "
            "were replaced file by file."
        )
    times = [_time(facts.acquired) for facts in (ap, lateral)]
    if None in times:
        return tuple(notes)
    days, apart_s = abs((times[0].date() - times[1].date()).days), abs((times[0] - times[1]).total_seconds())
    if days:
        notes.append(
            f"{both} state that they were taken on different days ({times[0]:%Y-%m-%d} and {times[1]:%Y-%m-%d}, "
            "Acquisition Date (0008,0022)). Choose films of one visit: the posture, and the spine, may be another."
        )
    elif simultaneous and apart_s > _AT_ONCE_S:
        notes.append(
            f"{both} state that they were taken at {times[0]:%H:%M:%S} and {times[1]:%H:%M:%S} (Acquisition Time "
            "(0008,0032)), the geometry at the same time. If the patient may have moved, correct that (simultaneous)."
        )
    return tuple(notes)


def _time(acquired: str | None) -> datetime | None:
    """Return the time that a file states, to the second, or None."""
    try:
        return datetime.strptime((acquired or "").partition(".")[0], "%Y%m%d %H%M%S")
    except ValueError:
        return None


def _distance_note(facts: FilmFacts, view: View) -> str | None:
    if facts.focal_mm is None or abs(facts.focal_mm / view.focal_mm - 1.0) <= _TOLERANCE:
        return None
    return (
        f"The file states a source-detector distance of {facts.focal_mm:g} mm, the geometry has "
        f"{view.focal_mm:g} mm; the geometry is used."
    )


def _spacing_note(facts: FilmFacts, view: View) -> str | None:
    if facts.spacing_mm is None:
        return None
    ratios = [stated / used for stated, used in zip(facts.spacing_mm, view.spacing_mm, strict=True)]
    if facts.spacing_plane == SpacingPlane.OBJECT.value:
        # A size in the patient is the detector's pitch or smaller; only a larger one is a contradiction.
        wrong = max(ratios) > 1.0 + _TOLERANCE
    else:
        wrong = any(abs(ratio - 1.0) > _TOLERANCE for ratio in ratios)
    if not wrong:
        return None
    stated, used = (f"{pair[0]:.4g} x {pair[1]:.4g}" for pair in (facts.spacing_mm, view.spacing_mm))
    return (
        f"The file states {stated} mm per pixel ({facts.spacing_source}; {facts.spacing_plane} plane), the geometry "
        f"has {used} mm at the detector; the geometry is used."
    )


def _orientation_note(facts: FilmFacts, view: View) -> str | None:
    frontal = abs(view.beam_ras[1]) > abs(view.beam_ras[0])
    if facts.projection in (_LATERAL if frontal else _FRONTAL):
        return (
            f"The file's View Position is {facts.projection}, but it is used as the {view.name} film; "
            "the two films may be swapped."
        )
    x, y = sorted(abs(part) for part in view.beam_ras[:2])
    if facts.projection in _OBLIQUE and x < _STRAIGHT * y:
        return (
            f"The file's View Position is {facts.projection}, an oblique one, but it is used as the {view.name} film. "
            "Choose the straight film, or give the beam's true direction in the geometry."
        )
    source = SOURCE_OF_VIEW_POSITION.get(facts.projection or "")
    if source in SOURCES.get(view.name, ()) and source != source_side(view):
        return (
            f"The file's View Position is {facts.projection}, but the geometry has the source at the patient's "
            f"{source_side(view)}; correct it ({SOURCE_SIDE_NUMBER}) if the file is right."
        )
    if facts.direction is None:
        return None
    expected = tuple(_letter(axis) for axis in view.camera_from_ras[:2, :3])
    if any(stated[0] != wanted for stated, wanted in zip(facts.direction, expected, strict=True)):
        return (
            f"The file's columns and rows run towards {facts.direction[0]} and {facts.direction[1]} of the patient, "
            f"the geometry's towards {expected[0]} and {expected[1]}; the film may be mirrored or turned."
        )
    return None


def _letter(axis_ras: np.ndarray) -> str:
    """Return the DICOM letter of the patient direction nearest to a RAS vector."""
    largest = int(np.argmax(np.abs(axis_ras)))
    return ("RAH" if axis_ras[largest] > 0 else "LPF")[largest]
