"""Films without a lumbar-only image: the film itself as an image of bone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from LumbarBiplanarLib.anatomy import Level
from LumbarBiplanarLib.errors import LandmarkError, RegistrationError
from LumbarBiplanarLib.evaluation.synthetic_evidence import smooth_field
from LumbarBiplanarLib.registration import Options, reconstruct
from LumbarBiplanarLib.registration.raw_films import edge_weights, in_bone_mm
from LumbarBiplanarLib.study.case import Case
from registration_phantom import drawn_evidence, phantom_model, phantom_truth

OPTIONS = Options(fine_iterations=0)


def _raw(film, seed: int, sign: float = 1.0):
    """Return the evidence with a film in its place: bone in another unit, soft tissue, noise."""
    rng = np.random.default_rng(seed)
    tissue = 20.0 * smooth_field(film.view, np.zeros(3), 60.0, rng) + 90.0
    density = film.lumbar_mm + tissue + rng.standard_normal(film.lumbar_mm.shape)
    return replace(film, lumbar_mm=None, raw=(sign * 0.013 * density + 0.4).astype(np.float32))


@pytest.fixture(scope="module")
def truth():
    return phantom_truth(3, levels=(Level.L2, Level.L3, Level.L4))


@pytest.fixture(scope="module")
def evidence(truth):
    return drawn_evidence(truth, phantom_model().faces, 3, background_mm=0.0, noise_mm=0.0, gain=1.0)


def _mean_error_mm(found, truth) -> float:
    points = found.points_ras_mm
    return np.mean([np.linalg.norm(points[level] - truth.points_ras_mm[level], axis=1).mean() for level in points])


def test_films_themselves_bring_the_surfaces_nearer_than_landmarks_alone(truth, evidence):
    films = tuple(_raw(film, seed) for seed, film in enumerate(evidence))
    alone = tuple(replace(film, raw=None) for film in films)
    with_films = reconstruct(phantom_model(), films, OPTIONS, "cpu")
    without = reconstruct(phantom_model(), alone, OPTIONS, "cpu")
    near, far = (_mean_error_mm(found, truth) for found in (with_films, without))
    assert near < 0.6 * far
    assert any("the film itself is used" in text for text in with_films.warnings)
    # The film's unit is gone: what is left of the gain is the error of the bone that the landmarks put there.
    assert all(0.7 < gain < 1.4 for gain in with_films.gain.values())


def test_a_film_with_the_wrong_polarity_is_left_out_and_said_so(evidence):
    films = tuple(_raw(film, seed, sign=-1.0) for seed, film in enumerate(evidence))
    found = reconstruct(phantom_model(), films, OPTIONS, "cpu")
    assert not found.gain
    assert sum("shows no bone" in text and "polarity" in text for text in found.warnings) == 2


def test_a_film_that_was_turned_over_since_is_looked_at_again(evidence):
    films = tuple(_raw(film, seed) for seed, film in enumerate(evidence))
    first = reconstruct(phantom_model(), films, OPTIONS, "cpu")
    assert set(first.gain) == {"AP", "lateral"}
    x, y = films[0].landmarks[Level.L3, "spinous_tip"].position_px
    moved = films[0].landmarks.moved(Level.L3, "spinous_tip", (x + 2.0, y))
    turned = replace(films[0], raw=-films[0].raw, landmarks=moved), replace(films[1], raw=-films[1].raw)
    again = reconstruct(phantom_model(), turned, OPTIONS, "cpu", start=first.final_state)
    assert not again.gain
    assert sum("shows no bone" in text for text in again.warnings) == 2


def test_without_one_film_the_geometry_is_still_calibrated(evidence):
    films = _raw(evidence[0], 0, sign=-1.0), evidence[1]
    options = replace(OPTIONS, calibrate_distance_sd_mm=20.0)
    found = reconstruct(phantom_model(), films, options, "cpu")
    assert set(found.gain) == {"lateral"}
    only_landmarks = reconstruct(phantom_model(), films, replace(options, use_images=False), "cpu")
    moved = [state.final_state.corrections.values for state in (found, only_landmarks)]
    assert np.abs(moved[0] - moved[1]).max() > 0.1


def test_a_film_that_ends_beside_the_spine_is_refused(evidence):
    film = _raw(evidence[0], 0)
    columns = np.flatnonzero((evidence[0].lumbar_mm > 0.01).any(axis=0))
    width = int(columns[0]) - 6
    beside = replace(film, view=film.view.cropped(0, 0, width, film.raw.shape[0]), raw=film.raw[:, :width])
    with pytest.raises(RegistrationError, match="project outside the AP film"):
        reconstruct(phantom_model(), (beside, evidence[1]), OPTIONS, "cpu")


def test_a_film_of_another_size_is_refused(evidence):
    film = replace(evidence[0], lumbar_mm=None, raw=np.ones((5, 7), dtype=np.float32))
    with pytest.raises(RegistrationError, match=r"\(5, 7\)"):
        reconstruct(phantom_model(), (film, evidence[1]), OPTIONS, "cpu")


def test_the_factor_of_a_film_is_found_whatever_the_background():
    x = torch.linspace(-1, 1, 80)
    bone = 30 * torch.exp(-8 * (x[None] ** 2 + x[:, None] ** 2)) * (1 + 0.4 * torch.sin(25 * x))[None]
    seen = 0.02 * bone + 3 + 0.5 * x[None] - 0.8 * x[:, None]
    image, correlation = in_bone_mm(seen, bone, torch.ones(80, 80, dtype=torch.bool), (20.0, 20.0))
    assert correlation > 0.95
    slope = torch.diff(image[40]) - torch.diff((0.5 * x) / 0.02)
    torch.testing.assert_close(slope, torch.diff(bone[40]), atol=0.05, rtol=0.05)


def test_edges_of_bone_count_most():
    path = torch.zeros(60, 60)
    path[20:40, 20:40] = 30.0
    weights = edge_weights(path, np.array([1.0, 1.0]))
    assert weights[20, 30] > 0.6
    assert weights[30, 30] == weights[5, 5] == pytest.approx(0.15)


def test_without_the_network_landmarks_must_be_given():
    with pytest.raises(LandmarkError, match="Without the network"):
        Case((None, None), None, use_network=False)
