"""Vertebrae are models in 3D that are saved, found again, and survive a canceled run."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")

from LumbarBiplanarLib.anatomy import LUMBAR_LEVELS, Level
from LumbarBiplanarLib.geometry import standard_pair
from LumbarBiplanarLib.imaging import Film, Polarity
from LumbarBiplanarLib.registration import Quality
from LumbarBiplanarLib.shape import load_shape_model
from LumbarBiplanarLib.shape.surfaces import vertex_normals
from LumbarBiplanarLib.study.appearance import LEVEL_COLORS


@pytest.fixture(scope="module")
def model():
    return load_shape_model()


@pytest.fixture
def film(scene):
    from LumbarBiplanarLib.mrml.films import add_film

    view = standard_pair(size_px=((300, 400), (300, 400)), spacing_mm=1.0).ap
    pixels = np.tile(np.linspace(0, 50, 300, dtype=np.float32), (400, 1))
    return add_film(scene, Film(pixels, view, Polarity.BONE_BRIGHT))


@pytest.fixture
def vertebrae(scene, model, film):
    from LumbarBiplanarLib.mrml.vertebrae import Vertebrae

    return Vertebrae(scene, model.faces, film)


def stacked(model, levels=LUMBAR_LEVELS, shift_mm=0.0):
    """Return {level: (V, 3)} mean vertebrae one above the other."""
    return {level: model.mean(level) + [shift_mm, 0.0, 80.0 - 38.0 * level.index] for level in levels}


def state_of(model, levels=LUMBAR_LEVELS, shift_mm=0.0):
    """Return what a view asks of a registration's state."""
    outline = np.stack([np.linspace(10, 50, 240), np.linspace(20, 60, 240)], axis=1)
    points = stacked(model, levels, shift_mm)
    coarse = {level: values[np.asarray(model.coarse_vertices)] for level, values in points.items()}
    outlines = {"AP": {level: outline for level in levels}}
    return SimpleNamespace(points_ras_mm=points, coarse_points_ras_mm=coarse, silhouettes_px=outlines)


def visible(nodes):
    return {level for level, node in nodes.items() if node.GetDisplayNode().GetVisibility()}


def test_every_vertebra_is_drawn_in_3d_in_the_color_of_its_level(app, model, vertebrae):
    vertebrae.update(stacked(model))
    space = app.view("3D")
    space.look((0.0, 500.0, 0.0), (0.0, 0.0, 0.0), (0.0, 0.0, 1.0))
    picture = space.pixels().reshape(-1, 3).astype(float)
    for level in LUMBAR_LEVELS:
        color = np.array(LEVEL_COLORS[level])
        bright = picture[picture.max(axis=1) > 100]
        cosine = bright @ color / np.linalg.norm(bright, axis=1) / np.linalg.norm(color)
        assert (cosine > 0.998).sum() > 300, level


def test_normals_are_the_area_weighted_ones_and_point_outward(model):
    from LumbarBiplanarLib.mrml.vertebrae import MeshNormals

    points = model.mean(Level.L3)
    faces = np.asarray(model.faces)
    expected = vertex_normals(points, faces)
    assert MeshNormals(faces, len(points))(points) == pytest.approx(expected, abs=1e-5)


def test_an_update_moves_the_models_and_makes_no_new_ones(scene, model, vertebrae):
    vertebrae.update(stacked(model))
    nodes, count = dict(vertebrae.nodes), scene.GetNumberOfNodes()
    mesh = nodes[Level.L3].GetPolyData()
    vertebrae.update(stacked(model, shift_mm=25.0))
    assert vertebrae.nodes == nodes and scene.GetNumberOfNodes() == count
    assert nodes[Level.L3].GetPolyData() is mesh
    assert mesh.GetPoint(7)[0] == pytest.approx(model.mean(Level.L3)[7, 0] + 25.0, abs=1e-3)


