"""The layout AP | lateral | 3D, and how the user's own one comes back."""

from __future__ import annotations

import xml.dom.minidom

import numpy as np
import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")

FOUR_UP, ONE_UP_RED = 3, 6


@pytest.fixture
def layout_module(app):
    from LumbarBiplanarLib.ui import layout

    return layout


@pytest.fixture
def layout(layout_module):
    made = layout_module.FilmLayout()
    yield made
    made.cleanup()


@pytest.fixture
def shown(layout, app, films):
    """The layout with both films in it, and nothing left to do."""
    layout.enter()
    layout.show_films(films, {}, 0.4)
    app.process_events()
    return layout


@pytest.fixture
def films(scene, sample_study):
    from LumbarBiplanarLib.geometry import load_geometry
    from LumbarBiplanarLib.imaging import read_film
    from LumbarBiplanarLib.mrml.films import add_film

    pair = load_geometry(sample_study / "geometry.json")
    names = {"AP": "ap.png", "lateral": "lateral.png"}
    return {view.name: add_film(scene, read_film(sample_study / names[view.name], view)) for view in pair.views}


def present() -> int:
    return slicer.app.layoutManager().layout


def background(app, name):
    return app.view(name).logic.GetSliceCompositeNode().GetBackgroundVolumeID()


def test_the_description_is_a_row_of_three_views_with_their_own_tags(layout_module):
    root = xml.dom.minidom.parseString(layout_module.layout_description()).documentElement
    assert root.getAttribute("type") == "horizontal"
    tags = [view.getAttribute("singletontag") for view in root.getElementsByTagName("view")]
    assert tags == ["LumbarAP", "LumbarLateral", "1"]


def test_entering_shows_the_three_views_and_leaving_brings_the_users_layout_back(layout, app):
    before = present()
    layout.enter()
    assert present() == 7351
    names = [view.node.GetLayoutName() for view in app.board.shown()]
    assert names == ["LumbarAP", "LumbarLateral", "1"]
    assert [layout.slice_node(name).GetViewGroup() for name in ("AP", "lateral")] == [101, 102]
    layout.exit()
    assert present() == before == FOUR_UP


def test_a_layout_that_the_user_chose_meanwhile_stays(layout, app):
    layout.enter()
    slicer.app.layoutManager().setLayout(ONE_UP_RED)
    layout.exit()
    assert present() == ONE_UP_RED
    layout.enter()
    assert present() == 7351
    layout.exit()
    assert present() == ONE_UP_RED, "the layout from before the last visit"


def test_entering_twice_registers_the_layout_once_and_keeps_the_way_back(layout, app):
    before = present()
    for _visit in range(2):
        layout.enter()
    layout.exit()
    layout.exit()
    assert present() == before


@pytest.fixture
def scene_with_our_layout(layout, app, films, tmp_path):
    """A scene saved while the layout was shown; here the layout is not known yet, as in a Slicer just started."""
    layout.enter()
    layout.show_films(films, {}, 0.4)
    app.save_scene(tmp_path / "case.mrb")
    layout.exit()
    layout.scene_closing()
    app.clear()
    node = app.board.layout_node
    node.SetLayoutDescription(7351, "")
    assert not node.IsLayoutDescription(7351)
    return tmp_path / "case.mrb"


def names_shown(app) -> list[str]:
    return [view.node.GetLayoutName() for view in app.board.shown()]


def test_a_scene_saved_with_our_layout_has_views_once_the_module_is_open(scene_with_our_layout, layout, app):
    app.load_scene(scene_with_our_layout)
    assert names_shown(app) == [], "what is to be cured"
    for _visit in range(2):
        layout.enter()
        assert present() == 7351 and names_shown(app) == ["LumbarAP", "LumbarLateral", "1"]
    layout.exit()
    assert present() == FOUR_UP, "a usual layout, for the scene has brought none"


def test_a_scene_saved_with_our_layout_has_views_before_the_module_is_visited(scene_with_our_layout, app):
    app.load_module()  # as Slicer does when it starts
    app.load_scene(scene_with_our_layout)
    assert present() == 7351 and names_shown(app) == ["LumbarAP", "LumbarLateral", "1"]


