"""Lines drawn on a film, in its pixels: one model node of one color, there while it has something to show."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import numpy_to_vtk

from .film_nodes import ROLE, VIEW, view_of_node
from .overlay import SLICE_NODE_IDS


class FilmLines:
    """Polylines on one film, seen in that film's slice view only; never saved with the scene.

    Example::

        lines = FilmLines(ap_node, "epipolar-line", "Epipolar line")
        lines.draw([np.array([[10.0, 20.0], [200.0, 30.0]])], (1.0, 0.8, 0.2))
        lines.remove()
    """

    def __init__(self, film_node, role: str, name: str, width: int = 1) -> None:
        """Prepare; the node is added with the first lines.

        Args:
            film_node: the film.
            role: what "LumbarBiplanar.Role" of the node says.
            name: name of the node.
            width: width of the lines on the screen, pixels.
        """
        self._film = film_node
        self._role, self._name, self._width = role, name, width
        self._points, self._polydata = vtk.vtkPoints(), vtk.vtkPolyData()
        self._polydata.SetPoints(self._points)
        self._counts: tuple[int, ...] = ()
        self.node = None

    def draw(self, lines_px: Sequence[np.ndarray], color: tuple[float, float, float]) -> None:
        """Replace the lines.

        Args:
            lines_px: polylines (n, 2) in pixels of the film (column, row).
            color: red, green and blue, 0 to 1.
        """
        scene = self._film.GetScene()
        if scene is None or not lines_px:
            self.hide()
            return
        pixels = np.concatenate([np.asarray(line, dtype=np.float64) for line in lines_px])
        points = view_of_node(self._film).detector_points_ras_mm(pixels)
        self._points.SetData(numpy_to_vtk(points.astype(np.float32), deep=True))
        self._set_cells(tuple(len(line) for line in lines_px))
        self._points.Modified()
        self._polydata.Modified()
        if self.node is None or self.node.GetScene() is None or self.node.GetDisplayNode() is None:
            self.remove()
            self._add(scene)
        self.node.GetDisplayNode().SetColor(*color)
        self.node.GetDisplayNode().SetVisibility(True)

    def hide(self) -> None:
        """Show nothing, until lines are drawn again."""
        if self.visible:
            self.node.GetDisplayNode().SetVisibility(False)

    @property
    def visible(self) -> bool:
        """Whether lines are shown."""
        return self.node is not None and self.node.GetScene() is not None and bool(self.node.GetDisplayVisibility())

    def remove(self) -> None:
        """Take the node out of the scene; lines drawn later bring it back."""
        node, self.node = self.node, None
        scene = None if node is None else node.GetScene()
        if scene is None:
            return
        display = node.GetDisplayNode()
        scene.RemoveNode(node)
        if display is not None and display.GetScene() is not None:
            scene.RemoveNode(display)

    def _set_cells(self, counts: tuple[int, ...]) -> None:
        if counts == self._counts:
            return
        self._counts = counts
        cells, first = vtk.vtkCellArray(), 0
        for count in counts:
            cells.InsertNextCell(count)
            for index in range(first, first + count):
                cells.InsertCellPoint(index)
            first += count
        self._polydata.SetLines(cells)

    def _add(self, scene) -> None:
        view_name = self._film.GetAttribute(VIEW)
        node, display = slicer.vtkMRMLModelNode(), slicer.vtkMRMLModelDisplayNode()
        node.SetName(self._name)
        node.SetAttribute(ROLE, self._role)
        node.SetAttribute(VIEW, view_name)
        node.SetHideFromEditors(True)
        node.SetSelectable(False)
        display.SetVisibility2D(True)
        display.SetSliceDisplayModeToProjection()
        display.SetSliceIntersectionThickness(self._width)
        display.SetLighting(False)
        display.AddViewNodeID(SLICE_NODE_IDS[view_name])
        for item in (node, display):
            item.SetSaveWithScene(False)
        node.SetAndObservePolyData(self._polydata)
        self.node = scene.AddNode(node)
        self.node.SetAndObserveDisplayNodeID(scene.AddNode(display).GetID())
