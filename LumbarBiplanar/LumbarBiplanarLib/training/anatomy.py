"""What stands around a lumbar spine on a film: sacrum, pelvis and ribs, and a body of soft tissue.

The sacra are those of forty people, the pelvis that of the Visible Human Male, closed and thinned; ribs are tubes; the
soft tissue is the whole-body CT of the sample study without its skeleton: every vertebra from T11 to L5 is filled with
soft-tissue noise and what is denser than soft tissue is cut down to it, so that no bone of that person reaches the
training. It is warped in space before each use (``random_warp``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..geometry.frames import rigid, rotation_from_vector, transform_points
from ..imaging import attenuation_per_mm, read_volume
from ..shape.sources import read_iso_mesh
from ..shape.surfaces import Surface, decimated, from_polydata, oriented_outward, to_polydata, vertex_normals
from .sacra import read_sacra

_SPINE_LABELS = range(27, 34)  # TotalSegmentator's L5 to T11
_L5_LABEL = 27
_TISSUE_HU, _TISSUE_SD_HU, _TISSUE_BLUR_VOXELS = 45.0, 60.0, 1.2
# Waves that bend a pelvis to that of another person, their lengths and the deviation of their sum along each axis.
_BEND_WAVES, _BEND_OVER_MM, _BEND_SD_MM = 8, (90.0, 220.0), 4.0
_DENSEST_TISSUE_HU = 90.0  # above muscle and most organs, below spongy bone


@dataclass(frozen=True, eq=False)
class SoftTissue:
    """A body without its bones.

    Attributes:
        attenuation_per_mm: (I, J, K) float32.
        ijk_from_ras: (4, 4).
        center_ras_mm: (3,) middle of the volume.
        l5_center_ras_mm: (3,) where its L5 was, to put another spine there.
    """

    attenuation_per_mm: np.ndarray
    ijk_from_ras: np.ndarray
    center_ras_mm: np.ndarray
    l5_center_ras_mm: np.ndarray


@dataclass(frozen=True, eq=False)
class Context:
    """What is put around a spine; None where a part is not at hand.

    Attributes:
        sacra, pelvis: closed surfaces in the sacrum's frame: origin at the centre of its endplate, z its normal, mm.
        tissue: a body.
    """

    sacra: tuple[Surface, ...] = ()
    pelvis: Surface | None = None
    tissue: SoftTissue | None = None


def read_context(data: str | Path, jobs: int = 1) -> Context:
    """Read sacra, pelvis and soft tissue from the folder of open data; half a minute of one processor core.

    Args:
        data: folder with ``visible-human-male``, ``sacra-40`` and ``whole-body-ct``.
        jobs: processes that lay the sacra onto one another; 1 means this one. What is read does not depend on it.

    Raises:
        ShapeModelError: if a mesh is missing.
        VolumeError: if a volume cannot be read.
    """
    data = Path(data)
    sacrum = _closed(read_iso_mesh(data / "visible-human-male/S1_Schrumpfverpacken.obj.gz"), 3000)
    pelvis = _closed(read_iso_mesh(data / "visible-human-male/Pelvis.obj.gz"), 5000)
    sacrum_from_ras = np.linalg.inv(endplate_frame(sacrum))
    parts = (*read_sacra(data / "sacra-40", sacrum, jobs), pelvis)
    *sacra, pelvis = (Surface(transform_points(sacrum_from_ras, part.points_ras_mm), part.faces) for part in parts)
    return Context(tuple(sacra), pelvis, read_soft_tissue(data))


def read_soft_tissue(data: str | Path) -> SoftTissue:
    """Return the whole-body CT without bones: vertebrae filled with soft-tissue noise, everything else cut at 90 HU.

    Raises:
        VolumeError: if the CT or its mask cannot be read.
    """
    from scipy import ndimage

    folder = Path(data) / "whole-body-ct"
    ct = read_volume(folder / "example_ct.nii.gz")
    mask = read_volume(folder / "example_ct_totalseg_vertebrae.nii.gz")
    hu, labels = ct.data.astype(np.float32), np.asarray(mask.data)
    spine = ndimage.binary_dilation(np.isin(labels, list(_SPINE_LABELS)), iterations=1)
    noise = np.random.default_rng(0).normal(0.0, _TISSUE_SD_HU, hu.shape)
    hu[spine] = ndimage.gaussian_filter(noise, _TISSUE_BLUR_VOXELS)[spine] + _TISSUE_HU
    center = transform_points(mask.ras_from_ijk, np.argwhere(labels == _L5_LABEL).mean(axis=0)[None])[0]
    soft = attenuation_per_mm(np.minimum(hu, _DENSEST_TISSUE_HU)).astype(np.float32)
    return SoftTissue(soft, ct.ijk_from_ras, ct.center_ras_mm, center)


def random_warp(tissue: SoftTissue, rng: np.random.Generator) -> SoftTissue:
    """Return the body turned, stretched, sheared and shifted at random, every other time mirrored left to right."""
    linear = rotation_from_vector(rng.normal(0.0, 0.06, 3)) @ np.diag(np.exp(rng.normal(0.0, 0.08, 3)))
    linear = linear @ (np.eye(3) + rng.normal(0.0, 0.05, (3, 3)))
    if rng.random() < 0.5:
        linear = linear @ np.diag([-1.0, 1.0, 1.0])
    shift = tissue.center_ras_mm - linear @ tissue.center_ras_mm + rng.normal(0.0, 10.0, 3)
    return replace(tissue, ijk_from_ras=tissue.ijk_from_ras @ np.linalg.inv(rigid(linear, shift)))


def random_bend(rng: np.random.Generator) -> Callable[[np.ndarray], np.ndarray]:
    """Return a smooth random displacement of points (n, 3), mm, which leaves the origin where it is: a sum of waves."""
    direction = rng.normal(size=(_BEND_WAVES, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    wave = 2.0 * np.pi * direction / rng.uniform(*_BEND_OVER_MM, (_BEND_WAVES, 1))
    phase = rng.uniform(0.0, 2.0 * np.pi, _BEND_WAVES)
    shift = rng.normal(0.0, _BEND_SD_MM * np.sqrt(2.0 / _BEND_WAVES), (_BEND_WAVES, 3))

    def bent(points_mm: np.ndarray) -> np.ndarray:
        return points_mm + (np.sin(points_mm @ wave.T + phase) - np.sin(phase)) @ shift

    return bent


def endplate_frame(sacrum: Surface) -> np.ndarray:
    """Return ras_from_sacrum (4, 4): origin amid the sacral endplate, z its normal, x as near to RAS x as it can be.

    The endplate is what faces up and forward within 18 mm of the midline and 22 mm of the highest such point.
    """
    points, normals = sacrum.points_ras_mm, vertex_normals(sacrum.points_ras_mm, sacrum.faces)
    near = (np.abs(points[:, 0] - points[:, 0].mean()) < 18.0) & (normals[:, 2] > 0.5) & (normals[:, 1] > 0.1)
    candidates = points[near]
    top = candidates[:, 2] > candidates[:, 2].max() - 22.0
    z = normals[near][top].mean(axis=0)
    z /= np.linalg.norm(z)
    x = np.array([1.0, 0.0, 0.0]) - z[0] * z
    x /= np.linalg.norm(x)
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([x, np.cross(z, x), z], axis=1)
    matrix[:3, 3] = candidates[top].mean(axis=0)
    return matrix


def tube(path_mm: np.ndarray, radius_mm: float, sides: int = 10) -> Surface:
    """Return a closed tube, 1.6 times as high as it is thick, along a path (n, 3) that nowhere runs straight up."""
    path = np.asarray(path_mm, dtype=np.float64)
    along = np.gradient(path, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    across = np.cross(along, (0.0, 0.0, 1.0))
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    upward = np.cross(along, across)
    angle = np.linspace(0.0, 2.0 * np.pi, sides, endpoint=False)[None, :, None]
    ring = path[:, None] + radius_mm * (np.cos(angle) * across[:, None] + 1.6 * np.sin(angle) * upward[:, None])
    n = len(path)
    start, end = n * sides, n * sides + 1
    faces = []
    for j in range(sides):
        k = (j + 1) % sides
        for i in range(n - 1):
            p, q = i * sides + j, i * sides + k
            faces += [[p, q, p + sides], [q, q + sides, p + sides]]
        faces += [[start, k, j], [end, (n - 1) * sides + j, (n - 1) * sides + k]]
    points = np.concatenate([ring.reshape(-1, 3), path[:1], path[-1:]])
    return oriented_outward(Surface(points, np.array(faces)))


def _closed(surface: Surface, faces: int) -> Surface:
    """Return the surface with its holes filled and about so many faces."""
    from vtkmodules.vtkFiltersModeling import vtkFillHolesFilter

    filler = vtkFillHolesFilter()
    filler.SetInputData(to_polydata(surface))
    filler.SetHoleSize(1e6)
    filler.Update()
    return oriented_outward(decimated(from_polydata(filler.GetOutput()), faces))
