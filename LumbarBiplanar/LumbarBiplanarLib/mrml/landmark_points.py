"""Points of landmark lists: reading and writing them in pixels of the film."""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Iterator, Mapping

import numpy as np
from slicer.i18n import tr as _

from ..errors import LandmarkError
from ..geometry import View
from .film_nodes import GEOMETRY, ROLE, pixel_of_ras
from .landmark_records import POINT_COUNT, PointRecord, description_of, record_of, same_pixel

LANDMARKS_ROLE = "landmarks"
# vtkMRMLMarkupsNode's position statuses.
UNDEFINED, PREVIEW, DEFINED, MISSING = 0, 1, 2, 3


def is_landmark_list(node) -> bool:
    """Return whether a node is one of our landmark lists with all its points."""
    if node is None or not node.IsA("vtkMRMLMarkupsFiducialNode"):
        return False
    return node.GetAttribute(ROLE) == LANDMARKS_ROLE and node.GetNumberOfControlPoints() == POINT_COUNT


@functools.lru_cache(maxsize=16)
def _view(text: str) -> View:
    return View.from_dict(json.loads(text))


def view_of_list(node) -> View:
    """Return the geometry under which the points of a list were placed.

    Raises:
        LandmarkError: if the node is not a landmark list.
    """
    text = node.GetAttribute(GEOMETRY)
    if not is_landmark_list(node) or not text:
        raise LandmarkError(
            _("{name} is not a landmark list of this module; detect the landmarks again.").format(name=node.GetName())
        )
    return _view(text)


@contextlib.contextmanager
def batch(node) -> Iterator[None]:
    """Hold back the events of a node until the end of the block."""
    before = node.StartModify()
    try:
        yield
    finally:
        node.EndModify(before)


def point_ras_mm(node, index: int) -> np.ndarray | None:
    """Return where point ``index`` is (3,), RAS mm, or None if the film does not show it.

    A transform that somebody puts the list under moves what is seen, not where on the film a landmark is.
    """
    if node.GetNthControlPointPositionStatus(index) != DEFINED:
        return None
    position = [0.0, 0.0, 0.0]
    node.GetNthControlPointPosition(index, position)
    return np.array(position)


def pixel_of_point(node, index: int, view: View | None = None) -> tuple[float, float] | None:
    """Return the pixel of point ``index``, or None if the film does not show it.

    A point that somebody moved off the film's plane counts where it meets the plane at right angles. ``view`` saves
    looking up ``view_of_list(node)``.
    """
    point = point_ras_mm(node, index)
    if point is None:
        return None
    x, y = pixel_of_ras(view_of_list(node) if view is None else view, point)
    return float(x), float(y)


def read_record(node, index: int, view: View | None = None) -> PointRecord:
    """Return what is known about point ``index``, with what a person has done to it in a view."""
    stored = record_of(node.GetNthControlPointDescription(index), index)
    pixel = pixel_of_point(node, index, view)
    if pixel is None:
        return stored.unset() if stored.shown else stored
    if stored.shown and same_pixel(pixel, stored.observation.position_px):
        return stored
    return stored.moved(index, pixel)


def read_records(node) -> tuple[PointRecord, ...]:
    """Return what is known about each of the 100 points, in their order."""
    view = view_of_list(node)
    return tuple(read_record(node, index, view) for index in range(POINT_COUNT))


def write_records(node, records: Mapping[int, PointRecord]) -> None:
    """Write points; not taken for a person's move. The list tells its observers once, at the end."""
    view = view_of_list(node)
    with batch(node):
        place_records(node, records, view)


def place_records(node, records: Mapping[int, PointRecord], view: View) -> None:
    """Write points as ``write_records`` does, under a geometry given, without holding back events."""
    shown = [index for index, record in records.items() if record.shown]
    pixels = np.array([records[index].observation.position_px for index in shown], dtype=np.float64).reshape(-1, 2)
    for index, point in zip(shown, view.detector_points_ras_mm(pixels), strict=True):
        node.SetNthControlPointPosition(index, *(float(value) for value in point))
    for index, record in records.items():
        if not record.shown and node.GetNthControlPointPositionStatus(index) != MISSING:
            node.SetNthControlPointPositionMissing(index)
        node.SetNthControlPointDescription(index, description_of(record))
        node.SetNthControlPointSelected(index, record.corrected)


def settle(node, leave: int | None = None) -> tuple[int, ...]:
    """Write down what people did in the views: moved points become corrected, cleared ones Missing.

    Args:
        node: the landmark list.
        leave: a point that is just being placed and must stay as it is.

    Returns:
        The points that had been changed.
    """
    changed, cleared = {}, {}
    for index, record in enumerate(read_records(node)):
        if index == leave:
            continue
        if record != record_of(node.GetNthControlPointDescription(index), index):
            changed[index] = record
        elif node.GetNthControlPointPositionStatus(index) == UNDEFINED:
            cleared[index] = record
    if changed or cleared:
        write_records(node, {**cleared, **changed})
    return tuple(changed)
