"""Films as nodes: one-slice volumes that lie at their detector, with what is known about them as attributes.

Pixel p of a film lies at ``view.detector_points_ras_mm(p)``, so columns, rows and beam are the axes of its IJK frame,
which is right-handed. Pixel values are those of the file; dark bone is shown bright by an inverted color table.
"""

from __future__ import annotations

import dataclasses
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

from ..errors import FilmError, GeometryError
from ..geometry import FilmFacts, View
from ..imaging import Film, Polarity, notes_on_view

VIEW_NAMES = ("AP", "lateral")
ROLE, VIEW, GEOMETRY = "LumbarBiplanar.Role", "LumbarBiplanar.View", "LumbarBiplanar.Geometry"
CORRECTED = "LumbarBiplanar.CorrectedGeometry"
POLARITY, CHOSEN_POLARITY = "LumbarBiplanar.Polarity", "LumbarBiplanar.ChosenPolarity"
FILE, SHA256, BITS, NOTES, FILE_FACTS = (
    f"LumbarBiplanar.{key}" for key in ("File", "Sha256", "Bits", "Notes", "FileFacts")
)
FILM_ROLE = "film"
_COLORS = {Polarity.BONE_BRIGHT: "Grey", Polarity.BONE_DARK: "InvertedGrey"}
# Shares of the pixels that may be black or white on the screen: collimated borders and markers do not set the window.
_PERCENTILES = (0.5, 99.5)
_MOVED_MM = 1e-3  # a file of the film rounds less


def is_film(node: Any) -> bool:
    """Tell whether a node is a film that this module made (``None`` is not)."""
    return node is not None and node.IsA("vtkMRMLScalarVolumeNode") and node.GetAttribute(ROLE) == FILM_ROLE


def add_film(scene: Any, film: Film, name: str | None = None) -> Any:
    """Add a film to the scene.

    Args:
        scene: MRML scene.
        film: pixels (H, W) and view.
        name: name of the node; None makes one of the view and the file's name. It is made unique.

    Returns:
        The volume node, with its display node.
    """
    node = slicer.vtkMRMLScalarVolumeNode()
    node.SetName(free_name(scene, name or default_name(film.view.name, film.path)))
    node.SetAttribute(ROLE, FILM_ROLE)
    _set_optional(node, FILE, film.path)
    _set_optional(node, SHA256, film.sha256)
    _set_optional(node, BITS, film.bits)
    node.SetAttribute(NOTES, json.dumps(list(film.remarks)))
    if film.facts is not None:
        node.SetAttribute(FILE_FACTS, json.dumps(dataclasses.asdict(film.facts)))
    node.SetAttribute(POLARITY, film.polarity.name)
    node.SetAndObserveImageData(image_of(_smallest_exact(film.pixels)))
    set_film_view(node, film.view)
    scene.AddNode(node)
    node.CreateDefaultDisplayNodes()
    _set_window(node, film.pixels)
    _show_polarity(node)
    return node


def film_of_node(node: Any) -> Film:
    """Return the film that a node holds; the inverse of :func:`add_film`.

    Raises:
        FilmError: if the node is no film, or its pixels are gone.
        GeometryError: if its geometry cannot be read or does not have the size of the pixels.
    """
    view = view_of_node(node)
    bits = node.GetAttribute(BITS)
    return Film(
        pixels_of(node),
        view,
        polarity_of(node),
        path_of(node),
        node.GetAttribute(SHA256),
        int(bits) if bits else None,
        _remarks_of(node),
        facts_of(node),
    )


def view_of_node(node: Any) -> View:
    """Return the view of a film node.

    Raises:
        FilmError: if the node is no film.
        GeometryError: if its geometry is missing or damaged.
    """
    check_film(node)
    return _view_of_json(node.GetAttribute(GEOMETRY) or "", node.GetName())


@lru_cache(maxsize=16)
def _view_of_json(text: str, name: str) -> View:
    try:
        return View.from_dict(json.loads(text))
    except (json.JSONDecodeError, GeometryError) as error:
        message = _("The geometry of {name} cannot be read ({reason}). Load the film again.")
        raise GeometryError(message.format(name=name, reason=error)) from None


