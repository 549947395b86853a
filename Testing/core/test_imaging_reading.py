"""Reading films of every kind, and refusing what is none."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from PIL import Image

from LumbarBiplanarLib.errors import FilmError, GeometryError
from LumbarBiplanarLib.files import sha256_of
from LumbarBiplanarLib.geometry import standard_pair
from LumbarBiplanarLib.imaging import Polarity, SpacingPlane, detector_spacing, film_spacing, read_film, write_film

SIZE = (24, 32)
VIEW = standard_pair(size_px=(SIZE, SIZE), spacing_mm=0.4).ap


def pixels(kind=np.uint16):
    top = 60000 if kind == np.uint16 else 250
    return np.random.default_rng(0).integers(3, top, SIZE[::-1]).astype(kind)


@pytest.mark.parametrize("suffix", (".png", ".tif", ".tiff", ".nrrd", ".mha", ".nii.gz"))
@pytest.mark.parametrize("kind", (np.uint8, np.uint16))
def test_eight_and_sixteen_bit_films_keep_every_value(tmp_path, suffix, kind):
    path = tmp_path / f"film{suffix}"
    values = pixels(kind)
    if suffix in (".png", ".tif", ".tiff"):
        Image.fromarray(values).save(path)
    else:
        import SimpleITK

        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(values), str(path))
    film = read_film(path, VIEW)
    assert np.array_equal(film.pixels, values)
    assert film.pixels.dtype == np.float32 and not film.pixels.flags.writeable
    assert film.bits == 8 * values.itemsize
    assert film.polarity is Polarity.BONE_BRIGHT
    assert film.sha256 == sha256_of(path) and film.path == path and film.notes == ()


def test_write_film_gives_a_sixteen_bit_png_that_reads_back(tmp_path):
    write_film(tmp_path / "film.png", pixels())
    assert np.array_equal(read_film(tmp_path / "film.png", VIEW).pixels, pixels())
    for bad, message in ((pixels() * 0 + 7, "every pixel is 7"), (pixels().astype(float) - 100, "do not fit 16 bits")):
        with pytest.raises(FilmError, match=message):
            write_film(tmp_path / "bad.png", bad)
    with pytest.raises(FilmError, match=r"\.png"):
        write_film(tmp_path / "bad.jpg", pixels())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["film.png"]


def test_a_slice_of_a_volume_file_is_a_film_but_a_volume_is_not(tmp_path):
    import SimpleITK

    values = pixels()
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(values[None]), str(tmp_path / "slice.nrrd"))
    assert np.array_equal(read_film(tmp_path / "slice.nrrd", VIEW).pixels, values)
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(np.stack([values] * 3)), str(tmp_path / "volume.nrrd"))
    with pytest.raises(FilmError, match=r"volume\.nrrd.*24 x 32 x 3"):
        read_film(tmp_path / "volume.nrrd", VIEW)


@pytest.mark.parametrize("mode", ("RGB", "RGBA", "LA"))
def test_color_is_turned_to_gray_with_a_note(tmp_path, mode):
    Image.fromarray(pixels(np.uint8)).convert(mode).save(tmp_path / "film.png")
    film = read_film(tmp_path / "film.png", VIEW)
    assert np.array_equal(film.pixels, pixels(np.uint8))
    kind = "gray" if mode == "LA" else "color"
    assert any(f"a {kind} image ({mode}) with equal channels" in note for note in film.notes)


def test_a_film_of_one_bit_is_said_to_have_no_gray(tmp_path):
    Image.fromarray(pixels(np.uint8)).convert("1").save(tmp_path / "film.png")
    (note,) = read_film(tmp_path / "film.png", VIEW).notes
    assert "black and white only" in note and "8 or 16 bits" in note
    colored = np.stack([pixels(np.uint8), 255 - pixels(np.uint8), pixels(np.uint8)], axis=-1)
    Image.fromarray(colored).save(tmp_path / "red.png")
    assert any("colored marks" in note for note in read_film(tmp_path / "red.png", VIEW).notes)


def test_a_tiff_that_stores_white_as_zero_has_dark_bone_when_read(tmp_path):
    path = tmp_path / "film.tif"
    Image.fromarray(pixels()).save(path, tiffinfo={262: 0})
    film = read_film(path, VIEW)
    assert np.array_equal(film.pixels, pixels()) and film.polarity is Polarity.BONE_DARK
    assert np.array_equal(film.bone_bright(), film.pixels.max() + film.pixels.min() - film.pixels)


def test_the_polarity_asked_for_is_used(tmp_path):
    Image.fromarray(pixels()).save(tmp_path / "film.png")
    film = read_film(tmp_path / "film.png", VIEW, Polarity.BONE_DARK)
    assert film.polarity is Polarity.BONE_DARK
    assert film.bone_bright().argmax() == film.pixels.argmin()


def test_a_film_of_another_size_is_refused_with_both_sizes(tmp_path):
    Image.fromarray(pixels().T.copy()).save(tmp_path / "film.png")
    with pytest.raises(GeometryError, match=r"film\.png.*32 x 24 pixels.*24 x 32.*turned") as caught:
        read_film(tmp_path / "film.png", VIEW)
    assert "size_px" in str(caught.value)


def broken_films(folder):
    good = folder / "good.png"
    Image.fromarray(pixels()).save(good)
    (folder / "empty.png").write_bytes(b"")
    (folder / "truncated.png").write_bytes(good.read_bytes()[: good.stat().st_size // 2])
    (folder / "text.png").write_text("not an image")
    (folder / "truncated.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\2\0\1")
    (folder / "bad.nrrd").write_text("NRRD0005\nnonsense")
    Image.fromarray(np.full(SIZE[::-1], 9, np.uint16)).save(folder / "constant.png")
    nan = pixels().astype(np.float32)
    nan[3, 4] = np.nan
    Image.fromarray(nan).save(folder / "nan.tif")
    frames = [Image.fromarray(pixels(np.uint8) // n) for n in (1, 2)]
    frames[0].save(folder / "two.tif", save_all=True, append_images=frames[1:])
    (folder / "folder").mkdir()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent.png", "no such film"),
        ("folder", "folder; choose the one file"),
        ("empty.png", "0 bytes"),
        ("truncated.png", "damaged or truncated"),
        ("text.png", "export it as PNG"),
        ("truncated.dcm", "damaged|no image"),
        ("bad.nrrd", "damaged"),
        ("constant.png", "every pixel is 9"),
        ("nan.tif", "1 of 768 pixels are NaN"),
        ("two.tif", "2 images"),
    ],
)
def test_what_is_no_film_is_refused_with_file_and_remedy(tmp_path, name, message):
    broken_films(tmp_path)
    with pytest.raises(FilmError, match=message) as caught:
        read_film(tmp_path / name, VIEW)
    assert str(tmp_path / name) in str(caught.value)


def test_values_beyond_single_precision_are_refused_without_a_word_of_numpy(tmp_path, recwarn):
    import SimpleITK

    image = SimpleITK.GetImageFromArray(pixels().astype(np.float64) * 1e300)
    SimpleITK.WriteImage(image, str(tmp_path / "film.nrrd"))
    with pytest.raises(FilmError, match=r"film\.nrrd: .* are NaN, infinite or above 3\.4e38; export"):
        read_film(tmp_path / "film.nrrd", VIEW)
    assert len(recwarn) == 0


@pytest.mark.parametrize(("limit", "said"), [(500, None), (300, r"no film is that large .*; export it with fewer")])
def test_pillow_prints_nothing_of_large_films_and_too_large_ones_are_named(tmp_path, monkeypatch, recwarn, limit, said):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)  # Pillow warns above it and refuses twice as much
    Image.fromarray(pixels()).save(tmp_path / "film.png")
    if said is None:
        assert np.array_equal(read_film(tmp_path / "film.png", VIEW).pixels, pixels())
    else:
        with pytest.raises(FilmError, match=rf"film\.png: {said}"):
            read_film(tmp_path / "film.png", VIEW)
    assert len(recwarn) == 0


def test_a_resolution_that_contradicts_the_geometry_is_noted_and_screens_are_not(tmp_path):
    path = tmp_path / "film.png"
    Image.fromarray(pixels()).save(path, dpi=(25.4 / 0.2, 25.4 / 0.2))
    assert film_spacing(path).spacing_mm == pytest.approx((0.2, 0.2), rel=1e-3)
    assert any("0.2 x 0.2 mm" in note for note in read_film(path, VIEW).notes)
    with pytest.raises(FilmError, match=r"unknown plane.*give the detector pitch"):
        detector_spacing(path)
    for dpi in (25.4 / 0.4, 72, 96):
        Image.fromarray(pixels()).save(path, dpi=(dpi, dpi))
        assert read_film(path, VIEW).notes == ()
    assert film_spacing(path).plane is SpacingPlane.NONE
    with pytest.raises(FilmError, match="no pixel spacing"):
        detector_spacing(path)


def test_a_film_is_read_whatever_its_name(tmp_path):
    Image.fromarray(pixels()).save(tmp_path / "film.png")
    path = tmp_path / "röntgen ap"
    shutil.copy(tmp_path / "film.png", path)
    assert np.array_equal(read_film(path, VIEW).pixels, pixels())
