"""The whole path of a case, with the network's work given or replaced by a stand-in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from LumbarBiplanarLib.anatomy import LUMBAR_LEVELS, FilmLandmarks
from LumbarBiplanarLib.errors import DetectionError, RegistrationError, StudyError
from LumbarBiplanarLib.network import Detection
from LumbarBiplanarLib.study.run import STAGES, default_options, run_case
from LumbarBiplanarLib.study.swapped import swap_hint
from study_sample import sample_case, sample_result, sample_steps


def found(film, confidence=0.9):
    """What a perfect network would find on a film of the bundled study."""
    case = sample_case()
    landmarks = case.landmarks[film.view.name].landmarks
    items = [replace(item, confidence=confidence) for item in landmarks.visible().values()]
    return Detection(film.view, case.lumbar_mm[film.view.name], film.view, FilmLandmarks(items))


def test_the_stages_come_in_order_and_the_last_step_carries_the_result_with_its_intervals():
    steps = sample_steps()
    order = [STAGES.index(step.stage) for step in steps]
    assert order == sorted(order)
    assert set(order) == {0, 1, 2}
    told = [step.result for step in steps if step.result is not None]
    assert steps[-1].result is told[-1]
    # The measurements are there before it is known how sure they are.
    assert [item.interval is None for item in told[0].measurements] == [True] * len(told[0].measurements)
    assert all(item.interval or item.unit == "grade" for item in told[-1].measurements)
    assert all(0.0 <= step.fraction <= 1.0 for step in steps)
    shares = [step.fraction for step in steps if step.stage == "registration"]
    assert shares == sorted(shares)
    assert any(step.state is not None for step in steps)


def test_what_is_given_needs_no_network_and_gives_all_five_levels():
    result = sample_result()
    assert result.detections == {}
    assert result.reconstruction.levels == LUMBAR_LEVELS
    assert result.device == "cpu"
    assert set(result.seconds) == {*STAGES, "total"}
    assert result.seconds["total"] >= result.seconds["registration"] > 0
    assert result.measurements.find("lordosis") or len(result.measurements) > 20


def test_closing_the_run_ends_it():
    run = run_case(sample_case(), device="cpu")
    next(run)
    run.close()
    with pytest.raises(StopIteration):
        next(run)


def test_the_network_is_asked_once_per_film_and_its_notes_are_passed_on():
    asked = []

    def detector(film, device, weights):
        asked.append((film.view.name, device, weights))
        return replace(found(film), notes=("Not found: T12.",))

    case = replace(sample_case(), landmarks=None, lumbar_mm={})
    run = run_case(case, device="cpu", weights="w.pt", detector=detector)
    for step in run:
        if step.stage == "registration":
            break
    assert asked == [("AP", "cpu", "w.pt"), ("lateral", "cpu", "w.pt")]
    assert step.state.evidence[0].landmarks.levels == LUMBAR_LEVELS
    run.close()


def test_levels_are_renamed_before_they_are_registered():
    case = replace(sample_case(), landmarks=None, lumbar_mm={})
    run = run_case(case, device="cpu", detector=lambda film, **options: found(film), level_shift=1)
    step = next(step for step in run if step.state is not None)
    assert step.state.evidence[0].landmarks.levels == LUMBAR_LEVELS[1:]
    for film, known in zip(step.state.evidence, case.films, strict=True):
        true = found(known).landmarks
        for (level, name), item in film.landmarks.items():
            before = true[LUMBAR_LEVELS[LUMBAR_LEVELS.index(level) - 1], name]
            assert item.position_px == pytest.approx(before.position_px)
    run.close()


def run_with(detector):
    case = replace(sample_case(), landmarks=None, lumbar_mm={})
    return list(run_case(case, device="cpu", detector=detector))[-1].result


def test_a_film_that_the_network_is_unsure_of_is_said():
    result = run_with(lambda film, **options: found(film, 0.4 if film.view.name == "AP" else 0.9))
    said = [warning for warning in result.warnings if "unsure" in warning]
    assert len(said) == 1
    assert said[0].startswith("AP film")


def test_a_film_whose_landmarks_may_be_far_off_is_said_however_confident_the_network_is():
    def detector(film, **options):
        items = [replace(item, sigma_mm=4.5) for item in found(film).landmarks.values()]
        return replace(found(film), landmarks=FilmLandmarks(items))

    said = [warning for warning in run_with(detector).warnings if "unsure" in warning]
    assert len(said) == 2 and "within some 4 mm" in said[0]


def test_landmarks_where_the_lumbar_only_image_shows_next_to_nothing_are_no_spine():
    def detector(film, **options):
        true = found(film)
        return replace(true, lumbar_mm=0.1 * true.lumbar_mm) if film.view.name == "AP" else true

    with pytest.raises(DetectionError, match=r"ap\.png: no lumbar spine.*% of their bone"):
        run_with(detector)


def nothing(film, device, weights):
    raise DetectionError(f"{film.path}: no lumbar spine was found.")


def test_a_film_without_a_spine_is_an_error_that_names_it():
    case = replace(sample_case(), landmarks=None, lumbar_mm={})
    with pytest.raises(DetectionError, match=r"ap\.png: no lumbar spine"):
        list(run_case(case, device="cpu", detector=nothing))


def test_a_film_on_which_the_network_finds_nothing_is_used_with_given_landmarks_and_that_is_said():
    case = replace(sample_case(), lumbar_mm={})
    run = run_case(case, device="cpu", detector=nothing)
    for step in run:
        if step.state is not None:
            break
    assert all(film.lumbar_mm is None for film in step.state.evidence)
    assert len(step.state.evidence[0].landmarks.visible()) > 50
    run.close()


def test_an_image_of_the_network_is_trusted_less_than_a_given_one():
    case = sample_case()
    given = default_options(case)
    partly = default_options(replace(case, lumbar_mm={"AP": case.lumbar_mm["AP"]}))
    assert partly.image_correlation_mm2 >= 10 * given.image_correlation_mm2
    assert partly.posterior_sd_factor > given.posterior_sd_factor


def test_a_device_that_is_not_there_is_refused():
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    with pytest.raises(StudyError, match="CUDA"):
        next(run_case(sample_case(), device="cuda"))


def test_films_that_the_network_knows_better_exchanged_are_said_to_be_exchanged():
    ap, lateral = sample_case().films
    truly = {ap.sha256: "AP", lateral.sha256: "lateral"}

    def find(film):
        if truly[film.sha256] != film.view.name:
            raise DetectionError("nothing")
        return replace(found(film), view=film.view)

    swapped = (
        replace(lateral, view=replace(lateral.view, name="AP")),
        replace(ap, view=replace(ap.view, name="lateral")),
    )
    assert "look exchanged" in swap_hint(swapped, {}, find)
    assert swap_hint((ap, lateral), {}, find) == ""
    # Two films of which nothing is certain either way say nothing of each other.
    unsure = {"AP": 0.35, "lateral": 0.2}
    assert swap_hint(swapped, {}, lambda film: found(film, unsure[film.view.name])) == ""
    assert swap_hint(swapped, {}, lambda film: found(film, unsure[truly[film.sha256]])) == ""


def test_a_registration_that_fails_on_exchanged_films_carries_the_hint():
    case = sample_case()
    ap, lateral = case.films
    # The two views exchanged: the pictures stay, what is known about how they were taken does not.
    views = (replace(case.pair.lateral, name="AP"), replace(case.pair.ap, name="lateral"))
    films = (replace(lateral, view=views[0]), replace(ap, view=views[1]))
    given = {"AP": case.landmarks["AP"], "lateral": case.landmarks["lateral"]}
    wrong = replace(case, films=films, landmarks=given, lumbar_mm={})
    with pytest.raises((RegistrationError, ValueError)):
        list(run_case(wrong, device="cpu", detector=nothing))


def test_the_landmark_residuals_of_the_reconstruction_are_small_on_true_landmarks():
    residual = sample_result().reconstruction.landmark_residual_mm
    assert max(residual.values()) < 3.0
    points = np.concatenate(list(sample_result().reconstruction.points_ras_mm.values()))
    assert np.isfinite(points).all()
