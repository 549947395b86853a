"""A mask on the grid of its CT: crops and other orders of the same voxels need no resampling."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import VolumeError
from .volume import Volume

# How far voxels of the two grids may lie apart, in voxels and over the whole mask.
_APART_VOXELS = 0.05
# A structure with more than this share of its voxels on a face of the volume is cut off there, and so is one with more
# than this section there and this share of the section that it has further in. Processes have 60 mm^2 and more.
_CUT_SHARE = 0.02
_CUT_MM2, _CUT_SECTION, _DEPTH_MM = 50.0, 0.7, 3.0


def is_cut(mask: np.ndarray, spacing_mm: Sequence[float]) -> bool:
    """Return whether the border of a volume cuts a structure off.

    A crop made tight to a structure touches it, and the section grows at once behind the border; that of one that is
    cut off is about the same a few mm further in.

    Args:
        mask: (I, J, K) bool, the voxels of the structure.
        spacing_mm: distance between voxel centers along i, j, k.
    """
    total = int(mask.sum())
    for axis in range(3):
        voxel_mm2 = float(np.prod(spacing_mm)) / spacing_mm[axis]
        depth = min(max(1, round(_DEPTH_MM / spacing_mm[axis])), mask.shape[axis] - 1)
        for face, behind in ((0, depth), (-1, -1 - depth)):
            there = int(mask.take(face, axis=axis).sum())
            inside = int(mask.take(behind, axis=axis).sum())
            if there > _CUT_SHARE * total or (there * voxel_mm2 > _CUT_MM2 and there > _CUT_SECTION * inside):
                return True
    return False


def on_grid_of(ct: Volume, mask: Volume) -> Volume:
    """Return a mask voxel for voxel on the grid of its CT, 0 where it has none.

    The mask may be a crop (3D Slicer stores segmentations so) or have its axes in another order or direction, as long
    as its voxels are voxels of the CT.

    Args:
        ct: the CT.
        mask: the labels.

    Raises:
        VolumeError: if its voxels are not those of the CT, it reaches beyond the CT, or its own border, within the CT,
            cuts a label off.
    """
    ct_from_mask = ct.ijk_from_ras @ mask.ras_from_ijk
    step = np.round(ct_from_mask[:3, :3])
    last = np.array(mask.data.shape) - 1
    corners = np.array(np.meshgrid(*[(0, length) for length in last], indexing="ij")).reshape(3, -1).T
    shift = np.round(ct_from_mask[:3, 3])
    apart = np.abs(corners @ (ct_from_mask[:3, :3] - step).T + ct_from_mask[:3, 3] - shift).max()
    if not np.array_equal(np.abs(step).sum(axis=0), np.ones(3)) or not np.array_equal(step @ step.T, np.eye(3)):
        apart = np.inf
    if apart > _APART_VOXELS:
        raise VolumeError(_differing(ct, mask, "its voxels are not those of the CT"))
    if np.array_equal(step, np.eye(3)) and not shift.any() and mask.data.shape == ct.data.shape:
        return mask
    axes = [int(np.flatnonzero(row)[0]) for row in step]
    data = mask.data.transpose(axes)
    low = shift.astype(int)
    for axis, source in enumerate(axes):
        if step[axis, source] < 0:
            data = np.flip(data, axis)
            low[axis] -= last[source]
    high = low + data.shape
    if np.any(low < 0) or np.any(high > ct.data.shape):
        raise VolumeError(_differing(ct, mask, "it reaches beyond the CT"))
    placed = np.zeros(ct.data.shape, dtype=data.dtype)
    placed[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = data
    mask_mm = [mask.spacing_mm[source] for source in axes]
    cut = [
        int(label)
        for label in np.unique(data)
        if label and is_cut(data == label, mask_mm) and not is_cut(placed == label, ct.spacing_mm)
    ]
    if cut:
        raise VolumeError(
            f"{mask.path} is a part of the CT {ct.path}, and its border cuts off the label{'s' if cut[1:] else ''} "
            f"{', '.join(map(str, cut))}. Segment that whole, or remove what is there of it."
        )
    return Volume(placed, ct.ras_from_ijk, mask.path)


def _differing(ct: Volume, mask: Volume, how: str) -> str:
    return (
        f"{mask.path}: {how}. The mask has {_grid(mask)}; the CT {ct.path} has {_grid(ct)}. If they are of one scan, "
        "resample the mask to the grid of the CT (nearest neighbour) or correct the header that is wrong."
    )


def _grid(volume: Volume) -> str:
    size = " x ".join(map(str, volume.data.shape))
    spacing = " x ".join(f"{length:.3g}" for length in volume.spacing_mm)
    axes = volume.ras_from_ijk[:3, :3] / volume.spacing_mm
    along = ", ".join("({})".format(" ".join(f"{number:.3g}" for number in axis + 0.0)) for axis in axes.T)
    origin = ", ".join(f"{number:.1f}" for number in volume.ras_from_ijk[:3, 3])
    return f"{size} voxels of {spacing} mm along {along} from ({origin}) mm, RAS"
