"""The logic's films and geometry: what is loaded, refused, exchanged and kept."""

from __future__ import annotations

from dataclasses import replace

import pytest

from LumbarBiplanarLib.errors import FilmError, GeometryError, LandmarkError, StudyError
from LumbarBiplanarLib.geometry import load_geometry, standard_pair


@pytest.fixture
def logic(app):
    from LumbarBiplanarLib.mrml.logic import CaseLogic

    return CaseLogic()


@pytest.fixture
def known(app):
    import known_network

    return known_network


def names(scene):
    return {scene.GetNthNode(index).GetName() for index in range(scene.GetNumberOfNodes())}


def test_without_films_the_logic_says_what_to_do(logic):
    assert logic.isReady()[0] is False
    assert "Load an AP and a lateral film" in logic.isReady()[1]
    assert logic.geometry() is None and logic.result() is None
    with pytest.raises(StudyError, match="no films yet"):
        logic.case()
    with pytest.raises(StudyError, match="no films yet"):
        logic.swapFilms()


def test_the_sample_study_is_a_case_with_the_geometry_of_its_file(logic, sample_study):
    ap, lateral = logic.loadSampleStudy()
    assert logic.filmNode("AP") is ap and logic.filmNode("lateral") is lateral
    assert logic.isReady() == (True, "")
    assert logic.geometry() == load_geometry(sample_study / "geometry.json")
    assert [film.path.name for film in logic.case().films] == ["ap.png", "lateral.png"]


def test_one_film_alone_is_not_a_case(logic, sample_study):
    logic.loadFilm(sample_study / "ap.png", "AP")
    assert logic.isReady() == (False, "The lateral film is missing. Load it.")


def test_films_without_a_geometry_file_get_an_assumed_one_that_says_so(logic, sample_study):
    logic.loadFilm(sample_study / "ap.png", "AP")
    logic.loadFilm(sample_study / "lateral.png", "lateral")
    assert logic.isReady()[0]
    assert not logic.geometry().calibrated
    assert logic.geometrySettings().assumed()
    assert any("not calibrated" in warning for warning in logic.case().warnings)


def test_the_same_film_twice_is_refused_and_the_scene_stays_as_it_was(logic, app, sample_study):
    logic.loadFilm(sample_study / "ap.png", "AP")
    before = names(app.scene)
    with pytest.raises(FilmError, match="same image"):
        logic.loadFilm(sample_study / "ap.png", "lateral")
    assert names(app.scene) == before and logic.filmNode("lateral") is None
    with pytest.raises(FilmError, match="same image"):
        logic.loadFilms(sample_study / "ap.png", sample_study / "ap.png")
    assert names(app.scene) == before


def test_a_film_in_use_cannot_be_chosen_for_the_other_view_too(logic):
    ap, lateral = logic.loadSampleStudy()
    with pytest.raises(FilmError, match="Swap films"):
        logic.useVolume(ap, "lateral")
    assert logic.filmNode("lateral") is lateral


@pytest.mark.parametrize("file", ["geometry.json", "there_is_none.png"])
def test_a_file_that_is_no_film_is_refused_by_name(logic, sample_study, file):
    with pytest.raises(FilmError, match=file.replace(".", r"\.")):
        logic.loadFilm(sample_study / file, "AP")
    assert logic.filmNode("AP") is None


def test_a_view_that_does_not_exist_is_refused(logic, sample_study):
    with pytest.raises(StudyError, match="'PA'"):
        logic.loadFilm(sample_study / "ap.png", "PA")
    with pytest.raises(StudyError, match="'PA'"):
        logic.filmNode("PA")


def test_another_film_in_the_place_of_one_leaves_that_one_in_the_scene(logic, app, sample_study, tmp_path):
    ap, _lateral = logic.loadSampleStudy()
    geometry = logic.geometry()
    other = tmp_path / "other.png"
    from LumbarBiplanarLib.imaging import write_film

    write_film(other, logic.case().films[0].pixels[::-1].copy())
    node = logic.loadFilm(other, "AP")
    assert node is not ap and app.scene.IsNodePresent(ap)
    assert logic.filmNode("AP") is node
    assert logic.geometry() == geometry  # it came from a file and fits


