"""A film in a slice view: always its own pixels, upright and unmirrored, and always on its own plane."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import slicer
import vtk

from ..geometry import View
from .film_nodes import ROLE, VIEW, is_film, view_of_node

# Farther than this from the film a slice view shows black.
_PLANE_TOLERANCE_MM = 0.01
# Share of a film's width and height that the 3D view shows at first: the spine is in the middle, and the subject.
_SHOWN_IN_3D = 0.7
_FILM_ROLES = ("film", "lumbar-image")


def show_film(
    slice_logic: Any, film_node: Any, lumbar_node: Any = None, opacity: float = 0.4, *, fit: bool = True
) -> None:
    """Show a film, and over it its lumbar-only image, in one slice view; other views stay as they are.

    Args:
        slice_logic: logic of the slice view.
        film_node: film, or None to empty the view.
        lumbar_node: lumbar-only image to lay over the film, or None.
        opacity: of the lumbar-only image, 0 to 1.
        fit: show the whole film; False keeps zoom and position if the view shows this film already.
    """
    composite, slice_node = slice_logic.GetSliceCompositeNode(), slice_logic.GetSliceNode()
    same = film_node is not None and composite.GetBackgroundVolumeID() == film_node.GetID()
    composite.SetBackgroundVolumeID(film_node.GetID() if film_node is not None else None)
    composite.SetForegroundVolumeID(lumbar_node.GetID() if lumbar_node is not None and film_node is not None else None)
    composite.SetForegroundOpacity(float(opacity))
    if film_node is None:
        return
    turned = place_on_film(slice_node, film_node)
    if fit or turned or not same:
        slice_logic.FitSliceToBackground()
        place_on_film(slice_node, film_node)


def place_on_film(slice_node: Any, film_node: Any) -> bool:
    """Turn a slice view to a film: columns to the right, rows downwards, on the film's plane.

    The center of the view stays where it is within the plane.

    Returns:
        Whether the view had been turned otherwise.
    """
    wanted = _slice_axes(film_node)
    matrix = slice_node.GetSliceToRAS()
    present = slicer.util.arrayFromVTKMatrix(matrix)
    turned = not np.allclose(present[:3, :3], wanted[:3, :3], atol=1e-6)
    center = wanted[:3, 3] if turned else _on_plane(present[:3, 3], wanted)
    if turned or not np.allclose(present[:3, 3], center, atol=1e-9):
        wanted[:3, 3] = center
        matrix.DeepCopy(wanted.ravel())
        slice_node.UpdateMatrices()
    return turned


def is_on_film(slice_node: Any, film_node: Any) -> bool:
    """Tell whether a slice view lies on a film's plane, so that it shows the film and not black."""
    present, axes = slicer.util.arrayFromVTKMatrix(slice_node.GetSliceToRAS()), _slice_axes(film_node)
    tilted = np.linalg.norm(np.cross(present[:3, 2], axes[:3, 2])) > 1e-6
    return not tilted and bool(abs(axes[:3, 2] @ (present[:3, 3] - axes[:3, 3])) <= _PLANE_TOLERANCE_MM)


def look_at_films(view_node: Any, views: Sequence[View], aspect: float = 1.0) -> bool:
    """Turn a 3D view to the patient with the films behind: from between the sources, a little from above.

    Args:
        view_node: node of the 3D view.
        views: views of the films, one or two.
        aspect: width of the 3D view through its height.

    Returns:
        Whether the view has a camera.
    """
    edges = _SHOWN_IN_3D * np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]]) + 0.5
    corners = np.concatenate([view.detector_points_ras_mm(edges * np.array(view.size_px) - 0.5) for view in views])
    towards = np.sum([view.beam_ras for view in views], axis=0)
    if np.linalg.norm(towards) < 0.1:  # beams against each other
        towards = views[0].beam_ras
    towards = towards / np.linalg.norm(towards) + (0.0, 0.0, -0.25)
    towards /= np.linalg.norm(towards)
    center = corners.mean(axis=0)
    count = view_node.GetScene().GetNumberOfNodesByClass("vtkMRMLCameraNode")
    for number in range(count):
        camera = view_node.GetScene().GetNthNodeByClass(number, "vtkMRMLCameraNode")
        if camera.GetLayoutName() == view_node.GetLayoutName():
            half_height = np.tan(np.deg2rad(camera.GetViewAngle() / 2.0))
            distance = _distance_to_see(corners - center, towards, half_height * aspect, half_height)
            modified = camera.StartModify()
            camera.SetPosition(*(center - distance * towards))
            camera.SetFocalPoint(*center)
            camera.SetViewUp(0.0, 0.0, 1.0)
            camera.ResetClippingRange()
            camera.EndModify(modified)
            return True
    return False


def _distance_to_see(points: np.ndarray, towards: np.ndarray, half_width: float, half_height: float) -> float:
    """Return how far from the origin a camera must be to see points (n, 3), with tangents of half its angles."""
    right = np.cross(towards, (0.0, 0.0, 1.0))
    right /= np.linalg.norm(right)
    up = np.cross(right, towards)
    needed = np.maximum(np.abs(points @ right) / half_width, np.abs(points @ up) / half_height) - points @ towards
    return 1.05 * float(needed.max())


