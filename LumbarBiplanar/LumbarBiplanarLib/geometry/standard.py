"""A usual geometry for films that come without one: what the files state is used, the rest is assumed and says so.

The AP beam runs from anterior to posterior, the lateral one from the patient's left to the right, both horizontal and
through one point, the origin; a film whose columns are stated to run the other way was taken with the opposite beam.
If the file states the beam, too, and it is not that of the columns, the film is stored turned over, as seen from the
detector. The pair is never calibrated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import GeometryError
from .frames import rigid
from .pair import FilmPair
from .settings import ASSUMED, GeometrySettings
from .sides import SOURCE_OF_VIEW_POSITION, SOURCE_SIDE_NUMBER, SOURCES
from .view import View

# A radiography room with the patient at a wall stand: 1.5 m is too far for most lumbar films, 1.1 m the usual.
FOCAL_MM, ISOCENTER_MM = 1100.0, 900.0
# Long side of the usual cassette and flat detector of 35 x 43 cm.
LONG_SIDE_MM = 430.0


@dataclass(frozen=True)
class FilmFacts:
    """What a film file says about how it was taken; None where it says nothing.

    Attributes:
        size_px: (width, height).
        spacing_mm: pixel size (across, along).
        spacing_plane: where that size holds: "detector", "object" (the patient), "unknown" or "none".
        spacing_source: which entry of the file says so.
        focal_mm: source to detector; ``focal_source`` says which entry.
        isocenter_mm: source to the middle of the patient; ``isocenter_source`` says which entry.
        model: "pinhole" or "slot"; ``model_source`` says which entry.
        projection: view position, "AP", "PA", "LL" (left side at the detector), "RL" or another DICOM term.
        direction: patient directions of growing column and row as DICOM letters, for example ("L", "F").
        acquired: date and time of the exposure, as text.
        file: name of the file, for messages.
        patient: a few digits of a hash of the patient's ID, to tell two patients apart and no more than that.
    """

    size_px: tuple[int, int]
    spacing_mm: tuple[float, float] | None = None
    spacing_plane: str = "none"
    spacing_source: str = "nothing"
    focal_mm: float | None = None
    focal_source: str = ""
    isocenter_mm: float | None = None
    isocenter_source: str = ""
    model: str | None = None
    model_source: str = ""
    projection: str | None = None
    direction: tuple[str, str] | None = None
    acquired: str | None = None
    file: str = "the film"
    patient: str | None = None


def standard_view(name: str, facts: FilmFacts) -> View:
    """Return the usual view of one film, its central ray through the origin and the middle of the film.

    Args:
        name: "AP" or "lateral".
        facts: what the film's file states.

    Raises:
        GeometryError: if the name is unknown or the file states impossible numbers.
    """
    if name not in ("AP", "lateral"):
        raise GeometryError(f"A film is the 'AP' or the 'lateral' one, found {name!r}.")
    focal_mm, focal_from = _stated(facts.focal_mm, facts.focal_source, FOCAL_MM, "usual source-detector distance")
    usual = ISOCENTER_MM * focal_mm / FOCAL_MM
    isocenter_mm, isocenter_from = _stated(
        facts.isocenter_mm, facts.isocenter_source, usual, "usual place of the patient"
    )
    if isocenter_mm >= focal_mm:
        isocenter_mm = usual
        isocenter_from = f"{ASSUMED}, because the file states {facts.isocenter_mm:g} mm, beyond the detector"
    spacing_mm, spacing_from = _spacing(facts, focal_mm / isocenter_mm)
    if facts.spacing_plane == "object" and ASSUMED in (focal_from + isocenter_from):
        spacing_from = f"{ASSUMED}: {spacing_from}"
    rotation, mirrored, direction_from = _rotation(name, facts)
    width, height = facts.size_px
    return View(
        name,
        facts.model or "pinhole",
        rigid(rotation, (0.0, 0.0, isocenter_mm)),
        focal_mm,
        ((width - 1) / 2, (height - 1) / 2),
        facts.size_px,
        spacing_mm,
        {
            "model": facts.model_source if facts.model else f"{ASSUMED}: cone beam",
            "camera_from_ras": f"{direction_from}; isocenter_mm: {isocenter_from}; angle_deg: {ASSUMED}: right angle",
            "focal_mm": focal_from,
            "principal_px": f"{ASSUMED}: middle of the film",
            "size_px": facts.file,
            "spacing_mm": spacing_from,
        },
        mirrored,
    )


def standard_settings(ap: FilmFacts, lateral: FilmFacts) -> GeometrySettings:
    """Return a usual geometry of two films; whatever the files do not state is assumed and marked so.

    The pair is not calibrated. It counts as taken at the same time only if both files state the same time.

    Raises:
        GeometryError: if a file states impossible numbers.
    """
    views = standard_view("AP", ap), standard_view("lateral", lateral)
    same_time = ap.acquired is not None and ap.acquired == lateral.acquired
    facts = {
        "calibrated": f"{ASSUMED}, because no geometry was given",
        "simultaneous": "both files state the same time" if same_time else f"{ASSUMED}: two exposures",
    }
    return GeometrySettings(FilmPair(*views, calibrated=False, simultaneous=same_time), facts=facts)


def direction_note(view: View, facts: FilmFacts) -> str:
    """Return what to know of a film that what its file states has made stored turned over; "" of any other."""
    if not view.mirrored or _beam_stated(facts) not in view.provenance["camera_from_ras"]:
        return ""
    run = f"towards {facts.direction[0]}" if facts.direction else "as on the usual film"
    return (
        f"{facts.file}: View Position is {facts.projection} and the columns run {run}: the film is stored turned over, "
        "as seen from the detector, and is read so. If the beam ran the other way, change the side of the source in "
        f"the geometry ({SOURCE_SIDE_NUMBER})."
    )


def _stated(value: float | None, source: str, usual: float, what: str) -> tuple[float, str]:
    return (value, source) if value is not None else (usual, f"{ASSUMED}: {what}")


def _spacing(facts: FilmFacts, magnification: float) -> tuple[tuple[float, float], str]:
    if facts.spacing_mm is None:
        pitch = LONG_SIDE_MM / max(facts.size_px)
        return (pitch, pitch), f"{ASSUMED}: film of {LONG_SIDE_MM / 10:.0f} cm, the file states no pixel size"
    if facts.spacing_plane == "detector":
        return facts.spacing_mm, facts.spacing_source
    if facts.spacing_plane == "object":
        across, along = (size * magnification for size in facts.spacing_mm)
        if facts.model == "slot":
            along = facts.spacing_mm[1]
        return (across, along), f"{facts.spacing_source} in the patient, times the magnification {magnification:.3f}"
    return facts.spacing_mm, f"{ASSUMED}: {facts.spacing_source} holds at the detector"


def _rotation(name: str, facts: FilmFacts) -> tuple[np.ndarray, bool, str]:
    """Return the (3, 3) rows of an upright film: columns, rows and beam in RAS, whether it is mirrored, and why."""
    columns, source = _column_sign(name, facts.direction), f"Patient Orientation {facts.direction}"
    if columns is None:
        columns, source = 1.0, f"{ASSUMED}: {'right' if name == 'AP' else 'front'} of the patient on the left"
    beam, beam_from = _beam_sign(name, facts.projection), _beam_stated(facts)
    if beam is None:
        beam, beam_from = columns, f"{ASSUMED}: stored as seen from the source"
    depth, rows = np.array([0.0, -beam, 0.0] if name == "AP" else [beam, 0.0, 0.0]), np.array([0.0, 0.0, -1.0])
    across = np.cross(rows, depth) * beam * columns
    return np.stack([across, rows, depth]), beam != columns, f"{source}; source_side: {beam_from}"


def _beam_stated(facts: FilmFacts) -> str:
    return f"View Position {facts.projection}"


def _beam_sign(name: str, projection: str | None) -> float | None:
    """Return 1 for the usual direction of the beam, -1 for the opposite one, None if it is not stated."""
    usual, opposite = SOURCES[name]
    return {usual: 1.0, opposite: -1.0}.get(SOURCE_OF_VIEW_POSITION.get(projection or "", ""))


def _column_sign(name: str, direction: tuple[str, str] | None) -> float | None:
    """Return the beam's sign that unmirrored columns of this direction imply, or None."""
    if direction is None or not direction[1].startswith("F"):
        return None
    usual, opposite = ("L", "R") if name == "AP" else ("P", "A")
    return {usual: 1.0, opposite: -1.0}.get(direction[0][:1])
