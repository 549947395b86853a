"""Two film nodes as a case: one geometry, swapped films, the same film twice, films of Slicer's own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")

from films_sample import PAIR, SIZE, small_film, small_films

from LumbarBiplanarLib.errors import FilmError, GeometryError
from LumbarBiplanarLib.geometry import FilmFacts, FilmPair, GeometrySettings, standard_pair
from LumbarBiplanarLib.imaging import Polarity, read_film_alone, write_film


@pytest.fixture
def films():
    from LumbarBiplanarLib.mrml import films

    return films


@pytest.fixture
def nodes(scene, films):
    return tuple(films.add_film(scene, film) for film in small_films())


def test_a_pair_comes_back_with_its_facts_and_its_origins(films, nodes):
    pair = FilmPair(*PAIR.views, calibrated=True, simultaneous=False)
    films.set_pair(*nodes, pair, "geometry.json")
    assert films.pair_of_nodes(*nodes) == pair
    settings = films.settings_of_nodes(*nodes).edited("calibrated", None, "no").edited("focal_mm", "AP", "1200")
    films.set_settings(*nodes, settings)
    back = films.settings_of_nodes(*nodes)
    assert back.pair == settings.pair
    assert back.where_from("calibrated") == back.where_from("focal_mm", "AP") == "typed by the user"
    assert back.where_from("focal_mm", "lateral") == "geometry.json: standard pair"


def test_films_without_a_geometry_are_not_calibrated(films, nodes):
    assert films.settle_geometry(*nodes) is False
    settings = films.settings_of_nodes(*nodes)
    assert not settings.pair.calibrated and not settings.pair.simultaneous
    assert settings.is_assumed("angle_deg") and settings.is_assumed("calibrated")


def test_a_geometry_that_was_given_or_typed_stays_when_a_film_is_loaded_again(scene, films, nodes):
    typed = GeometrySettings(replace(PAIR, calibrated=False)).edited("focal_mm", "AP", "1250")
    again = films.add_film(scene, small_film(PAIR.ap, 8))
    assert films.settle_geometry(again, nodes[1], typed) is True
    assert films.view_of_node(again).focal_mm == 1250
    other = films.add_film(scene, small_film(PAIR.ap.cropped(0, 0, 20, 20), 9))
    assert films.settle_geometry(other, nodes[1], typed) is False
    assert films.view_of_node(other).size_px == (20, 20)


def test_one_view_of_the_wrong_size_leaves_both_films_as_they_were(films, nodes):
    before = [films.view_of_node(node) for node in nodes]
    wrong = standard_pair(size_px=(SIZE, SIZE))
    with pytest.raises(GeometryError, match="lateral film has 36 x 30"):
        films.set_pair(*nodes, wrong)
    assert [films.view_of_node(node) for node in nodes] == before


def test_a_geometry_that_fits_the_exchanged_films_says_so(films, nodes):
    swapped = FilmPair(replace(PAIR.lateral, name="AP"), replace(PAIR.ap, name="lateral"))
    with pytest.raises(GeometryError, match="Press Swap films first"):
        films.set_pair(*nodes, swapped, "geometry.json")


def test_the_same_film_twice_is_refused(scene, films, nodes):
    twin = films.add_film(scene, replace(small_film(PAIR.ap, 1), view=replace(PAIR.ap, name="lateral")))
    for second in (nodes[0], twin):
        with pytest.raises(FilmError, match="show the same image"):
            films.pair_of_nodes(nodes[0], second)


def test_a_missing_film_and_films_in_each_others_place_are_named(films, nodes):
    with pytest.raises(FilmError, match="no lateral film yet"):
        films.pair_of_nodes(nodes[0], None)
    with pytest.raises(FilmError, match="Swap films"):
        films.pair_of_nodes(nodes[1], nodes[0])


def test_films_of_two_cases_are_not_mixed_up(scene, films, nodes):
    from dataclasses import replace as with_values

    films.set_pair(*nodes, PAIR, "geometry.json")
    others = [films.add_film(scene, small_film(view, seed)) for seed, view in enumerate(PAIR.views, start=20)]
    films.set_pair(*others, with_values(PAIR, calibrated=False), "geometry.json")
    assert films.belongs_to_pair(nodes[0], nodes[1], "AP") and films.belongs_to_pair(nodes[0], None, "AP")
    assert not films.belongs_to_pair(nodes[0], others[1], "AP")
    assert not films.belongs_to_pair(nodes[0], nodes[0], "lateral")
    with pytest.raises(GeometryError, match="belong to different cases"):
        films.pair_of_nodes(nodes[0], others[1])
    films.settle_geometry(nodes[0], others[1])
    assert not films.pair_of_nodes(nodes[0], others[1]).calibrated


def test_films_of_one_size_take_each_others_given_view(scene, films):
    pair = standard_pair(size_px=(SIZE, SIZE), sdd_mm=1300.0)
    nodes = [films.add_film(scene, small_film(view, seed)) for seed, view in enumerate(pair.views)]
    names = [node.GetName() for node in nodes]
    films.set_pair(*nodes, pair, "geometry.json")
    pixels = [films.film_of_node(node).pixels for node in nodes]
    films.exchange(*nodes)
    assert films.pair_of_nodes(nodes[1], nodes[0]) == pair
    assert [node.GetName() for node in nodes] == names[::-1]
    assert all(np.array_equal(films.film_of_node(node).pixels, old) for node, old in zip(nodes, pixels))


def test_films_of_two_sizes_keep_their_detector_and_take_the_direction(films, nodes):
    films.set_pair(*nodes, PAIR, "geometry.json")
    films.exchange(*nodes)
    pair = films.pair_of_nodes(nodes[1], nodes[0])
    assert pair.ap.size_px == PAIR.lateral.size_px
    assert np.allclose(pair.ap.beam_ras, PAIR.ap.beam_ras)
    assert pair.angle_deg == pytest.approx(PAIR.angle_deg)
    films.exchange(nodes[1], nodes[0])
    assert films.pair_of_nodes(*nodes) == PAIR


def test_films_in_the_wrong_places_are_what_their_files_state_once_they_are_exchanged(
    scene, films, monkeypatch, tmp_path
):
    from LumbarBiplanarLib.mrml import film_pairs

    states = {
        "pa.dcm": FilmFacts(SIZE, projection="PA", direction=("L", "F")),
        "left.dcm": FilmFacts(SIZE, projection="LL", direction=("P", "F")),
    }
    monkeypatch.setattr(film_pairs, "film_facts", lambda path: states[path.name])
    pair = standard_pair(size_px=(SIZE, SIZE))
    wrong = [
        films.add_film(scene, small_film(view, seed, path=tmp_path / name))
        for seed, (view, name) in enumerate(zip(pair.views, ("left.dcm", "pa.dcm"), strict=True))
    ]
    films.settle_geometry(*wrong)
    films.exchange(*wrong)
    settings = films.settings_of_nodes(wrong[1], wrong[0])
    assert [settings.value("source_side", name) for name in ("AP", "lateral")] == ["back", "right"]
    assert all(view.mirrored for view in settings.pair.views)
    # What the user typed is not lost to the headers.
    films.set_settings(wrong[1], wrong[0], settings.edited("focal_mm", "AP", "1234"))
    films.exchange(wrong[1], wrong[0])
    assert films.view_of_node(wrong[1]).focal_mm == 1234


def user_volume(scene, pixels, file=None):
    import slicer.util

    volume = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "mine")
    slicer.util.updateVolumeFromArray(volume, pixels[None])
    if file is not None:
        storage = scene.AddNewNodeByClass("vtkMRMLVolumeArchetypeStorageNode")
        storage.SetFileName(str(file))
        volume.SetAndObserveStorageNodeID(storage.GetID())
    return volume


def test_a_volume_loaded_by_slicer_is_copied_and_left_alone(scene, films):
    pixels = small_film(PAIR.ap).pixels
    volume = user_volume(scene, pixels)
    volume.SetSpacing(3.0, 2.0, 1.0)
    before = (volume.GetSpacing(), volume.GetName(), volume.GetAttributeNames())
    node = films.adopt_volume(scene, volume, "AP")
    assert node is not volume and films.is_film(node) and not films.is_film(volume)
    assert (volume.GetSpacing(), volume.GetName(), volume.GetAttributeNames()) == before
    film = films.film_of_node(node)
    assert np.array_equal(film.pixels, pixels)
    assert "assumed" in " ".join(film.notes)
    assert film.view.provenance["spacing_mm"].startswith("assumed")
    slicer.util.arrayFromVolume(volume)[:] = 0
    assert np.array_equal(films.film_of_node(node).pixels, pixels), "the copy has pixels of its own"


def test_an_adopted_film_takes_spacing_and_distance_from_its_file_not_from_slicer(scene, films, tmp_path):
    pydicom = pytest.importorskip("pydicom")
    path = dicom_film(tmp_path / "film.dcm", pydicom)
    values = pydicom.dcmread(path).pixel_array.astype(np.float32)
    inverted = values.max() + values.min() - values  # what Slicer makes of MONOCHROME1
    film = films.film_of_node(films.adopt_volume(scene, user_volume(scene, inverted, path), "lateral"))
    assert film.view.spacing_mm == (0.2, 0.3) and film.view.focal_mm == 1500
    assert film.view.provenance["focal_mm"] == "Distance Source to Detector (0018,1110)"
    assert film.polarity is Polarity.BONE_BRIGHT, "the file's MONOCHROME1 is undone in Slicer's pixels"
    assert np.array_equal(film.pixels, inverted)
    same = films.film_of_node(films.adopt_volume(scene, user_volume(scene, values, path), "lateral"))
    assert same.polarity is Polarity.BONE_DARK


def test_what_the_file_contradicts_is_told_of_the_geometry_that_the_film_has_by_now(scene, films, tmp_path):
    pydicom = pytest.importorskip("pydicom")
    path = dicom_film(tmp_path / "film.dcm", pydicom)
    size = (SIZE, (36, 30))
    given = standard_pair((0.0, 0.0, 0.0), size_px=size, spacing_mm=0.5)
    nodes = films.add_film(scene, small_film(given.ap)), films.add_film(scene, read_film_alone(path, "lateral"))
    assert films.notes_of(nodes[1]) == []
    films.set_pair(*nodes, given, "geometry.json")
    path.unlink()
    (note,) = films.notes_of(nodes[1])
    assert "1500 mm" in note and "0.2 x 0.3 mm" in note and films.film_of_node(nodes[1]).notes == (note,)
    lateral = replace(given.lateral, focal_mm=1500.0, spacing_mm=(0.2, 0.3))
    films.set_pair(*nodes, FilmPair(given.ap, lateral), "geometry.json")
    assert films.notes_of(nodes[1]) == []
    films.set_settings(*nodes, films.standard_settings_of_nodes(*nodes))
    assert films.settings_of_nodes(*nodes).where_from("focal_mm", "lateral").startswith("Distance Source to Detector")


def dicom_film(path, pydicom):
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    values = np.random.default_rng(0).integers(0, 4096, (30, 36)).astype(np.uint16)
    dataset, dataset.file_meta = Dataset(), FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid()
    dataset.Modality, dataset.PhotometricInterpretation = "DX", "MONOCHROME1"
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel, dataset.PixelRepresentation = 30, 36, 1, 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.ImagerPixelSpacing, dataset.PixelSpacing = [0.3, 0.2], [0.15, 0.1]
    dataset.DistanceSourceToDetector = 1500
    dataset.PixelData = values.tobytes()
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)
    return path


def test_a_film_that_changed_on_disk_is_not_taken_for_the_loaded_one(scene, films, tmp_path):
    write_film(tmp_path / "film.png", small_film(PAIR.lateral).pixels)
    volume = user_volume(scene, small_film(PAIR.ap).pixels, tmp_path / "film.png")
    film = films.film_of_node(films.adopt_volume(scene, volume, "AP"))
    assert film.view.size_px == SIZE and film.sha256 is None


def test_color_volumes_become_gray_with_a_note(scene, films):
    import slicer.util

    volume = scene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", "photo")
    colors = np.random.default_rng(1).integers(0, 256, (1, 30, 40, 3)).astype(np.uint8)
    slicer.util.updateVolumeFromArray(volume, colors)
    film = films.film_of_node(films.adopt_volume(scene, volume, "AP"))
    assert np.allclose(film.pixels, colors[0] @ [0.299, 0.587, 0.114], atol=1e-3)
    assert "Color turned to gray" in " ".join(film.notes)


def test_volumes_that_are_no_film_are_refused_with_a_remedy(scene, films):
    import slicer.util

    empty = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "empty")
    stack = slicer.util.addVolumeFromArray(np.random.default_rng(2).random((3, 30, 40)), name="CT")
    labels = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels")
    slicer.util.updateVolumeFromArray(labels, np.eye(30, dtype=np.uint8)[None])
    flat = slicer.util.addVolumeFromArray(np.ones((1, 30, 40)), name="flat")
    model = scene.AddNewNodeByClass("vtkMRMLModelNode", "bone")
    own = user_volume(scene, small_film(PAIR.ap).pixels)
    own.SetName("overlay")
    own.SetAttribute("LumbarBiplanar.Role", "lumbar-image")
    for node, message in (
        (empty, "empty holds no image"),
        (stack, "CT has 40 x 30 x 3 voxels; a film has one slice"),
        (labels, "labels is a label map"),
        (flat, "every pixel is 1"),
        (model, "bone holds no image"),
        (own, "overlay was made by Lumbar Biplanar and is not a film"),
        (None, "nothing holds no image"),
    ):
        with pytest.raises(FilmError, match=message):
            films.adopt_volume(scene, node, "AP")
    assert films.scene_films(scene) == []
