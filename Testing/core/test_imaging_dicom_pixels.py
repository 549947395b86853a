"""DICOM files whose pixels are not what their header says, and files that are no films."""

from __future__ import annotations

import numpy as np
import pytest

from LumbarBiplanarLib.errors import FilmError
from LumbarBiplanarLib.imaging import read_film
from test_imaging_dicom import PAIR, VALUES, write_dicom

pydicom = pytest.importorskip("pydicom")


def add_raw(path, tag, vr, value):
    """Append an element with any text as its value, also one that the standard forbids."""
    from pydicom.dataelem import RawDataElement
    from pydicom.tag import Tag

    dataset = pydicom.dcmread(path)
    data = value.encode() + b" " * (len(value) % 2)
    dataset._dict[Tag(tag)] = RawDataElement(Tag(tag), vr, len(data), data, 0, False, True)
    dataset.save_as(path)
    return path


def test_values_in_the_upper_bits_are_read(tmp_path):
    path = write_dicom(tmp_path / "film.dcm", VALUES << 4, HighBit=15)
    film = read_film(path, PAIR.ap)
    assert np.array_equal(film.pixels, VALUES) and film.bits == 12 and film.notes == ()


def test_values_above_the_bits_stored_are_told(tmp_path):
    film = read_film(write_dicom(tmp_path / "film.dcm", VALUES << 3), PAIR.ap)
    assert "more than the 12 bits" in " ".join(film.notes)


def test_an_overlay_in_the_upper_bits_is_left_out_without_a_word(tmp_path):
    values = VALUES.copy()
    values[5:8, 5:8] |= 0x8000
    path = write_dicom(tmp_path / "film.dcm", values)
    dataset = pydicom.dcmread(path)
    dataset.add_new((0x6000, 0x0102), "US", 15)
    dataset.save_as(path)
    film = read_film(path, PAIR.ap)
    assert np.array_equal(film.pixels, VALUES) and film.notes == ()


@pytest.mark.filterwarnings("ignore:The pixel data is")
def test_more_pixels_than_rows_and_columns_say_are_told(tmp_path):
    values = np.vstack([VALUES, VALUES[:2]])
    film = read_film(write_dicom(tmp_path / "film.dcm", values, Rows=VALUES.shape[0]), PAIR.ap)
    assert "96 bytes more than Rows (32) times Columns (24)" in " ".join(film.notes)
    film = read_film(write_dicom(tmp_path / "film.dcm", PixelData=VALUES.tobytes() + b"\0\0"), PAIR.ap)
    assert film.notes == ()


def test_numbers_of_colors_are_no_gray(tmp_path):
    path = write_dicom(tmp_path / "film.dcm", PhotometricInterpretation="PALETTE COLOR")
    with pytest.raises(FilmError, match=r"film\.dcm: PALETTE COLOR.*MONOCHROME2"):
        read_film(path, PAIR.ap)


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"Modality": "CT"}, "a CT slice"),
        ({"Modality": "US"}, "an ultrasound image"),
        ({"Modality": "MR"}, "Modality MR"),
        ({"PixelData": b""}, "Pixel Data is empty"),
        ({"DirectoryRecordSequence": []}, "a DICOMDIR"),
    ],
)
def test_what_is_no_film_is_named(tmp_path, tags, message):
    with pytest.raises(FilmError, match=rf"film\.dcm.*{message}.*(choose|export)"):
        read_film(write_dicom(tmp_path / "film.dcm", **tags), PAIR.ap)


def test_the_overview_image_of_a_ct_is_read_with_a_note(tmp_path):
    path = write_dicom(tmp_path / "film.dcm", Modality="CT", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    assert "overview image" in " ".join(read_film(path, PAIR.ap).notes)


@pytest.mark.filterwarnings("ignore:Invalid value for VR IS", "ignore:A value of")
@pytest.mark.parametrize("frames", ("abc", "1.0", ""))
def test_a_number_of_frames_that_is_none_is_met(tmp_path, frames):
    path = add_raw(write_dicom(tmp_path / "film.dcm"), 0x00280008, "IS", frames)
    try:
        assert np.array_equal(read_film(path, PAIR.ap).pixels, VALUES)
    except FilmError as error:
        assert "film.dcm" in str(error)


@pytest.mark.parametrize("syntax", ("1.2.840.113619.5.2.9", "1.2.840.10008.1.2\\1.2.840.10008.1.2.1", "hello"))
@pytest.mark.filterwarnings("ignore:Invalid value for VR UI", "ignore:A value of type")
def test_a_transfer_syntax_that_nobody_knows_is_named(tmp_path, syntax):
    path = write_dicom(tmp_path / "film.dcm")
    known = b"1.2.840.10008.1.2.1\0"
    place = path.read_bytes().index(b"\x02\x00\x10\x00UI") + 8
    data = syntax.encode()[: len(known)].ljust(len(known), b"\0")
    path.write_bytes(path.read_bytes()[:place] + data + path.read_bytes()[place + len(known) :])
    with pytest.raises(FilmError, match=r"film\.dcm.*export"):
        read_film(path, PAIR.ap)


@pytest.mark.parametrize(
    "tag", ((0x0028, 0x0004), (0x0008, 0x0060), (0x0028, 0x0102), (0x7FE0, 0x0010), (0x0018, 0x5101))
)
def test_an_entry_of_an_unknown_type_is_named(tmp_path, tag):
    path = write_dicom(tmp_path / "film.dcm", ViewPosition="AP")
    data = bytearray(path.read_bytes())
    place = data.index(bytes((tag[0] & 255, tag[0] >> 8, tag[1] & 255, tag[1] >> 8)), 132)
    data[place + 5] = ord("?")
    path.write_bytes(bytes(data))
    with pytest.raises(FilmError, match=r"film\.dcm.*damaged.*export"):
        read_film(path, PAIR.ap)


def test_a_damaged_lookup_table_keeps_no_film_from_being_read(tmp_path):
    from pydicom.dataelem import RawDataElement
    from pydicom.tag import Tag

    path, tag = write_dicom(tmp_path / "film.dcm"), Tag(0x0028, 0x3010)
    dataset = pydicom.dcmread(path)
    dataset._dict[tag] = RawDataElement(tag, "UN", 10, bytes(10), 0, False, True)
    dataset.save_as(path)
    assert np.array_equal(read_film(path, PAIR.ap).pixels, VALUES)


@pytest.mark.parametrize("start", (128 + 4, 128 + 4 + 12))
def test_dicom_without_the_head_of_a_file_is_told(tmp_path, start):
    path = write_dicom(tmp_path / "film.dcm")
    path.write_bytes(path.read_bytes()[start:])
    with pytest.raises(FilmError, match=r"film\.dcm.*132 bytes.*[Ee]xport"):
        read_film(path, PAIR.ap)
