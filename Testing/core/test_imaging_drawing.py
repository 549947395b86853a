"""Labels, attenuation, finer voxels, and films drawn from a CT."""

from __future__ import annotations

import json

import numpy as np
import pytest

from LumbarBiplanarLib.anatomy import LUMBAR_LEVELS, Level
from LumbarBiplanarLib.errors import StudyError, VolumeError
from LumbarBiplanarLib.files import sha256_of
from LumbarBiplanarLib.geometry import load_geometry, standard_pair, transform_points
from LumbarBiplanarLib.imaging import (
    LABELS,
    Volume,
    attenuation_per_mm,
    draw_films,
    draw_films_from_files,
    expose,
    guess_convention,
    integrate_volume,
    lumbar_labels,
    read_film,
    read_lumbar_image,
    refine_ct,
    refine_labels,
    write_drawn_films,
    write_volume,
)
from LumbarBiplanarLib.imaging.attenuation import water_bone_per_mm

AFFINE = np.diag([3.0, 3.0, 3.0, 1.0])
AFFINE[:3, 3] = (-58.5, -58.5, -58.5)
SIZE = (90, 110)


def phantom(convention="verse"):
    """A water cylinder with five blocks of bone, L1 above, off to the patient's right and front."""
    x, y, z = np.meshgrid(*(np.arange(40) * 3.0 - 58.5,) * 3, indexing="ij")
    ct = np.where(x**2 + y**2 < 55.0**2, 0.0, -1000.0)
    mask = np.zeros(ct.shape, np.uint8)
    number = {level: label for label, level in LABELS[convention].items()}
    for row, level in enumerate(LUMBAR_LEVELS):
        block = (abs(x - 12) < 15) & (abs(y - 9) < 12) & (abs(z - (48 - 24 * row)) < 8)
        mask[block] = number[level]
    ct[mask > 0] = 500.0
    return ct.astype(np.float32), mask


def pair(**options):
    return standard_pair(size_px=(SIZE, SIZE), spacing_mm=1.6, **options)


# -- labels ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("convention", ("verse", "totalseg"))
def test_the_levels_are_found_in_either_convention(convention):
    _, mask = phantom(convention)
    found = lumbar_labels(mask, AFFINE)
    assert list(found) == list(LUMBAR_LEVELS)
    assert found[Level.L1] == (20 if convention == "verse" else 31)


@pytest.mark.parametrize(
    ("present", "expected"),
    [({8, 19, 20, 24, 26}, "verse"), ({27, 28, 29, 32}, "totalseg"), ({1, 20, 21, 22, 31, 50}, "totalseg")],
)
def test_the_convention_is_guessed_where_only_one_is_possible(present, expected):
    assert guess_convention(present) == expected


def test_an_ambiguous_or_foreign_mask_is_refused():
    with pytest.raises(VolumeError, match="both"):
        guess_convention({20, 21, 27, 28})
    with pytest.raises(VolumeError, match="no lumbar"):
        guess_convention({41, 42, 49})
    _, mask = phantom("verse")
    with pytest.raises(VolumeError, match="no lumbar vertebra in the totalseg"):
        lumbar_labels(np.where(mask == 20, 20, 0), AFFINE, "totalseg")
    with pytest.raises(VolumeError, match="Unknown label convention"):
        lumbar_labels(mask, AFFINE, "other")
    with pytest.raises(VolumeError, match="not in order from head to feet"):
        lumbar_labels(mask[:, :, ::-1], AFFINE)
    with pytest.raises(VolumeError, match="L6"):
        lumbar_labels(np.where(mask == 24, 25, mask), AFFINE)
    with pytest.raises(VolumeError, match="fractions"):
        lumbar_labels(mask * 0.7, AFFINE)


# -- attenuation -------------------------------------------------------------------------------------------------------


