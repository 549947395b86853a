"""Several cases in one scene: the one at work is shown alone, the others wait as they were left."""

from __future__ import annotations

import json

import numpy as np
import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")
pytest.importorskip("torch", reason="detection and registration need PyTorch")

import known_network
from LumbarBiplanarLib.anatomy import LUMBAR_LEVELS

ROLE, FILM = "LumbarBiplanar.Role", "LumbarBiplanar.Film"


@pytest.fixture
def logic(app):
    """A logic whose case has a result."""
    return known_network.finished_logic()


@pytest.fixture
def load_another(sample_study, tmp_path):
    """Load a second case with a geometry of its own; its films have the size of the first case's."""
    geometry = json.loads((sample_study / "geometry.json").read_text())
    for view in geometry["views"]:
        view["spacing_mm"] = [0.97 * pitch for pitch in view["spacing_mm"]]
    (tmp_path / "geometry.json").write_text(json.dumps(geometry))
    files = (sample_study / "ap.png", sample_study / "lateral.png", tmp_path / "geometry.json")
    return lambda logic: logic.loadFilms(*files)


def films_shown(scene, role: str) -> set[str]:
    """The films, by ID, of which the scene shows nodes with a role."""
    nodes = (scene.GetNthNode(index) for index in range(scene.GetNumberOfNodes()))
    return {
        node.GetNodeReferenceID(FILM)
        for node in nodes
        if node.GetAttribute(ROLE) == role and node.GetDisplayNode().GetVisibility()
    }


def shown(scene) -> dict[str, set[str]]:
    return {role: films_shown(scene, role) for role in ("landmarks", "silhouette", "vertebra")}


def test_another_case_leaves_the_result_of_the_first_in_the_scene_but_not_in_the_views(logic, app, load_another):
    first = {name: getattr(logic.parameters, name) for name in ("reconstruction", "measurements")}
    assert all(shown(app.scene).values())
    load_another(logic)
    assert all(app.scene.IsNodePresent(node) for node in first.values())
    assert logic.result() is None and logic.parameters.measurements is None
    assert not any(shown(app.scene).values())


@pytest.mark.parametrize("chosen", ["AP", "lateral"])
def test_a_film_of_another_case_brings_that_case_back_as_it_was(logic, app, load_another, chosen):
    films = {name: logic.filmNode(name) for name in ("AP", "lateral")}
    pair, before = logic.geometry(), shown(app.scene)
    values = [item.value for item in logic.result().measurements]
    points = {level: np.array(item) for level, item in logic.result().reconstruction.points_ras_mm.items()}
    others = dict(zip(("AP", "lateral"), load_another(logic), strict=True))
    other_pair = logic.geometry()
    assert other_pair != pair
    logic.useVolume(films[chosen], chosen)
    assert {name: logic.filmNode(name) for name in films} == films
    assert logic.geometry() == pair and shown(app.scene) == before
    assert [item.value for item in logic.result().measurements] == pytest.approx(values)
    for level, item in logic.result().reconstruction.points_ras_mm.items():
        np.testing.assert_allclose(item, points[level], atol=1e-6)
    assert logic.parameters.measurements.GetNumberOfRows() == len(values) and logic.isResultCurrent()
    logic.useVolume(others[chosen], chosen)
    assert logic.geometry() == other_pair and logic.result() is None


def test_a_vertebra_that_the_user_has_hidden_is_not_shown_when_its_case_comes_back(logic, app, load_another):
    from LumbarBiplanarLib.mrml.vertebrae import find

    ap = logic.filmNode("AP")
    hidden, *others = (find(app.scene, ap)[level] for level in LUMBAR_LEVELS)
    hidden.GetDisplayNode().SetVisibility(False)
    load_another(logic)
    logic.useVolume(ap, "AP")
    assert not hidden.GetDisplayNode().GetVisibility()
    assert all(node.GetDisplayNode().GetVisibility() for node in others)


def test_a_case_loaded_by_another_logic_is_not_seen_with_the_outlines_of_the_first(logic, app, load_another):
    from LumbarBiplanarLib.mrml.logic import CaseLogic

    load_another(CaseLogic())
    assert not any(shown(app.scene).values())
    assert logic.result() is None, "the case is that of the scene"


def test_surfaces_that_were_kept_without_their_case_are_not_taken_for_those_of_another(logic, app, load_another):
    from LumbarBiplanarLib.mrml.logic import CaseLogic
    from LumbarBiplanarLib.mrml.vertebrae import find

    kept = list(find(app.scene, logic.filmNode("AP")).values())
    for node in (logic.filmNode("AP"), logic.filmNode("lateral"), logic.parameters.reconstruction):
        app.scene.RemoveNode(node)
    later = CaseLogic()
    load_another(later)
    known_network.finish(later)
    assert all(app.scene.IsNodePresent(node) for node in kept)
    assert not set(find(app.scene, later.filmNode("AP")).values()) & set(kept)


@pytest.mark.parametrize("deleted", [("AP",), ("AP", "lateral")])
def test_a_case_whose_film_was_deleted_leaves_no_result(logic, app, load_another, deleted):
    for name in deleted:
        app.scene.RemoveNode(logic.filmNode(name))
    load_another(logic)
    nodes = (app.scene.GetNthNode(index) for index in range(app.scene.GetNumberOfNodes()))
    assert not {"reconstruction", "measurements", "vertebra"} & {node.GetAttribute(ROLE) for node in nodes}


def test_an_ap_film_that_was_deleted_and_loaded_again_leaves_no_surfaces_of_before(logic, app, sample_study):
    app.scene.RemoveNode(logic.filmNode("AP"))
    logic.loadFilm(sample_study / "ap.png", "AP")
    assert films_shown(app.scene, "vertebra") == set()
    assert app.scene.GetFirstNodeByName("L1") is None


def test_the_time_of_a_detection_is_not_counted_to_another_case(logic, monkeypatch, load_another, sample_study):
    known_network.quicken(monkeypatch)
    assert logic.register(device="cpu", start=None).seconds["detection"] > 0.0
    load_another(logic)
    logic.loadLandmarks(sample_study / "truth" / "landmarks.json")
    seconds = logic.register(device="cpu").seconds
    assert seconds["detection"] == 0.0 and seconds["total"] >= seconds["registration"]
