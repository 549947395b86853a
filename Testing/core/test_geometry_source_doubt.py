"""From which side the AP film was taken, told by the heights of landmarks on both films."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from LumbarBiplanarLib.geometry import standard_pair
from LumbarBiplanarLib.geometry.sides import BACK, FRONT, with_source_side
from LumbarBiplanarLib.geometry.source_doubt import source_doubt, source_side_evidence
from LumbarBiplanarLib.network import detect_pair
from LumbarBiplanarLib.shape.storage import load_shape_model
from LumbarBiplanarLib.training.spine import random_spine
from network_phantom import phantom_film

PAIR = standard_pair(size_px=((800, 900),) * 2, spacing_mm=0.5)
PA = standard_pair(size_px=((800, 900),) * 2, spacing_mm=0.5, posteroanterior=True)


def seen(pair, noise_px: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Landmarks of a random spine on both films, with errors, and the standard deviations of these."""
    rng = np.random.default_rng(5)
    points = random_spine(load_shape_model(), rng).lumbar_landmarks.reshape(-1, 3)
    pixels = np.stack([view.project(points - points.mean(axis=0)) for view in pair.views])
    return pixels + rng.normal(0.0, noise_px, pixels.shape), np.full(pixels.shape[:2], noise_px)


def believed(pair, side: str):
    """The views of a pair with the source of the AP film at a side."""
    return with_source_side(pair.ap, side, np.zeros(3)), pair.lateral


@pytest.mark.parametrize(("pair", "true", "other"), [(PAIR, FRONT, BACK), (PA, BACK, FRONT)], ids=["AP", "PA"])
def test_heights_follow_the_magnification_of_the_side_that_the_beam_came_from(pair, true, other):
    pixels, sigma = seen(pair)
    factor, sd = source_side_evidence(believed(pair, true), pixels, sigma)
    assert factor == pytest.approx(1.0, abs=3.0 * sd) and sd < 0.4
    factor, sd = source_side_evidence(believed(pair, other), pixels, sigma)
    assert factor == pytest.approx(-1.0, abs=3.0 * sd)
    assert source_doubt(believed(pair, true), pixels, sigma) is None
    told = source_doubt(believed(pair, other), pixels, sigma)
    assert f"a source at the patient's {true}, not at the {other}" in told


def test_films_shifted_scaled_and_tilted_against_each_other_tell_the_same():
    pixels, sigma = seen(PAIR)
    ap, lateral = PAIR.views
    for views in (
        (replace(ap, focal_mm=1.2 * ap.focal_mm), lateral),
        (ap, replace(lateral, principal_px=(380.0, 500.0))),
        (replace(ap, spacing_mm=(0.45, 0.45)), replace(lateral, spacing_mm=(0.55, 0.55))),
    ):
        assert source_side_evidence(views, pixels, sigma)[0] > 0.5


def test_what_cannot_tell_says_nothing():
    pixels, sigma = seen(PAIR)
    slot = [replace(view, model="slot") for view in PAIR.views]
    assert source_side_evidence(slot, pixels, sigma) is None
    assert source_side_evidence(PAIR.views, pixels[:, :19], sigma[:, :19]) is None
    one_height = pixels * [1.0, 0.0] + [0.0, 450.0]
    assert source_side_evidence(PAIR.views, one_height, sigma) is None
    assert source_doubt(believed(PAIR, BACK), *seen(PAIR, noise_px=40.0)) is None


def test_a_pa_film_taken_for_an_ap_film_is_told_where_both_films_are_read():
    pair = standard_pair(size_px=((260, 380),) * 2, spacing_mm=1.2, sdd_mm=1150.0, posteroanterior=True)
    ap, lateral = (phantom_film(view).film for view in pair.views)
    ap = replace(ap.turned_over(), pixels=np.ascontiguousarray(ap.pixels[:, ::-1]))
    taken_for_ap = replace(ap, view=with_source_side(ap.view, FRONT, np.zeros(3)))
    notes = [[note for note in item.notes if "frontal" in note] for item in detect_pair((taken_for_ap, lateral), "cpu")]
    assert len(notes[0]) == 1 and "looks like a PA film" in notes[0][0] and not notes[1]
    assert "(source_side, in the panel 'Source is at the')" in notes[0][0]
    assert not any("frontal" in note for item in detect_pair((ap, lateral), "cpu") for note in item.notes)
