"""Films as nodes: placed at their detector, with pixels and knowledge that come back as they were."""

from __future__ import annotations

import json

import numpy as np
import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")

from films_sample import PAIR, SIZE, small_film, small_films

from LumbarBiplanarLib.errors import FilmError, GeometryError
from LumbarBiplanarLib.imaging import Polarity

PIXELS = np.array([[0.0, 0.0], [39.0, 0.0], [0.0, 29.0], [12.0, 7.0]])


@pytest.fixture
def films():
    from LumbarBiplanarLib.mrml import films

    return films


def ras_of(node, pixels):
    matrix = slicer.vtkMRMLScalarVolumeNode.GetIJKToRASMatrix
    import vtk

    ijk_to_ras = vtk.vtkMatrix4x4()
    matrix(node, ijk_to_ras)
    array = slicer.util.arrayFromVTKMatrix(ijk_to_ras)
    points = np.column_stack([pixels, np.zeros(len(pixels)), np.ones(len(pixels))])
    return (points @ array.T)[:, :3], array


OVER = PAIR.lateral.turned_over()


@pytest.mark.parametrize("view", (*PAIR.views, OVER), ids=("AP", "lateral", "lateral, stored turned over"))
def test_every_pixel_of_a_film_lies_where_the_detector_recorded_it(scene, films, view):
    node = films.add_film(scene, small_film(view))
    points, matrix = ras_of(node, PIXELS)
    assert np.allclose(points, view.detector_points_ras_mm(PIXELS), atol=1e-9)
    assert np.linalg.det(matrix[:3, :3]) > 0, "a film is never mirrored by its matrix"
    assert np.allclose(matrix[:3, 2], -view.beam_ras if view.mirrored else view.beam_ras)
    assert np.allclose(films.pixel_of_ras(view, points), PIXELS, atol=1e-9)


def test_a_film_comes_back_from_its_node_unchanged(scene, films):
    film = small_film(PAIR.ap, 3, polarity=Polarity.BONE_DARK, sha256="abc", bits=12, remarks=("one", "zwei"))
    back = films.film_of_node(films.add_film(scene, film))
    assert np.array_equal(back.pixels, film.pixels)
    assert back.view == film.view
    assert (back.polarity, back.sha256, back.bits, back.notes) == (film.polarity, "abc", 12, ("one", "zwei"))


@pytest.mark.parametrize(
    ("scale", "offset", "kind"),
    [(0.05, 0.0, np.uint8), (1.0, 0.0, np.uint16), (1.0, -2000.0, np.int16), (0.5, 0.25, np.float32)],
)
def test_pixels_are_kept_exactly_in_the_smallest_type_that_holds_them(scene, films, scale, offset, kind):
    pixels = small_film(PAIR.ap).pixels
    pixels = (np.floor(pixels * scale) if scale < 0.1 else pixels * scale) + offset
    film = small_film(PAIR.ap).__class__(pixels, PAIR.ap)
    node = films.add_film(scene, film)
    assert films.pixels_of(node).dtype == kind
    assert np.array_equal(films.film_of_node(node).pixels, film.pixels)


def test_the_window_leaves_out_the_darkest_and_brightest_pixels_and_stays(scene, films):
    pixels = np.full((30, 40), 100.0)
    pixels[:, :20] = 200.0
    pixels[0, 0], pixels[0, 1] = 65535.0, 0.0
    node = films.add_film(scene, small_film(PAIR.ap).__class__(pixels, PAIR.ap))
    display = node.GetDisplayNode()
    assert not display.GetAutoWindowLevel()
    assert (display.GetWindow(), display.GetLevel()) == (100.0, 150.0)


