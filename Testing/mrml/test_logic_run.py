"""The logic's runs: what they leave in the scene when they end, when they are stopped, and when they go on."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("torch", reason="detection and registration need PyTorch")

import known_network
from LumbarBiplanarLib.anatomy import LUMBAR_LEVELS, Level
from LumbarBiplanarLib.errors import DetectionError, LandmarkError, OutputError, StudyError

KEY = (Level.L3, "superior_endplate_anterior")


@pytest.fixture
def logic(app, monkeypatch):
    from LumbarBiplanarLib.mrml.logic import CaseLogic

    known_network.quicken(monkeypatch)
    made = CaseLogic()
    made.detector = known_network.detect
    made.loadSampleStudy()
    return made


@pytest.fixture
def finished(logic):
    known_network.finish(logic)
    return logic


def roles(scene):
    nodes = (scene.GetNthNode(index) for index in range(scene.GetNumberOfNodes()))
    return [role for node in nodes if (role := node.GetAttribute("LumbarBiplanar.Role"))]


def test_detection_writes_landmarks_and_images_film_by_film(logic, app):
    lists = []
    for step in logic.detectSteps(device="cpu"):
        assert step.stage == "detection"
        lists.append(sum(logic.landmarkNode(name) is not None for name in ("AP", "lateral")))
    assert sorted(lists) == lists and set(lists) == {0, 1, 2}
    assert logic.hasLandmarks()
    for film in logic.case().films:
        found = known_network.detect(film).landmarks.visible()
        assert set(logic.landmarks(film.view.name).visible()) == set(found)
    assert roles(app.scene).count("lumbar-image") == 2


def test_detecting_again_keeps_what_a_person_corrected(logic):
    logic.detect(device="cpu")
    logic.moveLandmark("AP", *KEY, (150.0, 160.0))
    logic.detect(device="cpu")
    assert logic.landmarks("AP")[KEY].position_px == pytest.approx((150.0, 160.0))
    assert logic.landmarks("AP")[KEY].corrected


def test_a_whole_run_leaves_one_result_in_the_scene(logic, app):
    for _step in logic.allSteps(device="cpu"):
        pass
    result = logic.result()
    assert result.reconstruction.levels == LUMBAR_LEVELS
    assert set(result.seconds) == {"detection", "registration", "measurement", "total"}
    assert result.seconds["total"] >= result.seconds["registration"]
    assert logic.parameters.measurements.GetNumberOfRows() == len(result.measurements)
    found = roles(app.scene)
    assert (found.count("reconstruction"), found.count("measurements"), found.count("vertebra")) == (1, 1, 5)
    assert found.count("silhouette") == 10


def test_a_second_run_replaces_the_result_of_the_first(finished, app):
    first, before = finished.result(), sorted(roles(app.scene))
    finished.register(device="cpu", start=None)
    assert sorted(roles(app.scene)) == before
    assert finished.result() is not first


def test_registration_needs_landmarks(logic):
    with pytest.raises(LandmarkError, match="no landmarks yet"):
        logic.registerSteps(device="cpu")


def test_the_progress_callback_sees_every_step(logic):
    seen = []
    logic.detect(progress=seen.append, device="cpu")
    logic.register(progress=seen.append, device="cpu")
    assert [step.stage for step in seen[:1]] == ["detection"] and seen[-1].result is logic.result()


def test_a_run_that_is_closed_leaves_the_scene_as_it_was(logic, app):
    logic.detect(device="cpu")
    before = sorted(roles(app.scene))
    steps = logic.registerSteps(device="cpu")
    for step in steps:
        if step.state is not None:
            logic.showState(step.state)
            if step.stage == "registration" and step.state.iteration:
                break
    assert logic.presentState() is step.state
    steps.close()
    logic.restoreShown()
    assert logic.presentState() is None and logic.result() is None
    assert sorted(roles(app.scene)) == before


def test_a_run_after_a_result_that_is_closed_shows_that_result_again(finished, app):
    before = sorted(roles(app.scene))
    points = finished.result().reconstruction.points_ras_mm[Level.L2].copy()
    finished.moveLandmark("lateral", *KEY, (150.0, 160.0))
    steps = finished.registerSteps(device="cpu")
    for step in steps:
        if step.state is not None:
            finished.showState(step.state)
            break
    steps.close()
    finished.restoreShown()
    assert sorted(roles(app.scene)) == before
    assert np.array_equal(finished.result().reconstruction.points_ras_mm[Level.L2], points)
    assert not finished.isResultCurrent()


def test_a_moved_landmark_is_followed_from_the_present_result(finished, monkeypatch):
    from LumbarBiplanarLib.study import registering

    starts = []
    register_case = registering.register_case

    def watched(*arguments, start, **options):
        starts.append(start)
        return register_case(*arguments, start=start, **options)

    monkeypatch.setattr("LumbarBiplanarLib.mrml.case_run.register_case", watched)
    before = finished.result()
    assert finished.isResultCurrent()
    x, y = finished.landmarks("lateral")[KEY].position_px
    finished.moveLandmark("lateral", *KEY, (x + 6.0, y))
    after = finished.register(device="cpu")
    finished.register(device="cpu")  # nothing has moved: afresh
    assert starts == [before.reconstruction.final_state, None]
    moved = after.reconstruction.points_ras_mm[Level.L3] - before.reconstruction.points_ras_mm[Level.L3]
    assert np.abs(moved).max() > 0.3


def test_a_deleted_film_ends_a_run_with_an_explanation(logic, app):
    logic.detect(device="cpu")
    steps = logic.registerSteps(device="cpu")
    next(steps)
    app.scene.RemoveNode(logic.filmNode("lateral"))
    with pytest.raises(StudyError, match="lateral film was removed"):
        for _step in steps:
            pass
    assert "reconstruction" not in roles(app.scene)


def test_a_film_without_a_spine_is_named_and_nothing_is_written(logic, app, sample_study):
    logic.detector = lambda film, **options: nothing(film)
    with pytest.raises(DetectionError, match=r"ap\.png"):
        logic.detect(device="cpu")
    assert "landmarks" not in roles(app.scene)


def nothing(film):
    raise DetectionError(f"{film.path}: no lumbar spine was found.")


def test_renamed_levels_take_corrected_landmarks_along_and_can_be_renamed_back(logic):
    from LumbarBiplanarLib.mrml.parameters import LevelNames

    logic.detect(device="cpu")
    found = {name: logic.landmarks(name).visible() for name in ("AP", "lateral")}
    logic.moveLandmark("AP", *KEY, (150.0, 160.0))
    logic.parameters.levelNames = LevelNames.DOWN
    logic.detect(device="cpu")
    for name, before in found.items():
        after = logic.landmarks(name).visible()
        assert {level for level, _ in after} == set(LUMBAR_LEVELS[1:])
        for (level, landmark), item in after.items():
            old = before.get((LUMBAR_LEVELS[LUMBAR_LEVELS.index(level) - 1], landmark))
            if not item.corrected:
                assert item.position_px == pytest.approx(old.position_px)
    moved = logic.landmarks("AP")[Level.L4, KEY[1]]
    assert moved.corrected and moved.position_px == pytest.approx((150.0, 160.0))
    assert KEY not in logic.landmarks("AP").visible()
    logic.detect(device="cpu")  # the same names again change nothing
    assert logic.landmarks("AP")[Level.L4, KEY[1]].position_px == pytest.approx((150.0, 160.0))
    logic.parameters.levelNames = LevelNames.AS_FOUND
    logic.detect(device="cpu")
    assert set(logic.landmarks("lateral").visible()) == set(found["lateral"])
    assert logic.landmarks("AP")[KEY].position_px == pytest.approx((150.0, 160.0))
    assert (Level.L4, KEY[1]) not in logic.landmarks("AP").visible()


@pytest.mark.parametrize(("first", "then"), [("AS_FOUND", "DOWN"), ("DOWN", "AS_FOUND"), ("DOWN", "UP")])
def test_a_renaming_that_is_cancelled_leaves_both_films_as_they_were(logic, first, then):
    from LumbarBiplanarLib.mrml.parameters import LevelNames

    logic.parameters.levelNames = LevelNames[first]
    logic.detect(device="cpu")
    before = {name: logic.landmarks(name).levels for name in ("AP", "lateral")}
    logic.parameters.levelNames = LevelNames[then]
    steps = logic.detectSteps(device="cpu")
    assert next(step for step in steps if len(step.detections) == 1)
    steps.close()
    assert {name: logic.landmarks(name).levels for name in before} == before


def test_a_result_with_other_names_is_removed(finished, app):
    from LumbarBiplanarLib.mrml.parameters import LevelNames

    finished.detect(device="cpu")
    assert finished.result() is not None
    finished.parameters.levelNames = LevelNames.DOWN
    finished.detect(device="cpu")
    assert finished.result() is None
    assert not {"reconstruction", "vertebra", "silhouette", "measurements"} & set(roles(app.scene))
    assert finished.register(device="cpu").reconstruction.levels == LUMBAR_LEVELS[1:]


def test_other_films_begin_with_the_names_that_the_network_finds(logic, sample_study):
    from LumbarBiplanarLib.mrml.parameters import LevelNames

    logic.parameters.levelNames = LevelNames.UP
    logic.detect(device="cpu")
    assert logic.landmarks("AP").levels[-1] is Level.L4
    logic.loadFilms(*(sample_study / name for name in ("ap.png", "lateral.png", "geometry.json")))
    assert logic.parameters.levelNames is LevelNames.AS_FOUND


def test_landmarks_from_a_file_have_the_names_of_the_file(logic, tmp_path):
    from LumbarBiplanarLib.mrml.parameters import LevelNames

    logic.detect(device="cpu")
    logic.moveLandmark("AP", *KEY, (150.0, 160.0))
    logic.saveLandmarks(tmp_path / "landmarks.json")
    logic.parameters.levelNames = LevelNames.DOWN
    logic.detect(device="cpu")
    logic.loadLandmarks(tmp_path / "landmarks.json")
    assert logic.landmarks("AP").levels == LUMBAR_LEVELS
    assert logic.landmarks("AP")[KEY].position_px == pytest.approx((150.0, 160.0))


def test_another_geometry_removes_the_result_that_no_longer_fits(finished, app):
    finished.useStandardGeometry()
    assert finished.result() is None
    found = roles(app.scene)
    assert not {"reconstruction", "vertebra", "silhouette", "measurements"} & set(found)
    assert finished.hasLandmarks()


def test_the_posterior_weight_reaches_the_registration(logic):
    from LumbarBiplanarLib.anatomy import Region
    from LumbarBiplanarLib.mrml.parameters import PosteriorWeight

    logic.detect(device="cpu")
    logic.parameters.posteriorWeight = PosteriorWeight.EIGHT
    weights = logic.register(device="cpu").options.region_weights
    assert weights[Region.SPINOUS] == weights[Region.TRANSVERSE] == 8.0
    assert weights[Region.BODY] == 1.0


def test_one_call_takes_other_names_and_the_next_one_does_not_keep_them(app, monkeypatch, sample_study):
    from LumbarBiplanarLib.mrml.logic import CaseLogic

    known_network.quicken(monkeypatch)
    logic = CaseLogic()
    logic.detector = known_network.detect
    films = [sample_study / name for name in ("ap.png", "lateral.png", "geometry.json")]
    assert logic.process(*films, device="cpu", levelShift=-1).reconstruction.levels == LUMBAR_LEVELS[:-1]
    assert logic.process(*films, device="cpu").reconstruction.levels == LUMBAR_LEVELS
    with pytest.raises(StudyError, match="-2 to 2, found 3"):
        logic.process(*films, device="cpu", levelShift=3)


def test_one_call_does_everything_and_writes_the_files(app, monkeypatch, sample_study, tmp_path):
    from LumbarBiplanarLib.mrml.logic import CaseLogic

    known_network.quicken(monkeypatch)
    logic = CaseLogic()
    logic.detector = known_network.detect
    films = [sample_study / name for name in ("ap.png", "lateral.png", "geometry.json")]
    result = logic.process(*films, outputFolder=tmp_path / "result", device="cpu")
    assert result is logic.result()
    written = {path.name for path in (tmp_path / "result").iterdir()}
    assert {"L1.vtp", "L5.stl", "landmarks.json", "measurements.csv", "reconstruction.json"} <= written
    with pytest.raises(StudyError, match="not empty"):
        logic.exportCase(tmp_path / "result")
    logic.exportCase(tmp_path / "result", force=True)
    content = json.loads((tmp_path / "result" / "reconstruction.json").read_text(encoding="utf-8"))
    assert set(content["levels"]) == {"L1", "L2", "L3", "L4", "L5"}


def test_what_is_not_there_is_not_written(logic, tmp_path):
    for write in (logic.exportCase, logic.exportCsv, logic.exportReport, logic.exportSurfaces):
        with pytest.raises(StudyError, match="no result yet"):
            write(tmp_path / "nothing")
    assert list(tmp_path.iterdir()) == []


def test_a_scene_is_saved_with_its_data_or_not_at_all(logic, app, tmp_path):
    for name in ("case.mrml", "case", "case.zip"):
        with pytest.raises(OutputError, match=r"ends in \.mrb"):
            logic.saveScene(tmp_path / name)
    (tmp_path / "other.mrb").write_text("keep")
    with pytest.raises(OutputError, match=r"other\.mrb exists"):
        logic.saveScene(tmp_path / "other.MRB")
    logic.saveScene(tmp_path / "case.MRB")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["case.mrb", "other.mrb"]
    assert (tmp_path / "other.mrb").read_text() == "keep"
    app.load_scene(tmp_path / "case.mrb")
    assert roles(app.scene).count("film") == 2


def test_a_weights_file_that_is_none_is_refused_by_name(logic, tmp_path):
    from LumbarBiplanarLib.errors import WeightsError

    logic.detector, logic.weights = None, str(tmp_path / "none.pt")
    with pytest.raises(WeightsError, match=r"none\.pt"):
        logic.detect(device="cpu")