def set_film_view(node: Any, view: View) -> None:
    """Give a film another view: it moves to that detector. Its pixels stay.

    Raises:
        FilmError: if the node is no film.
        GeometryError: if the view has another size than the pixels.
    """
    check_film(node)
    width, height, _depth = node.GetImageData().GetDimensions()
    if (width, height) != view.size_px:
        message = _(
            "{name} has {width} x {height} pixels, but the {view} view of the geometry has {expected}. Use the film "
            "that the geometry was made for, uncropped and not resized."
        )
        expected = " x ".join(map(str, view.size_px))
        raise GeometryError(
            message.format(name=node.GetName(), width=width, height=height, view=view.name, expected=expected)
        )
    modified = node.StartModify()
    node.SetIJKToRASMatrix(ijk_to_ras(view))
    node.SetAttribute(VIEW, view.name)
    node.SetAttribute(GEOMETRY, json.dumps(view.to_dict()))
    node.RemoveAttribute(CORRECTED)
    node.EndModify(modified)


def put_back(node: Any) -> bool:
    """Put a film back to its detector, from where another module has moved it; landmarks and outlines lie there.

    Returns:
        Whether it had been moved.
    """
    if not is_film(node) or not node.GetAttribute(GEOMETRY):
        return False
    stated, found = ijk_to_ras(view_of_node(node)), vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(found)
    places = [(row, column) for row in range(3) for column in range(4)]
    if all(abs(found.GetElement(*place) - stated.GetElement(*place)) < _MOVED_MM for place in places):
        return False
    node.SetIJKToRASMatrix(stated)
    return True


def keep_corrected_view(node: Any, view: View | None) -> None:
    """Keep on a film the view that a registration has found in place of the stated one; None forgets it."""
    if view is None or view == view_of_node(node):
        if node.GetAttribute(CORRECTED) is not None:
            node.RemoveAttribute(CORRECTED)
    else:
        node.SetAttribute(CORRECTED, json.dumps(view.to_dict()))


def corrected_view_of_node(node: Any) -> View:
    """Return the view that a registration has found for a film, or the stated one; errors as :func:`view_of_node`."""
    stated = view_of_node(node)
    try:
        return View.from_dict(json.loads(node.GetAttribute(CORRECTED) or ""))
    except ValueError:  # none kept, or damaged
        return stated


def ijk_to_ras(view: View) -> vtk.vtkMatrix4x4:
    """Return the right-handed 4 x 4 matrix that takes (column, row, 0) to the detector, RAS mm; a slice is 1 mm."""
    first, right, down = view.detector_points_ras_mm(np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))
    columns = np.eye(4)
    columns[:3, 0], columns[:3, 1], columns[:3, 3] = right - first, down - first, first
    columns[:3, 2] = -view.beam_ras if view.mirrored else view.beam_ras
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy(columns.ravel())
    return matrix


def pixel_of_ras(view: View, points_ras_mm: np.ndarray) -> np.ndarray:
    """Return the pixels (..., 2) of points (..., 3) on the detector, RAS mm; others are dropped onto it straight.

    The inverse of ``view.detector_points_ras_mm``; a point of the patient is projected with ``view.project``.
    """
    return view.camera_points(points_ras_mm)[..., :2] / view.spacing_mm + view.principal_px


def pixels_of(node: Any) -> np.ndarray:
    """Return the (H, W) pixels of a one-slice volume as they are stored, first row on top; raises FilmError if none."""
    image = node.GetImageData()
    scalars = image.GetPointData().GetScalars() if image is not None else None
    if scalars is None:
        message = _("{name} has no image any more. Load the film again.")
        raise FilmError(message.format(name=node.GetName()))
    width, height, _depth = image.GetDimensions()
    return vtk_to_numpy(scalars).reshape(height, width)


def image_of(pixels: np.ndarray) -> vtk.vtkImageData:
    """Return (H, W) pixels as an image of one slice, unit spacing and no origin: place and pitch belong to the node."""
    image = vtk.vtkImageData()
    image.SetDimensions(pixels.shape[1], pixels.shape[0], 1)
    scalars = numpy_to_vtk(np.ascontiguousarray(pixels).ravel(), deep=True)
    scalars.SetName("pixels")
    image.GetPointData().SetScalars(scalars)
    return image


def polarity_of(node: Any) -> Polarity:
    """Return whether bone is bright or dark in the film's pixels: the user's choice, else what the file states."""
    stated = stated_polarity(node)
    return chosen_polarity(node) or stated


