"""Training films: what is drawn is where the landmarks say, and a seed gives the same film again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from LumbarBiplanarLib.anatomy import LANDMARK_NAMES
from LumbarBiplanarLib.errors import ShapeModelError, StudyError
from LumbarBiplanarLib.imaging import attenuation_per_mm, read_volume
from LumbarBiplanarLib.shape.storage import load_shape_model
from LumbarBiplanarLib.shape.surfaces import Surface, is_closed, read_surface, surface_distances
from LumbarBiplanarLib.training.anatomy import Context, SoftTissue, random_bend, random_warp, read_soft_tissue, tube
from LumbarBiplanarLib.training.dataset import FilmStream
from LumbarBiplanarLib.training.exposure import hardened
from LumbarBiplanarLib.training.films import _with_cortex, cropped, form_film
from LumbarBiplanarLib.training.ingredients import Ingredients, load_ingredients, save_ingredients
from LumbarBiplanarLib.training.options import CANVAS_PX, CROP_PX, WHOLE_CANVAS_PX, FilmOptions, TrainingOptions
from LumbarBiplanarLib.training.pool import build_pool, random_pair, random_scene
from LumbarBiplanarLib.training.sacra import closed_by_fans, read_sacra
from LumbarBiplanarLib.training.tasks import SpineTask
from LumbarBiplanarLib.training.textures import normal, trabecular_noise

TISSUE_PER_MM = 0.02
_SEED = 8  # of the pool; one of its spines at least has soft tissue


@pytest.fixture(scope="module")
def model():
    return load_shape_model()


@pytest.fixture(scope="module")
def context() -> Context:
    """A box of tissue and no bones: stands in for the open data."""
    ijk_from_ras = np.diag([0.1, 0.1, 0.1, 1.0])
    ijk_from_ras[:3, 3] = (15.0, 10.0, 30.0)
    tissue = SoftTissue(
        np.full((30, 20, 60), TISSUE_PER_MM, dtype=np.float32),
        ijk_from_ras,
        np.array([0, 0, 0.0]),
        np.array([0, 0, -60.0]),
    )
    return Context(tissue=tissue)


@pytest.fixture(scope="module")
def pool(model, context, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pool")
    assert list(build_pool(folder, model, context, 4, _SEED)) == [1, 2, 3, 4]
    return folder


def test_landmarks_lie_on_the_drawn_bone_of_their_level(pool):
    for view in ("AP", "lateral"):
        film = load_ingredients(pool / "00000.npz", view)
        for k in range(5):
            rows, columns = np.nonzero(film.level_mm[k] > 0.3)
            corners = np.array([[columns.min(), rows.min()], [columns.max(), rows.max()]])
            found = np.array([film.landmarks_px[k].min(axis=0), film.landmarks_px[k].max(axis=0)])
            assert (found > corners[0] - 3).all() and (found < corners[1] + 3).all()


def test_some_spines_stand_in_the_body_and_some_do_not(model, context):
    scenes = [random_scene(model, context, np.random.default_rng(seed)) for seed in range(12)]
    assert {scene[3] is None for scene in scenes} == {True, False}
    spine = next(scene[0] for scene in scenes if scene[3] is not None)
    assert np.linalg.norm(spine.lumbar_points[-1].mean(axis=0) - context.tissue.l5_center_ras_mm) < 60


def test_films_of_the_whole_spine_reach_from_the_sacrum_to_the_neck(model, tmp_path):
    list(build_pool(tmp_path, model, Context(), 2, _SEED, whole_share=1.0))
    for view in ("AP", "lateral"):
        for k in range(2):
            film = load_ingredients(tmp_path / f"{k:05d}.npz", view)
            assert film.other_mm.shape == WHOLE_CANVAS_PX[::-1]
            rows = np.flatnonzero(film.other_mm.max(axis=1) > 1.0)
            lumbar = film.landmarks_px[:, :, 1]
            assert lumbar.max() < WHOLE_CANVAS_PX[1] and rows[0] < lumbar.min() - 180  # 220 mm of the patient
    list(build_pool(tmp_path / "some", model, Context(), 5, _SEED, whole_share=0.5))
    heights = {np.load(path)["AP_other_mm"].shape[0] for path in (tmp_path / "some").glob("[0-9]*.npz")}
    assert heights == {CANVAS_PX[1], WHOLE_CANVAS_PX[1]}


def test_a_bent_pelvis_stays_smooth_and_on_the_sacrum():
    rng = np.random.default_rng(6)
    points = rng.uniform(-120.0, 120.0, (400, 3))
    shifts = []
    for _ in range(30):
        bent = random_bend(rng)
        np.testing.assert_allclose(bent(np.zeros((1, 3))), 0.0, atol=1e-9)
        shifts.append(bent(points) - points)
        step = rng.normal(size=(400, 3))
        step /= np.linalg.norm(step, axis=1, keepdims=True)
        stretch = np.linalg.norm(bent(points + 0.1 * step) - bent(points), axis=1) / 0.1
        assert stretch.min() > 0.4 and stretch.max() < 1.8  # nothing folds over
    assert 3.0 < np.std(shifts) < 8.0


def test_the_tissue_is_the_line_integral_of_its_attenuation(pool):
    films = [load_ingredients(path, "AP") for path in sorted(pool.glob("[0-9]*.npz"))]
    with_tissue = [film for film in films if film.tissue is not None]
    assert with_tissue
    # The box is 200 mm deep, more or less after the warp, and the AP ray runs nearly straight through it.
    middle = np.median(with_tissue[0].tissue[100:200, 80:130])
    assert middle == pytest.approx(200 * TISSUE_PER_MM, rel=0.4)


def test_a_pool_goes_on_where_it_stopped_and_refuses_another_seed(model, context, pool):
    before = {path: path.stat().st_mtime_ns for path in pool.glob("[0-9]*.npz")}
    list(build_pool(pool, model, context, 4, _SEED))
    assert {path: path.stat().st_mtime_ns for path in pool.glob("[0-9]*.npz")} == before
    with pytest.raises(StudyError, match="another cache folder"):
        list(build_pool(pool, model, context, 4, _SEED + 1))


def test_a_spine_of_the_pool_does_not_depend_on_what_was_drawn_before(model, context, pool, tmp_path):
    for path in sorted(pool.glob("0000[01].npz")):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    list(build_pool(tmp_path, model, context, 3, _SEED))
    a, b = load_ingredients(tmp_path / "00002.npz", "lateral"), load_ingredients(pool / "00002.npz", "lateral")
    np.testing.assert_array_equal(a.level_mm, b.level_mm)


def test_processes_draw_what_one_draws_and_keep_what_is_there(model, context, pool, tmp_path):
    (tmp_path / "00001.npz").write_bytes(b"was there")
    assert list(build_pool(tmp_path, model, context, 4, _SEED, jobs=2)) == [1, 2, 3, 4]
    assert (tmp_path / "00001.npz").read_bytes() == b"was there"
    for name in ("00000.npz", "00002.npz", "00003.npz"):
        assert (tmp_path / name).read_bytes() == (pool / name).read_bytes()


def test_an_error_in_a_process_that_draws_reaches_the_caller(model, tmp_path):
    with pytest.raises(AttributeError, match="points_ras_mm"):
        list(build_pool(tmp_path, model, Context(pelvis="no surface"), 40, _SEED, jobs=2))
    assert len(list(tmp_path.iterdir())) < 10  # most of the rest was not begun
    with pytest.raises(StudyError, match="0 processes"):
        list(build_pool(tmp_path, model, Context(), 40, _SEED, jobs=0))


def test_a_damaged_file_of_the_pool_is_named(tmp_path):
    (tmp_path / "00000.npz").write_bytes(b"nothing")
    with pytest.raises(StudyError, match=r"00000\.npz"):
        load_ingredients(tmp_path / "00000.npz", "AP")
    with pytest.raises(StudyError, match="build the pool first"):
        FilmStream(tmp_path / "empty", 1)


def test_the_films_of_a_seed_are_the_same_and_differ_from_each_other(pool):
    ingredients = load_ingredients(pool / "00001.npz", "lateral")
    first, again, other = (form_film(ingredients, np.random.default_rng(seed)) for seed in (5, 5, 6))
    torch.testing.assert_close(first.image, again.image, rtol=0, atol=0)
    torch.testing.assert_close(first.landmarks_px, again.landmarks_px, rtol=0, atol=0)
    assert (first.image - other.image).abs().mean() > 0.01


def test_films_are_finite_and_within_their_range(pool):
    rng = np.random.default_rng(8)
    for k in range(8):
        film = form_film(load_ingredients(pool / f"{k % 4:05d}.npz", ("AP", "lateral")[k % 2]), rng)
        assert film.image.shape == CANVAS_PX[::-1]
        assert torch.isfinite(film.image).all() and film.image.min() >= -0.01 and film.image.max() <= 1.6
        assert torch.isfinite(film.landmarks_px).all()
        assert (film.level_mm >= 0).all()


def test_scaling_turning_and_shifting_moves_bones_and_landmarks_together():
    width, height = CANVAS_PX
    y, x = np.mgrid[:height, :width]
    level_mm, landmarks = np.zeros((5, height, width), dtype=np.float32), np.zeros((5, 20, 2), dtype=np.float32)
    for k in range(5):
        center = np.array([70.0 + 12 * k, 100.0 + 25 * k])
        level_mm[k] = 30 * np.exp(-((x - center[0]) ** 2 + (y - center[1]) ** 2) / 40)
        landmarks[k] = center
    ingredients = Ingredients("AP", level_mm, np.zeros((height, width), np.float32), None, landmarks)
    checked = 0
    for seed in range(12):
        film = form_film(ingredients, np.random.default_rng(seed))
        for k in range(5):
            if film.visible[k, 0]:
                row, column = np.unravel_index(int(film.level_mm[k].argmax()), (height, width))
                np.testing.assert_allclose((column, row), film.landmarks_px[k, 0].numpy(), atol=1.0)
                checked += 1
    assert checked > 20


def test_landmarks_are_visible_exactly_where_the_film_is_exposed(pool):
    # A landmark amid its vertebra sees bone where the film is exposed, and none where it is not.
    ingredients = load_ingredients(pool / "00000.npz", "lateral")
    base = LANDMARK_NAMES.index("superior_endplate_centre")
    seen = hidden = 0
    for seed in range(30):
        film = form_film(ingredients, np.random.default_rng(seed))
        for k in range(5):
            column, row = film.landmarks_px[k, base].round().long().tolist()
            inside = 0 <= column < CANVAS_PX[0] and 0 <= row < CANVAS_PX[1]
            bone = inside and film.level_mm[k, row, column] > 1.0
            assert bone == bool(film.visible[k, base])
            seen, hidden = seen + bone, hidden + (not bone)
    assert seen > 20 and hidden > 0


def test_a_window_of_a_film_shows_the_same_and_hides_what_is_outside(pool):
    film = form_film(load_ingredients(pool / "00003.npz", "AP"), np.random.default_rng(2), placed=False)
    film = replace(film, visible=torch.ones(5, 20, dtype=torch.bool))
    part = cropped(film, np.random.default_rng(4), CROP_PX)
    shift = (film.landmarks_px - part.landmarks_px)[0, 0].long().tolist()
    x, y = shift
    torch.testing.assert_close(part.image, film.image[y : y + CROP_PX[1], x : x + CROP_PX[0]])
    torch.testing.assert_close(part.level_mm, film.level_mm[:, y : y + CROP_PX[1], x : x + CROP_PX[0]])
    inside = ((part.landmarks_px >= 0) & (part.landmarks_px <= torch.tensor(CROP_PX) - 1)).all(-1)
    assert (part.visible == inside).all()


def test_the_stream_repeats_with_its_seed(pool):
    streams = [iter(FilmStream(pool, seed)) for seed in (1, 1, 2)]
    first, again, other = (next(stream) for stream in streams)
    assert first[0].shape == (3, CROP_PX[1], CROP_PX[0])
    torch.testing.assert_close(first[0], again[0], rtol=0, atol=0)
    assert not torch.equal(first[0], other[0])


def test_pairs_vary_in_angle_and_model():
    pairs = [random_pair(np.random.default_rng(seed), np.zeros(3)) for seed in range(40)]
    angles = [pair.angle_deg for pair in pairs]
    assert np.std(angles) > 5 and {pair.ap.model for pair in pairs} == {"pinhole", "slot"}


def test_a_tube_is_closed_and_faces_outward():
    path = np.stack([np.linspace(0, 60, 10), np.zeros(10), -np.linspace(0, 20, 10)], axis=1)
    surface = tube(path, 3.0)
    assert is_closed(surface.faces)
    corners = surface.points_ras_mm[surface.faces]
    volume = np.einsum("ij,ij->i", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum() / 6
    # An ellipse with ten corners and half-axes 3 and 4.8, along 63 mm.
    assert volume == pytest.approx(5 * np.sin(np.pi / 5) * 3.0 * 4.8 * np.hypot(60, 20), rel=0.05)


def test_ingredients_come_back_from_their_file(tmp_path):
    rng = np.random.default_rng(0)
    films = [
        Ingredients(
            name,
            rng.uniform(0, 60, (5, 8, 6)).astype(np.float32),
            rng.uniform(0, 60, (8, 6)).astype(np.float32),
            None if name == "AP" else rng.uniform(0, 5, (8, 6)).astype(np.float32),
            rng.uniform(0, 8, (5, 20, 2)).astype(np.float32),
        )
        for name in ("AP", "lateral")
    ]
    save_ingredients(tmp_path / "a.npz", films)
    for film in films:
        found = load_ingredients(tmp_path / "a.npz", film.view_name)
        np.testing.assert_allclose(found.level_mm, film.level_mm, rtol=1e-3)
        np.testing.assert_array_equal(found.landmarks_px, film.landmarks_px)
        assert (found.tissue is None) == (film.tissue is None)


def test_no_lumbar_bone_is_left_in_the_body_of_the_open_data(shared_data):
    tissue = read_soft_tissue(shared_data)
    mask = read_volume(shared_data / "whole-body-ct" / "example_ct_totalseg_vertebrae.nii.gz").data
    lumbar = (mask >= 27) & (mask <= 31)
    assert lumbar.any()
    assert tissue.attenuation_per_mm.max() <= attenuation_per_mm(np.array([90.0]))[0] * 1.0001
    water = attenuation_per_mm(np.array([0.0]))[0]
    assert tissue.attenuation_per_mm[lumbar].mean() == pytest.approx(1.045 * water, rel=0.02)


def test_a_warped_body_keeps_its_tissue_and_moves_it(context):
    warped = [random_warp(context.tissue, np.random.default_rng(seed)) for seed in range(6)]
    volumes = [abs(1 / np.linalg.det(tissue.ijk_from_ras[:3, :3])) for tissue in warped]
    assert all(tissue.attenuation_per_mm is context.tissue.attenuation_per_mm for tissue in warped)
    assert 1.0 < np.std(volumes) < 700 and np.mean(volumes) == pytest.approx(1000, rel=0.4)
    sides = {np.sign(np.linalg.det(tissue.ijk_from_ras[:3, :3])) for tissue in warped}
    assert sides == {1.0, -1.0}


def test_a_sacrum_of_the_open_data_is_closed_and_laid_onto_another(shared_data, tmp_path):
    source = sorted((shared_data / "sacra-40").glob("Sacrum*_cpd.vtk"))[0]
    (tmp_path / source.name).write_bytes(source.read_bytes())
    target = closed_by_fans(read_surface(source, lps=True))
    assert is_closed(target.faces)
    moved = Surface(target.points_ras_mm + (4.0, -6.0, 5.0), target.faces)
    (found,) = read_sacra(tmp_path, moved)
    (tmp_path / "Sacrum_again_cpd.vtk").write_bytes(source.read_bytes())
    assert [np.array_equal(one.points_ras_mm, found.points_ras_mm) for one in read_sacra(tmp_path, moved, 2)] == [
        True
    ] * 2
    assert is_closed(found.faces)
    assert surface_distances(found.points_ras_mm, moved)[0].mean() < 1.0
    with pytest.raises(ShapeModelError, match="there is no sacrum"):
        read_sacra(tmp_path / "none", moved)


def test_a_cortex_takes_density_from_the_inside_only():
    path_mm = torch.zeros(1, 1, 30, 30)
    path_mm[..., 5:25, 5:25] = 40.0
    dense = _with_cortex(path_mm, 2, 0.25)
    assert dense[0, 0, 5, 15] == 40.0 and dense[0, 0, 0, 0] == 0.0
    assert dense[0, 0, 15, 15] == pytest.approx(40.0 - 0.75 * (40.0 - 4 * 1.23))
    torch.testing.assert_close(_with_cortex(path_mm, 2, 1.0), path_mm)


def test_bone_hardens_a_beam_of_several_energies_and_not_one_of_a_single():
    soft, bone = torch.full((1, 1, 1, 3), 4.0), torch.tensor([0.0, 1.0, 2.0]).view(1, 1, 1, 3)
    single = hardened(soft, bone, np.array([0.0, 1.0, 0.0, 0.0]))[0, 0, 0]
    torch.testing.assert_close(single, torch.tensor([4.0, 5.0, 6.0]), atol=1e-4, rtol=0)
    mixed = hardened(soft, bone, np.array([0.4, 0.3, 0.2, 0.1]))[0, 0, 0]
    assert mixed[0] == pytest.approx(4.0, abs=1e-5)  # behind soft tissue alone the spectrum is what was given
    # The first part of the bone takes the low energies away, so the second counts for less; the mean of the
    # energies' attenuations at the entry is the slope there (Beer-Lambert).
    first, second = float(mixed[1] - mixed[0]), float(mixed[2] - mixed[1])
    assert second < first < 0.4 * 1.348 + 0.3 + 0.2 * 0.708 + 0.1 * 0.589


def test_the_grain_of_spongy_bone_is_fine_and_of_unit_deviation():
    rng = np.random.default_rng(1)
    fields = [trabecular_noise(rng, 120, 120)[0, 0] for _ in range(30)]
    deviation = np.mean([float(field.std()) for field in fields])
    assert 0.6 < deviation < 1.2
    lags = [np.mean([float((f[:, k:] * f[:, : 120 - k]).mean() / f.var()) for f in fields]) for k in (1, 3, 8)]
    assert 0.35 < lags[0] < 0.9 and lags[0] > lags[1] > lags[2] - 0.05 and lags[2] < 0.35


def test_a_bent_film_shows_its_landmarks_where_they_were_bent_to(pool):
    ingredients = load_ingredients(pool / "00001.npz", "AP")
    marked = np.zeros_like(ingredients.level_mm)
    inside, errors_px = [], []
    for level, marks in enumerate(ingredients.landmarks_px):
        for at in np.round(marks).astype(int):
            if (at >= 8).all() and at[0] < marked.shape[2] - 8 and at[1] < marked.shape[1] - 8:
                inside.append((level, at))
    for level, (x, y) in inside[::7]:
        marked[:] = 0.0
        marked[level, y - 1 : y + 2, x - 1 : x + 2] = 10.0
        landmarks = np.tile(np.array([x, y], dtype=np.float32), (5, 20, 1))
        spot = replace(ingredients, level_mm=marked, landmarks_px=landmarks, tissue=None)
        options = replace(FilmOptions.clean(), bending=0.1, scale_sd=0.1, turn_sd_deg=5.0)
        film = form_film(spot, np.random.default_rng(int(x)), options=options)
        rows, columns = np.nonzero(film.level_mm[level].numpy() > 1.0)
        if len(rows):
            weights = film.level_mm[level].numpy()[rows, columns]
            centre = np.array([weights @ columns, weights @ rows]) / weights.sum()
            errors_px.append(np.abs(film.landmarks_px[level, 0].numpy() - centre).max())
    # A bone is bent by 1 to 2 px here; a spot's own centre is only known to some tenths.
    assert len(errors_px) > 5 and np.mean(errors_px) < 0.35 and max(errors_px) < 1.0


def test_bending_moves_bones_apart_and_only_where_asked(pool):
    ingredients = load_ingredients(pool / "00001.npz", "AP")

    def formed(bending: float):
        options = replace(FilmOptions.clean(), bending=bending)
        return form_film(ingredients, np.random.default_rng(3), options=options)

    straight, bent = formed(0.0), formed(0.1)
    off_px = (bent.landmarks_px - straight.landmarks_px).numpy()
    assert 0.1 < np.abs(off_px).mean() < 3.0
    # Two bones that lie over each other are not bent together.
    assert np.abs(off_px.mean(axis=1) - off_px.mean(axis=(0, 1))).max() > 0.1
    again = form_film(ingredients, np.random.default_rng(3), placed=False, options=replace(FilmOptions.clean()))
    same = form_film(
        ingredients, np.random.default_rng(3), placed=False, options=replace(FilmOptions.clean(), bending=0.2)
    )
    assert torch.equal(again.image, same.image)


def test_streams_that_form_films_on_a_gpu_start_processes_that_can(pool):
    options = replace(TrainingOptions(), workers=1)
    on_gpu, on_cpu = (SpineTask().loader(pool, 1, options, torch.device(name)) for name in ("cuda", "cpu"))
    assert on_gpu.dataset.device.type == "cuda" and on_gpu.multiprocessing_context.get_start_method() == "spawn"
    assert on_cpu.dataset.device.type == "cpu" and on_cpu.multiprocessing_context is None


def test_normal_numbers_on_the_cpu_are_those_of_the_generator():
    found = normal(np.random.default_rng(3), (2, 5))
    np.testing.assert_array_equal(found, np.random.default_rng(3).standard_normal((2, 5)).astype(np.float32))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_films_formed_on_a_gpu_are_like_those_of_the_cpu(pool):
    parts = load_ingredients(pool / "00001.npz", "AP")
    options = replace(FilmOptions.clean(), texture=0.0)
    films = [form_film(parts, np.random.default_rng(5), options=options, device=name) for name in ("cpu", "cuda")]
    here, there = films
    assert there.image.device.type == "cuda" and there.landmarks_px.device.type == "cpu"
    # Their smooth noise differs; where the bones are does not.
    assert (here.landmarks_px - there.landmarks_px).norm(dim=-1).max() < 12.0 and there.image.isfinite().all()
    sums = [film.level_mm.sum(dim=(1, 2)).cpu() for film in films]
    torch.testing.assert_close(*sums, rtol=0.3, atol=1.0)
    whole = [
        form_film(parts, np.random.default_rng(5), placed=False, options=options, device=name)
        for name in ("cpu", "cuda")
    ]
    torch.testing.assert_close(whole[0].level_mm, whole[1].level_mm.cpu())
