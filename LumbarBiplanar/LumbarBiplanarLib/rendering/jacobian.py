"""Forward mode: the Jacobian of the path-length images for many parameters at once, as Gauss-Newton needs it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ..geometry import View
from .fragments import Triangles, fragments, set_up_triangles
from .meshes import MeshBatch, batch_meshes
from .path_length import corner_directions, unit_bases
from .shell import Shell, inner_tangents, with_inner_surface
from .sparse import Entries, chain_product, row_blocks


@dataclass(frozen=True)
class PixelJacobian:
    """One mesh in one view, at the pixels it touches.

    Attributes:
        pixels: (n,) int64, ascending flat index row * width + column.
        path_mm: (n,) path length; every other pixel of the view is exactly 0.
        jacobian: (n, P) change of the path length per unit of each parameter, mm.
    """

    pixels: torch.Tensor
    path_mm: torch.Tensor
    jacobian: torch.Tensor


@dataclass(frozen=True)
class SharedTangents:
    """Motions that all meshes of a batch have in common, but for where they stand and how large they are.

    Vertex v of mesh n moves by ``frames[n] @ modes[v, :, m]`` per unit of parameter m.

    Attributes:
        frames: (N, 3, 3) rotation times scale of each mesh.
        modes: (V, 3, M), contiguous; every mesh has V vertices.
    """

    frames: torch.Tensor
    modes: torch.Tensor


def image_jacobian(
    points,
    faces,
    tangents,
    views: Sequence[View],
    *,
    subsamples: int = 2,
    shell: Shell | None = None,
    shared: SharedTangents | None = None,
) -> list[list[PixelJacobian]]:
    """Return path length and its Jacobian for every mesh in every view, in one pass.

    The image is that of ``render_path_length`` with ``per_mesh``, its derivative exact: J = S Q M with S the sparse
    matrix of signed coverage times barycentric weight (pixels by triangle corners), Q the change of depth at each
    corner per motion of its vertex, (-a, -b, 1) times the screen Jacobian, and M the tangents.

    Args:
        points: (N, V, 3) vertices in RAS, mm; or a sequence of N tensors (V_i, 3). float32 or float64.
        faces: (F, 3) triangles that all meshes share, or a sequence of N arrays. Closed, outward.
        tangents: (N, V, 3, P) motion of the vertices per unit of each parameter, RAS mm; or a sequence of N tensors
            (V_i, 3, P) with the same P. Each mesh's parameters are its own.
        views: the views, of any sizes and models.
        subsamples: column samples per pixel.
        shell: as in ``render_path_length``.
        shared: further parameters, after those of ``tangents``: the modes of a shape model. They cost less here than
            as tangents, because what is the same for all meshes is not written out for each.

    Returns:
        result[view][mesh], of the type and on the device of the points.

    Raises:
        ValueError: if points, faces, tangents and views do not fit together.
        GeometryError: if a vertex is not finite or lies behind a view's source.
    """
    views = tuple(views)
    batch = batch_meshes(points, faces)
    motion = tangents.flatten(0, 1) if torch.is_tensor(tangents) else torch.cat(list(tangents))
    if motion.ndim != 3 or motion.shape[:2] != batch.points.shape:
        raise ValueError(f"tangents move {tuple(motion.shape)}, but the vertices are {tuple(batch.points.shape)}.")
    with torch.no_grad():
        motion = motion.to(batch.points)
        if shared is not None and (shell is not None or motion.is_cuda):
            motion = torch.cat([motion, _written_out(shared).to(motion)], dim=2)
            shared = None
        if shell is not None:
            inner = inner_tangents(batch.points, batch.triangles, motion, shell.thickness_mm)
            motion, batch = torch.cat([motion, inner]), with_inner_surface(batch, shell)
        bases, length = unit_bases(views, batch.count, True, batch.points.device)
        triangles = set_up_triangles(batch, views, subsamples, bases, batch.points.dtype)
        pixels, coverage = _coverage(triangles, length)
        if shared is not None:
            edges = _unit_edges(pixels, bases, length)
            return _with_shared(batch, views, triangles, pixels, coverage, motion, shared, edges)
        depth = _depth_per_motion(batch, views, triangles, motion.dtype)
        motion = motion.reshape(-1, motion.shape[2])
        jacobian, path = chain_product(coverage, depth, motion, triangles.w.reshape(-1))
        edges = _unit_edges(pixels, bases, length)
        parts = [jacobian[slice(*ends)] for ends in itertools.pairwise(edges)]
        return _listed(parts, path, pixels, views, edges)


def _coverage(triangles: Triangles, length: int) -> tuple[torch.Tensor, Entries]:
    """Return the flat indices (R,) of the touched pixels, and signed coverage times barycentric weight (R, 3 K)."""
    parts = list(fragments(triangles, "corners"))
    pixel = torch.cat([part.pixel for part in parts])
    triangle = torch.cat([part.triangle for part in parts])
    moments = torch.cat([part.moments for part in parts], dim=1)
    touched = torch.zeros(length, dtype=torch.bool, device=pixel.device)
    touched[pixel] = True
    pixels = torch.nonzero(touched)[:, 0]
    row = (torch.cumsum(touched, 0) - 1)[pixel]
    count = triangles.s.shape[1]
    corner = triangle + count * torch.arange(3, device=row.device)[:, None]
    shape = (len(pixels), 3 * count)
    return pixels, Entries(row.expand(3, -1).reshape(-1), corner.reshape(-1), moments.reshape(-1), shape)


def _written_out(shared: SharedTangents) -> torch.Tensor:
    """Return the (N V, 3, M) tangents of the shared modes."""
    return torch.einsum("nij,vjm->nvim", shared.frames.to(shared.modes), shared.modes).flatten(0, 1)


def _with_shared(batch, views, triangles, pixels, coverage, motion, shared, rows: list[int]):
    """Return the Jacobians: (S F) times the tangents in the frames F of the meshes, where the modes are the same."""
    meshes, dtype = batch.count, motion.dtype
    frames = shared.frames.to(torch.float64)
    given = motion.double().reshape(meshes, -1, 3, motion.shape[2])
    local = (torch.linalg.inv(frames)[:, None] @ given).to(dtype)
    modes = shared.modes.reshape(-1, shared.modes.shape[2]).to(dtype).numpy()
    depth = _depth_per_motion(batch, views, triangles, dtype, frames)
    width = 3 * len(shared.modes)
    columns = [width * (unit % meshes) for unit in range(len(rows) - 1)] + [width]
    blocks, path = row_blocks(coverage, depth, triangles.w.reshape(-1), rows, columns)
    parts = []
    for unit, block in enumerate(blocks):
        own = local[unit % meshes].reshape(-1, motion.shape[2]).numpy()
        parts.append(torch.from_numpy(np.concatenate([block @ own, block @ modes], axis=1)))
    return _listed(parts, path, pixels, views, rows)


def _depth_per_motion(batch: MeshBatch, views, triangles: Triangles, dtype: torch.dtype, frames=None) -> Entries:
    """Return the matrix (3 K, 3 points) that takes the vertices' motion to the change of depth at triangle corners.

    With ``frames`` (N, 3, 3) the motion is given in the frames of the meshes.
    """
    direction = corner_directions(batch, views, triangles)
    if frames is not None:
        direction = (direction[:, :, None] @ frames[triangles.unit % batch.count])[:, :, 0]
    vertex = (triangles.corners % len(batch.points)).reshape(-1, 1)
    column = (vertex * 3 + torch.arange(3, device=vertex.device)).reshape(-1)
    row = torch.arange(len(vertex), device=vertex.device).repeat_interleave(3)
    return Entries(row, column, direction.to(dtype).reshape(-1), (len(vertex), 3 * len(batch.points)))


def _unit_edges(pixels: torch.Tensor, bases: torch.Tensor, length: int) -> list[int]:
    """Return where the touched pixels of each (view, mesh) begin, and their number."""
    return torch.searchsorted(pixels, torch.nn.functional.pad(bases.reshape(-1), (0, 1), value=length)).tolist()


def _listed(parts, path, pixels, views: tuple[View, ...], edges: list[int]) -> list[list[PixelJacobian]]:
    result, unit = [], 0
    for view_bases in unit_bases(views, len(parts) // len(views), True)[0].tolist():
        row = []
        for base in view_bases:
            ends = slice(edges[unit], edges[unit + 1])
            row.append(PixelJacobian(pixels[ends] - base, path[ends], parts[unit]))
            unit += 1
        result.append(row)
    return result
