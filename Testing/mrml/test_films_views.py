"""Films in slice views: upright, unmirrored, on their own plane, each in its own view."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")

from films_sample import PAIR, small_film

from LumbarBiplanarLib.imaging import Film, Polarity

# Where the corners of a view's film lie in the picture: rows top to bottom, columns left to right.
CORNERS = {(0, 0): 60.0, (0, -1): 110.0, (-1, 0): 160.0, (-1, -1): 220.0}


@pytest.fixture
def films():
    from LumbarBiplanarLib.mrml import films

    return films


@pytest.fixture
def views():
    from LumbarBiplanarLib.mrml import film_views

    return film_views


def corner_film(view, **options) -> Film:
    """A black film whose quarters have four different grays."""
    height, width = view.shape
    pixels = np.zeros((height, width))
    for (row, column), value in CORNERS.items():
        rows = slice(0, height // 2) if row == 0 else slice(height // 2, height)
        columns = slice(0, width // 2) if column == 0 else slice(width // 2, width)
        pixels[rows, columns] = value
    return Film(pixels, view, **options)


def quarters(picture: np.ndarray) -> np.ndarray:
    """Return the gray in the middle of each quarter of a picture: [[top left, top right], [bottom left, right]]."""
    height, width = picture.shape[:2]
    rows, columns = (height * 3 // 8, height * 5 // 8), (width * 3 // 8, width * 5 // 8)
    return np.array([[int(picture[row, column, 0]) for column in columns] for row in rows])


class Later(list):
    """Functions to call once the present event is over."""

    def run(self) -> None:
        while self:
            self.pop(0)()


def shown(node) -> None:
    node.GetDisplayNode().SetWindowLevel(255.0, 127.5)


@pytest.mark.parametrize("view", PAIR.views, ids=lambda view: view.name)
def test_a_film_is_shown_upright_and_unmirrored(app, scene, films, views, view):
    node = films.add_film(scene, corner_film(view))
    shown(node)
    board = app.view(view.name)
    views.show_film(board.logic, node)
    expected = np.array([[60, 110], [160, 220]])
    assert np.abs(quarters(board.pixels()) - expected).max() <= 2
    axes = slicer.util.arrayFromVTKMatrix(board.node.GetSliceToRAS())
    assert np.allclose(axes[:3, 0], view.camera_from_ras[0, :3])
    assert np.allclose(axes[:3, 1], [0, 0, 1])
    assert np.linalg.det(axes[:3, :3]) == pytest.approx(1.0)


def test_patients_right_is_on_the_left_of_the_ap_film_and_anterior_on_the_left_of_the_lateral(app, scene, films, views):
    for view, towards in zip(PAIR.views, ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0)), strict=True):
        board = app.view(view.name)
        views.show_film(board.logic, films.add_film(scene, corner_film(view)))
        center = view.detector_points_ras_mm((np.asarray(view.size_px) - 1) / 2)
        ahead = center + 5.0 * np.asarray(towards)
        ahead = view.detector_points_ras_mm(films.pixel_of_ras(view, ahead))
        assert board.pixel_of(ahead)[0] < board.pixel_of(center)[0] - 5
        above = view.detector_points_ras_mm(films.pixel_of_ras(view, center + (0, 0, 5)))
        assert board.pixel_of(above)[1] > board.pixel_of(center)[1] + 5, "the head is up (pixels count from below)"


def test_standard_films_stand_as_slicer_itself_would_turn_to_them(app, scene, films, views):
    for view in PAIR.views:
        node = films.add_film(scene, corner_film(view))
        board = app.view(view.name)
        views.show_film(board.logic, node)
        ours = slicer.util.arrayFromVTKMatrix(board.node.GetSliceToRAS())[:3, :3]
        board.node.RotateToVolumePlane(node)
        assert np.allclose(slicer.util.arrayFromVTKMatrix(board.node.GetSliceToRAS())[:3, :3], ours, atol=1e-6)


def test_dark_bone_looks_like_bright_bone(app, scene, films, views):
    view = PAIR.ap
    bright = corner_film(view)
    dark = replace(bright, pixels=280.0 - bright.pixels, polarity=Polarity.BONE_DARK)
    pictures = []
    for film in (bright, dark):
        node = films.add_film(scene, film)
        board = app.view("AP")
        views.show_film(board.logic, node)
        pictures.append(quarters(board.pixels()))
    assert np.abs(pictures[0] - pictures[1]).max() <= 2
    assert pictures[0][1, 1] > pictures[0][0, 0] + 100


def test_showing_a_film_leaves_the_other_views_alone(app, scene, films, views):
    nodes = [films.add_film(scene, corner_film(view)) for view in PAIR.views]
    boards = [app.view(view.name) for view in PAIR.views]
    for board, node in zip(boards, nodes, strict=True):
        views.show_film(board.logic, node)
    for board, node in zip(boards, nodes, strict=True):
        assert board.logic.GetSliceCompositeNode().GetBackgroundVolumeID() == node.GetID()
    views.show_film(boards[0].logic, None)
    assert boards[0].logic.GetSliceCompositeNode().GetBackgroundVolumeID() is None
    assert boards[1].logic.GetSliceCompositeNode().GetBackgroundVolumeID() == nodes[1].GetID()


def test_zoom_stays_when_the_same_film_is_shown_again(app, scene, films, views):
    node = films.add_film(scene, corner_film(PAIR.ap))
    board = app.view("AP")
    views.show_film(board.logic, node)
    board.node.SetFieldOfView(7.0, 7.0, 1.0)
    views.show_film(board.logic, node, fit=False)
    assert board.node.GetFieldOfView()[0] == 7.0
    views.show_film(board.logic, node)
    assert board.node.GetFieldOfView()[0] > 10.0


def test_a_slice_offset_off_the_film_snaps_back(app, scene, films, views):
    nodes = {view.name: films.add_film(scene, corner_film(view)) for view in PAIR.views}
    for view in PAIR.views:
        board = app.view(view.name)
        views.show_film(board.logic, nodes[view.name])
        later = Later()
        keeper = views.FilmKeeper(board.logic, view.name, lambda name=view.name: nodes[name], later.append)
        board.logic.SetSliceOffset(board.logic.GetSliceOffset() + 1.0)
        assert len(later) == 1, "one correction for many events"
        later.run()
        assert views.is_on_film(board.node, nodes[view.name])
        assert quarters(board.pixels()).max() > 200
        keeper.stop()
        board.logic.SetSliceOffset(board.logic.GetSliceOffset() + 1.0)
        assert not views.is_on_film(board.node, nodes[view.name])


def test_panning_within_the_film_is_left_alone(app, scene, films, views):
    node = films.add_film(scene, corner_film(PAIR.ap))
    board = app.view("AP")
    views.show_film(board.logic, node)
    later = Later()
    views.FilmKeeper(board.logic, "AP", lambda: node, later.append)
    center = PAIR.ap.detector_points_ras_mm(np.array([3.0, 4.0]))
    board.node.JumpSliceByCentering(*center)
    later.run()
    assert np.allclose(slicer.util.arrayFromVTKMatrix(board.node.GetSliceToRAS())[:3, 3], center)


def test_a_film_never_slips_into_the_view_of_the_other(app, scene, films, views):
    ap, lateral = (films.add_film(scene, corner_film(view)) for view in PAIR.views)
    board = app.view("AP")
    present = [ap]
    views.show_film(board.logic, ap)
    later = Later()
    views.FilmKeeper(board.logic, "AP", lambda: present[0], later.append)
    composite = board.logic.GetSliceCompositeNode()
    composite.SetBackgroundVolumeID(lateral.GetID())
    later.run()
    assert composite.GetBackgroundVolumeID() == ap.GetID()
    present[0] = None
    scene.RemoveNode(ap)
    composite.SetBackgroundVolumeID(lateral.GetID())
    later.run()
    assert composite.GetBackgroundVolumeID() is None


def test_another_volume_of_the_user_may_be_shown_in_a_film_view(app, scene, films, views):
    ap = films.add_film(scene, small_film(PAIR.ap))
    volume = slicer.util.addVolumeFromArray(np.random.default_rng(0).random((4, 30, 40)), name="CT")
    board = app.view("AP")
    views.show_film(board.logic, ap)
    later = Later()
    views.FilmKeeper(board.logic, "AP", lambda: ap, later.append)
    board.logic.GetSliceCompositeNode().SetBackgroundVolumeID(volume.GetID())
    board.logic.SetSliceOffset(12.0)
    later.run()
    assert board.logic.GetSliceCompositeNode().GetBackgroundVolumeID() == volume.GetID()
    assert board.logic.GetSliceOffset() == pytest.approx(12.0)
