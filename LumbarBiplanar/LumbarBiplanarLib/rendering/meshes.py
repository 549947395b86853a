"""Closed meshes side by side in one list of points and one list of triangles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True)
class MeshBatch:
    """Several closed meshes as one.

    Attributes:
        points: (P, 3) RAS mm, the meshes one after the other.
        triangles: (T, 3) int64 indices into points, oriented outward.
        mesh_of_point: (P,) int64.
        mesh_of_triangle: (T,) int64.
        weight: (T,) factor on the path length that each triangle bounds: 1, or less than 0 for a shell's inner surface.
        count: number of meshes.
    """

    points: torch.Tensor
    triangles: torch.Tensor
    mesh_of_point: torch.Tensor
    mesh_of_triangle: torch.Tensor
    weight: torch.Tensor
    count: int


def batch_meshes(points, faces) -> MeshBatch:
    """Put meshes into one batch; gradients flow through the points.

    Args:
        points: (N, V, 3) tensor, or a sequence of N tensors (V_i, 3); RAS mm, float32 or float64.
        faces: (F, 3) integers that all meshes share, or a sequence of N arrays (F_i, 3); outward orientation.

    Raises:
        ValueError: if the shapes, types or indices do not fit.
    """
    meshes = list(points)
    if not meshes or any(not torch.is_tensor(mesh) or mesh.ndim != 2 or mesh.shape[1] != 3 for mesh in meshes):
        raise ValueError("points must be a tensor (N, V, 3), or a sequence of tensors (V, 3), with N at least 1.")
    if any(mesh.dtype not in (torch.float32, torch.float64) for mesh in meshes):
        raise ValueError(f"points must be float32 or float64, found {meshes[0].dtype}; convert them first.")
    sizes = [len(mesh) for mesh in meshes]
    topologies = _topologies(faces, sizes, meshes[0].device)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    triangles = torch.cat([topology + int(start) for topology, start in zip(topologies, starts, strict=True)])
    stacked = points.reshape(-1, 3) if torch.is_tensor(points) else torch.cat(meshes)
    ids = torch.arange(len(meshes), device=stacked.device)
    return MeshBatch(
        points=stacked,
        triangles=triangles,
        mesh_of_point=_repeated(ids, sizes),
        mesh_of_triangle=_repeated(ids, [len(topology) for topology in topologies]),
        weight=torch.ones(len(triangles), dtype=torch.float64, device=stacked.device),
        count=len(meshes),
    )


def _repeated(ids: torch.Tensor, counts: list[int]) -> torch.Tensor:
    if len(set(counts)) == 1:  # a GPU then waits for nothing
        return torch.repeat_interleave(ids, counts[0])
    return torch.repeat_interleave(ids, torch.tensor(counts, device=ids.device), output_size=sum(counts))


def _topologies(faces, sizes: list[int], device: torch.device) -> list[torch.Tensor]:
    shared = torch.is_tensor(faces) or isinstance(faces, np.ndarray)
    if shared and faces.ndim == 3:
        faces, shared = list(faces), False
    if not shared and not isinstance(faces, Sequence):
        raise ValueError(f"faces must be an array (F, 3) or a sequence of them, found {type(faces).__name__}.")
    given = [faces] if shared else list(faces)
    if not shared and len(given) != len(sizes):
        raise ValueError(f"{len(sizes)} meshes, but {len(given)} lists of faces; give one each, or one for all.")
    tensors = [
        (topology if torch.is_tensor(topology) else torch.from_numpy(np.array(topology))).to(device).long()
        for topology in given
    ]
    limits = [min(sizes)] if shared else sizes
    for tensor, limit in zip(tensors, limits, strict=True):
        if tensor.ndim != 2 or tensor.shape[1] != 3 or not len(tensor):
            raise ValueError(f"faces must have shape (F, 3) with F at least 1, found {tuple(tensor.shape)}.")
        lowest, highest = torch.stack(torch.aminmax(tensor)).tolist()
        if lowest < 0 or highest >= limit:
            raise ValueError(f"faces name vertices {lowest}..{highest}, but there are {limit}.")
    return tensors * len(sizes) if shared else tensors
