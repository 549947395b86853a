"""Surface files that are damaged or cut off: VTK reads a part of them, with a message at most, or crashes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ShapeModelError

_PLY_BYTES = {
    **dict.fromkeys(("char", "uchar", "int8", "uint8"), 1),
    **dict.fromkeys(("short", "ushort", "int16", "uint16"), 2),
    **dict.fromkeys(("int", "uint", "int32", "uint32", "float", "float32"), 4),
    **dict.fromkeys(("double", "float64"), 8),
}
_LONGEST_HEADER = 1 << 16


def read_whole(reader: Any, path: Path) -> None:
    """Let a VTK reader of surfaces read a file.

    Args:
        reader: a reader whose output is vtkPolyData.
        path: the file, of the kind that it reads.

    Raises:
        ShapeModelError: if the file is damaged or cut off.
    """
    from vtkmodules.util.numpy_support import vtk_to_numpy

    if path.suffix.lower() == ".ply":
        _check_ply(path)
    reader.SetFileName(str(path))
    with _messages() as said:
        reader.Update()
    if said:
        raise _damaged(path, said[0])
    output = reader.GetOutput()
    count = output.GetNumberOfPoints()
    for cells in (output.GetPolys(), output.GetStrips()):
        _check_indices(path, cells, count)
    if count and not np.isfinite(vtk_to_numpy(output.GetPoints().GetData())).all():
        raise _damaged(path, "a vertex is NaN or infinite")


def _damaged(path: Path, reason: str) -> ShapeModelError:
    return ShapeModelError(f"{path}: the surface file is damaged or cut off ({reason}); export it again.")


@contextlib.contextmanager
def _messages() -> Iterator[list[str]]:
    """Collect what VTK has to say of errors instead of printing it; complete when the block has ended."""
    from vtkmodules.vtkCommonCore import vtkLogger, vtkOutputWindow, vtkStringOutputWindow

    said: list[str] = []
    window, before = vtkStringOutputWindow(), vtkOutputWindow.GetInstance()
    verbosity = vtkLogger.GetCurrentVerbosityCutoff()
    vtkOutputWindow.SetInstance(window)
    vtkLogger.SetStderrVerbosity(vtkLogger.VERBOSITY_OFF)
    try:
        yield said
    finally:
        vtkLogger.SetStderrVerbosity(verbosity)
        vtkOutputWindow.SetInstance(before)
        for message in window.GetOutput().split("\n\n"):
            # "ERROR: In FILE, line N", then the text behind the name of the object.
            text = message.strip().partition("\n")[2].splitlines()[:1]
            if "error" in message.lower() and text:
                said.append(text[0].rpartition("): ")[2].strip().rstrip(".!"))


def _check_indices(path: Path, cells: Any, count: int) -> None:
    from vtkmodules.util.numpy_support import vtk_to_numpy

    if cells is None or not cells.GetNumberOfCells():
        return
    indices = vtk_to_numpy(cells.GetConnectivityArray())
    if len(indices) and (indices.min() < 0 or indices.max() >= count):
        raise _damaged(path, f"a triangle has a vertex that is none of the {count}")


def _check_ply(path: Path) -> None:
    """Raise ShapeModelError if a PLY file is too short for what its header states: VTK reads on behind its end."""
    content = path.read_bytes()
    header, end, body = content[:_LONGEST_HEADER].partition(b"end_header")
    if not end:
        return  # not a PLY file, or none that VTK reads
    body = content[len(header) + len(end) :]
    body = body[2 if body.startswith(b"\r\n") else 1 :]
    lines = [line.split() for line in header.decode("ascii", "replace").splitlines()]
    text = ["format", "ascii"] in [line[:2] for line in lines]
    needed = count = 0
    name = ""
    for line in lines:
        if line[:1] == ["element"] and len(line) == 3 and line[2].isdigit():
            name, count = line[1], int(line[2])
            needed += count if text else 0
        elif line[:1] == ["property"] and not text:
            # A face has three vertices or more; other lists may be empty.
            kinds = [*line[2:3], *(line[3:4] * 3 if name == "face" else ())] if line[1:2] == ["list"] else line[1:2]
            needed += count * sum(_PLY_BYTES.get(kind, 0) for kind in kinds)
    there = sum(1 for line in body.splitlines() if line.strip()) if text else len(body)
    if there < needed:
        unit = "lines" if text else "bytes"
        raise _damaged(path, f"its header states at least {needed} {unit}, {there} are there")
