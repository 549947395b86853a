"""A CT and its mask become films with their truth: the truth is where the vertebra was put."""

from __future__ import annotations

import numpy as np
import pytest

from LumbarBiplanarLib.anatomy import LANDMARK_NAMES, Level
from LumbarBiplanarLib.cli import main
from LumbarBiplanarLib.geometry import load_geometry, save_geometry, standard_pair
from LumbarBiplanarLib.imaging import Volume, read_film, read_lumbar_image, read_volume, write_volume
from LumbarBiplanarLib.shape import Surface, load_shape_model
from LumbarBiplanarLib.shape.surfaces import read_surface, surface_distances, to_polydata
from LumbarBiplanarLib.study.landmarks_file import read_landmarks, read_positions

CENTER = np.array([12.0, -30.0, 205.0])


def inside(surface: Surface, points: np.ndarray) -> np.ndarray:
    import vtk
    from vtk.util.numpy_support import numpy_to_vtk

    cloud, holder = vtk.vtkPoints(), vtk.vtkPolyData()
    cloud.SetData(numpy_to_vtk(points, deep=True))
    holder.SetPoints(cloud)
    test = vtk.vtkSelectEnclosedPoints()
    test.SetInputData(holder)
    test.SetSurfaceData(to_polydata(surface))
    test.Update()
    return np.array([test.IsInside(k) for k in range(len(points))], dtype=bool)


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """The mean L3 of the shape model as a mask of 2 mm in a box of water, made into a case."""
    folder = tmp_path_factory.mktemp("synthesize")
    model = load_shape_model()
    surface = Surface(model.mean(Level.L3) + CENTER, model.faces)
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    shape = (70, 70, 50)
    affine[:3, 3] = CENTER - np.array(shape) + (0.0, -15.0, 0.0)
    ijk = np.argwhere(np.ones(shape, bool))
    mask = inside(surface, ijk @ affine[:3, :3].T + affine[:3, 3]).reshape(shape)
    ct = np.full(shape, -1000, np.int16)
    ct[8:-8, 8:-8] = 30
    ct[mask] = 400
    write_volume(folder / "ct.nii.gz", Volume(ct, affine))
    write_volume(folder / "mask.nii.gz", Volume(np.where(mask, 22, 0).astype(np.uint8), affine))
    pair = standard_pair(tuple(CENTER), angle_deg=80, size_px=((220, 180), (220, 180)), spacing_mm=0.8)
    save_geometry(pair, folder / "geometry.json")
    arguments = ["synthesize", "--seed", "3", "--output", str(folder / "case"), "--device", "cpu"]
    arguments += ["--geometry", str(folder / "geometry.json"), "--ct", str(folder / "ct.nii.gz")]
    assert main([*arguments, "--mask", str(folder / "mask.nii.gz")]) == 0
    return folder / "case"


def test_the_case_holds_what_is_promised(case):
    found = {str(path.relative_to(case)) for path in case.rglob("*") if path.is_file()}
    truth = {"truth/L3.vtp", "truth/landmarks.json"}
    images = {"ap.png", "lateral.png", "lumbar_ap.nrrd", "lumbar_lateral.nrrd"}
    assert found == truth | images | {"geometry.json", "films.json"}


def test_the_true_surface_is_where_the_vertebra_was_put(case):
    model = load_shape_model()
    distances, _ = surface_distances(model.mean(Level.L3) + CENTER, read_surface(case / "truth" / "L3.vtp"))
    assert distances.mean() < 0.5
    assert np.quantile(distances, 0.95) < 1.3


def test_the_true_landmarks_are_those_of_the_vertebra_in_space_and_on_the_films(case):
    model, pair = load_shape_model(), load_geometry(case / "geometry.json")
    expected = model.landmarks(model.mean(Level.L3) + CENTER)
    positions = read_positions(case / "truth" / "landmarks.json")[Level.L3]
    errors = [np.linalg.norm(np.subtract(positions[name], expected[k])) for k, name in enumerate(LANDMARK_NAMES)]
    assert np.mean(errors) < 1.5
    entries = read_landmarks(case / "truth" / "landmarks.json")
    for view in pair.views:
        for (level, name), item in entries[view.name].landmarks.items():
            assert level is Level.L3
            assert np.allclose(item.position_px, view.project(np.array(positions[name])), atol=0.01)


def test_films_and_lumbar_only_images_fit_the_geometry_and_show_the_bone(case):
    pair = load_geometry(case / "geometry.json")
    for view, name in zip(pair.views, ("ap", "lateral"), strict=True):
        film = read_film(case / f"{name}.png", view).bone_bright()
        bone = read_lumbar_image(case / f"lumbar_{name}.nrrd", view)
        assert bone.max() > 25.0
        assert film[bone > 15.0].mean() > film[(bone == 0.0)].mean()


