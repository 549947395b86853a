"""Volumes and films in files that are cut off or damaged are refused, whatever ITK makes of them."""

from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest
import SimpleITK

from LumbarBiplanarLib.errors import FilmError, VolumeError
from LumbarBiplanarLib.imaging import read_volume
from LumbarBiplanarLib.imaging.decoding import decode
from LumbarBiplanarLib.imaging.whole_files import damage_of


def write(path, shape=(20, 24, 28)):
    """Write whole numbers that compress badly, so that what is cut off is content."""
    values = np.random.default_rng(0).integers(0, 25, shape).astype(np.int16)
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(values), str(path), useCompression=path.suffix != ".nii")
    return values


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha"])
def test_a_volume_that_is_cut_off_is_refused_and_a_whole_one_is_read(tmp_path, suffix):
    path = tmp_path / f"Müller Jörg{suffix}"
    values = write(path)
    assert damage_of(path) is None
    assert np.array_equal(read_volume(path).data, values.transpose(2, 1, 0))
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(VolumeError, match=r"Müller Jörg\.\w+.*cut off \(its .*copy or export it again"):
        read_volume(path)


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
def test_a_volume_whose_bytes_were_changed_is_refused(tmp_path, suffix):
    path = tmp_path / f"mask{suffix}"
    write(path)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 40] = bytes(byte ^ 0x5A for byte in content[middle : middle + 40])
    path.write_bytes(content)
    with pytest.raises(VolumeError, match=r"mask.*does not fit its checksum"):
        read_volume(path)


def test_nifti_that_was_cut_off_before_it_was_packed_is_refused(tmp_path):
    path = tmp_path / "mask.nii"
    write(path)
    packed = tmp_path / "mask.nii.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()[:-2]))
    with pytest.raises(VolumeError, match="its header states 27232 bytes, 27230 are there"):
        read_volume(packed)


def test_the_second_version_of_nifti_is_measured_too(tmp_path):
    path = tmp_path / "mask.nii"
    header = bytearray(544)
    struct.pack_into("<i4s", header, 0, 540, b"n+2\0")
    struct.pack_into("<h8qq", header, 14, 16, *([0] * 9))
    struct.pack_into("<8q", header, 16, 3, 4, 5, 6, 1, 1, 1, 1)
    struct.pack_into("<q", header, 168, 544)
    path.write_bytes(bytes(header) + bytes(240))
    assert damage_of(path) is None
    path.write_bytes(bytes(header) + bytes(239))
    assert damage_of(path) == "its header states 784 bytes, 783 are there"


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd"])
def test_a_film_that_is_cut_off_is_refused(tmp_path, suffix):
    path = tmp_path / f"film{suffix}"
    write(path, (240, 200))
    decode(path)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(FilmError, match=r"film\.n.*damaged or cut off"):
        decode(path)
