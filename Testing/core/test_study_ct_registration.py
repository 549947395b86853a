"""Known vertebrae registered rigidly to the films of the bundled study, from a CT frame of their own."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK

from LumbarBiplanarLib import cli
from LumbarBiplanarLib.anatomy import LUMBAR_LEVELS, Level
from LumbarBiplanarLib.errors import ShapeModelError, StudyError
from LumbarBiplanarLib.files import read_json
from LumbarBiplanarLib.geometry import rotation_from_vector, transform_points, vector_from_rotation
from LumbarBiplanarLib.shape import load_shape_model
from LumbarBiplanarLib.shape.subject import subject_model
from LumbarBiplanarLib.shape.surfaces import Surface, read_surface, write_surface
from LumbarBiplanarLib.study import ct_registration
from LumbarBiplanarLib.study.ct_registration import read_vertebrae, register_ct, registered
from LumbarBiplanarLib.study.output import output_folder
from LumbarBiplanarLib.study.results import FILES
from study_sample import given_arguments, sample, sample_case

FOUND = {
    "result": SimpleNamespace(warnings=(), reconstruction=SimpleNamespace(landmark_residual_mm={})),
    "ras_from_ct": {},
}


def true_surface(level: Level) -> Surface:
    return read_surface(sample("truth", f"{level.name}.vtp"))


def moved_apart() -> dict[Level, np.ndarray]:
    """A rigid motion of each vertebra, as between lying and standing: ct_from_ras."""
    rng, found = np.random.default_rng(4), {}
    for level in LUMBAR_LEVELS:
        center = true_surface(level).points_ras_mm.mean(axis=0)
        matrix = np.eye(4)
        matrix[:3, :3] = rotation_from_vector(np.deg2rad(rng.normal(0.0, 5.0, 3)))
        matrix[:3, 3] = center - matrix[:3, :3] @ center + rng.normal(0.0, 4.0, 3) + [40.0, -300.0, 700.0]
        found[level] = matrix
    return found


@pytest.fixture(scope="module")
def ct(tmp_path_factory):
    """Folder of vertebrae in a CT frame, and the motions that took them there."""
    folder, motions = tmp_path_factory.mktemp("ct"), moved_apart()
    for level, matrix in motions.items():
        surface = true_surface(level)
        write_surface(
            folder / f"{level.name}.stl", Surface(transform_points(matrix, surface.points_ras_mm), surface.faces)
        )
    return folder, motions


def test_known_vertebrae_find_their_way_back_to_the_films(ct, tmp_path, capsys):
    folder, motions = ct
    out = tmp_path / "truth"
    arguments = ["register-ct", *given_arguments()[1:], "--surfaces", str(folder), "--output", str(out)]
    assert cli.main(arguments) == 0
    content = read_json(out / "ct_registration.json", "result", StudyError)
    for level, matrix in motions.items():
        error = np.array(content["levels"][level.name]["ras_from_ct"]) @ matrix
        true = true_surface(level)
        center = true.points_ras_mm.mean(axis=0)
        # The films were drawn from a CT of 3 mm, the surfaces are smoothed; nothing of either is modelled.
        assert np.linalg.norm(transform_points(error, center[None])[0] - center) < 0.5
        assert np.rad2deg(np.linalg.norm(vector_from_rotation(error[:3, :3]))) < 1.5
        assert np.linalg.det(error[:3, :3]) == pytest.approx(1.0, abs=1e-9)
        written = read_surface(out / f"{level.name}.vtp").points_ras_mm
        given = read_surface(folder / f"{level.name}.stl")
        back = np.array(content["levels"][level.name]["ras_from_ct"])
        assert np.allclose(written.mean(axis=0), transform_points(back, given.points_ras_mm).mean(axis=0), atol=0.01)
    assert (out / "overlay_ap.png").stat().st_size > 10_000
    assert "Levels L1, L2, L3, L4, L5" in capsys.readouterr().out


def test_a_forced_result_leaves_no_record_of_another_kind_beside_its_surfaces(ct, tmp_path, monkeypatch):
    from LumbarBiplanarLib.study import ct_registration

    names = ("reconstruction.json", "report.html", "notes.txt")
    for name in names:
        (tmp_path / name).write_text("of an earlier reconstruction")
    monkeypatch.setattr(ct_registration, "register_ct", lambda *_, **__: iter([SimpleNamespace(**FOUND)]))
    monkeypatch.setattr(ct_registration, "CtRegistration", SimpleNamespace)
    monkeypatch.setattr(ct_registration, "write_ct_registration", lambda found, folder: (folder / "L1.stl").touch())
    arguments = ["register-ct", *given_arguments()[1:], "--surfaces", str(ct[0]), "--output", str(tmp_path)]
    assert cli.main([*arguments, "--force"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["L1.stl", "notes.txt"]
    with output_folder(tmp_path, force=True, owned=FILES) as folder:  # and reconstruct the other way round
        (folder / "L2.stl").touch()
        (tmp_path / "ct_registration.json").touch()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["L2.stl", "notes.txt"]


def test_films_that_show_more_than_was_given_are_refused():
    model = load_shape_model()
    only = {Level.L3: true_surface(Level.L3)}
    assert subject_model(model, only).model.levels == (Level.L3,)
    with pytest.raises(StudyError, match="L1, L2, L4, L5, of which no surface was given"):
        registered(register_ct(sample_case(), only, device="cpu"))


def test_a_surface_that_is_no_vertebra_is_refused():
    import vtk

    from LumbarBiplanarLib.shape.surfaces import from_polydata

    sphere = vtk.vtkSphereSource()
    sphere.SetRadius(30.0)
    sphere.SetThetaResolution(40)
    sphere.SetPhiResolution(40)
    sphere.Update()
    with pytest.raises(ShapeModelError, match="L2: the surface does not look like one"):
        subject_model(load_shape_model(), {Level.L2: from_polydata(sphere.GetOutput())})


def test_a_surface_in_metres_is_refused():
    true = true_surface(Level.L2)
    with pytest.raises(ShapeModelError, match="times as large as usual"):
        subject_model(load_shape_model(), {Level.L2: Surface(true.points_ras_mm / 1000.0, true.faces)})


def test_a_folder_without_vertebrae_says_what_is_expected(tmp_path):
    with pytest.raises(StudyError, match=r"L1\.vtp \.\.\. L5\.vtp"):
        read_vertebrae(tmp_path)


WHOLE, CUT = np.s_[10:90, 10:50, 35:50], np.s_[10:90, 10:50, 0:20]


def write_mask(path, boxes):
    """A mask of 1 mm with boxes of labels, {label: slices in x, y, z}."""
    data = np.zeros((100, 60, 60), dtype=np.uint8)
    for label, box in boxes.items():
        data[box] = label
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(data.transpose(2, 1, 0)), str(path))
    return path


def test_a_mask_of_totalsegmentator_is_told_by_its_labels_and_its_organs_are_no_vertebrae(tmp_path):
    organs = {20: np.s_[0:10, 0:10, 26:36], 24: np.s_[80:90, 0:10, 26:36]}
    notes = []
    found = read_vertebrae(write_mask(tmp_path / "ct.nii.gz", {**organs, 29: WHOLE, 28: CUT}), note=notes.append)
    assert list(found) == [Level.L3]
    assert len(notes) == 1 and "L4 reaches the border" in notes[0]


def test_a_mask_of_verse_is_told_by_its_labels(tmp_path):
    assert list(read_vertebrae(write_mask(tmp_path / "ct.nii.gz", {22: WHOLE}))) == [Level.L3]


def test_labels_of_a_segmentation_have_to_be_named(tmp_path, capsys):
    mask = write_mask(tmp_path / "segmentation.nrrd", {3: WHOLE})
    with pytest.raises(ShapeModelError, match=r"segmentation\.nrrd has the labels 3, .*--labels"):
        read_vertebrae(mask)
    own = {level: number for number, level in enumerate(LUMBAR_LEVELS, start=1)}
    assert list(read_vertebrae(mask, labels=own)) == [Level.L3]
    command = ["register-ct", *given_arguments()[1:], "--surfaces", str(mask), "--output", str(tmp_path / "out")]
    named = ["--labels", "L1=1", "L2=2", "L3=3", "L4=4", "L5=5"]
    assert cli.main([*command, *named]) == 3  # a box is read, and is no vertebra
    assert "L3: the surface does not look like one" in capsys.readouterr().err


def test_a_ct_in_place_of_its_mask_is_told(tmp_path):
    ct = SimpleITK.GetImageFromArray(np.random.default_rng(0).integers(-1000, 1000, (20, 20, 20)).astype(np.int16))
    SimpleITK.WriteImage(ct, str(tmp_path / "ct.nii.gz"))
    with pytest.raises(ShapeModelError, match=r"ct\.nii\.gz holds values from -\d+ to \d+: that is an image"):
        read_vertebrae(tmp_path / "ct.nii.gz")
    many = SimpleITK.GetImageFromArray(np.arange(50, 77, dtype=np.int16).reshape(3, 3, 3))
    SimpleITK.WriteImage(many, str(tmp_path / "many.nii.gz"))
    with pytest.raises(ShapeModelError, match=r"the labels 50, .*59, \.\.\., 76, which do not tell"):
        read_vertebrae(tmp_path / "many.nii.gz")


@pytest.mark.parametrize("option", [["--labels", "totalseg"], ["--lps"]])
def test_an_option_of_the_other_kind_of_source_is_refused(tmp_path, capsys, option):
    source = tmp_path if option[0] == "--labels" else write_mask(tmp_path / "mask.nii.gz", {22: WHOLE})
    command = ["register-ct", *given_arguments()[1:], "--surfaces", str(source), "--output", str(tmp_path / "out")]
    assert cli.main([*command, *option]) == 3
    message = capsys.readouterr().err
    assert option[0] in message and "leave it out" in message.lower() and str(source) in message


def test_surfaces_saved_by_slicer_stand_where_they_are(tmp_path):
    import vtk

    from LumbarBiplanarLib.shape.surfaces import to_polydata

    true = true_surface(Level.L2)
    writer = vtk.vtkPolyDataWriter()
    writer.SetHeader("3D Slicer output. SPACE=LPS")
    writer.SetFileName(str(tmp_path / "L2.vtk"))
    writer.SetInputData(to_polydata(Surface(true.points_ras_mm * [-1.0, -1.0, 1.0], true.faces)))
    writer.Write()
    assert np.allclose(read_vertebrae(tmp_path)[Level.L2].points_ras_mm, true.points_ras_mm, atol=1e-3)


def test_surfaces_under_each_others_names_are_refused_and_those_in_frames_of_their_own_are_not(tmp_path):
    for name, level in (("L2", Level.L3), ("L3", Level.L2)):
        write_surface(tmp_path / f"{name}.vtp", true_surface(level))
    with pytest.raises(StudyError, match=r"not in order from head to feet: L2 at \d+, L3 at \d+ mm"):
        read_vertebrae(tmp_path)
    for level in (Level.L2, Level.L3):
        surface = true_surface(level)
        middle = surface.points_ras_mm.mean(axis=0) + [0.0, 0.0, -level.index]
        write_surface(tmp_path / f"{level.name}.vtp", Surface(surface.points_ras_mm - middle, surface.faces))
    assert len(read_vertebrae(tmp_path)) == 2


def test_a_surface_that_is_a_part_of_a_vertebra_is_told():
    surface = true_surface(Level.L3)
    right = surface.points_ras_mm[surface.faces].mean(axis=1)[:, 0] > np.median(surface.points_ras_mm[:, 0])
    for given, told in ((surface, 0), (Surface(surface.points_ras_mm, surface.faces[right]), 1)):
        warnings = ct_registration._gap_warnings(subject_model(load_shape_model(), {Level.L3: given}))
        assert len(warnings) == told
    assert "L3: " in warnings[0] and "lacks a part" in warnings[0]


def test_a_segmentation_of_slicer_names_its_vertebrae_itself(tmp_path):
    path = write_mask(tmp_path / "Wirbelsäule.seg.nrrd", {30: CUT, 4: WHOLE, 5: np.s_[10:90, 10:50, 5:20]})
    image = SimpleITK.ReadImage(str(path))
    for number, (name, label) in enumerate({"L3 vertebra": 4, "vertebrae_L4": 5, "L4-L5 disc": 7, "Haut": 30}.items()):
        image.SetMetaData(f"Segment{number}_Name", name)
        image.SetMetaData(f"Segment{number}_LabelValue", str(label))
    SimpleITK.WriteImage(image, str(path), True)
    assert list(read_vertebrae(path)) == [Level.L3, Level.L4]
