"""The network's benchmark measures what it says: errors in the object plane, levels named right, images alike."""

from __future__ import annotations

import csv
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from LumbarBiplanarLib import network
from LumbarBiplanarLib.anatomy import LANDMARK_NAMES, LUMBAR_LEVELS, FilmLandmarks, LandmarkObservation
from LumbarBiplanarLib.errors import DetectionError, StudyError
from LumbarBiplanarLib.evaluation import network_benchmark
from LumbarBiplanarLib.evaluation.image_metrics import image_scores
from LumbarBiplanarLib.evaluation.network_benchmark import (
    benchmark_network,
    evaluate_film,
    evaluate_pair,
    read_people,
)
from LumbarBiplanarLib.evaluation.network_films import (
    DIFFICULTIES,
    GEOMETRIES,
    WHOLE_SPINE,
    Person,
    drawn_pair,
    drawn_pairs,
    stored,
    whole_spine_pairs,
)
from LumbarBiplanarLib.evaluation.network_ladders import STEPS, ladder_films
from LumbarBiplanarLib.evaluation.network_summary import summary_tables
from LumbarBiplanarLib.evaluation.real_films import evaluate_real_film
from LumbarBiplanarLib.network import Detection
from LumbarBiplanarLib.shape.sources import Specimen
from LumbarBiplanarLib.training.anatomy import Context
from network_phantom import drawn_person


@pytest.fixture(scope="module")
def person() -> Person:
    return drawn_person()


@pytest.fixture(scope="module")
def films(person):
    return [film for pair in drawn_pairs(person, Context(), 1) for film in pair]


def perfect(film, shift_px=(0.0, 0.0), moved_level: int = 0) -> Detection:
    """What a faultless network would say, its landmarks shifted and its levels misnamed by ``moved_level``."""
    landmarks = []
    for k, level in enumerate(LUMBAR_LEVELS):
        source = LUMBAR_LEVELS[min(max(k + moved_level, 0), 4)]
        for i, name in enumerate(LANDMARK_NAMES):
            position = tuple(film.landmarks_px[source][i] + shift_px)
            landmarks.append(LandmarkObservation(level, name, position, 0.9, 1.5))
    return Detection(film.film.view, film.lumbar_mm.copy(), film.film.view, FilmLandmarks(landmarks))


def test_films_cover_every_difficulty_geometry_and_view_and_repeat(films, person):
    assert {(film.condition, film.geometry, film.film.view.name) for film in films} == {
        (name, geometry, view) for name in DIFFICULTIES for geometry in GEOMETRIES for view in ("AP", "lateral")
    }
    again = next(drawn_pairs(person, Context(), 1))
    np.testing.assert_array_equal(again[0].film.pixels, films[0].film.pixels)


def test_films_without_other_bones_are_the_same_but_for_them(person):
    # No soft tissue and no collimation of their own: what is left differs where the chest was.
    bare = {"clean": replace(DIFFICULTIES["clean"], tissue=0.0, texture=0.0)}
    pairs = [next(drawn_pair(person, Context(), "pinhole 90", 0, bare, other_bones=other)) for other in (True, False)]
    for film, without in zip(*pairs, strict=True):
        np.testing.assert_array_equal(film.lumbar_mm, without.lumbar_mm)
        differs = np.abs(film.film.pixels - without.film.pixels)
        top = int(film.landmarks_px[LUMBAR_LEVELS[0]][:, 1].min())
        assert differs[:top].mean() > 5 * differs[top + 60 :].mean()


def test_a_pa_film_is_the_same_spine_from_behind_and_turned_over_it_is_nearly_an_ap_film(person):
    clean = {"clean": DIFFICULTIES["clean"]}
    ap, pa = (
        next(drawn_pair(person, Context(), "pinhole 90", 0, clean, posteroanterior=posteroanterior))
        for posteroanterior in (False, True)
    )
    np.testing.assert_array_equal(pa[1].film.pixels, ap[1].film.pixels)
    assert pa[0].film.view.camera_from_ras[0, 0] == 1.0
    told = stored(pa[0], mistaken=False)
    for level, points in person.landmarks_ras_mm.items():
        assert np.abs(told.film.view.project(points) - told.landmarks_px[level]).max() < 1e-3
    believed = stored(pa[0], mistaken=True)
    assert told.film.view.mirrored and not believed.film.view.mirrored
    np.testing.assert_array_equal(believed.film.pixels[:, ::-1], pa[0].film.pixels)
    for level in LUMBAR_LEVELS:
        points = person.landmarks_ras_mm[level]
        assert np.abs(pa[0].film.view.project(points) - pa[0].landmarks_px[level]).max() < 1e-3
        # What is at the depth of the middle of the spine is where it should be; what is off it by 40 mm is 8 % off.
        off = believed.film.view.project(points) - believed.landmarks_px[level]
        assert (
            1.0
            < np.abs(off).max()
            < 0.09 * np.abs(believed.landmarks_px[level] - believed.film.view.principal_px).max()
        )


