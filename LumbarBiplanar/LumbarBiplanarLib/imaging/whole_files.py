"""Volume files that are cut off or damaged: ITK reads NIfTI that ends early as zeros, and checks no checksum."""

from __future__ import annotations

import gzip
import math
import re
import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

_GZIP = b"\x1f\x8b"
# One such chunk of a mask may unpack to a thousand times as much.
_CHUNK = 1 << 16
# The longest text header of NRRD or MetaImage that is looked through.
_LONGEST_HEADER = 1 << 16
# Window bits of zlib for a stream with the header of zlib or gzip, told by itself.
_ANY_STREAM = 47
_NIFTI_HEADERS = (348, 540)


def damage_of(path: str | Path) -> str | None:
    """Return in words what is wrong with a NIfTI, NRRD or MetaImage file, or None if nothing is found.

    Found are compressed content that ends early or does not fit its checksum, and NIfTI of fewer bytes than its header
    states. Files of other kinds, and data in a file of their own, are not looked at.

    Args:
        path: an existing file.

    Raises:
        OSError: if the file cannot be read.
    """
    try:
        with open(path, "rb") as stream:
            head = stream.read(_LONGEST_HEADER)
            stream.seek(0)
            if head.startswith(_GZIP):
                with gzip.open(stream) as content:
                    return _nifti_damage(_chunks(content))
            if head.startswith(b"NRRD"):
                return _stream_damage(stream, _start_of_nrrd(head))
            if re.search(rb"^ObjectType\s*=", head, re.MULTILINE):
                return _stream_damage(stream, _start_of_metaimage(head))
            return _nifti_damage(_chunks(stream))
    except EOFError:
        return "its compressed content ends early"
    except (gzip.BadGzipFile, zlib.error):
        return "its compressed content does not fit its checksum"


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    while chunk := stream.read(_CHUNK):
        yield chunk


def _nifti_damage(chunks: Iterable[bytes]) -> str | None:
    """Return what is wrong if the chunks are of a NIfTI file in one piece that is too short."""
    needed, there = 0, 0
    for chunk in chunks:
        if not there:
            needed = _nifti_bytes(chunk)
        there += len(chunk)
    return f"its header states {needed} bytes, {there} are there" if there < needed else None


def _nifti_bytes(head: bytes) -> int:
    """Return how many bytes a NIfTI header and its voxels take, 0 of anything else.

    Layout: nifti1.h and nifti2.h of the NIfTI data format working group.
    """
    if len(head) < max(_NIFTI_HEADERS):
        return 0
    for order in "<>":
        size = struct.unpack_from(f"{order}i", head)[0]
        if size == _NIFTI_HEADERS[0] and head[344:347] == b"n+1":
            axes = struct.unpack_from(f"{order}8h", head, 40)
            bits, offset = (struct.unpack_from(f"{order}{kind}", head, at)[0] for kind, at in (("h", 72), ("f", 108)))
        elif size == _NIFTI_HEADERS[1] and head[4:7] == b"n+2":
            axes = struct.unpack_from(f"{order}8q", head, 16)
            bits, offset = (struct.unpack_from(f"{order}{kind}", head, at)[0] for kind, at in (("h", 14), ("q", 168)))
        else:
            continue
        if 1 <= axes[0] <= 7 and math.isfinite(offset):
            return int(offset) + math.prod(max(1, length) for length in axes[1 : 1 + axes[0]]) * bits // 8
    return 0


def _start_of_nrrd(head: bytes) -> int | None:
    """Return where the compressed data of an NRRD file begin, None if they are not in it or not compressed."""
    end = re.search(rb"\r?\n\r?\n", head)
    if end is None:
        return None
    fields = head[: end.start()].lower()
    inside = not re.search(rb"^data ?file:", fields, re.MULTILINE)
    packed = re.search(rb"^encoding:\s*(gzip|gz)\s*$", fields, re.MULTILINE)
    return end.end() if inside and packed else None


def _start_of_metaimage(head: bytes) -> int | None:
    """Return where the compressed data of a MetaImage begin, None if they are not in it or not compressed."""
    end = re.search(rb"^ElementDataFile\s*=\s*LOCAL\s*?\r?\n", head, re.MULTILINE)
    packed = re.search(rb"^CompressedData\s*=\s*True\s*$", head[: end.start() if end else 0], re.MULTILINE)
    return end.end() if end and packed else None


def _stream_damage(stream: BinaryIO, start: int | None) -> str | None:
    if start is None:
        return None
    stream.seek(start)
    packed = zlib.decompressobj(_ANY_STREAM)
    for chunk in _chunks(stream):
        packed.decompress(chunk)
        if packed.eof:
            return None
    raise EOFError
