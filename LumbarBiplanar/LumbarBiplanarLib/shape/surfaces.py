"""Triangle surfaces: from label masks, to and from files, and the distances between them.

Files are read and written in RAS mm. A file that states its frame, as those of this program and of 3D Slicer do, is
believed; one that states none is taken as RAS unless the caller says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import ShapeModelError
from ..files import atomic_path
from .surface_files import read_whole

# Surface files, the ones that keep most first.
SUFFIXES = (".vtp", ".vtk", ".stl", ".ply", ".obj")


@dataclass(frozen=True)
class Surface:
    """A triangle surface.

    Attributes:
        points_ras_mm: (N, 3) float64 vertices.
        faces: (F, 3) int64 vertex indices, counter-clockwise seen from outside.
    """

    points_ras_mm: np.ndarray
    faces: np.ndarray


def is_closed(faces: np.ndarray) -> bool:
    """Return whether every edge of ``faces`` (F, 3) is traversed once in each direction (watertight, consistent)."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    forward = edges[np.lexsort(edges.T[::-1])]
    backward = edges[:, ::-1]
    backward = backward[np.lexsort(backward.T[::-1])]
    return bool(np.array_equal(forward, backward))


def signed_volume(points_mm: np.ndarray, faces: np.ndarray) -> float:
    """Return the volume in mm^3 enclosed by ``faces`` (F, 3) over ``points_mm`` (N, 3); positive if they face out.

    Of an open surface it is that of the surface and the cones from the mean of its points to the edges of its holes,
    wherever it lies: its sign holds as long as the holes are small.
    """
    a, b, c = (points_mm[faces[:, k]] - points_mm.mean(axis=0) for k in range(3))
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6.0)


