"""The image stages: accuracy on known vertebrae, gain and background, failures, determinism."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from LumbarBiplanarLib.anatomy import LUMBAR_LEVELS, Level
from LumbarBiplanarLib.errors import RegistrationError
from LumbarBiplanarLib.registration import Options, reconstruct, register, stages
from LumbarBiplanarLib.registration.image_term import ImageTerm
from LumbarBiplanarLib.rendering import Shell
from registration_phantom import drawn_evidence, phantom_model, phantom_truth


def errors_mm(result, truth):
    return {
        level: float(np.linalg.norm(result.points_ras_mm[level] - truth.points_ras_mm[level], axis=1).mean())
        for level in result.levels
    }


@pytest.mark.parametrize(
    ("seed", "geometry", "angle_deg"),
    [(0, "pinhole", 90.0), (1, "pinhole", 75.0), (2, "slot", 90.0), (3, "slot", 75.0)],
)
def test_noisy_landmarks_and_images_recover_pose_and_shape(seed, geometry, angle_deg):
    model = phantom_model()
    truth = phantom_truth(seed, geometry=geometry, angle_deg=angle_deg)
    result = reconstruct(model, drawn_evidence(truth, model.faces, seed))
    assert result.levels == LUMBAR_LEVELS
    assert max(errors_mm(result, truth).values()) < 0.35
    for level in LUMBAR_LEVELS:
        assert np.linalg.norm(result.ras_from_vertebra[level][:3, 3] - truth.ras_from_vertebra[level][:3, 3]) < 0.5


def test_gain_and_background_are_solved_with_the_pose():
    model, truth = phantom_model(), phantom_truth(4)
    result = reconstruct(model, drawn_evidence(truth, model.faces, 4, gain=0.8, background_mm=8.0))
    assert max(errors_mm(result, truth).values()) < 0.4
    for gain in result.gain.values():
        assert gain == pytest.approx(0.8, abs=0.02)


def test_a_gain_far_from_one_is_reported():
    model, truth = phantom_model(), phantom_truth(4)
    result = reconstruct(model, drawn_evidence(truth, model.faces, 4, gain=0.45))
    assert result.gain["AP"] == pytest.approx(0.45, abs=0.03)
    assert any("mm of bone" in text and "AP" in text for text in result.warnings)


def test_the_cost_never_rises_within_a_stage_and_the_last_state_says_done():
    model, truth = phantom_model(), phantom_truth(5)
    states = list(register(model, drawn_evidence(truth, model.faces, 5)))
    assert [state.done for state in states] == [False] * (len(states) - 1) + [True]
    for stage in ("landmarks", "coarse", "fine"):
        costs = [state.cost for state in states if state.stage == stage]
        assert len(costs) >= 2
        assert all(after <= before for before, after in itertools.pairwise(costs))


def test_a_cortical_shell_can_be_modeled():
    model, truth = phantom_model(), phantom_truth(5)
    shell = Shell(thickness_mm=1.0, density_ratio=0.4)
    evidence = drawn_evidence(truth, model.faces, 5, gain=1.0, shell=shell)
    solid = errors_mm(reconstruct(model, evidence), truth)
    shelled = errors_mm(reconstruct(model, evidence, Options(shell=shell)), truth)
    assert max(shelled.values()) < 0.7
    assert np.mean(list(shelled.values())) < 0.5 * np.mean(list(solid.values()))


def test_an_image_stage_that_diverges_keeps_the_landmark_result_and_says_so(monkeypatch):
    model, truth = phantom_model(), phantom_truth(5)
    evidence = drawn_evidence(truth, model.faces, 5)

    def broken(term, equations, unknowns, again):
        equations.costs.update(image=float("nan"))
        yield None

    monkeypatch.setattr(ImageTerm, "add_slowly", broken)
    result = reconstruct(model, evidence)
    alone = reconstruct(model, evidence, Options(use_images=False))
    assert any("failed and the state before it is kept" in text for text in result.warnings)
    for level in LUMBAR_LEVELS:
        np.testing.assert_array_equal(result.points_ras_mm[level], alone.points_ras_mm[level])


def test_a_vertebra_that_runs_away_is_brought_back_and_named(monkeypatch):
    model, truth = phantom_model(), phantom_truth(5)
    evidence = drawn_evidence(truth, model.faces, 5)
    monkeypatch.setattr(stages, "_LOST_MM", 0.01)
    result = reconstruct(model, evidence)
    alone = reconstruct(model, evidence, Options(use_images=False))
    assert any("pulled L1 away from its landmarks" in text for text in result.warnings)
    for level in LUMBAR_LEVELS:
        np.testing.assert_array_equal(result.points_ras_mm[level], alone.points_ras_mm[level])


def test_images_that_fit_no_vertebra_leave_a_warning():
    model, truth = phantom_model(), phantom_truth(6)
    ap, lateral = drawn_evidence(truth, model.faces, 6)
    rows, columns = np.mgrid[: ap.lumbar_mm.shape[0], : ap.lumbar_mm.shape[1]]
    stripes = (20.0 * ((columns // 9 + rows // 9) % 2)).astype(np.float32)
    result = reconstruct(model, (replace(ap, lumbar_mm=stripes), lateral))
    assert any("AP" in text for text in result.warnings)


@pytest.mark.parametrize("missing", ["none", "empty"])
def test_without_lumbar_images_the_landmarks_serve_alone_and_it_is_said(missing):
    model, truth = phantom_model(), phantom_truth(7)
    evidence = drawn_evidence(truth, model.faces, 7)
    image = None if missing == "none" else np.zeros_like(evidence[0].lumbar_mm)
    result = reconstruct(model, tuple(replace(film, lumbar_mm=image) for film in evidence))
    assert set(result.iterations) == {"landmarks"}
    assert not result.image_residual_mm
    assert sum("landmarks alone" in text for text in result.warnings) == 2


def test_one_lumbar_image_is_better_than_none():
    model, truth = phantom_model(), phantom_truth(7)
    evidence = drawn_evidence(truth, model.faces, 7)
    bare = tuple(replace(film, lumbar_mm=None) for film in evidence)
    none = np.mean(list(errors_mm(reconstruct(model, bare), truth).values()))
    result = reconstruct(model, (evidence[0], bare[1]))
    assert np.mean(list(errors_mm(result, truth).values())) < none
    assert set(result.image_residual_mm) == {"AP"}


def test_an_image_with_nan_is_refused():
    model, truth = phantom_model(), phantom_truth(0)
    ap, lateral = drawn_evidence(truth, model.faces, 0)
    broken = ap.lumbar_mm.copy()
    broken[3, 4:7] = np.nan
    with pytest.raises(RegistrationError, match="AP image has 3 pixels that are not finite"):
        next(register(model, (replace(ap, lumbar_mm=broken), lateral)))


def test_an_image_that_does_not_match_its_view_is_refused():
    model, truth = phantom_model(), phantom_truth(0)
    ap, lateral = drawn_evidence(truth, model.faces, 0)
    with pytest.raises(RegistrationError, match="shape .* rows by .* columns"):
        next(register(model, (replace(ap, lumbar_mm=ap.lumbar_mm[1:]), lateral)))


def test_unreliable_pixels_do_not_count():
    model, truth = phantom_model(), phantom_truth(8)
    ap, lateral = drawn_evidence(truth, model.faces, 8)
    spoilt, reliability = ap.lumbar_mm.copy(), np.ones_like(ap.lumbar_mm)
    spoilt[180:260] += 60.0
    reliability[180:260] = 0.0
    result = reconstruct(model, (replace(ap, lumbar_mm=spoilt, reliability=reliability), lateral))
    found = errors_mm(result, truth)
    # The lost rows hold L3: of its AP projection only landmarks are left.
    assert found.pop(Level.L3) < 1.6
    assert max(found.values()) < 0.4


def test_the_same_input_gives_the_same_output():
    model, truth = phantom_model(), phantom_truth(9)
    evidence = drawn_evidence(truth, model.faces, 9)
    first, second = reconstruct(model, evidence), reconstruct(model, evidence)
    for level in LUMBAR_LEVELS:
        np.testing.assert_array_equal(first.points_ras_mm[level], second.points_ras_mm[level])


def test_a_missing_level_leaves_the_others_right():
    model = phantom_model()
    levels = tuple(level for level in LUMBAR_LEVELS if level is not Level.L5)
    truth = phantom_truth(10, levels=levels)
    result = reconstruct(model, drawn_evidence(truth, model.faces, 10))
    assert result.levels == levels
    assert max(errors_mm(result, truth).values()) < 0.4


def test_silhouettes_outline_every_vertebra_in_both_films():
    model, truth = phantom_model(), phantom_truth(0)
    state = list(register(model, drawn_evidence(truth, model.faces, 0, images=False)))[-1]
    assert set(state.silhouettes_px) == {"AP", "lateral"}
    for view in state.views:
        for level, outline in state.silhouettes_px[view.name].items():
            assert outline.shape == (240, 2)
            pixels = view.project(state.points_ras_mm[level])
            np.testing.assert_allclose(outline.min(axis=0), pixels.min(axis=0), atol=1.5)
            np.testing.assert_allclose(outline.max(axis=0), pixels.max(axis=0), atol=1.5)
