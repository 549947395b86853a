"""Listening to the landmark lists of a case: what people do in the views, and what the program writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import slicer
import vtk

from .film_nodes import GEOMETRY, pixel_of_ras, put_back
from .landmarks import (
    PREVIEW,
    PointRecord,
    follow_film,
    is_landmark_list,
    read_records,
    settle,
    view_of_list,
)

Changed = Callable[[str, Sequence[PointRecord], Sequence[PointRecord]], None]


class LandmarkWatch:
    """Observes the lists of both films and their films' geometry; tells in plain calls what happens.

    A drag is told as ``pressed``, ``moving`` (often) and, when the mouse button is let go, one ``changed``. Everything
    else, in a view, in another module of Slicer or by the program, is told as ``changed``. By then what a person did is
    written down (``landmarks.settle``).
    """

    def __init__(
        self,
        pairs: Mapping[str, tuple[object, object]],
        *,
        pressed: Callable[[str, int], None],
        moving: Callable[[str, int, tuple[float, float]], None],
        changed: Changed,
    ) -> None:
        """Begin to listen.

        Args:
            pairs: per view name, (film, landmark list).
            pressed: called with view name and point when the mouse button goes down on a point.
            moving: called with view name, point and pixel while a point is dragged, or placed.
            changed: called with view name, records before and records after a change; they are the same when the
                points have only followed their film to another geometry.
        """
        self._pairs = dict(pairs)
        self._pressed, self._moving, self._changed = pressed, moving, changed
        self._records = {name: read_records(points) for name, (_film, points) in self._pairs.items()}
        self._dragging: tuple[str, int] | None = None
        self._placing: tuple[str, int] | None = None
        self._busy = False
        self._tags: list[tuple[object, int]] = []
        for name in self._pairs:
            self._observe(name)

    def _observe(self, name: str) -> None:
        film, points = self._pairs[name]
        Node = slicer.vtkMRMLMarkupsNode

        # Several changes told as one come without the number of a point.
        @vtk.calldata_type(vtk.VTK_INT)
        def start(_caller, _event, index=None):
            self._start(name, index)

        self._tags += [
            (points, points.AddObserver(Node.PointStartInteractionEvent, start)),
            (points, points.AddObserver(Node.PointModifiedEvent, lambda *_: self._modified(name))),
            (points, points.AddObserver(Node.PointAddedEvent, lambda *_: self._note(name))),
            (points, points.AddObserver(Node.PointRemovedEvent, lambda *_: self._note(name))),
            (points, points.AddObserver(Node.PointEndInteractionEvent, lambda *_: self._end(name))),
            (film, film.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._film_modified(name))),
        ]

    def close(self) -> None:
        """Stop listening."""
        for node, tag in self._tags:
            node.RemoveObserver(tag)
        self._tags, self._dragging, self._placing = [], None, None

    @property
    def dragging(self) -> bool:
        """Whether a point is being dragged."""
        return self._dragging is not None and self._pairs[self._dragging[0]][1].GetScene() is not None

    def place(self, view_name: str, index: int | None) -> None:
        """Tell that a point is being placed, and is nobody's change until then; None: that it no longer is."""
        self._placing = None if index is None else (view_name, index)
        if index is None:
            self._note(view_name)

    def records(self, view_name: str) -> Sequence[PointRecord]:
        """Return the records of a list as they stood after its last change."""
        return self._records[view_name]

    def _start(self, name: str, index: int | None) -> None:
        if index is None:
            index = self._pairs[name][1].GetDisplayNode().GetActiveControlPoint()
        if 0 <= index < len(self._records[name]) and self._placing is None:
            self._dragging = (name, index)
            self._pressed(name, index)

    def _modified(self, name: str) -> None:
        points = self._pairs[name][1]
        if self._busy:
            return
        if self._dragging is not None and self._dragging[0] == name:
            self._tell_moving(*self._dragging)
        elif self._placing is not None and self._placing[0] == name and self._is_preview(points, self._placing[1]):
            self._tell_moving(*self._placing)
        else:
            self._note(name)

    @staticmethod
    def _is_preview(points, index: int) -> bool:
        return points.GetNthControlPointPositionStatus(index) == PREVIEW

    def _tell_moving(self, name: str, index: int) -> None:
        points, position = self._pairs[name][1], [0.0, 0.0, 0.0]
        points.GetNthControlPointPosition(index, position)
        x, y = pixel_of_ras(view_of_list(points), np.array(position))
        self._moving(name, index, (float(x), float(y)))

    def _end(self, name: str) -> None:
        if self._dragging is not None and self._dragging[0] == name:
            self._dragging = None
            self._note(name)

    def _film_modified(self, name: str) -> None:
        film, points = self._pairs[name]
        if points.GetScene() is None or film.GetScene() is None or not is_landmark_list(points):
            return
        put_back(film)
        if film.GetAttribute(GEOMETRY) and film.GetAttribute(GEOMETRY) != points.GetAttribute(GEOMETRY):
            self._busy = True
            try:
                follow_film(points, film)
            finally:
                self._busy = False
            self._note(name, even_if_same=True)

    def _note(self, name: str, even_if_same: bool = False) -> None:
        """Write down what a person did, and tell what has changed since the last time."""
        points = self._pairs[name][1]
        if self._busy or points.GetScene() is None:
            return
        if not is_landmark_list(points):  # somebody has added or removed points: it is the user's list now
            self._changed(name, self._records[name], self._records[name])
            return
        leave = self._placing[1] if self._placing is not None and self._placing[0] == name else None
        self._busy = True
        try:
            settle(points, leave)
        finally:
            self._busy = False
        before, after = self._records[name], list(read_records(points))
        if leave is not None:
            after[leave] = before[leave]
        self._records[name] = tuple(after)
        if even_if_same or tuple(before) != self._records[name]:
            self._changed(name, before, self._records[name])
