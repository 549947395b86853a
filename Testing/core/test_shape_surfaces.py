"""Surfaces from masks and files."""

from __future__ import annotations

import numpy as np
import pytest

from LumbarBiplanarLib.errors import ShapeModelError
from LumbarBiplanarLib.shape.surfaces import (
    Surface,
    decimated,
    is_closed,
    largest_component,
    oriented_alike,
    oriented_outward,
    read_surface,
    signed_volume,
    surface_distances,
    surface_file,
    surface_from_mask,
    to_polydata,
    vertex_areas,
    vertex_normals,
    write_surface,
)


def ball_mask(radius_mm, voxel_mm, shape):
    grid = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), axis=-1) * voxel_mm
    return np.linalg.norm(grid - (np.array(shape) - 1) / 2 * voxel_mm, axis=-1) < radius_mm


def field_data(path, name):
    import vtk

    reader = vtk.vtkXMLPolyDataReader()
    reader.SetFileName(str(path))
    reader.Update()
    return reader.GetOutput().GetFieldData().GetAbstractArray(name).GetValue(0)


@pytest.fixture(scope="module")
def ball():
    voxel = np.array([1.0, 1.0, 2.0])
    matrix = np.diag([-1.0, 1.0, 2.0, 1.0])
    matrix[:3, 3] = 5.0, -3.0, 10.0
    return surface_from_mask(ball_mask(15.0, voxel, (40, 40, 22)), matrix)


def test_a_ball_of_anisotropic_voxels_becomes_a_ball(ball):
    center = ball.points_ras_mm.mean(axis=0)
    radius = np.linalg.norm(ball.points_ras_mm - center, axis=1)
    assert np.allclose(center, [5.0 - 19.5, -3.0 + 19.5, 10.0 + 21.0], atol=0.1)
    assert abs(radius.mean() - 15.0) < 0.2
    assert radius.std() < 0.25
    assert is_closed(ball.faces)
    assert signed_volume(ball.points_ras_mm, ball.faces) > 0


def test_normals_and_areas_of_a_ball(ball):
    normals = vertex_normals(ball.points_ras_mm, ball.faces)
    radial = ball.points_ras_mm - ball.points_ras_mm.mean(axis=0)
    radial /= np.linalg.norm(radial, axis=1, keepdims=True)
    assert np.einsum("ij,ij->i", normals, radial).min() > 0.9
    assert vertex_areas(ball.points_ras_mm, ball.faces).sum() == pytest.approx(4 * np.pi * 15**2, rel=0.03)


def test_a_thin_process_keeps_its_length():
    mask = ball_mask(9.0, np.ones(3), (24, 24, 60))
    mask[10:13, 10:13, 30:55] = True
    surface = surface_from_mask(mask, np.eye(4))
    assert surface.points_ras_mm[:, 2].max() > 53.0


def test_an_empty_mask_is_refused():
    with pytest.raises(ShapeModelError, match="empty"):
        surface_from_mask(np.zeros((5, 5, 5), dtype=bool), np.eye(4))


def test_distances_to_a_cube_are_exact():
    corners = np.array([[x, y, z] for x in (-1.0, 1) for y in (-1.0, 1) for z in (-1.0, 1)])
    sides = ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3))
    cube = Surface(corners, np.array([t for a, b, c, d in sides for t in ((a, b, c), (a, c, d))]))
    distance, closest = surface_distances(np.array([[3.0, 0.2, 0.1], [0.5, 0, 0], [2.0, 2.0, 2.0]]), cube)
    assert np.allclose(distance, [2.0, 0.5, np.sqrt(3.0)])
    assert np.allclose(closest, [[1.0, 0.2, 0.1], [1.0, 0, 0], [1.0, 1.0, 1.0]])


@pytest.mark.parametrize("suffix", [".vtp", ".stl"])
def test_a_written_surface_comes_back_in_ras_mm(ball, tmp_path, suffix):
    path = tmp_path / f"ball{suffix}"
    data = {"region": np.zeros(len(ball.points_ras_mm), dtype=np.uint8)}
    write_surface(path, ball, point_data=data, remarks={"QUALITY": "refuse"})
    again = read_surface(path)
    assert signed_volume(again.points_ras_mm, again.faces) == pytest.approx(
        signed_volume(ball.points_ras_mm, ball.faces), rel=1e-4
    )
    assert np.allclose(again.points_ras_mm.min(axis=0), ball.points_ras_mm.min(axis=0), atol=1e-3)
    if suffix == ".stl":
        assert b"SPACE=RAS UNIT=mm QUALITY=refuse" in path.read_bytes()[:80]
    else:
        assert field_data(path, "SPACE") == "RAS; mm"
        assert field_data(path, "QUALITY") == "refuse"


