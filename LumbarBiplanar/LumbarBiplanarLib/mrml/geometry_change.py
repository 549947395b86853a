"""Changing the geometry of a case: the films move, and what lies on them keeps its pixels."""

from __future__ import annotations

from typing import Any

from ..geometry import GeometrySettings, View
from .film_nodes import view_of_node
from .film_pairs import set_settings
from .landmarks import find_landmark_list
from .landmarks import follow_film as move_landmarks
from .lumbar_images import follow_film as move_lumbar_image


def change_geometry(ap: Any, lateral: Any, settings: GeometrySettings) -> None:
    """Give two films a geometry, and move their landmarks and lumbar-only images with them.

    Args:
        ap, lateral: film nodes.
        settings: the new geometry.

    Raises:
        FilmError: if one is no film, or both show the same image.
        GeometryError: if a view has another size than its film; nothing has changed then.
    """
    films = (ap, lateral)
    before = [view_of_node(film) for film in films]
    set_settings(ap, lateral, settings)
    for film, old_view in zip(films, before, strict=True):
        bring_along(film, old_view)


def bring_along(film: Any, old_view: View) -> None:
    """Move landmarks and lumbar-only image of a film to where its view is now.

    Args:
        film: film node, with its new view.
        old_view: its view before, of the same size.
    """
    move_lumbar_image(film, old_view)
    landmarks = find_landmark_list(film)
    if landmarks is not None:
        move_landmarks(landmarks, film)
