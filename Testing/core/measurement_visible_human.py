"""The Visible Human Male's L1-L5 with endplates and landmarks found by simple rules on the meshes of the bodies.

The files are metres with x anterior, y left, z up, left-right symmetrised by their authors.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np

from LumbarBiplanarLib.anatomy import LUMBAR_LEVELS, Level
from LumbarBiplanarLib.measurement import Vertebra
from measurement_phantom import RAS_FROM_SRS


def visible_human(folder: Path) -> list[Vertebra]:
    """Return L1 to L5 in RAS mm (x right, y anterior, z up)."""
    return [_vertebra(folder, level) for level in LUMBAR_LEVELS]


def _vertebra(folder: Path, level: Level) -> Vertebra:
    points, faces = _read_obj(folder / f"{level.name}_body.obj.gz")
    whole, _ = _read_obj(folder / f"{level.name}_Schrumpfverpacken.obj.gz")
    up, normals = np.array([0.0, 0.0, 1.0]), _vertex_normals(points, faces)
    for _ in range(10):  # the endplates give the axis of the body, and the axis the endplates
        height = (points - points.mean(axis=0)) @ up
        plates = [np.flatnonzero((side * normals @ up > 0.75) & (side * height > 5)) for side in (1, -1)]
        axis = points[plates[0]].mean(axis=0) - points[plates[1]].mean(axis=0)
        up = axis / np.linalg.norm(axis)
    marks = _pedicles(points, whole, up)
    for side, plate in zip(("superior", "inferior"), plates):
        marks.update(_rim(points[plate], f"{side}_endplate"))
    placed = {name: RAS_FROM_SRS @ p for name, p in marks.items()}
    return Vertebra(level, points @ RAS_FROM_SRS.T, faces, placed, *plates)


def _rim(plate: np.ndarray, prefix: str) -> dict[str, np.ndarray]:
    """Return the foremost and hindmost point near the middle, and the outermost points left and right."""
    middle = plate[np.abs(plate[:, 1]) < 2]
    found = {
        "anterior": middle[np.argmax(middle[:, 0])],
        "posterior": middle[np.argmin(middle[:, 0])],
        "left": plate[np.argmax(plate[:, 1])],
        "right": plate[np.argmin(plate[:, 1])],
    }
    return {f"{prefix}_{edge}": p for edge, p in found.items()}


def _pedicles(body: np.ndarray, whole: np.ndarray, up: np.ndarray) -> dict[str, np.ndarray]:
    """Return the mean of the bone just behind the body on each side."""
    forward = np.cross([0.0, 1.0, 0.0], up)
    back = (body @ forward).min()
    behind = np.abs(whole @ forward - (back - 4)) < 4
    return {
        f"pedicle_{name}": whole[behind & (side * whole[:, 1] > 6) & (side * whole[:, 1] < 24)].mean(axis=0)
        for name, side in (("left", 1), ("right", -1))
    }


def _vertex_normals(points: np.ndarray, faces: np.ndarray) -> np.ndarray:
    a, b, c = (points[faces[:, k]] for k in range(3))
    normals = np.zeros_like(points)
    np.add.at(normals, faces.ravel(), np.repeat(np.cross(b - a, c - a), 3, axis=0))
    if np.einsum("ij,ij->", a, np.cross(b, c)) < 0:  # the volume tells which way the faces look
        normals = -normals
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)


def _read_obj(path: Path) -> tuple[np.ndarray, np.ndarray]:
    points, faces = [], []
    with gzip.open(path, "rt") as file:
        for line in file:
            word, *rest = line.split() or [""]
            if word == "v":
                points.append([float(x) for x in rest[:3]])
            elif word == "f":
                faces.append([int(x.split("/")[0]) - 1 for x in rest[:3]])
    welded, index = np.unique(np.round(np.array(points) * 1000, 4), axis=0, return_inverse=True)
    return welded, index.ravel()[np.array(faces)]