def written_like_slicer(path, surface, space):
    """Write a surface as 3D Slicer writes models (vtkMRMLModelStorageNode): the frame in header, comment or field."""
    import vtk

    remark = f"3D Slicer output. SPACE={space}" if space else "by another program"
    polydata = to_polydata(surface)
    if path.suffix == ".obj":  # Slicer's exporter of OBJ needs a window
        points = [f"v {x} {y} {z}" for x, y, z in surface.points_ras_mm]
        faces = [f"f {a} {b} {c}" for a, b, c in surface.faces + 1]
        path.write_text("\n".join([f"# {remark}", *points, *faces]))
        return
    if path.suffix == ".vtp":
        writer = vtk.vtkXMLPolyDataWriter()
        if space:
            stated = vtk.vtkStringArray()
            stated.SetName("SPACE")
            stated.InsertNextValue(space)
            polydata.GetFieldData().AddArray(stated)
    elif path.suffix == ".ply":
        writer = vtk.vtkPLYWriter()
        writer.AddComment(remark)
    else:
        writer = {".stl": vtk.vtkSTLWriter, ".vtk": vtk.vtkPolyDataWriter}[path.suffix]()
        writer.SetHeader(remark)
        writer.SetFileTypeToBinary()
    writer.SetFileName(str(path))
    writer.SetInputData(polydata)
    assert writer.Write()


@pytest.mark.parametrize("suffix", [".vtp", ".vtk", ".stl", ".ply", ".obj"])
def test_the_frame_that_a_file_states_goes_before_what_the_caller_says(ball, tmp_path, suffix):
    path, middle = tmp_path / f"ball{suffix}", ball.points_ras_mm.mean(axis=0)
    turned = middle * [-1.0, -1.0, 1.0]
    for space, without, with_lps in (("LPS", turned, turned), ("RAS", middle, middle), ("", middle, turned)):
        written_like_slicer(path, ball, space)
        for lps, goal in ((False, without), (True, with_lps)):
            assert np.allclose(read_surface(path, lps=lps).points_ras_mm.mean(axis=0), goal, atol=0.2), (space, lps)


def test_a_surface_is_found_in_every_format_the_richest_first(ball, tmp_path):
    assert surface_file(tmp_path, "L1") is None
    for suffix in (".obj", ".ply", ".stl", ".vtk", ".vtp"):
        (tmp_path / f"L1{suffix}").touch()
        assert surface_file(tmp_path, "L1") == tmp_path / f"L1{suffix}"


def test_files_that_hold_no_surface_are_refused_by_name(tmp_path):
    with pytest.raises(ShapeModelError, match=r"none\.vtp"):
        read_surface(tmp_path / "none.vtp")
    for name in ("text.stl", "text.xyz"):
        (tmp_path / name).write_text("hello")
        with pytest.raises(ShapeModelError, match=name):
            read_surface(tmp_path / name)
    with pytest.raises(ShapeModelError, match=r"\.vtp or \.stl"):
        write_surface(tmp_path / "x.obj", Surface(np.zeros((3, 3)), np.array([[0, 1, 2]])))


@pytest.mark.parametrize("share", [0.3, 0.7, 0.97])
@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("suffix", [".vtp", ".vtk", ".stl", ".ply", ".obj"])
def test_a_surface_file_that_is_cut_off_is_refused_and_vtk_prints_nothing(ball, tmp_path, suffix, binary, share, capfd):
    import vtk

    writers = {
        ".vtp": vtk.vtkXMLPolyDataWriter,
        ".vtk": vtk.vtkPolyDataWriter,
        ".stl": vtk.vtkSTLWriter,
        ".ply": vtk.vtkPLYWriter,
        ".obj": vtk.vtkOBJWriter,
    }
    whole, cut = tmp_path / f"whole{suffix}", tmp_path / f"cut{suffix}"
    writer = writers[suffix]()
    if hasattr(writer, "SetFileTypeToBinary"):
        (writer.SetFileTypeToBinary if binary else writer.SetFileTypeToASCII)()
    writer.SetInputData(to_polydata(ball))
    writer.SetFileName(str(whole))
    writer.Write()
    assert len(read_surface(whole).faces) == len(ball.faces)
    cut.write_bytes(whole.read_bytes()[: int(share * whole.stat().st_size)])
    said = r"(damaged or cut off|no triangles).*; export it"
    with pytest.raises(ShapeModelError, match=rf"cut\{suffix}: .*{said}"):
        read_surface(cut)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("last", [7, -1])
