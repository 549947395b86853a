"""The template: a left-right symmetric vertebra whose vertices come in mirror pairs.

A symmetric template makes the mirror image of a registered vertebra free: reflect it and swap the paired vertices.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import ShapeModelError
from .surfaces import Surface, decimated, from_polydata, is_closed, largest_component, oriented_outward, to_polydata


@dataclass(frozen=True)
class Template:
    """A symmetric closed surface in the vertebra frame.

    Attributes:
        surface: (V, 3) vertices in mm (x right, y anterior, z cranial) and (F, 3) faces.
        mirror: (V,) the vertex that is the mirror image of each vertex in the plane x = 0.
    """

    surface: Surface
    mirror: np.ndarray


def symmetric_template(
    surface: Surface, *, face_count: int = 6000, longest_edge_mm: float = 4.0, grid_mm: float = 1.0
) -> Template:
    """Make a symmetric template from one vertebra.

    The signed distances to the vertebra and to its mirror image are averaged and contoured at zero; one half of the
    contour is decimated, its long edges are split, and it is cut at x = 0 and reflected.

    Args:
        surface: a closed vertebra whose sagittal plane is near x = 0, axes along RAS.
        face_count: about how many triangles the decimation leaves.
        longest_edge_mm: edges above this are split afterwards.
        grid_mm: spacing of the distance grid.

    Raises:
        ShapeModelError: if the result is not closed.
    """
    points = surface.points_ras_mm - surface.points_ras_mm.mean(axis=0)
    points = points @ _upright(points).T
    points[:, 0] -= 0.5 * (points[:, 0].min() + points[:, 0].max())
    contour = _symmetric_contour(Surface(points, surface.faces), grid_mm)
    coarse = _evenly_meshed(contour, face_count, longest_edge_mm)
    snapped = coarse.points_ras_mm.copy()
    sides = snapped[coarse.faces] - snapped[np.roll(coarse.faces, 1, axis=1)]
    # Vertices close to the plane go onto it, or the cut would leave slivers.
    snapped[np.abs(snapped[:, 0]) < 0.35 * np.median(np.linalg.norm(sides, axis=2)), 0] = 0.0
    half = _clip_right(Surface(snapped, coarse.faces))
    return _reflected(half)


def _upright(points: np.ndarray) -> np.ndarray:
    """Rotation about the z axis that makes the vertebra's point cloud least asymmetric in x."""
    from scipy.optimize import minimize_scalar
    from scipy.spatial import cKDTree

    def asymmetry(angle: float) -> float:
        c, s = np.cos(angle), np.sin(angle)
        turned = points @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]]).T
        turned = turned[::7] - [0.5 * (turned[:, 0].min() + turned[:, 0].max()), 0, 0]
        return cKDTree(turned).query(turned * [-1, 1, 1])[0].mean()

    angle = minimize_scalar(asymmetry, bounds=(-0.2, 0.2), method="bounded").x
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])


def _symmetric_contour(surface: Surface, grid_mm: float) -> Surface:
    from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
    from vtkmodules.vtkCommonCore import vtkDoubleArray
    from vtkmodules.vtkCommonDataModel import vtkImageData
    from vtkmodules.vtkFiltersCore import vtkFlyingEdges3D, vtkImplicitPolyDataDistance

    distance = vtkImplicitPolyDataDistance()
    distance.SetInput(to_polydata(surface))
    reach = np.abs(surface.points_ras_mm).max(axis=0) + 3 * grid_mm
    half = np.ceil(reach / grid_mm).astype(int)
    axes = [np.arange(-n, n + 1) * grid_mm for n in half]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    values = vtkDoubleArray()
    distance.EvaluateFunction(numpy_to_vtk(grid, deep=True), values)
    field = vtk_to_numpy(values).reshape([len(axis) for axis in axes])
    field = 0.5 * (field + field[::-1])
    image = vtkImageData()
    image.SetDimensions(*field.shape)
    image.SetSpacing(grid_mm, grid_mm, grid_mm)
    image.SetOrigin(*(axis[0] for axis in axes))
    image.GetPointData().SetScalars(numpy_to_vtk(field.ravel(order="F"), deep=True))
    contour = vtkFlyingEdges3D()
    contour.SetInputData(image)
    contour.SetValue(0, 0.0)
    contour.Update()
    return largest_component(from_polydata(contour.GetOutput()))


def _evenly_meshed(surface: Surface, face_count: int, longest_edge_mm: float) -> Surface:
    """Quadric decimation, then long edges halved: flat endplates would keep too few vertices to deform."""
    from vtkmodules.vtkFiltersCore import vtkCleanPolyData
    from vtkmodules.vtkFiltersModeling import vtkAdaptiveSubdivisionFilter

    subdivide = vtkAdaptiveSubdivisionFilter()
    subdivide.SetInputData(to_polydata(decimated(surface, face_count)))
    subdivide.SetMaximumEdgeLength(longest_edge_mm)
    subdivide.SetMaximumTriangleArea(1e6)
    subdivide.Update()
    clean = vtkCleanPolyData()
    clean.SetInputConnection(subdivide.GetOutputPort())
    clean.SetTolerance(1e-6)
    clean.Update()
    return from_polydata(clean.GetOutput())


def _clip_right(surface: Surface) -> Surface:
    from vtkmodules.vtkCommonDataModel import vtkPlane
    from vtkmodules.vtkFiltersCore import vtkCleanPolyData, vtkClipPolyData

    plane = vtkPlane()
    plane.SetNormal(1, 0, 0)
    clip = vtkClipPolyData()
    clip.SetInputData(to_polydata(surface))
    clip.SetClipFunction(plane)
    clean = vtkCleanPolyData()
    clean.SetInputConnection(clip.GetOutputPort())
    clean.SetTolerance(1e-6)
    clean.Update()
    half = from_polydata(clean.GetOutput())
    half.points_ras_mm[np.abs(half.points_ras_mm[:, 0]) < 1e-5, 0] = 0.0  # VTK cuts in single precision
    a, b, c = (half.points_ras_mm[half.faces[:, k]] for k in range(3))
    in_plane = np.all(np.abs(half.points_ras_mm[half.faces][..., 0]) < 1e-9, axis=1)
    keep = (np.linalg.norm(np.cross(b - a, c - a), axis=1) > 1e-9) & ~in_plane
    return Surface(half.points_ras_mm, half.faces[keep])


def _reflected(half: Surface) -> Template:
    used = np.unique(half.faces)
    index = np.full(len(half.points_ras_mm), -1)
    index[used] = np.arange(len(used))
    points, faces = half.points_ras_mm[used], index[half.faces]
    middle = np.abs(points[:, 0]) < 1e-9
    count = len(points)
    mirror = np.arange(count)
    mirror[~middle] = count + np.arange((~middle).sum())
    both = np.concatenate([points, points[~middle] * [-1.0, 1.0, 1.0]])
    back = np.empty(len(both), dtype=int)
    back[mirror] = np.arange(count)
    back[:count] = mirror
    all_faces = np.concatenate([faces, mirror[faces][:, ::-1]])
    template = oriented_outward(Surface(both, all_faces))
    if not is_closed(template.faces):
        raise ShapeModelError("The symmetric template is not closed; its sagittal plane may be far from x = 0.")
    return Template(template, back)
