"""Lumbar-only images as nodes: mm of lumbar bone along the rays of a film, laid over it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from ..errors import FilmError, GeometryError
from ..geometry import View
from .film_nodes import (
    GEOMETRY,
    NOTES,
    ROLE,
    VIEW,
    free_name,
    ijk_to_ras,
    image_of,
    pixels_of,
    polarity_of,
    view_of_node,
)

if TYPE_CHECKING:
    from ..network import Detection

LUMBAR_ROLE = "lumbar-image"
FILM_REFERENCE = "LumbarBiplanar.Film"
WEIGHTS = "LumbarBiplanar.Weights"
# The film as it was when the image was found.
FOUND_GEOMETRY, FOUND_POLARITY = "LumbarBiplanar.FilmGeometry", "LumbarBiplanar.FilmPolarity"
# Less bone than this is the network's haze; more than this is the thickest part of a vertebra.
_SHOWN_MM = (4.0, 60.0)


def is_lumbar_image(node: Any) -> bool:
    """Tell whether a node is a lumbar-only image that this module made (``None`` is not)."""
    return node is not None and node.IsA("vtkMRMLScalarVolumeNode") and node.GetAttribute(ROLE) == LUMBAR_ROLE


def add_lumbar_image(scene: Any, film_node: Any, detection: Detection) -> Any:
    """Show a detection's lumbar-only image, in the node of the film's last one if there is one.

    Args:
        scene: MRML scene.
        film_node: film it was made from.
        detection: what the network found on that film; only the sum of all levels is kept.

    Returns:
        The volume node, at the film's detector, with its display node.

    Raises:
        FilmError: if the film node is no film.
        GeometryError: if the detection belongs to the other view.
    """
    film_view = view_of_node(film_node)
    if detection.view.name != film_view.name:
        message = _("The detection belongs to the {found} film, {film} is the {name} film. Detect again.")
        raise GeometryError(message.format(found=detection.view.name, film=film_node.GetName(), name=film_view.name))
    node = _image_of_film(film_node)
    if node is None:
        node = slicer.vtkMRMLScalarVolumeNode()
        node.SetName(free_name(scene, _("{film} lumbar spine").format(film=film_node.GetName())))
        node.SetAttribute(ROLE, LUMBAR_ROLE)
        scene.AddNode(node)
        node.SetNodeReferenceID(FILM_REFERENCE, film_node.GetID())
    modified = node.StartModify()
    node.SetAttribute(VIEW, film_view.name)
    node.SetAttribute(WEIGHTS, detection.weights)
    node.SetAttribute(NOTES, json.dumps(list(detection.notes)))
    node.SetAndObserveImageData(image_of(np.asarray(detection.lumbar_mm, dtype=np.float32)))
    node.SetAttribute(FOUND_GEOMETRY, film_node.GetAttribute(GEOMETRY))
    node.SetAttribute(FOUND_POLARITY, polarity_of(film_node).name)
    _place(node, detection.lumbar_view)
    node.EndModify(modified)
    _set_display(node)
    return node


def find_lumbar_image(film_node: Any) -> Any:
    """Return the lumbar-only image of a film as the film is now, or None.

    One that was found under another geometry or polarity of the film no longer fits and is not returned.
    """
    node = _image_of_film(film_node)
    if node is None or node.GetAttribute(FOUND_POLARITY) != polarity_of(film_node).name:
        return None
    return node if node.GetAttribute(FOUND_GEOMETRY) == film_node.GetAttribute(GEOMETRY) else None


def _image_of_film(film_node: Any) -> Any:
    scene = film_node.GetScene() if film_node is not None else None
    if scene is None:
        return None
    for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode", scene):
        if is_lumbar_image(node) and node.GetNodeReferenceID(FILM_REFERENCE) == film_node.GetID():
            return node
    return None


def detection_parts(node: Any) -> tuple[np.ndarray, View, tuple[str, ...], str]:
    """Return what a lumbar-only image holds.

    Returns:
        (h, w) float32 mm of bone, its view, the detection's notes, and name and version of the network's weights.

    Raises:
        FilmError: if the node is no lumbar-only image, or its pixels are gone.
        GeometryError: if its geometry cannot be read.
    """
    view = lumbar_view_of(node)
    notes = tuple(json.loads(node.GetAttribute(NOTES) or "[]"))
    return pixels_of(node).astype(np.float32), view, notes, node.GetAttribute(WEIGHTS) or ""


def lumbar_view_of(node: Any) -> View:
    """Return the view of a lumbar-only image; raises FilmError or GeometryError as :func:`detection_parts`."""
    if not is_lumbar_image(node):
        name = node.GetName() if node is not None else _("nothing")
        raise FilmError(_("{name} is not a lumbar-only image. Detect the landmarks again.").format(name=name))
    try:
        return View.from_dict(json.loads(node.GetAttribute(GEOMETRY) or ""))
    except (json.JSONDecodeError, GeometryError) as error:
        message = _("The geometry of {name} cannot be read ({reason}). Detect the landmarks again.")
        raise GeometryError(message.format(name=node.GetName(), reason=error)) from None


def follow_film(film_node: Any, old_view: View) -> None:
    """Move a film's lumbar-only image with it when its view has changed: it stays over the same pixels.

    An image that did not fit the film before stays where it is, and unfit.

    Args:
        film_node: film, with its new view.
        old_view: the film's view before, of the same size.

    Raises:
        GeometryError: if the geometry of the image cannot be read.
    """
    node = _image_of_film(film_node)
    if node is None or node.GetAttribute(FOUND_GEOMETRY) != json.dumps(old_view.to_dict()):
        return
    _place(node, view_on_film(lumbar_view_of(node), old_view, view_of_node(film_node)))
    node.SetAttribute(FOUND_GEOMETRY, film_node.GetAttribute(GEOMETRY))


def view_on_film(view: View, old_view: View, new_view: View) -> View:
    """Return the view whose pixels lie on ``new_view``'s film where those of ``view`` lie on ``old_view``'s."""
    factors = [view.spacing_mm[axis] / old_view.spacing_mm[axis] for axis in (0, 1)]
    spacing = tuple(new_view.spacing_mm[axis] * factors[axis] for axis in (0, 1))
    # Where the new principal point lies on the old film, in the image's own pixels.
    shift = [new_view.principal_px[axis] - old_view.principal_px[axis] for axis in (0, 1)]
    principal = tuple(view.principal_px[axis] + shift[axis] / factors[axis] for axis in (0, 1))
    return View(
        new_view.name,
        new_view.model,
        new_view.camera_from_ras,
        new_view.focal_mm,
        principal,
        view.size_px,
        spacing,
        view.provenance,
        new_view.mirrored,
    )


def _place(node: Any, view: View) -> None:
    node.SetIJKToRASMatrix(ijk_to_ras(view))
    node.SetAttribute(GEOMETRY, json.dumps(view.to_dict()))


def _set_display(node: Any) -> None:
    if node.GetDisplayNode() is not None:
        return  # the user's window and colors stay
    node.CreateDefaultDisplayNodes()
    low, high = _SHOWN_MM
    display = node.GetDisplayNode()
    display.SetAutoWindowLevel(False)
    display.SetWindowLevelMinMax(0.0, high)
    display.SetAndObserveColorNodeID("vtkMRMLColorTableNodeWarm1")
    # What lies outside the thresholds is transparent, so the film shows there.
    display.SetThreshold(low, 1000.0)
    display.ApplyThresholdOn()