def test_a_triangle_without_its_vertices_is_refused(tmp_path, last):
    lines = ["# vtk DataFile Version 3.0", "triangle", "ASCII", "DATASET POLYDATA", "POINTS 3 float"]
    lines += ["0 0 0", "1 0 0", "0 1 0", "POLYGONS 1 4", f"3 0 1 {last}", ""]
    (tmp_path / "odd.vtk").write_text("\n".join(lines))
    with pytest.raises(ShapeModelError, match=r"odd\.vtk: .*a vertex that is none of the 3"):
        read_surface(tmp_path / "odd.vtk")


def test_vertices_that_are_no_numbers_are_refused(ball, tmp_path):
    points = ball.points_ras_mm.copy()
    points[5, 1] = np.nan
    write_surface(tmp_path / "odd.vtp", Surface(points, ball.faces))
    with pytest.raises(ShapeModelError, match=r"odd\.vtp: .*NaN"):
        read_surface(tmp_path / "odd.vtp")


def test_inside_out_surfaces_are_turned(ball):
    wrong = Surface(ball.points_ras_mm, ball.faces[:, ::-1])
    right = oriented_outward(wrong)
    assert signed_volume(right.points_ras_mm, right.faces) > 0


def test_an_open_surface_is_turned_by_its_shape_and_not_by_where_it_lies(ball):
    cap = ball.points_ras_mm[ball.faces].mean(axis=1)[:, 2] < ball.points_ras_mm[:, 2].max() - 3.0
    for shift in ((0.0, 0.0, -900.0), (0.0, 0.0, 900.0)):
        opened = Surface(ball.points_ras_mm + np.array(shift), ball.faces[cap])
        assert np.array_equal(oriented_outward(opened).faces, opened.faces)
        inside_out = Surface(opened.points_ras_mm, opened.faces[:, ::-1])
        assert np.array_equal(oriented_outward(inside_out).faces, opened.faces)


def test_single_faces_that_are_turned_are_turned_back(ball):
    assert oriented_alike(ball) is ball
    faces = ball.faces.copy()
    faces[::3] = faces[::3, ::-1]
    mended = oriented_outward(oriented_alike(Surface(ball.points_ras_mm, faces)))
    assert is_closed(mended.faces)
    assert signed_volume(mended.points_ras_mm, mended.faces) == pytest.approx(
        signed_volume(ball.points_ras_mm, ball.faces)
    )


def test_triangles_with_corners_of_their_own_become_one_surface_again(ball, tmp_path):
    corners = ball.points_ras_mm[ball.faces].reshape(-1, 3)
    write_surface(tmp_path / "soup.vtp", Surface(corners, np.arange(len(corners)).reshape(-1, 3)))
    lines = [*("v {} {} {}".format(*point) for point in ball.points_ras_mm)]
    lines += [f"vn 0 0 {1.0 + k}" for k in range(len(ball.faces))]
    lines += [f"f {a + 1}//{k + 1} {b + 1}//{k + 1} {c + 1}//{k + 1}" for k, (a, b, c) in enumerate(ball.faces)]
    (tmp_path / "flat.obj").write_text("\n".join(lines))
    for name in ("soup.vtp", "flat.obj"):
        read = read_surface(tmp_path / name)
        assert is_closed(read.faces)
        assert len(read.points_ras_mm) == len(ball.points_ras_mm)
        assert len(largest_component(read).faces) == len(ball.faces)
        assert surface_distances(read.points_ras_mm, ball)[0].max() < 1e-4


def test_decimation_keeps_a_surface_closed_and_in_place(ball):
    thin = decimated(ball, 800)
    assert is_closed(thin.faces)
    assert len(thin.faces) < 1000
    assert surface_distances(ball.points_ras_mm[::50], thin)[0].mean() < 0.15
