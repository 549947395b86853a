"""How a film shows the patient: which side lies on its left, and from which side the beam came.

The first is seen on the film. The second is not: it decides what is magnified. Where both fit the film is as seen from
the source; otherwise it is stored turned over (``View.mirrored``).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..errors import GeometryError
from .frames import rigid
from .view import View

RIGHT, LEFT, FRONT, BACK = "right", "left", "front", "back"
# By view name: what lies on the left of the usual film, and of the other one.
SIDES = {"AP": (RIGHT, LEFT), "lateral": (FRONT, BACK)}
# By view name: the side of the patient at which the source usually is, and the other one.
SOURCES = {"AP": (FRONT, BACK), "lateral": (LEFT, RIGHT)}
# By DICOM's View Position (0018,5101): the side of the patient at which the source was; LL has the left side at the
# detector.
SOURCE_OF_VIEW_POSITION = {"AP": FRONT, "PA": BACK, "RL": LEFT, "LL": RIGHT}
# What messages call the two numbers: by the key of files and command line, and by the name in the panel's table.
LEFT_SIDE_NUMBER = "left_side, in the panel 'Left of the film is'"
SOURCE_SIDE_NUMBER = "source_side, in the panel 'Source is at the'"
_WORDS = {RIGHT: ("r",), LEFT: ("l",), FRONT: ("f", "a", "anterior"), BACK: ("b", "p", "posterior")}


def left_side(view: View) -> str:
    """Return the side of the patient on the left of a film: "right" or "left" (AP), "front" or "back" (lateral)."""
    usual, other = SIDES[view.name]
    # Columns of the usual films run towards the patient's left, and towards the back.
    return usual if view.camera_from_ras[0, 0 if view.name == "AP" else 1] <= 0.0 else other


def source_side(view: View) -> str:
    """Return the side of the patient at which the source is: "front" or "back" (AP), "left" or "right" (lateral)."""
    usual, other = SOURCES[view.name]
    # The usual beams run towards the patient's back, and towards the right.
    towards = -view.beam_ras[1] if view.name == "AP" else view.beam_ras[0]
    return usual if towards >= 0.0 else other


def other_source(view: View) -> str:
    """Return the side of the patient opposite to that at which the source is."""
    usual, other = SOURCES[view.name]
    return other if source_side(view) == usual else usual


def with_left_side(view: View, side: str, center_ras_mm: np.ndarray) -> View:
    """Return the view with ``side`` on the left of the film, seen from the other side of the patient if need be.

    Source and detector then are turned half round about the rows through a point; a mirrored film stays one. See
    ``View.turned_over`` for a film that is taken from where it was.

    Args:
        view: AP or lateral view.
        side: one of ``SIDES[view.name]``.
        center_ras_mm: (3,) the point, RAS mm.
    """
    if left_side(view) == side:
        return view
    across, down, along = view.camera_from_ras[:3, :3]
    return _with_axes(view, np.stack([-across, down, -along]), view.mirrored, center_ras_mm)


def with_source_side(view: View, side: str, center_ras_mm: np.ndarray) -> View:
    """Return the view with the source at ``side`` of the patient and the same side of the patient on its left.

    Source and detector then are reflected at the plane of columns and rows through a point: what was as seen from the
    source becomes as seen from the detector, or the other way round.

    Args:
        view: AP or lateral view.
        side: one of ``SOURCES[view.name]``.
        center_ras_mm: (3,) the point, RAS mm.
    """
    if source_side(view) == side:
        return view
    across, down, along = view.camera_from_ras[:3, :3]
    return _with_axes(view, np.stack([across, down, -along]), not view.mirrored, center_ras_mm)


def _with_axes(view: View, axes: np.ndarray, mirrored: bool, center_ras_mm: np.ndarray) -> View:
    """Return the view with other camera axes (3, 3), which keeps the place of a point in the camera frame."""
    place = rigid(axes, view.camera_points(center_ras_mm) - axes @ center_ras_mm)
    return replace(view, camera_from_ras=place, mirrored=mirrored)


def side_of_text(view_name: str, text: str) -> str:
    """Return what a person means to lie on the left of a film; raises GeometryError with what to type."""
    return _meant(SIDES[view_name], f"Left of the {view_name} film", text)


def source_of_text(view_name: str, text: str) -> str:
    """Return the side of the patient at which a person means the source to be; raises GeometryError as above."""
    return _meant(SOURCES[view_name], f"Source of the {view_name} film", text)


def _meant(sides: tuple[str, str], what: str, text: str) -> str:
    word = text.strip().lower()
    for side in sides:
        if word in (side, *_WORDS[side]):
            return side
    raise GeometryError(f"{what}: {text!r} is no side of the patient that can be there; type {sides[0]} or {sides[1]}.")
