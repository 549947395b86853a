"""Forward mode: the Jacobian of the path-length images for many parameters at once, as Gauss-Newton needs it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ..geometry import View
from .fragments import Triangles, fragments, set_up_triangles
from .meshes import MeshBatch, batch_meshes
from .path_length import corner_directions, unit_bases
from .shell import Shell, inner_tangents, with_inner_surface
from .sparse import Entries, chain_product


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


def image_jacobian(
    points,
    faces,
    tangents,
    views: Sequence[View],
    *,
    subsamples: int = 2,
    shell: Shell | None = None,
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
        if shell is not None:
            inner = inner_tangents(batch.points, batch.triangles, motion, shell.thickness_mm)
            motion, batch = torch.cat([motion, inner]), with_inner_surface(batch, shell)
        bases, length = unit_bases(views, batch.count, per_mesh=True)
        triangles = set_up_triangles(batch, views, subsamples, bases, batch.points.dtype)
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
        coverage = Entries(
            row.expand(3, -1).reshape(-1), corner.reshape(-1), moments.reshape(-1), (len(pixels), 3 * count)
        )
        motion = motion.reshape(-1, motion.shape[2])
        depth = _depth_per_motion(batch, views, triangles, motion.dtype)
        jacobian, path = chain_product(coverage, depth, motion, triangles.w.reshape(-1))
        return _split(jacobian, path, pixels, bases, length)


def _depth_per_motion(batch: MeshBatch, views, triangles: Triangles, dtype: torch.dtype) -> Entries:
    """Return the matrix (3 K, 3 points) that takes the vertices' motion to the change of depth at triangle corners."""
    direction = corner_directions(batch, views, triangles).to(dtype).reshape(-1)
    vertex = (triangles.corners % len(batch.points)).reshape(-1, 1)
    column = (vertex * 3 + torch.arange(3, device=vertex.device)).reshape(-1)
    row = torch.arange(len(vertex), device=vertex.device).repeat_interleave(3)
    return Entries(row, column, direction, (len(vertex), 3 * len(batch.points)))


def _split(jacobian, path, pixels, bases, length) -> list[list[PixelJacobian]]:
    starts = bases.reshape(-1).to(pixels.device)
    edges = torch.searchsorted(pixels, torch.cat([starts, starts.new_tensor([length])])).tolist()
    result, unit = [], 0
    for view_bases in bases.tolist():
        row = []
        for base in view_bases:
            part = slice(edges[unit], edges[unit + 1])
            row.append(PixelJacobian(pixels[part] - base, path[part], jacobian[part]))
            unit += 1
        result.append(row)
    return result