def test_attenuation_of_air_water_and_bone_are_those_of_the_tables():
    water, bone = water_bone_per_mm(60.0)
    assert (water, bone) == pytest.approx((0.02059, 0.3148 * 1.92 / 10))
    bone_hu = 1000.0 * (np.divide(*water_bone_per_mm(70.0)[::-1]) - 1.0)
    for kev in (50.0, 60.0, 70.0):
        values = attenuation_per_mm([-1000.0, -1200.0, 0.0, bone_hu], kev)
        assert values == pytest.approx([0.0, 0.0, *water_bone_per_mm(kev)], abs=1e-7)
    assert attenuation_per_mm([9000.0]) == attenuation_per_mm([3000.0])
    # At the energy of the CT itself, CT numbers are by definition linear in attenuation.
    hu = np.linspace(-1000, 1500, 20)
    assert attenuation_per_mm(hu) == pytest.approx(water_bone_per_mm(70.0)[0] * (1 + hu / 1000), abs=1e-8)
    with pytest.raises(ValueError, match="energy_kev"):
        attenuation_per_mm(hu, 200.0)


# -- finer voxels ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", (1, 2, 3))
def test_a_refined_ct_covers_the_same_space_with_the_same_values(factor):
    # Linear in place, so that any exact interpolation gives it back.
    index = np.stack(np.meshgrid(*(np.arange(n) for n in (6, 7, 8)), indexing="ij"), axis=-1)
    volume = Volume(transform_points(AFFINE, index) @ (1.0, 2.0, 3.0), AFFINE)
    fine = refine_ct(volume, factor)
    assert fine.data.shape == tuple(factor * n for n in (6, 7, 8))
    assert np.allclose(fine.center_ras_mm, volume.center_ras_mm)
    inner = (slice(factor, -factor),) * 3
    index = np.stack(np.meshgrid(*(np.arange(n) for n in fine.data.shape), indexing="ij"), axis=-1)
    truth = transform_points(fine.ras_from_ijk, index) @ (1.0, 2.0, 3.0)
    assert np.abs(fine.data - truth)[inner].max() < 1e-3


@pytest.mark.parametrize("factor", (2, 3))
def test_refined_masks_keep_volume_and_place_and_come_nearer_to_a_sphere(factor):
    center, radius = np.array([3.2, -1.7, 0.9]), 21.0

    def ball(affine, shape):
        index = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), axis=-1)
        return np.linalg.norm(transform_points(affine, index) - center, axis=-1) < radius

    coarse = Volume(np.where(ball(AFFINE, (40, 40, 40)), 22, 0).astype(np.uint8), AFFINE)
    fine = refine_labels(coarse, [22], factor)
    assert fine.data.dtype == np.uint8 and set(np.unique(fine.data)) == {0, 22}
    volume = (fine.data > 0).sum() / factor**3
    assert volume == pytest.approx((coarse.data > 0).sum(), rel=1e-3)
    middle = transform_points(fine.ras_from_ijk, np.argwhere(fine.data > 0).mean(axis=0))
    assert np.abs(middle - transform_points(AFFINE, np.argwhere(coarse.data > 0).mean(axis=0))).max() < 0.05
    truth = ball(fine.ras_from_ijk, fine.data.shape)
    blocky = np.kron(coarse.data > 0, np.ones((factor,) * 3, bool))
    assert (truth != (fine.data > 0)).sum() < 0.5 * (truth != blocky).sum()


def test_a_plate_one_voxel_thick_survives_refining():
    data = np.zeros((20, 20, 20), np.uint8)
    data[4:16, 4:16, 10] = 22
    fine = refine_labels(Volume(data, AFFINE), [22], 3)
    assert (fine.data[15:45, 15:45] > 0).any(axis=2).all()
    assert (fine.data > 0).sum() == pytest.approx(27 * (data > 0).sum(), rel=0.01)


