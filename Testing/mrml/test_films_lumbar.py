"""Lumbar-only images over their film, case folders, and what follows a film whose geometry changes."""

from __future__ import annotations

import numpy as np
import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")

from films_sample import PAIR, small_film, small_films

from LumbarBiplanarLib.anatomy import FilmLandmarks, LandmarkObservation, Level
from LumbarBiplanarLib.errors import FilmError, GeometryError
from LumbarBiplanarLib.geometry import GeometrySettings
from LumbarBiplanarLib.network import Detection

# Film pixels of the two corners of the bone in `detection`.
BONE_PX = np.array([[9.5, 9.5], [29.5, 19.5]])


@pytest.fixture
def lumbar():
    from LumbarBiplanarLib.mrml import lumbar_images

    return lumbar_images


@pytest.fixture
def nodes(scene):
    from LumbarBiplanarLib.mrml.films import add_film, set_pair

    nodes = tuple(add_film(scene, film) for film in small_films())
    set_pair(*nodes, PAIR, "geometry.json")
    return nodes


def detection(view, notes=("L1 is cut off.",)) -> Detection:
    """A detection at half the film's resolution, 4 film pixels wider on each side, with a rectangle of bone."""
    wide = view.cropped(-4, -4, view.size_px[0] + 8, view.size_px[1] + 8).resized(0.5)
    image = np.zeros(wide.shape, np.float32)
    image[7:12, 7:17] = 50.25
    return Detection(view, image, wide, FilmLandmarks(), notes=notes, weights="spine 1.1")


def test_a_lumbar_image_comes_back_from_its_node(scene, lumbar, nodes):
    made = detection(PAIR.ap)
    node = lumbar.add_lumbar_image(scene, nodes[0], made)
    image, view, notes, weights = lumbar.detection_parts(node)
    assert np.array_equal(image, made.lumbar_mm) and image.dtype == np.float32
    assert view == made.lumbar_view
    assert (notes, weights) == (("L1 is cut off.",), "spine 1.1")
    assert lumbar.find_lumbar_image(nodes[0]) is node
    assert lumbar.find_lumbar_image(nodes[1]) is None


def test_a_second_detection_replaces_the_first_and_keeps_the_users_colors(scene, lumbar, nodes):
    first = lumbar.add_lumbar_image(scene, nodes[0], detection(PAIR.ap))
    first.GetDisplayNode().SetWindowLevel(17.0, 3.0)
    second = lumbar.add_lumbar_image(scene, nodes[0], detection(PAIR.ap, notes=()))
    assert second is first
    assert lumbar.detection_parts(second)[2] == ()
    assert second.GetDisplayNode().GetWindow() == 17.0


def test_an_image_found_under_another_geometry_or_polarity_no_longer_counts(scene, lumbar, nodes):
    from LumbarBiplanarLib.imaging import Polarity
    from LumbarBiplanarLib.mrml.films import set_polarity, set_settings

    image = lumbar.add_lumbar_image(scene, nodes[0], detection(PAIR.ap))
    set_polarity(nodes[0], Polarity.BONE_DARK)
    assert lumbar.find_lumbar_image(nodes[0]) is None
    set_polarity(nodes[0], None)
    assert lumbar.find_lumbar_image(nodes[0]) is image
    set_settings(*nodes, GeometrySettings(PAIR).edited("focal_mm", "AP", "1234"))
    assert lumbar.find_lumbar_image(nodes[0]) is None


def test_what_belongs_to_the_other_film_or_is_no_lumbar_image_is_refused(scene, lumbar, nodes):
    with pytest.raises(GeometryError, match="belongs to the lateral film"):
        lumbar.add_lumbar_image(scene, nodes[0], detection(PAIR.lateral))
    with pytest.raises(FilmError, match="AP film is not a lumbar-only image"):
        lumbar.detection_parts(nodes[0])


