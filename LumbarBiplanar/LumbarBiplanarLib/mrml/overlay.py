"""Outlines of the vertebrae on the films, redrawn while the registration runs.

One polyline model per film and level lies in the plane of its film and is drawn as a projection on that film's slice
view and in 3D. Slicer's own projection of a surface on a slice is parallel, wrong for a cone beam, so the outlines come
from the registration, in pixels.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

from ..anatomy import Level
from ..study.appearance import LEVEL_COLORS

ROLE = "LumbarBiplanar.Role"
VIEW = "LumbarBiplanar.View"
LEVEL = "LumbarBiplanar.Level"
FILM_REFERENCE = "LumbarBiplanar.Film"
SILHOUETTE_ROLE = "silhouette"
SLICE_NODE_IDS = {"AP": "vtkMRMLSliceNodeLumbarAP", "lateral": "vtkMRMLSliceNodeLumbarLateral"}
THREED_NODE_ID = "vtkMRMLViewNode1"
# In 3D a line exactly in the film would flicker with it.
_TOWARD_SOURCE_MM = 0.5
_LINE_WIDTH = 2


class Outline:
    """A closed polyline of one vertebra on one film; its vtkPolyData is kept and only its points are replaced."""

    def __init__(self, scene, film_node, view_name: str, level: Level) -> None:
        """Add the model node, hidden, to the scene of ``film_node``."""
        self._points = vtk.vtkPoints()
        self._polydata = vtk.vtkPolyData()
        self._polydata.SetPoints(self._points)
        self._values = np.zeros((0, 3), dtype=np.float32)
        self.node = scene.AddNode(_model_node(view_name, level))
        self.node.SetNodeReferenceID(FILM_REFERENCE, film_node.GetID())
        self.node.SetAndObserveDisplayNodeID(scene.AddNode(_display_node(view_name, level)).GetID())
        self.node.SetAndObservePolyData(self._polydata)

    def move(self, points_ras_mm: np.ndarray) -> None:
        """Replace the points (n, 3), RAS mm; while n stays the same, the topology does too."""
        if len(points_ras_mm) != len(self._values):
            self._make_line(len(points_ras_mm))
        self._values[:] = points_ras_mm
        self._points.GetData().Modified()
        self._points.Modified()
        self._polydata.Modified()

    def _make_line(self, count: int) -> None:
        data = numpy_to_vtk(np.zeros((count, 3), dtype=np.float32), deep=True)
        self._values = vtk_to_numpy(data)
        self._points.SetData(data)
        cells = vtk.vtkCellArray()
        cells.InsertNextCell(count + 1)
        for index in range(count + 1):
            cells.InsertCellPoint(index % count)
        self._polydata.SetLines(cells)

    def show(self, visible: bool) -> None:
        """Show or hide it in all its views."""
        display = self.node.GetDisplayNode()
        if display is not None:
            display.SetVisibility(bool(visible))


class Silhouettes:
    """The outlines of all vertebrae on all films of a case.

    Nodes that the user has deleted are made again at the next update; a film that is gone is left out.

    Example::

        silhouettes = Silhouettes(slicer.mrmlScene, {"AP": ap_node, "lateral": lateral_node})
        for state in register(model, evidence):
            silhouettes.update(state.silhouettes_px)
        silhouettes.remove()
    """

    def __init__(self, scene, film_nodes: Mapping[str, slicer.vtkMRMLScalarVolumeNode]) -> None:
        """Prepare; the outlines are added with the first update.

        Args:
            scene: the MRML scene.
            film_nodes: per view name ("AP", "lateral") the film that its outlines lie on.
        """
        self._scene = scene
        self._films = {name: node for name, node in film_nodes.items() if node is not None}
        self._outlines: dict[tuple[str, Level], Outline] = {}
        self._visible = True
        self._shown: set[tuple[str, Level]] = set()
        remove_leftovers(scene, SILHOUETTE_ROLE, set(self._films.values()))

    @property
    def nodes(self) -> dict[tuple[str, Level], slicer.vtkMRMLModelNode]:
        """The model nodes that are in the scene, by view name and level."""
        return {key: item.node for key, item in self._outlines.items() if self._scene.IsNodePresent(item.node)}

    def update(self, silhouettes_px: Mapping[str, Mapping[Level, np.ndarray]]) -> None:
        """Move the outlines.

        Args:
            silhouettes_px: {view name: {level: (n, 2)}} closed outlines in pixels of the film (column, row). Levels
                and views that are not in it are hidden.
        """
        shown = set()
        for view_name, outlines in silhouettes_px.items():
            film = self._films.get(view_name)
            if film is None or not self._scene.IsNodePresent(film):
                continue
            ras_from_pixel = _ras_from_pixel(film)
            for level, pixels in outlines.items():
                self._outline(film, view_name, level).move(_film_points_ras_mm(ras_from_pixel, pixels))
                shown.add((view_name, level))
        if shown != self._shown:
            self._shown = shown
            self._apply_visibility()

    def set_visible(self, visible: bool) -> None:
        """Show or hide the outlines; hidden ones are still moved."""
        if visible != self._visible:
            self._visible = bool(visible)
            self._apply_visibility()

    def remove(self) -> None:
        """Take the outlines out of the scene; a later update brings them back."""
        for node in self.nodes.values():
            _remove_with_display(self._scene, node)
        self._outlines.clear()
        self._shown = set()

    def _outline(self, film, view_name: str, level: Level) -> Outline:
        found = self._outlines.get((view_name, level))
        if found is None or not self._scene.IsNodePresent(found.node):
            remove_leftovers(self._scene, SILHOUETTE_ROLE, {film}, level)  # another logic's, such as the console's
            found = Outline(self._scene, film, view_name, level)
            found.show(False)
            self._outlines[view_name, level] = found
            self._shown.discard((view_name, level))
        return found

    def _apply_visibility(self) -> None:
        for key, outline in self._outlines.items():
            outline.show(self._visible and key in self._shown)


def _model_node(view_name: str, level: Level):
    node = slicer.vtkMRMLModelNode()
    node.SetName(_("{level} outline, {view} film").format(level=level.name, view=view_name))
    node.SetAttribute(ROLE, SILHOUETTE_ROLE)
    node.SetAttribute(VIEW, view_name)
    node.SetAttribute(LEVEL, level.name)
    node.SetSaveWithScene(False)
    node.SetHideFromEditors(True)
    node.SetSelectable(False)
    return node


def _display_node(view_name: str, level: Level):
    display = slicer.vtkMRMLModelDisplayNode()
    display.SetSaveWithScene(False)
    display.SetColor(*LEVEL_COLORS[level])
    # Neither light nor shade: the colour is that of the level, from wherever it is seen.
    display.SetLighting(False)
    display.SetLineWidth(_LINE_WIDTH)
    display.SetVisibility(False)
    display.SetVisibility2D(True)
    display.SetSliceDisplayModeToProjection()
    display.SetSliceIntersectionThickness(_LINE_WIDTH)
    display.AddViewNodeID(SLICE_NODE_IDS[view_name])
    display.AddViewNodeID(THREED_NODE_ID)
    return display


def _ras_from_pixel(film_node) -> np.ndarray:
    """Return the (4, 4) matrix from (column, row, 0, 1) to RAS mm, a little in front of the film."""
    matrix = vtk.vtkMatrix4x4()
    film_node.GetIJKToRASMatrix(matrix)
    values = np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])
    beam = np.cross(values[:3, 0], values[:3, 1])
    values[:3, 3] -= _TOWARD_SOURCE_MM * beam / np.linalg.norm(beam)
    return values


def _film_points_ras_mm(ras_from_pixel: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    return np.asarray(pixels) @ ras_from_pixel[:3, :2].T + ras_from_pixel[:3, 3]


def remove_leftovers(scene, role: str, films: set, level: Level | None = None) -> None:
    """Remove models of a role that another object has left in the scene.

    Args:
        scene: the MRML scene.
        role: of models that are never saved.
        films: the film nodes whose models go, besides those of films that are gone.
        level: the vertebra whose models go; None means all.
    """
    for node in nodes_of_role(scene, "vtkMRMLModelNode", role):
        film = node.GetNodeReference(FILM_REFERENCE)
        if (film is None or film in films) and (level is None or node.GetAttribute(LEVEL) == level.name):
            _remove_with_display(scene, node)


def nodes_of_role(scene, class_name: str, role: str) -> list:
    """Return the nodes of a class whose attribute says that they have a role, in the order of the scene."""
    found = [scene.GetNthNodeByClass(index, class_name) for index in range(scene.GetNumberOfNodesByClass(class_name))]
    return [node for node in found if node.GetAttribute(ROLE) == role]


def _remove_with_display(scene, node) -> None:
    display = node.GetDisplayNode()
    scene.RemoveNode(node)
    if display is not None and scene.IsNodePresent(display):
        scene.RemoveNode(display)
