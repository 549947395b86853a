"""The stored values of a DICOM file: decompressed, and held against what its header says about them."""

from __future__ import annotations

import copy
import tempfile
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FilmError
from .dicom_tags import number


def stored_pixels(path: Path, dataset: Any, notes: list[str]) -> np.ndarray:
    """Return the stored values, (H, W) or (H, W, 3); what pydicom cannot decompress (JPEG lossless), ITK can.

    Args:
        path: the file, for messages.
        dataset: its content.
        notes: gets what is worth a look.

    Raises:
        FilmError: if they cannot be decoded.
    """
    if not dataset.PixelData:
        raise FilmError(f"{path}: the DICOM file holds no pixels (Pixel Data is empty); export the film again.")
    if dataset.get("PhotometricInterpretation") == "PALETTE COLOR":
        # The values are numbers of colors, in any order: they are no gray.
        raise FilmError(f"{path}: PALETTE COLOR pixels are not a gray film; export it as MONOCHROME2.")
    stored, bits = dataset.get("BitsStored"), dataset.get("HighBit")
    shift = bits + 1 - stored if isinstance(bits, int) and isinstance(stored, int) else 0
    if shift <= 0 or _is_compressed(dataset):
        pixels = _decoded(path, dataset, notes)
        notes += _contradictions(dataset, pixels)
        return pixels
    # Older files may keep the value in the upper bits of a word; pydicom takes it from the lower ones.
    lowered = copy.deepcopy(dataset)
    lowered.BitsStored = bits + 1
    return _decoded(path, lowered, notes) >> shift


def _decoded(path: Path, dataset: Any, notes: list[str]) -> np.ndarray:
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            pixels = dataset.pixel_array
        notes += _doubts(dict.fromkeys(str(item.message) for item in said))
        return pixels
    except Exception as error:  # decoder missing, pixels cut off, tags that contradict each other
        if _is_compressed(dataset) and dataset.get("SamplesPerPixel", 1) == 1:
            stored = _decompressed_by_itk(dataset)
            if stored is not None:
                return stored
        raise FilmError(
            f"{path}: the pixels cannot be decoded ({error}); export the film again, uncompressed."
        ) from error


def _doubts(said: Iterable[str]) -> list[str]:
    """Return notes on what a decoder said of the pixels, but for what is harmless or told by ``_contradictions``."""
    return [
        f"The decoder of the pixels says: {text}. Look at the film, or export it again."
        for text in (text.strip().rstrip(".") for text in said)
        if "excess padding" not in text and "assuming 1 frame" not in text
    ]


def _is_compressed(dataset: Any) -> bool:
    try:
        return bool(dataset.file_meta.TransferSyntaxUID.is_compressed)
    except (AttributeError, NotImplementedError, TypeError, ValueError):  # not stated, several, or a maker's own
        return False


# What ITK needs to know. It inverts MONOCHROME1 and rescales by itself; without those tags it hands over the stored
# values. Nor can damage elsewhere in the header keep it from them.
_FOR_ITK = (
    *("SOPClassUID", "SOPInstanceUID", "SamplesPerPixel", "NumberOfFrames", "Rows", "Columns", "BitsAllocated"),
    *("BitsStored", "HighBit", "PixelRepresentation", "PixelData"),
)


def _decompressed_by_itk(dataset: Any) -> np.ndarray | None:
    import SimpleITK

    plain = copy.deepcopy(dataset)
    needed = [dataset[keyword].tag for keyword in _FOR_ITK if keyword in dataset]
    for tag in set(plain.keys()) - set(needed):
        del plain[tag]
    plain.PhotometricInterpretation = "MONOCHROME2"
    with tempfile.TemporaryDirectory() as folder:
        try:
            plain.save_as(Path(folder) / "film.dcm")
            stored = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(Path(folder) / "film.dcm")))
        except Exception:  # pydicom raises many kinds for a damaged file
            return None
    return stored.reshape(stored.shape[-2:]) if stored.size == stored.shape[-1] * stored.shape[-2] else None


def _contradictions(dataset: Any, pixels: np.ndarray) -> list[str]:
    """Return notes where uncompressed pixel data are not what Rows, Columns and Bits Stored say."""
    if _is_compressed(dataset):
        return []
    notes = []
    surplus = len(dataset.PixelData) - pixels.size * pixels.dtype.itemsize
    # A few bytes of filling are usual; more than a row says that one of the two numbers is wrong.
    if pixels.ndim == 2 and surplus > pixels.shape[1] * pixels.dtype.itemsize:
        notes.append(
            f"Pixel Data holds {surplus} bytes more than Rows ({pixels.shape[0]}) times Columns ({pixels.shape[1]}) "
            "need: one of these may be wrong, and the film cut off or sheared. Look at it, or export it again."
        )
    if pixels.dtype == np.uint16 and (lost := _cut_values(dataset, pixels.size)):
        notes.append(
            f"{lost} of {pixels.size} pixels hold more than the {dataset.BitsStored} bits that Bits Stored says; what "
            "is above was cut off. If they are no overlay, the film is garbled: export it again."
        )
    return notes


def _cut_values(dataset: Any, count: int) -> int:
    """Return how many values have bits above the highest one, but for padding and declared overlays."""
    bits = int(number(dataset, "BitsStored", 16))
    order = "<" if dataset.file_meta.TransferSyntaxUID.is_little_endian else ">"
    words = np.frombuffer(dataset.PixelData, dtype=f"{order}u2", count=count)
    above = 0xFFFF & ~((1 << bits) - 1)
    for group in range(0x6000, 0x6020, 2):
        position = number(dataset, (group, 0x0102), -1.0)
        if position >= 0:
            above &= ~(1 << int(position))
    padding = int(number(dataset, "PixelPaddingValue", 0.0)) & 0xFFFF
    return int(np.count_nonzero((words & np.uint16(above)) * (words != padding)))