def stated_polarity(node: Any) -> Polarity:
    """Return whether bone is bright or dark in a film by its file, bright if that says nothing."""
    check_film(node)
    stated = node.GetAttribute(POLARITY)
    return Polarity[stated] if stated in Polarity.__members__ else Polarity.BONE_BRIGHT


def path_of(node: Any) -> Path | None:
    """Return the file that a film was read from, which may be gone by now; None if there was none."""
    file = node.GetAttribute(FILE)
    return Path(file) if file else None


def chosen_polarity(node: Any) -> Polarity | None:
    """Return the polarity that the user chose for a film, or None if it is taken from the file."""
    chosen = node.GetAttribute(CHOSEN_POLARITY)
    return Polarity[chosen] if chosen in Polarity.__members__ else None


def set_polarity(node: Any, polarity: Polarity | None) -> None:
    """Choose whether bone is bright or dark in a film; None goes back to what its file states. Pixels stay.

    Raises:
        FilmError: if the node is no film.
    """
    check_film(node)
    if polarity is None:
        node.RemoveAttribute(CHOSEN_POLARITY)
    else:
        node.SetAttribute(CHOSEN_POLARITY, polarity.name)
    _show_polarity(node)


def facts_of(node: Any) -> FilmFacts | None:
    """Return what the file of a film states of how it was taken, or None if that was not kept."""
    try:
        stated = json.loads(node.GetAttribute(FILE_FACTS) or "null")
        return None if stated is None else FilmFacts(**{key: _frozen(value) for key, value in stated.items()})
    except (AttributeError, TypeError, ValueError):
        return None


def notes_of(node: Any) -> list[str]:
    """Return what is worth knowing about how a film's pixels came about, and in what its file contradicts its view."""
    facts, remarks = facts_of(node), _remarks_of(node)
    try:
        return [*remarks, *(() if facts is None else notes_on_view(facts, view_of_node(node)))]
    except GeometryError:  # a damaged geometry is told by whoever needs it
        return list(remarks)


def _remarks_of(node: Any) -> tuple[str, ...]:
    try:
        return tuple(str(note) for note in json.loads(node.GetAttribute(NOTES) or "[]"))
    except (json.JSONDecodeError, TypeError):
        return ()


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def check_film(node: Any) -> None:
    """Raise FilmError unless a node is a film that this module made."""
    if not is_film(node):
        name = node.GetName() if node is not None else _("nothing")
        message = _("{name} is not a film of Lumbar Biplanar. Load it with Load…, or choose it as AP or lateral film.")
        raise FilmError(message.format(name=name))


def default_name(view_name: str, path: Path | None) -> str:
    """Return the name that a film's node gets if nobody names it."""
    if path is None:
        return _("{view} film").format(view=view_name)
    return _("{file} ({view} film)").format(view=view_name, file=path.stem)


def free_name(scene: Any, name: str) -> str:
    """Return a name for a new node: the one given, or numbered if another node has it.

    ``GenerateUniqueName`` alone numbers the second node of a name though the first is gone.
    """
    return name if scene.GetFirstNodeByName(name) is None else scene.GenerateUniqueName(name)


def _set_optional(node: Any, key: str, value: Any) -> None:
    if value is not None:
        node.SetAttribute(key, str(value))


def _smallest_exact(pixels: np.ndarray) -> np.ndarray:
    """Return the pixels in the smallest type that holds every value exactly: scenes stay small, nothing is rounded."""
    if np.array_equal(pixels, np.round(pixels)):
        for kind in (np.uint8, np.uint16, np.int16):
            limits = np.iinfo(kind)
            if pixels.min() >= limits.min and pixels.max() <= limits.max:
                return pixels.astype(kind)
    return pixels.astype(np.float32)


def _set_window(node: Any, pixels: np.ndarray) -> None:
    low, high = (float(value) for value in np.percentile(pixels, _PERCENTILES))
    if high <= low:  # nearly everything is one value
        low, high = float(pixels.min()), float(pixels.max())
    display = node.GetDisplayNode()
    display.SetAutoWindowLevel(False)
    display.SetWindowLevel(high - low, 0.5 * (low + high))


def _show_polarity(node: Any) -> None:
    display = node.GetDisplayNode()
    if display is not None:
        display.SetAndObserveColorNodeID(f"vtkMRMLColorTableNode{_COLORS[polarity_of(node)]}")


def scene_films(scene: Any) -> list[Any]:
    """Return every film of a scene."""
    return [node for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode", scene) if is_film(node)]
