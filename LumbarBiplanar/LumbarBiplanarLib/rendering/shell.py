"""A cortical shell: the inner surface of a bone whose inside is less dense than its wall."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from .meshes import MeshBatch


@dataclass(frozen=True)
class Shell:
    """Dense wall of constant thickness around a less dense inside.

    The image becomes T_outer - (1 - density_ratio) T_inner, T being path lengths through the outer and the inner
    surface: millimetres of wall bone that attenuate as much ("bone-equivalent" mm). A ratio of 1 is a solid bone, 0 a
    hollow one. The inner surface is the outer one with each vertex moved ``thickness_mm`` along its inward normal (the
    mean of the normals of its triangles, weighted by their areas). Where the bone is thinner than twice the wall the
    inner surface turns inside out and counts twice the overlap; keep the thickness below half the thinnest part.

    Attributes:
        thickness_mm: thickness of the wall, at least 0.
        density_ratio: attenuation of the inside over that of the wall, 0 to 1.
    """

    thickness_mm: float
    density_ratio: float

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not 0.0 <= self.thickness_mm < float("inf"):
            raise ValueError(f"thickness_mm must be at least 0, found {self.thickness_mm!r}.")
        if not 0.0 <= self.density_ratio <= 1.0:
            raise ValueError(f"density_ratio (inside over wall) must be in 0..1, found {self.density_ratio!r}.")


def vertex_normals(points: torch.Tensor, triangles: torch.Tensor) -> torch.Tensor:
    """Return outward unit normals (P, 3) at the vertices (P, 3), area-weighted; zero where a vertex has no area."""
    area = _area_vectors(points, triangles)
    return area / torch.linalg.vector_norm(area, dim=-1, keepdim=True).clamp_min(1e-12)


def with_inner_surface(batch: MeshBatch, shell: Shell) -> MeshBatch:
    """Return the batch with the inner surfaces appended: flipped, and weighted by 1 - density_ratio."""
    inner = batch.points - shell.thickness_mm * vertex_normals(batch.points, batch.triangles)
    weight = torch.cat([batch.weight, batch.weight * (1.0 - shell.density_ratio)])
    return MeshBatch(
        points=torch.cat([batch.points, inner]),
        triangles=torch.cat([batch.triangles, batch.triangles.flip(1) + len(batch.points)]),
        mesh_of_point=batch.mesh_of_point.repeat(2),
        mesh_of_triangle=batch.mesh_of_triangle.repeat(2),
        weight=weight,
        count=batch.count,
    )


def inner_tangents(
    points: torch.Tensor, triangles: torch.Tensor, tangents: torch.Tensor, thickness_mm: float
) -> torch.Tensor:
    """Return the motion of the inner surface's vertices (P, 3, K) for motions ``tangents`` (P, 3, K) of the outer's.

    Points (P, 3) are in mm. With N the sum of the triangles' area vectors and n = N / |N|,
    dn = (dN - n (n . dN)) / |N|.
    """
    area = _area_vectors(points, triangles)
    length = torch.linalg.vector_norm(area, dim=-1).clamp_min(1e-12)[:, None, None]
    normal = area[..., None] / length
    a, b, c = (points[triangles[:, i]][..., None] for i in range(3))
    da, db, dc = (tangents[triangles[:, i]] for i in range(3))
    change = torch.cross(db - da, (c - a).expand_as(dc), dim=1) + torch.cross((b - a).expand_as(db), dc - da, dim=1)
    total = torch.zeros_like(tangents)
    for i in range(3):
        total.index_add_(0, triangles[:, i], change)
    turned = (total - normal * (normal * total).sum(1, keepdim=True)) / length
    return tangents - thickness_mm * turned


def _area_vectors(points: torch.Tensor, triangles: torch.Tensor) -> torch.Tensor:
    a, b, c = (points[triangles[:, i]] for i in range(3))
    area = torch.linalg.cross(b - a, c - a)
    total = torch.zeros_like(points)
    for i in range(3):
        total = total.index_add(0, triangles[:, i], area)
    return total