def test_dark_bone_is_shown_bright_by_the_color_table_and_the_pixels_stay(scene, films):
    film = small_film(PAIR.ap, polarity=Polarity.BONE_DARK)
    node = films.add_film(scene, film)
    assert node.GetDisplayNode().GetColorNodeID() == "vtkMRMLColorTableNodeInvertedGrey"
    assert np.array_equal(films.pixels_of(node), film.pixels)
    films.set_polarity(node, Polarity.BONE_BRIGHT)
    assert node.GetDisplayNode().GetColorNodeID() == "vtkMRMLColorTableNodeGrey"
    assert films.film_of_node(node).polarity is films.chosen_polarity(node) is Polarity.BONE_BRIGHT
    films.set_polarity(node, None)
    assert films.film_of_node(node).polarity is Polarity.BONE_DARK
    assert films.chosen_polarity(node) is None


def test_names_are_made_of_view_and_file_and_never_twice(scene, films, tmp_path):
    film = small_film(PAIR.ap, path=tmp_path / "knee.png")
    assert films.add_film(scene, film).GetName() == "knee (AP film)"
    assert films.add_film(scene, film).GetName() == "knee (AP film)_1"
    assert films.add_film(scene, film, "mine").GetName() == "mine"


def test_a_view_of_another_size_is_refused_with_both_sizes_and_changes_nothing(scene, films):
    ap, lateral = small_films()
    node = films.add_film(scene, ap)
    before = node.GetAttribute("LumbarBiplanar.Geometry")
    with pytest.raises(GeometryError, match=r"40 x 30 pixels, but the lateral view.*36 x 30"):
        films.set_film_view(node, lateral.view)
    assert node.GetAttribute("LumbarBiplanar.Geometry") == before


def test_a_volume_of_the_user_is_no_film(scene, films):
    volume = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")
    assert not films.is_film(volume) and not films.is_film(None)
    with pytest.raises(FilmError, match="CT is not a film"):
        films.film_of_node(volume)
    with pytest.raises(FilmError, match="nothing is not a film"):
        films.view_of_node(None)


def test_damage_to_a_film_node_is_said_with_its_name(scene, films):
    node = films.add_film(scene, small_film(PAIR.ap))
    geometry = json.loads(node.GetAttribute("LumbarBiplanar.Geometry"))
    del geometry["focal_mm"]
    node.SetAttribute("LumbarBiplanar.Geometry", json.dumps(geometry))
    with pytest.raises(GeometryError, match="AP film cannot be read.*focal_mm"):
        films.film_of_node(node)
    node.SetAttribute("LumbarBiplanar.Geometry", json.dumps(PAIR.ap.to_dict()))
    node.SetAndObserveImageData(None)
    with pytest.raises(FilmError, match="AP film has no image any more"):
        films.film_of_node(node)


def test_a_film_survives_the_scene_file(scene, films, tmp_path):
    film = small_film(PAIR.ap, 5, polarity=Polarity.BONE_DARK)
    node = films.add_film(scene, film)
    storage = node.CreateDefaultStorageNode()
    scene.AddNode(storage)
    node.SetAndObserveStorageNodeID(storage.GetID())
    storage.SetFileName(str(tmp_path / "film.nrrd"))
    assert storage.WriteData(node)
    scene.SetURL(str(tmp_path / "scene.mrml"))
    assert scene.Commit()
    scene.Clear(0)
    scene.SetURL(str(tmp_path / "scene.mrml"))
    scene.Connect()
    (loaded,) = films.scene_films(scene)
    back = films.film_of_node(loaded)
    assert np.array_equal(back.pixels, film.pixels)
    assert back.view == film.view and back.polarity is film.polarity
    points, _matrix = ras_of(loaded, PIXELS)
    assert np.allclose(points, PAIR.ap.detector_points_ras_mm(PIXELS), atol=1e-3)
    assert loaded.GetDisplayNode().GetColorNodeID() == "vtkMRMLColorTableNodeInvertedGrey"


def test_sizes_are_columns_by_rows(scene, films):
    node = films.add_film(scene, small_film(PAIR.ap))
    assert node.GetImageData().GetDimensions() == (*SIZE, 1)