def test_the_overlay_covers_the_bone_and_leaves_the_rest_of_the_film(app, scene, lumbar, nodes):
    from LumbarBiplanarLib.mrml.film_views import show_film

    image = lumbar.add_lumbar_image(scene, nodes[0], detection(PAIR.ap))
    board = app.view("AP")
    show_film(board.logic, nodes[0])
    plain = board.pixels().astype(int)
    show_film(board.logic, nodes[0], image, 0.7, fit=False)
    changed = np.abs(board.pixels().astype(int) - plain).sum(axis=2) > 40
    inside = [board.pixel_of(PAIR.ap.detector_points_ras_mm(pixel)) for pixel in ([12.0, 11.5], [27.0, 17.5])]
    outside = [board.pixel_of(PAIR.ap.detector_points_ras_mm(pixel)) for pixel in ([5.0, 5.0], [34.0, 24.0])]
    height = changed.shape[0]
    assert all(changed[height - 1 - round(y), round(x)] for x, y in inside)
    assert not any(changed[height - 1 - round(y), round(x)] for x, y in outside)
    assert board.logic.GetSliceCompositeNode().GetForegroundOpacity() == pytest.approx(0.7)


def test_a_changed_geometry_moves_films_landmarks_and_overlay_together(scene, lumbar, nodes):
    from LumbarBiplanarLib.mrml.films import pixel_of_ras, view_of_node
    from LumbarBiplanarLib.mrml.geometry_change import change_geometry
    from LumbarBiplanarLib.mrml.landmarks import add_landmark_list, landmarks_of_node

    image = lumbar.add_lumbar_image(scene, nodes[0], detection(PAIR.ap))
    seen = LandmarkObservation(Level.L3, "superior_endplate_centre", (11.25, 20.5))
    points = add_landmark_list(scene, nodes[0], FilmLandmarks([seen]))
    old = lumbar.lumbar_view_of(image)
    corners_px = np.array([[6.5, 6.5], [16.5, 11.5]])
    on_film = pixel_of_ras(PAIR.ap, old.detector_points_ras_mm(corners_px))
    assert np.allclose(on_film, BONE_PX)
    settings = GeometrySettings(PAIR)
    for key, text in (("spacing_x_mm", "0.8"), ("principal_x_px", "3"), ("focal_mm", "1234"), ("isocenter_mm", "1000")):
        settings = settings.edited(key, "AP", text)
    change_geometry(*nodes, settings)
    new_view = view_of_node(nodes[0])
    assert new_view == settings.pair.ap
    assert lumbar.find_lumbar_image(nodes[0]) is image
    moved = lumbar.lumbar_view_of(image).detector_points_ras_mm(corners_px)
    assert np.allclose(pixel_of_ras(new_view, moved), BONE_PX)
    assert landmarks_of_node(points, nodes[0])[Level.L3, seen.name].position_px == pytest.approx(seen.position_px)


def test_a_geometry_of_the_wrong_size_moves_nothing(scene, lumbar, nodes):
    from LumbarBiplanarLib.geometry import standard_pair
    from LumbarBiplanarLib.mrml.films import pair_of_nodes
    from LumbarBiplanarLib.mrml.geometry_change import change_geometry

    image = lumbar.add_lumbar_image(scene, nodes[0], detection(PAIR.ap))
    before = lumbar.lumbar_view_of(image)
    with pytest.raises(GeometryError, match="40 x 30"):
        change_geometry(*nodes, GeometrySettings(standard_pair()))
    assert pair_of_nodes(*nodes) == PAIR and lumbar.lumbar_view_of(image) == before


def test_one_folder_holds_the_nodes_of_a_case(scene, lumbar, nodes):
    from LumbarBiplanarLib.mrml.case_folder import add_to_case, case_folder

    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    assert case_folder(scene, nodes[0], create=False) is None
    folder = case_folder(scene, nodes[0])
    image = lumbar.add_lumbar_image(scene, nodes[0], detection(PAIR.ap))
    add_to_case(scene, nodes[1], nodes[0])
    add_to_case(scene, image, nodes[1])
    assert {case_folder(scene, node, create=False) for node in (*nodes, image)} == {folder}
    assert hierarchy.GetItemName(folder) == "Lumbar case"
    from LumbarBiplanarLib.mrml.films import add_film

    other = add_film(scene, small_film(PAIR.ap, 7))
    second = case_folder(scene, other)
    assert second != folder and hierarchy.GetItemName(second) == "Lumbar case_1"