def test_a_slicer_without_a_main_window_starts_without_the_layout(layout_module, app):
    with app.without_main_window():
        assert layout_module.register_layout() is None
        app.load_module()


def test_without_a_main_window_nothing_happens(layout, app):
    with app.without_main_window():
        layout.enter()
        layout.show_films({"AP": None, "lateral": None}, {}, 0.4)
        layout.jump_to("AP", (0.0, 0.0, 0.0))
        assert layout.slice_node("AP") is None and layout.slice_logic("lateral") is None
        layout.exit()


def test_each_film_is_in_its_own_view_and_both_in_3d(layout, app, films):
    layout.enter()
    layout.show_films(films, {}, 0.4)
    for name, film in films.items():
        assert background(app, name) == film.GetID()
        assert app.view(name).node.GetSliceVisible()
        assert app.view(name).pixels().max() > 150
    blue = app.view("3D").pixels()
    with_films = np.ptp(blue.astype(int), axis=2) < 12  # gray, while the background is blue
    assert with_films.mean() > 0.05, "the films are to be seen in the 3D view"
    layout.show_films(films, {}, 0.4, in_3d=False)
    assert not any(app.view(name).node.GetSliceVisible() for name in films)


def test_films_stand_behind_the_spine_as_the_3d_view_looks_at_them(layout, app, films):
    from LumbarBiplanarLib.mrml.films import view_of_node

    layout.enter()
    layout.show_films(films, {}, 0.4)
    camera = app.view("3D").camera_node
    position = np.array(camera.GetPosition())
    assert camera.GetViewUp() == (0, 0, 1)
    for film in films.values():
        view = view_of_node(film)
        middle = view.detector_points_ras_mm((np.array(view.size_px) - 1) / 2)
        spine = middle - 200.0 * view.beam_ras
        assert np.linalg.norm(position - spine) < np.linalg.norm(position - middle)
    before = camera.GetPosition()
    camera.SetPosition(1.0, 2.0, 3.0)
    layout.show_films(films, {}, 0.4)
    assert camera.GetPosition() == (1.0, 2.0, 3.0) != before, "the user's view of the same films stays"


@pytest.fixture
def ap_view(app):
    """The AP view, which gets its size back afterwards."""
    view = app.view("AP")
    size = view.size
    yield view
    view.set_size(*size)


def test_a_film_is_whole_again_after_the_view_was_resized_unless_the_user_zoomed(ap_view, shown, app):
    for size in ((900, 300), (250, 700)):
        ap_view.set_size(*size)
        app.process_events()
        width, height = ap_view.node.GetFieldOfView()[:2]
        assert min(width / 280.0, height / 261.8) == pytest.approx(1.0, abs=0.02)
    ap_view.node.SetFieldOfView(50.0, 140.0, 1.0)
    ap_view.set_size(500, 700)
    app.process_events()
    assert ap_view.node.GetFieldOfView()[1] < 150.0


def test_jumping_in_one_film_leaves_the_other(shown, app, films):
    from LumbarBiplanarLib.mrml.films import view_of_node

    other = slicer.util.arrayFromVTKMatrix(shown.slice_node("lateral").GetSliceToRAS())
    point = view_of_node(films["AP"]).detector_points_ras_mm(np.array([120.0, 90.0]))
    shown.jump_to("AP", point)
    app.process_events()
    assert np.allclose(slicer.util.arrayFromVTKMatrix(shown.slice_node("AP").GetSliceToRAS())[:3, 3], point)
    assert np.array_equal(slicer.util.arrayFromVTKMatrix(shown.slice_node("lateral").GetSliceToRAS()), other)


def test_the_offset_slider_cannot_leave_the_film(shown, app, films):
    for name in films:
        logic = shown.slice_logic(name)
        offset = logic.GetSliceOffset()
        logic.SetSliceOffset(offset + 1.0)
        app.process_events()
        assert logic.GetSliceOffset() == pytest.approx(offset)
        assert app.view(name).pixels().max() > 150, "the film is not black"


