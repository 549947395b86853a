"""Markups that show in the 3D view where a measurement was taken: lines, points and endplate planes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import slicer
from slicer.i18n import tr as _

from ..anatomy import Level
from ..measurement import MeasuredGeometry, Measurement, Plane, value_text
from ..study.appearance import LEVEL_COLORS
from .film_nodes import ROLE

LEVEL_ATTRIBUTE = "LumbarBiplanar.Level"
MARKUP_ROLE = "measurement-markup"
UNITS = {"deg": "°", "mm": " mm", "%": " %", "grade": ""}
_LINE_MM = 1.6
_POINT_MM = 3.5
_LIGHTER = 0.55  # than the vertebra of that level, on which they lie


def show_measurement(scene: slicer.vtkMRMLScene, measurement: Measurement) -> list[slicer.vtkMRMLMarkupsNode]:
    """Show where a measurement was taken, in place of the one shown before.

    Planes become plane markups as large as the endplate, lines line markups, and points that belong to no line
    fiducials. They are locked, seen in 3D views only, not saved with the scene, and colored by level; the first one
    carries the value as its label.

    Args:
        scene: the scene.
        measurement: its geometry is in RAS mm.

    Returns:
        The new nodes, lines first; none if the measurement has no geometry.
    """
    clear(scene)
    nodes = _nodes(scene, measurement.geometry, measurement.levels)
    for number, node in enumerate(nodes):
        node.SetName(label_text(measurement) if number == 0 else measurement.title)
        node.GetDisplayNode().SetPropertiesLabelVisibility(number == 0)
        node.GetDisplayNode().SetVisibility(True)
    return nodes


def clear(scene: slicer.vtkMRMLScene) -> None:
    """Remove the markups of the measurement that is shown, if any."""
    for node in shown(scene):
        displays = [node.GetNthDisplayNode(number) for number in range(node.GetNumberOfDisplayNodes())]
        scene.RemoveNode(node)
        for display in displays:
            if display is not None and scene.IsNodePresent(display):
                scene.RemoveNode(display)


def shown(scene: slicer.vtkMRMLScene) -> list[slicer.vtkMRMLMarkupsNode]:
    """Return the markups that show a measurement."""
    count = scene.GetNumberOfNodesByClass("vtkMRMLMarkupsNode")
    nodes = [scene.GetNthNodeByClass(number, "vtkMRMLMarkupsNode") for number in range(count)]
    return [node for node in nodes if node.GetAttribute(ROLE) == MARKUP_ROLE]


def label_text(measurement: Measurement) -> str:
    """Return what the view says of a measurement, short enough for a narrow view: "L4-L5: 3.2 mm"."""
    value = value_text(measurement) + UNITS.get(measurement.unit, f" {measurement.unit}")
    return _("{level}: {value}").format(level=measurement.level, value=value)


def center_of(geometry: MeasuredGeometry) -> np.ndarray | None:
    """Return the (3,) middle, RAS mm, of what a measurement was taken from, or None if it has no geometry."""
    points = [np.asarray(point) for point in geometry.points_ras_mm.values()]
    points += [plane.origin_ras_mm for plane in geometry.planes.values()]
    return (np.min(points, axis=0) + np.max(points, axis=0)) / 2 if points else None


def center_view(scene: slicer.vtkMRMLScene, view_node: slicer.vtkMRMLViewNode, point_ras_mm: Sequence[float]) -> bool:
    """Shift the camera of a 3D view so that it looks at a point; direction and distance stay.

    Args:
        scene: the scene.
        view_node: the 3D view.
        point_ras_mm: (3,) RAS mm.

    Returns:
        Whether the view has a camera.
    """
    count = scene.GetNumberOfNodesByClass("vtkMRMLCameraNode")
    for number in range(count):
        camera = scene.GetNthNodeByClass(number, "vtkMRMLCameraNode")
        if camera.GetLayoutName() == view_node.GetLayoutName():
            point = np.asarray(point_ras_mm, dtype=np.float64)
            shift = point - np.array(camera.GetFocalPoint())
            modifying = camera.StartModify()
            camera.SetPosition(*(np.array(camera.GetPosition()) + shift))
            camera.SetFocalPoint(*point)
            camera.EndModify(modifying)
            camera.ResetClippingRange()
            return True
    return False


def _nodes(
    scene: slicer.vtkMRMLScene, geometry: MeasuredGeometry, levels: tuple[Level, ...]
) -> list[slicer.vtkMRMLMarkupsNode]:
    points = geometry.points_ras_mm
    nodes = [_line(scene, points[a], points[b], _level_of(a, levels)) for a, b in geometry.lines]
    nodes += [_plane(scene, plane, _level_of(name, levels)) for name, plane in geometry.planes.items()]
    joined = {name for pair in geometry.lines for name in pair}
    single = [point for name, point in points.items() if name not in joined]
    if single:
        nodes.append(_points(scene, single, levels[0]))
    return nodes


def _level_of(name: str, levels: tuple[Level, ...]) -> Level:
    """Return the level that the name of a point or plane is about: "L4 superior endplate", "lower anterior"."""
    for level in Level:
        if name.startswith(f"{level.name} "):
            return level
    return levels[-1] if "lower" in name.split() else levels[0]


def _line(scene: slicer.vtkMRMLScene, start: np.ndarray, end: np.ndarray, level: Level) -> slicer.vtkMRMLMarkupsNode:
    node = _new(scene, slicer.vtkMRMLMarkupsLineNode(), level)
    for point in (start, end):
        node.AddControlPointWorld([float(value) for value in point], "")
    # Its own length is not the value: a slip or a disc height is a component of it.
    for number in range(node.GetNumberOfMeasurements()):
        node.GetNthMeasurement(number).SetEnabled(False)
    return _finished(node)


def _plane(scene: slicer.vtkMRMLScene, plane: Plane, level: Level) -> slicer.vtkMRMLMarkupsNode:
    node = _new(scene, slicer.vtkMRMLMarkupsPlaneNode(), level)
    edges = _default_edges(plane) if plane.edges_mm is None else plane.edges_mm
    sizes = np.linalg.norm(edges, axis=1)
    x, y = edges / sizes[:, None]
    node.SetPlaneType(node.PlaneTypePointNormal)
    node.SetSizeMode(node.SizeModeAbsolute)
    node.SetAxesWorld(x.tolist(), y.tolist(), np.cross(x, y).tolist())
    node.SetOriginWorld(plane.origin_ras_mm.tolist())
    node.SetSizeWorld(float(sizes[0]), float(sizes[1]))
    for number in range(node.GetNumberOfMeasurements()):
        node.GetNthMeasurement(number).SetEnabled(False)
    display = node.GetDisplayNode()
    display.SetNormalVisibility(False)
    display.SetFillOpacity(0.4)
    display.SetAmbient(0.8)  # its color from either side, wherever the light comes from
    display.SetDiffuse(0.2)
    display.SetOutlineOpacity(1.0)
    display.SetLineDiameter(_LINE_MM / 2)
    display.SetGlyphSize(_LINE_MM / 2)  # the origin, which is no measured point
    return _finished(node)


def _default_edges(plane: Plane, side_mm: float = 45.0) -> np.ndarray:
    helper = np.eye(3)[np.argmin(np.abs(plane.normal))]
    first = np.cross(plane.normal, helper)
    first /= np.linalg.norm(first)
    return side_mm * np.stack([first, np.cross(plane.normal, first)])


def _points(scene: slicer.vtkMRMLScene, points: Sequence[np.ndarray], level: Level) -> slicer.vtkMRMLMarkupsNode:
    node = _new(scene, slicer.vtkMRMLMarkupsFiducialNode(), level)
    for point in points:
        node.AddControlPointWorld([float(value) for value in point], "")
    return _finished(node)


def _new(scene: slicer.vtkMRMLScene, node: slicer.vtkMRMLMarkupsNode, level: Level) -> slicer.vtkMRMLMarkupsNode:
    node.SetAttribute(ROLE, MARKUP_ROLE)
    node.SetAttribute(LEVEL_ATTRIBUTE, level.name)
    node.SetSaveWithScene(False)
    node.SetHideFromEditors(True)
    node.UndoEnabledOff()
    scene.AddNode(node)
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetSaveWithScene(False)
    display.SetVisibility(False)
    display.SetVisibility2D(False)
    for set_color in (display.SetColor, display.SetSelectedColor, display.SetActiveColor):
        set_color(*(1.0 - _LIGHTER * (1.0 - channel) for channel in LEVEL_COLORS[level]))
    display.SetHandlesInteractive(False)
    display.SetPointLabelsVisibility(False)
    display.SetOccludedVisibility(True)
    display.SetOccludedOpacity(0.5)
    display.SetUseGlyphScale(False)
    display.SetGlyphSize(_POINT_MM)
    display.SetCurveLineSizeMode(display.UseLineDiameter)
    display.SetLineDiameter(_LINE_MM)
    display.SetTextScale(4.0)
    return node


def _finished(node: slicer.vtkMRMLMarkupsNode) -> slicer.vtkMRMLMarkupsNode:
    node.SetLocked(True)
    return node
