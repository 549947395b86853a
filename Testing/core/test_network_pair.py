"""Two films of a vertebra together say more than each alone, and their levels get the same names."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from LumbarBiplanarLib.anatomy import LUMBAR_LEVELS
from LumbarBiplanarLib.errors import DetectionError
from LumbarBiplanarLib.geometry import standard_pair
from LumbarBiplanarLib.network import detect, detect_pair
from LumbarBiplanarLib.network.naming import agreed_names, naming_doubt, naming_evidence
from LumbarBiplanarLib.network.pair_fit import Sighting, fit_vertebra
from LumbarBiplanarLib.shape.storage import load_shape_model
from LumbarBiplanarLib.training.spine import random_spine
from network_phantom import errors_mm, phantom_film, phantom_view

NO_SHIFT = {-1: 0.0, 0: 0.0, 1: 0.0}


@pytest.fixture(scope="module")
def model():
    return load_shape_model()


@pytest.fixture(scope="module")
def spine(model):
    spine = random_spine(model, np.random.default_rng(4))
    return spine.moved(-spine.lumbar_landmarks.mean(axis=(0, 1)))


def pair(kind="pinhole", angle_deg=90.0):
    return standard_pair(model=kind, angle_deg=angle_deg, sdd_mm=1200.0, spacing_mm=0.5)


def sighting(view, points, covariance, rng=None, seen=None) -> Sighting:
    pixels = view.project(points)
    if rng is not None:
        pixels = pixels + rng.multivariate_normal(np.zeros(40), covariance).reshape(20, 2)
    return Sighting(view, pixels, covariance, np.ones(20, dtype=bool) if seen is None else seen)


@pytest.mark.parametrize(("kind", "angle"), [("pinhole", 90.0), ("pinhole", 65.0), ("slot", 90.0)])
def test_true_landmarks_are_kept(model, spine, kind, angle):
    for k in (0, 4):
        seen = [sighting(view, spine.lumbar_landmarks[k], 0.01 * np.eye(40)) for view in pair(kind, angle).views]
        fit = fit_vertebra(model, LUMBAR_LEVELS[k], seen)
        assert np.linalg.norm(fit.points_ras_mm - spine.lumbar_landmarks[k], axis=1).max() < 0.3
        assert max(fit.misfit) < 0.5


def test_a_tilt_that_one_film_hardly_shows_is_set_right_by_the_other(model, spine):
    views, truth, rng = pair().views, spine.lumbar_landmarks[2], np.random.default_rng(3)
    # On the AP film the whole vertebra may be some 5 mm too high or low and lean: one error common to all landmarks.
    common = np.tile([0.0, 10.0], 20)
    rough = np.outer(common, common) + np.eye(40)
    before, after = [], []
    for _ in range(8):
        ap, lateral = sighting(views[0], truth, rough, rng), sighting(views[1], truth, 2.0 * np.eye(40), rng)
        places, _ = fit_vertebra(model, LUMBAR_LEVELS[2], [ap, lateral]).on_film(views[0])
        before.append(np.linalg.norm(ap.pixels - views[0].project(truth), axis=1).mean())
        after.append(np.linalg.norm(places - views[0].project(truth), axis=1).mean())
    assert np.mean(after) < 0.35 * np.mean(before)


def test_the_spread_of_the_fit_is_that_of_its_errors(model, spine):
    views, rng, scores = pair().views, np.random.default_rng(5), []
    for k in range(5):
        for _ in range(4):
            seen = [sighting(view, spine.lumbar_landmarks[k], 4.0 * np.eye(40), rng) for view in views]
            fit = fit_vertebra(model, LUMBAR_LEVELS[k], seen)
            for view in views:
                places, covariance = fit.on_film(view)
                off = (places - view.project(spine.lumbar_landmarks[k])).ravel()
                scores.append(off / np.sqrt(np.diagonal(covariance)))
    assert 0.6 < np.std(scores) < 1.4, np.std(scores)


def test_landmarks_not_seen_do_not_count(model, spine):
    views, truth = pair().views, spine.lumbar_landmarks[1]
    some = np.ones(20, dtype=bool)
    some[:6] = False
    good = sighting(views[1], truth, np.eye(40))
    ap = sighting(views[0], truth, np.eye(40), seen=some)
    wrong = Sighting(ap.view, np.where(some[:, None], ap.pixels, 1e4), ap.covariance, some)
    fits = [fit_vertebra(model, LUMBAR_LEVELS[1], [one, good]).points_ras_mm for one in (ap, wrong)]
    assert np.linalg.norm(fits[0] - truth, axis=1).max() < 2.5
    np.testing.assert_allclose(fits[1][some], fits[0][some], atol=1.5)


def test_names_that_agree_are_kept_and_others_follow_the_surer_film(spine):
    views = pair().views
    bodies = spine.lumbar_landmarks[:, [0, 5]].mean(axis=1)
    centers = tuple(view.project(bodies) for view in views)
    assert agreed_names(views, centers, (NO_SHIFT, NO_SHIFT)) == (0, 0)
    one_low = np.full((5, 2), np.nan)
    one_low[:4] = centers[0][1:]  # what is L2 is called L1 on the AP film
    sure_lateral = ({-1: 0.0, 0: 8.0, 1: 6.0}, {-1: 1.0, 0: 20.0, 1: 1.0})
    assert agreed_names(views, (one_low, centers[1]), sure_lateral) == (1, 0)
    sure_ap = ({-1: 1.0, 0: 20.0, 1: 1.0}, {-1: 6.0, 0: 8.0, 1: 0.0})
    assert agreed_names(views, (one_low, centers[1]), sure_ap) == (0, -1)


def test_names_are_doubted_where_others_have_a_good_part_of_the_evidence():
    sure, torn = {-1: 0.02, 0: 1.8, 1: 0.1}, {-1: 0.8, 0: 1.1, 1: 0.0}
    assert naming_doubt([sure], [0]) is None and naming_doubt([NO_SHIFT], [0]) is None
    assert "one level up (L2 would be L1)" in naming_doubt([torn], [0])
    assert "one level down (L1 would be L2)" in naming_doubt([{-1: 0.0, 0: 1.0, 1: 0.5}], [0])
    # The other film may be sure, and a film that was renamed is asked about the names it has now.
    assert naming_doubt([torn, {-1: 0.0, 0: 1.9, 1: 0.0}], [0, 0]) is None
    assert "one level down" in naming_doubt([torn], [-1])


def test_nothing_is_renamed_where_no_names_agree(spine):
    views = pair().views
    bodies = spine.lumbar_landmarks[:, [0, 5]].mean(axis=1)
    ap, lateral = (view.project(bodies) for view in views)
    assert agreed_names(views, (ap, lateral + (0.0, 45.0)), (NO_SHIFT, NO_SHIFT)) == (0, 0)


def test_a_pair_is_found_at_least_as_well_as_its_films():
    phantoms = [phantom_film(phantom_view(name), seed=3) for name in ("AP", "lateral")]
    alone = [detect(phantom.film, "cpu") for phantom in phantoms]
    together = detect_pair(tuple(phantom.film for phantom in phantoms), "cpu")
    means = [
        np.mean([np.concatenate(list(errors_mm(p, d).values())).mean() for p, d in zip(phantoms, found, strict=True)])
        for found in (alone, together)
    ]
    assert means[1] < 1.1 * means[0]
    assert [d.view.name for d in together] == ["AP", "lateral"]
    with pytest.raises(DetectionError, match="AP film, then the lateral"):
        detect_pair(tuple(phantom.film for phantom in phantoms[::-1]), "cpu")


def first_look(named: int):
    """Return what a first stage sees of bodies 30 px apart, all called by a name ``named`` levels too low."""
    centers = np.array([[40.0, 25.0 + 30.0 * k] for k in range(5)])
    bone = np.zeros((5, 190, 80), dtype=np.float32)
    positions, masses = np.full((1, 5, 20, 2), -1e3), np.zeros((1, 5, 20))
    for k in range(5):
        true = k - named
        if 0 <= true < 5:
            bone[true, int(centers[k, 1]) - 10 : int(centers[k, 1]) + 10, 30:50] = 30.0
            positions[0, true], masses[0, true] = centers[k], 0.8
    choice = SimpleNamespace(centers=centers, positions=np.repeat(centers[:, None], 20, axis=1))
    peaks = SimpleNamespace(positions=positions, masses=masses)
    return SimpleNamespace(choice=choice, peaks=peaks, level_mm=bone, pixel_mm=1.0)


def test_a_name_that_drops_the_level_at_the_end_is_judged_by_the_others():
    right, one_low = naming_evidence(first_look(0)), naming_evidence(first_look(1))
    assert right[0] == pytest.approx(1.8) and max(right[-1], right[1]) < 0.1
    assert one_low[-1] == pytest.approx(right[0])  # though L1 then is no lumbar vertebra any more
    assert one_low[0] < 0.1


def test_the_images_speak_where_the_landmarks_do_not():
    look = first_look(0)
    look.peaks.masses[:] = 0.0
    evidence = naming_evidence(look)
    assert evidence[0] == pytest.approx(1.0) and evidence[-1] < 0.1
    look.level_mm[:] = 0.0
    assert naming_evidence(look)[0] == 0.0