def test_a_film_that_moves_takes_its_view_along(shown, app, films):
    from LumbarBiplanarLib.mrml.film_views import is_on_film
    from LumbarBiplanarLib.mrml.films import set_film_view, view_of_node

    view = view_of_node(films["AP"])
    moved = type(view)(**{**view.to_dict(), "focal_mm": 1300.0, "principal_px": (900.0, 115.5)})
    set_film_view(films["AP"], moved)
    shown.show_films(films, {}, 0.4)
    assert is_on_film(shown.slice_node("AP"), films["AP"])
    assert app.view("AP").pixels()[:, :, 0].mean() > 10, "the film is in the middle of its view again"


def test_another_volume_that_the_user_put_into_a_film_view_stays(shown, app, films):
    volume = slicer.util.addVolumeFromArray(np.random.default_rng(0).random((4, 30, 40)), name="CT")
    app.view("AP").logic.GetSliceCompositeNode().SetBackgroundVolumeID(volume.GetID())
    app.process_events()
    shown.show_films(films, {}, 0.4)
    app.process_events()
    assert background(app, "AP") == volume.GetID()


@pytest.mark.parametrize("case", ["just entered", "after a scene was closed"])
def test_a_volume_that_slicer_loads_takes_the_place_of_no_film(layout, app, films, tmp_path, case):
    volume = slicer.util.addVolumeFromArray(np.random.default_rng(0).random((4, 30, 40)), name="CT")
    assert slicer.util.saveNode(volume, str(tmp_path / "ct.nrrd"))
    layout.enter()
    if case == "after a scene was closed":
        layout.exit()
        app.clear()
        films = {name: app.scene.AddNode(film) for name, film in films.items()}
        layout.enter()
    layout.show_films(films, {}, 0.4)
    loaded = slicer.util.loadVolume(str(tmp_path / "ct.nrrd"))
    app.process_events()
    assert background(app, "Red") == loaded.GetID(), "Slicer shows it in its own views"
    assert {name: background(app, name) for name in films} == {name: film.GetID() for name, film in films.items()}


def test_view_groups_that_a_scene_has_broken_are_set_again(layout, app):
    layout.enter()
    for name in ("AP", "lateral"):
        layout.slice_node(name).SetViewGroup(1)
    layout.restore_view_groups()
    assert [layout.slice_node(name).GetViewGroup() for name in ("AP", "lateral")] == [101, 102]


@pytest.mark.parametrize("read", ["while the panel is there", "before the panel is made"])
def test_a_loaded_scene_keeps_its_zoom_and_camera(shown, layout_module, app, films, tmp_path, read, request):
    app.view("3D").camera_node.SetPosition(10.0, 20.0, 3000.0)
    width, height, _ = app.view("AP").node.GetDimensions()
    app.view("AP").node.SetFieldOfView(50.0, 50.0 * height / width, 1.0)  # of the view's own shape, as Slicer keeps it
    app.process_events()
    app.save_scene(tmp_path / "case.mrb")
    shown.scene_closing()
    app.clear()
    app.load_scene(tmp_path / "case.mrb")
    from LumbarBiplanarLib.mrml.films import scene_films

    loaded = {film.GetAttribute("LumbarBiplanar.View"): film for film in scene_films(app.scene)}
    if read == "before the panel is made":
        shown.exit()
        shown = layout_module.FilmLayout()
        request.addfinalizer(shown.cleanup)
        shown.enter()
    else:
        shown.restore_view_groups()
    shown.show_films(loaded, {}, 0.4)
    app.process_events()
    assert background(app, "AP") == loaded["AP"].GetID()
    assert app.view("3D").camera_node.GetPosition() == (10.0, 20.0, 3000.0)
    assert app.view("AP").node.GetFieldOfView()[0] == pytest.approx(50.0, rel=0.02)


def test_nothing_watches_the_views_after_leaving(shown, app, films):
    logic = shown.slice_logic("AP")
    shown.exit()
    offset = logic.GetSliceOffset()
    logic.SetSliceOffset(offset + 1.0)
    app.process_events()
    assert logic.GetSliceOffset() == pytest.approx(offset + 1.0)