def test_films_of_the_whole_spine_are_as_high_as_that_and_show_the_lumbar_part_low_down(person):
    pairs = list(whole_spine_pairs(person, Context(), 1))
    assert [pair[0].geometry for pair in pairs] == list(GEOMETRIES)
    for film in (film for pair in pairs for film in pair):
        assert film.condition == WHOLE_SPINE and film.film.view.size_px[1] * film.film.view.spacing_mm[1] > 800
        rows = np.concatenate([film.landmarks_px[level][:, 1] for level in LUMBAR_LEVELS])
        height = film.film.view.size_px[1]
        assert 0.45 * height < rows.min() and rows.max() < 0.95 * height


def test_a_ladder_gets_worse_step_by_step_and_keeps_its_truth(person):
    films = list(ladder_films(person, Context(), 1))
    names = {film.condition for film in films}
    assert names == {"plain"} | {f"{ladder} {step:g}" for ladder, steps in STEPS.items() for step in steps}
    ap = {film.condition: film for film in films if film.film.view.name == "AP"}
    plain = ap["plain"].film.pixels
    noise = [np.abs(ap[f"noise {step:g}"].film.pixels - plain).mean() for step in STEPS["noise"]]
    assert (np.diff(noise) > 0).all()
    sharp = [np.abs(np.diff(ap[f"blur {step:g}"].film.pixels, axis=1)).mean() for step in STEPS["blur"]]
    assert (np.diff(sharp) < 0).all()
    for step in STEPS["truncation"]:
        film = ap[f"truncation {step:g}"]
        shown = [film.visible[level].sum() for level in LUMBAR_LEVELS]
        assert shown[int(step)] >= 15 and all(count < 15 for count in shown[: int(step)])
        assert film.lumbar_mm.shape == film.film.view.shape
        column, row = np.rint(film.landmarks_px[LUMBAR_LEVELS[4]][LANDMARK_NAMES.index("spinous_base")]).astype(int)
        assert film.lumbar_mm[row, column] > 0


def test_a_pair_is_judged_alone_and_together(films, monkeypatch):
    pair = (films[0], films[1])
    of = {id(film.film): film for film in pair}
    monkeypatch.setattr(network, "detect", lambda film, *_: perfect(of[id(film)], (3.0, 4.0)), raising=False)
    monkeypatch.setattr(network, "detect_pair", lambda both, *_: [perfect(of[id(f)]) for f in both], raising=False)
    done = evaluate_pair(pair)
    assert [(row.view, row.estimate) for _, row in done] == [
        ("AP", "film"), ("lateral", "film"), ("AP", "pair"), ("lateral", "pair")
    ]  # fmt: skip
    assert min(row.error_mm for row in done[0][0]) > 2.0 and max(row.error_mm for row in done[2][0]) == 0.0


def test_a_vertebra_found_one_level_off_is_in_order_but_not_named_right(films, monkeypatch):
    film = films[0]
    centers = np.array([film.landmarks_px[level][[0, 5]].mean(axis=0) for level in LUMBAR_LEVELS])
    boxes = np.concatenate([centers - 12, centers + 12], axis=1)
    image = np.asarray(film.film.pixels)
    for moved, named in ((0, 5), (1, 0)):
        monkeypatch.setattr(network, "detect", lambda *_, m=moved, **__: perfect(film, moved_level=m), raising=False)
        rows = evaluate_real_film("a", image, boxes, whole=True)
        assert sum(row.right_name for row in rows) == named
        assert sum(row.right_order for row in rows) == 5 - moved


def test_the_truth_of_a_film_fits_together(films):
    for film in films:
        for level in LUMBAR_LEVELS:
            pixel = film.film.view.project(film.landmarks_ras_mm[level])
            np.testing.assert_allclose(pixel, film.landmarks_px[level])
            column, row = np.rint(pixel[LANDMARK_NAMES.index("spinous_base")]).astype(int)
            if film.visible[level][LANDMARK_NAMES.index("spinous_base")]:
                assert film.lumbar_mm[row, column] > 0


def test_a_faultless_detection_has_no_error(films, monkeypatch):
    monkeypatch.setattr(network, "detect", lambda film, device, weights: perfect(films[0]), raising=False)
    rows, film_row = evaluate_film(films[0])
    assert max(row.error_mm for row in rows) == 0.0
    assert film_row.levels_right == film_row.levels_shown and film_row.levels_wrong == 0
    assert film_row.mae == pytest.approx(0.0, abs=1e-3) and film_row.ssim == pytest.approx(1.0, abs=1e-3)


