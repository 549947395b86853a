"""A shape model of the user's own people: what is read, what is refused, and what comes out."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK

from LumbarBiplanarLib.anatomy import LUMBAR_LEVELS, Level
from LumbarBiplanarLib.cli import main
from LumbarBiplanarLib.commands.labels import labels_of
from LumbarBiplanarLib.errors import ShapeModelError
from LumbarBiplanarLib.shape import Surface, load_shape_model
from LumbarBiplanarLib.shape.own_people import read_people
from LumbarBiplanarLib.shape.pipeline import collect_people
from LumbarBiplanarLib.shape.sources import POPULATION_MEAN
from LumbarBiplanarLib.shape.surfaces import write_surface


@pytest.fixture(scope="module")
def model():
    return load_shape_model()


def write_mesh(model, path, level, seed, *, scale=1.0):
    coefficients = 0.5 * np.random.default_rng(seed).standard_normal(model.mode_count)
    write_surface(path, Surface(scale * model.instance(level, coefficients), model.faces))
    return path


def write_mask(path, boxes, shape=(100, 60, 60)):
    """A mask of 1 mm with boxes of labels, {label: (slice, slice, slice)} in x, y, z."""
    data = np.zeros(shape, dtype=np.uint8)
    for label, box in boxes.items():
        data[box] = label
    path.parent.mkdir(exist_ok=True)
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(data.transpose(2, 1, 0)), str(path))
    return path


WHOLE = np.s_[10:90, 10:50, 35:50]
CUT = np.s_[10:90, 10:50, 0:20]


def test_meshes_say_by_their_names_whose_vertebra_they_are(model, tmp_path):
    paths = [write_mesh(model, tmp_path / name, Level.L3, 1) for name in ("smith_L3.vtp", "de-vries-l2.stl")]
    found = read_people(meshes=paths)
    assert [(item.subject, item.level) for item in found] == [("smith", Level.L3), ("de-vries", Level.L2)]


def test_a_mesh_without_a_level_or_in_metres_is_refused(model, tmp_path):
    nameless = write_mesh(model, tmp_path / "vertebra.stl", Level.L3, 1)
    with pytest.raises(ShapeModelError, match="PERSON_L1"):
        read_people(meshes=[nameless])
    small = write_mesh(model, tmp_path / "a_L3.stl", Level.L3, 1, scale=0.001)
    with pytest.raises(ShapeModelError, match="unit is mm"):
        read_people(meshes=[small])


def test_labels_of_other_programs_are_read_and_a_vertebra_cut_off_is_told(tmp_path):
    path = write_mask(tmp_path / "case.nii.gz", {31: WHOLE, 30: CUT})
    notes = []
    labels = {level: 31 - level.index + Level.L1.index for level in LUMBAR_LEVELS}
    found = read_people([path], labels=labels, note=notes.append)
    assert [item.level for item in found] == [Level.L1]
    assert len(notes) == 1
    assert "L2 reaches the border" in notes[0]


def test_totalsegmentators_labels_are_told_from_the_mask_and_its_organs_are_no_vertebrae(tmp_path):
    organs = {20: np.s_[0:10, 0:10, 26:34], 21: np.s_[80:90, 0:10, 26:34]}
    found = read_people([write_mask(tmp_path / "case.nii.gz", {**organs, 31: WHOLE})])
    assert [item.level for item in found] == [Level.L1]
    (tmp_path / "segmentations").mkdir()
    (tmp_path / "segmentations" / "vertebrae_L1.nii.gz").touch()
    with pytest.raises(ShapeModelError, match="segmentations holds a file for every structure.*--ml"):
        read_people([tmp_path / "segmentations"])


def test_levels_that_are_not_in_order_are_refused(tmp_path):
    path = write_mask(tmp_path / "case.nii.gz", {1: np.s_[10:90, 10:50, 5:20], 5: np.s_[10:90, 10:50, 35:50]})
    upward = {level: 5 - number for number, level in enumerate(LUMBAR_LEVELS)}
    assert [item.level for item in read_people([path], labels=upward)] == [Level.L1, Level.L5]
    downward = {level: 1 + number for number, level in enumerate(LUMBAR_LEVELS)}
    with pytest.raises(
        ShapeModelError, match=r"case\.nii\.gz: .* L1 \(label 1\) at 12, L5 \(label 5\) at 42 mm.*--labels"
    ):
        read_people([path], labels=downward)


def test_a_vertebra_in_pieces_and_a_sixth_one_are_told(tmp_path):
    path = write_mask(tmp_path / "case.nii.gz", {22: WHOLE, 25: np.s_[10:90, 10:50, 5:20]})
    data = SimpleITK.ReadImage(str(path))
    data[30:34, 2:58, 2:58] = 0
    SimpleITK.WriteImage(data, str(path))
    notes = []
    assert len(read_people([path], note=notes.append)) == 1
    assert any("holds label 25, VerSe's L6" in text for text in notes)
    assert any("L3 is in pieces that do not touch; the largest, 7" in text for text in notes)


def test_a_ct_given_as_a_mask_is_told(tmp_path):
    values = np.random.default_rng(0).integers(-1000, 1000, (20, 20, 20)).astype(np.int16)
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(values), str(tmp_path / "ct.nii.gz"))
    with pytest.raises(ShapeModelError, match="that is an image"):
        read_people([tmp_path / "ct.nii.gz"])


def test_masks_of_one_name_are_told_apart_by_their_folders(tmp_path):
    paths = [write_mask(tmp_path / name / "seg.nii.gz", {label: WHOLE}) for name, label in (("one", 22), ("two", 23))]
    assert [item.subject for item in read_people(paths)] == ["one/seg", "two/seg"]
    with pytest.raises(ShapeModelError, match="one/seg"):
        read_people([paths[0], paths[0]])


def test_masks_whose_names_have_dots_are_told_apart_by_their_whole_names(tmp_path):
    names = ("1.2.840.1.nii.gz", "1.2.840.2.nii.gz", "Jörg Müller.seg.nrrd")
    paths = [write_mask(tmp_path / name, {label: WHOLE}) for name, label in zip(names, (20, 21, 22), strict=True)]
    assert [item.subject for item in read_people(paths)] == ["1.2.840.1", "1.2.840.2", "Jörg Müller"]


def test_meshes_may_lie_in_a_folder_for_each_person(model, tmp_path):
    paths = []
    for seed, name in enumerate(("smith/L3", "jones/L3", "jones/L4", "a/vertebrae_L3", "b/vertebrae_L3")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        paths.append(write_mesh(model, tmp_path / f"{name}.stl", Level.L3, seed))
    steps = []
    found = read_people(meshes=paths, progress=lambda what, done, count: steps.append((what, done, count)))
    assert steps[0] == ("smith L3", 0, 5) and steps[-1] == ("b/vertebrae L3", 4, 5)
    assert [item.subject for item in found] == ["smith", "jones", "jones", "a/vertebrae", "b/vertebrae"]
    assert [item.level for item in found] == [Level.L3, Level.L3, Level.L4, Level.L3, Level.L3]
    for case in ("case1", "case2"):
        (tmp_path / case / "truth").mkdir(parents=True)
    truths = [write_mesh(model, tmp_path / f"case{k}" / "truth" / "L3.vtp", Level.L3, k) for k in (1, 2)]
    assert [item.subject for item in read_people(meshes=truths)] == ["case1/truth", "case2/truth"]


def test_a_person_given_twice_is_refused_unless_left_out(tmp_path):
    paths = [write_mask(tmp_path / name, {22: WHOLE}) for name in ("smith.nii.gz", "copy.nrrd")]
    with pytest.raises(ShapeModelError, match="smith L3 and copy L3 are the same surface.*--leave-out copy"):
        read_people(paths)
    assert [item.subject for item in read_people(paths, leave_out=["copy"])] == ["smith"]


def test_a_small_label_in_a_large_volume_gives_the_same_surface(tmp_path):
    near = write_mask(tmp_path / "near.nii.gz", {22: WHOLE}, shape=(100, 60, 60))
    far = write_mask(tmp_path / "far.nii.gz", {22: WHOLE}, shape=(220, 150, 170))
    first, second = (read_people([path])[0].surface for path in (near, far))
    assert np.allclose(first.points_ras_mm, second.points_ras_mm, atol=1e-9)


def test_people_and_single_vertebrae_can_be_left_out(model, tmp_path):
    paths = [write_mesh(model, tmp_path / f"{who}_L3.vtp", Level.L3, seed) for seed, who in enumerate("ab")]
    assert [item.subject for item in read_people(meshes=paths, leave_out=["a"])] == ["b"]
    marked = read_people(meshes=paths, leave_out=["b:L3"])
    assert [item.fractured for item in marked] == [False, True]
    with pytest.raises(ShapeModelError, match="b:L4"):
        read_people(meshes=paths, leave_out=["b:L4"])


def test_own_people_keep_the_template_and_levels_nobody_shows(model, tmp_path):
    paths = [write_mesh(model, tmp_path / f"p{k}_L3.vtp", Level.L3, k) for k in range(2)]
    collection = collect_people(read_people(meshes=paths), model)
    assert {item.specimen.level for item in collection.registered if item.specimen.subject == POPULATION_MEAN} == set(
        LUMBAR_LEVELS
    )
    assert max(item.residual_mm for item in collection.registered) < 0.3
    built = collection.build()
    assert built.provenance["people"] == ["p0", "p1"]
    assert np.array_equal(built.faces, model.faces)
    assert np.array_equal(built.landmark_vertices, model.landmark_vertices)
    assert np.linalg.norm(built.mean(Level.L5) - model.mean(Level.L5), axis=1).max() < 0.2
    shift = np.linalg.norm(built.mean(Level.L3) - model.mean(Level.L3), axis=1)
    assert 0.05 < shift.mean() < 2.0


def test_too_few_people_are_told_before_the_work(model, tmp_path, capsys, monkeypatch):
    from LumbarBiplanarLib.shape import pipeline

    monkeypatch.setattr(pipeline, "collect_people", lambda *args, **more: pytest.fail("the work has begun"))
    paths = [write_mesh(model, tmp_path / name, Level.L3, k) for k, name in enumerate(("a_L3.vtp", "b_L4.vtp"))]
    arguments = ["shape-model", "build", "--output", str(tmp_path / "x.npz"), "--meshes", *map(str, paths)]
    assert main(arguments) == 3
    assert "a level of which two people have a vertebra; there are vertebrae of a, b" in capsys.readouterr().err


def test_masks_without_lumbar_vertebrae_are_refused(tmp_path, model):
    path = write_mask(tmp_path / "empty.nii.gz", {})
    notes = []
    found = read_people([path], note=notes.append)
    assert "no whole lumbar vertebra with the labels L1=20, " in notes[0] and "--labels" in notes[0]
    with pytest.raises(ShapeModelError, match="No complete lumbar vertebra"):
        collect_people(found, model)


def test_a_users_masks_join_the_model(shared_data, model):
    found = read_people([shared_data / "verse-spines" / "sub-verse006_seg-vert_msk.nii.gz"])
    collection = collect_people(found, model)
    assert collection.subjects == ("sub-verse006_seg-vert_msk",)
    own = [item for item in collection.registered if item.specimen.subject != POPULATION_MEAN]
    assert {item.specimen.level for item in own} == {Level.L4, Level.L5}
    assert max(item.residual_mm for item in own) < 0.5


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ([], "--masks"),
        (["--masks", "a.nii.gz", "--labels", "L1"], "L1=20"),
        (["--masks", "a.nii.gz", "--labels", "L1=1", "L2=2"], "L3, L4, L5"),
    ],
)
def test_the_command_says_what_is_wrong_with_its_arguments(tmp_path, capsys, extra, message):
    assert main(["shape-model", "build", "--output", str(tmp_path / "x.npz"), *extra]) != 0
    assert message in capsys.readouterr().err


def test_labels_can_be_named_by_their_convention():
    assert labels_of([]) is None
    assert labels_of(["verse"]) == {level: level.value for level in LUMBAR_LEVELS}
    assert labels_of(["totalseg"])[Level.L1] == 31
    assert labels_of(["l1=5", "L2=4", "L3=3", "L4=2", "L5=1"])[Level.L1] == 5
    with pytest.raises(ShapeModelError, match="alone"):
        labels_of(["verse", "L1=3"])
    for wrong in (["L1=0"], ["L1=1", "L2=1"], ["L1=1", "L1=2"]):
        with pytest.raises(ShapeModelError, match=f"--labels {wrong[-1]}: "):
            labels_of(wrong)


def test_a_mesh_that_is_turned_in_its_file_is_told_although_it_is_met_closely(model, tmp_path, capsys):
    plain = tmp_path / "a_L3.obj", tmp_path / "b_L3.obj"
    for turn, path in zip((1.0, -1.0), plain, strict=True):
        points = model.instance(Level.L3, np.zeros(1)) * np.array([turn, turn, 1.0])
        vertices, faces = (
            (" ".join(map(str, point)) for point in points),
            (f"{a} {b} {c}" for a, b, c in model.faces + 1),
        )
        path.write_text("\n".join([*(f"v {text}" for text in vertices), *(f"f {text}" for text in faces)]))
    assert main(["shape-model", "build", "--output", str(tmp_path / "x.npz"), "--meshes", *map(str, plain)]) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "b L3 has a shape that no vertebra has" in said
    assert "--lps" in said
    assert "a L3" not in said


def test_a_process_that_the_border_cuts_off_is_told_and_a_crop_made_tight_is_not(model, tmp_path):
    import vtk
    from vtk.util.numpy_support import vtk_to_numpy

    from LumbarBiplanarLib.imaging import Volume, write_volume
    from LumbarBiplanarLib.shape.surfaces import to_polydata

    surface = Surface(model.mean(Level.L3), model.faces)
    low = np.floor(surface.points_ras_mm.min(axis=0)) - 2
    size = (np.ptp(surface.points_ras_mm, axis=0) + 6).astype(int)
    image = vtk.vtkImageData()
    image.SetDimensions(*size)
    image.SetOrigin(*low)
    image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 1)
    image.GetPointData().GetScalars().Fill(22)
    stencil, fill = vtk.vtkPolyDataToImageStencil(), vtk.vtkImageStencil()
    stencil.SetInputData(to_polydata(surface))
    stencil.SetOutputOrigin(*low)
    stencil.SetOutputWholeExtent(image.GetExtent())
    fill.SetInputData(image)
    fill.SetStencilConnection(stencil.GetOutputPort())
    fill.SetBackgroundValue(0)
    fill.Update()
    mask = vtk_to_numpy(fill.GetOutput().GetPointData().GetScalars()).reshape(size[::-1]).transpose(2, 1, 0)
    first, last = np.argwhere(mask).min(axis=0), np.argwhere(mask).max(axis=0) + 1
    tight = mask[tuple(slice(a, b) for a, b in zip(first, last, strict=True))]
    for name, part, told in (("tight", tight, 0), ("spinous", tight[:, 15:], 1), ("transverse", tight[12:], 1)):
        path = tmp_path / f"{name}.nii.gz"
        write_volume(path, Volume(np.ascontiguousarray(part), np.eye(4)))
        notes = []
        assert len(read_people([path], note=notes.append)) == 1 - told
        assert sum("L3 reaches the border" in text for text in notes) == told
