"""Landmark lists: the landmarks of one film as a Slicer point list.

Every list has 100 points in a fixed order (L1 to L5, each with ``LANDMARK_NAMES``); a landmark that the film does not
show has the status Missing. Points lie in the plane of the film, in RAS mm. A list keeps a copy of the geometry under
which its points were placed, so that their pixels stay known when the film's geometry is changed afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from ..anatomy import LANDMARK_NAMES, FilmLandmarks, LandmarkObservation, Level
from ..errors import LandmarkError
from ..geometry.sides import left_side, source_side
from .film_nodes import GEOMETRY, ROLE, VIEW, free_name, view_of_node
from .landmark_points import (
    DEFINED,
    LANDMARKS_ROLE,
    MISSING,
    PREVIEW,
    UNDEFINED,
    batch,
    is_landmark_list,
    pixel_of_point,
    place_records,
    point_ras_mm,
    read_record,
    read_records,
    settle,
    view_of_list,
    write_records,
)
from .landmark_records import POINT_COUNT, PointRecord, index_of, index_on_other_side, key_of, label_of
from .landmark_style import style_for_views
from .overlay import SLICE_NODE_IDS

FILM_REFERENCE = "LumbarBiplanar.Film"
# Of a list: how the levels that the network found were renamed for it (``parameters.LevelNames``).
LEVEL_SHIFT = "LumbarBiplanar.LevelShift"


__all__ = [
    "DEFINED",
    "MISSING",
    "POINT_COUNT",
    "PREVIEW",
    "UNDEFINED",
    "PointRecord",
    "add_landmark_list",
    "find_landmark_list",
    "follow_film",
    "index_of",
    "is_landmark_list",
    "key_of",
    "label_of",
    "landmarks_of_node",
    "observation_of",
    "pixel_of_point",
    "point_ras_mm",
    "read_record",
    "read_records",
    "renamed_by",
    "reset_landmarks",
    "set_landmark",
    "set_locked",
    "set_renamed_by",
    "settle",
    "unset_landmark",
    "view_of_list",
    "write_landmarks_to_node",
    "write_records",
]


def add_landmark_list(scene, film_node, landmarks: FilmLandmarks | None = None):
    """Add the landmark list of a film to the scene.

    Args:
        scene: where the film is.
        film_node: the film; it carries its geometry.
        landmarks: the landmarks to begin with; None means that none is known yet.

    Returns:
        The point list (vtkMRMLMarkupsFiducialNode), with 100 points.
    """
    name = free_name(scene, _("{film} landmarks").format(film=film_node.GetName()))
    node = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", name)
    node.SetAttribute(ROLE, LANDMARKS_ROLE)
    node.SetNodeReferenceID(FILM_REFERENCE, film_node.GetID())
    _take_geometry(node, film_node)
    view = view_of_node(film_node)
    middle = vtk.vtkVector3d(*view.detector_points_ras_mm((np.asarray(view.size_px) - 1) / 2))
    with batch(node):
        for index in range(POINT_COUNT):
            node.AddControlPoint(middle, label_of(index))
            node.SetNthControlPointSelected(index, False)
            node.SetNthControlPointPositionMissing(index)
        node.SetFixedNumberOfControlPoints(True)
    if landmarks is not None:
        write_landmarks_to_node(node, film_node, landmarks)
    return node


def find_landmark_list(film_node):
    """Return the landmark list of a film in its scene, or None."""
    scene = film_node.GetScene()
    for node in slicer.util.getNodesByClass("vtkMRMLMarkupsFiducialNode", scene) if scene else ():
        if is_landmark_list(node) and node.GetNodeReferenceID(FILM_REFERENCE) == film_node.GetID():
            return node
    return None


def _take_geometry(node, film_node) -> None:
    view_name = view_of_node(film_node).name
    node.SetAttribute(GEOMETRY, film_node.GetAttribute(GEOMETRY))
    if node.GetAttribute(VIEW) != view_name:
        node.SetAttribute(VIEW, view_name)
        style_for_views(node, SLICE_NODE_IDS[view_name])


def follow_film(node, film_node) -> bool:
    """Move the points of a list after the geometry of its film has changed, so that they keep their pixels.

    If the film now shows the patient from the other side, what was named left is named right.

    Returns:
        Whether the geometry had changed.
    """
    if node.GetAttribute(GEOMETRY) == film_node.GetAttribute(GEOMETRY):
        return False
    records, before = dict(enumerate(read_records(node))), view_of_list(node)
    with batch(node):
        _take_geometry(node, film_node)
        view = view_of_list(node)
        if _named_otherwise(view, before):
            records = {index: records[index_on_other_side(index)].renamed(index) for index in records}
        place_records(node, records, view)
    return True


def _named_otherwise(view, before) -> bool:
    """Return whether what is left of the patient in one view of a film is right in another.

    On an AP film left and right lie apart; on a lateral film they differ by which is nearer to the source.
    """
    read = left_side if view.name == "AP" else source_side
    return read(view) != read(before)


def landmarks_of_node(node, film_node=None) -> FilmLandmarks:
    """Return the landmarks of a list in pixels of its film.

    Args:
        node: the landmark list.
        film_node: its film; if given, the list first follows a change of the film's geometry.

    Raises:
        LandmarkError: if the node is not a landmark list.
    """
    if film_node is not None:
        view_of_list(node)
        follow_film(node, film_node)
    return FilmLandmarks(item.observation for item in read_records(node) if item.observation is not None)


def write_landmarks_to_node(node, film_node, landmarks: FilmLandmarks, keep_corrected: bool = True) -> None:
    """Replace the landmarks of a list.

    Args:
        node: the landmark list.
        film_node: its film; the list takes its geometry.
        landmarks: the new landmarks. Those that are not marked as corrected are what "reset" goes back to.
        keep_corrected: leave the landmarks that a person has corrected as they are.

    Raises:
        LandmarkError: for landmarks of other levels than L1 to L5.
    """
    given = {index_of(*key): item for key, item in landmarks.items()}
    follow_film(node, film_node)
    records = {}
    for index, old in enumerate(read_records(node)):
        new = given.get(index)
        detected = new if new is not None and not new.corrected else None
        if keep_corrected and old.corrected:
            records[index] = PointRecord(old.observation, detected)
        else:
            records[index] = PointRecord(new, old.detected if new is not None and new.corrected else detected)
    write_records(node, records)


def _change(node, keys: Iterable[tuple[Level, str]], change: Callable[[int, PointRecord], PointRecord]) -> None:
    indices = [index_of(*key) for key in keys]
    write_records(node, {index: change(index, read_record(node, index)) for index in indices})


def set_landmark(node, level: Level, name: str, position_px: tuple[float, float]) -> None:
    """Put one landmark at a pixel, as a person would: it is then certain and counts as corrected."""
    x, y = (float(value) for value in position_px)
    if not np.isfinite([x, y]).all():
        raise LandmarkError(_("A landmark needs a finite pixel, found {x}, {y}.").format(x=x, y=y))
    _change(node, [(level, name)], lambda index, record: record.moved(index, (x, y)))


def unset_landmark(node, level: Level, name: str) -> None:
    """Say that the film does not show a landmark: it then carries no weight."""
    _change(node, [(level, name)], lambda index, record: record.unset())


def reset_landmarks(node, keys: Iterable[tuple[Level, str]] | None = None) -> None:
    """Put landmarks (None: all) back to where they were detected; those never detected are no longer shown."""
    keys = [key_of(index) for index in range(POINT_COUNT)] if keys is None else keys
    _change(node, keys, lambda index, record: record.reset())


def renamed_by(node) -> int:
    """Return how the levels that the network found were renamed for a list: 1 if what it called L1 is L2, and so on."""
    return int(node.GetAttribute(LEVEL_SHIFT) or 0)


def set_renamed_by(node, level_shift: int, *, move: bool = False) -> None:
    """Say how the levels were renamed for a list.

    Args:
        node: the landmark list.
        level_shift: as ``renamed_by`` returns it.
        move: give its landmarks their new names too; what then has none is no longer known.
    """
    by = (level_shift - renamed_by(node)) * len(LANDMARK_NAMES) if move else 0
    node.SetAttribute(LEVEL_SHIFT, str(int(level_shift)))
    if not by:
        return
    before = read_records(node)
    records = {}
    for index in range(POINT_COUNT):
        old = before[index - by] if 0 <= index - by < POINT_COUNT else PointRecord()
        records[index] = old.renamed(index)
    write_records(node, records)


def set_locked(node, locked: bool, keys: Iterable[tuple[Level, str]] | None = None) -> None:
    """Protect landmarks against being moved in a view, or free them: the whole list (keys None) or some of it."""
    if keys is None:
        node.SetLocked(bool(locked))
        return
    with batch(node):
        for key in keys:
            node.SetNthControlPointLocked(index_of(*key), bool(locked))


def observation_of(node, level: Level, name: str) -> LandmarkObservation | None:
    """Return one landmark of a list as it stands, or None if nobody has seen it."""
    return read_record(node, index_of(level, name)).observation
