"""Vertebrae in label masks: what the labels mean, whether they can be so, and what of a label its surface holds."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from ..anatomy import LUMBAR_LEVELS, Level
from ..errors import ShapeModelError, VolumeError
from ..imaging import Volume, read_volume
from ..imaging.grids import is_cut
from ..imaging.labels import VERSE_L6, guess_convention, height_mm, labels_of_levels
from ..imaging.segments import segment_labels
from .surfaces import Surface, signed_volume, surface_from_mask

VERSE_LABELS: Mapping[Level, int] = labels_of_levels("verse")
TOTALSEG_LABELS: Mapping[Level, int] = labels_of_levels("totalseg")
# The surface of a label in one piece holds 0.98 to 0.99 of its voxels' volume.
LEAST_HELD = 0.95
Note = Callable[[str], None]


def read_labels(path: str | Path) -> Volume:
    """Read a label mask.

    Raises:
        ShapeModelError: if it cannot be read, or is an image: with fractions or negative values.
    """
    if any(Path(path).glob("vertebrae_L[1-5].nii*")):
        raise ShapeModelError(
            f"{path} holds a file for every structure, as TotalSegmentator writes them; run it with --ml, which writes "
            "one file with a label for each."
        )
    try:
        volume = read_volume(path)
    except VolumeError as error:
        raise ShapeModelError(str(error)) from None
    low, high = volume.data.min(), volume.data.max()
    if low < 0 or (volume.data.dtype.kind == "f" and not np.array_equal(volume.data, np.round(volume.data))):
        raise ShapeModelError(
            f"{path} holds values from {low:g} to {high:g}: that is an image, and not a mask with a label for each "
            "vertebra. Give the segmentation of the vertebrae."
        )
    return volume


def told_labels(volume: Volume) -> dict[Level, int]:
    """Return {level: label} of a mask: as a segmentation of 3D Slicer names them, else as VerSe or TotalSegmentator do.

    Raises:
        ShapeModelError: if it has no names, and labels of neither or of both.
    """
    named = segment_labels(volume.path) if volume.path else None
    if named:
        return named
    present = {int(label) for label in np.unique(volume.data.ravel(order="K"))} - {0}
    try:
        return labels_of_levels(guess_convention(present, str(volume.path)))
    except VolumeError:
        shown = [str(label) for label in sorted(present)]
        few = ", ".join(shown if len(shown) <= 12 else [*shown[:10], "...", shown[-1]])
        raise ShapeModelError(
            f"{volume.path} has the labels {few or '0 alone'}, which do not tell L1 to L5. "
            "Name them with --labels: verse (20 to 24), totalseg (31 to 27), or L1=VALUE ... L5=VALUE."
        ) from None


def whole_vertebrae(
    volume: Volume, labels: Mapping[Level, int], note: Note = lambda text: None
) -> dict[Level, Surface]:
    """Return the surface of every vertebra in a mask that its border does not cut off.

    Args:
        volume: the mask.
        labels: {level: value of its label}.
        note: called with a line for what is there and not used, or doubtful.

    Returns:
        {level: closed surface}, RAS mm.

    Raises:
        ShapeModelError: if the levels are not in order from head to feet.
    """
    what, sixth = volume.path or "The mask", bool(np.any(volume.data == VERSE_L6))
    volume = _around(volume, labels)
    masks = {level: volume.data == labels[level] for level in LUMBAR_LEVELS if level in labels}
    masks = {level: mask for level, mask in masks.items() if mask.any()}
    _check_order({level: height_mm(mask, volume.ras_from_ijk) for level, mask in masks.items()}, labels, what)
    if dict(labels) == dict(VERSE_LABELS) and masks and sixth:
        note(
            f"{what}: holds label {VERSE_L6}, VerSe's L6; a spine with six lumbar vertebrae has no agreed L5. L1 to L5 "
            "are taken as the mask names them"
        )
    found = {}
    for level, mask in masks.items():
        if is_cut(mask, volume.spacing_mm):
            note(f"{what}: {level.name} reaches the border of the volume and is left out")
            continue
        found[level] = surface_from_mask(mask, volume.ras_from_ijk)
        held = share_held(found[level], mask, volume.ras_from_ijk)
        if held < LEAST_HELD:
            note(
                f"{what}: {level.name} is in pieces that do not touch; the largest, {100 * held:.0f} % of the label, "
                "is taken and the rest left out. Mend the mask, or leave the vertebra out"
            )
    return found


def share_held(surface: Surface, mask: np.ndarray, ras_from_ijk: np.ndarray) -> float:
    """Return the volume in a surface over that of the voxels (I, J, K) of the label that it was made of."""
    voxels = float(mask.sum()) * abs(np.linalg.det(np.asarray(ras_from_ijk)[:3, :3]))
    return signed_volume(surface.points_ras_mm, surface.faces) / voxels


def _around(volume: Volume, labels: Mapping[Level, int]) -> Volume:
    """Return the part of a mask that holds the labels, with a voxel around it where the mask goes on."""
    there = np.isin(volume.data, list(labels.values()))
    if not there.any():
        return volume
    low, part = np.zeros(3), []
    for axis, others in enumerate(((1, 2), (0, 2), (0, 1))):
        found = np.flatnonzero(there.any(axis=others))
        low[axis] = max(0, found[0] - 1)
        part.append(slice(int(low[axis]), found[-1] + 2))
    ras_from_ijk = volume.ras_from_ijk.copy()
    ras_from_ijk[:3, 3] += ras_from_ijk[:3, :3] @ low
    return Volume(np.ascontiguousarray(volume.data[tuple(part)]), ras_from_ijk, volume.path)


def _check_order(heights: Mapping[Level, float], labels: Mapping[Level, int], what: object) -> None:
    if any(upper <= lower for upper, lower in itertools.pairwise(heights.values())):
        found = ", ".join(f"{level.name} (label {labels[level]}) at {height:.0f}" for level, height in heights.items())
        raise ShapeModelError(
            f"{what}: the vertebrae are not in order from head to feet: {found} mm. Name the labels with --labels, or "
            "correct the orientation in the file's header."
        )