def test_landmarks_come_back_with_the_film_that_they_were_placed_on(logic, known, sample_study, tmp_path):
    ap, _lateral = logic.loadSampleStudy()
    logic.loadLandmarks(sample_study / "truth" / "landmarks.json")
    list_node = logic.landmarkNode("AP")
    from LumbarBiplanarLib.imaging import write_film

    write_film(tmp_path / "other.png", logic.case().films[0].pixels[::-1].copy())
    logic.loadFilm(tmp_path / "other.png", "AP")
    assert logic.landmarkNode("AP") is None and not list_node.GetDisplayNode().GetVisibility()
    logic.useVolume(ap, "AP")
    assert logic.landmarkNode("AP") is list_node and list_node.GetDisplayNode().GetVisibility()


def test_a_geometry_of_other_films_is_refused_and_the_old_one_stays(logic):
    logic.loadSampleStudy()
    before = logic.geometry()
    with pytest.raises(GeometryError, match="pixels"):
        logic.setGeometry(standard_pair(size_px=((10, 10), (10, 10))))
    assert logic.geometry() == before


def test_a_geometry_file_needs_films_first(logic, sample_study):
    with pytest.raises(StudyError, match="no films yet"):
        logic.loadGeometry(sample_study / "geometry.json")


def test_a_saved_geometry_is_the_same_when_it_is_loaded(logic, sample_study, tmp_path):
    logic.loadSampleStudy()
    logic.saveGeometry(tmp_path / "geometry.json")
    assert load_geometry(tmp_path / "geometry.json") == logic.geometry()
    logic.useStandardGeometry()
    assert logic.geometry() != load_geometry(tmp_path / "geometry.json")
    logic.loadGeometry(tmp_path / "geometry.json")
    assert logic.geometry() == load_geometry(tmp_path / "geometry.json")


def test_landmarks_keep_their_pixels_when_the_geometry_changes(logic, sample_study):
    logic.loadSampleStudy()
    logic.loadLandmarks(sample_study / "truth" / "landmarks.json")
    before = dict(logic.landmarks("AP").visible())
    pair = logic.geometry()
    logic.setGeometry(replace(pair, ap=replace(pair.ap, focal_mm=pair.ap.focal_mm + 40.0)))
    after = logic.landmarks("AP").visible()
    for key, item in before.items():
        assert after[key].position_px == pytest.approx(item.position_px, abs=1e-6)
        assert after[key].corrected == item.corrected


def test_swapped_films_change_places_and_lose_what_was_found_on_them(logic, sample_study):
    ap, lateral = logic.loadSampleStudy()
    logic.loadLandmarks(sample_study / "truth" / "landmarks.json")
    logic.swapFilms()
    assert logic.filmNode("AP") is lateral and logic.filmNode("lateral") is ap
    assert logic.landmarkNode("AP") is None and logic.landmarkNode("lateral") is None
    with pytest.raises(LandmarkError, match="no landmarks yet"):
        logic.landmarks("AP")
    logic.swapFilms()
    assert logic.filmNode("AP") is ap and logic.isReady() == (True, "")
    logic.loadLandmarks(sample_study / "truth" / "landmarks.json")
    # Of the first lists nothing is left that these would have to be told from.
    assert logic.landmarkNode("AP").GetName() == "ap (AP film) landmarks"


def test_films_that_are_deleted_are_no_longer_the_case(logic, app):
    ap, _lateral = logic.loadSampleStudy()
    app.scene.RemoveNode(ap)
    assert logic.filmNode("AP") is None
    assert logic.isReady() == (False, "The AP film is missing. Load it.")


def test_the_case_of_a_scene_is_found_by_any_logic(logic, app):
    from LumbarBiplanarLib.mrml.logic import CaseLogic

    logic.loadSampleStudy()
    assert CaseLogic().filmNode("AP") is logic.filmNode("AP")
    app.clear()
    assert CaseLogic().filmNode("AP") is None and logic.filmNode("AP") is None


@pytest.mark.parametrize("order", [("AP", "lateral"), ("lateral", "AP")])
def test_both_films_are_in_one_folder_and_another_case_in_another(logic, app, sample_study, order):
    from LumbarBiplanarLib.mrml.case_folder import case_folder

    for name in order:
        logic.loadFilm(sample_study / f"{name.lower()}.png", name)
    folders = {case_folder(app.scene, logic.filmNode(name), create=False) for name in order}
    assert len(folders) == 1 and None not in folders
    logic.loadSampleStudy()
    others = {case_folder(app.scene, logic.filmNode(name), create=False) for name in order}
    assert len(others) == 1 and not others & folders