def _slice_axes(film_node: Any) -> np.ndarray:
    """Return the right-handed (4, 4) slice-to-RAS matrix of a film: right, up, towards who looks at it, its center."""
    view = view_of_node(film_node)
    rotation = view.camera_from_ras[:3, :3]
    axes = np.eye(4)
    axes[:3, 0], axes[:3, 1], axes[:3, 2] = rotation[0], -rotation[1], np.cross(rotation[0], -rotation[1])
    axes[:3, 3] = view.detector_points_ras_mm((np.asarray(view.size_px) - 1.0) / 2.0)
    return axes


def _on_plane(point: np.ndarray, axes: np.ndarray) -> np.ndarray:
    normal = axes[:3, 2]
    return point - normal * float(normal @ (point - axes[:3, 3]))


class FilmKeeper:
    """Keeps a slice view on its film.

    Puts the view back on the film's plane when the offset slider or a jump leaves it (the film would turn black), and
    takes out the film of the other view, which Slicer puts there by itself when a film is removed. Another volume that
    the user chooses for the view is left alone. A film that was shown whole is shown whole again when the view gets
    another size; zoom and position that the user chose stay.
    """

    def __init__(
        self, slice_logic: Any, view_name: str, film: Callable[[], Any], later: Callable[[Callable[[], None]], None]
    ) -> None:
        """Start to watch.

        Args:
            slice_logic: logic of the slice view.
            view_name: "AP" or "lateral".
            film: returns the film node that the view is to show, or None.
            later: calls a function soon, once the present event is over: a slice node ignores changes of its plane
                while it reports one.
        """
        self._logic, self._view_name, self._film, self._later = slice_logic, view_name, film, later
        self._waiting = False
        self._fitted: tuple | None = None  # place and size of the view when the film was shown whole
        watched = (slice_logic.GetSliceNode(), slice_logic.GetSliceCompositeNode())
        self._tags = [(node, node.AddObserver(vtk.vtkCommand.ModifiedEvent, self._on_modified)) for node in watched]

    def stop(self) -> None:
        """Stop watching; a second call does nothing."""
        for node, tag in self._tags:
            node.RemoveObserver(tag)
        self._tags = []

    def fit(self) -> None:
        """Show the whole film."""
        film, self._fitted = self._film(), None
        if is_film(film) and self._logic.GetSliceCompositeNode().GetBackgroundVolumeID() == film.GetID():
            self._logic.FitSliceToBackground()
            place_on_film(self._logic.GetSliceNode(), film)
            self._fitted = self._frame()

    def correct(self) -> None:
        """Put the view back on its film now, if it has left it."""
        composite, slice_node = self._logic.GetSliceCompositeNode(), self._logic.GetSliceNode()
        scene = composite.GetScene() if composite is not None and slice_node is not None else None
        if scene is None or scene.IsBatchProcessing():
            return
        if self._holds_other_film(scene, composite.GetBackgroundVolumeID()):
            film = self._film()
            composite.SetBackgroundVolumeID(film.GetID() if film is not None else None)
        if self._holds_other_film(scene, composite.GetForegroundVolumeID()):
            composite.SetForegroundVolumeID(None)
        shown = scene.GetNodeByID(composite.GetBackgroundVolumeID() or "")
        if is_film(shown) and not is_on_film(slice_node, shown):
            place_on_film(slice_node, shown)

    def _on_modified(self, *_args: Any) -> None:
        if not self._waiting and (self._needs_correction() or self._was_resized()):
            self._waiting = True
            self._later(self._correct_later)

    def _correct_later(self) -> None:
        if self._tags:
            self.correct()
            if self._fitted is not None and self._fitted != self._frame():
                self.fit()
        self._waiting = False  # only now: what the correction itself changes calls for no other one

    def _was_resized(self) -> bool:
        """Tell whether the view got another size; one that the user zoomed or moved is not fitted any more."""
        if self._fitted is None or self._fitted == (frame := self._frame()):
            return False
        if self._fitted[0] == frame[0]:
            self._fitted = None
            return False
        return True

    def _frame(self) -> tuple:
        node = self._logic.GetSliceNode()
        center = tuple(node.GetSliceToRAS().GetElement(row, 3) for row in range(3))
        return node.GetDimensions()[:2], (*node.GetFieldOfView()[:2], *node.GetXYZOrigin()[:2], *center)

    def _needs_correction(self) -> bool:
        composite = self._logic.GetSliceCompositeNode()
        scene = composite.GetScene() if composite is not None else None
        if scene is None:
            return False
        if self._holds_other_film(scene, composite.GetBackgroundVolumeID()):
            return True
        shown = scene.GetNodeByID(composite.GetBackgroundVolumeID() or "")
        return is_film(shown) and not is_on_film(self._logic.GetSliceNode(), shown)

    def _holds_other_film(self, scene: Any, node_id: str | None) -> bool:
        node = scene.GetNodeByID(node_id or "")
        return (
            node is not None and node.GetAttribute(ROLE) in _FILM_ROLES and node.GetAttribute(VIEW) != self._view_name
        )
