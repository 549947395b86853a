"""Names on the template: regions, endplates and landmarks, found once and carried by correspondence ever after.

Regions come from an expert sub-region mask of one L3 (TPTBox labels, ``l3-subregions`` of the open data); landmarks are
extreme points of those regions on the symmetric template.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import sparse
from scipy.spatial import cKDTree

from ..anatomy import LANDMARK_NAMES, Region
from ..errors import ShapeModelError
from ..geometry.frames import transform_points
from .label_masks import read_labels
from .surfaces import Surface, vertex_normals
from .template import Template

# TPTBox sub-region labels of a vertebra.
_ARCH, _SPINOUS, _TRANSVERSE, _ARTICULAR, _BODY = 41, 42, (43, 44), (45, 46, 47, 48), (49, 50)
_ENDPLATE_COSINE = 0.75  # normals within 41 degrees of the vertebra's axis belong to an endplate
_PEDICLE_DEPTH_MM = 9.0  # how far the pedicle reaches behind the posterior wall of the body
_ISTHMUS_MM = 3.5  # where behind the posterior wall the pedicle is narrowest


@dataclass(frozen=True)
class Annotation:
    """What the vertices of the template are.

    Attributes:
        region_labels: (V,) uint8, ``Region``.
        endplate_labels: (V,) uint8, 0 none, 1 superior, 2 inferior.
        landmark_vertices: (20, 4) int, the vertices whose mean is the landmark, in the order of ``LANDMARK_NAMES``.
    """

    region_labels: np.ndarray
    endplate_labels: np.ndarray
    landmark_vertices: np.ndarray


def annotate(template: Template, points_on_labels_mm: np.ndarray, subregion_mask: str | Path) -> Annotation:
    """Name the parts of the template.

    Args:
        template: the symmetric template in its own frame (x right, y anterior, z cranial).
        points_on_labels_mm: (V, 3) the template's vertices after it was laid onto the vertebra of the mask, RAS.
        subregion_mask: NIfTI file with TPTBox sub-region labels (41-50) of that vertebra.

    Raises:
        ShapeModelError: if the mask cannot be read or a region has no vertex.
    """
    raw = _nearest_label(points_on_labels_mm, subregion_mask)
    points = template.surface.points_ras_mm
    # One side decides for both: the template is symmetric, one person's labels are not.
    right = points[:, 0] >= 0
    raw = np.where(right, raw, raw[template.mirror])
    regions = _regions(raw, points)
    normals = vertex_normals(points, template.surface.faces)
    endplates = np.zeros(len(points), dtype=np.uint8)
    for label, sign in ((1, 1.0), (2, -1.0)):
        facing = (regions == Region.BODY) & (sign * normals[:, 2] > _ENDPLATE_COSINE)
        endplates[_largest_patch(facing, template.surface.faces)] = label
    named = _landmarks(points, raw, regions, template.mirror)
    vertices = np.array([named[name] for name in LANDMARK_NAMES])
    return Annotation(regions, endplates, vertices)


def _largest_patch(chosen: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Return the indices of the largest connected part of the chosen vertices."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    edges = edges[chosen[edges].all(axis=1)]
    graph = sparse.coo_matrix((np.ones(len(edges)), edges.T), shape=(len(chosen),) * 2)
    _, part = sparse.csgraph.connected_components(graph, directed=False)
    return np.flatnonzero(part == np.bincount(part[chosen]).argmax())


def _nearest_label(points: np.ndarray, path: str | Path) -> np.ndarray:
    volume = read_labels(path)
    labels = volume.data
    ijk = np.argwhere(labels > 0)
    ras = transform_points(volume.ras_from_ijk, ijk)
    _, index = cKDTree(ras).query(points, k=7)
    votes = labels[tuple(ijk.T)][index]
    return np.array([np.bincount(row).argmax() for row in votes])


def _regions(raw: np.ndarray, points: np.ndarray) -> np.ndarray:
    regions = np.full(len(raw), Region.LAMINA, dtype=np.uint8)
    regions[np.isin(raw, _BODY)] = Region.BODY
    regions[raw == _SPINOUS] = Region.SPINOUS
    regions[np.isin(raw, _TRANSVERSE)] = Region.TRANSVERSE
    regions[np.isin(raw, _ARTICULAR)] = Region.ARTICULAR
    wall = _posterior_wall(points, regions)
    pedicle = (raw == _ARCH) & (points[:, 1] > wall - _PEDICLE_DEPTH_MM) & (np.abs(points[:, 0]) > 7.0)
    regions[pedicle] = Region.PEDICLE
    missing = [region.name for region in Region if not np.any(regions == region)]
    if missing:
        raise ShapeModelError(f"The sub-region mask gives the template no vertex for: {', '.join(missing)}.")
    return regions


def _posterior_wall(points: np.ndarray, regions: np.ndarray) -> float:
    middle = (regions == Region.BODY) & (np.abs(points[:, 0]) < 4.0)
    return float(points[middle, 1].min())


def _landmarks(points, raw, regions, mirror) -> dict[str, np.ndarray]:
    """Vertex indices (4,) per landmark; four equal ones for a point on the surface."""
    x, y, z = points.T
    body = regions == Region.BODY
    middle = np.abs(x) < 1e-6  # the cut of the template runs through the median plane

    def extreme(mask: np.ndarray, score: np.ndarray) -> int:
        index = np.flatnonzero(mask)
        return int(index[np.argmax(score[index])])

    found: dict[str, int] = {}
    for end, sign in (("superior", 1.0), ("inferior", -1.0)):
        height = sign * z
        depth_middle = 0.5 * (y[body].min() + y[body].max())
        flank = body & (np.abs(y - depth_middle) < 8.0)
        rim = {
            "anterior": extreme(body & middle, y + height),
            "posterior": extreme(body & middle, height - y),
            "right": extreme(flank, x + height),
        }
        center = 0.5 * (points[rim["anterior"]] + points[rim["posterior"]])
        away = np.linalg.norm((points - center)[:, :2], axis=1)
        found[f"{end}_endplate_centre"] = extreme(body & middle & (height > 0), -away)
        found.update({f"{end}_endplate_{side}": vertex for side, vertex in rim.items()})
        articular = (regions == Region.ARTICULAR) & (x > 0)
        found[f"{end}_articular_tip_right"] = extreme(articular, height)
    found["transverse_tip_right"] = extreme(regions == Region.TRANSVERSE, x)
    spinous = (raw == _SPINOUS) & middle
    found["spinous_tip"] = extreme(spinous, -y - 0.5 * z)
    found["spinous_base"] = extreme(spinous & (z > np.median(z[spinous])), y)
    named = {name: np.full(4, vertex) for name, vertex in found.items()}
    wall = _posterior_wall(points, regions)
    ring = (regions == Region.PEDICLE) & (x > 0) & (np.abs(y - wall + _ISTHMUS_MM) < 1.5)
    named["pedicle_right"] = np.array([extreme(ring, z), extreme(ring, -z), extreme(ring, x), extreme(ring, -x)])
    for name in [name for name in named if name.endswith("_right")]:
        named[name.replace("_right", "_left")] = mirror[named[name]]
    return named


def coarse_mesh(surface: Surface, face_count: int) -> tuple[np.ndarray, np.ndarray]:
    """Thin a closed mesh to some of its own vertices.

    Args:
        surface: closed mesh with V vertices.
        face_count: about how many triangles to leave.

    Returns:
        (Vc,) indices into the vertices and (Fc, 3) faces over those, closed and outward oriented.

    Raises:
        ShapeModelError: if the thinned mesh is not closed.
    """
    from vtkmodules.vtkFiltersCore import vtkDecimatePro

    from .surfaces import from_polydata, is_closed, oriented_outward, to_polydata

    decimate = vtkDecimatePro()
    decimate.SetInputData(to_polydata(surface))
    decimate.SetTargetReduction(1.0 - face_count / len(surface.faces))
    decimate.PreserveTopologyOn()
    decimate.SplittingOff()
    decimate.BoundaryVertexDeletionOff()
    decimate.Update()
    thin = from_polydata(decimate.GetOutput())
    used = np.unique(thin.faces)
    distance, vertices = cKDTree(surface.points_ras_mm).query(thin.points_ras_mm[used])
    index = np.full(len(thin.points_ras_mm), -1)
    index[used] = np.arange(len(used))
    faces = oriented_outward(Surface(surface.points_ras_mm[vertices], index[thin.faces])).faces
    if distance.max() > 1e-3 or not is_closed(faces):
        raise ShapeModelError("The mesh could not be thinned to a closed mesh on its own vertices.")
    return vertices.astype(np.int64), faces.astype(np.int64)
