"""X-ray of closed meshes: the path length of bone along every pixel's ray, differentiable in the vertices.

Path length = signed sum of ray depths over the triangles a ray crosses: continuous across the silhouette, so it needs
no soft rasteriser. The derivative is by hand: within a triangle the depth is the plane through its corners, so moving
corner i by (ds, dt, dw) changes the depth at a fixed pixel by lambda_i (-a ds - b dt + dw), with lambda the barycentric
weight, a = dw/ds, b = dw/dt. The borders of the spans move too, but in a closed mesh both sides of an edge have the
same depth there and these terms cancel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch

from ..geometry import View
from .fragments import Fragments, Triangles, accumulate, fragments, set_up_triangles, triangle_slopes
from .meshes import MeshBatch, batch_meshes
from .screen import screen_jacobian
from .shell import Shell, with_inner_surface


def render_path_length(
    points,
    faces,
    views: Sequence[View],
    *,
    subsamples: int = 2,
    shell: Shell | None = None,
    per_mesh: bool = False,
) -> list[torch.Tensor]:
    """Render the path length of bone through closed meshes in every view, all meshes and views in one pass.

    Pixel (0, 0) is the centre of the top-left pixel; a pixel holds the mean over its height (exact) and over
    ``subsamples`` positions across its width. Parts outside a view's image are clipped. Depth is interpolated linearly
    in the image across each triangle, which for triangles of a few mm is right to a few thousandths of a mm.

    Args:
        points: (N, V, 3) vertices in RAS, mm; or a sequence of N tensors (V_i, 3). float32 or float64, any device.
            Gradients flow to them; a fixed pixel's value is differentiated exactly.
        faces: (F, 3) triangles that all meshes share, or a sequence of N arrays; closed, counter-clockwise outside.
        views: the views, of any sizes and models.
        subsamples: column samples per pixel.
        shell: if given, images are bone-equivalent mm of the shell's wall, see ``Shell``.
        per_mesh: whether to keep the meshes apart instead of adding them up.

    Returns:
        Per view a tensor (height, width), or (N, height, width) with ``per_mesh``; mm, type and device of the points.
        A pixel that no mesh touches is exactly 0.

    Raises:
        ValueError: if points, faces and views do not fit together.
        GeometryError: if a vertex is not finite or lies behind a view's source.
    """
    if int(subsamples) != subsamples or subsamples < 1:
        raise ValueError(f"subsamples must be a whole number of at least 1, found {subsamples!r}.")
    views = tuple(views)
    if not views:
        raise ValueError("views is empty; give at least one view.")
    batch = batch_meshes(points, faces)
    if shell is not None:
        batch = with_inner_surface(batch, shell)
    job = _Job(batch, views, int(subsamples), per_mesh)
    flat = _PathLength.apply(batch.points, job)
    depth = batch.count if per_mesh else 1
    images = torch.split(flat, [depth * view.size_px[0] * view.size_px[1] for view in views])
    shapes = [(depth, view.size_px[1], view.size_px[0]) for view in views]
    images = [image.reshape(shape) for image, shape in zip(images, shapes, strict=True)]
    return images if per_mesh else [image[0] for image in images]


@lru_cache(maxsize=32)
def unit_bases(
    views: tuple[View, ...], meshes: int, per_mesh: bool, device: torch.device | str = "cpu"
) -> tuple[torch.Tensor, int]:
    """Return the offset of each (view, mesh) image in one flat buffer, (views, meshes), and the buffer's length.

    The offsets are kept, on their device, for the next time: not to be changed.
    """
    areas = [view.size_px[0] * view.size_px[1] for view in views]
    bases, offset = [], 0
    for area in areas:
        bases.append([offset + (mesh * area if per_mesh else 0) for mesh in range(meshes)])
        offset += area * (meshes if per_mesh else 1)
    return torch.tensor(bases, dtype=torch.int64, device=device), offset


def corner_directions(batch: MeshBatch, views: Sequence[View], triangles: Triangles) -> torch.Tensor:
    """Return how the depth over a triangle follows its sorted corners: (3 corners, K, 3) float64, mm per mm in RAS.

    Row (i, k) is (-a, -b, 1) times the 3x3 screen Jacobian at corner i.
    """
    jacobian = torch.cat([screen_jacobian(batch.points.detach(), view) for view in views])
    a, b = triangle_slopes(triangles)
    jacobian = jacobian[triangles.corners]
    return jacobian[:, :, 2] - a[:, None] * jacobian[:, :, 0] - b[:, None] * jacobian[:, :, 1]


@dataclass(frozen=True)
class _Job:
    """What is rendered, apart from the points' gradient."""

    batch: MeshBatch
    views: tuple[View, ...]
    subsamples: int
    per_mesh: bool

    def triangles(self, dtype: torch.dtype) -> tuple[Triangles, int]:
        bases, length = unit_bases(self.views, self.batch.count, self.per_mesh, self.batch.points.device)
        return set_up_triangles(self.batch, self.views, self.subsamples, bases, dtype), length


class _PathLength(torch.autograd.Function):
    """Path length images, flat, of a batch of meshes."""

    @staticmethod
    def forward(ctx, points: torch.Tensor, job: _Job) -> torch.Tensor:
        triangles, length = job.triangles(points.dtype)
        image = points.new_zeros(length)
        for part in fragments(triangles, "depth"):
            image += accumulate(length, part.pixel, part.moments[0])
        ctx.job, ctx.dtype = job, points.dtype
        return image

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient: torch.Tensor):
        job = ctx.job
        triangles, _ = job.triangles(ctx.dtype)
        count = triangles.s.shape[1]
        weights = torch.zeros(3, count, dtype=torch.float64, device=gradient.device)
        for part in fragments(triangles, "corners"):
            weights += _triangle_sums(part, gradient, count)
        pulls = corner_directions(job.batch, job.views, triangles) * weights[..., None]
        points = len(job.batch.points)
        target = (triangles.corners % points).reshape(-1)
        result = [accumulate(points, target, pulls[..., axis].reshape(-1)) for axis in range(3)]
        return torch.stack(result, dim=-1).to(ctx.dtype), None


def _triangle_sums(part: Fragments, gradient: torch.Tensor, count: int) -> torch.Tensor:
    pulled = part.moments * gradient[part.pixel]
    return torch.stack([accumulate(count, part.triangle, channel) for channel in pulled]).double()
