"""Errors of a vertebra on both films that no vertebra in space could cause are seen as a gap between rays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from LumbarBiplanarLib.errors import StudyError
from LumbarBiplanarLib.geometry import standard_pair
from LumbarBiplanarLib.geometry.triangulation import triangulate
from LumbarBiplanarLib.network.crops import fit_similarity
from LumbarBiplanarLib.network.first_stage import mean_landmarks_mm
from LumbarBiplanarLib.network.model import VIEW_NAMES
from LumbarBiplanarLib.network.weights import load_refiner
from LumbarBiplanarLib.shape.storage import load_shape_model
from LumbarBiplanarLib.training import TrainingOptions, train
from LumbarBiplanarLib.training.anatomy import Context
from LumbarBiplanarLib.training.crop_stream import CropStream
from LumbarBiplanarLib.training.epipolar import gap_slopes
from LumbarBiplanarLib.training.ingredients import load_ingredients, save_ingredients
from LumbarBiplanarLib.training.loss import gap_loss_mm
from LumbarBiplanarLib.training.options import FINE_PITCH_MM, FilmOptions
from LumbarBiplanarLib.training.pool import build_pool
from LumbarBiplanarLib.training.tasks import RefineTask


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs")
    list(build_pool(folder, load_shape_model(), Context(), 1, 5, pitch_mm=FINE_PITCH_MM))
    return folder


@pytest.fixture(scope="module")
def drawn(pool):
    return [load_ingredients(pool / "00000.npz", name) for name in VIEW_NAMES]


@pytest.mark.parametrize(("model", "angle_deg"), [("pinhole", 90.0), ("pinhole", 65.0), ("slot", 100.0)])
def test_the_gap_of_rays_is_what_the_slopes_say(model, angle_deg):
    views = standard_pair(model=model, angle_deg=angle_deg, spacing_mm=0.5).views
    rng = np.random.default_rng(3)
    points = rng.normal(0.0, 60.0, (30, 3))
    pixels = np.stack([view.project(points) for view in views])
    errors = rng.normal(0.0, 3.0, pixels.shape)
    expected = triangulate(views, pixels + errors)[1]
    gaps = (gap_slopes(views, pixels) * errors).sum(axis=(0, -1))
    np.testing.assert_allclose(np.abs(gaps), expected, atol=0.04)
    # A point that is elsewhere in space opens no gap, wherever it went.
    moved = np.stack([view.project(points + rng.normal(0.0, 2.0, points.shape)) for view in views])
    both = [moved[0] - pixels[0], views[1].project(triangulate(views, moved)[0]) - pixels[1]]
    consistent = np.stack([views[0].project(triangulate(views, moved)[0]) - pixels[0], both[1]])
    assert np.abs((gap_slopes(views, pixels) * consistent).sum(axis=(0, -1))).max() < 0.1


def test_how_a_film_was_taken_is_kept_with_its_ingredients(drawn):
    for item in drawn:
        assert item.view.name == item.view_name and item.view.spacing_mm[0] == item.pitch_mm
    points, gap_mm = triangulate([item.view for item in drawn], np.stack([item.landmarks_px for item in drawn]))
    assert points.shape == (5, 20, 3) and gap_mm.max() < 1e-3


def test_crops_in_pairs_are_one_vertebra_on_both_films_with_slopes_per_crop_pixel(pool, drawn):
    films = replace(FilmOptions.clean(), scale_sd=0.1, turn_sd_deg=5.0)
    stream = iter(CropStream(pool, 1, mean_landmarks_mm(), 8, films, pairs=True))
    slopes = gap_slopes((drawn[0].view, drawn[1].view), np.stack([item.landmarks_px for item in drawn]))
    crops, _, token, _, landmarks, visible, per_crop = next(stream)
    assert crops.shape[0] == 8 and per_crop.shape == (8, 20, 2)
    assert (token[:4] + 5 == token[4:]).all() and visible.any()
    for k in range(8):
        view, level = divmod(int(token[k]), 5)
        drawn_from_crop = fit_similarity(landmarks[k].double().numpy(), drawn[view].landmarks_px[level].astype(float))
        expected = slopes[view, level] @ drawn_from_crop[:, :2]
        np.testing.assert_allclose(per_crop[k].numpy(), expected, atol=1e-3)


def test_the_loss_is_the_gap_of_landmarks_that_both_films_show():
    slopes = torch.tensor([[[0.0, 0.8]] * 3, [[0.0, -0.8]] * 3])
    off = torch.zeros(2, 3, 2)
    off[0, :, 1], off[1, 0, 1] = 5.0, 5.0
    everywhere = torch.ones(2, 3, dtype=torch.bool)
    # Both too low by the same: no gap. One film too low by 4 mm, twice: smooth loss 4 - 0.5.
    assert float(gap_loss_mm(off, slopes, everywhere)) == pytest.approx(2 * 3.5 / 3)
    hidden = everywhere.clone()
    hidden[1, 1:] = False
    assert float(gap_loss_mm(off, slopes, hidden)) == 0.0
    assert float(gap_loss_mm(off, slopes, ~everywhere)) == 0.0


def test_a_training_with_it_keeps_its_weight_and_a_pool_without_views_is_refused(pool, drawn, tmp_path):
    tiny = replace(TrainingOptions.refine(), widths=(4, 4, 8, 8), batch=2, steps=1, workers=0, consistency_weight=0.1)
    task = RefineTask(load_shape_model())
    train(pool, tmp_path / "a", tiny, device="cpu", task=task)
    record = load_refiner(tmp_path / "a" / "refine.pt")[1].record
    assert record["options"]["consistency_weight"] == 0.1
    (tmp_path / "old").mkdir()
    save_ingredients(tmp_path / "old" / "00001.npz", [replace(item, view=None) for item in drawn])
    assert load_ingredients(tmp_path / "old" / "00001.npz", "AP").view is None
    with pytest.raises(StudyError, match="delete this cache"):
        train(tmp_path / "old", tmp_path / "b", tiny, device="cpu", task=task)
    with pytest.raises(ValueError, match="even"):
        replace(tiny, batch=3)
