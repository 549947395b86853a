"""Films from volumes that Slicer itself has loaded: they are copied, the user's node stays as it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _
from vtk.util.numpy_support import vtk_to_numpy

from ..errors import FilmError, LumbarBiplanarError
from ..geometry import FilmFacts, standard_view
from ..imaging import Film, Polarity, read_film_alone
from .film_nodes import ROLE, VIEW_NAMES, add_film, is_film

_GRAY_WEIGHTS = np.array([0.299, 0.587, 0.114])


def adopt_volume(scene: Any, node: Any, view_name: str) -> Any:
    """Make a film of a volume that Slicer loaded.

    The pixels are those of the volume. Its place, spacing and direction are not used: Slicer gives radiographs 1 mm or
    the wrong plane (docs/geometry.md). Spacing and distances come from the header of its file, if it is still there.

    Args:
        scene: MRML scene.
        node: scalar or RGB volume of one slice.
        view_name: "AP" or "lateral".

    Returns:
        The new film node; ``node`` itself if it is a film already.

    Raises:
        FilmError: if the node is no volume, has no image, several slices, or nothing to see.
        GeometryError: if the header states impossible numbers.
    """
    if view_name not in VIEW_NAMES:
        raise FilmError(_("A film is the AP or the lateral one, not {name}.").format(name=view_name))
    if is_film(node):
        return node
    if node is not None and node.GetAttribute(ROLE):
        message = _("{name} was made by Lumbar Biplanar and is not a film. Choose the film itself.")
        raise FilmError(message.format(name=node.GetName()))
    notes: list[str] = []
    pixels = _one_slice(node, notes)
    path = source_file(node)
    stated = _film_of_file(path, view_name, pixels.shape)
    if stated is None:
        view = standard_view(view_name, FilmFacts((pixels.shape[1], pixels.shape[0]), file=node.GetName()))
        notes.append(_("No file was found behind the volume: spacing and distances are assumed."))
        film = Film(pixels, view, remarks=tuple(notes))
    else:
        film = replace(stated, pixels=pixels, polarity=_polarity(stated, pixels), remarks=(*stated.remarks, *notes))
    return add_film(scene, film, _("{name} ({view} film)").format(view=view_name, name=node.GetName()))


def source_file(node: Any) -> Path | None:
    """Return the file that a volume was loaded from, or None if it is not known or gone."""
    candidates = []
    storage = node.GetStorageNode()
    if storage is not None:
        candidates += [storage.GetFileName(), storage.GetFullNameFromFileName()]
    database = getattr(slicer, "dicomDatabase", None)
    uids = (node.GetAttribute("DICOM.instanceUIDs") or "").split()
    if database is not None and len(uids) == 1:
        candidates.insert(0, database.fileForInstance(uids[0]))
    return next((Path(file) for file in candidates if file and Path(file).is_file()), None)


def _one_slice(node: Any, notes: list[str]) -> np.ndarray:
    """Return the (H, W) pixels of a volume of one slice, gray, as float32."""
    image = node.GetImageData() if node is not None and node.IsA("vtkMRMLVolumeNode") else None
    scalars = image.GetPointData().GetScalars() if image is not None else None
    name = node.GetName() if node is not None else _("nothing")
    if scalars is None:
        raise FilmError(_("{name} holds no image. Load the film with Load….").format(name=name))
    if node.IsA("vtkMRMLLabelMapVolumeNode"):
        raise FilmError(_("{name} is a label map, not a film. Choose the film itself.").format(name=name))
    size = [length for length in image.GetDimensions() if length > 1]
    if len(size) != 2:
        dimensions = " x ".join(map(str, image.GetDimensions()))
        message = _("{name} has {dimensions} voxels; a film has one slice. Load the single film with Load….")
        raise FilmError(message.format(name=name, dimensions=dimensions))
    channels = scalars.GetNumberOfComponents()
    values = vtk_to_numpy(scalars).reshape(size[1], size[0], channels).astype(np.float32)
    if channels == 1:
        return values[..., 0]
    if channels not in (3, 4):
        message = _("{name} has {count} values per pixel; a film has one. Export it as a gray image.")
        raise FilmError(message.format(name=name, count=channels))
    notes.append(_("Color turned to gray with the weights 0.299, 0.587, 0.114."))
    return (values[..., :3] @ _GRAY_WEIGHTS).astype(np.float32)


def _film_of_file(path: Path | None, view_name: str, shape: tuple[int, int]) -> Film | None:
    """Read the file behind a volume; None if it is gone, no film, or has another size by now."""
    if path is None:
        return None
    try:
        film = read_film_alone(path, view_name)
    except LumbarBiplanarError:
        return None
    return film if film.pixels.shape == tuple(shape) else None


def _polarity(stated: Film, pixels: np.ndarray) -> Polarity:
    """Return the polarity of a volume's pixels: Slicer turns some files (MONOCHROME1) over while it loads them."""
    ours, theirs = stated.pixels - stated.pixels.mean(), pixels - pixels.mean()
    if float(np.sum(ours * theirs)) >= 0.0:
        return stated.polarity
    return Polarity.BONE_DARK if stated.polarity is Polarity.BONE_BRIGHT else Polarity.BONE_BRIGHT
