"""Which side of the patient lies on the left of a film: how an AP film is seen, and which way the patient faces."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..errors import GeometryError
from .frames import rigid
from .view import View

RIGHT, LEFT, FRONT, BACK = "right", "left", "front", "back"
# By view name: what lies on the left of the usual film, and of the other one.
SIDES = {"AP": (RIGHT, LEFT), "lateral": (FRONT, BACK)}
_WORDS = {RIGHT: ("r",), LEFT: ("l",), FRONT: ("f", "a", "anterior"), BACK: ("b", "p", "posterior")}


def left_side(view: View) -> str:
    """Return the side of the patient on the left of a film: "right" or "left" (AP), "front" or "back" (lateral)."""
    usual, other = SIDES[view.name]
    # Columns of the usual films run towards the patient's left, and towards the back.
    return usual if view.camera_from_ras[0, 0 if view.name == "AP" else 1] <= 0.0 else other


def with_left_side(view: View, side: str, center_ras_mm: np.ndarray) -> View:
    """Return the view with ``side`` on the left of the film, seen from the other side of the patient if need be.

    Source and detector then are turned half round about the rows through a point: a view is never a mirror.

    Args:
        view: AP or lateral view.
        side: one of ``SIDES[view.name]``.
        center_ras_mm: (3,) the point, RAS mm.
    """
    if left_side(view) == side:
        return view
    across, down, along = view.camera_from_ras[:3, :3]
    rotation = np.stack([-across, down, -along])
    return replace(view, camera_from_ras=rigid(rotation, view.camera_points(center_ras_mm) - rotation @ center_ras_mm))


def side_of_text(view_name: str, text: str) -> str:
    """Return the side of a film that a person means by ``text``; raises GeometryError with what to type."""
    word = text.strip().lower()
    for side in SIDES[view_name]:
        if word in (side, *_WORDS[side]):
            return side
    usual, other = SIDES[view_name]
    raise GeometryError(
        f"Left of the {view_name} film: {text!r} is no side of the patient that can lie there; type {usual} or {other}."
    )
