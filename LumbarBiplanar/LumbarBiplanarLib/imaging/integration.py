"""Exact line integrals through a volume of piecewise-constant voxels.

The path of a ray through a voxel grid is known exactly (Siddon, Med Phys 12(2):252, 1985). Instead of sorting all
plane crossings, each ray is cut into the slabs of the axis along which it advances fastest. Within one slab it crosses
at most one plane of each other axis, hence at most three voxels, whose lengths follow from two numbers. That has no
loop over voxels and a memory access pattern known in advance, so it runs in batches on CPU and GPU.

A ray that runs exactly in the boundary plane of two voxels is given to the one with the higher index.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import VolumeError
from ..geometry import View, transform_points

if TYPE_CHECKING:
    import torch

_SLABS_PER_CHUNK = {"cpu": 1 << 17, "cuda": 1 << 24}


def integrate_volume(
    volume: np.ndarray | torch.Tensor,
    ijk_from_ras: np.ndarray,
    view: View,
    device: str = "cpu",
    *,
    dtype: str = "float32",
) -> np.ndarray:
    """Integrate one or more quantities along the ray of every pixel of a view.

    Args:
        volume: (I, J, K), or (C, I, J, K) for several quantities along the same rays, per mm (attenuation) or
            0 and 1 (path length in mm). Zero outside.
        ijk_from_ras: (4, 4) affine from RAS mm to voxel indices; voxel (0, 0, 0) is centered at index (0, 0, 0).
        view: pinhole or slot.
        device: torch device for the work.
        dtype: "float32" or "float64".

    Returns:
        (H, W) or (C, H, W) numpy array of ``dtype``: the integral over length in mm.

    Raises:
        VolumeError: if the volume has not three or four axes.
    """
    width, height = view.size_px
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    origins, directions = view.rays(np.stack([columns, rows], axis=-1).reshape(-1, 2))
    result = integrate_rays(volume, ijk_from_ras, origins, directions, device, dtype=dtype).cpu().numpy()
    return result.reshape(result.shape[:-1] + (height, width))


def integrate_rays(
    volume: np.ndarray | torch.Tensor,
    ijk_from_ras: np.ndarray,
    origins_ras_mm: np.ndarray,
    directions_ras: np.ndarray,
    device: str = "cpu",
    *,
    dtype: str = "float32",
) -> torch.Tensor:
    """Integrate one or more quantities along whole lines (both ways from the origin).

    Args:
        volume: (I, J, K) or (C, I, J, K), see ``integrate_volume``.
        ijk_from_ras: (4, 4).
        origins_ras_mm, directions_ras: (R, 3) points of the rays and unit directions.
        device: torch device.
        dtype: "float32" or "float64".

    Returns:
        (R,) or (C, R) tensor on ``device``.

    Raises:
        VolumeError: if the volume has not three or four axes.
    """
    import torch

    number = getattr(torch, dtype)
    values = torch.as_tensor(volume, device=device).to(number)
    if values.ndim not in (3, 4) or values.numel() == 0:
        raise VolumeError(f"Ray integration needs a (I, J, K) or (C, I, J, K) volume, found {tuple(values.shape)}.")
    single = values.ndim == 3
    values = values[None] if single else values
    shape = tuple(values.shape[1:])
    # One row per voxel holds all channels, so one gather serves them all; a border of empty voxels is the outside.
    table = torch.nn.functional.pad(values, (1, 1, 1, 1, 1, 1)).reshape(len(values), -1).T.contiguous()
    start, step = _voxel_rays(np.asarray(ijk_from_ras, dtype=np.float64), shape, origins_ras_mm, directions_ras)
    result = torch.zeros(len(start), len(values), dtype=number, device=device)
    dominant = np.abs(step).argmax(axis=1)
    hits = _meets_box(start, step, shape)
    for axis in range(3):
        chosen = np.flatnonzero(hits & (dominant == axis))
        limit = _SLABS_PER_CHUNK.get(torch.device(device).type, 1 << 17)
        size = max(1, limit // shape[axis])
        for first in range(0, len(chosen), size):
            part = torch.as_tensor(chosen[first : first + size], device=device)
            rays = np.concatenate([start[chosen[first : first + size]], step[chosen[first : first + size]]], axis=1)
            result[part] = _integrate_slabs(table, shape, axis, torch.as_tensor(rays, device=device))
    return result[:, 0] if single else result.T


def _voxel_rays(ijk_from_ras, shape, origins_ras_mm, directions_ras) -> tuple[np.ndarray, np.ndarray]:
    """Return starts and steps per mm in edge coordinates (voxel i fills [i, i + 1]), starts nearest to the middle."""
    start = transform_points(ijk_from_ras, origins_ras_mm) + 0.5
    step = np.asarray(directions_ras, dtype=np.float64) @ ijk_from_ras[:3, :3].T
    # Numbers stay of the volume's own size, so that float32 later keeps its digits although the source is a meter away.
    along = ((np.array(shape) / 2 - start) * step).sum(axis=1) / (step**2).sum(axis=1)
    return start + along[:, None] * step, step


def _meets_box(start: np.ndarray, step: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        first, second = (0.0 - start) / step, (np.array(shape) - start) / step
    parallel = step == 0.0
    inside = (start >= 0.0) & (start <= np.array(shape))
    near = np.where(parallel, np.where(inside, -np.inf, np.inf), np.minimum(first, second)).max(axis=1)
    far = np.where(parallel, np.where(inside, np.inf, -np.inf), np.maximum(first, second)).min(axis=1)
    return near <= far


def _integrate_slabs(table: torch.Tensor, shape: tuple[int, ...], axis: int, rays: torch.Tensor) -> torch.Tensor:
    """Integrate rays (R, 6) (start, step per mm, float64) that advance fastest along ``axis``; returns (R, C)."""
    import torch

    start, step = rays[:, :3], rays[:, 3:]
    strides = ((shape[1] + 2) * (shape[2] + 2), shape[2] + 2, 1)
    planes = torch.arange(shape[axis] + 1, device=rays.device, dtype=table.dtype)
    crossings, rows = [], []
    for other in (other for other in range(3) if other != axis):
        slope = step[:, other] / step[:, axis]
        at_zero = (start[:, other] - slope * start[:, axis]).to(table.dtype)[:, None]
        slope = slope.to(table.dtype)[:, None]
        place = torch.addcmul(at_zero, slope, planes[None])
        cell = place.floor()
        entry, advance = cell[:, :-1], (cell[:, 1:] - cell[:, :-1]).clamp_(-1.0, 1.0)
        # Fraction of the slab at which the ray changes cell along this axis; 1 if it does not.
        fraction = (advance.clamp(min=0.0) + entry - place[:, :-1]) / slope
        crossings.append(torch.where(advance == 0.0, 1.0, fraction).clamp_(0.0, 1.0))
        rows.append([_row(number, shape[other], strides[other]) for number in (entry, entry + advance)])
    (a0, a1), (b0, b1) = rows
    slab = ((torch.arange(shape[axis], device=rays.device, dtype=torch.int32) + 1) * strides[axis])[None]
    a0, a1 = a0 + slab, a1 + slab
    middle = torch.where(crossings[0] <= crossings[1], a1 + b0, a0 + b1)
    early, late = torch.minimum(*crossings), torch.maximum(*crossings)
    sums = _weighted_sum(table, a0 + b0, early) + _weighted_sum(table, middle, late - early)
    sums += _weighted_sum(table, a1 + b1, 1.0 - late)
    return sums * (1.0 / step[:, axis].abs()).to(table.dtype)[:, None]


def _row(cell: torch.Tensor, count: int, stride: int) -> torch.Tensor:
    """Return each cell's share of the row number in the padded table; cells outside fall on the empty border."""
    import torch

    return (cell.clamp(-1.0, count) + 1.0).to(torch.int32) * stride


def _weighted_sum(table: torch.Tensor, rows: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Gather all channels at ``rows`` (R, S), weigh them and sum over S; returns (R, C)."""
    import torch

    return torch.nn.functional.embedding_bag(rows, table, per_sample_weights=weights, mode="sum")
