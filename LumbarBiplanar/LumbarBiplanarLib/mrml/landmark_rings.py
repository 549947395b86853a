"""Rings around the landmarks of a film: their color tells the level, their dashes that a landmark should be checked.

A point list has one color for all its points but the selected ones, so what differs from point to point is drawn here.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from slicer.i18n import tr as _

from ..study.appearance import LEVEL_COLORS
from .film_lines import FilmLines
from .film_nodes import VIEW, view_of_node
from .landmarks import POINT_COUNT, key_of, pixel_of_point

RADIUS_MM = 2.2
CHOSEN_RADIUS_MM = 5.0
CHOSEN_COLOR = (1.0, 1.0, 1.0)
_CIRCLE = np.linspace(0.0, 2.0 * np.pi, 21)
_DASHES = [_CIRCLE[start : start + 3] for start in range(0, 20, 4)]


class LandmarkRings:
    """The rings of one film's landmark list; drawn on the film, never saved."""

    def __init__(self, film_node, list_node) -> None:
        """Prepare; nothing is drawn before the first ``draw``."""
        name = _("{view} landmark levels").format(view=film_node.GetAttribute(VIEW))
        self._film, self._list = film_node, list_node
        self._lines = FilmLines(film_node, "landmark-rings", name)

    def draw(self, to_check: Collection[int] = (), chosen: int | None = None) -> None:
        """Draw a ring around every landmark that the film shows.

        Args:
            to_check: points whose ring is dashed.
            chosen: the point with a second, larger ring.
        """
        view = view_of_node(self._film)
        pitch = np.asarray(view.spacing_mm)
        lines, colors = [], []
        for index in range(POINT_COUNT):
            pixel = pixel_of_point(self._list, index, view)
            if pixel is None:
                continue
            arcs = _DASHES if index in to_check else [_CIRCLE]
            lines += [pixel + _arc(arc, RADIUS_MM) / pitch for arc in arcs]
            colors += [LEVEL_COLORS[key_of(index)[0]]] * len(arcs)
            if index == chosen:
                lines.append(pixel + _arc(_CIRCLE, CHOSEN_RADIUS_MM) / pitch)
                colors.append(CHOSEN_COLOR)
        self._lines.draw(lines, colors)

    def remove(self) -> None:
        """Take the rings out of the scene."""
        self._lines.remove()


def _arc(angles: np.ndarray, radius_mm: float) -> np.ndarray:
    return radius_mm * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
