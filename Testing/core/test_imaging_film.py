"""Film: crop, resample, polarity; lumbar-only images; volumes."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import LumbarBiplanarLib
from LumbarBiplanarLib.errors import FilmError, GeometryError, StudyError, VolumeError
from LumbarBiplanarLib.geometry import standard_pair
from LumbarBiplanarLib.imaging import (
    Film,
    Polarity,
    Volume,
    is_relative,
    read_lumbar_image,
    read_volume,
    resample_image,
    write_film,
    write_lumbar_image,
    write_volume,
)

VIEW = standard_pair(size_px=((120, 160), (120, 160)), spacing_mm=0.5).lateral


def smooth_film(view=VIEW):
    """A film whose value is a smooth function of the place on the detector, so that any sampling of it is known."""
    return Film(smooth(view), view)


def smooth(view):
    columns, rows = np.meshgrid(np.arange(view.size_px[0]), np.arange(view.size_px[1]))
    place = view.detector_points_ras_mm(np.stack([columns, rows], axis=-1))
    return 100.0 + 10.0 * np.sin(place[..., 1] / 12.0) + 10.0 * np.cos(place[..., 2] / 15.0)


@pytest.mark.parametrize("spacing", (0.25, 0.7, 1.0, (0.4, 1.1)))
def test_a_resampled_film_shows_the_same_place_at_the_same_place(spacing):
    film = smooth_film().resampled(spacing)
    inner = (slice(4, -4), slice(4, -4))
    assert np.abs(film.pixels - smooth(film.view))[inner].max() < 0.05


def test_a_cropped_film_keeps_its_pixels_and_may_not_leave_the_film():
    film = smooth_film()
    window = film.cropped(10, 20, 30, 40)
    assert np.array_equal(window.pixels, film.pixels[20:60, 10:40])
    assert np.allclose(window.pixels, smooth(window.view), atol=1e-4)
    for bad in ((-1, 0, 5, 5), (0, 0, 121, 5), (0, 150, 5, 11), (0, 0, 0, 5)):
        with pytest.raises(FilmError, match="leaves the lateral film"):
            film.cropped(*bad)


def test_coarse_pixels_average_what_they_cover():
    image = np.random.default_rng(0).normal(size=(160, 120))
    coarse = resample_image(image, VIEW, VIEW.resized(0.25))
    assert coarse.std() < 0.35 * image.std()
    assert coarse.mean() == pytest.approx(image.mean(), abs=0.01)


def test_an_image_is_resampled_beyond_its_edge_with_the_value_asked_for():
    image = np.ones((160, 120))
    target = VIEW.cropped(-20, 0, 120, 160)
    assert np.allclose(resample_image(image, VIEW, target), 1.0)
    filled = resample_image(np.stack([image, 2 * image]), VIEW, target, outside=0.0)
    assert filled.shape == (2, 160, 120)
    assert np.all(filled[:, :, :20] == 0.0) and np.all(filled[1, :, 20:] == 2.0)


def test_an_image_is_not_resampled_to_another_projection():
    with pytest.raises(GeometryError, match="projections differ"):
        resample_image(np.ones((160, 120)), VIEW, standard_pair().ap)
    with pytest.raises(GeometryError, match="height, width"):
        resample_image(np.ones((120, 160)), VIEW, VIEW.resized(0.5))


def test_a_film_must_be_finite_not_constant_and_of_the_size_of_its_view():
    good = np.arange(160.0 * 120).reshape(160, 120)
    assert Film(good, VIEW, Polarity.BONE_DARK).bone_bright()[0, 0] == good.max()
    with pytest.raises(FilmError, match="NaN"):
        Film(np.where(good == 5, np.nan, good), VIEW)
    with pytest.raises(FilmError, match="every pixel is 3"):
        Film(np.full((160, 120), 3), VIEW)
    with pytest.raises(FilmError, match="rows and columns"):
        Film(good[None], VIEW)
    with pytest.raises(GeometryError, match="100 x 160.*120 x 160"):
        Film(good[:, :100], VIEW)
    with pytest.raises(dataclasses.FrozenInstanceError):
        Film(good, VIEW).pixels = good


@pytest.mark.parametrize("suffix", (".nrrd", ".mha"))
def test_a_lumbar_image_comes_back_in_mm(tmp_path, suffix):
    mm = np.random.default_rng(0).uniform(0, 80, (160, 120)).astype(np.float32)
    path = tmp_path / f"lumbar{suffix}"
    write_lumbar_image(path, mm)
    assert np.array_equal(read_lumbar_image(path, VIEW), mm) and not is_relative(path)
    assert [item.name for item in tmp_path.iterdir()] == [path.name]


def test_a_lumbar_image_in_another_unit_is_refused(tmp_path):
    mm = np.zeros(VIEW.shape, dtype=np.float32)
    mm[3:6, 2:5] = 60.0
    write_lumbar_image(tmp_path / "lumbar.nrrd", 1000.0 * mm)
    with pytest.raises(FilmError, match=r"lumbar\.nrrd: the longest path.*60000 mm.*Give.*in mm of bone"):
        read_lumbar_image(tmp_path / "lumbar.nrrd", VIEW)


def test_a_lumbar_image_of_whole_numbers_is_relative(tmp_path):
    values = np.random.default_rng(0).integers(0, 4000, (160, 120))
    write_film(tmp_path / "lumbar.png", values)
    assert is_relative(tmp_path / "lumbar.png")
    assert np.allclose(read_lumbar_image(tmp_path / "lumbar.png", VIEW), values * (80.0 / values.max()))


def test_a_lumbar_image_without_bone_or_of_another_size_is_refused(tmp_path):
    mm = np.random.default_rng(0).uniform(0, 80, (160, 120))
    with pytest.raises(FilmError, match="holds no bone"):
        write_lumbar_image(tmp_path / "a.nrrd", mm * 0)
    with pytest.raises(FilmError, match="negative"):
        write_lumbar_image(tmp_path / "a.nrrd", mm - 1)
    with pytest.raises(FilmError, match=r"\.nrrd or \.mha"):
        write_lumbar_image(tmp_path / "a.png", mm)
    with pytest.raises(StudyError):
        write_lumbar_image(tmp_path / "absent" / "a.nrrd", mm)
    write_lumbar_image(tmp_path / "a.nrrd", mm[:100])
    with pytest.raises(GeometryError, match=r"lumbar-only image has 120 x 100.*film has 120 x 160.*this film"):
        read_lumbar_image(tmp_path / "a.nrrd", VIEW)


def test_a_volume_is_read_in_ras_and_written_back(tmp_path):
    import SimpleITK

    data = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    image = SimpleITK.GetImageFromArray(data.transpose(2, 1, 0))
    image.SetSpacing((1.0, 2.0, 3.0))
    image.SetOrigin((10.0, 20.0, 30.0))
    SimpleITK.WriteImage(image, str(tmp_path / "lps.nrrd"))
    volume = read_volume(tmp_path / "lps.nrrd")
    assert np.array_equal(volume.data, data) and volume.data.dtype == np.int16
    assert np.allclose(volume.ras_from_ijk @ (1, 1, 1, 1), (-11.0, -22.0, 33.0, 1))
    assert volume.spacing_mm == pytest.approx((1, 2, 3))
    for suffix in (".nrrd", ".nii.gz", ".mha"):
        write_volume(tmp_path / f"again{suffix}", volume)
        again = read_volume(tmp_path / f"again{suffix}")
        assert np.array_equal(again.data, data) and np.allclose(again.ras_from_ijk, volume.ras_from_ijk, atol=1e-5)


def test_what_is_no_volume_is_refused(tmp_path):
    import SimpleITK

    with pytest.raises(VolumeError, match="no such volume"):
        read_volume(tmp_path / "absent.nii.gz")
    (tmp_path / "text.nii.gz").write_text("no volume")
    with pytest.raises(VolumeError, match=r"text\.nii\.gz"):
        read_volume(tmp_path / "text.nii.gz")
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(np.ones((4, 5))), str(tmp_path / "flat.nrrd"))
    with pytest.raises(VolumeError, match="2 axes"):
        read_volume(tmp_path / "flat.nrrd")
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(np.full((4, 5, 6), np.nan)), str(tmp_path / "nan.nrrd"))
    with pytest.raises(VolumeError, match="120 voxels are NaN"):
        read_volume(tmp_path / "nan.nrrd")
    with pytest.raises(VolumeError, match="invertible"):
        Volume(np.ones((2, 2, 2)), np.zeros((4, 4)))


FULL_DISK = """
import resource, sys
import numpy as np
from LumbarBiplanarLib.errors import StudyError
from LumbarBiplanarLib.imaging import Volume, write_film, write_lumbar_image, write_volume
values = np.random.default_rng(0).uniform(0, 80, (300, 300))
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
folder = sys.argv[1]
for write in (
    lambda: write_lumbar_image(folder + "/a.nrrd", values),
    lambda: write_lumbar_image(folder + "/a.mha", values),
    lambda: write_film(folder + "/a.png", values * 100),
    lambda: write_volume(folder + "/a.nii.gz", Volume(values[None], np.eye(4))),
):
    try:
        write()
    except StudyError as error:
        print("refused:", error)
"""


def test_a_full_disk_is_said_and_leaves_no_half_written_file(tmp_path):
    pytest.importorskip("resource", reason="file size limits need a Unix system")
    library = str(Path(LumbarBiplanarLib.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": library}
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert result.stdout.count("refused:") == 4 and result.stdout.count("cannot be written") == 4
    assert list(tmp_path.iterdir()) == []