def test_what_the_user_changed_about_a_model_stays(scene, model, vertebrae):
    vertebrae.update(stacked(model))
    node = vertebrae.nodes[Level.L2]
    node.SetName("my L2")
    node.GetDisplayNode().SetColor(1, 1, 1)
    node.GetDisplayNode().SetVisibility(False)
    vertebrae.hide()
    vertebrae.update(stacked(model, shift_mm=5.0))
    vertebrae.unhide()
    display = node.GetDisplayNode()
    assert (node.GetName(), display.GetColor(), display.GetVisibility()) == ("my L2", (1, 1, 1), 0)
    assert visible(vertebrae.nodes) == set(LUMBAR_LEVELS) - {Level.L2}


def test_a_refused_level_is_marked_and_half_transparent_until_it_is_better(scene, model, vertebrae):
    vertebrae.update(stacked(model))
    refused = {Level.L2: Quality("refuse", ("Why.",), 0.97), Level.L3: Quality("ok", (), 0.01)}
    vertebrae.mark(refused)
    node, other = vertebrae.nodes[Level.L2], vertebrae.nodes[Level.L3]
    assert node.GetAttribute("LumbarBiplanar.Quality") == "refuse" and "do not use" in node.GetDescription()
    assert node.GetDisplayNode().GetOpacity() < 0.6 and other.GetDisplayNode().GetOpacity() == 1.0
    assert other.GetAttribute("LumbarBiplanar.Quality") == "ok"
    node.GetDisplayNode().SetOpacity(0.9)  # the user's choice
    vertebrae.mark(refused)
    assert node.GetDisplayNode().GetOpacity() == 0.9
    vertebrae.mark({})
    assert not node.GetAttribute("LumbarBiplanar.Quality") and node.GetDescription() == ""
    assert node.GetDisplayNode().GetOpacity() == 1.0


def test_a_level_that_is_no_longer_reconstructed_is_removed_and_comes_back(scene, model, vertebrae):
    count = scene.GetNumberOfNodes()
    vertebrae.update(stacked(model))
    vertebrae.update(stacked(model, LUMBAR_LEVELS[:2]))
    assert set(vertebrae.nodes) == set(LUMBAR_LEVELS[:2]) and scene.GetNumberOfNodes() == count + 4
    scene.RemoveNode(vertebrae.nodes[Level.L1])
    vertebrae.update(stacked(model))
    assert set(vertebrae.nodes) == set(LUMBAR_LEVELS)


def test_models_are_found_again_after_saving_and_loading_the_scene(app, scene, model, film, vertebrae, tmp_path):
    from LumbarBiplanarLib.mrml.vertebrae import Vertebrae, find

    vertebrae.update(stacked(model))
    path = tmp_path / "L3.vtk"
    node = vertebrae.nodes[Level.L3]
    storage = scene.AddNode(slicer.vtkMRMLModelStorageNode())
    storage.SetFileName(str(path))
    assert storage.WriteData(node)
    storage.SetSaveWithScene(True)
    node.SetAndObserveStorageNodeID(storage.GetID())
    scene.SetURL(str(tmp_path / "case.mrml"))
    assert scene.Commit()
    app.clear()
    assert scene.Import() is not None
    found = find(scene)
    assert set(found) == set(LUMBAR_LEVELS) and found[Level.L3].GetPolyData().GetNumberOfPoints() == len(
        model.mean(Level.L3)
    )
    assert found[Level.L3].GetPolyData().GetPointData().GetNormals() is not None
    count = scene.GetNumberOfNodesByClass("vtkMRMLModelNode")
    Vertebrae(scene, model.faces).update(stacked(model))
    assert scene.GetNumberOfNodesByClass("vtkMRMLModelNode") == count


def test_a_running_registration_is_drawn_coarsely_and_hides_the_last_result(scene, model, film, vertebrae):
    from LumbarBiplanarLib.mrml.live_view import LiveView

    view = LiveView(scene, {"AP": film}, model)
    view.finish(state_of(model))
    result = dict(view.vertebrae.nodes)
    view.show(state_of(model, shift_mm=9.0))
    assert visible(result) == set() and visible(view.preview.nodes) == set(LUMBAR_LEVELS)
    node = view.preview.nodes[Level.L1]
    assert node.GetPolyData().GetNumberOfPoints() == len(model.coarse_vertices)
    assert not node.GetSaveWithScene() and node.GetHideFromEditors() and not node.GetDisplayNode().GetSaveWithScene()