def test_touching_labels_stay_apart_and_others_are_left_out():
    data = np.zeros((12, 12, 20), np.uint8)
    data[2:10, 2:10, 2:10], data[2:10, 2:10, 10:18], data[0, 0, 0] = 20, 21, 5
    fine = refine_labels(Volume(data, AFFINE), [20, 21], 2)
    assert set(np.unique(fine.data)) == {0, 20, 21}
    assert (fine.data[8:16, 8:16, 6:19] == 20).all() and (fine.data[8:16, 8:16, 21:34] == 21).all()
    with pytest.raises(VolumeError, match="upsample"):
        refine_labels(Volume(data, AFFINE), [20], 9)


# -- films -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ("pinhole", "slot"))
@pytest.mark.parametrize("angle", (75.0, 90.0))
def test_drawn_films_show_each_level_where_the_view_projects_it(model, angle):
    ct, mask = phantom()
    drawn = draw_films(ct, mask, AFFINE, pair(model=model, angle_deg=angle), photons=0)
    for film in drawn.films:
        name = film.view.name
        assert film.pixels.shape == SIZE[::-1] and film.pixels.max() <= 65535
        assert np.array_equal(film.pixels, np.round(film.pixels))
        levels = drawn.level_mm[name]
        assert list(levels) == list(LUMBAR_LEVELS)
        assert np.allclose(sum(levels.values()), drawn.lumbar_mm[name], atol=1e-4)
        for level, image in levels.items():
            rows, columns = np.indices(image.shape)
            middle = np.array([(columns * image).sum(), (rows * image).sum()]) / image.sum()
            truth = transform_points(AFFINE, np.argwhere(mask == level.value).mean(axis=0))
            assert np.abs(middle - film.view.project(truth)).max() < 0.3
        # Bone is bright: the film is larger inside a block than at its own height beside it.
        assert np.corrcoef(film.pixels.ravel(), drawn.attenuation[name].ravel())[0, 1] > 0.5


def test_path_and_attenuation_have_the_values_of_the_phantom():
    ct, mask = phantom()
    drawn = draw_films(ct, mask, AFFINE, pair(), photons=0, blur_mm=0)
    column, row = np.round(drawn.pair.ap.project((12.0, 9.0, 0.0))).astype(int)
    # The block is 8 voxels deep along y, seen nearly along y.
    assert drawn.lumbar_mm["AP"][row, column] == pytest.approx(24.0, rel=0.01)
    water, _ = water_bone_per_mm(70.0)
    chord = integrate_volume((ct > -500).astype(float), np.linalg.inv(AFFINE), drawn.pair.ap)[row, column]
    assert drawn.attenuation["AP"][row, column] == pytest.approx(water * (chord + 0.5 * 24.0), rel=0.01)


def test_noise_follows_seed_and_photon_count():
    ct, mask = phantom()
    same, again, other = (draw_films(ct, mask, AFFINE, pair(), seed=seed).ap.pixels for seed in (1, 1, 2))
    assert np.array_equal(same, again) and not np.array_equal(same, other)
    view, rng = pair().ap, np.random.default_rng(0)
    flat = np.full(view.shape, 3.0)
    spread = []
    for photons in (1e4, 1e6):
        image = expose(flat + np.linspace(0, 1, SIZE[0]), view, rng, photons, blur_mm=0.0, compression=0.0)
        spread.append((image - np.median(image, axis=0)).std())
    assert spread[0] == pytest.approx(10 * spread[1], rel=0.25)


def test_without_noise_and_compression_the_film_is_linear_in_attenuation():
    view = pair().ap
    values = np.linspace(1.0, 6.0, SIZE[0]) * np.ones(view.shape)
    film = expose(values, view, np.random.default_rng(0), photons=0, blur_mm=0, compression=0)
    slope, offset = np.polyfit(values.ravel(), film.ravel(), 1)
    assert slope > 0 and np.abs(film - slope * values - offset).max() < 1.0


def test_a_refined_drawing_agrees_with_the_coarse_one():
    ct, mask = phantom()
    coarse, fine = (draw_films(ct, mask, AFFINE, pair(), upsample=factor, photons=0) for factor in (1, 2))
    for name in ("AP", "lateral"):
        assert fine.lumbar_mm[name].sum() == pytest.approx(coarse.lumbar_mm[name].sum(), rel=0.01)
        assert np.abs(fine.attenuation[name] - coarse.attenuation[name]).mean() < 0.05
    assert fine.mask.data.shape == (80, 80, 80)


