"""What the registration is given of the films: made once, looked at again with the spine in view, kept for a refit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from LumbarBiplanarLib import registration
from LumbarBiplanarLib.anatomy import Level
from LumbarBiplanarLib.network import inference
from LumbarBiplanarLib.registration import Options
from LumbarBiplanarLib.resources import resource_path
from LumbarBiplanarLib.shape.storage import load_shape_model
from LumbarBiplanarLib.study import detect_case, load_case, register_case
from LumbarBiplanarLib.study.evidence import evidence_of

VIEWS = ("AP", "lateral")


@pytest.fixture(scope="module")
def case():
    folder = resource_path("SampleStudy")
    return load_case(folder / "ap.png", folder / "lateral.png", folder / "geometry.json")


@pytest.fixture(scope="module")
def detections(case):
    *_, step = detect_case(case, device="cpu")
    return step.detections


@pytest.fixture(scope="module")
def result(case, detections):
    *_, step = register_case(case, detections, device="cpu", intervals=False)
    return step.result


@pytest.fixture
def looks(monkeypatch):
    """Names of the films that are looked at again from now on."""
    names, real = [], inference.look_again

    def watched(film, *arguments):
        names.append(film.view.name)
        return real(film, *arguments)

    monkeypatch.setattr(inference, "look_again", watched)
    return names


def test_images_of_an_earlier_registration_serve_as_long_as_the_network_found_the_same(case, detections):
    before = evidence_of(case, detections)
    again = evidence_of(case, {name: replace(item, notes=("read from a scene",)) for name, item in detections.items()})
    after = evidence_of(case, detections, before=before)
    assert [new.lumbar_mm is old.lumbar_mm for new, old in zip(after, before, strict=True)] == [True, True]
    np.testing.assert_array_equal(again[0].lumbar_mm, before[0].lumbar_mm)
    other = {**detections, "lateral": replace(detections["lateral"], lumbar_mm=0.9 * detections["lateral"].lumbar_mm)}
    after = evidence_of(case, other, before=before)
    assert [new.lumbar_mm is old.lumbar_mm for new, old in zip(after, before, strict=True)] == [True, False]


def test_the_films_are_looked_at_again_in_the_middle_of_a_registration(case, detections, result):
    for film, first in zip(result.evidence, evidence_of(case, detections), strict=True):
        assert film.lumbar_view == first.lumbar_view and film.found_mm is first.found_mm
        differing = np.abs(film.lumbar_mm - first.lumbar_mm).max()
        assert differing > 1.0 and film.lumbar_mm.max() < 2.0 * first.lumbar_mm.max()
        assert film.landmarks is first.landmarks
    assert result.reconstruction.iterations["coarse"] > 4


def test_a_refit_keeps_the_images(case, detections, result, looks):
    name, moved = "lateral", {name: item.landmarks for name, item in detections.items()}
    x, y = moved[name][Level.L3, "spinous_tip"].position_px
    moved[name] = moved[name].moved(Level.L3, "spinous_tip", (x + 5.0, y))
    start = result.reconstruction.final_state
    *_, step = register_case(case, detections, landmarks=moved, device="cpu", start=start, intervals=False)
    assert looks == []
    for new, old in zip(step.result.evidence, result.evidence, strict=True):
        assert new.lumbar_mm is old.lumbar_mm


def test_the_refit_of_a_stored_result_has_images_like_those_it_was_made_of(case, detections, result, looks):
    """A scene keeps what the network found at first."""
    ended = result.reconstruction.final_state
    stored = replace(ended, evidence=evidence_of(case, detections))
    name, moved = "lateral", {name: item.landmarks for name, item in detections.items()}
    x, y = moved[name][Level.L3, "spinous_tip"].position_px
    moved[name] = moved[name].moved(Level.L3, "spinous_tip", (x + 5.0, y))
    steps = [
        [*register_case(case, detections, landmarks=moved, device="cpu", start=start, intervals=False)][-1].result
        for start in (stored, ended)
    ]
    assert sorted(looks) == sorted(VIEWS)
    first = evidence_of(case, detections)
    for again, kept, plain in zip(steps[0].evidence, steps[1].evidence, first, strict=True):
        off = [np.abs(image - kept.lumbar_mm).mean() for image in (again.lumbar_mm, plain.lumbar_mm)]
        assert again.model_in_view and again.landmarks == kept.landmarks and off[0] < off[1]
    assert steps[0].reconstruction.iterations == steps[1].reconstruction.iterations  # a refit, none from the start
    *_, later = register_case(
        case, detections, device="cpu", start=steps[0].reconstruction.final_state, intervals=False
    )
    assert sorted(looks) == sorted(VIEWS) and later.result.evidence[0].lumbar_mm is steps[0].evidence[0].lumbar_mm


def test_a_registration_that_was_stopped_early_still_has_its_look(case, detections, looks):
    steps = register_case(case, detections, device="cpu", intervals=False)
    stopped = next(step.state for step in steps if step.state is not None and step.state.stage == "coarse")
    steps.close()
    assert looks == [] and not stopped.done
    *_, step = register_case(case, detections, device="cpu", start=stopped, intervals=False)
    assert sorted(looks) == sorted(VIEWS)
    assert all(film.model_in_view for film in step.result.evidence)


def test_only_what_the_network_of_the_module_found_is_looked_at_again(case, detections, result):
    surfaces, model = result.reconstruction.points_ras_mm, load_shape_model()
    own = detections["AP"]
    foreign = replace(own, weights="somebody else's 1.0")
    assert inference.look_again(case.films[0], foreign, surfaces, model, "cpu") is foreign
    again = inference.look_again(case.films[0], own, surfaces, model, "cpu")
    assert again.landmarks is own.landmarks and again.lumbar_mm.shape == own.lumbar_mm.shape
    aside = {level: points + [200.0, 0.0, 0.0] for level, points in surfaces.items()}
    assert inference.look_again(case.films[0], own, aside, model, "cpu") is own


def test_a_registration_from_other_weights_is_not_stopped_for_a_look(case, detections, looks, monkeypatch):
    begun, real = [], registration.register_finely

    def counted(*arguments):
        begun.append(1)
        return real(*arguments)

    monkeypatch.setattr(registration, "register_finely", counted)
    foreign = {name: replace(item, weights="own.pt") for name, item in detections.items()}
    *_, step = register_case(case, foreign, device="cpu", intervals=False)
    assert looks == [] and len(begun) == 1
    assert not any(film.model_in_view for film in step.result.evidence)


def test_a_registration_to_landmarks_alone_looks_at_nothing(case, detections, looks):
    options = Options(use_images=False)
    *_, step = register_case(case, detections, options=options, device="cpu", intervals=False)
    assert looks == [] and step.result.evidence[0].found_mm is not None
