"""Rings around the landmarks of a film: their color tells the level, their shape how sure the landmark is.

A circle is a landmark as it was detected, a dashed circle one that should be checked, a diamond one that a person has
corrected.

A point list has one color for all its points but the selected ones, so what differs from point to point is drawn here.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from slicer.i18n import tr as _

from ..anatomy import LUMBAR_LEVELS, Level
from ..study.appearance import LEVEL_COLORS
from .film_lines import FilmLines
from .film_nodes import VIEW, view_of_node
from .landmark_records import PointRecord, key_of

ROLE = "landmark-rings"
RADIUS_MM = 2.4
CHOSEN_RADIUS_MM = 5.0
CHOSEN_COLOR = (1.0, 1.0, 1.0)
_CIRCLE = np.linspace(0.0, 2.0 * np.pi, 21)
_DIAMOND = np.linspace(0.0, 2.0 * np.pi, 5)
_DASHES = [_CIRCLE[start : start + 3] for start in range(0, 20, 4)]

Pixel = tuple[float, float]
# What is drawn around one landmark: where it is, whether it is corrected, whether it should be checked.
Mark = tuple[Pixel, bool, bool]


class LandmarkRings:
    """The rings of one film's landmarks; drawn on the film, never saved."""

    def __init__(self, film_node) -> None:
        """Prepare; nothing is drawn before the first ``draw``."""
        view = film_node.GetAttribute(VIEW)
        self._film = film_node
        self._levels = {
            level: FilmLines(
                film_node, ROLE, _("{level} landmarks, {view}").format(level=level.name, view=view), width=2
            )
            for level in LUMBAR_LEVELS
        }
        self._chosen = FilmLines(film_node, ROLE, _("Chosen landmark, {view}").format(view=view), width=2)
        self._drawn: dict[Level, list] = {}

    def draw(self, records: Sequence[PointRecord], to_check: Collection[int] = (), chosen: int | None = None) -> None:
        """Draw a ring around every landmark that the film shows.

        Args:
            records: the 100 points.
            to_check: points whose ring is dashed.
            chosen: the point with a second, larger ring.
        """
        marks: dict[Level, list[Mark]] = {level: [] for level in LUMBAR_LEVELS}
        for index, record in enumerate(records):
            if record.shown:
                mark = (record.observation.position_px, record.corrected, index in to_check)
                marks[key_of(index)[0]].append(mark)
        for level, items in marks.items():
            self._draw_level(level, items)
        record = None if chosen is None else records[chosen]
        self.choose(record.observation.position_px if record is not None and record.shown else None)

    def choose(self, pixel: Pixel | None) -> None:
        """Draw the larger ring at a pixel, or nowhere."""
        if pixel is None:
            self._chosen.hide()
        else:
            self._chosen.draw([self._arc(pixel, _CIRCLE, CHOSEN_RADIUS_MM)], CHOSEN_COLOR)

    def remove(self) -> None:
        """Take the rings out of the scene."""
        for lines in (*self._levels.values(), self._chosen):
            lines.remove()
        self._drawn.clear()

    def _draw_level(self, level: Level, marks: list[Mark]) -> None:
        shown = [view_of_node(self._film), *marks]
        if self._drawn.get(level) == shown:
            return
        self._drawn[level] = shown
        lines = []
        for pixel, corrected, dashed in marks:
            if corrected:
                lines.append(self._arc(pixel, _DIAMOND, 1.3 * RADIUS_MM))
            else:
                lines += [self._arc(pixel, angles, RADIUS_MM) for angles in (_DASHES if dashed else [_CIRCLE])]
        self._levels[level].draw(lines, LEVEL_COLORS[level])

    def _arc(self, pixel: Pixel, angles: np.ndarray, radius_mm: float) -> np.ndarray:
        pitch = np.asarray(view_of_node(self._film).spacing_mm)
        return pixel + radius_mm * np.stack([np.cos(angles), np.sin(angles)], axis=-1) / pitch