def vertex_normals(points_mm: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Return unit outward normals (..., V, 3) at the vertices: face normals averaged with their areas as weights."""
    a, b, c = (points_mm[..., faces[:, k], :] for k in range(3))
    face_normals = np.cross(b - a, c - a)
    normals = np.zeros_like(points_mm)
    for k in range(3):
        np.add.at(np.moveaxis(normals, -2, 0), faces[:, k], np.moveaxis(face_normals, -2, 0))
    length = np.linalg.norm(normals, axis=-1, keepdims=True)
    return normals / np.maximum(length, 1e-12)


def vertex_areas(points_mm: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Return the area in mm^2 (V,) that belongs to each vertex: a third of that of its triangles."""
    a, b, c = (points_mm[faces[:, k]] for k in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 6.0
    return sum(np.bincount(faces[:, k], weights=area, minlength=len(points_mm)) for k in range(3))


def to_polydata(surface: Surface):
    """Return ``surface`` as a new vtkPolyData."""
    from vtkmodules.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray
    from vtkmodules.vtkCommonCore import vtkPoints
    from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData

    points = vtkPoints()
    points.SetData(numpy_to_vtk(np.ascontiguousarray(surface.points_ras_mm, dtype=np.float64), deep=True))
    cells = vtkCellArray()
    cells.SetData(3, numpy_to_vtkIdTypeArray(np.ascontiguousarray(surface.faces, dtype=np.int64).ravel(), deep=True))
    polydata = vtkPolyData()
    polydata.SetPoints(points)
    polydata.SetPolys(cells)
    return polydata


def from_polydata(polydata) -> Surface:
    """Return the triangles of a vtkPolyData; other polygons are split.

    Raises:
        ShapeModelError: if it has none.
    """
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkFiltersCore import vtkTriangleFilter

    triangles = vtkTriangleFilter()
    triangles.SetInputData(polydata)
    triangles.PassLinesOff()
    triangles.PassVertsOff()
    triangles.Update()
    output = triangles.GetOutput()
    if output.GetNumberOfPolys() == 0:
        raise ShapeModelError("The surface has no triangles.")
    faces = vtk_to_numpy(output.GetPolys().GetConnectivityArray()).reshape(-1, 3).astype(np.int64)
    return Surface(vtk_to_numpy(output.GetPoints().GetData()).astype(np.float64), faces)


def largest_component(surface: Surface) -> Surface:
    """Return the connected part of ``surface`` with the most triangles, without unused points."""
    from vtkmodules.vtkFiltersCore import vtkCleanPolyData, vtkPolyDataConnectivityFilter

    connectivity = vtkPolyDataConnectivityFilter()
    connectivity.SetInputData(to_polydata(surface))
    connectivity.SetExtractionModeToLargestRegion()
    clean = vtkCleanPolyData()
    clean.SetInputConnection(connectivity.GetOutputPort())
    clean.PointMergingOff()
    clean.Update()
    return from_polydata(clean.GetOutput())


def oriented_outward(surface: Surface) -> Surface:
    """Return ``surface`` with its faces turned, if need be, so that they enclose a positive volume."""
    if signed_volume(surface.points_ras_mm, surface.faces) >= 0:
        return surface
    return Surface(surface.points_ras_mm, surface.faces[:, ::-1].copy())


def oriented_alike(surface: Surface) -> Surface:
    """Return ``surface`` with single faces turned, if need be, so that neighbours face the same side."""
    from vtkmodules.vtkFiltersCore import vtkPolyDataNormals

    edges = np.concatenate([surface.faces[:, [0, 1]], surface.faces[:, [1, 2]], surface.faces[:, [2, 0]]])
    # Two neighbours that run along their edge in the same direction face opposite sides.
    if len(np.unique(edges, axis=0)) == len(edges):
        return surface
    normals = vtkPolyDataNormals()
    normals.SetInputData(to_polydata(surface))
    normals.ConsistencyOn()
    normals.SplittingOff()
    # Without any normals to compute it passes its input on as it is.
    normals.ComputeCellNormalsOn()
    normals.ComputePointNormalsOff()
    normals.Update()
    return from_polydata(normals.GetOutput())


def welded(surface: Surface) -> Surface:
    """Return ``surface`` with vertices of one place joined; the same arrays if there are none.

    Programs that store a normal or a texture coordinate per corner write a vertex once for every triangle around it;
    such triangles have no neighbours.
    """
    if is_closed(surface.faces):
        return surface
    points, first, place = np.unique(surface.points_ras_mm, axis=0, return_index=True, return_inverse=True)
    if len(points) == len(surface.points_ras_mm):
        return surface
    order = np.argsort(first)
    faces = np.argsort(order)[place.ravel()][surface.faces]
    sides = (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])
    return Surface(points[order], faces[sides])


def surface_from_mask(
    mask: np.ndarray, ras_from_ijk: np.ndarray, *, spacing_mm: float = 0.8, smoothing_mm: float = 0.7
) -> Surface:
    """Turn one label into a smooth closed surface.

    The signed distance to the label is interpolated to an isotropic grid, smoothed and contoured at zero
    (shape-based interpolation, Raya and Udupa 1990), which keeps thin processes that smoothing the mask would shorten.

    Args:
        mask: (I, J, K) bool, the voxels of the label.
        ras_from_ijk: (4, 4) voxel indices to RAS mm.
        spacing_mm: spacing of the grid that is contoured.
        smoothing_mm: standard deviation of the Gaussian applied to the signed distance.

    Returns:
        The largest closed component, outward oriented, in RAS mm.

    Raises:
        ShapeModelError: if the mask is empty.
    """
    from scipy import ndimage
    from vtkmodules.util.numpy_support import numpy_to_vtk
    from vtkmodules.vtkCommonDataModel import vtkImageData
    from vtkmodules.vtkFiltersCore import vtkFlyingEdges3D

    mask = np.asarray(mask, dtype=bool)
    if not mask.any():
        raise ShapeModelError("The label is empty: there is no voxel to make a surface from.")
    voxel_mm = np.linalg.norm(np.asarray(ras_from_ijk)[:3, :3], axis=0)
    pad = np.ceil(4.0 / voxel_mm).astype(int) + 1
    found = ndimage.find_objects(mask.astype(np.uint8))[0]
    start = np.array([s.start for s in found]) - pad
    block = np.pad(mask[found], [(p, p) for p in pad])
    inside = ndimage.distance_transform_edt(block, sampling=voxel_mm)
    outside = ndimage.distance_transform_edt(~block, sampling=voxel_mm)
    # Distances run to voxel centres; half a step between neighbours of both kinds puts zero on the voxel border.
    distance = outside - inside
    size = np.maximum(np.round((np.array(block.shape) - 1) * voxel_mm / spacing_mm).astype(int), 2) + 1
    index_per_step = (np.array(block.shape) - 1) / (size - 1)
    fine = ndimage.zoom(distance, size / np.array(block.shape), order=3, grid_mode=False, mode="nearest")
    fine = ndimage.gaussian_filter(fine, smoothing_mm / (index_per_step * voxel_mm))

    image = vtkImageData()
    image.SetDimensions(*fine.shape)
    image.GetPointData().SetScalars(numpy_to_vtk(fine.ravel(order="F").astype(np.float32), deep=True))
    contour = vtkFlyingEdges3D()
    contour.SetInputData(image)
    contour.SetValue(0, 0.0)
    contour.ComputeNormalsOff()
    contour.Update()
    grid = from_polydata(contour.GetOutput())
    ijk = grid.points_ras_mm * index_per_step + start
    points = ijk @ np.asarray(ras_from_ijk)[:3, :3].T + np.asarray(ras_from_ijk)[:3, 3]
    return oriented_outward(largest_component(Surface(points, grid.faces)))


def decimated(surface: Surface, face_count: int) -> Surface:
    """Return ``surface`` reduced to about ``face_count`` triangles by quadric error; a closed surface stays closed."""
    from vtkmodules.vtkFiltersCore import vtkQuadricDecimation

    decimate = vtkQuadricDecimation()
    decimate.SetInputData(to_polydata(surface))
    decimate.SetTargetReduction(max(0.0, 1.0 - face_count / len(surface.faces)))
    decimate.VolumePreservationOn()
    decimate.Update()
    return from_polydata(decimate.GetOutput())


def surface_distances(points_mm: np.ndarray, surface: Surface) -> tuple[np.ndarray, np.ndarray]:
    """Return how far points are from a surface.

    Args:
        points_mm: (N, 3), in the frame of ``surface``.
        surface: the surface measured to.

    Returns:
        (N,) unsigned distances in mm and (N, 3) closest points on the surface.
    """
    from vtkmodules.vtkCommonCore import reference
    from vtkmodules.vtkCommonDataModel import vtkStaticCellLocator

    locator = vtkStaticCellLocator()
    locator.SetDataSet(to_polydata(surface))
    locator.BuildLocator()
    closest = np.empty((len(points_mm), 3))
    squared = np.empty(len(points_mm))
    point, cell, sub_id, distance2 = [0.0] * 3, reference(0), reference(0), reference(0.0)
    for row, query in enumerate(np.asarray(points_mm, dtype=np.float64)):
        locator.FindClosestPoint(query, point, cell, sub_id, distance2)
        closest[row] = point
        squared[row] = distance2
    return np.sqrt(squared), closest


def surface_file(folder: str | Path, name: str) -> Path | None:
    """Return the surface file called ``name`` in a folder, the first of ``SUFFIXES`` that is there, or None.

    Capitals make no difference: ``L1.STL`` is ``L1.stl``; of two such files the one in the usual letters goes first.
    """
    folder = Path(folder)
    for suffix in SUFFIXES:
        usual = folder / f"{name}{suffix}"
        found = [usual] if usual.is_file() else []
        if not found and folder.is_dir():
            found = sorted(path for path in folder.iterdir() if path.name.lower() == usual.name.lower())
        if found and found[0].is_file():
            return found[0]
    return None


def read_surface(path: str | Path, *, lps: bool = False) -> Surface:
    """Read a surface (.vtp, .vtk, .stl, .ply, .obj) as RAS mm; vertices of one place become one.

    Args:
        path: the file. The frame that it states goes first: ``SPACE=RAS`` or ``SPACE=LPS`` in the header or a comment,
            or in the field data of a .vtp, as 3D Slicer writes and reads it (vtkMRMLModelStorageNode).
        lps: the points of a file that states no frame are LPS.

    Raises:
        ShapeModelError: if the file is missing, of another type, damaged or cut off, or holds no triangles.
    """
    from vtkmodules.vtkIOGeometry import vtkOBJReader, vtkSTLReader
    from vtkmodules.vtkIOLegacy import vtkPolyDataReader
    from vtkmodules.vtkIOPLY import vtkPLYReader
    from vtkmodules.vtkIOXML import vtkXMLPolyDataReader

    path = Path(path)
    if not path.is_file():
        what = "this is a folder" if path.is_dir() else "there is no such surface file"
        raise ShapeModelError(f"{path}: {what}; check the path.")
    readers = {
        ".vtp": vtkXMLPolyDataReader,
        ".vtk": vtkPolyDataReader,
        ".stl": vtkSTLReader,
        ".ply": vtkPLYReader,
        ".obj": vtkOBJReader,
    }
    if path.suffix.lower() not in readers:
        raise ShapeModelError(f"{path}: unknown surface type; use one of {', '.join(SUFFIXES)}.")
    reader = readers[path.suffix.lower()]()
    read_whole(reader, path)
    try:
        surface = welded(from_polydata(reader.GetOutput()))
    except ShapeModelError as error:
        said = str(error).rstrip(".")
        raise ShapeModelError(f"{path}: not a readable surface ({said}); export it as triangles again.") from None
    stated = _stated_frame(reader)
    if stated == "LPS" or (stated is None and lps):
        return Surface(surface.points_ras_mm * np.array([-1.0, -1.0, 1.0]), surface.faces)
    return surface


def _stated_frame(reader) -> str | None:
    """Return "RAS" or "LPS" if the file that a VTK reader has read says so, else None."""
    field = reader.GetOutput().GetFieldData().GetAbstractArray("SPACE")
    remarks = [] if field is None or not field.GetNumberOfValues() else [f"SPACE={field.GetVariantValue(0).ToString()}"]
    remarks += [getattr(reader, name)() for name in ("GetHeader", "GetComment") if hasattr(reader, name)]
    if hasattr(reader, "GetComments"):
        comments = reader.GetComments()
        remarks += [comments.GetValue(k) for k in range(comments.GetNumberOfValues())]
    for frame in ("RAS", "LPS"):
        if any(remark and f"SPACE={frame}" in remark for remark in remarks):
            return frame
    return None


def write_surface(
    path: str | Path,
    surface: Surface,
    *,
    point_data: Mapping[str, np.ndarray] | None = None,
    remarks: Mapping[str, str] | None = None,
) -> None:
    """Write ``surface`` as .vtp or .stl, RAS mm, the frame stated in the file.

    Args:
        path: the file.
        surface: the surface.
        point_data: arrays (V, ...) by name, for .vtp only.
        remarks: short texts by name that go into the field data of a .vtp and the header of an .stl.

    Raises:
        ShapeModelError: for another file type.
    """
    from vtkmodules.util.numpy_support import numpy_to_vtk
    from vtkmodules.vtkCommonCore import vtkStringArray
    from vtkmodules.vtkIOGeometry import vtkSTLWriter
    from vtkmodules.vtkIOXML import vtkXMLPolyDataWriter

    path = Path(path)
    polydata = to_polydata(surface)
    if path.suffix == ".vtp":
        for name, values in (point_data or {}).items():
            array = numpy_to_vtk(np.ascontiguousarray(values), deep=True)
            array.SetName(name)
            polydata.GetPointData().AddArray(array)
        for name, text in {"SPACE": "RAS; mm", **(remarks or {})}.items():
            stated = vtkStringArray()
            stated.SetName(name)
            stated.InsertNextValue(text)
            polydata.GetFieldData().AddArray(stated)
        writer = vtkXMLPolyDataWriter()
        writer.SetDataModeToAppended()
        writer.EncodeAppendedDataOff()
        writer.SetCompressorTypeToZLib()
    elif path.suffix == ".stl":
        writer = vtkSTLWriter()
        writer.SetFileTypeToBinary()
        header = {"SPACE": "RAS", "UNIT": "mm", **(remarks or {})}
        writer.SetHeader(" ".join(["LumbarBiplanar", *(f"{name}={text}" for name, text in header.items())]))
    else:
        raise ShapeModelError(f"{path}: surfaces are written as .vtp or .stl.")
    writer.SetInputData(polydata)
    with atomic_path(path) as temporary:
        writer.SetFileName(str(temporary))
        if not writer.Write() or writer.GetErrorCode():
            raise OSError(None, "the surface could not be written; is the disk full?", str(temporary))