def test_the_models_of_a_running_registration_are_hidden_at_its_end_and_serve_the_next(scene, model, film):
    from LumbarBiplanarLib.mrml.live_view import LiveView

    view = LiveView(scene, {"AP": film}, model)
    view.show(state_of(model))
    preview = dict(view.preview.nodes)
    view.finish(state_of(model, shift_mm=2.0))
    assert visible(preview) == set() and visible(view.vertebrae.nodes) == set(LUMBAR_LEVELS)
    view.show(state_of(model, shift_mm=4.0))
    assert view.preview.nodes == preview and visible(preview) == set(LUMBAR_LEVELS)
    assert visible(view.vertebrae.nodes) == set()


def test_a_canceled_run_leaves_the_last_result_and_nothing_else(scene, model, film):
    from LumbarBiplanarLib.mrml.live_view import LiveView

    view = LiveView(scene, {"AP": film}, model)
    first = state_of(model)
    view.finish(first)
    count = scene.GetNumberOfNodes()
    node = view.vertebrae.nodes[Level.L4]
    before = np.array(node.GetPolyData().GetPoint(11))
    view.show(state_of(model, shift_mm=9.0))
    view.restore(first)
    assert scene.GetNumberOfNodes() == count and visible(view.vertebrae.nodes) == set(LUMBAR_LEVELS)
    assert np.array(node.GetPolyData().GetPoint(11)) == pytest.approx(before)


def test_a_first_run_that_is_canceled_leaves_nothing(scene, model, film):
    from LumbarBiplanarLib.mrml.live_view import LiveView

    count = scene.GetNumberOfNodes()
    view = LiveView(scene, {"AP": film}, model)
    view.show(state_of(model))
    assert scene.GetNumberOfNodes() > count
    view.restore(None)
    assert scene.GetNumberOfNodes() == count


def test_surfaces_are_drawn_less_often_than_outlines_and_a_shown_state_costs_nothing(scene, model, film):
    from LumbarBiplanarLib.mrml.live_view import LiveView

    now = [0.0]
    view = LiveView(scene, {"AP": film}, model, surfaces_every_s=0.1, clock=lambda: now[0])
    updates = {"outlines": 0, "surfaces": 0}

    def counted(name, call):
        def wrapped(*arguments):
            updates[name] += 1
            call(*arguments)

        return wrapped

    view.silhouettes.update = counted("outlines", view.silhouettes.update)
    view.preview.update = counted("surfaces", view.preview.update)
    for step in range(10):
        now[0] = step * 0.05
        state = state_of(model, LUMBAR_LEVELS[:1], shift_mm=step)
        view.show(state)
        view.show(state)
    assert updates == {"outlines": 10, "surfaces": 5}


def test_a_state_that_looks_like_the_one_shown_is_not_drawn_again(scene, model, film):
    from LumbarBiplanarLib.mrml.live_view import LiveView

    view = LiveView(scene, {"AP": film}, model, surfaces_every_s=0.0)
    view.show(state_of(model))
    drawn = []
    view.silhouettes.update = drawn.append
    view.show(state_of(model))
    assert not drawn
    view.show(state_of(model, shift_mm=0.1))
    moved = state_of(model, shift_mm=0.1)
    moved.silhouettes_px["AP"][Level.L3] = moved.silhouettes_px["AP"][Level.L3] + 0.5
    view.show(moved)
    view.show(state_of(model, LUMBAR_LEVELS[:4], shift_mm=0.1))
    assert len(drawn) == 3


def test_what_another_object_has_drawn_of_a_run_is_taken_away(scene, model, film):
    from LumbarBiplanarLib.mrml.live_view import LiveView

    count = scene.GetNumberOfNodes()
    lost = LiveView(scene, {"AP": film}, model)
    lost.show(state_of(model))
    view = LiveView(scene, {"AP": film}, model)
    assert scene.GetNumberOfNodes() == count
    lost.show(state_of(model, shift_mm=3.0), surfaces=True)
    assert scene.GetNumberOfNodes() > count, "whoever is still at work draws again"
    view.remove()
