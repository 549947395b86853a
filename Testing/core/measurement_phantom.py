"""Vertebrae of known answer: elliptic cylinders with flat or hollow endplates, in any pose.

Local axes: x forward, y left, z up (SRS); origin at the body centre, mm.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import radians, tan

import numpy as np

from LumbarBiplanarLib.anatomy import Level
from LumbarBiplanarLib.measurement import Vertebra

# Columns: forward, left and up in RAS.
RAS_FROM_SRS = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
RINGS, SPOKES, LAYERS = 12, 72, 14


@dataclass(frozen=True)
class Shape:
    """Size in mm, wedges in degrees; positive: higher in front and on the left. ``hollow`` is the endplate depth.

    ``hollow_shift`` moves the deepest point backward, as a fraction of the half depth.
    """

    depth: float = 34.0
    width: float = 46.0
    height: float = 28.0
    wedge_sagittal: float = 0.0
    wedge_coronal: float = 0.0
    hollow: float = 0.0
    hollow_shift: float = 0.0

    def point(self, side: int, x: float, y: float) -> np.ndarray:
        """Return the endplate point at (x, y); side +1 superior, -1 inferior; the rim is never hollowed."""
        rim = side * (
            self.height / 2 + x * tan(radians(self.wedge_sagittal / 2)) + y * tan(radians(self.wedge_coronal / 2))
        )
        u, v = x / (self.depth / 2), y / (self.width / 2)
        dip = self.hollow * max(0.0, 1 - u * u - v * v) * (1 - self.hollow_shift * u)
        return np.array([x, y, rim - side * dip])


def rotation(pitch: float = 0.0, lean: float = 0.0, turn: float = 0.0) -> np.ndarray:
    """Return a (3, 3) rotation in SRS axes: forward tilt, then lean to the left, then turn to the left, in degrees."""
    p, q, t = (radians(angle) for angle in (pitch, lean, turn))
    about_y = np.array([[np.cos(p), 0, np.sin(p)], [0, 1, 0], [-np.sin(p), 0, np.cos(p)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(q), np.sin(q)], [0, -np.sin(q), np.cos(q)]])
    about_z = np.array([[np.cos(t), -np.sin(t), 0], [np.sin(t), np.cos(t), 0], [0, 0, 1]])
    return about_z @ about_x @ about_y


def phantom(
    level: Level,
    shape: Shape | None = None,
    turned: np.ndarray | None = None,
    at: np.ndarray | tuple = (0.0, 0.0, 0.0),
    noise_mm: float = 0.0,
    seed: int = 0,
    without: tuple[str, ...] = (),
) -> Vertebra:
    """Return a vertebra; ``turned`` (3, 3) and ``at`` (3,) place it, both in SRS axes of the patient."""
    shape = shape or Shape()
    turned = np.eye(3) if turned is None else turned
    points, faces, top, bottom = _mesh(shape)
    marks = {name: p for name, p in _landmarks(shape).items() if name not in without}
    rng = np.random.default_rng(seed)

    def place(p: np.ndarray, count: int = 1) -> np.ndarray:
        moved = (p @ turned.T + np.asarray(at)) @ RAS_FROM_SRS.T
        return moved + rng.normal(0, noise_mm / np.sqrt(count), moved.shape) if noise_mm else moved

    placed: Mapping[str, np.ndarray] = {
        name: place(p, 4 if name.startswith("pedicle") else 1) for name, p in marks.items()
    }
    return Vertebra(level, place(points), faces, placed, top, bottom)


def sacrum(turned: np.ndarray | None = None, at: np.ndarray | tuple = (0.0, 0.0, 0.0)) -> Vertebra:
    """Return S1 with its superior endplate only."""
    full = phantom(Level.S1, turned=turned, at=at)
    marks = {name: p for name, p in full.landmarks.items() if name.startswith("superior_endplate")}
    return Vertebra(Level.S1, full.points_ras_mm, full.faces, marks, full.superior_endplate)


def corner(shape: Shape, side: int, edge: str) -> np.ndarray:
    """Return a corner of an endplate in local axes."""
    x, y = {"anterior": (1, 0), "posterior": (-1, 0), "left": (0, 1), "right": (0, -1)}[edge]
    return shape.point(side, x * shape.depth / 2, y * shape.width / 2)


def _landmarks(shape: Shape) -> dict[str, np.ndarray]:
    marks = {
        "pedicle_left": np.array([-shape.depth / 2 - 4, 12.0, 6.0]),
        "pedicle_right": np.array([-shape.depth / 2 - 4, -12.0, 6.0]),
    }
    for name, side in (("superior", 1), ("inferior", -1)):
        marks[f"{name}_endplate_centre"] = shape.point(side, 0, 0)
        for edge in ("anterior", "posterior", "left", "right"):
            marks[f"{name}_endplate_{edge}"] = corner(shape, side, edge)
    return marks


def _mesh(shape: Shape) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return points, outward faces and the vertices of the superior and the inferior endplate."""
    angles = np.arange(SPOKES) * 2 * np.pi / SPOKES
    rim = np.stack([shape.depth / 2 * np.cos(angles), shape.width / 2 * np.sin(angles)], axis=1)
    points: list[np.ndarray] = []
    faces: list[tuple[int, int, int]] = []
    plates = []
    for side in (1, -1):
        start = len(points)
        points.append(shape.point(side, 0.0, 0.0))
        for ring in range(1, RINGS + 1):
            points.extend(shape.point(side, *(xy * ring / RINGS)) for xy in rim)
        plates.append(np.arange(start, len(points)))
        faces += [f if side > 0 else f[::-1] for f in _disc_faces(start)]
    edges = [plates[0][-SPOKES:], plates[1][-SPOKES:]]
    rows = [edges[0]]
    for layer in range(1, LAYERS):
        rows.append(np.arange(len(points), len(points) + SPOKES))
        blend = layer / LAYERS
        points.extend((1 - blend) * points[a] + blend * points[b] for a, b in zip(*edges))
    rows.append(edges[1])
    for upper, lower in pairwise(rows):
        for k in range(SPOKES):
            n = (k + 1) % SPOKES
            faces += [(upper[k], lower[k], lower[n]), (upper[k], lower[n], upper[n])]
    return np.array(points), np.array(faces), plates[0], plates[1]


def _disc_faces(start: int) -> list[tuple[int, int, int]]:
    def at(ring: int, k: int) -> int:
        return start + 1 + (ring - 1) * SPOKES + k % SPOKES

    faces = [(start, at(1, k), at(1, k + 1)) for k in range(SPOKES)]
    for ring in range(1, RINGS):
        for k in range(SPOKES):
            faces += [
                (at(ring, k), at(ring + 1, k), at(ring + 1, k + 1)),
                (at(ring, k), at(ring + 1, k + 1), at(ring, k + 1)),
            ]
    return faces