def test_an_error_is_in_mm_of_the_object_plane(films, monkeypatch):
    film = films[0]
    monkeypatch.setattr(network, "detect", lambda *_: perfect(film, (3.0, 4.0)), raising=False)
    rows, _ = evaluate_film(film)
    # 5 pixels of 0.8 mm at the detector, shrunk by about 1010 / 1250.
    assert np.mean([row.error_mm for row in rows]) == pytest.approx(5 * 0.8 * 1010 / 1250, rel=0.03)
    assert all(row.detected and row.sigma_mm == 1.5 for row in rows)


def test_levels_named_one_too_low_are_wrong(films, monkeypatch):
    monkeypatch.setattr(network, "detect", lambda *_: perfect(films[1], moved_level=1), raising=False)
    _, row = evaluate_film(films[1])
    assert row.levels_right <= 1 and row.levels_wrong >= 4


def test_a_film_on_which_nothing_is_found_counts_as_missed(films, monkeypatch):
    def fail(*_):
        raise DetectionError("no spine")

    monkeypatch.setattr(network, "detect", fail, raising=False)
    rows, row = evaluate_film(films[0])
    assert not any(item.detected for item in rows) and row.levels_right == 0 and row.mae is None


def test_the_tables_are_written_and_summed_up(person, monkeypatch, tmp_path):
    monkeypatch.setattr(network_benchmark, "read_people", lambda *_: [person])
    monkeypatch.setattr(network_benchmark, "ladder_films", lambda *_: iter(()))
    truth = {}
    few = list(drawn_pairs(person, Context(), 1, {"randomised": DIFFICULTIES["randomised"]}))
    truth = {id(film.film): film for pair in few for film in pair}
    monkeypatch.setattr(network_benchmark, "drawn_pairs", lambda *_: iter(few))
    monkeypatch.setattr(network_benchmark, "whole_spine_pairs", lambda *_: iter(()))
    monkeypatch.setattr(network, "detect", lambda film, *_: perfect(truth[id(film)], (1.0, 0.0)), raising=False)
    # Both films are read together with the model without this person, and no other.
    left_out, fitted_with = SimpleNamespace(model="without somebody"), set()
    monkeypatch.setattr(network_benchmark, "read_left_out", lambda folder, subject: left_out)

    def both_films(films, device, weights, model):
        fitted_with.add(model)
        return [perfect(truth[id(film)]) for film in films]

    monkeypatch.setattr(network, "detect_pair", both_films, raising=False)
    rows = list(
        benchmark_network(tmp_path, tmp_path, models=tmp_path, count=1, subjects=["somebody"], context=Context())
    )
    assert fitted_with == {"without somebody"}
    with open(tmp_path / "network_films.csv", newline="", encoding="utf-8") as stream:
        assert len(list(csv.DictReader(stream))) == len(rows) == 12
    with open(tmp_path / "network_landmarks.csv", newline="", encoding="utf-8") as stream:
        read = list(csv.DictReader(stream))
    assert {row["error_mm"] for row in read if row["estimate"] == "pair"} == {"0.0"}
    lateral_tip = [row for row in read if row["view"] == "lateral" and row["landmark"] == "transverse_tip_left"]
    assert {row["readable"] for row in lateral_tip} == {"False"}
    tables, sentences = summary_tables(tmp_path)
    landmarks = {tuple(cells[:3]): cells for cells in tables[0][2]}
    assert landmarks[("randomised", "AP", "pair")][5] == "0.00"
    assert 0.4 < float(landmarks[("randomised", "AP", "film")][5]) < 0.8
    assert not sentences


def test_a_person_without_all_levels_cannot_be_tested_on(person, monkeypatch, tmp_path):
    few = [Specimen("verse016", level, person.surfaces[level]) for level in LUMBAR_LEVELS[:2]]
    monkeypatch.setattr(network_benchmark, "_specimens", lambda *_: few)
    with pytest.raises(StudyError, match="lacks L3, L4, L5"):
        read_people(tmp_path, ["verse016"])


def test_image_scores_are_those_of_the_formulas():
    rng = np.random.default_rng(0)
    truth = np.zeros((40, 50))
    truth[10:30, 15:35] = 50.0
    assert image_scores(truth, truth).ssim == pytest.approx(1.0)
    shifted = image_scores(truth + 2.0, truth)
    assert shifted.mae == pytest.approx(2.0)
    assert shifted.psnr_db == pytest.approx(20 * np.log10(50 / 2))
    noisy = image_scores(truth + rng.normal(0, 10, truth.shape), truth)
    assert 0 < noisy.ssim < 0.8
    half = np.zeros(truth.shape, dtype=bool)
    half[:, 25:] = True
    wrong_left = truth.copy()
    wrong_left[:, :10] += 30
    assert image_scores(wrong_left, truth, half).mae == 0.0
    with pytest.raises(ValueError, match="constant"):
        image_scores(truth, np.ones_like(truth))
    with pytest.raises(ValueError, match="shapes"):
        image_scores(truth, truth[1:])