def test_a_mask_that_does_not_fit_the_ct_is_refused(case, tmp_path, capsys):
    source = case.parent
    write_volume(tmp_path / "mask.nii.gz", Volume(np.ones((5, 5, 5), np.uint8), np.eye(4)))
    arguments = ["synthesize", "--ct", str(source / "ct.nii.gz"), "--geometry", str(source / "geometry.json")]
    assert main([*arguments, "--mask", str(tmp_path / "mask.nii.gz"), "--output", str(tmp_path / "case")]) == 3
    assert "resample the mask" in capsys.readouterr().err
    assert not (tmp_path / "case").exists()


def synthesize(case, mask, output, *more):
    source = case.parent
    arguments = ["synthesize", "--seed", "3", "--device", "cpu", "--geometry", str(source / "geometry.json")]
    return main([*arguments, "--ct", str(source / "ct.nii.gz"), "--mask", str(mask), "--output", str(output), *more])


def test_a_crop_of_the_mask_with_its_axes_turned_and_labels_of_its_own_gives_the_same_films(case, tmp_path):
    mask = read_volume(case.parent / "mask.nii.gz")
    low, high = np.argwhere(mask.data).min(axis=0), np.argwhere(mask.data).max(axis=0) + 1
    cropped = mask.data[tuple(slice(a - 1, b + 1) for a, b in zip(low, high, strict=True))]
    turned = np.where(cropped, 3, 0).astype(np.uint8).transpose(1, 0, 2)[::-1]
    # Index 0 of the first new axis is the last of the second old one.
    affine = mask.ras_from_ijk @ np.array(
        [[0, 1, 0, low[0] - 1], [-1, 0, 0, high[1]], [0, 0, 1, low[2] - 1], [0, 0, 0, 1.0]]
    )
    path = tmp_path / "Müller Segmentation.seg.nrrd"
    write_volume(path, Volume(turned, affine))
    own = ["--labels", "L1=1", "L2=2", "L3=3", "L4=4", "L5=5"]
    assert synthesize(case, path, tmp_path / "case", *own) == 0
    for name in ("ap.png", "lateral.png", "truth/L3.vtp"):
        assert (tmp_path / "case" / name).read_bytes() == (case / name).read_bytes()
    assert '"L3": 3' in (tmp_path / "case" / "films.json").read_text()


def test_masks_on_other_voxels_or_cut_off_by_their_own_border_are_refused(case, tmp_path, capsys):
    mask = read_volume(case.parent / "mask.nii.gz")
    half = mask.ras_from_ijk.copy()
    half[0, 3] += 1.0
    turned = mask.ras_from_ijk @ np.diag([-1.0, 1.0, 1.0, 1.0])
    cut = mask.data[:, :, :25]
    for name, volume, said in (
        ("half.nrrd", Volume(mask.data, half), "its voxels are not those of the CT"),
        ("turned.nrrd", Volume(mask.data, turned), "along (-1 0 0), (0 1 0), (0 0 1) from"),
        ("cut.nrrd", Volume(cut, mask.ras_from_ijk), "its border cuts off the label 22"),
    ):
        write_volume(tmp_path / name, volume)
        assert synthesize(case, tmp_path / name, tmp_path / "case") == 3
        message = capsys.readouterr().err
        assert said in message and name in message


def test_a_vertebra_whose_truth_is_not_all_that_is_drawn_is_told(case, tmp_path, capsys):
    mask = read_volume(case.parent / "mask.nii.gz")
    data = mask.data.copy()
    low, high = np.argwhere(data)[:, 1].min(), np.argwhere(data)[:, 1].max()
    data[:, (low + high) // 2 - 1 : (low + high) // 2 + 2] = 0
    write_volume(tmp_path / "pieces.nii.gz", Volume(data, mask.ras_from_ijk))
    assert synthesize(case, tmp_path / "pieces.nii.gz", tmp_path / "pieces") == 0
    assert "L3 is in pieces that do not touch" in capsys.readouterr().err
    data = mask.data.copy()
    data[0, 0, 49] = 21
    write_volume(tmp_path / "stray.nii.gz", Volume(data, mask.ras_from_ijk))
    assert synthesize(case, tmp_path / "stray.nii.gz", tmp_path / "stray") == 0
    assert "L2 touches the border of the CT; it is drawn, and has no true surface" in capsys.readouterr().err


def test_a_segmentation_of_slicer_names_its_vertebrae_itself(case, tmp_path):
    import SimpleITK

    image = SimpleITK.ReadImage(str(case.parent / "mask.nii.gz"))
    image = SimpleITK.ChangeLabel(image, {22: 2})
    image.SetMetaData("Segment0_Name", "L3 vertebra")
    image.SetMetaData("Segment0_LabelValue", "2")
    SimpleITK.WriteImage(image, str(tmp_path / "mask.seg.nrrd"), True)
    assert synthesize(case, tmp_path / "mask.seg.nrrd", tmp_path / "case") == 0
    assert (tmp_path / "case" / "truth" / "L3.vtp").read_bytes() == (case / "truth" / "L3.vtp").read_bytes()
