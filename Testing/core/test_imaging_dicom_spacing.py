"""Sizes and distances in DICOM headers: those no film has, those of slot scanners, those of enhanced images."""

from __future__ import annotations

import numpy as np
import pytest

from LumbarBiplanarLib.geometry import standard_view
from LumbarBiplanarLib.imaging import SpacingPlane, film_facts, film_spacing, read_film, read_film_alone
from test_imaging_dicom import PAIR, VALUES, write_dicom
from test_imaging_dicom_pixels import add_raw

pydicom = pytest.importorskip("pydicom")

IMAGER, DISTANCE = 0x00181164, 0x00181110


@pytest.mark.filterwarnings("ignore:Invalid value for VR DS")
@pytest.mark.parametrize(
    "value",
    (
        "0\\0",
        "-0.2\\-0.2",
        "0.2",
        "0.2\\0.2\\0.2",
        "0,2\\0,2",
        "abc",
        "inf\\inf",
        "nan\\nan",
        "0.2\\",
        "143\\143",
        "1\\1",
    ),
)
def test_a_pixel_size_that_no_film_has_is_not_used_and_told(tmp_path, value):
    path = add_raw(write_dicom(tmp_path / "film.dcm"), IMAGER, "DS", value)
    film = read_film_alone(path, "AP")
    assert film_spacing(path).spacing_mm is None
    assert "43 cm" in film.view.provenance["spacing_mm"]
    assert "Imager Pixel Spacing (0018,1164) is" in " ".join(film.notes)


def test_a_size_that_cannot_be_gives_way_to_one_that_can(tmp_path):
    path = write_dicom(tmp_path / "film.dcm", ImagerPixelSpacing=[0, 0], PixelSpacing=[0.3, 0.2])
    assert film_spacing(path).spacing_mm == (0.2, 0.3)


@pytest.mark.filterwarnings("ignore:Invalid value for VR DS")
@pytest.mark.parametrize("value", ("110", "1.1", "11000", "-1100", "1100 mm", "1,1"))
def test_a_distance_that_no_room_has_is_not_used_and_told(tmp_path, value):
    path = add_raw(write_dicom(tmp_path / "film.dcm"), DISTANCE, "DS", value)
    film = read_film_alone(path, "AP")
    assert film.view.focal_mm == 1100
    assert f"Distance Source to Detector (0018,1110) is {value}" in " ".join(film.notes)


@pytest.mark.parametrize("value", ("", "0"))
def test_an_unknown_distance_is_no_news(tmp_path, value):
    path = add_raw(write_dicom(tmp_path / "film.dcm"), DISTANCE, "DS", value)
    assert read_film(path, PAIR.ap).notes == ()


def test_pixels_that_are_not_square_are_told(tmp_path):
    path = write_dicom(tmp_path / "film.dcm", PixelAspectRatio=[2, 1])
    assert "not square" in " ".join(read_film(path, PAIR.ap).notes)


@pytest.mark.parametrize("maker", ("EOS imaging", "Biospace med"))
def test_a_slot_scanner_states_its_isocenter_and_sizes_there(tmp_path, maker):
    path = write_dicom(
        tmp_path / "film.dcm",
        Manufacturer=maker,
        DistanceSourceToDetector=1300,
        DistanceSourceToIsocenter=918.0,
        PixelSpacing=[0.179363, 0.179363],
    )
    facts = film_facts(path)
    assert (facts.model, facts.isocenter_mm, facts.spacing_plane) == ("slot", 918.0, "object")
    assert facts.isocenter_source == "Distance Source to Isocenter (0018,9402)"
    assert standard_view("AP", facts).spacing_mm == pytest.approx((0.254, 0.179363), abs=1e-5)


def test_rows_of_a_slot_scanner_are_not_magnified(tmp_path):
    tags = {"Manufacturer": "EOS imaging", "ImagerPixelSpacing": [0.254, 0.254], "PixelSpacing": [0.18, 0.18]}
    stated = film_spacing(write_dicom(tmp_path / "film.dcm", **tags))
    assert stated.spacing_mm == (0.254, 0.18) and stated.plane is SpacingPlane.DETECTOR
    path = write_dicom(tmp_path / "same.dcm", **{**tags, "ImagerPixelSpacing": [0.18, 0.18]})
    assert "are the same" in " ".join(read_film_alone(path, "AP").notes)


@pytest.mark.parametrize("where", ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"))
def test_an_enhanced_image_is_read_from_its_groups(tmp_path, where):
    properties, geometry, group = pydicom.Dataset(), pydicom.Dataset(), pydicom.Dataset()
    properties.ImagerPixelSpacing, properties.PixelIntensityRelationshipSign = [0.3, 0.2], -1
    geometry.DistanceSourceToDetector, geometry.DistanceSourceToIsocenter = 1200, 800.0
    group.FramePixelDataPropertiesSequence, group.XRayGeometrySequence = [properties], [geometry]
    path = write_dicom(tmp_path / "film.dcm", Modality="XA", NumberOfFrames=1, **{where: [group]})
    facts, film = film_facts(path), read_film_alone(path, "AP")
    assert (facts.spacing_mm, facts.spacing_plane) == ((0.2, 0.3), "detector")
    assert (facts.focal_mm, facts.isocenter_mm) == (1200, 800)
    assert film.polarity.value == "bone bright" and film.notes == ()


def test_a_film_larger_than_any_is_not_believed(tmp_path):
    path = write_dicom(tmp_path / "film.dcm", np.tile(VALUES, (30, 1)), ImagerPixelSpacing=[4.0, 4.0])
    assert film_spacing(path).spacing_mm is None
    assert "96 x 3840 mm" in " ".join(read_film_alone(path, "AP").notes)


def test_pixels_larger_in_the_patient_than_at_the_detector_are_told(tmp_path):
    tags = {"ImagerPixelSpacing": [0.4, 0.4], "PixelSpacing": [0.4, 0.5]}
    assert "larger than Imager" in " ".join(read_film(write_dicom(tmp_path / "film.dcm", **tags), PAIR.ap).notes)
    tags["PixelSpacing"] = [0.4, 0.4]
    assert read_film(write_dicom(tmp_path / "film.dcm", **tags), PAIR.ap).notes == ()
