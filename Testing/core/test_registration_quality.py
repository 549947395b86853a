"""The quality flag: more misfit is never better, reasons are in words, and real failures are seen."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from LumbarBiplanarLib.anatomy import FilmLandmarks, Level
from LumbarBiplanarLib.errors import RegistrationError
from LumbarBiplanarLib.registration import Quality, assess, reconstruct, worst_flag
from LumbarBiplanarLib.registration import quality_calibration as calibrations
from LumbarBiplanarLib.registration.quality import CHECK, FLAGS, OK, REFUSE, judged
from LumbarBiplanarLib.registration.quality_calibration import (
    CASE_FEATURES,
    LEVEL_FEATURES,
    Calibration,
    FeatureTerm,
    load_calibrations,
    part_of,
)
from LumbarBiplanarLib.registration.quality_features import quality_features, signed_gap_mm
from study_sample import sample_result


@pytest.fixture(scope="module")
def state():
    return sample_result().reconstruction.final_state


def registered_again(state, evidence):
    """The last state of a registration of other evidence of the same films."""
    return reconstruct(state.model, evidence, sample_result().options, "cpu").final_state


def displaced(film, level, shift_px):
    """The film with all landmarks of one level moved."""
    return replace(
        film,
        landmarks=FilmLandmarks(
            replace(item, position_px=tuple(np.add(item.position_px, shift_px))) if item.level is level else item
            for item in film.landmarks.values()
        ),
    )


def test_a_sound_reconstruction_is_ok_and_needs_no_reasons(state):
    found = assess(state)
    assert tuple(found) == state.levels
    assert all(item.flag == OK and item.reasons == () for item in found.values())
    assert max(item.probability for item in found.values()) < load_calibrations()["with_images"].check


def test_every_feature_is_found_is_finite_and_not_negative(state):
    for values in quality_features(state).values():
        assert set(values) == {*LEVEL_FEATURES, *CASE_FEATURES}
        assert all(np.isfinite(value) and value >= 0 for value in values.values())


def test_a_level_whose_landmarks_sit_on_its_neighbor_is_not_ok_and_says_why(state):
    ap, lateral = state.evidence
    step = np.subtract(
        *(lateral.landmarks[level, "superior_endplate_centre"].position_px for level in (Level.L4, Level.L3))
    )
    wrong = registered_again(
        state, (displaced(ap, Level.L3, (0.0, step[1])), displaced(lateral, Level.L3, tuple(step)))
    )
    error = np.linalg.norm(wrong.points_ras_mm[Level.L3] - state.points_ras_mm[Level.L3], axis=1).mean()
    assert error > 4.0  # a failure indeed
    found = assess(wrong)
    assert found[Level.L3].flag != OK
    assert found[Level.L3].probability > 20 * assess(state)[Level.L3].probability
    assert found[Level.L3].reasons
    assert all(text[0].isupper() and text.endswith(".") for text in found[Level.L3].reasons)
    assert worst_flag(found.values()) != OK


def test_a_film_shifted_along_the_spine_shows_in_the_rays_of_its_landmarks(state):
    ap, lateral = state.evidence
    names = [name for level, name in ap.landmarks.visible() if level is Level.L3 and (level, name) in lateral.landmarks]
    pixels = [np.array([film.landmarks[Level.L3, name].position_px for name in names]) for film in (ap, lateral)]
    before = signed_gap_mm((ap, lateral), *pixels)
    size = float(lateral.view.pixel_size_at(state.points_ras_mm[Level.L3].mean(axis=0))[1])
    after = signed_gap_mm((ap, lateral), pixels[0], pixels[1] + [0.0, 10.0 / size])
    assert np.abs(np.abs(after - before) - 10.0).max() < 0.6


@pytest.mark.parametrize("name", [*LEVEL_FEATURES, *CASE_FEATURES])
def test_more_misfit_is_never_better(state, name):
    values = dict(quality_features(state)[Level.L3])
    probabilities = [judged({**values, name: values[name] + extra}).probability for extra in (0.0, 0.1, 1.0, 10.0)]
    assert probabilities == sorted(probabilities)


def test_the_probability_is_the_logistic_function_of_the_excess_over_the_usual():
    terms = {"image_mm": FeatureTerm(2.0, 1.5, 1.0, 0.5), "no_image": FeatureTerm(0.0, 2.0, 0.7, 0.0)}
    calibration = Calibration(2.0, -3.0, terms, 0.2, 0.8)
    assert calibration.probability({}) == pytest.approx(1 / (1 + np.exp(3.0)))
    assert calibration.probability({"image_mm": 1.0}) == pytest.approx(1 / (1 + np.exp(3.0)))  # less than usual
    h = np.log(2.0)
    assert calibration.probability({"image_mm": 4.0, "no_image": 1.0}) == pytest.approx(
        1 / (1 + np.exp(3.0 - h - 0.5 * h * h - 0.7))
    )
    assert calibration.probability({"image_mm": 1e9}) == pytest.approx(1 / (1 + np.exp(3.0 - 1.5 - 0.5 * 2.25)))


@pytest.mark.parametrize(("value", "flag"), [(1.0, OK), (6.0, CHECK), (30.0, REFUSE)])
def test_the_flag_follows_the_thresholds_and_only_doubt_has_reasons(value, flag):
    calibration = Calibration(2.0, -3.0, {"image_mm": FeatureTerm(2.0, 3.0, 2.0, 0.0)}, 0.2, 0.8)
    found = judged({"image_mm": value}, calibration)
    assert found.flag == flag
    assert bool(found.reasons) == (flag != OK)
    if found.reasons:
        assert f"{value:.1f} mm of bone" in found.reasons[0]


def test_reasons_with_the_same_remedy_are_one():
    terms = {name: FeatureTerm(1.0, 3.0, 5.0, 0.0) for name in ("epipolar_mm", "disc_sd", "image_mm")}
    calibration = Calibration(2.0, 0.0, terms, 0.2, 0.8)
    found = judged({"epipolar_mm": 9.0, "disc_sd": 8.0, "image_mm": 7.0}, calibration)
    assert len(found.reasons) == 2
    assert sum("names of the levels" in reason for reason in found.reasons) == 1


def test_a_case_is_as_bad_as_its_worst_level():
    items = [Quality(flag, (), 0.5) for flag in FLAGS]
    assert worst_flag(items) == REFUSE
    assert worst_flag(items[:2]) == CHECK
    assert worst_flag([]) == OK


def test_without_posterior_and_images_the_rest_is_judged(state):
    bare = replace(state, find_posterior=None, level_image_residual_mm={}, image_residual_mm={}, gain={})
    values = quality_features(bare)[Level.L3]
    assert values["no_image"] == 2.0
    assert not {"surface_sd_mm", "image_mm", "gain_log"} & set(values)
    assert 0.0 <= assess(bare)[Level.L3].probability <= 1.0


def test_the_shipped_calibration_states_what_it_was_found_on(repository):
    content = json.loads((repository / "LumbarBiplanar/Resources/Quality.json").read_text(encoding="utf-8"))
    for part in (content["with_images"], content["without_images"]):
        assert 0.0 < part["check"] < part["refuse"] < 1.0
        assert all(term["weight"] >= 0 and term["curvature"] >= 0 for term in part["features"].values())
        assert part["calibrated_on"]["precision"] >= 0.95
        assert not {"vhm", "verse004", "verse009", "verse010", "wholebodyct"} & set(part["calibrated_on"]["people"])


def test_a_damaged_calibration_is_an_error_that_names_the_file(tmp_path, monkeypatch):
    damaged = tmp_path / "Quality.json"
    damaged.write_text(json.dumps({"format": calibrations.FORMAT, "version": 99}), encoding="utf-8")
    monkeypatch.setattr(calibrations, "resource_path", lambda *parts: damaged)
    load_calibrations.cache_clear()
    try:
        with pytest.raises(RegistrationError, match=r"Quality\.json.*Reinstall"):
            load_calibrations()
    finally:
        monkeypatch.undo()
        load_calibrations.cache_clear()


def test_results_without_images_are_judged_by_a_calibration_of_their_own(state):
    values = quality_features(state)[Level.L3]
    assert part_of(values) == "with_images"
    assert part_of({**values, "no_image": 1.0}) == "without_images"
    own = load_calibrations()["without_images"].probability({**values, "no_image": 1.0})
    assert judged({**values, "no_image": 1.0}).probability == pytest.approx(own)


def test_what_cannot_be_judged_is_not_called_good(state):
    usual = quality_features(state)[Level.L3]
    terms = load_calibrations()[part_of(usual)].terms
    assert terms
    for name in terms:
        found = judged({**usual, name: float("nan")})
        assert found.flag == REFUSE
        assert name in found.reasons[0]


def test_a_vertebra_that_its_landmarks_contradict_is_looked_at(state):
    usual = quality_features(state)[Level.L3]
    assert judged(usual).flag == OK
    found = judged({**usual, "landmark_outliers": 0.5})
    assert found.flag == CHECK
    (reason,) = found.reasons
    assert reason.startswith("50% of its landmarks in one film were outvoted. Look at its outline")
    assert judged({**usual, "landmark_outliers": 0.2}).flag == OK
