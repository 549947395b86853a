"""The registration with the shape model that is shipped."""

from __future__ import annotations

import numpy as np
import pytest

from LumbarBiplanarLib.anatomy import LUMBAR_LEVELS, Level
from LumbarBiplanarLib.errors import StudyError
from LumbarBiplanarLib.registration import Options, reconstruct, register
from LumbarBiplanarLib.resources import resource_path
from LumbarBiplanarLib.shape.storage import load_shape_model
from registration_phantom import drawn_evidence, phantom_truth


@pytest.fixture(scope="module")
def model():
    try:
        resource_path("ShapeModel", "lumbar.npz")
    except StudyError:
        pytest.skip("the shape model is not built yet: run lumbar-biplanar shape-model build")
    return load_shape_model()


@pytest.fixture(scope="module")
def case(model):
    """A spine of five instances of the model, 75 degrees apart on a slot scanner, and its evidence."""
    truth = phantom_truth(0, model=model, geometry="slot", angle_deg=75.0)
    return truth, drawn_evidence(truth, model.faces, 0)


@pytest.fixture(scope="module")
def result(model, case):
    return reconstruct(model, case[1])


def corresponding_errors_mm(points_ras_mm, truth):
    return {
        level: float(np.linalg.norm(points - truth.points_ras_mm[level], axis=1).mean())
        for level, points in points_ras_mm.items()
    }


def test_instances_of_the_model_come_back(result, case):
    truth, _ = case
    errors = corresponding_errors_mm(result.points_ras_mm, truth)
    assert result.levels == LUMBAR_LEVELS
    # Distances between corresponding vertices also count sliding along the surface.
    assert np.mean(list(errors.values())) < 0.9
    assert max(errors.values()) < 1.3
    for level in LUMBAR_LEVELS:
        offset = result.ras_from_vertebra[level][:3, 3] - truth.ras_from_vertebra[level][:3, 3]
        assert np.linalg.norm(offset) < 1.0


def test_the_images_improve_on_the_landmarks(model, case, result):
    truth, evidence = case
    after_landmarks = None
    for state in register(model, evidence):
        if state.stage == "coarse":
            break
        after_landmarks = state
    before = corresponding_errors_mm(after_landmarks.points_ras_mm, truth)
    after = corresponding_errors_mm(result.points_ras_mm, truth)
    assert np.mean(list(after.values())) < 0.5 * np.mean(list(before.values()))


def test_prolonged_steps_bring_the_objective_lower_in_as_many_iterations(model, case):
    settings = {"coarse_iterations": 5, "coarse_tolerance_mm": 0.0, "tolerance_mm": 0.0, "fine_iterations": 0}
    plain, prolonged = (
        reconstruct(model, case[1], Options(image_relaxation=relaxation, **settings))
        for relaxation in (1.0, Options().image_relaxation)
    )
    assert plain.iterations == prolonged.iterations
    assert sum(prolonged.costs.values()) < 0.99 * sum(plain.costs.values())


def test_the_result_names_the_model_and_its_landmarks(result, model):
    assert result.model_sha256 == model.sha256
    for level in LUMBAR_LEVELS:
        assert result.landmarks_ras_mm[level].shape == (20, 3)
        assert result.points_ras_mm[level].shape == (model.vertex_count, 3)


def test_a_moved_landmark_is_refitted_from_the_result(model, case, result):
    _, evidence = case
    view = evidence[0].view
    key = (Level.L4, "transverse_tip_left")
    shown = view.project(result.landmarks_ras_mm[Level.L4][12])
    wanted = shown + [0.0, 2.0] / view.pixel_size_at(result.landmarks_ras_mm[Level.L4][12])
    moved = type(evidence[0])(view, evidence[0].landmarks.moved(*key, tuple(wanted)), evidence[0].lumbar_mm)
    states = list(register(model, (moved, evidence[1]), start=result.final_state))
    assert {state.stage for state in states} == {"initial", "landmarks", "fine"}
    assert states[-1].landmark_residuals["AP"][key][0] < 0.7
