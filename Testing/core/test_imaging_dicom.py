"""DICOM films: polarity, spacing and its plane, orientation, and what is refused."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from LumbarBiplanarLib.errors import FilmError
from LumbarBiplanarLib.geometry import standard_pair
from LumbarBiplanarLib.geometry.sides import with_source_side
from LumbarBiplanarLib.imaging import Polarity, SpacingPlane, detector_spacing, film_facts, film_spacing, read_film

pydicom = pytest.importorskip("pydicom")

SIZE = (24, 32)
PAIR = standard_pair(size_px=(SIZE, SIZE), spacing_mm=0.4)
VALUES = np.random.default_rng(0).integers(3, 4000, SIZE[::-1]).astype(np.uint16)


def write_dicom(path, values=VALUES, **tags):
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset = Dataset()
    dataset.file_meta = meta
    dataset.SOPClassUID, dataset.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    dataset.Modality = "DX"
    dataset.Rows, dataset.Columns = values.shape[-2:]
    dataset.SamplesPerPixel, dataset.PixelRepresentation = 1, 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.PixelData = values.tobytes()
    for key, value in tags.items():
        setattr(dataset, key, value)
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)
    return path


@pytest.mark.parametrize(
    ("tags", "polarity"),
    [
        ({}, Polarity.BONE_BRIGHT),
        ({"PhotometricInterpretation": "MONOCHROME1"}, Polarity.BONE_DARK),
        ({"PixelIntensityRelationshipSign": 1}, Polarity.BONE_DARK),
        ({"PixelIntensityRelationshipSign": -1, "PhotometricInterpretation": "MONOCHROME1"}, Polarity.BONE_BRIGHT),
        ({"PixelIntensityRelationshipSign": 1, "RescaleSlope": -1, "RescaleIntercept": 5000}, Polarity.BONE_BRIGHT),
        ({"Modality": "XA"}, Polarity.BONE_DARK),
    ],
)
def test_the_file_says_whether_bone_is_bright(tmp_path, tags, polarity):
    film = read_film(write_dicom(tmp_path / "film", **tags), PAIR.ap)
    assert film.polarity is polarity
    assert film.bits == 12


def test_values_are_rescaled_and_the_window_is_ignored(tmp_path):
    path = write_dicom(tmp_path / "film.dcm", RescaleSlope=0.5, RescaleIntercept=-10, WindowCenter=100, WindowWidth=10)
    assert np.allclose(read_film(path, PAIR.ap).pixels, VALUES * 0.5 - 10)
    with pytest.raises(FilmError, match=r"film\.dcm: Rescale Slope \(0028,1053\) is 0"):
        read_film(write_dicom(path, RescaleSlope=0, RescaleIntercept=-10), PAIR.ap)


@pytest.mark.parametrize(
    ("tags", "spacing", "plane"),
    [
        ({}, None, SpacingPlane.NONE),
        ({"ImagerPixelSpacing": [0.3, 0.4]}, (0.4, 0.3), SpacingPlane.DETECTOR),
        ({"ImagerPixelSpacing": [0.4, 0.4], "PixelSpacing": [0.3, 0.3]}, (0.4, 0.4), SpacingPlane.DETECTOR),
        ({"PixelSpacing": [0.3, 0.3]}, (0.3, 0.3), SpacingPlane.UNKNOWN),
        ({"PixelSpacing": [0.3, 0.3], "PixelSpacingCalibrationType": "FIDUCIAL"}, (0.3, 0.3), SpacingPlane.OBJECT),
        ({"NominalScannedPixelSpacing": [0.2, 0.2]}, (0.2, 0.2), SpacingPlane.DETECTOR),
        ({"ImagerPixelSpacing": [0, 0]}, None, SpacingPlane.NONE),
    ],
)
def test_the_plane_of_a_spacing_is_told(tmp_path, tags, spacing, plane):
    stated = film_spacing(write_dicom(tmp_path / "film.dcm", **tags))
    assert stated.spacing_mm == spacing and stated.plane is plane


def test_only_a_detector_spacing_is_taken_for_one(tmp_path):
    assert detector_spacing(write_dicom(tmp_path / "a.dcm", ImagerPixelSpacing=[0.3, 0.4])) == (0.4, 0.3)
    with pytest.raises(FilmError, match=r"b\.dcm.*no pixel spacing"):
        detector_spacing(write_dicom(tmp_path / "b.dcm"))
    with pytest.raises(FilmError, match="object plane"):
        detector_spacing(
            write_dicom(tmp_path / "c.dcm", PixelSpacing=[0.3, 0.3], PixelSpacingCalibrationType="GEOMETRY")
        )


@pytest.mark.parametrize(
    ("tags", "note"),
    [
        ({"ImagerPixelSpacing": [0.4, 0.403]}, None),
        ({"ImagerPixelSpacing": [0.4, 0.41]}, "0.41 x 0.4 mm"),
        ({"PixelSpacing": [0.33, 0.33], "PixelSpacingCalibrationType": "FIDUCIAL"}, None),
        ({"PixelSpacing": [0.5, 0.5], "PixelSpacingCalibrationType": "FIDUCIAL"}, "object plane"),
        ({"DistanceSourceToDetector": 1500}, "1500 mm, the geometry has 1100 mm"),
        ({"DistanceSourceToDetector": 1105}, None),
        ({"PatientOrientation": ["L", "F"]}, None),
        ({"PatientOrientation": ["R", "F"]}, "mirrored"),
        ({"ViewPosition": "AP"}, None),
        ({"ViewPosition": "PA"}, "the source at the patient's front"),
        ({"ViewPosition": "LL"}, "swapped"),
    ],
)
def test_a_contradiction_between_file_and_geometry_becomes_a_note(tmp_path, tags, note):
    film = read_film(write_dicom(tmp_path / "film.dcm", **tags), PAIR.ap)
    assert film.notes == () if note is None else note in " ".join(film.notes)


@pytest.mark.parametrize("position", ("LATERAL", "L LAT", "RLAT", "LEFT_LATERAL", "LL\\AP"))
def test_lateral_films_are_known_by_other_words_too(tmp_path, position):
    assert "may be swapped" in " ".join(read_film(write_dicom(tmp_path / "a", ViewPosition=position), PAIR.ap).notes)
    notes = read_film(write_dicom(tmp_path / "b", ViewPosition=position), PAIR.lateral).notes
    assert not any("used as" in note for note in notes)


def test_the_code_of_the_view_stands_in_for_its_position(tmp_path):
    code = pydicom.Dataset()
    code.CodeMeaning = "postero-anterior"
    path = write_dicom(tmp_path / "film.dcm", ViewPosition="", ViewCodeSequence=[code])
    assert film_facts(path).projection == "PA"
    assert "PA, but it is used as the lateral film" in " ".join(read_film(path, PAIR.lateral).notes)


def test_an_oblique_film_is_told_unless_the_geometry_says_so(tmp_path):
    path = write_dicom(tmp_path / "film.dcm", ViewPosition="LLO")
    assert "oblique" in " ".join(read_film(path, PAIR.ap).notes)
    oblique = standard_pair(size_px=(SIZE, SIZE), spacing_mm=0.4, angle_deg=45.0).lateral
    assert read_film(path, oblique).notes == ()


def test_a_contradiction_in_distance_does_not_hide_that_in_spacing(tmp_path):
    path = write_dicom(tmp_path / "film.dcm", DistanceSourceToDetector=1500, ImagerPixelSpacing=[0.5, 0.5])
    said = " ".join(read_film(path, PAIR.ap).notes)
    assert "1500 mm, the geometry has 1100 mm" in said and "0.5 x 0.5 mm per pixel" in said


def test_the_lateral_film_expects_posterior_to_the_right(tmp_path):
    path = write_dicom(tmp_path / "film.dcm", PatientOrientation=["P", "F"], ViewPosition="RL")
    assert read_film(path, PAIR.lateral).notes == ()
    left_lateral = write_dicom(path, PatientOrientation=["P", "F"], ViewPosition="LL")
    assert "the source at the patient's left" in read_film(left_lateral, PAIR.lateral).notes[0]
    assert read_film(left_lateral, with_source_side(PAIR.lateral, "right", np.zeros(3))).notes == ()
    assert read_film(write_dicom(path, PatientOrientation=["A", "F"]), PAIR.lateral).notes


@pytest.mark.parametrize("photometric", ("MONOCHROME1", "MONOCHROME2"))
def test_padding_gets_the_value_of_least_bone(tmp_path, photometric):
    values = VALUES.copy()
    values[:4] = 4095
    path = write_dicom(tmp_path / "film.dcm", values, PhotometricInterpretation=photometric, PixelPaddingValue=4095)
    film = read_film(path, PAIR.ap)
    assert film.bone_bright()[0, 0] == film.bone_bright().min()
    assert film.pixels.max() == VALUES[4:].max()
    assert "96 padding pixels" in film.notes[0]


@pytest.mark.parametrize("empty", ("PixelPaddingValue", "PixelPaddingRangeLimit"))
def test_a_padding_value_without_a_value_is_none(tmp_path, empty):
    path = write_dicom(tmp_path / "film.dcm", VALUES, PixelPaddingValue=4095)
    dataset = pydicom.dcmread(path)
    dataset.add_new(empty, "US", None)
    dataset.save_as(path)
    assert np.array_equal(read_film(path, PAIR.ap).pixels, VALUES)


def test_a_film_that_does_not_say_how_it_is_stored_is_refused_or_read(tmp_path):
    path = write_dicom(tmp_path / "film.dcm", VALUES)
    dataset = pydicom.dcmread(path)
    del dataset.file_meta.TransferSyntaxUID
    pydicom.dcmwrite(path, dataset, implicit_vr=False, little_endian=True, enforce_file_format=False)
    with pytest.raises(FilmError, match=r"film\.dcm.*cannot be decoded"):
        read_film(path, PAIR.ap)


@pytest.mark.parametrize("compressor", ("JPEG", "JPEG2000"))
@pytest.mark.parametrize("photometric", ("MONOCHROME1", "MONOCHROME2"))
def test_losslessly_compressed_films_keep_every_stored_value(tmp_path, compressor, photometric):
    import SimpleITK

    writer = SimpleITK.ImageFileWriter()
    writer.SetFileName(str(tmp_path / "film.dcm"))
    writer.SetUseCompression(True)
    writer.SetCompressor(compressor)
    writer.Execute(SimpleITK.GetImageFromArray(VALUES[None]))
    dataset = pydicom.dcmread(tmp_path / "film.dcm")
    assert dataset.file_meta.TransferSyntaxUID.is_compressed
    dataset.PhotometricInterpretation = photometric
    dataset.RescaleSlope, dataset.RescaleIntercept = 2, 5
    dataset.save_as(tmp_path / "film.dcm")
    film = read_film(tmp_path / "film.dcm", PAIR.ap)
    assert np.array_equal(film.pixels, 2.0 * VALUES + 5)
    assert film.polarity is (Polarity.BONE_DARK if photometric == "MONOCHROME1" else Polarity.BONE_BRIGHT)


def test_a_header_against_the_standard_is_no_matter_for_standard_error(tmp_path, recwarn):
    dataset = pydicom.dcmread(write_dicom(tmp_path / "film.dcm"))
    dataset.add_new("SpecificCharacterSet", "CS", "ISO_IR 999")
    dataset.add_new("PatientName", "PN", b"M\xc3ller")
    dataset.PixelData += bytes(6)
    dataset.save_as(tmp_path / "film.dcm")
    recwarn.clear()
    film = read_film(tmp_path / "film.dcm", PAIR.ap)
    film_facts(tmp_path / "film.dcm")
    assert np.array_equal(film.pixels, VALUES) and film.notes == ()
    assert [str(item.message) for item in recwarn] == []


def test_what_a_decoder_says_of_the_pixels_becomes_a_note(tmp_path, monkeypatch, recwarn):
    def pixels(dataset):
        for text in ("The codestream is odd.", "The codestream is odd.", "6 bytes of excess padding to be removed"):
            warnings.warn(text, stacklevel=2)
        return VALUES

    path = write_dicom(tmp_path / "film.dcm")
    monkeypatch.setattr(pydicom.Dataset, "pixel_array", property(pixels))
    note = "The decoder of the pixels says: The codestream is odd. Look at the film, or export it again."
    assert read_film(path, PAIR.ap).notes == (note,)
    assert len(recwarn) == 0


def test_several_frames_no_pixels_and_cut_off_pixels_are_refused(tmp_path):
    path = write_dicom(tmp_path / "frames.dcm", np.stack([VALUES] * 3), NumberOfFrames=3)
    with pytest.raises(FilmError, match=r"frames\.dcm.*3 frames"):
        read_film(path, PAIR.ap)
    dataset = pydicom.dcmread(write_dicom(tmp_path / "none.dcm"))
    del dataset.PixelData
    dataset.save_as(tmp_path / "none.dcm")
    with pytest.raises(FilmError, match="holds no image"):
        read_film(tmp_path / "none.dcm", PAIR.ap)
    whole = write_dicom(tmp_path / "cut.dcm")
    whole.write_bytes(whole.read_bytes()[:-500])
    with pytest.raises(FilmError, match=r"cut\.dcm"):
        read_film(whole, PAIR.ap)


def lookup_table(values):
    table = pydicom.Dataset()
    table.add_new("LUTDescriptor", "US", [len(values), 0, 16])
    table.add_new("LUTData", "OW", np.asarray(values, np.uint16).tobytes())
    return [table]


@pytest.mark.parametrize("keyword", ("VOILUTSequence", "ModalityLUTSequence"))
@pytest.mark.parametrize("photometric", ("MONOCHROME1", "MONOCHROME2"))
def test_a_lookup_table_that_descends_turns_the_polarity_over(tmp_path, keyword, photometric):
    up, down = Polarity.BONE_BRIGHT, Polarity.BONE_DARK
    if photometric == "MONOCHROME1":
        up, down = down, up
    for table, polarity in ((np.arange(4096), up), (np.arange(4096)[::-1], down)):
        tags = {"PhotometricInterpretation": photometric, keyword: lookup_table(table)}
        film = read_film(write_dicom(tmp_path / "film.dcm", **tags), PAIR.ap)
        assert film.polarity is polarity and np.array_equal(film.pixels, VALUES)
    tags["PixelIntensityRelationshipSign"] = -1
    assert read_film(write_dicom(tmp_path / "film.dcm", **tags), PAIR.ap).polarity is Polarity.BONE_BRIGHT


@pytest.mark.parametrize("table", ([], [pydicom.Dataset()], lookup_table([])))
def test_a_lookup_table_without_values_is_none(tmp_path, table):
    assert read_film(write_dicom(tmp_path / "film.dcm", VOILUTSequence=table), PAIR.ap).polarity is Polarity.BONE_BRIGHT


@pytest.mark.parametrize(
    ("tags", "note"),
    [
        ({"PresentationLUTShape": "INVERSE"}, "contradicts Presentation LUT Shape INVERSE"),
        ({"PresentationLUTShape": "IDENTITY"}, None),
        ({"PresentationLUTShape": "INVERSE", "PhotometricInterpretation": "MONOCHROME1"}, None),
        ({"Modality": "RF", "PhotometricInterpretation": "MONOCHROME1"}, "bone is taken as dark"),
        ({"Modality": "RF", "VOILUTSequence": lookup_table([9, 1])}, "bone is taken as bright"),
    ],
)
def test_what_leaves_the_polarity_open_is_told(tmp_path, tags, note):
    film = read_film(write_dicom(tmp_path / "film.dcm", **tags), PAIR.ap)
    assert film.notes == () if note is None else note in " ".join(film.notes)


@pytest.mark.parametrize(
    ("signed", "bits", "inside", "vr", "value"),
    [
        (1, 16, -32768, "US", 32768),
        (0, 16, 65535, "SS", -1),
        (0, 12, 65535, "US", 65535),
        (1, 16, -2000, "SS", -2000),
    ],
)
def test_padding_is_found_however_its_value_is_written(tmp_path, signed, bits, inside, vr, value):
    values = VALUES.astype(np.int32)
    values[:4] = inside
    path = write_dicom(tmp_path / "film.dcm", values.astype(np.int16 if signed else np.uint16))
    dataset = pydicom.dcmread(path)
    dataset.PixelRepresentation, dataset.BitsStored, dataset.HighBit = signed, bits, bits - 1
    dataset.add_new("PixelPaddingValue", vr, value)
    dataset.save_as(path)
    film = read_film(path, PAIR.ap)
    assert len(film.notes) == 1 and film.notes[0].startswith("96 padding pixels")
    assert film.pixels.min() >= VALUES.min() and film.pixels.max() == VALUES[4:].max()