def test_a_geometry_that_misses_the_spine_is_refused():
    ct, mask = phantom()
    with pytest.raises(VolumeError, match="No lumbar vertebra of the mask falls on the AP film"):
        draw_films(ct, mask, AFFINE, pair(center_ras_mm=(0.0, 0.0, 900.0)))
    with pytest.raises(VolumeError, match="different grids"):
        draw_films(ct, mask[1:], AFFINE, pair())


def test_a_case_is_drawn_from_files_to_files(tmp_path):
    ct, mask = phantom("totalseg")
    write_volume(tmp_path / "ct.nii.gz", Volume(ct, AFFINE))
    write_volume(tmp_path / "mask.nii.gz", Volume(mask, AFFINE))
    drawn = draw_films_from_files(tmp_path / "ct.nii.gz", tmp_path / "mask.nii.gz", pair(), seed=3)
    (tmp_path / "out").mkdir()
    written = write_drawn_films(drawn, tmp_path / "out", {"seed": 3})
    assert sorted(path.name for path in written) == sorted(path.name for path in (tmp_path / "out").iterdir())
    views = load_geometry(tmp_path / "out" / "geometry.json")
    assert views == drawn.pair
    assert np.array_equal(read_film(tmp_path / "out" / "ap.png", views.ap).pixels, drawn.ap.pixels)
    lumbar = read_lumbar_image(tmp_path / "out" / "lumbar_lateral.nrrd", views.lateral)
    assert np.array_equal(lumbar, drawn.lumbar_mm["lateral"])
    record = json.loads((tmp_path / "out" / "films.json").read_text())
    assert record["sha256"]["ap.png"] == sha256_of(tmp_path / "out" / "ap.png")
    assert record["options"] == {"seed": 3} and record["levels"] == ["L1", "L2", "L3", "L4", "L5"]
    with pytest.raises(StudyError):
        write_drawn_films(drawn, tmp_path / "absent")


def test_a_ct_that_does_not_fit_its_mask_or_is_not_in_hu_is_refused(tmp_path):
    ct, mask = phantom()
    write_volume(tmp_path / "mask.nii.gz", Volume(mask, AFFINE))
    write_volume(tmp_path / "crop.nii.gz", Volume(ct[1:], AFFINE))
    with pytest.raises(VolumeError, match=r"mask\.nii\.gz.*crop\.nii\.gz.*resample the mask"):
        draw_films_from_files(tmp_path / "crop.nii.gz", tmp_path / "mask.nii.gz", pair())
    write_volume(tmp_path / "shifted.nii.gz", Volume(ct + 1000, AFFINE))
    with pytest.raises(VolumeError, match=r"shifted\.nii\.gz.*not a CT in Hounsfield units"):
        draw_films_from_files(tmp_path / "shifted.nii.gz", tmp_path / "mask.nii.gz", pair())


def test_the_real_ct_gives_films_with_all_five_levels(shared_data):
    folder = shared_data / "whole-body-ct"
    views = standard_pair((-4.0, 131.0, 315.0), size_px=((140, 120), (140, 120)), spacing_mm=2.8)
    drawn = draw_films_from_files(folder / "example_ct.nii.gz", folder / "example_ct_totalseg_vertebrae.nii.gz", views)
    assert list(drawn.labels) == list(LUMBAR_LEVELS)
    for name in ("AP", "lateral"):
        assert 50.0 < drawn.lumbar_mm[name].max() < 100.0
        rows = [np.average(np.arange(120), weights=image.sum(axis=1)) for image in drawn.level_mm[name].values()]
        assert np.all(np.diff(rows) > 5.0)
    # Bodies lie in front of the canal: the lateral film has anterior on its left.
    image = drawn.lumbar_mm["lateral"].sum(axis=0)
    assert image.argmax() < np.average(np.arange(140), weights=image)
