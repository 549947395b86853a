"""The second stage looks once more, at what a model fitted to both films shows; without one it is what it was."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from LumbarBiplanarLib.anatomy import LUMBAR_LEVELS
from LumbarBiplanarLib.network import together
from LumbarBiplanarLib.network.crops import CROP_PX, FITTED_CHANNELS, with_fitted
from LumbarBiplanarLib.network.fitted_look import fitted_vertebrae, look_at_fitted
from LumbarBiplanarLib.network.pair_fit import Sighting, fit_vertebra
from LumbarBiplanarLib.network.reading import load_networks, read
from LumbarBiplanarLib.network.refine_model import RefineConfig, SpineRefiner, made_for_fitted
from LumbarBiplanarLib.network.weights import load_refiner, save_weights
from LumbarBiplanarLib.shape.storage import load_shape_model
from network_phantom import phantom_film, phantom_view


@pytest.fixture(scope="module")
def readings():
    films = tuple(phantom_film(phantom_view(name), seed=3).film for name in ("AP", "lateral"))
    return tuple(read(load_networks(None, "cpu"), film) for film in films)


def fitted_to(readings, model):
    surfaces = {}
    for k, level in enumerate(LUMBAR_LEVELS):
        sightings = [
            Sighting(item.film.view, item.close.landmarks_px[k], item.close.covariances[k], item.seen[k])
            for item in readings
        ]
        surfaces[k] = fit_vertebra(model, level, sightings).surface_mm(model, level)
    return fitted_vertebrae(model, surfaces)


def test_new_channels_change_nothing_until_they_are_trained(tmp_path):
    torch.manual_seed(1)
    plain = SpineRefiner(RefineConfig(widths=(8, 8, 8, 8))).eval()
    wider = made_for_fitted(plain).eval()
    crops, token = torch.randn(2, 3, CROP_PX[1], CROP_PX[0]), torch.tensor([0, 7])
    shown = 20 * torch.rand(2, FITTED_CHANNELS, CROP_PX[1], CROP_PX[0])
    with torch.no_grad():
        before = plain(crops, token)
        for seen in (None, shown):
            after = wider(crops, token, seen)
            torch.testing.assert_close(after.positions, before.positions)
            torch.testing.assert_close(after.path_mm, before.path_mm)
        wider.stem.conv.weight[:, -4 * FITTED_CHANNELS :] = 0.1
        assert not torch.allclose(wider(crops, token, shown).path_mm, before.path_mm)
        torch.testing.assert_close(wider(crops, token, None).path_mm, before.path_mm)
    assert made_for_fitted(wider) is wider
    save_weights(wider, tmp_path / "wider.pt", {})
    assert load_refiner(tmp_path / "wider.pt")[0].config.fitted


def test_what_is_shown_comes_after_the_film():
    channels, shown = torch.zeros(1, 3, 4, 6), torch.full((1, FITTED_CHANNELS, 4, 6), 20.0)
    both = with_fitted(channels, shown)
    assert both.shape == (1, 5, 4, 6) and not both[:, :3].any() and (both[:, 3:] == 1.0).all()
    assert not with_fitted(channels, None).any()


def test_a_fit_gives_the_surface_that_goes_with_its_landmarks(readings):
    model = load_shape_model()
    level = LUMBAR_LEVELS[2]
    truth = model.instance(level, np.linspace(-1, 1, model.mode_count)) + [0.0, 0.0, 5.0]
    sightings = [
        Sighting(item.film.view, item.film.view.project(model.landmarks(truth)), 0.04 * np.eye(40), np.ones(20, bool))
        for item in readings
    ]
    fit = fit_vertebra(model, level, sightings)
    surface = fit.surface_mm(model, level)
    mean = model.mean(level) + truth.mean(axis=0) - model.mean(level).mean(axis=0)
    off, before = (np.linalg.norm(points - truth, axis=1).mean() for points in (surface, mean))
    assert off < 0.8 * before
    np.testing.assert_allclose(model.landmarks(surface), fit.points_ras_mm, atol=1.5)


def test_every_vertebra_is_looked_at_where_the_model_has_it(readings):
    model = load_shape_model()
    fitted = fitted_to(readings, model)
    refiner = made_for_fitted(readings[0].networks.refiner)
    for reading in readings:
        arguments = (
            reading.film.view,
            reading.image,
            reading.look.view,
            fitted,
            model.coarse_faces,
            torch.device("cpu"),
        )
        close = look_at_fitted(refiner, *arguments)
        assert close.found.all()
        expected = np.stack([reading.film.view.project(item.landmarks_mm) for item in fitted.values()])
        pixel = reading.film.view.pixel_size_at(np.zeros(3)).mean()
        assert np.median(np.linalg.norm(close.landmarks_px - expected, axis=-1)) * pixel < 3.0
        assert close.level_mm.max() > 15.0


def test_both_films_are_looked_at_again_if_the_network_can(readings, monkeypatch):
    model, looks = load_shape_model(), []
    real = together.look_at_fitted

    def watched(refiner, view, *arguments):
        looks.append(view.name)
        return real(refiner, view, *arguments)

    monkeypatch.setattr(together, "look_at_fitted", watched)

    def of(refiner):
        return tuple(replace(item, networks=replace(item.networks, refiner=refiner)) for item in readings)

    refiner = readings[0].networks.refiner
    if not refiner.config.fitted:
        together.read_together(model, of(refiner))
        assert looks == []
    together.read_together(model, of(made_for_fitted(refiner)))
    assert sorted(looks) == ["AP", "lateral"]
