"""DICOM radiographs for the tests of the DICOM browser."""

from __future__ import annotations

from pathlib import Path

import numpy as np

SIZE = (60, 50)


def write_film(path: Path, pydicom, view_position: str, study: str, seed: int, **tags) -> Path:
    """Write a DX film of 12-bit noise."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    values = np.random.default_rng(seed).integers(0, 4096, SIZE[::-1]).astype(np.uint16)
    dataset, dataset.file_meta = Dataset(), FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, generate_uid()
    dataset.PatientName, dataset.PatientID = "Doe^Jane", "17"
    dataset.StudyDate, dataset.SeriesDescription = "20260102", f"L-spine {view_position}"
    dataset.Modality, dataset.PhotometricInterpretation, dataset.ViewPosition = "DX", "MONOCHROME2", view_position
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel, dataset.PixelRepresentation = SIZE[1], SIZE[0], 1, 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.ImagerPixelSpacing, dataset.DistanceSourceToDetector = [0.4, 0.4], 1150
    dataset.PixelData = values.tobytes()
    for key, value in tags.items():
        setattr(dataset, key, value)
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)
    return path


def write_study(folder: Path, pydicom) -> list[Path]:
    """Write an AP and a lateral film of one study, and a CT slice; returns their paths."""
    study = "1.2.826.0.1.3680043.8.498.1"
    return [
        write_film(folder / "ct.dcm", pydicom, "", study, 3, Modality="CT"),
        write_film(folder / "ap.dcm", pydicom, "AP", study, 1),
        write_film(folder / "lateral.dcm", pydicom, "LL", study, 2),
    ]
