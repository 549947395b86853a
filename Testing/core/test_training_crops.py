"""Training crops show what they say, and every ingredient of a film can be switched on, alone and by its seed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from LumbarBiplanarLib.errors import StudyError, WeightsError
from LumbarBiplanarLib.network.crops import CROP_PX, crop_template, fit_similarity, sample
from LumbarBiplanarLib.network.first_stage import mean_landmarks_mm
from LumbarBiplanarLib.network.refine_model import RefineConfig, SpineRefiner
from LumbarBiplanarLib.network.weights import load_refiner, load_weights, save_weights
from LumbarBiplanarLib.shape.storage import load_shape_model
from LumbarBiplanarLib.training.anatomy import Context
from LumbarBiplanarLib.training.contact_sheet import draw_contact_sheet, sheet_options
from LumbarBiplanarLib.training.crop_stream import CropStream, error_basis, random_crops
from LumbarBiplanarLib.training.exposure import equalised
from LumbarBiplanarLib.training.films import form_film
from LumbarBiplanarLib.training.fitted import fitted_images
from LumbarBiplanarLib.training.ingredients import load_ingredients
from LumbarBiplanarLib.training.loop import train
from LumbarBiplanarLib.training.loss import spread_loss, vertebra_image_loss_mm
from LumbarBiplanarLib.training.options import FINE_PITCH_MM, FilmOptions, TrainingOptions
from LumbarBiplanarLib.training.pool import build_pool
from LumbarBiplanarLib.training.tasks import RefineTask


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fine")
    list(build_pool(folder, load_shape_model(), Context(), 2, 5, pitch_mm=FINE_PITCH_MM))
    return folder


@pytest.fixture(scope="module", params=["AP", "lateral"])
def parts(request, pool):
    return load_ingredients(pool / "00000.npz", request.param)


def test_a_finer_pool_is_as_large_in_mm(parts):
    assert parts.pitch_mm == FINE_PITCH_MM
    assert parts.other_mm.shape == (456, 312)


def test_landmarks_of_a_crop_lie_where_its_vertebra_is_drawn(parts):
    rng = np.random.default_rng(1)
    film = form_film(parts, rng, options=replace(FilmOptions.clean(), scale_sd=0.05))
    crops = random_crops(film, parts.view_name, parts.pitch_mm, mean_landmarks_mm(), rng)
    assert len(crops) >= 15
    right = [item for item in crops if item[4].all()]
    assert len(right) >= 8
    for crop, token, path, landmarks, _ in right:
        assert crop.shape == (3, CROP_PX[1], CROP_PX[0]) and path.shape == (1, CROP_PX[1], CROP_PX[0])
        assert not crop[1:].any()
        assert 0 <= int(token) < 10
        rows, columns = np.nonzero(path[0].numpy() > 1.0)
        low, high = landmarks.numpy().min(axis=0), landmarks.numpy().max(axis=0)
        assert (low > (columns.min() - 5, rows.min() - 5)).all() and (high < (columns.max() + 5, rows.max() + 5)).all()


def test_the_stream_repeats_with_its_seed_and_has_a_few_wrong_crops(pool):
    streams = [iter(CropStream(pool, seed, mean_landmarks_mm(), 8)) for seed in (1, 1, 2)]
    first, again, other = (next(stream) for stream in streams)
    torch.testing.assert_close(first[0], again[0], rtol=0, atol=0)
    assert not torch.equal(first[0], other[0])
    assert first[0].shape == (8, 1, CROP_PX[1], CROP_PX[0]) and torch.isfinite(first[0]).all()


def test_a_share_of_the_crops_comes_with_a_fitted_model_that_is_nearly_right(parts):
    rng = np.random.default_rng(2)
    film = form_film(parts, rng, options=replace(FilmOptions.clean(), scale_sd=0.05))
    crops = random_crops(film, parts.view_name, parts.pitch_mm, mean_landmarks_mm(), rng, fitted=0.6)
    told = [(crop[1:], path[0]) for crop, _, path, _, visible in crops if crop[1].any() and visible.all()]
    assert 0.3 * len(crops) < len(told) < len(crops)
    alike = [np.corrcoef(seen[0].ravel(), path.ravel())[0, 1] for seen, path in told]
    assert min(alike) > 0.7 and np.median(alike) > 0.9 and max(alike) < 0.9999
    # What is shown of the others is beside the vertebra for the most part.
    assert any(float(seen[1].sum()) > 0 for seen, _ in told)
    beside = [float(seen[1][path == 0].sum()) / max(float(seen[1].sum()), 1e-6) for seen, path in told]
    assert np.median(beside) > 0.5


def test_a_fitted_model_is_no_proof_of_a_vertebra(parts):
    rng = np.random.default_rng(2)
    film = form_film(parts, rng, options=replace(FilmOptions.clean(), scale_sd=0.05))
    level_mm, visible = film.level_mm.clone(), film.visible.clone()
    level_mm[1], visible[1] = 0.0, False  # as if that part of the film had not been exposed
    hidden = replace(film, level_mm=level_mm, visible=visible)
    blank, wrong = [], []
    for _ in range(12):
        crops = random_crops(hidden, parts.view_name, parts.pitch_mm, mean_landmarks_mm(), rng, fitted=0.6)
        blank += [item for item in crops if int(item[1]) % 5 == 1]
        wrong += [item for item in crops if int(item[1]) % 5 != 1 and not item[4].any()]
    assert 1 <= len(blank) <= 9
    for crop, _, path, _, seen in blank:
        assert crop[1].any() and not path.any() and not seen.any()
    assert {bool(crop[1].any()) for crop, *_ in wrong} == {True, False}


def test_a_fitted_model_in_the_right_place_is_where_the_vertebra_is_by_its_landmarks(parts):
    level_mm = torch.tensor(parts.level_mm)
    true = fit_similarity(crop_template(mean_landmarks_mm(), parts.view_name)[2], parts.landmarks_px[2].astype(float))
    images = fitted_images(level_mm[2], level_mm.sum(dim=0), true, true, np.random.default_rng(1))
    exact = sample(level_mm[2:3], true[None], CROP_PX, "zeros")[0, 0]
    off = [abs(float((grid * images[0]).sum() / images[0].sum() - (grid * exact).sum() / exact.sum()))
           for grid in torch.meshgrid(torch.arange(96.0), torch.arange(128.0), indexing="ij")]  # fmt: skip
    assert max(off) < 2.0 and not torch.equal(images[0], exact)


def test_the_basis_of_errors_is_orthonormal_and_begins_with_shifts():
    basis = error_basis(load_shape_model())
    np.testing.assert_allclose(np.swapaxes(basis, 1, 2) @ basis, np.broadcast_to(np.eye(40), basis.shape), atol=1e-9)
    across = np.tile([1.0, 0.0], 20)
    for one in basis:
        assert np.linalg.norm(one[:, :6].T @ across) == pytest.approx(np.linalg.norm(across))


def test_the_spread_is_best_where_it_is_that_of_the_errors():
    generator = torch.Generator().manual_seed(1)
    off = 2.0 * torch.randn(400, 20, 2, generator=generator)
    basis, visible = torch.eye(40).expand(400, 40, 40), torch.ones(400, 20, dtype=torch.bool)
    losses = [
        float(spread_loss(torch.full((400, 40), float(np.log(sd))), off, visible, basis)) for sd in (1.0, 2.0, 4.0)
    ]
    assert losses[1] < losses[0] and losses[1] < losses[2]


@pytest.mark.parametrize(
    "name", [name for name in sheet_options() if name not in ("plain", "no tissue", "all, as trained", "hard")]
)
def test_each_ingredient_changes_the_film_and_leaves_the_truth(parts, name):
    plain, changed = sheet_options()["plain"], sheet_options()[name]
    films = [form_film(parts, np.random.default_rng(4), placed=False, options=o) for o in (plain, changed, changed)]
    torch.testing.assert_close(films[1].image, films[2].image, rtol=0, atol=0)
    assert torch.isfinite(films[1].image).all()
    torch.testing.assert_close(films[0].landmarks_px, films[1].landmarks_px)
    changes = [
        (form_film(parts, np.random.default_rng(seed), placed=False, options=changed).image
         - form_film(parts, np.random.default_rng(seed), placed=False, options=plain).image).abs().max()
        for seed in range(4)
    ]  # fmt: skip
    # Texture and tissue change what is random; the others must be seen on at least one of four films.
    assert max(changes) > 1e-3


def test_equalisation_makes_all_grey_values_alike():
    film = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(2)) ** 3
    shares = torch.histc(equalised(film), 8, 0, 1) / film.numel()
    assert (shares - 1 / 8).abs().max() < 0.04


def test_the_contact_sheet_is_written(pool, tmp_path):
    from PIL import Image

    draw_contact_sheet(tmp_path / "sheet.png", pool / "00001.npz", 3)
    assert np.asarray(Image.open(tmp_path / "sheet.png")).std() > 20


def test_the_second_stage_is_trained_and_its_weights_are_told_from_the_first(pool, tmp_path):
    options = replace(TrainingOptions.refine(), widths=(8, 8, 8, 8), batch=2, steps=2, workers=0, subjects=2)
    done = train(pool, tmp_path, options, device="cpu", task=RefineTask(load_shape_model()))
    assert done.step == 2 and (tmp_path / "refine_record.json").exists()
    network, info = load_refiner(tmp_path / "refine.pt")
    assert network.config.widths == (8, 8, 8, 8) and info.record["task"] == "refine"
    more = replace(options, steps=1, single_task="landmarks")
    assert network.config.fitted
    blind = replace(options, steps=1, fitted=0.0)
    with pytest.raises(StudyError, match="fitted above 0"):
        train(pool, tmp_path / "blind", blind, device="cpu", task=RefineTask(load_shape_model()), start_from=info.path)
    with pytest.raises(StudyError, match="these weights are of"):
        train(pool, tmp_path / "more", more, device="cpu", task=RefineTask(load_shape_model()), start_from=info.path)
    with pytest.raises(WeightsError, match="'refine' weights"):
        load_weights(tmp_path / "refine.pt")
    save_weights(SpineRefiner(RefineConfig(widths=(8, 8, 8, 8))), tmp_path / "other.pt", {})
    assert load_refiner(tmp_path / "other.pt")[1].record == {}


def test_the_module_has_weights_of_the_second_stage():
    network, info = load_refiner()
    assert info.name.startswith("refine ") and {"vhm", "verse010", "wholebodyct"} <= set(info.record["left_out"])
    output = network(torch.zeros(2, 3, CROP_PX[1], CROP_PX[0]), torch.tensor([0, 9]))
    assert output.positions.shape == (2, 20, 2) and output.path_mm.shape == (2, 1, CROP_PX[1], CROP_PX[0])
    assert output.log_sd.shape == (2, 40)


def test_an_image_that_is_off_over_a_centimetre_costs_more_than_one_off_as_much_pixel_by_pixel():
    truth = torch.zeros(1, 1, 96, 128)
    truth[..., 32:64, 40:88] = 20.0
    rng = np.random.default_rng(4)
    noise = torch.tensor(rng.choice([-2.0, 2.0], truth.shape), dtype=torch.float32)
    patchy = functional.interpolate(noise[..., :12, :16], scale_factor=8.0)
    losses = [float(vertebra_image_loss_mm(truth + off, truth)) for off in (0.0 * noise, noise, patchy)]
    assert losses[0] == 0.0
    assert losses[1] < 0.8 * losses[2]
