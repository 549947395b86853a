"""The reconstructed vertebrae as models in 3D: one per level, in the color of the level, saved with the scene."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray, vtk_to_numpy

from ..anatomy import LUMBAR_LEVELS, Level
from ..registration.quality import REFUSE
from ..study.appearance import LEVEL_COLORS
from ..study.quality_text import quality_sentences
from .film_nodes import free_name
from .overlay import FILM_REFERENCE, LEVEL, ROLE, nodes_of_role, remove_leftovers

if TYPE_CHECKING:
    from ..registration import Quality

QUALITY = "LumbarBiplanar.Quality"
VERTEBRA_ROLE = "vertebra"
PREVIEW_ROLE = "vertebra-preview"
_REFUSED_OPACITY = 0.4


class MeshNormals:
    """Normals at the vertices of meshes that share their triangles, fast enough for a running registration."""

    def __init__(self, faces: np.ndarray, count: int) -> None:
        """Sort the corners once.

        Args:
            faces: (F, 3) triangles, outward.
            count: number of vertices V; every vertex belongs to a triangle.
        """
        self.faces = np.asarray(faces, dtype=np.int64)
        corners = self.faces.reshape(-1)
        order = np.argsort(corners, kind="stable")
        self._faces_of_corners = order // 3
        self._vertices, self._first = np.unique(corners[order], return_index=True)
        self.count = count

    def __call__(self, points_mm: np.ndarray) -> np.ndarray:
        """Return (V, 3) float32 unit normals: those of the triangles, weighted with their areas."""
        a, b, c = (points_mm[self.faces[:, k]] for k in range(3))
        triangles = np.cross(b - a, c - a)
        normals = np.zeros((self.count, 3), dtype=np.float32)
        normals[self._vertices] = np.add.reduceat(triangles[self._faces_of_corners], self._first, axis=0)
        length = np.linalg.norm(normals, axis=1, keepdims=True)
        return normals / np.maximum(length, 1e-12)


class Vertebrae:
    """Models of the vertebrae of a case.

    Models of the same films that a loaded scene brings along are taken over, not doubled.

    Example::

        vertebrae = Vertebrae(slicer.mrmlScene, reconstruction.faces, ap_node)
        vertebrae.update(reconstruction.points_ras_mm)
    """

    def __init__(self, scene, faces: np.ndarray, film_node=None, *, preview: bool = False) -> None:
        """Prepare; the models are added with the first update.

        Args:
            scene: the MRML scene.
            faces: (F, 3) triangles of every vertebra, outward.
            film_node: film of the case, by which the models are found again.
            preview: models of a running registration; hidden from the lists of the application and never saved.
        """
        self._scene = scene
        self._film_node = film_node
        self._preview = preview
        self._faces = np.asarray(faces, dtype=np.int64)
        self._normals: MeshNormals | None = None
        self._hidden: dict[str, bool] = {}
        self._meshes: dict[Level, vtk.vtkPolyData] = {}
        self.nodes: dict[Level, slicer.vtkMRMLModelNode] = {}
        if preview:
            remove_leftovers(scene, PREVIEW_ROLE, {film_node})
        else:
            self.nodes = find(scene, film_node)

    def update(self, points_ras_mm: Mapping[Level, np.ndarray]) -> None:
        """Move the models to these surfaces; models of other levels are removed.

        What the user has changed about a model, its name, color or visibility, stays.

        Args:
            points_ras_mm: {level: (V, 3)} vertices, RAS mm.
        """
        self._forget_deleted()
        for level, points in points_ras_mm.items():
            values = np.ascontiguousarray(points, dtype=np.float32)
            if self._normals is None or self._normals.count != len(values):
                self._normals = MeshNormals(self._faces, len(values))
            self._move(level, values)
        for level in [level for level in self.nodes if level not in points_ras_mm]:
            self._remove_node(level)

    def mark(self, quality: Mapping[Level, Quality]) -> None:
        """Write the quality of each level onto its model; a level that is refused becomes half transparent.

        Args:
            quality: how far each level can be trusted; levels that are absent lose their mark.
        """
        self._forget_deleted()
        for level, node in self.nodes.items():
            before, flag = node.GetAttribute(QUALITY) or "", quality[level].flag if level in quality else ""
            node.SetAttribute(QUALITY, flag or None)
            node.SetDescription("\n".join(quality_sentences({level: quality[level]})) if flag else "")
            display = node.GetDisplayNode()
            # What the user has set meanwhile stays, unless the flag has changed.
            if display is not None and (before == REFUSE) != (flag == REFUSE):
                display.SetOpacity(_REFUSED_OPACITY if flag == REFUSE else 1.0)

    def hide(self) -> None:
        """Hide all models, until ``unhide`` brings back those that were visible."""
        self._forget_deleted()
        for node in self.nodes.values():
            display = node.GetDisplayNode()
            if display is not None and node.GetID() not in self._hidden:
                self._hidden[node.GetID()] = bool(display.GetVisibility())
                display.SetVisibility(False)

    def unhide(self) -> None:
        """Show the models again that ``hide`` has hidden."""
        for node_id, visible in self._hidden.items():
            node = self._scene.GetNodeByID(node_id)
            if node is not None and node.GetDisplayNode() is not None:
                node.GetDisplayNode().SetVisibility(visible)
        self._hidden.clear()

    def remove(self) -> None:
        """Take the models out of the scene; a later update brings them back."""
        self._forget_deleted()
        self._hidden.clear()
        for level in list(self.nodes):
            self._remove_node(level)

    def _forget_deleted(self) -> None:
        for level in [level for level, node in self.nodes.items() if not self._scene.IsNodePresent(node)]:
            del self.nodes[level]
            self._meshes.pop(level, None)

    def _remove_node(self, level: Level) -> None:
        node = self.nodes.pop(level)
        self._meshes.pop(level, None)
        for index in reversed(range(node.GetNumberOfDisplayNodes())):
            self._scene.RemoveNode(node.GetNthDisplayNode(index))
        self._scene.RemoveNode(node)

    def _move(self, level: Level, values: np.ndarray) -> None:
        mesh = self._meshes.get(level)
        if mesh is None or mesh.GetNumberOfPoints() != len(values):
            mesh = self._meshes[level] = _mesh(self._faces, len(values))
        # Written in place, and told once: every event is passed on to all views.
        for array, new in (
            (mesh.GetPoints().GetData(), values),
            (mesh.GetPointData().GetNormals(), self._normals(values)),
        ):
            vtk_to_numpy(array)[:] = new
            array.Modified()
        mesh.GetPoints().Modified()
        mesh.Modified()
        if level not in self.nodes:
            self.nodes[level] = self._add_node(level)
        if self.nodes[level].GetPolyData() is not mesh:
            self.nodes[level].SetAndObservePolyData(mesh)

    def _free_name(self, level: Level) -> str:
        if self._preview:
            return _("{level}, registration running").format(level=level.name)
        return free_name(self._scene, level.name)

    def _add_node(self, level: Level):
        node = slicer.vtkMRMLModelNode()
        node.SetName(self._free_name(level))
        node.SetAttribute(ROLE, PREVIEW_ROLE if self._preview else VERTEBRA_ROLE)
        node.SetAttribute(LEVEL, level.name)
        node.SetSaveWithScene(not self._preview)
        node.SetHideFromEditors(self._preview)
        node.SetSelectable(not self._preview)
        node = self._scene.AddNode(node)
        if self._film_node is not None:
            node.SetNodeReferenceID(FILM_REFERENCE, self._film_node.GetID())
        display = self._scene.AddNode(_display_node(level, self._preview))
        node.SetAndObserveDisplayNodeID(display.GetID())
        return node


def find(scene, film_node=None) -> dict[Level, slicer.vtkMRMLModelNode]:
    """Return the vertebra models of a scene, cranial first.

    Args:
        scene: the MRML scene.
        film_node: film of the case; None takes the models of any.
    """
    found = {}
    for node in nodes_of_role(scene, "vtkMRMLModelNode", VERTEBRA_ROLE):
        level = Level.__members__.get(node.GetAttribute(LEVEL) or "")
        belongs = film_node is None or node.GetNodeReferenceID(FILM_REFERENCE) == film_node.GetID()
        if level is not None and belongs:
            found.setdefault(level, node)
    return {level: found[level] for level in LUMBAR_LEVELS if level in found}


def _mesh(faces: np.ndarray, count: int) -> vtk.vtkPolyData:
    """Return triangles over ``count`` points with normals, all of them zero as yet."""
    cells = vtk.vtkCellArray()
    cells.SetData(3, numpy_to_vtkIdTypeArray(np.ascontiguousarray(faces.reshape(-1)), deep=True))
    points = vtk.vtkPoints()
    points.SetData(numpy_to_vtk(np.zeros((count, 3), dtype=np.float32), deep=True))
    normals = numpy_to_vtk(np.zeros((count, 3), dtype=np.float32), deep=True)
    normals.SetName("Normals")
    mesh = vtk.vtkPolyData()
    mesh.SetPoints(points)
    mesh.SetPolys(cells)
    mesh.GetPointData().SetNormals(normals)
    return mesh


def _display_node(level: Level, preview: bool):
    display = slicer.vtkMRMLModelDisplayNode()
    display.SetSaveWithScene(not preview)
    display.SetColor(*LEVEL_COLORS[level])
    display.SetAmbient(0.15)
    display.SetDiffuse(0.85)
    display.SetSpecular(0.15)
    display.SetPower(20)
    # The films are drawn as slices at the detector, where a cut through a vertebra would be none.
    display.SetVisibility2D(False)
    return display
