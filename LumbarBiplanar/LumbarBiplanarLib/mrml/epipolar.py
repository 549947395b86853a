"""The epipolar line: where a landmark that is placed on one film must lie on the other."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np
from slicer.i18n import tr as _

from ..errors import GeometryError
from ..geometry import View, epipolar_line
from .film_lines import FilmLines
from .film_nodes import corrected_view_of_node

ROLE = "epipolar-line"
_POINTS = 128


def inside_film(line_px: np.ndarray, view: View) -> list[np.ndarray]:
    """Return the parts of a polyline (n, 2) that lie on a film, each (m, 2) with m >= 2, in pixels.

    The ends lie on the film's edge where the line leaves it.
    """
    low, high = np.full(2, -0.5), np.asarray(view.size_px) - 0.5
    parts: list[np.ndarray] = []
    for start, end in itertools.pairwise(line_px):
        span = _clipped(start, end, low, high)
        if span is None:
            continue
        first, last = start + span[0] * (end - start), start + span[1] * (end - start)
        if parts and np.array_equal(parts[-1][-1], first):
            parts[-1] = np.vstack([parts[-1], last])
        else:
            parts.append(np.stack([first, last]))
    return parts


def _clipped(start, end, low, high) -> tuple[float, float] | None:
    """Return the span of start + t (end - start), 0 <= t <= 1, inside a box (Liang and Barsky 1984), or None."""
    if not (np.isfinite(start).all() and np.isfinite(end).all()):
        return None
    t0, t1 = 0.0, 1.0
    for origin, step, lower, upper in zip(start, end - start, low, high, strict=True):
        if step == 0.0:
            if not lower <= origin <= upper:
                return None
            continue
        near, far = sorted(((lower - origin) / step, (upper - origin) / step))
        t0, t1 = max(t0, near), min(t1, far)
    return (t0, t1) if t0 < t1 else None


class EpipolarLine:
    """The line of one landmark at a time on the other of two films."""

    def __init__(self, films: Mapping[str, object]) -> None:
        """Prepare.

        Args:
            films: the two film nodes by view name.
        """
        self._films = dict(films)
        self._lines = {
            name: FilmLines(node, ROLE, _("Epipolar line on the {view} film").format(view=name))
            for name, node in films.items()
        }

    def show(self, view_name: str, pixel: tuple[float, float], color: tuple[float, float, float]) -> None:
        """Draw the line of a landmark that stands at ``pixel`` of the film ``view_name`` on the other film."""
        others = [name for name in self._films if name != view_name]
        if view_name not in self._films or len(others) != 1:
            self.hide()
            return
        other = others[0]
        view_from, view_to = (corrected_view_of_node(self._films[name]) for name in (view_name, other))
        try:
            line = epipolar_line(view_from, pixel, view_to, count=_POINTS)
        except GeometryError:
            self.hide()
            return
        parts = inside_film(line, view_to)
        self._lines[view_name].hide()
        self._lines[other].draw(parts, color)

    def hide(self) -> None:
        """Show no line."""
        for lines in self._lines.values():
            lines.hide()

    @property
    def visible(self) -> bool:
        """Whether a line is shown."""
        return any(lines.visible for lines in self._lines.values())

    def remove(self) -> None:
        """Take the lines out of the scene."""
        for lines in self._lines.values():
            lines.remove()
